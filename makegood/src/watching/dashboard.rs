//! The dashboard for Grafana: what a running shop looks like, on one page.

use serde_json::{Value, json};

/// One chart.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// `timeseries` or `stat`.
    pub kind: &'static str,
    /// Grafana's unit: `s`, `short`, `percentunit`, `reqps`.
    pub unit: &'static str,
    /// Its series: what is asked, and what each is called.
    pub series: &'static [(&'static str, &'static str)],
}

/// The charts, two beside each other.
pub const PANELS: &[Panel] = &[
    Panel {
        title: "Latency, p95 and p99",
        kind: "timeseries",
        unit: "s",
        series: &[
            ("histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", "p95"),
            ("histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", "p99"),
        ],
    },
    Panel {
        title: "Requests by status",
        kind: "timeseries",
        unit: "reqps",
        series: &[("sum by (status) (rate(http_request_duration_seconds_count[5m]))", "{{status}}")],
    },
    Panel {
        title: "Stripe's events by what became of them",
        kind: "timeseries",
        unit: "short",
        series: &[("sum by (status) (increase(webhook_events_total[5m]))", "{{status}}")],
    },
    Panel {
        title: "Events that end in an error, of those received",
        kind: "timeseries",
        unit: "percentunit",
        series: &[(
            "sum(rate(webhook_events_total{status=\"error\"}[10m])) \
             / clamp_min(sum(rate(webhook_events_total{status=\"received\"}[10m])), 1e-9)",
            "errors",
        )],
    },
    Panel {
        title: "Checkouts",
        kind: "timeseries",
        unit: "short",
        series: &[
            ("sum(increase(checkout_requests_total[5m]))", "asked for"),
            ("sum(increase(checkout_failures_total[5m]))", "failed"),
        ],
    },
    Panel {
        title: "Age of the oldest event that is not processed",
        kind: "timeseries",
        unit: "s",
        series: &[("max(stripe_event_lag_seconds)", "oldest")],
    },
    Panel {
        title: "Refunds",
        kind: "timeseries",
        unit: "short",
        series: &[("max by (status) (increase(refund_operations_total[15m]))", "{{status}}")],
    },
    Panel {
        title: "Invoices",
        kind: "timeseries",
        unit: "short",
        series: &[("sum by (status) (increase(invoice_issue_total[15m]))", "{{status}}")],
    },
    Panel {
        title: "Orders that need somebody",
        kind: "stat",
        unit: "short",
        series: &[
            ("max(orders_paid_unconfirmed)", "paid, not confirmed"),
            ("max(orders_requires_review)", "wait for a person"),
            ("max(invoices_failed)", "invoice failed"),
            ("max(coupon_reservations_leaked)", "coupons leaked"),
            ("max(jobs_failed)", "jobs given up"),
        ],
    },
    Panel {
        title: "Findings by check",
        kind: "timeseries",
        unit: "short",
        series: &[("max by (check) (check_findings) > 0", "{{check}}")],
    },
    Panel {
        title: "Age of the oldest finding, by runbook",
        kind: "timeseries",
        unit: "s",
        series: &[("max by (runbook) (runbook_oldest_seconds) > 0", "{{runbook}}")],
    },
    Panel {
        title: "Connections to the database",
        kind: "timeseries",
        unit: "short",
        series: &[
            ("sum(db_pool_busy)", "busy"),
            ("sum(db_pool_waiting)", "work that waits"),
            ("sum(db_pool_size)", "most"),
            ("sum(rate(db_pool_refused_total[5m]))", "refused, a second"),
        ],
    },
];

const HEIGHT: usize = 8;
const WIDTH: usize = 12;

/// The dashboard as Grafana imports it.
pub fn dashboard() -> Value {
    let datasource = json!({ "type": "prometheus", "uid": "${datasource}" });
    let panels = PANELS.iter().enumerate().map(|(at, panel)| {
        let targets = panel.series.iter().enumerate().map(|(n, (expr, legend))| {
            let letter = char::from(b'A' + n as u8).to_string();
            json!({ "refId": letter, "expr": expr, "legendFormat": legend, "datasource": datasource })
        });
        json!({
            "id": at + 1,
            "title": panel.title,
            "type": panel.kind,
            "datasource": datasource,
            "gridPos": { "h": HEIGHT, "w": WIDTH, "x": at % 2 * WIDTH, "y": at / 2 * HEIGHT },
            "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
            "targets": targets.collect::<Vec<_>>(),
        })
    });
    json!({
        "uid": "makegood",
        "title": "makegood",
        "tags": ["makegood"],
        "schemaVersion": 38,
        "version": 1,
        "editable": true,
        "refresh": "30s",
        "timezone": "browser",
        "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus" },
        ]},
        "annotations": { "list": [] },
        "panels": panels.collect::<Vec<_>>(),
    })
}
