//! Something is switched off. This file decides by the switch that was asked about; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::runbooks::{Facts, Runbook};
use crate::switches::Switch;

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "downloads-kill-switch",
    title: "Delivery has to stop at once, or is switched off",
    symptom: "Files or films are in the wrong hands and nobody may get more of them: `makegood downloads disable`. Or buyers hear that downloads, checkout or refunds are switched off.",
    seed: &[Quote {
        from: "seed 003, Emergency Disable Downloads",
        text: "Set environment variable on Products function (future feature placeholder) or temporarily modify `downloadDigitalProduct.js` to always return 403; redeploy.",
    }],
    rows: &["M11"],
    checks: &["switched_off"],
    alerts: &[],
    looks: &[],
    subject: "the switch: downloads, checkout or refunds",
    about: About::Other(|facts| facts.switch.is_some()),
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &[
        "downloads.disable",
        "downloads.enable",
        "checkout.disable",
        "checkout.enable",
        "refunds.disable",
        "refunds.enable",
    ],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "downloads_off",
        "Nothing is delivered on any node: every request is answered with 403 `downloads_disabled`, and links that were out die within `DOWNLOAD_TTL_SECONDS`. When the reason is gone, it is switched on again.",
        &["downloads.enable"],
        "Downloads and videos are paused for a short time. What you bought stays yours, and you can go on as soon as the pause is over.",
    ),
    broken(
        "checkout_off",
        "No new order is taken on any node. What was begun before can still be paid. When the reason is gone, it is switched on again.",
        &["checkout.enable"],
        "Our shop takes no new orders at the moment. Please come back later; an order that you have begun can still be paid.",
    ),
    broken(
        "refunds_off",
        "No refund can be asked for here. What was asked for before is still sent. When the reason is gone, it is switched on again.",
        &["refunds.enable"],
        "Your refund is noted, and we will send it as soon as refunds go out again.",
    ),
    fine(
        "switched_on",
        "It is switched on. To stop it: `makegood downloads disable --reason TEXT`, in the same way for checkout and refunds.",
        "Downloads, orders and refunds work as usual. Please try again.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some(position) = facts.switch.as_ref().filter(|position| !position.is_on) else {
        return Picked::new("switched_on", "it is on");
    };
    let (cause, operation) = match position.name {
        Switch::Downloads => ("downloads_off", "downloads.enable"),
        Switch::Checkout => ("checkout_off", "checkout.enable"),
        Switch::Refunds => ("refunds_off", "refunds.enable"),
    };
    let name = position.name.as_str();
    let command = format!("makegood {name} enable");
    let because = match &position.actor {
        Some(actor) => format!("{name} {}, by {actor}", position.in_words()),
        None => format!("{name} {}", position.in_words()),
    };
    Picked::new(cause, because).mend(Mend { operation, input: json!({}), command })
}
