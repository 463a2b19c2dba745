//! Checkouts fail, and the work behind them. This file decides by the job and the order; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::orders::{CancelReason, State};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "checkout-failures",
    title: "Checkouts fail, or the work behind them has given up",
    symptom: "Buyers get no payment page, or background work for orders failed too often and waits for a person.",
    seed: &[
        Quote {
            from: "seed 004, Alerting Thresholds",
            text: "Checkout failures: rate(checkout_failures_total[10m]) > 5/min for 10m OR > 2% of checkout requests.",
        },
        Quote {
            from: "seed 004, Stripe & checkout",
            text: "Why: user checkout stability and payment funnel health.",
        },
        Quote {
            from: "seed 002, Invoice Transmission Stuck",
            text: "Check `failed_jobs` table (if using database queue driver).",
        },
    ],
    rows: &["E2", "E5"],
    checks: &["jobs_failed"],
    alerts: &["MakegoodCheckoutFailures"],
    looks: &[],
    subject: "the job, or the order",
    about: About::Other(|facts| {
        facts.job.is_some() || facts.order.is_some() || facts.asked.starts_with("job_")
    }),
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["jobs.retry", "jobs.discard", "orders.cleanup-failed"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "job_gave_up",
        "Background work failed too often, and waits for a person. When the cause is gone, it is tried again.",
        &["jobs.retry"],
        "Something in our shop got stuck while it worked on your order. We are trying that step again now; you need to do nothing.",
    ),
    broken(
        "stripe_refused",
        "Stripe refused to open a payment page, so the order was cancelled and its stock is free again. Stripe's words stand in the log; mostly it is the key or a price.",
        &[],
        "We could not open the payment page for order {order}. You were not charged; please try again in a while.",
    ),
    fine(
        "at_work",
        "The work is queued, and tried again by itself.",
        "Our shop is still working on your order; you need to do nothing.",
    ),
    fine(
        "nothing_failed",
        "Nothing has given up.",
        "Nothing is stuck. If something is missing in your account, please send us your order number.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(job) = &facts.job {
        let why = job.last_error.as_deref().unwrap_or("no error is known");
        let because =
            format!("{} ({}) is {} after {} attempts: {why}", job.id, job.kind, job.status, job.attempts);
        if job.status == "failed" {
            return Picked::new("job_gave_up", because).mend(Mend {
                operation: "jobs.retry",
                input: json!({ "job": job.id }),
                command: format!("makegood jobs retry {}", job.id),
            });
        }
        return Picked::new("at_work", because);
    }
    match facts.order.as_ref().map(|order| &order.state) {
        Some(State::Cancelled { reason: CancelReason::CheckoutFailed, .. }) => {
            Picked::new("stripe_refused", facts.standing())
        }
        _ => Picked::new("nothing_failed", facts.standing()),
    }
}
