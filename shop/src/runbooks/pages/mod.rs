//! The definitions, one in each file. Each file decides by facts alone.

pub mod bootstrap_db_uri;
pub mod checkout_failures;
pub mod content_check;
pub mod db_pool_exhausted;
pub mod dispute;
pub mod download_blocked_423;
pub mod download_link_expired;
pub mod downloads_kill_switch;
pub mod inventory_drift;
pub mod media_upload_401;
pub mod media_upload_signature;
pub mod missed_refund;
pub mod paid_no_access;
pub mod payment_intent_backfill;
pub mod prelaunch;
pub mod refund_downgrade;
pub mod refund_spike;
pub mod review_hold;
pub mod secret_rotation;
pub mod security_checks;
pub mod stale_payments;
pub mod stuck_paid_orders;
pub mod webhook_downtime;
pub mod webhook_failed;

use ops::{Cause, Mend, Picked, Standing};

use super::{Diagnosis, Facts};
use crate::ids::OrderId;

/// A fault, and what may mend it.
const fn broken(
    name: &'static str,
    means: &'static str,
    mend: &'static [&'static str],
    reply: &'static str,
) -> Cause {
    Cause { name, means, standing: Standing::Broken, mend, reply }
}

/// Nothing is wrong.
const fn fine(name: &'static str, means: &'static str, reply: &'static str) -> Cause {
    Cause { name, means, standing: Standing::Fine, mend: &[], reply }
}

/// What mends an order, by an operation whose only input it is.
fn of_order(operation: &'static str, words: &str, order: OrderId) -> Mend {
    Mend {
        operation,
        input: serde_json::json!({ "order": order }),
        command: format!("makegood {words} {order}"),
    }
}

fn refund(order: OrderId) -> Mend {
    of_order("refunds.create", "refunds create", order)
}

/// For a subject that leads to no order, where only an order has an answer.
fn no_order(cause: &'static str) -> Picked {
    Picked::new(cause, "it leads to no order here")
}

fn enable_downloads() -> Mend {
    let command = "makegood downloads enable".to_owned();
    Mend { operation: "downloads.enable", input: serde_json::json!({}), command }
}

/// Where the file lies instead only a person knows.
fn relocate(resource: &str) -> Mend {
    Mend {
        operation: "resources.relocate",
        input: serde_json::json!({ "resource": resource }),
        command: format!("makegood resources relocate {resource} --object-key KEY"),
    }
}

/// The first thing around the shop that is not as it must be, by the cause of its kind; the exact kind counts before its area.
fn seen(facts: &Facts, causes: &[(&str, &'static str)], well: &'static str) -> Picked {
    let cause_of = |found: &Diagnosis| {
        let exact = causes.iter().find(|(kind, _)| *kind == found.id);
        exact.or_else(|| causes.iter().find(|(kind, _)| found.is_of(kind))).map(|(_, cause)| *cause)
    };
    let all = facts.diagnoses.iter().flatten();
    let first = all.clone().find_map(|found| Some((found, cause_of(found)?)));
    match first {
        Some((found, cause)) => {
            let more = all.count() - 1;
            let also = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            Picked::new(cause, format!("{}: {}; {}{also}", found.id, found.seen, found.fix))
        }
        None if facts.not_looked_at.is_empty() => {
            Picked::new(well, "everything that was looked at is as it must be")
        }
        None => {
            let unseen = facts.not_looked_at.join("; ");
            Picked::new(well, format!("what was looked at is as it must be; not looked at: {unseen}"))
        }
    }
}
