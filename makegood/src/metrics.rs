//! What Prometheus reads at `/metrics`. Every series is there from the start, at zero, so that an alert on an increase
//! sees the first one too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use db::{Health, PoolState, Tx};
use kernel::{Duration, Result, Timestamp};
use ops::results;
use shop::{inbox, orders, refunds};

/// A number that only grows while this process lives.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters with one label whose values are known beforehand.
#[derive(Debug)]
pub struct Labelled {
    values: &'static [&'static str],
    counters: Vec<Counter>,
}

impl Labelled {
    /// All at zero.
    pub fn new(values: &'static [&'static str]) -> Self {
        Labelled { values, counters: values.iter().map(|_| Counter::default()).collect() }
    }
    /// The counter of `value`; an unknown one counts nowhere.
    pub fn add(&self, value: &str, more: u64) {
        let known = self.values.iter().position(|known| *known == value);
        debug_assert!(known.is_some(), "no counter for {value}");
        if let Some(counter) = known.and_then(|at| self.counters.get(at)) {
            counter.add(more);
        }
    }
    /// How many so far with this value.
    pub fn get(&self, value: &str) -> u64 {
        let at = self.values.iter().position(|known| *known == value);
        at.and_then(|at| self.counters.get(at)).map_or(0, Counter::get)
    }
}

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How long requests took.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// One request that took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            below += bucket.load(Ordering::Relaxed);
            line(out, &format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), below);
        }
        // What is observed meanwhile must not make the last bucket smaller than the one before it.
        let count = self.count.load(Ordering::Relaxed).max(below);
        line(out, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), count);
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        line(out, &format!("{name}_sum"), labels, seconds);
        line(out, &format!("{name}_count"), labels, count);
    }
}

/// So many minutes are kept of what was answered lately.
pub const RECENT_MINUTES: i64 = 30;

/// How long the requests of the last minutes took, all routes together: what the console draws. Prometheus has the whole.
#[derive(Debug)]
pub struct Recent(Mutex<[Minute; RECENT_MINUTES as usize]>);

#[derive(Debug, Default, Clone, Copy)]
struct Minute {
    /// Which one, counted from 1970 on.
    at: i64,
    counts: [u64; BOUNDS.len() + 1],
}

impl Default for Recent {
    fn default() -> Self {
        Recent(Mutex::new([Minute::default(); RECENT_MINUTES as usize]))
    }
}

impl Recent {
    /// One request that was answered now and took so long.
    pub fn observe(&self, took: Duration, now: Timestamp) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let at = now.seconds().div_euclid(60);
        let mut minutes = lock(&self.0);
        let minute = &mut minutes[at.rem_euclid(RECENT_MINUTES) as usize];
        if minute.at != at {
            *minute = Minute { at, ..Minute::default() };
        }
        minute.counts[bucket] += 1;
    }

    /// What was observed in the last minutes.
    pub fn seen(&self, now: Timestamp) -> Seen {
        let since = now.seconds().div_euclid(60) - RECENT_MINUTES;
        let mut seen = Seen::default();
        for minute in lock(&self.0).iter().filter(|minute| minute.at > since) {
            for (sum, count) in seen.counts.iter_mut().zip(minute.counts) {
                *sum += count;
            }
        }
        seen
    }
}

/// How many requests took how long, by the buckets of the histogram.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    counts: [u64; BOUNDS.len() + 1],
}

impl Seen {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The least time of which is known that this share of them, from 0 to 1, took no longer; infinite when they took
    /// longer than the greatest bucket. Nothing when there were none.
    pub fn at_most(&self, share: f64) -> Option<f64> {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        bucket.map(|bucket| BOUNDS.get(bucket).copied().unwrap_or(f64::INFINITY))
    }
}

type Route = (&'static str, &'static str, u16);

/// What the rows say, read again when it is older than [`FRESH`].
#[derive(Debug, Default, Clone)]
struct Rows {
    read_at: Option<Timestamp>,
    paid_unconfirmed: i64,
    requires_review: i64,
    event_lag: Duration,
    jobs_queued: i64,
    jobs_failed: i64,
    sums: Sums,
    found: BTreeMap<String, Found>,
    reachable: bool,
}

