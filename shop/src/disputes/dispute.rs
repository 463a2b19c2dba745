//! A dispute in an operator's words. This file decides what its deadline means and what comes next; plain values only.

use kernel::Timestamp;
use stripe::{DisputeOutcome, DisputeStatus};

/// Until when an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// Nobody waits for an answer.
    None,
    /// An answer is awaited, and Stripe does not say until when.
    Unknown,
    /// So many whole days are left.
    Left(i64),
    /// It is over since so many whole days.
    Over(i64),
}

const DAY: u64 = 86_400;

/// What is left of the time to answer. Stripe's deadline is taken as Stripe says it; there is no rule of thumb.
pub fn deadline(status: DisputeStatus, due_by: Option<Timestamp>, now: Timestamp) -> Deadline {
    let days = |from: Timestamp, to: Timestamp| (to.since(from).as_secs() / DAY) as i64;
    match due_by {
        _ if !status.needs_response() => Deadline::None,
        None => Deadline::Unknown,
        Some(due) if due <= now => Deadline::Over(days(due, now)),
        Some(due) => Deadline::Left(days(now, due)),
    }
}

impl Deadline {
    /// As a number for tables: negative when it is over.
    pub fn days_left(self) -> Option<i64> {
        match self {
            Deadline::None | Deadline::Unknown => None,
            Deadline::Left(days) => Some(days),
            Deadline::Over(days) => Some(-days),
        }
    }
}

/// What should happen next about a dispute, and by whom.
pub fn next(id: &str, status: DisputeStatus, due_by: Option<Timestamp>, now: Timestamp) -> String {
    let until = match (deadline(status, due_by, now), due_by) {
        (Deadline::Left(days), Some(due)) => format!(" by {} ({days} whole days are left)", due.in_words()),
        (Deadline::Over(_), Some(due)) => {
            format!("; it was due by {}, see whether one is still taken", due.in_words())
        }
        _ => "; Stripe names no deadline".into(),
    };
    let at_stripe = format!("https://dashboard.stripe.com/disputes/{id}");
    match status {
        DisputeStatus::WarningNeedsResponse => {
            format!("The bank only asks; nothing is suspended. Answer at {at_stripe}{until}.")
        }
        DisputeStatus::NeedsResponse => {
            format!("Send evidence, or accept it, at {at_stripe}{until}. Access is suspended meanwhile.")
        }
        DisputeStatus::AppealNeedsResponse => {
            format!(
                "It was lost and may be appealed at {at_stripe}{until}. What was bought stays taken back."
            )
        }
        DisputeStatus::WarningUnderReview => "The bank looks at the answer; nothing is suspended.".into(),
        DisputeStatus::UnderReview => "The bank decides; access is suspended until it has.".into(),
        DisputeStatus::AppealUnderReview => {
            "The bank decides about the appeal; what was bought stays taken back until it is won.".into()
        }
        DisputeStatus::Other => {
            format!("Stripe calls its state by a word this version does not know; look at {at_stripe}.")
        }
        DisputeStatus::WarningClosed | DisputeStatus::Prevented | DisputeStatus::ChargeRefunded => {
            "Nothing; it came to nothing.".into()
        }
        DisputeStatus::Won => "Nothing; the money came back, and so did what was suspended.".into(),
        DisputeStatus::Lost => "Nothing; the money is gone, and what was bought was taken back.".into(),
    }
}

/// What a dispute means now, in a word.
pub(super) fn meaning(outcome: DisputeOutcome) -> &'static str {
    match outcome {
        DisputeOutcome::None => "nothing is suspended",
        DisputeOutcome::Open => "access is suspended",
        DisputeOutcome::Lost => "what was bought was taken back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn left(status: DisputeStatus, seconds: i64) -> Deadline {
        deadline(status, Some(Timestamp::from_seconds(1_790_000_000 + seconds)), NOW)
    }

    #[test]
    fn a_deadline_is_counted_in_whole_days_and_only_while_an_answer_is_awaited() {
        let day = DAY as i64;
        assert_eq!(left(DisputeStatus::NeedsResponse, 2 * day - 1), Deadline::Left(1));
        assert_eq!(left(DisputeStatus::WarningNeedsResponse, day - 1), Deadline::Left(0));
        assert_eq!(left(DisputeStatus::NeedsResponse, 0), Deadline::Over(0));
        assert_eq!(left(DisputeStatus::AppealNeedsResponse, -3 * day).days_left(), Some(-3));
        assert_eq!(left(DisputeStatus::UnderReview, day), Deadline::None);
        assert_eq!(deadline(DisputeStatus::NeedsResponse, None, NOW), Deadline::Unknown);
    }

    #[test]
    fn whoever_has_to_answer_is_told_where_and_until_when() {
        let due = Timestamp::from_seconds(1_790_000_000 + 5 * 86_400);
        let said = next("dp_1", DisputeStatus::NeedsResponse, Some(due), NOW);
        assert!(said.contains("disputes/dp_1") && said.contains("5 whole days"), "{said}");
        let said = next("dp_1", DisputeStatus::NeedsResponse, None, NOW);
        assert!(said.contains("names no deadline"), "{said}");
        let said = next("dp_1", DisputeStatus::UnderReview, Some(due), NOW);
        assert!(!said.contains("dashboard"), "{said}");
    }
}
