//! How results look to people. JSON never comes through here.

mod case;
mod cell;
mod change;
mod fields;
mod runbook;
mod story;
mod table;

use kernel::Timestamp;
use serde_json::Value;

use super::terminal::{Paint, Terminal};

pub use cell::{Cell, ago, cut, exact, is_time, one_line, short, span, titled, tone_of_bool, tone_of_word};
pub use change::{Shown, plan, receipt};
pub use fields::fields;
pub use table::{table, wrap};

/// What rendering needs to know besides the value.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether to paint.
    pub paint: Paint,
    /// Columns of the screen, if there is one.
    pub width: Option<usize>,
    /// Exact times, empty fields, whole details.
    pub verbose: bool,
    /// Against what ages are counted.
    pub now: Timestamp,
}

impl Look {
    /// For results.
    pub fn of_results(terminal: &Terminal, now: Timestamp) -> Self {
        Look { paint: terminal.out, width: terminal.width, verbose: terminal.verbose, now }
    }
    /// For talk.
    pub fn of_talk(terminal: &Terminal, now: Timestamp) -> Self {
        Look { paint: terminal.err, width: terminal.width, verbose: terminal.verbose, now }
    }
}

/// Any answer: a list as a table, an explanation as a story, a case by its verdict, everything else as fields.
pub fn answer(answer: &Value, columns: &[&str], look: Look) -> String {
    match (answer["object"].as_str(), answer["data"].as_array()) {
        (Some("list"), Some(rows)) => table(columns, rows, look),
        (Some("explanation"), _) => story::story(answer, look),
        (Some("case"), _) => case::case(answer, look),
        (Some(object), _) if object.starts_with("runbook") => runbook::runbook(answer, look),
        _ => fields(answer, look),
    }
}