/// What the rows say of things that happen: counted from the start of this process on, whichever process did them.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    payment_failed: u64,
    refund_full: u64,
    refund_requested: u64,
    refund_succeeded: u64,
    refund_failed: u64,
    refund_unknown: u64,
}

impl Sums {
    fn and(self, more: Sums) -> Sums {
        Sums {
            payment_failed: self.payment_failed + more.payment_failed,
            refund_full: self.refund_full + more.refund_full,
            refund_requested: self.refund_requested + more.refund_requested,
            refund_succeeded: self.refund_succeeded + more.refund_succeeded,
            refund_failed: self.refund_failed + more.refund_failed,
            refund_unknown: self.refund_unknown + more.refund_unknown,
        }
    }
}

/// How old the gauges may be: a scrape more often than this costs no query.
const FRESH: Duration = Duration::from_secs(10);
/// A transaction that began this long ago has been committed or given up; its rows are counted.
const SETTLED: Duration = Duration::from_secs(60);

/// What one check found when it last ran, on whichever node that was.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    count: i64,
    oldest: Option<Timestamp>,
    /// Never, as far as we know.
    checked_at: Option<Timestamp>,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// Stripe's events by what became of them.
    pub webhook_events: Labelled,
    /// Requests to the webhook that were turned away, by why.
    pub webhook_rejected: Labelled,
    /// Checkouts that were asked for.
    pub checkout_requests: Counter,
    /// Checkouts that failed at Stripe or in here; a buyer's own mistake is none.
    pub checkout_failures: Counter,
    /// Refunds that were asked for again, and refused.
    pub refund_duplicates: Counter,
    /// Invoices by how they ended.
    pub invoice_issue: Labelled,
    /// Connections that were turned away because there were too many.
    pub connections_refused: Counter,
    /// How long the requests of the last minutes took.
    pub recent: Recent,
    http: RwLock<BTreeMap<Route, Arc<Histogram>>>,
    rows: Mutex<Rows>,
    since: Timestamp,
}

impl Metrics {
    /// All at zero; counters that come from the rows count from `now` on.
    pub fn new(now: Timestamp) -> Self {
        Metrics {
            webhook_events: Labelled::new(&[
                "received",
                "processed",
                "retry",
                "error",
                "duplicate",
                "ignored",
                "unmatched",
            ]),
            webhook_rejected: Labelled::new(&[
                "method",
                "too_large",
                "incomplete",
                "signature_missing",
                "signature_wrong",
                "not_an_event",
                "not_stored",
            ]),
            checkout_requests: Counter::default(),
            checkout_failures: Counter::default(),
            refund_duplicates: Counter::default(),
            invoice_issue: Labelled::new(&["success", "failure"]),
            connections_refused: Counter::default(),
            recent: Recent::default(),
            http: RwLock::default(),
            rows: Mutex::default(),
            since: now,
        }
    }

