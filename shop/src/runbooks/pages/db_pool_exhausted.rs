//! Nobody gets a connection to the database. This file decides by what doctor sees; plain values only.

use ops::{About, Cause, Look, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine, seen};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "db-pool-exhausted",
    title: "The connections to the database are exhausted",
    symptom: "The API answers 503, and the log says \"connection pool exhausted\".",
    seed: &[
        Quote {
            from: "seed 001, Database Connection Pool Exhausted",
            text: "API returns 500 errors. Logs show \"connection pool exhausted\"",
        },
        Quote {
            from: "seed 001, Database Connection Pool Exhausted",
            text: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND query_start < NOW() - INTERVAL '10 minutes';",
        },
        Quote {
            from: "seed 001, Database Connection Pool Exhausted",
            text: "max: 20, // Increase from default 10",
        },
    ],
    rows: &["L9"],
    checks: &[],
    alerts: &["MakegoodDbPoolExhausted"],
    looks: &[Look {
        task: "doctor",
        input: "{\"database\": true}",
        causes: &["database.reachable", "database.transactions", "database.connections", "database.pool"],
    }],
    subject: "what doctor calls it, like database.pool, or all",
    about: About::Other(|facts| facts.diagnoses.is_some()),
    reads: Reads::Surroundings,
    causes: CAUSES,
    operations: &["db.cut"],
    pick,
};

const SORRY: &str =
    "Our shop was slow for a while. If you have paid, your order arrives by itself; you need to do nothing.";

const CAUSES: &[Cause] = &[
    broken(
        "does_not_answer",
        "The database does not answer at all: see that its server runs, and runbook bootstrap-db-uri for its address. Stripe sends again what was refused meanwhile.",
        &[],
        SORRY,
    ),
    broken(
        "held_open",
        "Another program has begun a transaction and goes no further; what it has locked, everybody waits for. It may be cut: what it has not committed is undone.",
        &["db.cut"],
        SORRY,
    ),
    broken(
        "server_full",
        "The server has hardly a connection left. Those that sit idle may be cut; then see that every program that uses the server has a pool with a limit, or raise max_connections.",
        &["db.cut"],
        SORRY,
    ),
    broken(
        "pool_too_small",
        "More work waits than there are connections. See in makegood db pool what works; where the server has room, raise DB_POOL_MAX and restart.",
        &[],
        SORRY,
    ),
    fine(
        "nothing_waits",
        "The database answers, and nothing waits for a connection.",
        "Our shop answers as it should. If something is missing in your account, please send us your order number.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let causes = [
        ("database.reachable", "does_not_answer"),
        ("database.transactions", "held_open"),
        ("database.connections", "server_full"),
        ("database.pool", "pool_too_small"),
    ];
    let picked = seen(facts, &causes, "nothing_waits");
    match picked.cause {
        "held_open" | "server_full" => {
            picked.mend(Mend { operation: "db.cut", input: json!({}), command: "makegood db cut".to_owned() })
        }
        _ => picked,
    }
}
