//! How a dispute stands, and which step may follow.

use serde::{Deserialize, Serialize};

/// How a dispute stands, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry: the bank asks, no money has moved.
    WarningNeedsResponse,
    /// An inquiry that was answered.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// The money is gone, and evidence is awaited.
    NeedsResponse,
    /// The bank decides.
    UnderReview,
    /// The money came back.
    Won,
    /// The money stays gone.
    Lost,
    /// Settled before it became a dispute.
    Prevented,
    /// As old accounts show it: the charge was refunded instead.
    ChargeRefunded,
    /// The verdict may be appealed.
    AppealNeedsResponse,
    /// The appeal is being decided.
    AppealUnderReview,
}

use DisputeStatus::{
    AppealNeedsResponse, AppealUnderReview, ChargeRefunded, Lost, NeedsResponse, Prevented, UnderReview,
    WarningClosed, WarningNeedsResponse, WarningUnderReview, Won,
};

impl DisputeStatus {
    /// Whether the bank has the money.
    pub fn holds_money(self) -> bool {
        matches!(self, NeedsResponse | UnderReview | Lost | AppealNeedsResponse | AppealUnderReview)
    }

    /// Whether a bank only asks, or asked.
    pub fn is_inquiry(self) -> bool {
        matches!(self, WarningNeedsResponse | WarningUnderReview | WarningClosed)
    }

    /// Whether nothing more is expected; a lost one may be won all the same.
    pub fn is_closed(self) -> bool {
        matches!(self, WarningClosed | Won | Lost | Prevented | ChargeRefunded)
    }

    /// Whether `charge.dispute.closed` tells of it.
    pub(crate) fn is_told_as_closed(self) -> bool {
        matches!(self, WarningClosed | Won | Lost)
    }

    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            WarningNeedsResponse => "warning_needs_response",
            WarningUnderReview => "warning_under_review",
            WarningClosed => "warning_closed",
            NeedsResponse => "needs_response",
            UnderReview => "under_review",
            Won => "won",
            Lost => "lost",
            Prevented => "prevented",
            ChargeRefunded => "charge_refunded",
            AppealNeedsResponse => "appeal_needs_response",
            AppealUnderReview => "appeal_under_review",
        }
    }
}

/// What a bank, a network or a person does next with a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStep {
    /// It was answered, by whomever; the bank looks at it.
    Review,
    /// The shop wins, also after a loss.
    Win,
    /// The shop loses.
    Lose,
    /// The bank's decision may be appealed.
    Appeal,
    /// An inquiry becomes a dispute, and the money goes.
    Escalate,
    /// An inquiry comes to nothing.
    CloseInquiry,
    /// It is settled before it comes to a dispute.
    Prevent,
    /// It ends because the charge was refunded, as on old accounts.
    RefundInstead,
}

impl DisputeStep {
    /// Every step.
    pub const ALL: [DisputeStep; 8] = [
        DisputeStep::Review,
        DisputeStep::Win,
        DisputeStep::Lose,
        DisputeStep::Appeal,
        DisputeStep::Escalate,
        DisputeStep::CloseInquiry,
        DisputeStep::Prevent,
        DisputeStep::RefundInstead,
    ];

    /// Where it leads; `None` when it cannot be done from there.
    pub fn from(self, status: DisputeStatus) -> Option<DisputeStatus> {
        Some(match (self, status) {
            (DisputeStep::Review, NeedsResponse) => UnderReview,
            (DisputeStep::Review, WarningNeedsResponse) => WarningUnderReview,
            (DisputeStep::Review, AppealNeedsResponse) => AppealUnderReview,
            (
                DisputeStep::Win,
                NeedsResponse | UnderReview | Lost | AppealNeedsResponse | AppealUnderReview,
            ) => Won,
            (DisputeStep::Lose, NeedsResponse | UnderReview | AppealNeedsResponse | AppealUnderReview) => {
                Lost
            }
            (DisputeStep::Appeal, UnderReview | Lost) => AppealNeedsResponse,
            (DisputeStep::Escalate, WarningNeedsResponse | WarningUnderReview) => NeedsResponse,
            (DisputeStep::CloseInquiry, WarningNeedsResponse | WarningUnderReview) => WarningClosed,
            (DisputeStep::Prevent, NeedsResponse | WarningNeedsResponse | WarningUnderReview) => Prevented,
            (
                DisputeStep::RefundInstead,
                NeedsResponse | UnderReview | WarningNeedsResponse | WarningUnderReview,
            ) => ChargeRefunded,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States down, steps across; a changed rule is a changed line.
    #[test]
    fn the_ways_of_a_dispute() {
        let statuses = [
            WarningNeedsResponse,
            WarningUnderReview,
            WarningClosed,
            NeedsResponse,
            UnderReview,
            Won,
            Lost,
            Prevented,
            ChargeRefunded,
            AppealNeedsResponse,
            AppealUnderReview,
        ];
        let line = |status: DisputeStatus| {
            let ways = DisputeStep::ALL.into_iter().filter_map(|step| Some((step, step.from(status)?)));
            let ways: Vec<String> = ways.map(|(step, to)| format!("{step:?}>{}", to.as_str())).collect();
            format!("{}: {}\n", status.as_str(), ways.join(" "))
        };
        let table: String = statuses.into_iter().map(line).collect();
        assert_eq!(
            table,
            "\
warning_needs_response: Review>warning_under_review Escalate>needs_response CloseInquiry>warning_closed Prevent>prevented RefundInstead>charge_refunded
warning_under_review: Escalate>needs_response CloseInquiry>warning_closed Prevent>prevented RefundInstead>charge_refunded
warning_closed: \n\
needs_response: Review>under_review Win>won Lose>lost Prevent>prevented RefundInstead>charge_refunded
under_review: Win>won Lose>lost Appeal>appeal_needs_response RefundInstead>charge_refunded
won: \n\
lost: Win>won Appeal>appeal_needs_response
prevented: \n\
charge_refunded: \n\
appeal_needs_response: Review>appeal_under_review Win>won Lose>lost
appeal_under_review: Win>won Lose>lost
"
        );
    }
}
