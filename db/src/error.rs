//! What can go wrong with a transaction, and what a caller does about each.

use std::fmt;

use kernel::{Error, Result};

/// How a transaction ended, when it did not simply commit.
#[derive(Debug)]
pub enum TxError {
    /// The closure said no, or the database did: rolled back, nothing changed.
    Refused(Error),
    /// No connection was free in time, or the conflict did not go away: nothing changed, later may work.
    Busy(String),
    /// The answer to COMMIT was lost: it may have happened. The caller must say what that means for it.
    Unknown(String),
}

/// How a caller handles a transaction whose outcome is unknown. There is deliberately no `?` without one of these.
pub trait TxResult<R> {
    /// For work that keys in the database make harmless to repeat: unknown means *try again*.
    fn safe_to_repeat(self) -> Result<R>;
    /// For work whose effect must be looked up before anything is tried again.
    fn must_be_looked_up(self) -> Result<R>;
}

impl<R> TxResult<R> for Result<R, TxError> {
    fn safe_to_repeat(self) -> Result<R> {
        self.map_err(|error| match error {
            TxError::Refused(error) => error,
            TxError::Busy(what) | TxError::Unknown(what) => Error::Busy(what),
        })
    }

    fn must_be_looked_up(self) -> Result<R> {
        self.map_err(|error| match error {
            TxError::Refused(error) => error,
            TxError::Busy(what) => Error::Busy(what),
            TxError::Unknown(what) => Error::Unknown(what),
        })
    }
}

/// What of a database's address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// There is no database of this name.
    Database,
    /// There is no such role, or it may not come in.
    User,
    /// The password is another one, or there is none.
    Password,
    /// TLS is asked for, and the server has none.
    NoTls,
    /// The server lets nobody in without TLS.
    OnlyTls,
    /// The server's certificate is of nobody who is trusted here.
    Certificate,
    /// The role came in and may not do there what it has to.
    Rights,
    /// The file of SQLite, or its folder.
    File,
}

/// What the database itself said, inside an [`Error::Bug`].
#[derive(Debug)]
pub enum DbFailure {
    /// Two transactions could not both go on (PostgreSQL 40001, 40P01, 55P03): try again.
    Conflict(String),
    /// The connection is gone; what was not committed is undone.
    ConnectionLost(String),
    /// The database is there, and does not take a part of what it was addressed with: no second try mends that.
    Misconfigured(Part, String),
    /// A UNIQUE, CHECK, NOT NULL or foreign-key rule said no; its name or text is kept.
    Constraint(String),
    /// The disk is full; nothing changed, and it works again when there is room.
    NoSpace(String),
    /// Anything else, with the statement.
    Other(String),
}

impl fmt::Display for DbFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DbFailure::Conflict(text) => write!(f, "database conflict: {text}"),
            DbFailure::ConnectionLost(text) | DbFailure::Misconfigured(_, text) => {
                write!(f, "Database connection failed: {text}")
            }
            DbFailure::Constraint(text) => write!(f, "database constraint: {text}"),
            DbFailure::NoSpace(text) => write!(f, "the disk is full: {text}"),
            DbFailure::Other(text) => write!(f, "database: {text}"),
        }
    }
}

impl std::error::Error for DbFailure {}

impl From<DbFailure> for Error {
    fn from(failure: DbFailure) -> Self {
        Error::Bug(Box::new(failure))
    }
}

pub(crate) fn failure(error: &Error) -> Option<&DbFailure> {
    match error {
        Error::Bug(source) => source.downcast_ref(),
        _ => None,
    }
}

/// True when `error` is the database refusing a row by one of its rules. On PostgreSQL the transaction is over
/// then, so this is for turning the error into a sentence, not for going on.
pub fn violates(error: &Error) -> bool {
    matches!(failure(error), Some(DbFailure::Constraint(_)))
}
