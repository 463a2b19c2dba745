//! The home page: is everything as it must be, and if not, what first.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::StatusCode;
use db::Tx;
use kernel::{Result, Timestamp};
use ops::results::{self, CheckResult, Parted};
use ops::snoozes::{self, Snooze};
use ops::{Check, Severity, in_all};
use serde_json::Value;
use shop::office::watch::is_stale;
use shop::runbooks::{self, Runbook};
use shop::{inbox, orders};

use super::Shown;
use super::cell::{Cell, Shape, leads_to};
use super::chart::{Bars, Columns, Spans};
use super::checks::{money, severity};
use super::frame::{Frame, html};
use super::visit::Visit;
use crate::app::App;
use crate::cli::render::ago;
use crate::http::problem::Problem;

/// So many of the newest orders are counted by state: a shop with a million is as fast as one with ten.
const NEWEST_ORDERS: i64 = 1_000;
/// So many of the newest events are drawn.
const NEWEST_EVENTS: i64 = 2_000;

#[derive(Template)]
#[template(path = "console/home.html")]
struct Home {
    frame: Frame,
    found: Vec<Found>,
    put_off: Vec<PutOff>,
    put_off_money: String,
    checks: usize,
    /// So many of them nobody has run for too long.
    stale: usize,
    worst: &'static str,
    checked: Cell,
    tiles: Vec<Tile>,
    events: Columns,
    orders: Bars,
    spans: Spans,
}

/// A check that found something.
struct Found {
    check: &'static str,
    must: &'static str,
    severity: Cell,
    count: String,
    oldest: Option<Cell>,
    money: String,
    runbook: Option<&'static Runbook>,
}

/// A finding that an operator has put off: folded, and still told.
struct PutOff {
    check: String,
    subject: Cell,
    text: String,
    until: String,
    by: String,
    because: String,
}

/// One number that people look for.
struct Tile {
    title: &'static str,
    figure: String,
    href: &'static str,
    about: String,
    is_bad: bool,
}

/// What the rows say for this page.
struct Rows {
    waiting: Option<Timestamp>,
    unconfirmed: Option<Timestamp>,
    counts: orders::Counts,
    jobs: jobs::Counts,
    pulse: Vec<inbox::Beat>,
    by_status: BTreeMap<String, i64>,
    results: Vec<CheckResult>,
    snoozes: Vec<Snooze>,
}

fn read(tx: &mut Tx<'_>, now: Timestamp) -> Result<Rows> {
    Ok(Rows {
        waiting: inbox::oldest_waiting(tx)?,
        unconfirmed: orders::oldest_unconfirmed(tx)?.map(|(_, since)| since),
        counts: orders::counts(tx)?,
        jobs: jobs::counts(tx)?,
        pulse: inbox::pulse(tx, Columns::since(now), NEWEST_EVENTS)?,
        by_status: orders::newest_by_status(tx, NEWEST_ORDERS)?,
        results: results::latest(tx)?,
        snoozes: snoozes::all(tx)?,
    })
}

