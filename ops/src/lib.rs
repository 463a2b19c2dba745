//! One runner for operations, one definition for each read, check and operation.
//!
//! An [`Operation`] is said once; the command line, the API and the forms follow from [`OperationDef`]. The runner
//! plans, checks who may, applies and audits in one transaction, and then reads back what must now be true.
//! A [`Runbook`] is a fault with its causes and what mends each. A [`View`] is a read that is said once, a [`Task`] work that talks to the world between its transactions; a [`Check`] is something that must be true of the rows.

mod access;
pub mod audit;
pub mod chain;
mod check;
mod idempotency;
mod input;
mod operation;
pub mod password;
pub mod results;
mod runbook;
mod runner;
pub mod runs;
pub mod sessions;
pub mod snoozes;
mod task;
pub mod users;
mod view;

use db::Migration;

pub use access::{
    Actor, ActorKind, ApiToken, By, Role, TokenKind, authenticate, create_token, find_token, list_tokens,
    note_token_use, revoke_token, says_why, secret, token_hash,
};
pub use check::{Check, Finding, Found, ITSELF, LISTED, Mend, Severity, in_all};
pub use idempotency::{
    Idempotent, Key, UNDER_WAY, begin as begin_idempotent, end as end_idempotent, forget as forget_idempotent,
};
pub use input::{by_name, pointer, read as read_input, refuse_nul};
pub use operation::{Change, Guard, Operation, OperationDef, Plan, Proof, Risk};
pub use runbook::{About, Cause, Look, Picked, Quote, Reads, Runbook, Standing};
pub use runner::{Applied, Mode, Receipt, RunKind, Runner, Status, plan_id};
pub use task::{Asked, Changing, Done, Effect, FINDINGS, PLAN_ID, Progress, Running, Task, TaskDef};
pub use view::{Page, RowJson, View, ViewDef, page};

/// The tables of this crate.
pub const MIGRATION: Migration =
    Migration { version: 2, name: "audit log, tokens, idempotency keys", sql: include_str!("schema.sql") };

/// The table of task runs.
pub const MIGRATION_RUNS: Migration =
    Migration { version: 6, name: "runs of tasks", sql: include_str!("runs.sql") };

/// The chain over the audit log.
pub const MIGRATION_CHAIN: Migration =
    Migration { version: 10, name: "audit chain", sql: include_str!("chain.sql") };

/// What the checks found, and whose turn it is to run them.
pub const MIGRATION_RESULTS: Migration =
    Migration { version: 11, name: "check results", sql: include_str!("results.sql") };

/// What operators have put off.
pub const MIGRATION_SNOOZES: Migration =
    Migration { version: 21, name: "snoozed findings", sql: include_str!("snoozes.sql") };

/// The audit log by the request that wrote it.
pub const MIGRATION_REQUESTS: Migration =
    Migration { version: 27, name: "audit log by request", sql: include_str!("requests.sql") };

/// The tables of this crate that only grow: a program that runs may add to them, and nothing else.
pub const ONLY_GROW: [&str; 2] = ["audit_logs", "audit_chain"];

/// The tables of people who sign in, and of who is signed in.
pub const MIGRATION_USERS: Migration =
    Migration { version: 12, name: "users and sessions", sql: include_str!("users.sql") };
