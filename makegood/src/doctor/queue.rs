//! What is done in the background: by whom, how late, and what has given up.

use kernel::Duration;
use ops::results;
use shop::inbox;

use super::finding::Seen;
use super::patient::Patient;

/// A worker runs the checks about once a minute: its sign of life.
const SILENT: Duration = Duration::from_secs(5 * 60);
/// So late nothing is while workers run.
const LATE: Duration = Duration::from_secs(10 * 60);

/// What a read of the rows gave, or that they cannot be read.
macro_rules! rows {
    ($patient:expr, $name:literal, $read:expr) => {{
        let Ok(db) = &$patient.db else { return Vec::new() };
        match db.read($name, $read).await {
            Ok(read) => read,
            Err(error) => return vec![$crate::doctor::queue::unreadable(&error)],
        }
    }};
}
pub(super) use rows;

pub(super) fn unreadable(error: &kernel::Error) -> Seen {
    Seen::warning(format!("its rows cannot be read: {error}")).fix("makegood db status")
}

pub(super) async fn workers(patient: &Patient) -> Vec<Seen> {
    let latest = rows!(patient, "doctor.workers", results::latest);
    let none_here = patient.config.as_ref().is_ok_and(|config| config.workers == 0);
    let fix = "makegood serve, with WORKERS of at least 1, on one machine at least";
    let expected = "checks that a worker has run within five minutes";
    let Some(last) = latest.iter().map(|result| result.checked_at).max() else {
        return vec![Seen::warning("no worker has ever run here").expected(expected).fix(fix)];
    };
    let silent = patient.now().since(last);
    match silent > SILENT {
        false => vec![Seen::ok(format!("a worker was at work {} s ago", silent.as_secs()))],
        true => {
            let none = if none_here { ", and WORKERS is 0 here" } else { "" };
            let told = format!("no worker was at work for {} minutes{none}", silent.as_secs() / 60);
            vec![Seen::error(told).expected(expected).fix(fix)]
        }
    }
}

pub(super) async fn events(patient: &Patient) -> Vec<Seen> {
    let oldest = rows!(patient, "doctor.events", inbox::oldest_waiting);
    let age = oldest.map_or(Duration::ZERO, |at| patient.now().since(at));
    match age > LATE {
        false => Vec::new(),
        true => vec![
            Seen::error(format!("an event waits for {} minutes", age.as_secs() / 60))
                .expected("less than ten")
                .fix("makegood runbook explain webhook-failed"),
        ],
    }
}

pub(super) async fn jobs(patient: &Patient) -> Vec<Seen> {
    let oldest = rows!(patient, "doctor.jobs", jobs::oldest_due);
    let late = oldest.map_or(Duration::ZERO, |at| patient.now().since(at));
    match late > LATE {
        false => Vec::new(),
        true => vec![
            Seen::error(format!("a job is {} minutes late", late.as_secs() / 60))
                .expected("less than ten")
                .fix("makegood jobs list --status queued"),
        ],
    }
}

pub(super) async fn failed(patient: &Patient) -> Vec<Seen> {
    let failed = rows!(patient, "doctor.failed", jobs::failed_by_kind);
    match failed.is_empty() {
        true => Vec::new(),
        false => {
            let kinds: Vec<String> = failed.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
            vec![
                Seen::warning(format!("jobs that have given up: {}", kinds.join(", ")))
                    .expected("none")
                    .fix("makegood jobs list --status failed; then makegood jobs retry JOB"),
            ]
        }
    }
}

pub(super) async fn checks(patient: &Patient) -> Vec<Seen> {
    let latest = rows!(patient, "doctor.checks", results::latest);
    let found: Vec<String> = latest
        .iter()
        .filter(|result| result.count > 0)
        .map(|result| format!("{} ({})", result.check, result.count))
        .collect();
    match found.is_empty() {
        true => Vec::new(),
        false => vec![
            Seen::warning(format!("when they last ran: {}", found.join(", ")))
                .expected("no findings")
                .fix("makegood check"),
        ],
    }
}
