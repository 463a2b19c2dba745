//! What everything known about its payment means for an order. This file decides; plain values only.

use super::facts::{AmountCheck, Payment, PaymentFacts, Returned};
use super::{CancelReason, Order, PaymentStatus, ReviewKind, State, WaitsFor};
use kernel::planted::{Defect, planted};

/// What should be true now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This very thing was done before, or nothing is to be done.
    Already,
    /// Only what is known of the money changes.
    Note(PaymentStatus),
    /// Everything that was bought is to be handed over.
    HandOver,
    /// The money is there, but the order has to wait.
    Hold(WaitsFor),
    /// A wrong amount: it may be fraud, so a person looks at it; nothing is retried.
    Suspect(String),
    /// The order ends without a payment.
    Cancel(CancelReason),
    /// The money went back: so does what was handed over.
    TakeBack(Returned),
}

/// The verdict on `order`, given everything that is known. Pure: the same facts give the same verdict, whatever the order
/// in which they came.
pub fn decide(order: &Order, facts: &PaymentFacts) -> Verdict {
    if order.refund_marked_at.is_some() {
        return match order.state {
            State::Refunded { .. } => Verdict::Already,
            _ => Verdict::TakeBack(Returned::Refunded),
        };
    }
    let payment = facts.payment(order);
    match (&order.state, payment) {
        (State::Refunded { .. }, Payment::Captured { .. }) if planted(Defect::FailedRefundIgnored) => {
            Verdict::Already
        }
        // A refund failed, or a dispute was won late: the money is ours again, and the goods are the buyer's.
        (State::Refunded { .. }, Payment::Captured { check, .. }) => paid(order, check),
        (State::Refunded { .. }, _) => Verdict::Already,
        (_, Payment::Returned { how, .. }) => Verdict::TakeBack(how),
        (State::Confirmed { .. } | State::Completed { .. }, Payment::Captured { .. })
            if planted(Defect::EachEventHandsOver) =>
        {
            Verdict::HandOver
        }
        (State::Confirmed { .. } | State::Completed { .. }, _) => Verdict::Already,
        (State::Cancelled { .. }, Payment::Captured { .. }) if planted(Defect::LatePaymentIgnored) => {
            Verdict::Already
        }
        // Money is never ignored: a payment after cancellation reopens the order.
        (State::Pending | State::Paid { .. } | State::Cancelled { .. }, Payment::Captured { check, .. }) => {
            paid(order, check)
        }
        (State::Paid { .. }, _) => Verdict::Already,
        (State::Pending, Payment::FailedForGood) => Verdict::Cancel(CancelReason::PaymentFailed),
        (State::Pending, Payment::Canceled) => Verdict::Cancel(CancelReason::PaymentCanceled),
        (State::Pending, Payment::Expired) => Verdict::Cancel(CancelReason::SessionExpired),
        (State::Pending, Payment::Processing) => note(order, PaymentStatus::Processing),
        (State::Pending | State::Cancelled { .. }, Payment::Failed) => note(order, PaymentStatus::Failed),
        (State::Pending, Payment::None) | (State::Cancelled { .. }, _) => Verdict::Already,
    }
}

fn paid(order: &Order, check: AmountCheck) -> Verdict {
    let hold = |waits_for| match order.state {
        State::Paid { waits_for: now } if now == waits_for => Verdict::Already,
        _ => Verdict::Hold(waits_for),
    };
    match check {
        AmountCheck::Differs(_) if order.reviews.iter().any(|r| r.kind == ReviewKind::AmountMismatch) => {
            hold(WaitsFor::Review)
        }
        AmountCheck::Differs(why) => Verdict::Suspect(why),
        AmountCheck::NeedsSession => hold(WaitsFor::Breakdown),
        AmountCheck::Agrees if order.holding_review().is_some() => hold(WaitsFor::Review),
        AmountCheck::Agrees => Verdict::HandOver,
    }
}

fn note(order: &Order, status: PaymentStatus) -> Verdict {
    if order.payment_status == status { Verdict::Already } else { Verdict::Note(status) }
}
