//! The alerts: seven thresholds of a running shop, one for each check, and those that say that nobody watches.
//!
//! Counters of the doors are summed over all nodes. What comes from the rows every node says alike, so there the greatest
//! counts once.

use std::collections::BTreeMap;

use db::Tx;
use kernel::{Duration, Result, Timestamp};
use ops::Severity;
use ops::results::{self, CheckResult};
use serde_json::{Value, json};

use super::runbook_of;

/// A rule that calls somebody.
#[derive(Debug, Clone)]
pub struct Alert {
    /// `Makegood…`.
    pub name: String,
    /// When it is so.
    pub expr: String,
    /// For how long it has to be so, as Prometheus writes it.
    pub wait: &'static str,
    /// Who is called.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: String,
    /// What it means and what to do.
    pub description: String,
    /// Where to go on: the runbook, where there is one.
    pub runbook: Option<&'static str>,
    /// The page that says more, under `APP_URL`: the runbook's, else the check's own, else where its state is seen.
    pub path: String,
    /// The same as a command.
    pub command: String,
}

/// A series that is computed beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub expr: &'static str,
}

/// The series that are computed beforehand.
pub const RECORDINGS: &[Recording] = &[
    Recording {
        name: "http_request_duration_p95",
        expr: "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    },
    Recording {
        name: "http_request_duration_p99",
        expr: "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    },
    // With their other labels, so that a node that starts anew is seen to do so.
    Recording {
        name: "webhook_failures_total",
        expr: "sum without (status) (webhook_events_total{status=\"error\"})",
    },
    Recording {
        name: "webhook_retries_total",
        expr: "sum without (status) (webhook_events_total{status=\"retry\"})",
    },
];

struct Threshold {
    name: &'static str,
    expr: &'static str,
    wait: &'static str,
    severity: Severity,
    summary: &'static str,
    description: &'static str,
    leads: Leads,
}

/// Where a threshold leads.
#[derive(Debug, Clone, Copy)]
enum Leads {
    /// To this runbook, or to the checks in a version that does not have it.
    Runbook(&'static str),
    /// To this page, and to this command.
    Page(&'static str, &'static str),
}

/// Where all checks are.
const CHECKS: (&str, &str) = ("/_/checks", "makegood check");

impl Leads {
    fn runbook(self) -> Option<&'static str> {
        match self {
            Leads::Runbook(id) => shop::runbooks::find(id).ok().map(|runbook| runbook.id),
            Leads::Page(..) => None,
        }
    }
    fn place(self) -> (String, String) {
        let (path, command) = match self {
            Leads::Page(path, command) => (path, command),
            Leads::Runbook(_) => CHECKS,
        };
        self.runbook().map_or_else(|| (path.to_owned(), command.to_owned()), of_runbook)
    }
}

fn of_runbook(id: &str) -> (String, String) {
    (format!("/_/runbooks/{id}"), format!("makegood runbook detect {id}"))
}

const THRESHOLDS: &[Threshold] = &[
    Threshold {
        name: "MakegoodWebhookFailures",
        expr: "sum(rate(webhook_events_total{status=\"error\"}[10m])) \
               / clamp_min(sum(rate(webhook_events_total{status=\"received\"}[10m])), 1e-9) > 0.02",
        wait: "10m",
        severity: Severity::Page,
        summary: "More than 2 % of Stripe's events end in an error",
        description: "Payments may not reach their orders. The last error of each event says why.",
        leads: Leads::Runbook("webhook-failed"),
    },
    Threshold {
        name: "MakegoodWebhookRetries",
        expr: "sum(increase(webhook_events_total{status=\"retry\"}[10m])) > 20",
        wait: "0m",
        severity: Severity::Ticket,
        summary: "More than 20 events had to be tried again within 10 minutes",
        description: "Processing is unstable: the database or Stripe is slow, or an event fails again and again.",
        leads: Leads::Runbook("webhook-failed"),
    },
    Threshold {
        name: "MakegoodCheckoutFailures",
        expr: "sum(rate(checkout_failures_total[10m])) * 60 > 5 or sum(rate(checkout_failures_total[10m])) \
               / clamp_min(sum(rate(checkout_requests_total[10m])), 1e-9) > 0.02",
        wait: "10m",
        severity: Severity::Page,
        summary: "More than 5 checkouts a minute, or more than 2 % of them, fail",
        description: "Buyers cannot pay. A buyer's own mistake does not count; Stripe or this server fails.",
        leads: Leads::Runbook("checkout-failures"),
    },
    Threshold {
        name: "MakegoodInvoiceFailures",
        expr: "sum(increase(invoice_issue_total{status=\"failure\"}[15m])) > 5",
        wait: "0m",
        severity: Severity::Ticket,
        summary: "More than 5 invoices failed within 15 minutes",
        description: "The provider is away or refuses. Failed invoices are tried again with growing pauses.",
        leads: Leads::Runbook("invoice-failed"),
    },
    Threshold {
        name: "MakegoodStuckPaidOrders",
        expr: "max(orders_paid_unconfirmed) > 0",
        wait: "10m",
        severity: Severity::Page,
        summary: "Orders are paid and not confirmed",
        description: "The money is there and the goods are not. Each order says what it waits for.",
        leads: Leads::Runbook("stuck-paid-orders"),
    },
    Threshold {
        name: "MakegoodCouponLeak",
        expr: "max(delta(coupon_reservations_leaked[20m])) > 0",
        wait: "30m",
        severity: Severity::Ticket,
        summary: "Coupon reservations past their end are getting more",
        description: "What is set aside and never comes back cannot be redeemed by anybody else.",
        leads: Leads::Runbook("coupon-leak"),
    },
    Threshold {
        name: "MakegoodRefundSpike",
        // The baseline is what an average quarter of an hour of the day before saw; a young or quiet shop counts as one.
        expr: "max(increase(refund_operations_total{status=\"success\"}[15m])) > 3 * clamp_min( \
               max(increase(refund_operations_total{status=\"success\"}[1d] offset 1h)) / 96 or vector(0), 1)",
        wait: "15m",
        severity: Severity::Ticket,
        summary: "Refunds are more than three times what they were over the last day",
        description: "Somebody refunds in bulk, a product is broken, or a token is in the wrong hands.",
        leads: Leads::Runbook("refund-spike"),
    },
    Threshold {
        name: "MakegoodDbPoolExhausted",
        expr: "sum(increase(db_pool_refused_total[5m])) > 0",
        wait: "0m",
        severity: Severity::Page,
        summary: "Work is refused, because no connection to the database is free in time",
        description: "Webhooks are answered with 503 and come again; buyers and operators are turned away meanwhile.",
        leads: Leads::Runbook("db-pool-exhausted"),
    },
    Threshold {
        name: "MakegoodSecretsTroubled",
        expr: "max(secrets_troubled) > 0",
        wait: "5m",
        severity: Severity::Page,
        summary: "A secret cannot be read again",
        description: "The last good value counts, until it is rolled at Stripe or this program starts anew.",
        leads: Leads::Runbook("secret-rotation"),
    },
    Threshold {
        name: "MakegoodChecksStale",
        // The slowest check may rest for a while; see shop/src/office/watch.rs.
        expr: "max(min by (check) (check_age_seconds)) > 1800",
        wait: "5m",
        severity: Severity::Page,
        summary: "A check has not run for half an hour",
        description: "What it would find is not found. No worker runs, or its log says why the check fails.",
        leads: Leads::Page("/_/checks", "makegood check"),
    },
    Threshold {
        name: "MakegoodDatabaseDown",
        expr: "min(db_up) == 0 or min(db_healthy) == 0",
        wait: "2m",
        severity: Severity::Page,
        summary: "The database does not answer, or its disk is full or failed under a commit",
        description: "Webhooks are answered with 503 and come again; nothing is lost, and nothing is done.",
        // Nobody signs in to the console without a database.
        leads: Leads::Page("/readyz?verbose=1", "makegood health --ready"),
    },
    Threshold {
        name: "MakegoodAbsent",
        expr: "absent(db_up)",
        wait: "5m",
        severity: Severity::Page,
        summary: "Prometheus gets no metrics from makegood",
        description: "It does not run, or cannot be scraped. All other alerts are silent until it can.",
        leads: Leads::Runbook("webhook-downtime"),
    },
];

/// Every alert: the thresholds, then one for each check.
pub fn alerts() -> Vec<Alert> {
    let thresholds = THRESHOLDS.iter().map(|threshold| {
        let (path, command) = threshold.leads.place();
        Alert {
            name: threshold.name.to_owned(),
            expr: threshold.expr.to_owned(),
            wait: threshold.wait,
            severity: threshold.severity,
            summary: threshold.summary.to_owned(),
            description: threshold.description.to_owned(),
            runbook: threshold.leads.runbook(),
            path,
            command,
        }
    });
    let checks = shop::checks();
    let checks = checks.iter().map(|check| {
        let runbook = runbook_of(check.name);
        let own = || (format!("/_/checks/{}", check.name), format!("makegood check {}", check.name));
        let (path, command) = runbook.map_or_else(own, of_runbook);
        Alert {
            name: of_check(check.name),
            expr: format!("max(check_findings{{check=\"{}\"}}) > 0", check.name),
            // The check has a patience of its own.
            wait: "2m",
            severity: check.severity,
            summary: format!("Not so any more: {}", check.must),
            description: check.means.to_owned(),
            runbook,
            path,
            command,
        }
    });
    thresholds.chain(checks).collect()
}

/// The alert of a check, like `MakegoodCheckPaidNotConfirmed`.
pub fn of_check(check: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    format!("MakegoodCheck{}", check.split('_').map(word).collect::<String>())
}

/// The rules as Prometheus reads them. `app_url` is where operators reach this shop, `dashboard` where its charts are.
pub fn rules(app_url: &str, dashboard: &str) -> Value {
    let recordings = RECORDINGS.iter().map(|rule| json!({ "record": rule.name, "expr": rule.expr }));
    let alerts = alerts();
    let (checks, thresholds): (Vec<_>, Vec<_>) = alerts
        .iter()
        .partition(|alert| alert.name.starts_with("MakegoodCheck") && alert.expr.contains("{check="));
    let of = |alerts: Vec<&Alert>| {
        alerts.into_iter().map(|alert| rule(alert, app_url, dashboard)).collect::<Vec<_>>()
    };
    json!({ "groups": [
        { "name": "makegood-recordings", "rules": recordings.collect::<Vec<_>>() },
        { "name": "makegood", "rules": of(thresholds) },
        { "name": "makegood-checks", "rules": of(checks) },
    ]})
}

fn rule(alert: &Alert, app_url: &str, dashboard: &str) -> Value {
    let mut annotations = json!({ "summary": alert.summary, "description": alert.description });
    annotations["runbook_url"] = format!("{app_url}{}", alert.path).into();
    annotations["runbook_command"] = alert.command.clone().into();
    annotations["dashboard_url"] = dashboard.into();
    json!({ "alert": alert.name, "expr": alert.expr, "for": alert.wait,
        "labels": { "severity": alert.severity.as_str() }, "annotations": annotations })
}

/// Whether an alert would fire, as far as one look at the rows can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It would.
    Firing,
    /// What it is about is so, and not yet for long enough.
    Pending,
    /// It would not.
    Silent,
    /// Only Prometheus knows, because it kept what was counted before.
    Unknown,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Firing => "firing",
            State::Pending => "pending",
            State::Silent => "silent",
            State::Unknown => "unknown",
        }
    }
    fn when(is: bool) -> State {
        if is { State::Firing } else { State::Silent }
    }
}

