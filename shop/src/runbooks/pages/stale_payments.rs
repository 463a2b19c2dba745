//! A basket that nobody pays keeps its stock. This file decides by the order and what Stripe says; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine, no_order, of_order};
use crate::inventory::ReservationStatus;
use crate::orders::State;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "stale-payments",
    title: "An unpaid order keeps its stock",
    symptom: "A payment failed or never came, and the order is still pending; pieces are set aside past their time.",
    seed: &[
        Quote {
            from: "seed 003, Cancelling Stale Failed Payments Immediately",
            text: "Review response for `cancelled` count.",
        },
        Quote {
            from: "seed 003, Changing Cleanup Threshold",
            text: "Update environment variable `CLEANUP_FAILED_PAYMENT_MINUTES`",
        },
    ],
    rows: &["M5"],
    checks: &["reservations_past_expiry"],
    alerts: &[],
    looks: &[ops::Look {
        task: "reconcile",
        input: r#"{"area":"orders","from":"7d"}"#,
        causes: &["session_expired_unnoticed"],
    }],
    subject: "the order, or its reservation",
    about: About::Order,
    reads: Reads::Stripe,
    causes: CAUSES,
    operations: &["reconcile", "orders.cleanup-failed", "orders.cancel", "reservations.release"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "paid_after_all",
        "Stripe has the money: it is not to be cancelled, but completed.",
        &["reconcile"],
        "Your payment for order {order} has arrived after all. We are completing the order now; you were charged once.",
    ),
    broken(
        "ended_unnoticed",
        "The checkout has ended at Stripe without a payment, and nobody here was told.",
        &["reconcile"],
        "The payment page of order {order} has closed without a payment, so the order was cancelled. You were not charged; you can simply order again.",
    ),
    broken(
        "past_its_time",
        "The time to pay is over, and the order was not given up. Stripe has no payment for it.",
        &["orders.cancel"],
        "Order {order} was not paid in time, so we are cancelling it. You were not charged; you can simply order again.",
    ),
    broken(
        "pieces_kept",
        "The order is over, and pieces are still set aside for it.",
        &["reservations.release"],
        "Order {order} is over, and nothing of it is open.",
    ),
    broken(
        "could_not_be_asked",
        "Stripe could not be asked whether the order was paid; until then it is not given up.",
        &[],
        "We are checking with the payment service whether order {order} was paid, and will write to you.",
    ),
    fine(
        "may_still_be_paid",
        "The buyer may still pay.",
        "Order {order} is waiting for your payment. As long as the payment page is open you can pay; after that, simply order again.",
    ),
    fine(
        "given_up",
        "It was cancelled, and nothing is set aside for it.",
        "Order {order} was cancelled because it was not paid. You were not charged; you can simply order again.",
    ),
    fine("paid", "It was paid.", "Order {order} was paid; nothing is open."),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this order. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let because = facts.standing();
    if let Some(differs) = facts.differs_by(&["payment_not_known_here", "session_not_known_here"]) {
        return Picked::new("paid_after_all", differs.text.clone()).mend(facts.learn(differs));
    }
    if let Some(differs) = facts.differs_by(&["session_expired_unnoticed", "payment_moved_unnoticed"]) {
        return Picked::new("ended_unnoticed", differs.text.clone()).mend(facts.learn(differs));
    }
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    let live = facts.reservations.iter().find(|held| held.status == ReservationStatus::Reserved);
    match (&order.state, live) {
        (State::Cancelled { .. } | State::Refunded { .. }, Some(held)) => {
            Picked::new("pieces_kept", format!("{because}; {} is still reserved", held.id)).mend(Mend {
                operation: "reservations.release",
                input: json!({ "reservation": held.id }),
                command: format!("makegood reservations release {}", held.id),
            })
        }
        (State::Cancelled { .. } | State::Refunded { .. }, None) => Picked::new("given_up", because),
        (State::Pending, _) => pending(facts, order.id, because),
        (State::Paid { .. } | State::Confirmed { .. } | State::Completed { .. }, _) => {
            Picked::new("paid", because)
        }
    }
}

fn pending(facts: &Facts, order: crate::ids::OrderId, because: String) -> Picked {
    if let Some(why) = &facts.not_compared {
        return Picked::new("could_not_be_asked", why.clone());
    }
    let over = facts.page_until.is_some_and(|until| until <= facts.now);
    if over || facts.found("reservations_past_expiry").is_some() {
        return Picked::new("past_its_time", because).mend(of_order("orders.cancel", "orders cancel", order));
    }
    Picked::new("may_still_be_paid", because)
}
