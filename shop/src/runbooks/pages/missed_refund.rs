//! Money went back at Stripe, and the order does not know. This file decides by what differs; plain values only.

use ops::{About, Cause, Picked, Quote, Reads};

use super::{broken, fine, no_order, of_order, refund};
use crate::orders::State;
use crate::runbooks::{Facts, Runbook};

const AT_STRIPE: &[&str] =
    &["refund_not_known_here", "refund_failed_unnoticed", "refund_moved_unnoticed", "refund_unanswered"];

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "missed-refund",
    title: "A refund was missed",
    symptom: "Stripe shows a refund, and the order is not refunded; or what is known of it was only told by an event.",
    seed: &[
        Quote {
            from: "seed 003, Handling Missed Refunds",
            text: "Symptom: Refund shows in Stripe, order not updated.",
        },
        Quote {
            from: "seed 003, Handling Missed Refunds",
            text: "Ensure metadata `orderId` existed; if missing, PaymentIntentIndex lookup attempts to match via `stripePaymentIntentId`.",
        },
    ],
    rows: &["M4", "M10"],
    checks: &["facts_provisional", "refund_marked_not_made"],
    alerts: &[],
    looks: &[ops::Look { task: "reconcile", input: r#"{"area":"refunds","from":"7d"}"#, causes: AT_STRIPE }],
    subject: "the order, or the payment, charge or refund at Stripe",
    about: About::Order,
    reads: Reads::Stripe,
    causes: CAUSES,
    operations: &[
        "reconcile",
        "orders.mend",
        "orders.backfill-payment-intents",
        "refunds.create",
        "refunds.mark",
    ],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "refund_missed",
        "A refund stands otherwise at Stripe than here: its event never came, or came to nobody.",
        &["reconcile"],
        "Your refund for order {order} was made at the payment service, and our shop had not noticed. We are putting that right. Depending on your bank it takes some days until you see the money.",
    ),
    broken(
        "only_told",
        "It is believed because an event told so; Stripe's object was never seen. If Stripe knows nothing of it, the event was not genuine.",
        &["orders.mend"],
        "We are checking with the payment service how the refund for order {order} stands, and will write to you.",
    ),
    broken(
        "refunded_in_part",
        "A part of the payment went back. That changes nothing here: the buyer keeps everything, until the rest goes back too.",
        &["refunds.create"],
        "A part of the payment for order {order} was sent back. You keep what you bought; if you want to return the order as a whole, tell us.",
    ),
    broken(
        "marked_not_made",
        "It was marked as refunded by hand, its goods went back, and Stripe has not sent the money.",
        &["refunds.create"],
        "We took back what you bought with order {order}, and the money had not been sent. We are sending it now. Depending on your bank it takes some days until you see it.",
    ),
    fine(
        "refunded",
        "The order is refunded, here and at Stripe.",
        "The payment for order {order} was sent back in full. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "not_refunded",
        "Nothing went back, here or at Stripe.",
        "The payment for order {order} was not sent back. If you want to return the order, tell us.",
    ),
    broken(
        "could_not_be_asked",
        "Stripe could not be asked, so nothing can be said.",
        &[],
        "We are checking with the payment service how the refund for order {order} stands, and will write to you.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this payment. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(differs) = facts.differs_by(AT_STRIPE) {
        return Picked::new("refund_missed", differs.text.clone()).mend(facts.learn(differs));
    }
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    if let Some(found) = facts.found("facts_provisional") {
        return Picked::new("only_told", found.text.clone()).mend(of_order(
            "orders.mend",
            "orders mend",
            order.id,
        ));
    }
    if let Some(found) = facts.found("refund_marked_not_made") {
        return Picked::new("marked_not_made", found.text.clone()).mend(refund(order.id));
    }
    let because = facts.standing();
    match &order.state {
        State::Refunded { .. } => Picked::new("refunded", because),
        _ if order.refunded_amount > 0 => {
            Picked::new("refunded_in_part", format!("{because}; a part went back")).mend(refund(order.id))
        }
        _ => match &facts.not_compared {
            Some(why) => Picked::new("could_not_be_asked", why.clone()),
            None => Picked::new("not_refunded", because),
        },
    }
}
