//! Background work: events, jobs, and what is done every minute. A bell wakes a worker at once; the clock is only a net
//! under it. Workers of several processes share one database without asking each other.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use db::TxResult;
use futures_util::FutureExt;
use kernel::{Duration, Error, Result};
use ops::{Check, Finding};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::StripeEvents;

/// How long a worker sleeps when nobody rings; each sleep is a little shorter or longer, so that nodes do not all look
/// at once.
const NET: Duration = Duration::from_secs(1);
/// How long a worker waits after an error at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is done regularly is done so often.
const SWEEP: Duration = Duration::from_secs(60);
/// Orders that nobody paid for are looked at so often.
const CLEAN_UP: Duration = Duration::from_secs(300);
/// So often it is looked which checks are due; each is about once a minute.
const LOOK: Duration = Duration::from_secs(10);
/// Stripe's list of events is read so often where webhooks bring most of them.
const READ_SELDOM: Duration = Duration::from_secs(300);
/// So often where nothing else brings them.
const READ_OFTEN: Duration = Duration::from_secs(10);
/// So soon it is looked whether another process has died while it read.
const READ_BY_ANOTHER: Duration = Duration::from_secs(20);
/// Jobs call Stripe one after the other: few at a time, so that the last is done before its lease ends.
const JOBS_AT_ONCE: i64 = 4;
const JOB_WORKERS: usize = 2;
/// A full batch means that there is more: another worker is woken.
const FULL_BATCH: usize = 100;

/// The workers of this process.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts the workers that the configuration asks for; with `WORKERS=0` there are none at all.
pub fn start(app: &Arc<App>) -> Workers {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..app.config.workers {
        tasks.spawn(repeat(app.clone(), app.shop.db.wakes().on(EVENTS), stopped.clone(), "events", events));
    }
    if app.config.workers > 0 {
        for _ in 0..JOB_WORKERS {
            let bell = app.shop.db.wakes().on(jobs::TOPIC);
            tasks.spawn(repeat(app.clone(), bell, stopped.clone(), "jobs", jobs_due));
        }
        tasks.spawn(repeat(app.clone(), app.shop.db.wakes().on(AUDIT), stopped.clone(), "seal", seal));
        tasks.spawn(sweep_forever(app.clone(), stopped.clone()));
        tasks.spawn(regularly(app.clone(), stopped.clone(), Duration::ZERO, "checks", checks));
        tasks.spawn(regularly(app.clone(), stopped.clone(), CLEAN_UP, "cleanup", clean_up));
        if app.config.stripe_events != StripeEvents::Push {
            tasks.spawn(regularly(app.clone(), stopped, Duration::ZERO, "backfill", read_events));
        }
    }
    Workers { stop, tasks }
}

/// The bell that rings when an event was stored.
const EVENTS: &str = "events";
/// Nobody rings for an audit entry: a bell across nodes would make their transactions wait for each other.
const AUDIT: &str = "audit";

impl Workers {
    /// Lets each worker finish its batch. Those that take longer than `patience` are left to their leases.
    pub async fn stop(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("workers did not end in time; their leases run out and others go on");
        }
    }
}

/// Whether there may be more to do at once.
enum More {
    Perhaps,
    No,
}

async fn events(app: Arc<App>) -> Result<More> {
    let processed = app.shop.work_events().await?;
    for (status, count) in &processed.ended {
        app.metrics.webhook_events.add(status, *count);
    }
    if processed.claimed >= FULL_BATCH {
        app.shop.db.wakes().ring(EVENTS);
    }
    // What was claimed and did not end is held by its lease: to ask for it again would be to spin.
    Ok(if processed.ended.is_empty() { More::No } else { More::Perhaps })
}

/// Audit entries are chained a moment after they were written.
async fn seal(app: Arc<App>) -> Result<More> {
    app.shop.seal().await?;
    Ok(More::No)
}

async fn jobs_due(app: Arc<App>) -> Result<More> {
    let done = app.shop.work_jobs(JOBS_AT_ONCE).await?;
    Ok(if done == 0 { More::No } else { More::Perhaps })
}

/// What no webhook has brought is fetched from Stripe's list of events; without an endpoint that is everything.
async fn read_events(app: Arc<App>) -> Result<Duration> {
    let pull = app.config.stripe_events == StripeEvents::Pull;
    let Some(done) = app.shop.backfill().await? else { return Ok(READ_BY_ANOTHER) };
    app.metrics.webhook_events.add("received", done.stored);
    done.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if done.stored > 0 && !pull {
        tracing::info!(stored = done.stored, "events that no webhook had brought were fetched from Stripe");
    }
    Ok(if pull { READ_OFTEN } else { READ_SELDOM })
}

/// Orders that nobody paid for are given up, once Stripe was asked.
async fn clean_up(app: Arc<App>) -> Result<Duration> {
    let done = app.shop.clean_up().await?;
    if done.cancelled + done.paid_after_all > 0 {
        let (cancelled, paid_after_all) = (done.cancelled, done.paid_after_all);
        tracing::info!(cancelled, paid_after_all, "orders whose payment failed were looked at");
    }
    Ok(CLEAN_UP)
}

