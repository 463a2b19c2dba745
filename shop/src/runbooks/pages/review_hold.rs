//! A person has to look at an order. This file decides by the flag that is open; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};

use super::{broken, fine, no_order, of_order, refund};
use crate::cases::Remedy;
use crate::orders::{ReviewKind, State, WaitsFor};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "review-hold",
    title: "An order waits for a person",
    symptom: "An order is flagged: the money does not fit, it was paid twice, a bank or Radar warns of it, or an operator wants it looked at.",
    seed: &[
        Quote {
            from: "seed 003, Clearing Fraud Review (`requiresReview`)",
            text: "When an order flagged for mismatch is validated as safe:",
        },
        Quote {
            from: "seed 003, Clearing Fraud Review (`requiresReview`)",
            text: "{ type: 'review_cleared', at: <ISO>, actor: 'admin', actorType: 'user', actorId: <adminId> }",
        },
        Quote {
            from: "seed 004, Operational Principles",
            text: "Never retry on amount verification failure; treat as potential fraud.",
        },
    ],
    rows: &["M2", "M9", "E15"],
    checks: &["orders_in_review"],
    alerts: &[],
    looks: &[],
    subject: "the order, or any id that leads to it",
    about: About::Order,
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["orders.review.clear", "orders.review.flag", "refunds.create", "orders.confirm"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "amount_mismatch",
        "The amount or the currency received is not what the order expects. It is treated as fraud: it is never tried again, and goes back unless a person finds that it is right and clears the flag.",
        &["refunds.create"],
        "The payment for order {order} does not match its price, so we could not complete it. We are sending you the whole amount back; please order again.",
    ),
    broken(
        "paid_twice",
        "Two payments came for one order. One of them goes back in Stripe's dashboard; then the flag is cleared.",
        &["orders.review.clear"],
        "Order {order} was paid twice. You get one of the two payments back; what you bought stays yours.",
    ),
    broken(
        "early_fraud_warning",
        "The card's issuer believes that the payment is fraud. To refund it now is cheaper than the dispute that mostly follows.",
        &["refunds.create"],
        "The bank that issued the card does not believe that the payment for order {order} was yours, so we are sending it back. If it was, please tell your bank and order again.",
    ),
    broken(
        "radar_review",
        "Radar, or a person in Stripe's dashboard, set the payment aside. It is decided there; then the flag is cleared.",
        &["orders.review.clear"],
        "The payment for order {order} is being looked at by a person. We will write to you as soon as that is done.",
    ),
    broken(
        "operator",
        "An operator wants it looked at. When that is done, the flag is cleared.",
        &["orders.review.clear"],
        "Order {order} is being looked at by a person before it is completed. We will write to you as soon as that is done.",
    ),
    broken(
        "not_settled",
        "Its flag was cleared, and the order was not settled afterwards.",
        &["orders.confirm"],
        "Order {order} was looked at and is right; it is completed now.",
    ),
    fine("no_flag", "No flag is open.", "Nothing holds order {order} up."),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this order. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    let gone = matches!(order.state, State::Refunded { .. });
    // The gravest flag first: what may be fraud is never cleared on the way to something else.
    let mut open: Vec<_> = order.reviews.iter().filter(|review| review.is_open() && !gone).collect();
    open.sort_by_key(|review| review.kind);
    let Some(review) = open.first() else {
        let held = matches!(order.state, State::Paid { waits_for: WaitsFor::Review });
        let settle = of_order("orders.confirm", "orders confirm", order.id);
        return match held {
            true => Picked::new("not_settled", facts.standing()).mend(settle),
            false => Picked::new("no_flag", facts.standing()),
        };
    };
    let because = format!("{}: {}", review.kind.as_str(), review.detail);
    let clear = || Mend::from(Remedy::clear(order.id, review.kind.as_str()));
    match review.kind {
        ReviewKind::AmountMismatch => Picked::new("amount_mismatch", because).mend(refund(order.id)),
        ReviewKind::PaidTwice => Picked::new("paid_twice", because).mend(clear()),
        ReviewKind::EarlyFraudWarning => Picked::new("early_fraud_warning", because).mend(refund(order.id)),
        ReviewKind::RadarReview => Picked::new("radar_review", because).mend(clear()),
        ReviewKind::Operator => Picked::new("operator", because).mend(clear()),
    }
}
