//! Webhooks did not arrive for a while. This file decides by what is missing; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "webhook-downtime",
    title: "Webhooks did not arrive",
    symptom: "The endpoint was down or could not be reached: Stripe's dashboard shows failed deliveries, payments come in and orders stay pending.",
    seed: &[
        Quote {
            from: "seed 000, Webhook downtime",
            text: "1. Restore endpoint availability.\n2. Replay undelivered events from Stripe.\n3. Verify idempotent processing.",
        },
        Quote {
            from: "seed 001, Webhook Endpoint Down (All Payments Failing)",
            text: "Stripe Dashboard → Events → Filter last 24 hours",
        },
    ],
    rows: &["V8", "L8"],
    checks: &["events_not_read"],
    alerts: &[],
    looks: &[ops::Look { task: "events.gaps", input: r#"{"since":"24h"}"#, causes: &[] }],
    subject: "the word `all`",
    about: About::Other(|facts| facts.asked == "all"),
    reads: Reads::Events,
    causes: CAUSES,
    operations: &["events.backfill", "events.replay", "reconcile"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "list_not_readable",
        "Stripe's list of events cannot be read, so nobody knows what is missing. Mostly the key may not read events.",
        &[],
        "Our connection to the payment service is disturbed. Your payment is safe there; we complete your order as soon as the connection is back.",
    ),
    broken(
        "events_missed",
        "Stripe has events that no webhook has brought.",
        &["events.backfill"],
        "Messages from the payment service did not reach us for a while. Your payment is safe; we are fetching what was missed, and your order is completed with it. You were charged once.",
    ),
    fine(
        "all_arrived",
        "Everything that Stripe has told is here.",
        "Every message from the payment service has arrived. If something is still missing in your account, please send us your order number.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(found) = facts.found("events_not_read") {
        return Picked::new("list_not_readable", found.text.clone());
    }
    match &facts.missing {
        Some(missing) if missing.count > 0 => {
            let (count, since) = (missing.count, missing.since);
            let named = missing.newest.join(", ");
            Picked::new("events_missed", format!("{count} events of the last {since} are not here: {named}"))
                .mend(Mend {
                    operation: "events.backfill",
                    input: json!({ "since": since }),
                    command: format!("makegood events backfill --since {since}"),
                })
        }
        Some(missing) => {
            Picked::new("all_arrived", format!("no event of the last {} is missing", missing.since))
        }
        None => Picked::new("all_arrived", "no event is missing"),
    }
}