    /// The histogram of one route, made when it is first asked for.
    pub fn http(&self, route: &'static str, method: &'static str, status: u16) -> Arc<Histogram> {
        let key = (route, method, status);
        let known = self.http.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&key).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.http.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            all.entry(key).or_default().clone()
        })
    }

    /// An operation was asked for and refused, by the code of the refusal.
    pub fn refused(&self, operation: &str, code: &str) {
        if let ("refunds.create", "refund_exists" | "already_refunded") = (operation, code) {
            self.refund_duplicates.one();
        }
    }

    /// Reads the gauges from the rows when they are not fresh. A database that does not answer is a gauge, too.
    pub async fn refresh(&self, db: &db::Db, now: Timestamp) {
        let before = {
            let mut rows = lock(&self.rows);
            if rows.read_at.is_some_and(|at| now.since(at) < FRESH) {
                return;
            }
            let before = (rows.read_at, rows.sums);
            // At once, so that scrapes that come together ask once.
            rows.read_at = Some(now);
            before
        };
        let from = before.0.map_or(self.since, |at| at - SETTLED).max(self.since);
        match db.read("metrics.rows", move |tx| read_rows(tx, now, from)).await {
            Ok(read) => *lock(&self.rows) = Rows { sums: before.1.and(read.sums), ..read },
            Err(error) => {
                tracing::warn!(%error, "metrics could not be read from the database");
                let mut rows = lock(&self.rows);
                rows.reachable = false;
                rows.read_at = before.0;
            }
        }
    }

    /// Everything in the text format that Prometheus reads.
    pub fn text(&self, pool: PoolState, health: Health, now: Timestamp) -> String {
        let mut out = String::with_capacity(16 * 1024);
        self.write_http(&mut out);
        self.write_counters(&mut out);
        self.write_rows(&mut out);
        self.write_pool(&mut out, pool, health);
        self.write_findings(&mut out, now);
        out
    }

    fn write_http(&self, out: &mut String) {
        let name = "http_request_duration_seconds";
        head(out, name, "histogram", "How long requests took, by route, method and status.");
        for ((route, method, status), histogram) in
            self.http.read().unwrap_or_else(|poisoned| poisoned.into_inner()).iter()
        {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            histogram.write(out, name, &labels);
        }
    }

    fn write_counters(&self, out: &mut String) {
        let family = |out: &mut String, name: &str, help: &str, label: &str, counters: &Labelled| {
            head(out, name, "counter", help);
            for value in counters.values {
                line(out, name, &format!("{label}=\"{value}\""), counters.get(value));
            }
        };
        let events = "Stripe events by what became of them.";
        family(out, "webhook_events_total", events, "status", &self.webhook_events);
        let rejected = "Requests to the webhook that were turned away.";
        family(out, "webhook_rejected_total", rejected, "reason", &self.webhook_rejected);
        family(out, "invoice_issue_total", "Invoices by how they ended.", "status", &self.invoice_issue);
        let sums = lock(&self.rows).sums;
        let name = "refund_operations_total";
        head(out, name, "counter", "Refunds that were asked for here, by what became of them.");
        for (status, value) in [
            ("requested", sums.refund_requested),
            ("success", sums.refund_succeeded),
            ("failed", sums.refund_failed),
            ("unknown", sums.refund_unknown),
            ("duplicate", self.refund_duplicates.get()),
        ] {
            line(out, name, &format!("status=\"{status}\""), value);
        }
        for (name, help, value) in [
            ("checkout_requests_total", "Checkouts that were asked for.", self.checkout_requests.get()),
            (
                "checkout_failures_total",
                "Checkouts that failed here or at Stripe.",
                self.checkout_failures.get(),
            ),
            ("payment_failed_total", "Payments that failed, as orders' timelines say.", sums.payment_failed),
            ("refund_full_total", "Orders that were refunded in full.", sums.refund_full),
            ("connections_refused_total", "Connections beyond the cap.", self.connections_refused.get()),
        ] {
            head(out, name, "counter", help);
            line(out, name, "", value);
        }
    }

    fn write_rows(&self, out: &mut String) {
        let rows = lock(&self.rows).clone();
        for (name, help, value) in [
            ("orders_paid_unconfirmed", "Orders that are paid and not confirmed.", rows.paid_unconfirmed),
            ("orders_requires_review", "Orders that wait for a person.", rows.requires_review),
            ("invoices_failed", "Invoices that failed.", 0),
            ("coupon_reservations_leaked", "Coupon reservations past their end.", 0),
            ("jobs_queued", "Jobs that are still to be done.", rows.jobs_queued),
            ("jobs_failed", "Jobs that have given up.", rows.jobs_failed),
        ] {
            head(out, name, "gauge", help);
            line(out, name, "", value);
        }
        head(out, "stripe_event_lag_seconds", "gauge", "Age of the oldest event that is not processed.");
        line(out, "stripe_event_lag_seconds", "", rows.event_lag.as_secs_f64());
        head(out, "db_up", "gauge", "Whether the database answered when it was last asked.");
        line(out, "db_up", "", u8::from(rows.reachable));
    }

    fn write_pool(&self, out: &mut String, pool: PoolState, health: Health) {
        for (name, help, value) in [
            ("db_pool_size", "Connections to the database that may exist.", pool.size),
            ("db_pool_busy", "Connections to the database at work.", pool.busy),
            ("db_pool_waiting", "Pieces of work that wait for a connection.", pool.waiting),
            (
                "db_healthy",
                "0 while the disk is full, and after it failed under a commit.",
                usize::from(health == Health::Well),
            ),
        ] {
            head(out, name, "gauge", help);
            line(out, name, "", value);
        }
        let name = "db_pool_refused_total";
        head(out, name, "counter", "Pieces of work that got no connection to the database in time.");
        line(out, name, "", pool.refused);
    }

    fn write_findings(&self, out: &mut String, now: Timestamp) {
        let known = lock(&self.rows).found.clone();
        let found = |check: &str| known.get(check).copied().unwrap_or_default();
        let since = |at: Option<Timestamp>| at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let each = |out: &mut String, name: &str, help: &str, value: &dyn Fn(Found) -> f64| {
            head(out, name, "gauge", help);
            for check in shop::checks() {
                line(out, name, &format!("check=\"{}\"", check.name), value(found(check.name)));
            }
        };
        each(out, "check_findings", "What each check found when it last ran.", &|found| found.count as f64);
        let oldest = "Age of the oldest finding of each check.";
        each(out, "check_findings_oldest_seconds", oldest, &|found| since(found.oldest));
        // A check that has never run is as old as this process.
        let age = "How long ago each check ran, on whichever node.";
        each(out, "check_age_seconds", age, &|found| since(found.checked_at.or(Some(self.since))));
        write_runbooks(out, &found, now);
    }
}

