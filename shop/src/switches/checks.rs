//! What must be true of switches: none is off for good without anybody thinking of it.

use ops::{Check, Found, Mend, Severity};

use super::{Position, store};

/// The switches' checks.
pub const CHECKS: [Check; 1] = [OFF];

const OFF: Check = Check {
    name: "switched_off",
    severity: Severity::Info,
    must: "downloads, checkout and refunds are switched on",
    means: "An operator has stopped something. It is not forgotten as long as it stands here: when the reason is gone, switch \
            it on again.",
    find: |tx, _, _| Ok(store::all(tx)?.into_iter().filter(|position| !position.is_on).map(found).collect()),
};

fn found(position: Position) -> Found {
    let name = position.name.as_str();
    let by = position.actor.as_ref().map_or(String::new(), |actor| format!(", by {actor}"));
    let operation = match position.name {
        super::Switch::Downloads => "downloads.enable",
        super::Switch::Checkout => "checkout.enable",
        super::Switch::Refunds => "refunds.enable",
    };
    Found {
        subject: name.to_owned(),
        text: format!("{name} {}{by}", position.in_words()),
        since: position.changed_at,
        mend: Some(Mend {
            operation,
            input: serde_json::json!({}),
            command: format!("makegood {name} enable"),
        }),
    }
}
