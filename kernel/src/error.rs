//! The ways to say no. Doors turn them into a status, an exit code or a job's fate, in one place each.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything a room offers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A rule of the shop says no. It names what it saw, and its code has a page that ends with the step to take next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable name of the rule, like `amount_mismatch`; the page is `docs/errors/<code>`.
    pub code: &'static str,
    /// What was seen and why that does not go.
    pub why: String,
    /// What to do next, as a command or a sentence; empty where the code's page is enough.
    pub fix: String,
}

impl Refusal {
    /// A refusal with the rule's name and what was seen.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Refusal { code, why: why.into(), fix: String::new() }
    }
    /// The same, with what to do next.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.code)
    }
}

/// Everything that can stop a piece of work.
#[derive(Debug)]
pub enum Error {
    /// A rule of the shop says no; trying again changes nothing.
    Refused(Refusal),
    /// The thing asked for is not there.
    NotFound {
        /// What was looked for, like `order`.
        what: &'static str,
        /// By which id.
        id: String,
    },
    /// What came in cannot be read: what was seen and what was expected.
    Invalid {
        /// Where it stood, as a JSON pointer, a flag or a key; empty for the whole input.
        at: String,
        /// What was seen and what was expected.
        why: String,
    },
    /// Not now: a queue is full, a lock is held, a service is down. Trying again later may work.
    Busy(String),
    /// The answer was lost: the work may or may not have been done. Look before trying again.
    Unknown(String),
    /// Something that cannot be so is so. Wake someone.
    Bug(Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// A bug with a sentence.
    pub fn bug(what: impl Into<String>) -> Self {
        Error::Bug(what.into().into())
    }
    /// Nothing of this kind has this id.
    pub fn not_found(what: &'static str, id: impl fmt::Display) -> Self {
        Error::NotFound { what, id: id.to_string() }
    }
    /// Input that cannot be read.
    pub fn invalid(at: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Invalid { at: at.into(), why: why.into() }
    }
    /// In words, with what to do next: for where only one text is kept, and read later.
    pub fn told(&self) -> String {
        match self {
            Error::Refused(refusal) if !refusal.fix.is_empty() => format!("{self}; fix: {}", refusal.fix),
            _ => self.to_string(),
        }
    }
    /// The stable name of this error, for the API's `code` and the page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Refused(refusal) => refusal.code,
            Error::NotFound { .. } => "not_found",
            Error::Invalid { .. } => "invalid_input",
            Error::Busy(_) => "busy",
            Error::Unknown(_) => "outcome_unknown",
            Error::Bug(_) => "internal_error",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) => refusal.fmt(f),
            Error::NotFound { what, id } => write!(f, "no {what} {id}"),
            Error::Invalid { at, why } if at.is_empty() => f.write_str(why),
            Error::Invalid { at, why } => write!(f, "{at}: {why}"),
            Error::Busy(what) => write!(f, "busy: {what}"),
            Error::Unknown(what) => write!(f, "outcome unknown: {what}"),
            Error::Bug(source) => write!(f, "internal error: {source}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Bug(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}
