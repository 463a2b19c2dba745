//! A link that worked does not work any more. This file decides by the switch, the order and what lies on the disk; plain
//! values only.

use ops::{About, Cause, Look, Picked, Quote, Reads};

use super::{broken, enable_downloads, fine, relocate};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "download-link-expired",
    title: "A download link has expired",
    symptom: "A buyer says that a link to a file does not work any more, or that the file cannot be found.",
    seed: &[
        Quote { from: "seed 000, Download link expired complaint", text: "Confirm entitlement is active." },
        Quote { from: "seed 000, Download link expired complaint", text: "Confirm resource exists in R2." },
        Quote {
            from: "seed 000, Download link expired complaint",
            text: "Trigger fresh signed URL via normal endpoint.",
        },
    ],
    rows: &["V9"],
    checks: &[],
    alerts: &[],
    looks: &[Look { task: "courses.check", input: "{}", causes: &["file_missing"] }],
    subject: "the file (rsc_…), or the buyer's order",
    about: About::Other(|facts| facts.content.is_some() || facts.order.is_some()),
    reads: Reads::Content,
    causes: CAUSES,
    operations: &["resources.relocate", "downloads.enable", "downloads.link"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "downloads_off",
        "Delivery is switched off for everybody.",
        &["downloads.enable"],
        "Downloads are paused for a short time. What you bought stays yours, and you can go on as soon as the pause is over.",
    ),
    broken(
        "under_review",
        "An order that gives the access is under review; see the runbook download-blocked-423.",
        &[],
        "Order {order} is being looked at by a person. We will write to you as soon as that is done.",
    ),
    broken(
        "no_access",
        "The order gives no access any more: its money went back, a bank decides, or the access was taken back.",
        &[],
        "Order {order} does not give access to this download any more. If you think that this is wrong, please answer this mail.",
    ),
    broken(
        "file_missing",
        "The file does not lie where the shop looks for it. Put it there, or say under which name it lies; every link that is made from then on works.",
        &["resources.relocate"],
        "The file was not where it should be. It is there again; please open the page and download it once more.",
    ),
    fine(
        "fresh_link",
        "Everything is there. A link lives for `DOWNLOAD_TTL_SECONDS`; the same address in the shop gives a fresh one each time, and `makegood downloads link` makes one by hand.",
        "Links to files work for a few minutes only. Please open your page in our shop and press the download button again: it gives you a fresh one.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(off) = facts.delivery.as_ref().filter(|position| !position.is_on) {
        return Picked::new("downloads_off", format!("downloads {}", off.in_words()))
            .mend(enable_downloads());
    }
    if let Some(order) = &facts.order {
        if let Some(review) = order.open_review() {
            return Picked::new("under_review", format!("{}: {}", review.kind.as_str(), review.detail));
        }
        if !facts.grants.iter().any(|grant| grant.grant.status == "active") {
            return Picked::new("no_access", facts.standing());
        }
    }
    match facts.lacks(&["file_missing"]) {
        Some(fault) => Picked::new("file_missing", fault.text.clone()).mend(relocate(&fault.subject)),
        None => Picked::new("fresh_link", "what is asked for is there"),
    }
}
