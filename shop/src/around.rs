//! What stands around the shop in its process, and is asked and told things that no room knows: the secrets, and how the
//! whole of it does. The doors bring it; where nobody did, it knows nothing.

use std::future::Future;
use std::pin::Pin;

use kernel::{Result, Timestamp};
use ops::Progress;
use serde::Serialize;
use serde_json::Value;

/// The answer to come: rows.
pub type Rows<'a> = Pin<Box<dyn Future<Output = Result<Vec<Value>>> + Send + 'a>>;

/// What the process says of itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// Whose money moves: LIVE, TEST, SANDBOX or NO KEY.
    pub mode: &'static str,
    /// Which version it is.
    pub version: &'static str,
    /// Whether a server runs, in words.
    pub server: String,
    /// Since when, where it is this very process.
    pub started_at: Option<Timestamp>,
}

/// The process to come.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Process> + Send + 'a>>;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What must be so before the first buyer comes.
    Prelaunch,
    /// What keeps strangers out.
    Security,
    /// What is sold, and whether it is there.
    Content,
    /// The database: its address, its schema, its connections.
    Database,
}

/// The process around the shop.
pub trait Around: Send + Sync {
    /// What it is, and whether a server runs.
    fn process(&self) -> Telling<'_>;
    /// The secrets that count, without their values: one row each.
    fn secrets(&self) -> Vec<Value>;
    /// Reads the secrets again; one row for each, with what came of it.
    fn refetch(&self) -> Rows<'_>;
    /// Looks at everything that may be wrong, or at these parts of it: one row for each thing that was looked at, those that
    /// are well included.
    fn examine<'a>(&'a self, parts: &'a [Part], progress: &'a dyn Progress) -> Rows<'a>;
}

/// Whether a row of [`Around::examine`] is something that somebody has to do something about.
pub fn is_wrong(row: &Value) -> bool {
    row["severity"] == "warning" || row["severity"] == "error"
}

/// Nothing is known of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Around for Nothing {
    fn process(&self) -> Telling<'_> {
        Box::pin(std::future::ready(Process::default()))
    }
    fn secrets(&self) -> Vec<Value> {
        Vec::new()
    }
    fn refetch(&self) -> Rows<'_> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    fn examine<'a>(&'a self, _: &'a [Part], _: &'a dyn Progress) -> Rows<'a> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
