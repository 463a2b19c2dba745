//! The runbooks against the registry: each check leads to exactly one, and whatever a runbook names is there.

use std::collections::{BTreeMap, BTreeSet};

use shop::{OPERATIONS, RUNBOOKS, TASKS};

/// The ids that were announced: what a page, an alert or a script may rely on.
const ANNOUNCED: &[&str] = &[
    "paid-no-access",
    "webhook-downtime",
    "webhook-failed",
    "stuck-paid-orders",
    "tier-mismatch",
    "quota-reset",
    "quota-usage",
    "refund-downgrade",
    "missed-refund",
    "refund-spike",
    "dispute",
    "gdpr-delete",
    "invoice-failed",
    "invoice-transmission-stuck",
    "inventory-drift",
    "coupon-leak",
    "stale-payments",
    "review-hold",
    "download-blocked-423",
    "download-link-expired",
    "downloads-kill-switch",
    "payment-intent-backfill",
    "secret-rotation",
    "checkout-failures",
    "db-pool-exhausted",
    "media-upload-401",
    "media-upload-signature",
    "bootstrap-db-uri",
    "prelaunch",
    "security-checks",
    "content-check",
    "backup",
    "log-pruning",
    "checklist-onboarding",
    "checklist-upgrade",
    "checklist-cancellation",
];

/// Checks that say that somebody has changed what nobody may change. No operation mends that: `makegood audit verify` names
/// each place, and a backup says what stood there.
const GUARD_THE_BOOKS: [&str; 3] = ["audit_chain_broken", "audit_entries_unchained", "books_unguarded"];

fn names() -> BTreeSet<&'static str> {
    OPERATIONS.iter().map(|operation| operation.name).chain(TASKS.iter().map(|task| task.name)).collect()
}

#[test]
fn every_check_leads_to_exactly_one_runbook() {
    let mut leads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for runbook in RUNBOOKS {
        runbook.checks.iter().for_each(|check| leads.entry(check).or_default().push(runbook.id));
    }
    for check in shop::checks() {
        let to = leads.remove(check.name).unwrap_or_default();
        if GUARD_THE_BOOKS.contains(&check.name) {
            assert!(to.is_empty(), "{} leads to {to:?}", check.name);
            continue;
        }
        assert_eq!(to.len(), 1, "{} leads to {to:?}", check.name);
        let found = shop::runbooks::of_check(check.name).map(|runbook| runbook.id);
        assert_eq!(found, to.first().copied());
    }
    assert_eq!(leads, BTreeMap::new(), "checks that are not there");
}

/// What a comparison finds is explained by the runbook that looks for it.
#[test]
fn every_cause_of_a_difference_leads_to_a_runbook_that_is_there() {
    for cause in shop::reconcile::Cause::ALL {
        let (name, to) = (cause.as_str(), cause.runbook());
        assert!(to.is_none_or(|id| shop::runbooks::find(id).is_ok()), "{name} leads to {to:?}");
        let looks =
            RUNBOOKS.iter().filter(|runbook| runbook.looks.iter().any(|look| look.causes.contains(&name)));
        looks.for_each(|runbook| assert_eq!(to, Some(runbook.id), "{name}"));
    }
}

#[test]
fn every_operation_task_and_cause_that_a_runbook_names_is_there() {
    let known = names();
    for runbook in RUNBOOKS {
        let id = runbook.id;
        for name in runbook.operations {
            assert!(known.contains(name), "{id}: {name} is neither an operation nor a task");
        }
        let causes: BTreeSet<&str> = runbook.causes.iter().map(|cause| cause.name).collect();
        assert_eq!(causes.len(), runbook.causes.len(), "{id}: a cause is listed twice");
        for cause in runbook.causes {
            for name in cause.mend {
                assert!(
                    runbook.operations.contains(name),
                    "{id}: {} is mended by {name}, which is not offered",
                    cause.name
                );
            }
        }
        for look in runbook.looks {
            let task = TASKS.iter().find(|task| task.name == look.task);
            let task = task.unwrap_or_else(|| panic!("{id}: no task is called {}", look.task));
            let input = serde_json::from_str(look.input).unwrap_or_else(|error| panic!("{id}: {error}"));
            let asked = task.read(input).unwrap_or_else(|error| panic!("{id}: {error}"));
            assert!(asked.changing.is_none(), "{id}: {} would change something", look.task);
            if ["courses.check", "doctor"].contains(&look.task) {
                continue;
            }
            let all: Vec<&str> = shop::reconcile::Cause::ALL.iter().map(|cause| cause.as_str()).collect();
            assert!(look.causes.iter().all(|cause| all.contains(cause)), "{id}: {:?}", look.causes);
        }
    }
}

#[test]
fn every_runbook_is_announced_says_what_it_is_for_and_has_a_good_end() {
    let mut ids = BTreeSet::new();
    for runbook in RUNBOOKS {
        let id = runbook.id;
        assert!(ids.insert(id), "{id} is listed twice");
        assert!(ANNOUNCED.contains(&id), "{id} was never announced");
        assert!(
            !runbook.title.is_empty() && !runbook.symptom.is_empty() && !runbook.subject.is_empty(),
            "{id}"
        );
        assert!(!runbook.seed.is_empty() && !runbook.rows.is_empty(), "{id}");
        let standing = |wanted| runbook.causes.iter().any(|cause| cause.standing == wanted);
        assert!(
            standing(ops::Standing::Fine) && standing(ops::Standing::Broken),
            "{id}: good or bad has no name"
        );
        let row = |row: &&str| row.len() >= 2 && row.starts_with(['V', 'L', 'B', 'M', 'E']);
        assert!(runbook.rows.iter().all(row), "{id}: {:?}", runbook.rows);
    }
}

#[test]
fn every_alert_leads_to_one_runbook_and_bears_the_name_of_the_house() {
    let mut seen = BTreeSet::new();
    for runbook in RUNBOOKS {
        for alert in runbook.alerts {
            assert!(alert.starts_with("Makegood") && seen.insert(alert), "{}: {alert}", runbook.id);
        }
    }
    assert!(seen.contains(&"MakegoodStuckPaidOrders") && seen.contains(&"MakegoodRefundSpike"), "{seen:?}");
}

/// A customer must not read an error, a table's name or a promise that nobody keeps.
#[test]
fn every_reply_can_be_sent_as_it_is() {
    for runbook in RUNBOOKS {
        for cause in runbook.causes {
            let (id, reply) = (runbook.id, cause.reply);
            assert!(reply.len() > 30 && reply.ends_with(['.', '?']), "{id} {}: {reply}", cause.name);
            let inner = ["Stripe", "webhook", "_", "makegood", "database", "SQL"];
            assert!(
                !inner.iter().any(|word| reply.replace("{order}", "").contains(word)),
                "{id} {}: {reply}",
                cause.name
            );
        }
    }
}
