//! Paid, and not confirmed. This file decides by the order and its case; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};

use super::{broken, fine, no_order, of_order};
use crate::cases::{Place, Remedy};
use crate::orders::{Order, State, WaitsFor};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "stuck-paid-orders",
    title: "Paid, and not confirmed",
    symptom: "An order is paid, or Stripe has its money, and it is not confirmed after ten minutes.",
    seed: &[
        Quote {
            from: "seed 004, Stuck orders (status = paid but not confirmed)",
            text: "db.orders.find({ status: \"paid\", \"webhook.processedAt\": null, updatedAt: { $lt: new Date(Date.now() - 10 * 60 * 1000) } })",
        },
        Quote {
            from: "seed 004, Operational Principles",
            text: "Do not mark paid as finalized; confirmed is the finalization state.",
        },
        Quote {
            from: "seed 002, Stripe Webhook Failures",
            text: "Orders remain 'pending' after successful payment, or inventory is not confirmed.",
        },
    ],
    rows: &["B1", "E4", "E6", "E7", "E11", "E15"],
    checks: &["paid_not_confirmed"],
    alerts: &["MakegoodStuckPaidOrders"],
    looks: &[ops::Look {
        task: "reconcile",
        input: r#"{"area":"orders","from":"7d"}"#,
        causes: &["session_not_known_here", "not_settled"],
    }],
    subject: "the order, or any id that leads to it: its session, payment or event",
    about: About::Order,
    reads: Reads::Case,
    causes: CAUSES,
    operations: &[
        "inventory.adjust",
        "events.replay",
        "reconcile",
        "orders.confirm",
        "reservations.confirm",
        "refunds.create",
    ],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "waits_for_stock",
        "Its reservation ended before the payment came, and the stock ran out.",
        &["inventory.adjust"],
        "Your payment has arrived. Something in order {order} sold out in the same moment; the order goes on as soon as it is back in stock. If you would rather have your money back, tell us.",
    ),
    broken(
        "under_review",
        "A person has to look at it first. The runbook review-hold says what of.",
        &["orders.confirm"],
        "Your payment has arrived, and order {order} is being looked at by a person before it is completed. We will write to you as soon as that is done.",
    ),
    broken(
        "session_unseen",
        "The sum can be explained only by the checkout session, which has not been seen yet.",
        &["reconcile"],
        "Your payment has arrived; we are waiting for the details of order {order} from the payment service and complete it with them.",
    ),
    broken(
        "event_failed",
        "Stripe's event is here and was not acted on.",
        &["events.replay"],
        "Your payment has arrived, and our shop stumbled when it wanted to complete order {order}. We are repeating that step now; you were charged once.",
    ),
    broken(
        "event_not_received",
        "Stripe has the money, and nothing of it has reached this shop.",
        &["reconcile"],
        "Your payment has arrived. The message that tells our shop of it was lost; we are completing order {order} now. You were charged once.",
    ),
    fine(
        "not_paid",
        "Nobody has paid: it is not stuck, it waits for the buyer.",
        "Order {order} has not been paid. You can still pay as long as the payment page is open, or order again.",
    ),
    fine(
        "confirmed",
        "It is confirmed, and every effect of the payment is committed.",
        "Order {order} is complete: everything in it is yours, or on its way to you.",
    ),
    fine(
        "undone",
        "It was refunded or cancelled.",
        "Order {order} was cancelled or refunded; nothing is open.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this order. Please send us the receipt.",
    ),
];

/// Which stock has to come; how much of it is counted by whoever stands at the shelf.
fn stock(order: &Order) -> Option<Mend> {
    let pieces = order.pieces();
    pieces.first().map(|(sku, _)| Mend::from(Remedy::stock(sku)))
}

fn pick(facts: &Facts) -> Picked {
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    // The case is the buyer's; another order of theirs may be what it is about.
    let case = facts.case.as_ref().filter(|case| case.order == Some(order.id));
    let because = facts.standing();
    let remedy = |name: &str| {
        let mend = case.and_then(|case| case.mend.clone()).filter(|remedy| remedy.operation == name);
        mend.map(Mend::from)
    };
    match &order.state {
        State::Paid { waits_for: WaitsFor::Stock } => {
            Picked::new("waits_for_stock", because).mend(stock(order))
        }
        State::Paid { waits_for: WaitsFor::Review } => {
            let cleared = order.holding_review().is_none();
            let settle = cleared.then(|| of_order("orders.confirm", "orders confirm", order.id));
            Picked::new("under_review", because).mend(settle)
        }
        State::Paid { waits_for: WaitsFor::Breakdown } => {
            Picked::new("session_unseen", because).mend(Mend::from(Remedy::compare(order.id)))
        }
        State::Pending | State::Cancelled { .. } => match case.map(|case| case.place) {
            Some(Place::EventFailed) => {
                Picked::new("event_failed", case.map_or(because, |case| case.says.clone()))
                    .mend(remedy("events.replay"))
            }
            Some(Place::EventNotReceived) => {
                Picked::new("event_not_received", case.map_or(because, |case| case.says.clone()))
                    .mend(remedy("reconcile"))
            }
            _ if order.state == State::Pending => Picked::new("not_paid", because),
            _ => Picked::new("undone", because),
        },
        State::Confirmed { .. } | State::Completed { .. } => Picked::new("confirmed", because),
        State::Refunded { .. } => Picked::new("undone", because),
    }
}
