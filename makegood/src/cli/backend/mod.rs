//! Where the work is done: here, on the database that the configuration names, or by a server through its admin API.
//! The rest of the command line cannot tell which.

mod local;
mod remote;

use kernel::Timestamp;
use ops::{Mode, OperationDef, Plan, Proof, Role, ViewDef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::Failure;
use super::globals::Globals;
use super::terminal::Terminal;

pub use local::{Local, config, opened};
pub use remote::Remote;

/// What running an operation gives, from wherever it ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// This run.
    pub id: String,
    /// Which operation.
    pub operation: String,
    /// `previewed`, `applied` or `already`.
    pub status: String,
    /// What changed, or would change.
    pub plan: Plan,
    /// Apply with it, and nothing else is applied.
    pub plan_id: String,
    /// What was read back afterwards.
    #[serde(default)]
    pub verify: Vec<Proof>,
    /// Its entry in the audit log.
    #[serde(default)]
    pub audit_id: Option<String>,
}

impl Receipt {
    /// True unless something that must be true afterwards is not.
    pub fn is_verified(&self) -> bool {
        self.verify.iter().all(|proof| proof.holds)
    }
}

/// A token that was made just now; the only time that it is seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// Its id, to take it back with.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: String,
    /// The token itself.
    pub token: String,
}

/// Where the work is done.
pub enum Backend {
    /// Here.
    Local(Local),
    /// By a server.
    Remote(Remote),
}

impl Backend {
    /// A server when one is named, else the database of the configuration.
    pub async fn open(globals: &Globals, terminal: &Terminal) -> Result<Backend, Failure> {
        Ok(match globals.server.as_deref().filter(|server| !server.is_empty()) {
            Some(server) => Backend::Remote(Remote::new(server, globals.token_file.as_deref())?),
            None => Backend::Local(Local::open(terminal).await?),
        })
    }

    /// Asks a view.
    pub async fn ask(&self, view: &'static ViewDef, input: Value) -> Result<Value, Failure> {
        match self {
            Backend::Local(local) => local.ask(view, input).await,
            Backend::Remote(remote) => remote.ask(view, input).await,
        }
    }

    /// Runs an operation.
    pub async fn run(
        &self,
        operation: &'static OperationDef,
        input: Value,
        mode: Mode,
        reason: Option<String>,
    ) -> Result<Receipt, Failure> {
        match self {
            Backend::Local(local) => local.run(operation, input, mode, reason).await,
            Backend::Remote(remote) => remote.run(operation, input, mode, reason).await,
        }
    }

    /// Runs every check.
    pub async fn check(&self) -> Result<super::check::Report, Failure> {
        match self {
            Backend::Local(local) => local.check().await,
            Backend::Remote(remote) => remote.check().await,
        }
    }

    /// Makes a token.
    pub async fn make_token(&self, name: String, role: Role, days: Option<u32>) -> Result<NewToken, Failure> {
        match self {
            Backend::Local(local) => local.make_token(name, role, days).await,
            Backend::Remote(remote) => remote.make_token(name, role, days).await,
        }
    }

    /// Against what ages are counted.
    pub fn now(&self) -> Timestamp {
        match self {
            Backend::Local(local) => local.now(),
            Backend::Remote(remote) => remote.now(),
        }
    }
}
