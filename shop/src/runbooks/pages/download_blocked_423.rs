//! A buyer hears 423 instead of getting a file. This file decides by the order's flag, the switch and the grants; plain values
//! only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};

use super::{broken, enable_downloads, fine, no_order, refund};
use crate::cases::Remedy;
use crate::orders::ReviewKind;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "download-blocked-423",
    title: "A download is blocked (423)",
    symptom: "A buyer who has paid gets HTTP 423 `order_under_review` instead of a file or a film.",
    seed: &[
        Quote {
            from: "seed 003, Investigating Download Blocks (HTTP 423)",
            text: "Cause: Any granting order has `requiresReview true`.",
        },
        Quote {
            from: "seed 003, Investigating Download Blocks (HTTP 423)",
            text: "Clear flag; create timeline event `review_cleared`.",
        },
    ],
    rows: &["M7"],
    checks: &["delivery_held_by_review"],
    alerts: &[],
    looks: &[],
    subject: "the order, or any id that leads to it",
    about: About::Order,
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["orders.review.clear", "refunds.create", "downloads.enable"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "may_be_fraud",
        "An order that gives the access is flagged because the money does not fit or the card's issuer warns of fraud. The flag is not cleared to let somebody download: the money goes back, or a person finds that it is right.",
        &["refunds.create"],
        "The payment for order {order} does not match, so we cannot deliver it. We are sending your money back; please order again.",
    ),
    broken(
        "under_review",
        "An order that gives the access is flagged for a person to look at. When that is done, the flag is cleared, and the same address works again.",
        &["orders.review.clear"],
        "Order {order} was looked at and is right. Please try your download again.",
    ),
    broken(
        "downloads_off",
        "It is not the order: delivery is switched off for everybody.",
        &["downloads.enable"],
        "Downloads and videos are paused for a short time. What you bought stays yours, and you can go on as soon as the pause is over.",
    ),
    broken(
        "no_access",
        "The order is not flagged, and it gives no access: it is not paid, its money went back, or the access was taken back. `makegood case` says which.",
        &[],
        "Order {order} does not give access to this download at the moment. We are looking into it and will write to you.",
    ),
    fine(
        "not_blocked",
        "No flag is open, delivery is on, and the order gives access.",
        "Nothing blocks the downloads of order {order}. Please open the page and try again.",
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
    let mut open: Vec<_> = order.reviews.iter().filter(|review| review.is_open()).collect();
    open.sort_by_key(|review| review.kind);
    if let Some(review) = open.first() {
        let because = format!("{}: {}", review.kind.as_str(), review.detail);
        return match review.kind {
            ReviewKind::AmountMismatch | ReviewKind::EarlyFraudWarning => {
                Picked::new("may_be_fraud", because).mend(refund(order.id))
            }
            ReviewKind::PaidTwice | ReviewKind::RadarReview | ReviewKind::Operator => {
                let clear = Mend::from(Remedy::clear(order.id, review.kind.as_str()));
                Picked::new("under_review", because).mend(clear)
            }
        };
    }
    if let Some(off) = facts.delivery.as_ref().filter(|position| !position.is_on) {
        return Picked::new("downloads_off", format!("downloads {}", off.in_words()))
            .mend(enable_downloads());
    }
    match facts.grants.iter().any(|grant| grant.grant.status == "active") {
        true => Picked::new("not_blocked", facts.standing()),
        false => Picked::new("no_access", facts.standing()),
    }
}
