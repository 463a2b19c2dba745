//! What must be true of refunds.

use kernel::Duration;
use ops::{Check, Found, Severity};

use super::store;

/// The refunds' checks.
pub const CHECKS: [Check; 1] = [UNSETTLED];

/// How long a refund may be on its way to Stripe before someone has to look.
const PATIENCE: Duration = Duration::from_secs(3600);

const UNSETTLED: Check = Check {
    name: "refund_unsettled",
    severity: Severity::Page,
    must: "no refund is requested or unknown for an hour",
    means: "A buyer was promised their money, and Stripe has not said that it has the refund. Look at the job that sends \
            it and at the payment in Stripe's dashboard.",
    find: |tx, now, most| {
        let open = store::open_since(tx, now - PATIENCE, most)?;
        Ok(open
            .into_iter()
            .map(|refund| Found {
                subject: refund.id.to_string(),
                text: format!(
                    "{} of order {}: {}{}",
                    refund.amount,
                    refund.order,
                    refund.status.as_str(),
                    refund.last_error.map_or(String::new(), |why| format!(", {why}"))
                ),
                since: Some(refund.created_at),
                mend: None,
            })
            .collect())
    },
};
