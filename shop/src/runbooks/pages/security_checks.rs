//! Whether strangers are kept out. This file decides by what doctor sees; plain values only.

use ops::{About, Cause, Look, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine, seen};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "security-checks",
    title: "What keeps strangers out",
    symptom: "The round of every month; or somebody asks who may read the secrets, and whether the endpoint takes more than Stripe's events.",
    seed: &[
        Quote {
            from: "seed 003, Security Checks",
            text: "Ensure Stripe webhook function has no authorizer (Auth: NONE) but only listens to POST.",
        },
        Quote {
            from: "seed 003, Security Checks",
            text: "Confirm Secrets Manager policies restricted to relevant functions.",
        },
        Quote {
            from: "seed 003, Security Checks",
            text: "Monitor logs for `[orders-index-warning]` (indicates index fallback scans).",
        },
    ],
    rows: &["M8"],
    checks: &[],
    alerts: &[],
    looks: &[Look { task: "doctor", input: "{\"security\": true}", causes: &[] }],
    subject: "what doctor calls it, like secrets.files, or all",
    about: About::Other(|facts| facts.diagnoses.is_some()),
    reads: Reads::Surroundings,
    causes: CAUSES,
    operations: &["secrets.refresh"],
    pick,
};

const SAFE: &str = "Card numbers never reach our shop; our payment provider has them. We look regularly at who may read what.";

const CAUSES: &[Cause] = &[
    broken(
        "secret_not_readable",
        "A secret cannot be read again from where it lies; the last good value counts until the next start. When it is put right, it is read again.",
        &["secrets.refresh"],
        SAFE,
    ),
    broken(
        "secret_open",
        "Others on this machine may read a file that holds a secret, or it can be guessed. Close it; a secret that others may have read is rolled: see runbook secret-rotation.",
        &[],
        SAFE,
    ),
    broken(
        "in_the_clear",
        "Real money would go without TLS, or with a key of the other mode. Set APP_URL to an address with https, and keys of one mode.",
        &[],
        SAFE,
    ),
    broken(
        "endpoint_open",
        "The webhook's endpoint does not answer as it must: anybody may send to it, only by POST, and only what Stripe has signed is taken.",
        &[],
        SAFE,
    ),
    broken(
        "strangers_believed",
        "Headers of strangers are believed, or metrics are served to everybody. Name the proxies in TRUSTED_PROXIES, and serve metrics on an address of their own.",
        &[],
        SAFE,
    ),
    broken(
        "history_may_be_rewritten",
        "The role of this program may change the audit log. Make one that may not with makegood db grant, and let makegood serve connect as that one.",
        &[],
        SAFE,
    ),
    broken(
        "index_missing",
        "An index on orders is missing: looking one up reads all of them, and a stranger who asks often makes the shop slow.",
        &[],
        SAFE,
    ),
    broken("not_configured", "A setting has the wrong form: with it, the program does not start.", &[], SAFE),
    fine("nothing_found", "Everything that keeps strangers out is as it must be.", SAFE),
];

fn pick(facts: &Facts) -> Picked {
    let causes = [
        ("config", "not_configured"),
        ("secrets.readable", "secret_not_readable"),
        ("secrets", "secret_open"),
        ("security.https", "in_the_clear"),
        ("stripe", "in_the_clear"),
        ("webhook", "endpoint_open"),
        ("security", "strangers_believed"),
        ("database.role", "history_may_be_rewritten"),
        ("database.indexes", "index_missing"),
    ];
    let picked = seen(facts, &causes, "nothing_found");
    match picked.cause {
        "secret_not_readable" => picked.mend(Mend {
            operation: "secrets.refresh",
            input: json!({}),
            command: "makegood secrets refresh --reason \"put right\"".to_owned(),
        }),
        _ => picked,
    }
}