/// What the checks of each runbook found together.
fn write_runbooks(out: &mut String, found: &dyn Fn(&str) -> Found, now: Timestamp) {
    let mut all: BTreeMap<&str, (i64, f64)> = BTreeMap::new();
    for runbook in shop::RUNBOOKS {
        let entry = all.entry(runbook.id).or_default();
        for found in runbook.checks.iter().map(|check| found(check)) {
            let oldest = found.oldest.map_or(0.0, |at| now.since(at).as_secs_f64());
            *entry = (entry.0 + found.count, entry.1.max(oldest));
        }
    }
    head(out, "runbook_findings", "gauge", "What the checks of each runbook found when they last ran.");
    for (runbook, (count, _)) in &all {
        line(out, "runbook_findings", &format!("runbook=\"{runbook}\""), count);
    }
    head(out, "runbook_oldest_seconds", "gauge", "Age of the oldest finding of each runbook.");
    for (runbook, (_, oldest)) in &all {
        line(out, "runbook_oldest_seconds", &format!("runbook=\"{runbook}\""), oldest);
    }
}

fn read_rows(tx: &mut Tx<'_>, now: Timestamp, from: Timestamp) -> Result<Rows> {
    let orders = orders::counts(tx)?;
    let oldest = inbox::oldest_waiting(tx)?;
    let jobs = jobs::counts(tx)?;
    let to = now - SETTLED;
    let counted = |count: i64| count.max(0) as u64;
    let refunds = refunds::moved(tx, from, to)?;
    let sums = Sums {
        payment_failed: counted(orders::happened(tx, "payment_failed", from, to)?),
        refund_full: counted(orders::happened(tx, "refund_full", from, to)?),
        refund_requested: counted(refunds.requested),
        refund_succeeded: counted(refunds.succeeded),
        refund_failed: counted(refunds.failed),
        refund_unknown: counted(refunds.unknown),
    };
    Ok(Rows {
        read_at: Some(now),
        paid_unconfirmed: orders.paid_unconfirmed,
        requires_review: orders.requires_review,
        event_lag: oldest.map_or(Duration::ZERO, |at| now.since(at)),
        jobs_queued: jobs.queued,
        jobs_failed: jobs.failed,
        sums,
        found: results::latest(tx)?.into_iter().map(found).collect(),
        reachable: true,
    })
}