/// The checks, one process at a time.
async fn checks(app: Arc<App>) -> Result<Duration> {
    for (check, why) in app.shop.watch().await?.failed {
        tracing::error!(check, why, "a check could not be run; its last result gets old");
    }
    Ok(LOOK)
}

/// Does something after `first`, and then again after the pause that it gives. When the process stops it is cut off between
/// two of its transactions.
async fn regularly<F>(
    app: Arc<App>,
    mut stopped: watch::Receiver<bool>,
    first: Duration,
    name: &'static str,
    work: fn(Arc<App>) -> F,
) where
    F: Future<Output = Result<Duration>> + Send,
{
    let (mut pause, mut failures) = (first, 0);
    while !*stopped.borrow() {
        let round = async {
            tokio::time::sleep(around(&app, pause)).await;
            outlived(work(app.clone())).await
        };
        let ended = tokio::select! {
            _ = stopped.changed() => return,
            ended = round => ended,
        };
        pause = match ended {
            Ok(next) => {
                failures = 0;
                next
            }
            Err(error) => {
                failures += 1;
                tell(name, failures, &error);
                READ_OFTEN.saturating_mul(1 << failures.min(5)).min(READ_SELDOM)
            }
        };
    }
}

async fn repeat<F>(
    app: Arc<App>,
    bell: Arc<Notify>,
    mut stopped: watch::Receiver<bool>,
    name: &'static str,
    work: fn(Arc<App>) -> F,
) where
    F: Future<Output = Result<More>> + Send,
{
    let mut failures = 0;
    while !*stopped.borrow() {
        let pause = match outlived(work(app.clone())).await {
            Ok(More::Perhaps) => {
                failures = 0;
                continue;
            }
            Ok(More::No) => {
                failures = 0;
                around(&app, NET)
            }
            Err(error) => {
                failures += 1;
                tell(name, failures, &error);
                around(&app, NET.saturating_mul(1 << failures.min(5)).min(LONGEST_PAUSE))
            }
        };
        // After a failure the bell says nothing new: only time helps.
        let rung = async {
            match failures {
                0 => bell.notified().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped.changed() => {}
            () = rung => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A round that panics is a failure like any other: the worker goes on, and what the round had claimed comes back.
async fn outlived<T>(round: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(round).catch_unwind().await.unwrap_or_else(|_| Err(Error::bug("it panicked")))
}

/// The first failure of a row is told; a database that is away for an hour does not fill the log.
fn tell(name: &str, failures: u32, error: &Error) {
    if failures == 1 || failures.is_multiple_of(20) {
        tracing::error!(worker = name, failures, %error, "background work failed");
    }
}

fn around(app: &App, pause: Duration) -> Duration {
    let millis = pause.as_millis() as u64;
    Duration::from_millis(millis * 3 / 4 + app.shop.cx().below(millis / 2 + 1))
}

async fn sweep_forever(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let mut failures = 0;
    while !*stopped.borrow() {
        match outlived(sweep(&app)).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                tell("sweep", failures, &error);
            }
        }
        let pause = around(&app, SWEEP);
        tokio::select! {
            _ = stopped.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What is done every minute: events that named an unknown order, and runs whose process died.
pub async fn sweep(app: &App) -> Result<()> {
    app.shop.sweep().await?;
    tidy_runs(app).await?;
    Ok(())
}

async fn tidy_runs(app: &App) -> Result<()> {
    let cx = app.shop.cx();
    let died = app.shop.db.write("task.tidy", move |tx| ops::runs::tidy(tx, &cx)).await.safe_to_repeat()?;
    if died > 0 {
        tracing::warn!(died, "tasks ended with their process; they may be run again");
    }
    Ok(())
}

/// Runs every check; gives what they found.
pub async fn check(app: &App, checks: Vec<Check>) -> Result<Vec<Finding>> {
    let now = app.clock.now();
    app.shop
        .db
        .read("checks", move |tx| {
            let mut findings = Vec::new();
            for check in &checks {
                findings.extend(check.run(tx, now)?);
            }
            Ok(findings)
        })
        .await
}

/// The checks with these names; every one when none is named.
///
/// # Errors
/// `NotFound` when no check has one of the names.
pub fn checks_named(names: &[String]) -> Result<Vec<Check>> {
    let mut checks = shop::checks();
    if let Some(unknown) = names.iter().find(|name| checks.iter().all(|check| check.name != **name)) {
        return Err(kernel::Error::not_found("check", unknown));
    }
    checks.retain(|check| names.is_empty() || names.iter().any(|name| name == check.name));
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_round_that_panics_is_a_failure_and_not_the_end_of_the_worker() {
        let ended: Result<()> = outlived(async { panic!("an event that nobody foresaw") }).await;
        assert!(matches!(ended, Err(Error::Bug(_))), "{ended:?}");
        assert_eq!(outlived(async { Ok(3) }).await.ok(), Some(3));
    }
}