/// Which alerts would fire now. What the checks found when they last ran counts; a check that never ran is run.
///
/// # Errors
/// When the rows cannot be read.
pub fn evaluate(tx: &mut Tx<'_>, now: Timestamp) -> Result<Value> {
    let kept = results::latest(tx)?;
    let mut states: BTreeMap<String, (State, String)> = BTreeMap::new();
    for check in shop::checks() {
        let count = match kept.iter().find(|result| result.check == check.name) {
            Some(result) => result.count,
            None => check.run(tx, now)?.len() as i64,
        };
        states.insert(of_check(check.name), (State::when(count > 0), format!("{count} found")));
    }
    states.insert("MakegoodStuckPaidOrders".into(), stuck(tx, now)?);
    states.insert("MakegoodChecksStale".into(), stale(&kept, now));
    states.insert("MakegoodDatabaseDown".into(), (State::Silent, "it has just answered".into()));
    let unknown = || (State::Unknown, "needs what was counted before: ask Prometheus".to_owned());
    let mut rows: Vec<(State, Value)> = Vec::new();
    for alert in alerts() {
        let (state, seen) = states.remove(&alert.name).unwrap_or_else(unknown);
        rows.push((
            state,
            json!({ "object": "alert", "alert": alert.name, "state": state.as_str(),
            "severity": alert.severity, "seen": seen, "summary": alert.summary, "runbook": alert.runbook,
            "runbook_path": alert.path, "runbook_command": alert.command }),
        ));
    }
    let firing = rows.iter().filter(|(state, _)| *state == State::Firing).count();
    let data: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": false, "url": "/api/v1/admin/alerts/test",
        "firing": firing }))
}

