//! Whether the shop may open. This file decides by what doctor sees; plain values only.

use ops::{About, Cause, Look, Picked, Quote, Reads};

use super::{broken, fine, seen};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "prelaunch",
    title: "Before the first buyer comes",
    symptom: "The shop is to open, or to open again after it was set up anew.",
    seed: &[
        Quote { from: "seed 000, Pre-Launch Checks", text: "Stripe products/prices configured and mapped." },
        Quote { from: "seed 000, Pre-Launch Checks", text: "Webhook endpoint reachable and verified." },
        Quote { from: "seed 000, Pre-Launch Checks", text: "Queue workers running." },
        Quote { from: "seed 000, Pre-Launch Checks", text: "Stream and R2 credentials validated." },
        Quote {
            from: "seed 000, Pre-Launch Checks",
            text: "Seed/imported course content is published and ordered.",
        },
        Quote {
            from: "seed 000, Pre-Launch Checks",
            text: "Every purchasable course has a non-null `stripe_price_id`.",
        },
    ],
    rows: &["V1"],
    checks: &[],
    alerts: &[],
    looks: &[Look { task: "doctor", input: "{\"prelaunch\": true}", causes: &[] }],
    subject: "what doctor calls it, like webhook.reachable, or all",
    about: About::Other(|facts| facts.diagnoses.is_some()),
    reads: Reads::Surroundings,
    causes: CAUSES,
    operations: &[],
    pick,
};

const SOON: &str = "Our shop opens soon. Thank you for your patience.";

const CAUSES: &[Cause] = &[
    broken(
        "not_configured",
        "A setting is missing or wrong. Each finding of makegood doctor --prelaunch names it; docs/19-stripe-cloudflare-setup.md says where its value comes from.",
        &[],
        SOON,
    ),
    broken(
        "database_not_ready",
        "The database does not answer, or its schema is older than this version: see runbook bootstrap-db-uri.",
        &[],
        SOON,
    ),
    broken(
        "nobody_works",
        "No worker runs: events would be stored and nothing handed over. Start makegood serve with WORKERS of at least 1.",
        &[],
        SOON,
    ),
    broken(
        "not_safe",
        "Real money would go in the clear, or with a key of the other mode: see runbook security-checks.",
        &[],
        SOON,
    ),
    broken(
        "stripe_refuses",
        "Stripe does not take the key, the key may not do what is needed, or the account may not take money yet.",
        &[],
        SOON,
    ),
    broken(
        "webhook_does_not_come",
        "Stripe's events would not arrive here: no endpoint leads here, it does not answer, or its secret is another one.",
        &[],
        SOON,
    ),
    broken(
        "storage_refuses",
        "The place of files or films does not take our credentials: buyers could not get what they paid for.",
        &[],
        SOON,
    ),
    broken(
        "not_for_sale",
        "Something that is sold is not published, not in order or without a price at Stripe: see runbook content-check, makegood courses publish and makegood prices map.",
        &[],
        SOON,
    ),
    fine(
        "ready",
        "Everything that must be so before the first buyer comes is so.",
        "Our shop is open. Thank you for your patience.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let causes = [
        ("config", "not_configured"),
        ("database", "database_not_ready"),
        ("security", "not_safe"),
        ("stripe.key", "not_safe"),
        ("stripe", "stripe_refuses"),
        ("webhook", "webhook_does_not_come"),
        ("queue", "nobody_works"),
        ("storage", "storage_refuses"),
        ("stream", "storage_refuses"),
        ("content", "not_for_sale"),
    ];
    seen(facts, &causes, "ready")
}
