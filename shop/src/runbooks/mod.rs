//! Runbooks that can be run: a fault is detected, explained by facts, mended by one operation or task, verified, and told
//! to the customer.
//!
//! Nothing is decided here that another room decides already: a runbook puts the checks, the verdict on a case, the
//! comparison with Stripe and the operations together. Each is one definition in `pages`; `crate::RUNBOOKS` lists them.

mod act;
mod apply;
mod detect;
pub mod drills;
mod facts;
mod gather;
pub mod pages;
mod store;
pub mod tasks;
pub mod views;

pub use facts::{Diagnosis, Difference, Facts, JobSeen, Missing, SecretSeen};

/// A runbook of the shop.
pub type Runbook = ops::Runbook<Facts>;

/// The runbook with this id.
///
/// # Errors
/// `NotFound` when there is none.
pub fn find(id: &str) -> kernel::Result<&'static Runbook> {
    Runbook::find(crate::RUNBOOKS, id).ok_or_else(|| kernel::Error::not_found("runbook", id))
}

/// A finding as it is shown: with the runbook that it leads to, and the command that explains it.
pub fn shown(finding: &ops::Finding) -> serde_json::Value {
    let mut shown = serde_json::json!(finding);
    // What a check would find that could not be run, no runbook knows.
    if let Some(runbook) = of_check(finding.check).filter(|_| finding.subject != ops::ITSELF) {
        shown["runbook"] = runbook.id.into();
        shown["explain"] = runbook.explain(&finding.subject).into();
    }
    shown
}

/// The runbook to which the findings of a check lead.
pub fn of_check(check: &str) -> Option<&'static Runbook> {
    Runbook::of_check(crate::RUNBOOKS, check)
}
