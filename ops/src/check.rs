//! A check: something that must be true of the rows, and the operation that mends what is not.

use db::Tx;
use kernel::{Result, Timestamp};
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Wake someone: money or goods are wrong now.
    Page,
    /// Look at it today.
    Ticket,
    /// Nothing is wrong: it is so because somebody wants it so, and must not be forgotten.
    Info,
}

/// The operation that mends a finding, with its inputs: ready to be previewed.
#[derive(Debug, Clone, Serialize)]
pub struct Mend {
    /// The operation's name.
    pub operation: &'static str,
    /// Its inputs.
    pub input: serde_json::Value,
    /// The same as a command line.
    pub command: String,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Which thing it is about.
    pub subject: String,
    /// What was seen and what was expected, with the facts.
    pub text: String,
    /// Since when, as far as the rows tell.
    pub since: Option<Timestamp>,
    /// What mends it.
    pub mend: Option<Mend>,
}

/// A check, defined once: `makegood check`, a gauge, an alert rule and a page follow from it.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its stable name, like `paid_not_confirmed`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What must be true, as a sentence.
    pub must: &'static str,
    /// What a finding means and what mends it.
    pub means: &'static str,
    /// Finds what is not so, from indexes; at most a few hundred.
    pub find: fn(&mut Tx<'_>, Timestamp) -> Result<Vec<Found>>,
}

/// What a check's query gives; the rest of a [`Finding`] is the check's own.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which thing it is about.
    pub subject: String,
    /// What was seen and what was expected.
    pub text: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What mends it.
    pub mend: Option<Mend>,
}

impl Check {
    /// Runs the check.
    pub fn run(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Finding>> {
        let found = (self.find)(tx, now)?;
        Ok(found
            .into_iter()
            .map(|found| Finding {
                check: self.name,
                severity: self.severity,
                subject: found.subject,
                text: found.text,
                since: found.since,
                mend: found.mend,
            })
            .collect())
    }
}
