//! The money is to go back, and what was bought with it. This file decides by what went back; plain values only.

use ops::{About, Cause, Picked, Quote, Reads};

use super::{broken, fine, no_order, refund};
use crate::orders::{PaymentStatus, State};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "refund-downgrade",
    title: "Refund in full, and take back what was bought",
    symptom: "A buyer wants their money back; or the money went back and the access stayed, or only a part of it went back.",
    seed: &[
        Quote {
            from: "seed 001, Refund & Downgrade User",
            text: "User requests refund and account downgrade.",
        },
        Quote { from: "seed 003, Manual Full Refund via Dashboard", text: "Choose Full refund only." },
        Quote {
            from: "seed 003, Common Pitfalls",
            text: "Partial refund attempted | System ignores; re-initiate full refund.",
        },
    ],
    rows: &["L3", "M10"],
    checks: &["grant_without_order", "refund_partial"],
    alerts: &[],
    looks: &[],
    subject: "the order, or any id that leads to it",
    about: About::Order,
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["refunds.create", "refunds.mark", "orders.mend", "entitlements.revoke"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "access_stayed",
        "The order brings no access any more, and somebody still has it.",
        &["orders.mend"],
        "The payment for order {order} was sent back to you, and the access that came with it ends now.",
    ),
    broken(
        "given_past_the_order",
        "Somebody has access that the order never sold. It may have been given for a reason, so a person takes it back.",
        &["entitlements.revoke"],
        "We are looking at what belongs to order {order}, and will write to you.",
    ),
    broken(
        "refunded_in_part",
        "A part of the money went back, which changes nothing here. The rest has to go back too.",
        &["refunds.create"],
        "A part of the payment for order {order} was sent back by mistake. We are sending you the rest as well; what you bought ends with it.",
    ),
    broken(
        "not_refunded",
        "The money is here. It goes back in full, and what was bought with it.",
        &["refunds.create"],
        "We are sending you the whole payment for order {order} back now. What you bought with it ends with that. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "under_way",
        "A refund was asked for, and Stripe has not carried it out yet.",
        "Your refund for order {order} is on its way. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "refunded",
        "The money is back, and nothing of the order counts any more.",
        "The payment for order {order} was sent back in full, and what you bought has ended. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "never_paid",
        "Nobody has paid, so nothing goes back.",
        "Order {order} was never paid, so there is nothing to send back.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this order. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let because = facts.standing();
    if let Some(found) = facts.found("grant_without_order") {
        let cause = if found.mend.is_some() { "access_stayed" } else { "given_past_the_order" };
        return Picked::new(cause, format!("{because}; {}", found.text)).mend(found.mend.clone());
    }
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    match &order.state {
        State::Pending | State::Cancelled { .. } => Picked::new("never_paid", because),
        State::Refunded { .. } => Picked::new("refunded", because),
        _ if order.payment_status == PaymentStatus::RefundPending => Picked::new("under_way", because),
        _ if order.refunded_amount > 0 => Picked::new("refunded_in_part", because).mend(refund(order.id)),
        State::Paid { .. } | State::Confirmed { .. } | State::Completed { .. } => {
            Picked::new("not_refunded", because).mend(refund(order.id))
        }
    }
}
