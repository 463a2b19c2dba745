//! Colour on a terminal, and nothing but text everywhere else.

use std::io::IsTerminal;

/// Whether what is printed to stdout is painted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink(bool);

impl Ink {
    /// Painted on a terminal, unless the environment says no (`NO_COLOR`).
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ink(std::io::stdout().is_terminal() && !refused)
    }
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }
    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }
    /// The ribbon that says which world this is.
    pub(super) fn ribbon(self, text: &str) -> String {
        if self.0 { self.paint("30;43", &format!(" {text} ")) } else { text.to_owned() }
    }
}
