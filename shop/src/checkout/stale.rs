//! Which orders have waited so long for their payment that Stripe is asked about them. This file decides.

use kernel::{Duration, Timestamp};

use crate::orders::{PaymentStatus, Unpaid};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// An order that is left is looked at again after this, on its first day.
const AGAIN: Duration = Duration::from_secs(10 * 60);

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Every few minutes: the same order only now and then.
    Schedule,
    /// A person, who wants it now.
    Hand,
}

/// How long orders may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// With a payment that failed.
    pub(super) failed: Duration,
    /// With a page that is open and on which nobody has tried to pay: at least until their stock is free again.
    pub(super) reservation: Duration,
}

impl Patience {
    /// The shortest of them: what is younger need not be looked at.
    pub(super) fn shortest(&self) -> Duration {
        self.failed
    }

    fn of(&self, status: PaymentStatus) -> Duration {
        match status {
            // A bank takes days, and tells when it has decided. Should that never arrive, it is asked daily.
            PaymentStatus::Processing => DAY,
            PaymentStatus::Failed => self.failed,
            _ => self.failed.max(self.reservation),
        }
    }

    /// Whether Stripe is to be asked about `order` now, when it was last asked then.
    pub(super) fn is_over(
        &self,
        order: &Unpaid,
        asked_at: Option<Timestamp>,
        now: Timestamp,
        pace: Pace,
    ) -> bool {
        let age = now.since(order.created_at);
        let again = match (order.payment_status, pace) {
            (PaymentStatus::Processing, _) => DAY,
            (_, Pace::Hand) => Duration::ZERO,
            (_, Pace::Schedule) if age < DAY => AGAIN,
            (_, Pace::Schedule) => DAY,
        };
        age >= self.of(order.payment_status) && asked_at.is_none_or(|at| now.since(at) >= again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_176_000);
    const PATIENCE: Patience =
        Patience { failed: Duration::from_secs(60 * 60), reservation: Duration::from_secs(90 * 60) };

    fn minutes_ago(minutes: u64) -> Timestamp {
        NOW - Duration::from_secs(minutes * 60)
    }

    fn is_over(payment_status: PaymentStatus, age: u64, asked: Option<u64>, pace: Pace) -> bool {
        let id = crate::ids::OrderId::from_uuid(uuid::Uuid::nil());
        let order = Unpaid { id, payment_status, created_at: minutes_ago(age) };
        PATIENCE.is_over(&order, asked.map(minutes_ago), NOW, pace)
    }

    #[test]
    fn each_order_may_wait_as_long_as_its_payment_can_still_come() {
        use PaymentStatus::{Failed, Processing, Unpaid};
        for (status, patience) in [(Failed, 60), (Unpaid, 90), (Processing, 24 * 60)] {
            for pace in [Pace::Schedule, Pace::Hand] {
                assert!(!is_over(status, patience - 1, None, pace), "{status:?} {pace:?}");
                assert!(is_over(status, patience, None, pace), "{status:?} {pace:?}");
            }
        }
    }

    #[test]
    fn what_was_left_is_not_asked_about_all_the_time() {
        use PaymentStatus::{Failed, Processing};
        let on = |status, age, asked, pace| is_over(status, age, Some(asked), pace);
        assert!(!on(Failed, 300, 9, Pace::Schedule) && on(Failed, 300, 10, Pace::Schedule));
        assert!(!on(Failed, 2000, 1439, Pace::Schedule) && on(Failed, 2000, 1440, Pace::Schedule));
        assert!(on(Failed, 2000, 0, Pace::Hand));
        assert!(!on(Processing, 9000, 1439, Pace::Hand) && on(Processing, 9000, 1440, Pace::Hand));
    }
}
