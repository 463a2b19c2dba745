//! What a look at something found: what was seen, what was expected, what mends it.

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is as it must be.
    Ok,
    /// Worth to know, and nothing to do.
    Info,
    /// It works, and will not for ever, or not for everybody.
    Warning,
    /// It does not work, or a door is open.
    Error,
}

impl Severity {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
    /// The severity of this word.
    pub fn parse(word: &str) -> Option<Severity> {
        [Severity::Ok, Severity::Info, Severity::Warning, Severity::Error]
            .into_iter()
            .find(|one| one.word() == word)
    }
    /// Whether somebody has to do something.
    pub fn is_finding(self) -> bool {
        self >= Severity::Warning
    }
}

/// What a probe saw, before it is said which probe that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How bad it is.
    pub severity: Severity,
    /// What was seen; no secret, and nothing of a buyer.
    pub seen: String,
    /// What was expected instead.
    pub expected: String,
    /// What to do.
    pub fix: String,
    /// False when nothing could be looked at, and why.
    pub looked: bool,
}

impl Seen {
    fn new(severity: Severity, seen: impl Into<String>) -> Seen {
        Seen { severity, seen: seen.into(), expected: String::new(), fix: String::new(), looked: true }
    }
    /// It could not be looked at: something else is wrong first.
    pub fn nothing(why: impl std::fmt::Display) -> Seen {
        Seen { looked: false, ..Seen::info(format!("not looked at: {why}")) }
    }
    /// As it must be.
    pub fn ok(seen: impl Into<String>) -> Seen {
        Seen::new(Severity::Ok, seen)
    }
    /// Worth to know.
    pub fn info(seen: impl Into<String>) -> Seen {
        Seen::new(Severity::Info, seen)
    }
    /// To be looked after.
    pub fn warning(seen: impl Into<String>) -> Seen {
        Seen::new(Severity::Warning, seen)
    }
    /// Wrong now.
    pub fn error(seen: impl Into<String>) -> Seen {
        Seen::new(Severity::Error, seen)
    }
    /// The same, with what was expected.
    pub fn expected(mut self, what: impl Into<String>) -> Seen {
        self.expected = what.into();
        self
    }
    /// The same, with what to do.
    pub fn fix(mut self, what: impl Into<String>) -> Seen {
        self.fix = what.into();
        self
    }
}

/// A finding, or that there is none: what a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which probe, like `stripe.key`.
    pub id: &'static str,
    /// In which area.
    pub area: &'static str,
    /// Which of the six pre-launch checks it belongs to.
    pub prelaunch: Option<u8>,
    /// The runbook that goes on from here.
    pub runbook: Option<&'static str>,
    /// What it saw.
    pub what: Seen,
}

impl Finding {
    /// For programs.
    pub fn row(&self) -> Value {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "object": "diagnosis", "id": self.id, "area": self.area, "severity": self.what.severity.word(),
            "prelaunch": self.prelaunch, "seen": self.what.seen, "expected": text(&self.what.expected),
            "fix": text(&self.what.fix), "runbook": self.runbook, "looked": self.what.looked,
        })
    }
}
