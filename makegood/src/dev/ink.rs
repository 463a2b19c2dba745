//! Colour on a terminal, and nothing but text everywhere else.

use crate::cli::terminal::{Paint, Tone};

/// What the shop's own pages on a terminal are painted with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink(pub(super) Paint);

impl Ink {
    pub(super) fn bold(self, text: &str) -> String {
        self.0.tone(Tone::Bold, text)
    }
    pub(super) fn dim(self, text: &str) -> String {
        self.0.tone(Tone::Dim, text)
    }
    pub(super) fn good(self, text: &str) -> String {
        self.0.tone(Tone::Good, text)
    }
    pub(super) fn bad(self, text: &str) -> String {
        self.0.tone(Tone::Bad, text)
    }
    /// The ribbon that says which world this is.
    pub(super) fn ribbon(self, text: &str) -> String {
        if self.0.0 { format!("\u{1b}[30;43m {text} \u{1b}[0m") } else { text.to_owned() }
    }
}
