//! What watches a shop from outside: rules for Prometheus and a dashboard for Grafana, made from one list of alerts and
//! from the checks, so that neither names a metric or a check that is not there.

pub mod alerts;
pub mod dashboard;
mod yaml;

pub use yaml::yaml;

/// The runbook for what a check finds.
pub fn runbook_of(check: &str) -> Option<&'static str> {
    RUNBOOK_OF_CHECK.iter().find(|(known, _)| *known == check).map(|(_, runbook)| *runbook)
}

/// Each check and its runbook.
pub const RUNBOOK_OF_CHECK: &[(&str, &str)] = &[
    ("paid_not_confirmed", "stuck-paid-orders"),
    ("orders_in_review", "review-hold"),
    ("grant_without_order", "missed-refund"),
    ("order_without_grant", "paid-no-access"),
    ("grant_not_as_disputed", "dispute"),
    ("refunded_stock_out", "inventory-drift"),
    ("refund_partial", "missed-refund"),
    ("dispute_needs_response", "dispute"),
    ("facts_provisional", "webhook-failed"),
    ("payment_intent_unknown", "payment-intent-backfill"),
    ("events_not_finalized", "webhook-failed"),
    ("events_unmatched", "webhook-failed"),
    ("events_not_read", "webhook-downtime"),
    ("entitlement_without_grant", "paid-no-access"),
    ("stock_differs_from_ledger", "inventory-drift"),
    ("reserved_differs_from_reservations", "inventory-drift"),
    ("reservations_past_expiry", "stale-payments"),
    ("refund_unsettled", "missed-refund"),
    ("jobs_failed", "webhook-failed"),
    ("audit_chain_broken", "security-checks"),
    ("audit_entries_unchained", "security-checks"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_one_runbook_and_nothing_else_has() {
        let mut listed: Vec<&str> = RUNBOOK_OF_CHECK.iter().map(|(check, _)| *check).collect();
        let mut checks: Vec<&str> = shop::checks().iter().map(|check| check.name).collect();
        listed.sort_unstable();
        checks.sort_unstable();
        assert_eq!(listed, checks);
    }
}
