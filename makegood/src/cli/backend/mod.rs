//! Where the work is done: here, on the database that the configuration names, or by a server through its admin API.
//! The rest of the command line cannot tell which.

mod local;
mod remote;

use kernel::Timestamp;
use ops::{Change, Guard, Mode, OperationDef, Proof, Status, TaskDef, ViewDef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop::Shop;
use shop::runbooks::tasks::needs_no_database;

use super::failure::Failure;
use super::globals::Globals;
use super::progress::Bar;
use super::task;
use super::terminal::Terminal;
use crate::people::{Invitation, Wanted};
use crate::tokens;

pub use local::{Local, config, opened, served_config};
pub use remote::Remote;

/// What running an operation gives, in the form in which the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// `operation`.
    pub object: String,
    /// This run.
    pub id: String,
    /// Which operation.
    pub operation: String,
    /// `previewed`, `applied` or `already`.
    pub status: String,
    /// What changed, or would change; empty when it is so already.
    pub plan: Vec<Change>,
    /// What must hold for it.
    pub guards: Vec<Guard>,
    /// Apply with it, and nothing else is applied.
    pub plan_id: String,
    /// What was read back afterwards.
    pub verify: Vec<Proof>,
    /// False when something that must be true afterwards is not.
    pub verified: bool,
    /// Its entry in the audit log.
    pub audit_id: Option<String>,
}

impl From<ops::Receipt> for Receipt {
    fn from(receipt: ops::Receipt) -> Self {
        let status = match receipt.status {
            Status::Previewed => "previewed",
            Status::Applied => "applied",
            Status::Already => "already",
        };
        Receipt {
            object: "operation".into(),
            id: receipt.id.to_string(),
            operation: receipt.operation.into(),
            status: status.into(),
            verified: receipt.is_verified(),
            plan: receipt.plan.changes,
            guards: receipt.plan.guards,
            plan_id: receipt.plan_id,
            verify: receipt.verify,
            audit_id: receipt.audit_id.map(|id| id.to_string()),
        }
    }
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
        Ok(match globals.named_server() {
            Some(server) => Backend::Remote(Remote::new(server, globals.token_file.as_deref())?),
            None => Backend::Local(Local::open(terminal).await?),
        })
    }

    /// For this task: a server when one is named; else what it only looks at is not opened.
    pub async fn open_for(
        task: &str,
        input: &Value,
        globals: &Globals,
        terminal: &Terminal,
    ) -> Result<Backend, Failure> {
        match globals.named_server().is_none() && needs_no_database(task, input) {
            true => Ok(Backend::Local(Local::beside().await?)),
            false => Backend::open(globals, terminal).await,
        }
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

    /// Runs a task, and shows how far it is.
    pub async fn perform(
        &self,
        task: &'static TaskDef<Shop>,
        wanted: task::Wanted,
        bar: &mut Bar,
    ) -> Result<Value, Failure> {
        match self {
            Backend::Local(local) => local.perform(task, wanted, bar).await,
            Backend::Remote(remote) => remote.perform(task, wanted, bar).await,
        }
    }

    /// Runs these checks, or every one when none is named.
    pub async fn check(&self, only: &[String]) -> Result<super::check::Report, Failure> {
        match self {
            Backend::Local(local) => local.check(only).await,
            Backend::Remote(remote) => remote.check(only).await,
        }
    }

    /// Which alerts would fire now.
    pub async fn test_alerts(&self) -> Result<Value, Failure> {
        match self {
            Backend::Local(local) => local.test_alerts().await,
            Backend::Remote(remote) => remote.test_alerts().await,
        }
    }

    /// Makes a token.
    pub async fn make_token(&self, wanted: tokens::Wanted) -> Result<tokens::Made, Failure> {
        match self {
            Backend::Local(local) => local.make_token(wanted).await,
            Backend::Remote(remote) => remote.make_token(&wanted).await,
        }
    }

    /// Invites somebody to the console.
    pub async fn invite(&self, wanted: Wanted) -> Result<Invitation, Failure> {
        match self {
            Backend::Local(local) => local.invite(wanted).await,
            Backend::Remote(remote) => remote.invite(&wanted).await,
        }
    }

    /// Uploads a picture.
    pub async fn add_picture(&self, bytes: bytes::Bytes, name: String) -> Result<Value, Failure> {
        match self {
            Backend::Local(local) => local.add_picture(bytes, name).await,
            Backend::Remote(remote) => remote.add_picture(bytes, &name).await,
        }
    }

    /// Who we are here, and what we may do.
    pub async fn whoami(&self) -> Result<Value, Failure> {
        match self {
            Backend::Local(local) => Ok(local.whoami()),
            Backend::Remote(remote) => remote.whoami().await,
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
