//! The program does not start, for the sake of its database. This file decides by what doctor sees; plain values only.

use ops::{About, Cause, Look, Picked, Quote, Reads};

use super::{broken, fine, seen};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "bootstrap-db-uri",
    title: "Bootstrap failed: the database",
    symptom: "makegood serve ends at once with \"Bootstrap failed\": the address of the database has the wrong form, or nothing answers there.",
    seed: &[
        Quote {
            from: "seed 004, Bootstrap failed: Invalid scheme (MONGO_URI)",
            text: "Deploy fails on Render with \"Bootstrap failed\" and error: `Invalid scheme, expected connection string to start with \"mongodb://\" or \"mongodb+srv://\"`.",
        },
        Quote {
            from: "seed 004, Bootstrap failed: Invalid scheme (MONGO_URI)",
            text: "No placeholder (e.g. `CHANGE_ME_MONGO_URI`), no extra quotes, no leading/trailing spaces.",
        },
        Quote {
            from: "seed 004, Bootstrap failed: Invalid scheme (MONGO_URI)",
            text: "Deploy completes; logs show \"[db] connected\" and the service stays up.",
        },
    ],
    rows: &["E14"],
    checks: &[],
    alerts: &[],
    looks: &[Look {
        task: "doctor",
        input: "{\"database\": true}",
        causes: &[
            "config.database",
            "config.forms",
            "config.other_database",
            "database.reachable",
            "database.migrated",
        ],
    }],
    subject: "what doctor calls it, like config.database, or all",
    about: About::Other(|facts| facts.diagnoses.is_some()),
    reads: Reads::Surroundings,
    causes: CAUSES,
    operations: &[],
    pick,
};

const LATER: &str =
    "Our shop was away for a while. If you have paid, your order arrives by itself; you need to do nothing.";

const CAUSES: &[Cause] = &[
    broken(
        "address_wrong",
        "The address of the database has not the form of one: another scheme, a placeholder, quotes or blanks around it. Set it right where the configuration lies, and start again.",
        &[],
        LATER,
    ),
    broken(
        "another_setting_wrong",
        "The address is well, and another setting keeps the program from starting. Set it right, and start again; makegood config check says whether it would.",
        &[],
        LATER,
    ),
    broken(
        "does_not_answer",
        "The address is well, and nobody answers there, or whoever answers does not let us in. See that the server runs and may be reached from here, and who may connect.",
        &[],
        LATER,
    ),
    broken(
        "not_migrated",
        "The database answers, and its schema is older than this version. Run makegood db migrate, or start with AUTO_MIGRATE=true.",
        &[],
        LATER,
    ),
    broken(
        "another_database_named",
        "The program starts, and a setting names a database that it does not use. Unset MONGO_URI; makegood keeps its data where DATABASE_URL says.",
        &[],
        LATER,
    ),
    fine(
        "connected",
        "The database is named, answers, and has the schema of this version.",
        "Our shop is there. If something is missing in your account, please send us your order number.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let causes = [
        ("config.database", "address_wrong"),
        ("config.forms", "another_setting_wrong"),
        ("database.reachable", "does_not_answer"),
        ("database.migrated", "not_migrated"),
        ("config.other_database", "another_database_named"),
    ];
    seen(facts, &causes, "connected")
}
