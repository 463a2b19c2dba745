//! Checks: what must be true, what is not, and the form that mends it.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::StatusCode;
use kernel::{Currency, Money, Timestamp};
use ops::{Check, Severity, in_all, results, snoozes};
use serde_json::json;
use shop::ids::OrderId;
use shop::office::watch::is_stale;
use shop::orders;
use shop::runbooks::Runbook;

use super::Shown;
use super::acts::{self, Act};
use super::cell::{Cell, Shape, leads_to};
use super::frame::{Frame, html};
use super::people::remedy;
use super::visit::Visit;
use crate::http::problem::Problem;

/// How bad the findings of a check are, as a badge.
pub(super) fn severity(severity: Severity) -> Cell {
    match severity {
        Severity::Page => Cell::new("page", Shape::Badge("bad")),
        Severity::Ticket => Cell::new("ticket", Shape::Badge("heed")),
        Severity::Info => Cell::new("info", Shape::Badge("")),
    }
}

/// What the orders among these things cost, together; in each currency.
pub(super) async fn money(visit: &Visit, subjects: impl Iterator<Item = &str>) -> Result<String, Problem> {
    let ids: Vec<OrderId> = subjects.filter_map(|subject| subject.parse().ok()).take(200).collect();
    if ids.is_empty() {
        return Ok(String::new());
    }
    let found = visit.app.shop.db.read("console.money", move |tx| orders::find_many(tx, &ids)).await?;
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for order in found.values() {
        *sums.entry(order.amounts.currency).or_default() += order.amounts.total().minor;
    }
    Ok(sums.into_iter().map(|(currency, sum)| Money::new(sum, currency).tag()).collect::<Vec<_>>().join(", "))
}

#[derive(Template)]
#[template(path = "console/checks.html")]
struct Checks {
    frame: Frame,
    rows: Vec<One>,
}

struct One {
    name: &'static str,
    must: &'static str,
    state: Cell,
    oldest: Option<Cell>,
    checked: Option<Cell>,
}

const HOLDS: &str = "holds";

/// `/_/checks`
pub(super) async fn list(visit: &mut Visit) -> Shown {
    let results = visit.app.shop.db.read("console.checks", results::latest).await?;
    let checks = shop::checks();
    let rows = checks.iter().map(|check| {
        let result = results.iter().find(|result| result.check == check.name);
        let (text, tone) = match result {
            None => ("not run yet".to_owned(), "quiet"),
            Some(result) if result.count > 0 => {
                let tone = if check.severity == Severity::Page { "bad" } else { "heed" };
                (
                    format!(
                        "{} finding{}",
                        in_all(result.count as usize),
                        if result.count == 1 { "" } else { "s" }
                    ),
                    tone,
                )
            }
            Some(result) if is_stale(result, visit.now) => ("held, and was not run since".to_owned(), "heed"),
            Some(_) => (HOLDS.to_owned(), "good"),
        };
        let time = |at: Timestamp| Cell::time(at, visit.now);
        One {
            name: check.name,
            must: check.must,
            state: Cell::new(text, Shape::Badge(tone)),
            oldest: result.and_then(|result| result.oldest).map(time),
            checked: result.map(|result| time(result.checked_at)),
        }
    });
    let mut rows: Vec<One> = rows.collect();
    rows.sort_by_key(|row| row.state.text == HOLDS);
    Ok(html(StatusCode::OK, &Checks { frame: Frame::of(visit, "Checks"), rows }))
}

#[derive(Template)]
#[template(path = "console/check.html")]
struct Page {
    frame: Frame,
    title: String,
    must: &'static str,
    means: &'static str,
    severity: Cell,
    findings: Vec<Shows>,
    money: String,
    good: &'static str,
    room: (&'static str, &'static str),
    runbook: Option<&'static Runbook>,
    command: String,
}

/// One finding, and what mends it.
struct Shows {
    subject: Cell,
    text: String,
    since: Option<Cell>,
    mend: Option<Act>,
    command: String,
    /// Until when, by whom and why it was put off.
    snoozed: String,
    /// The way to put it off, or to take that back.
    snooze: Option<Act>,
}

/// `/_/checks/{id}`
pub(super) async fn show(visit: &mut Visit) -> Shown {
    let checks = shop::checks();
    let Some(check) = checks.into_iter().find(|check| check.name == visit.id()) else {
        return Err(Problem::new("not_found", format!("no check is called {}", visit.id())));
    };
    page(visit, check, check.name.to_owned(), "Everything is as it must be.", ("Checks", "/_/checks")).await
}

/// `/_/reviews`: orders that wait for a person.
pub(super) async fn reviews(visit: &mut Visit) -> Shown {
    let checks = shop::checks();
    let Some(check) = checks.into_iter().find(|check| check.name == "orders_in_review") else {
        return Err(Problem::new("not_found", "nothing looks for reviews"));
    };
    let good = "No order waits for a person. An order comes here when the money does not fit, when a bank or Radar \
                warns, or when somebody flags it.";
    page(visit, check, "Reviews".into(), good, ("Orders", "/_/orders")).await
}

async fn page(
    visit: &Visit,
    check: Check,
    title: String,
    good: &'static str,
    room: (&'static str, &'static str),
) -> Shown {
    let now: Timestamp = visit.now;
    let read = move |tx: &mut db::Tx<'_>| Ok::<_, kernel::Error>((check.run(tx, now)?, snoozes::all(tx)?));
    let (found, put_off) = visit.app.shop.db.read("console.check", read).await?;
    let money = money(visit, found.iter().map(|finding| finding.subject.as_str())).await?;
    let whole = snoozes::found(found.iter().map(|one| (&*one.subject, &*one.text, one.since)));
    let findings = found.iter().map(|finding| {
        let mend = finding.mend.as_ref().map(|mend| json!(mend));
        let snooze = put_off.iter().find(|one| one.covers(finding.check, &finding.subject, &whole, now));
        Shows {
            snoozed: snooze.map(snoozes::Snooze::in_words).unwrap_or_default(),
            snooze: acts::on_finding(visit, finding, snooze.is_some()),
            subject: Cell {
                href: leads_to("subject", &finding.subject),
                ..Cell::new(finding.subject.clone(), Shape::Id)
            },
            text: finding.text.clone(),
            since: finding.since.map(|since| Cell::time(since, now)),
            mend: mend.as_ref().and_then(|mend| remedy(visit, mend)),
            command: finding.mend.as_ref().map(|mend| mend.command.clone()).unwrap_or_default(),
        }
    });
    let page = Page {
        frame: Frame::of(visit, title.clone()),
        title,
        must: check.must,
        means: check.means,
        severity: severity(check.severity),
        findings: findings.collect(),
        money,
        good,
        room,
        runbook: shop::runbooks::of_check(check.name),
        command: format!("makegood check {}", check.name),
    };
    Ok(html(StatusCode::OK, &page))
}
