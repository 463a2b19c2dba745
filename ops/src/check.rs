//! A check: something that must be true of the rows, and the operation that mends what is not.

use db::Tx;
use kernel::{Error, Result, Timestamp};
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
    /// Finds what is not so, from indexes; about so many of it.
    pub find: fn(&mut Tx<'_>, Timestamp, i64) -> Result<Vec<Found>>,
}

/// About so many findings of a check are listed: whoever mends them sees the next ones then.
pub const LISTED: usize = 200;
/// More than there ever are.
const ALL: i64 = 10_000_000;
/// What a finding is about that says that the check could not be run.
pub const ITSELF: &str = "the check itself";

/// How many findings there are, in words.
pub fn in_all(count: usize) -> String {
    if count >= LISTED { format!("{count} or more") } else { count.to_string() }
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
    /// Runs the check. One that cannot be run is a finding: nobody knows then what it would have found.
    ///
    /// # Errors
    /// When the database is busy or away.
    pub fn run(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Finding>> {
        self.find(tx, now, LISTED as i64)
    }

    /// What it finds about what `wanted` says, however much else it finds; and that it could not be run.
    ///
    /// # Errors
    /// As [`Check::run`].
    pub fn run_about(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        wanted: impl Fn(&Finding) -> bool,
    ) -> Result<Vec<Finding>> {
        let mut all = self.run(tx, now)?;
        if all.len() >= LISTED {
            all = self.find(tx, now, ALL)?;
        }
        all.retain(|found| found.subject == ITSELF || wanted(found));
        Ok(all)
    }

    fn find(&self, tx: &mut Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Finding>> {
        match tx.apart(|tx| (self.find)(tx, now, most)) {
            Ok(all) => Ok(all.into_iter().map(|found| self.finding(found)).collect()),
            // What is broken here stays so until somebody has looked at it; the other checks go on.
            Err(error @ (Error::Bug(_) | Error::Invalid { .. })) => Ok(vec![self.finding(Found {
                subject: ITSELF.to_owned(),
                text: format!("it could not be run, so nobody knows: {error}"),
                since: None,
                mend: None,
            })]),
            Err(error) => Err(error),
        }
    }

    fn finding(&self, found: Found) -> Finding {
        let Found { subject, text, since, mend } = found;
        Finding { check: self.name, severity: self.severity, subject, text, since, mend }
    }
}
