//! Says what happens, step by step: numbered, aligned, and readable without colour.

use crate::dev::ink::Ink;
use crate::dev::say;

const WHAT_WIDTH: usize = 34;
const STORY_WIDTH: usize = 38;

/// Prints the steps of a script.
pub(super) struct Teller {
    ink: Ink,
    step: usize,
}

impl Teller {
    pub(super) fn new(ink: Ink) -> Self {
        Teller { ink, step: 0 }
    }

    /// The headline.
    pub(super) fn begin(&self, title: &str) {
        say(&format!("\n  {}  {}\n", self.ink.bold(title), self.ink.ribbon("SANDBOX")));
    }

    /// A new step.
    pub(super) fn step(&mut self, what: &str) {
        self.step += 1;
        say(&format!("\n {:>2}  {}\n", self.step, self.ink.bold(what)));
    }

    /// Something that was done or seen, as it should be.
    pub(super) fn done(&self, what: &str, seen: &str) {
        self.line(&self.ink.good("✓"), what, seen);
    }

    /// Something that must not be so.
    pub(super) fn wrong(&self, what: &str, seen: &str) {
        self.line(&self.ink.bad("✗"), what, seen);
    }

    /// A line of a story.
    pub(super) fn story(&self, when: &str, what: &str, cause: &str) {
        // Padded before it is painted: colour has no width.
        let when = self.ink.dim(&format!("{when:>9}"));
        say(&format!("     {when}  {what:<STORY_WIDTH$}  {}\n", self.ink.dim(cause)));
    }

    /// The last words.
    pub(super) fn end(&self, text: &str) {
        say(&format!("\n  {text}\n\n"));
    }

    fn line(&self, mark: &str, what: &str, seen: &str) {
        let line = match seen {
            "" => format!("{mark} {what}"),
            seen => format!("{mark} {what:<WHAT_WIDTH$}  {}", self.ink.dim(seen)),
        };
        say(&format!("     {line}\n"));
    }
}
