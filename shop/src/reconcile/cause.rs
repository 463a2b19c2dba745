//! Why something here is not what it is at Stripe. This file decides; plain values only.

use serde::Serialize;
use stripe::{DisputeStatus, Fact};

use super::Area;
use crate::orders::{CancelReason, Foreseen, ReviewKind, State};

/// The runbook's id, or `-` for none.
macro_rules! runbook {
    (-) => {
        None
    };
    ($id:literal) => {
        Some($id)
    };
}

macro_rules! causes {
    ($($variant:ident $word:literal $area:ident $runbook:tt $means:literal;)*) => {
        /// Why something differs: a closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Cause { $(#[doc = $means] #[serde(rename = $word)] $variant,)* }
        impl Cause {
            /// All of them.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant),*];
            /// As stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self { $(Cause::$variant => $word,)* }
            }
            /// What it means, as a sentence.
            pub fn means(self) -> &'static str {
                match self { $(Cause::$variant => $means,)* }
            }
            /// The runbook that explains and mends it; none where the check that is named says which.
            pub fn runbook(self) -> Option<&'static str> {
                match self { $(Cause::$variant => runbook!($runbook),)* }
            }
            /// What it belongs to. What the checks of a room find belongs to that room.
            pub fn area(self) -> Area {
                match self { $(Cause::$variant => Area::$area,)* }
            }
        }
    };
}

causes! {
    PaymentNotKnown "payment_not_known_here" Payments "paid-no-access"
        "Stripe has the money of an order, and the order does not know.";
    PaymentMoved "payment_moved_unnoticed" Payments "stale-payments"
        "A payment has failed, was cancelled or is under way at Stripe, and the order does not know.";
    MoneyWithoutOrder "money_without_order" Payments "paid-no-access"
        "Money came that names an order, and no such order is here.";
    SaleNotKnown "sale_not_known_here" Payments "paid-no-access"
        "A session that this shop did not open, a Payment Link's mostly, sold something of ours, and no order was made of it.";
    PriceNotMapped "price_not_mapped" Payments "paid-no-access"
        "A session sold something of ours together with a price that stands for nothing here, so no order can be made of it.";
    NotAtStripe "not_at_stripe" Orders "stale-payments"
        "An order waits for a payment that Stripe does not have: another account, another mode, or it was deleted.";
    SessionNotKnown "session_not_known_here" Orders "stuck-paid-orders"
        "A checkout session was completed, and what it says of amounts or of the buyer is not known here.";
    SessionExpired "session_expired_unnoticed" Orders "stale-payments"
        "A checkout session has expired, and its order still waits for it.";
    RefundNotKnown "refund_not_known_here" Refunds "missed-refund"
        "Money went back at Stripe, and the order does not know.";
    RefundFailed "refund_failed_unnoticed" Refunds "missed-refund"
        "A refund has failed or was called off, so the money is ours again, and the order does not know.";
    RefundMoved "refund_moved_unnoticed" Refunds "missed-refund"
        "A refund stands otherwise at Stripe than here, without any change for its order.";
    RefundUnanswered "refund_unanswered" Refunds "missed-refund"
        "A refund that was asked for here is at Stripe, and here nobody knows how it stands.";
    DisputeNotKnown "dispute_not_known_here" Disputes "dispute"
        "A bank disputes a payment, or has asked about it, and nothing of it is known here.";
    DisputeVerdictMissed "dispute_verdict_missed" Disputes "dispute"
        "A dispute has ended at Stripe, and here it is still thought otherwise.";
    DisputeMoved "dispute_moved_unnoticed" Disputes "dispute"
        "A dispute is at another stage at Stripe than here, and there is no verdict yet.";
    WarningNotKnown "warning_not_known_here" Disputes "review-hold"
        "A card's issuer has warned of fraud, and nobody here was told.";
    ReviewNotKnown "review_not_known_here" Disputes "review-hold"
        "Radar, or a person at Stripe, has set a payment aside, and nobody here was told.";
    ReviewMoved "review_closed_unnoticed" Disputes "review-hold"
        "A review was closed at Stripe, and here it is still open.";
    OnlyTold "only_told_by_event" Orders "missed-refund"
        "An event has told it, and the object itself was never seen.";
    NotSettled "not_settled" Orders "stuck-paid-orders"
        "What is known of an order was never acted on.";
    NotFinished "not_finished" Orders -
        "The comparison stopped before its end, because Stripe did not answer or asked us to slow down.";
    NotReadable "not_readable" Orders -
        "An object of ours at Stripe lacks a field that is needed, so nothing can be said about it.";
    RoomDisagrees "room_disagrees" Orders -
        "Rows here contradict each other; the check that found it is named.";
}

