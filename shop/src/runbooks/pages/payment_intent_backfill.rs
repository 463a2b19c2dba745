//! An old order does not know its payment. This file decides by what its timeline tells; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine, no_order};
use crate::orders::State;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "payment-intent-backfill",
    title: "An order does not know its payment",
    symptom: "An order that was brought in from elsewhere has no payment intent, so refunds and disputes cannot find it.",
    seed: &[
        Quote {
            from: "seed 003, Backfilling `stripePaymentIntentId`",
            text: "Parse timeline events for `payment_succeeded` entries; extract `meta.paymentIntentId` if stored (add capturing logic if needed in future).",
        },
        Quote {
            from: "seed 003, Backfilling `stripePaymentIntentId`",
            text: "Batch write updates adding `stripePaymentIntentId` attribute for refund lookup.",
        },
    ],
    rows: &["M6"],
    checks: &["payment_intent_unknown"],
    alerts: &[],
    looks: &[],
    subject: "the order",
    about: About::Order,
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["orders.backfill-payment-intents"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "timeline_knows",
        "The order's timeline knows the payment, and the order does not.",
        &["orders.backfill-payment-intents"],
        "We are connecting order {order} with its payment; you need to do nothing.",
    ),
    broken(
        "nobody_knows",
        "It was paid, and neither the order nor its timeline knows by which payment. It has to be looked up in Stripe's dashboard, by the buyer and the sum.",
        &[],
        "We are looking for the payment of order {order}. The last four digits of the card and the day of the payment help us.",
    ),
    fine("known", "The order knows its payment.", "The payment of order {order} is known to us."),
    fine(
        "never_paid",
        "Nobody has paid, so there is no payment to know.",
        "Order {order} was never paid, so nothing of it is open.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this order. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    let known = order.payment_intent.as_deref().filter(|intent| !intent.is_empty());
    match (known, &facts.told_intent, &order.state) {
        (Some(intent), _, _) => Picked::new("known", format!("it knows {intent}")),
        (None, _, State::Pending | State::Cancelled { .. }) => Picked::new("never_paid", facts.standing()),
        (None, Some(told), _) => {
            Picked::new("timeline_knows", format!("its timeline names {told}")).mend(Mend {
                operation: "orders.backfill-payment-intents",
                input: json!({}),
                command: "makegood orders backfill-payment-intents".into(),
            })
        }
        (None, None, _) => Picked::new("nobody_knows", facts.standing()),
    }
}
