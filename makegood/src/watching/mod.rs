//! What watches a shop from outside: rules for Prometheus and a dashboard for Grafana, made from one list of alerts and
//! from the checks, so that neither names a metric or a check that is not there.

pub mod alerts;
pub mod dashboard;
mod yaml;

pub use yaml::yaml;

/// The runbook for what a check finds.
pub fn runbook_of(check: &str) -> Option<&'static str> {
    shop::runbooks::of_check(check).map(|runbook| runbook.id)
}