/// `/_/`
pub(super) async fn page(visit: &mut Visit) -> Shown {
    let (app, now) = (&visit.app, visit.now);
    let rows = app.shop.db.read("console.home", move |tx| read(tx, now)).await?;
    let checks = shop::checks();
    let (mut found, mut put_off) = (Vec::new(), Vec::new());
    for result in rows.results.iter().filter(|result| result.count > 0) {
        let Some(check) = checks.iter().find(|check| check.name == result.check) else { continue };
        let parted = result.parted(&rows.snoozes, now);
        if parted.open > 0 {
            found.push(told(visit, check, &parted).await?);
        }
        put_off.extend(parted.asleep.into_iter().map(PutOff::of));
    }
    let put_off_money = money(visit, put_off.iter().map(|one| one.subject.text.as_str())).await?;
    // What was looked at longest ago says how old this page's word is.
    let checked = match rows.results.iter().map(|result| result.checked_at).min() {
        Some(at) => Cell::time(at, now),
        None => Cell::text("not yet: the first round comes within a minute"),
    };
    // What wakes somebody stands first.
    let is_page =
        |name: &str| checks.iter().any(|check| check.name == name && check.severity == Severity::Page);
    found.sort_by_key(|found| !is_page(found.check));
    let stale = rows.results.iter().filter(|result| is_stale(result, now)).count();
    let worst = match found.first().map(|found| is_page(found.check)) {
        Some(true) => "bad",
        Some(false) => "heed",
        None if stale > 0 || !put_off.is_empty() => "heed",
        None => "good",
    };
    let page = Home {
        frame: Frame::of(visit, "Home"),
        found,
        put_off,
        put_off_money,
        checks: checks.len(),
        stale,
        worst,
        checked,
        tiles: tiles(app, &rows, now),
        events: Columns::of_events(&rows.pulse, now),
        orders: Bars::of_orders(&rows.by_status, NEWEST_ORDERS),
        spans: Spans::of(&app.metrics.recent.seen(now), &rows.pulse, NEWEST_EVENTS),
    };
    Ok(html(StatusCode::OK, &page))
}

impl PutOff {
    fn of((found, snooze): (&Value, &Snooze)) -> PutOff {
        let subject = snooze.subject.clone();
        PutOff {
            check: snooze.check.clone(),
            subject: Cell { href: leads_to("subject", &subject), ..Cell::new(subject, Shape::Id) },
            text: found["text"].as_str().unwrap_or_default().to_owned(),
            until: snooze.until.in_words(),
            by: snooze.by.clone(),
            because: snooze.reason.clone(),
        }
    }
}

async fn told(visit: &Visit, check: &Check, parted: &Parted<'_>) -> Result<Found, Problem> {
    Ok(Found {
        check: check.name,
        runbook: runbooks::of_check(check.name),
        must: check.must,
        severity: severity(check.severity),
        count: in_all(parted.open as usize),
        oldest: parted.oldest.map(|since| Cell::time(since, visit.now)),
        money: money(visit, parted.awake.iter().filter_map(|found| found["subject"].as_str())).await?,
    })
}

fn tiles(app: &App, rows: &Rows, now: Timestamp) -> Vec<Tile> {
    let tile = |title, figure, href, about: &str, is_bad| Tile {
        title,
        figure,
        href,
        about: about.to_owned(),
        is_bad,
    };
    let late = rows.waiting.filter(|since| now.since(*since).as_secs() > 60);
    let waiting = rows.waiting.map_or("none".to_owned(), |since| ago(since, now));
    let unconfirmed =
        rows.unconfirmed.map_or(String::new(), |since| format!("the oldest {}", ago(since, now)));
    let pool = app.shop.db.pool();
    let health = app.shop.db.health();
    vec![
        tile("Oldest event that waits", waiting, "/_/events", "not processed yet", late.is_some()),
        tile(
            "Paid, not confirmed",
            rows.counts.paid_unconfirmed.to_string(),
            "/_/orders?status=paid",
            &unconfirmed,
            false,
        ),
        tile(
            "In review",
            rows.counts.requires_review.to_string(),
            "/_/reviews",
            "wait for a person",
            rows.counts.requires_review > 0,
        ),
        tile(
            "Jobs queued",
            rows.jobs.queued.to_string(),
            "/_/jobs?status=queued",
            "work that is still to be done",
            false,
        ),
        tile(
            "Jobs failed",
            rows.jobs.failed.to_string(),
            "/_/jobs?status=failed",
            "gave up",
            rows.jobs.failed > 0,
        ),
        tile(
            "Database",
            health.as_str().to_owned(),
            "/readyz?verbose=1",
            &format!("{} of {} connections busy", pool.busy, pool.size),
            health != db::Health::Well,
        ),
    ]
}