/// How long an order may be paid and not confirmed, as the alert's own rule says.
const STUCK: Duration = Duration::from_secs(10 * 60);
/// How old the word of a check may be, as the alert's own rule says.
const STALE: Duration = Duration::from_secs(1800);

fn stuck(tx: &mut Tx<'_>, now: Timestamp) -> Result<(State, String)> {
    Ok(match shop::orders::oldest_unconfirmed(tx)? {
        None => (State::Silent, "none".into()),
        Some((order, since)) => {
            let state = if now.since(since) >= STUCK { State::Firing } else { State::Pending };
            (state, format!("{order} since {}", since.in_words()))
        }
    })
}

fn stale(kept: &[CheckResult], now: Timestamp) -> (State, String) {
    match kept.iter().min_by_key(|result| result.checked_at) {
        None => (State::Unknown, "no server has run the checks on this database".into()),
        Some(oldest) => {
            let seen = format!("{} ran at {}", oldest.check, oldest.checked_at.in_words());
            (State::when(now.since(oldest.checked_at) > STALE), seen)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_name_of_its_own_and_says_who_is_called() {
        let mut names: Vec<String> = alerts().into_iter().map(|alert| alert.name).collect();
        let count = names.len();
        assert_eq!(count, THRESHOLDS.len() + shop::checks().len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(of_check("paid_not_confirmed"), "MakegoodCheckPaidNotConfirmed");
    }
}
