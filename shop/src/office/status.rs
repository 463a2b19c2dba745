//! How the shop is, on one screen: what runs, what waits, what is stopped and what is not as it must be. It knows nothing that
//! another page does not say at length.

use std::ops::Deref;

use db::Tx;
use kernel::{Result, Timestamp};
use ops::results::{self, CheckResult};
use ops::snoozes::{self, Snooze};
use ops::{By, Check, Done, Effect, Progress, Role, Running, Severity, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::secrets::is_troubled;
use crate::around::Process;
use crate::inbox;
use crate::seam::Seam;
use crate::switches::{self, Position, Switch};

/// Say how the shop is, on one screen; ends with exit code 3 when something is not as it must be
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Status {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Status {
    const NAME: &'static str = "status";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(status(on))
    }
}

/// The screen.
#[derive(Debug, Serialize)]
struct Screen {
    #[serde(flatten)]
    process: Process,
    database: &'static str,
    database_is_healthy: bool,
    migrations_missing: usize,
    #[serde(flatten)]
    rows: Rows,
    /// Since when nobody has run the check that was run longest ago.
    checked_at: Option<Timestamp>,
    found: Vec<Found>,
    switched_off: Vec<Off>,
    troubled_secrets: Vec<Value>,
}

/// What waits, and what came last.
#[derive(Debug, Serialize)]
struct Rows {
    events_waiting: i64,
    oldest_event_at: Option<Timestamp>,
    last_webhook_at: Option<Timestamp>,
    jobs_queued: i64,
    oldest_job_due_at: Option<Timestamp>,
    jobs_failed: i64,
    #[serde(skip)]
    switches: Vec<Position>,
    #[serde(skip)]
    results: Vec<CheckResult>,
    #[serde(skip)]
    snoozes: Vec<Snooze>,
}

/// A check that finds something: how much of it is open and since when, and how much was put off.
#[derive(Debug, Serialize)]
struct Found {
    check: &'static str,
    severity: Severity,
    open: i64,
    snoozed: usize,
    oldest: Option<Timestamp>,
    runbook: Option<&'static str>,
}

/// A switch that is off.
#[derive(Debug, Serialize)]
struct Off {
    name: Switch,
    reason: Option<String>,
    actor: Option<String>,
    changed_at: Option<Timestamp>,
}

async fn status(seam: &Seam) -> Result<Done> {
    let now = seam.cx().now;
    let rows = seam.db.read("status", move |tx| read(tx, now)).await?;
    let steps = seam.db.migrations(crate::MIGRATIONS).await?;
    let screen = Screen {
        process: seam.around.process().await,
        database: seam.db.dialect().as_str(),
        database_is_healthy: seam.db.health() == db::Health::Well,
        migrations_missing: steps.iter().filter(|step| step.applied_at.is_none()).count(),
        checked_at: rows.results.iter().map(|result| result.checked_at).min(),
        found: found(&rows, now),
        switched_off: off(&rows.switches, seam.settings.downloads_enabled),
        troubled_secrets: seam.around.secrets().into_iter().filter(is_troubled).map(troubled).collect(),
        rows,
    };
    let open: i64 = screen.found.iter().map(|found| found.open).sum();
    let findings = open as u64 + screen.troubled_secrets.len() as u64;
    Ok(Done::new(crate::view::object("status", &screen)?).findings(findings))
}

fn read(tx: &mut Tx<'_>, now: Timestamp) -> Result<Rows> {
    let jobs = jobs::counts(tx)?;
    Ok(Rows {
        events_waiting: inbox::waiting(tx)?,
        oldest_event_at: inbox::oldest_waiting(tx)?,
        last_webhook_at: inbox::newest_signed(tx)?.map(|(.., at)| at),
        jobs_queued: jobs.queued,
        oldest_job_due_at: jobs::oldest_due(tx)?,
        jobs_failed: jobs.failed,
        switches: switches::all(tx)?,
        results: checked(tx, now)?,
        snoozes: snoozes::all(tx)?,
    })
}

/// What each check found when it last ran on schedule. One that never did runs now, because nothing found by nobody is no
/// good news.
fn checked(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<CheckResult>> {
    let mut kept = results::latest(tx)?;
    let mut checked = |check: Check| match kept.iter().position(|result| result.check == check.name) {
        Some(at) => Ok(kept.swap_remove(at)),
        None => Ok(CheckResult::new(check.name, &check.run(tx, now)?, now, now)),
    };
    crate::checks().into_iter().map(&mut checked).collect()
}

fn found(rows: &Rows, now: Timestamp) -> Vec<Found> {
    let with_checks = crate::checks().into_iter().zip(&rows.results);
    let found = with_checks.filter(|(_, result)| result.count > 0).map(|(check, result)| {
        let parted = result.parted(&rows.snoozes, now);
        Found {
            check: check.name,
            severity: check.severity,
            open: parted.open,
            snoozed: parted.asleep.len(),
            oldest: parted.oldest,
            runbook: ops::Runbook::of_check(crate::RUNBOOKS, check.name).map(|runbook| runbook.id),
        }
    });
    found.collect()
}

/// Downloads may be stopped by the configuration too.
fn off(switches: &[Position], downloads_are_enabled: bool) -> Vec<Off> {
    let thrown = switches.iter().filter(|position| !position.is_on).map(|position| Off {
        name: position.name,
        reason: position.reason.clone(),
        actor: position.actor.clone(),
        changed_at: position.changed_at,
    });
    let configured = Off {
        name: Switch::Downloads,
        reason: Some("DOWNLOADS_ENABLED is false".to_owned()),
        actor: None,
        changed_at: None,
    };
    thrown.chain((!downloads_are_enabled).then_some(configured)).collect()
}

fn troubled(secret: Value) -> Value {
    json!({ "name": secret["name"], "trouble": secret["trouble"], "unmatched": secret["unmatched"] })
}