fn found(result: results::CheckResult) -> (String, Found) {
    let found = Found { count: result.count, oldest: result.oldest, checked_at: Some(result.checked_at) };
    (result.check, found)
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

pub(crate) fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(out, "{name}{labels} {value}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        metrics.text(PoolState::default(), Health::Well, Timestamp::from_seconds(1_790_000_000))
    }

    #[test]
    fn every_series_is_there_from_the_start() {
        let text = text(&Metrics::new(Timestamp::from_seconds(1_790_000_000)));
        for status in ["received", "processed", "retry", "error", "duplicate", "ignored"] {
            assert!(text.contains(&format!("webhook_events_total{{status=\"{status}\"}} 0\n")), "{text}");
        }
        for name in [
            "checkout_failures_total 0",
            "checkout_requests_total 0",
            "payment_failed_total 0",
            "refund_full_total 0",
            "invoice_issue_total{status=\"success\"} 0",
            "invoice_issue_total{status=\"failure\"} 0",
            "refund_operations_total{status=\"requested\"} 0",
            "refund_operations_total{status=\"success\"} 0",
            "refund_operations_total{status=\"failed\"} 0",
            "refund_operations_total{status=\"unknown\"} 0",
            "refund_operations_total{status=\"duplicate\"} 0",
            "orders_paid_unconfirmed 0",
            "orders_requires_review 0",
            "db_pool_waiting 0",
            "db_pool_refused_total 0",
            "stripe_event_lag_seconds 0",
            "check_findings{check=\"paid_not_confirmed\"} 0",
            "check_age_seconds{check=\"paid_not_confirmed\"} 0",
            "runbook_findings{runbook=\"stuck-paid-orders\"} 0",
            "runbook_oldest_seconds{runbook=\"stuck-paid-orders\"} 0",
            "invoices_failed 0",
            "coupon_reservations_leaked 0",
        ] {
            assert!(text.contains(&format!("{name}\n")), "{name} is not in {text}");
        }
    }

    /// The rules of `promtool check metrics`: a help text for each, counters end in _total and nothing else does.
    #[test]
    fn names_and_types_are_as_prometheus_wants_them() {
        let metrics = Metrics::new(Timestamp::from_seconds(1_790_000_000));
        metrics.http("/health", "GET", 200).observe(Duration::from_millis(3));
        let text = text(&metrics);
        let mut helped = std::collections::BTreeSet::new();
        let mut typed = BTreeMap::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(
                    helped.insert(help.split(' ').next().unwrap_or_default().to_owned()),
                    "twice: {line}"
                );
                assert!(help.split(' ').count() > 2, "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                typed.insert(name.to_owned(), kind.to_owned());
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end).filter(|base| typed.contains_key(*base)))
                    .unwrap_or(name);
                assert!(helped.contains(base) && typed.contains_key(base), "{line}");
                assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn buckets_grow_and_end_with_the_count() {
        let metrics = Metrics::new(Timestamp::from_seconds(0));
        for millis in [1, 7, 700, 20_000] {
            metrics.http("/x", "GET", 200).observe(Duration::from_millis(millis));
        }
        let text = text(&metrics);
        let labels = "route=\"/x\",method=\"GET\",status=\"200\"";
        for line in [
            format!("http_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("http_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 2"),
            format!("http_request_duration_seconds_bucket{{{labels},le=\"1\"}} 3"),
            format!("http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
            format!("http_request_duration_seconds_sum{{{labels}}} 20.708"),
            format!("http_request_duration_seconds_count{{{labels}}} 4"),
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in {text}");
        }
    }

    #[test]
    fn what_was_answered_lately_is_told_by_the_greatest_time_that_is_known() {
        let (recent, now) = (Recent::default(), Timestamp::from_seconds(1_790_000_000));
        assert_eq!(recent.seen(now).at_most(0.5), None, "nothing was answered");
        for millis in [1, 2, 3, 20, 700] {
            recent.observe(Duration::from_millis(millis), now);
        }
        let seen = recent.seen(now + Duration::from_secs(60));
        assert_eq!(seen.count(), 5);
        assert_eq!([seen.at_most(0.5), seen.at_most(0.8)], [Some(0.005), Some(0.025)]);
        assert_eq!(seen.at_most(0.99), Some(1.0), "of 700 ms is known that it is at most a second");
        recent.observe(Duration::from_secs(11), now);
        assert_eq!(recent.seen(now).at_most(0.99), Some(f64::INFINITY));
        assert_eq!(recent.seen(now + Duration::from_secs(30 * 60)).count(), 0, "half an hour later");
        recent.observe(Duration::from_millis(1), now + Duration::from_secs(30 * 60));
        let later = recent.seen(now + Duration::from_secs(30 * 60));
        assert_eq!(later.count(), 1, "a minute that comes round again begins at zero");
    }
}
