//! How far a task is, on stderr: one line that is drawn again and again where somebody watches, a line every few seconds
//! where a log does, nothing where nobody wants to know.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use ops::runs::Seen;
use unicode_width::UnicodeWidthChar;

use super::terminal::Terminal;

/// A log gets a line so often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Cells of the bar itself.
const BAR: usize = 24;

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Nowhere,
    Redrawn { columns: usize },
    Lines,
}

/// The progress of one task.
pub struct Bar {
    place: Where,
    begun: Instant,
    said: Option<(Instant, String)>,
}

impl Bar {
    /// As the terminal and its flags want it.
    pub fn new(terminal: &Terminal) -> Bar {
        let place = match () {
            () if terminal.quiet || terminal.json.is_some() => Where::Nowhere,
            () if io::stderr().is_terminal() => Where::Redrawn { columns: columns() },
            () => Where::Lines,
        };
        Bar { place, begun: Instant::now(), said: None }
    }

    /// Shows how far it is.
    pub fn show(&mut self, seen: &Seen) {
        let now = Instant::now();
        let text = match self.place {
            Where::Nowhere => return,
            Where::Redrawn { columns } => drawn(seen, now - self.begun, columns),
            Where::Lines => {
                let last = self.said.as_ref().map_or(self.begun, |(at, _)| *at);
                if now - last < LINE_EVERY {
                    return;
                }
                told(seen, now - self.begun)
            }
        };
        if self.said.as_ref().is_some_and(|(_, said)| *said == text) {
            return;
        }
        let mut err = io::stderr();
        match self.place {
            Where::Redrawn { .. } => write!(err, "\r{text}\u{1b}[K").and_then(|()| err.flush()).ok(),
            _ => writeln!(err, "{text}").ok(),
        };
        self.said = Some((now, text));
    }

    /// Takes the line away, so that what comes next begins at the margin.
    pub fn clear(&mut self) {
        if matches!(self.place, Where::Redrawn { .. }) && self.said.take().is_some() {
            write!(io::stderr(), "\r\u{1b}[K").ok();
        }
    }
}

fn columns() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns))
}

/// `12 of 400, 3 %: orders (7 s)`.
fn told(seen: &Seen, since: Duration) -> String {
    let at = if seen.what.is_empty() { String::new() } else { format!(": {}", seen.what) };
    format!("{}{at} ({} s)", amount(seen), since.as_secs())
}

fn amount(seen: &Seen) -> String {
    match (seen.of, percent(seen)) {
        (Some(of), Some(percent)) => format!("{} of {of}, {percent} %", seen.done),
        _ if seen.done == 0 => "at work".to_owned(),
        _ => format!("{} done", seen.done),
    }
}

fn percent(seen: &Seen) -> Option<u64> {
    let of = seen.of.filter(|of| *of > 0)?;
    Some((u128::from(seen.done.min(of)) * 100 / u128::from(of)) as u64)
}

/// The same with a bar, never wider than the screen: a line that wraps could not be taken away.
fn drawn(seen: &Seen, since: Duration, columns: usize) -> String {
    let bar = percent(seen).map_or(String::new(), |percent| {
        let full = BAR * percent as usize / 100;
        format!("[{}{}] ", "#".repeat(full), ".".repeat(BAR - full))
    });
    let text = format!("{bar}{}", told(seen, since));
    let mut width = 0;
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width < columns
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(done: u64, of: Option<u64>, what: &str) -> Seen {
        Seen { done, of, what: what.into() }
    }

    #[test]
    fn a_line_says_how_much_of_how_much_and_what() {
        let since = Duration::from_secs(7);
        assert_eq!(told(&seen(12, Some(400), "orders"), since), "12 of 400, 3 %: orders (7 s)");
        assert_eq!(told(&seen(12, None, ""), since), "12 done (7 s)");
        // More than was announced, and nothing at all, are no reason to stumble.
        assert_eq!(told(&seen(9, Some(4), ""), since), "9 of 4, 100 % (7 s)");
        assert_eq!(told(&seen(0, Some(0), ""), since), "at work (7 s)");
    }

    #[test]
    fn a_bar_is_never_wider_than_the_screen() {
        for columns in [1, 10, 30, 80] {
            let text = drawn(&seen(2, Some(4), "本 ".repeat(90).as_str()), Duration::ZERO, columns);
            assert!(unicode_width::UnicodeWidthStr::width(text.as_str()) < columns.max(1), "{text}");
        }
        let text = drawn(&seen(2, Some(4), "orders"), Duration::ZERO, 80);
        assert_eq!(text, "[############............] 2 of 4, 50 %: orders (0 s)");
    }
}