/// What an object tells that is not known here: why, and of which object. At most one for each object at Stripe.
pub(super) fn causes(seen: &Foreseen, object: &str) -> Vec<(Cause, String)> {
    let mut found: Vec<(Cause, String)> =
        seen.late().map(|(was, is)| (late(was.as_ref(), is), is.object_id().to_owned())).collect();
    let (settled, then) = (&seen.settled, &seen.then);
    let twice = |order: &crate::orders::Order| order.reviews.iter().any(|r| r.kind == ReviewKind::PaidTwice);
    let is_paid = then.paid_amount.is_some();
    if is_paid && (settled.paid_amount.is_none() || (twice(then) && !twice(settled))) {
        found
            .push((Cause::PaymentNotKnown, then.payment_intent.clone().unwrap_or_else(|| object.to_owned())));
    } else if found.is_empty() && settled.refunded_amount != then.refunded_amount {
        let more = settled.refunded_amount < then.refunded_amount;
        found.push((if more { Cause::RefundNotKnown } else { Cause::RefundFailed }, object.to_owned()));
    } else if found.is_empty() && settled != then {
        found.push((moved(&then.state, is_paid), object.to_owned()));
    }
    found
}

/// An order that changes without money that comes or goes.
fn moved(then: &State, is_paid: bool) -> Cause {
    match then {
        State::Cancelled { reason: CancelReason::SessionExpired, .. } => Cause::SessionExpired,
        _ if is_paid => Cause::SessionNotKnown,
        _ => Cause::PaymentMoved,
    }
}

/// What can change both ways, by what was known of it.
fn late(was: Option<&Fact>, is: &Fact) -> Cause {
    match (was, is) {
        (Some(was), is) if was.state() == is.state() => Cause::OnlyTold,
        (None, Fact::Dispute(_)) => Cause::DisputeNotKnown,
        (Some(_), Fact::Dispute(is)) => {
            let verdict = is.state.now().is_some_and(|state| is_verdict(state.status));
            if verdict { Cause::DisputeVerdictMissed } else { Cause::DisputeMoved }
        }
        (was, Fact::Refund(is)) => match (was, is.status.now().is_none_or(|status| status.takes_money())) {
            (_, false) => Cause::RefundFailed,
            (None, true) => Cause::RefundNotKnown,
            (Some(_), true) => Cause::RefundMoved,
        },
        (_, Fact::Warning(_)) => Cause::WarningNotKnown,
        (None, Fact::Review(_)) => Cause::ReviewNotKnown,
        (Some(_), Fact::Review(_)) => Cause::ReviewMoved,
        // Facts of one object are of one kind; the rest only grow and are judged by what they make of the order.
        (_, Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_)) => Cause::OnlyTold,
    }
}

/// Stripe's own last word. While it has not spoken, nothing is inferred.
fn is_verdict(status: DisputeStatus) -> bool {
    match status {
        DisputeStatus::Won
        | DisputeStatus::Lost
        | DisputeStatus::WarningClosed
        | DisputeStatus::Prevented
        | DisputeStatus::ChargeRefunded => true,
        DisputeStatus::WarningNeedsResponse
        | DisputeStatus::WarningUnderReview
        | DisputeStatus::Other
        | DisputeStatus::NeedsResponse
        | DisputeStatus::UnderReview
        | DisputeStatus::AppealNeedsResponse
        | DisputeStatus::AppealUnderReview => false,
    }
}
