//! The terminal: results go to stdout, talk goes to stderr, and both make sense without colour.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::Exit;
use super::failure::Failure;
use super::globals::{Color, Globals, Json};
use crate::http::error_pages::ErrorPage;

/// What colour says in addition to the word; never instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Wrong now.
    Bad,
    /// Not finished, or to be looked at.
    Warn,
    /// Less important.
    Dim,
    /// More important.
    Bold,
}

/// Whether one stream is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    /// `text` in this tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.0 || text.is_empty() => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Warn => "33",
            Tone::Dim => "2",
            Tone::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// How this run talks.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Colours of results.
    pub out: Paint,
    /// Colours of talk.
    pub err: Paint,
    /// Columns of the screen; `None` when the result goes to a file or another program.
    pub width: Option<usize>,
    /// Results as JSON.
    pub json: Option<Json>,
    /// No talk.
    pub quiet: bool,
    /// More detail.
    pub verbose: bool,
    /// Somebody can be asked.
    pub can_ask: bool,
}

impl Terminal {
    /// As the flags and the environment want it.
    pub fn new(globals: &Globals) -> Self {
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Terminal {
            out: Paint(painted(globals.color, stdout)),
            err: Paint(painted(globals.color, stderr)),
            width: stdout.then(columns).flatten(),
            json: globals.json,
            quiet: globals.quiet,
            verbose: globals.verbose > 0,
            can_ask: io::stdin().is_terminal() && stderr && !globals.no_input,
        }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// When nobody reads any more that is the end, and no failure; a full disk is one.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written =
            out.write_all(text.as_bytes()).and_then(|()| match text.ends_with('\n') || text.is_empty() {
                true => out.flush(),
                false => out.write_all(b"\n").and_then(|()| out.flush()),
            });
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::said(Exit::Ok),
            _ => Failure::new("internal_error", format!("the result could not be written: {error}")),
        })
    }

    /// Prints a value as JSON; a list line by line when `--json=lines` asks for it.
    pub fn print_json(&self, value: &serde_json::Value) -> Result<(), Failure> {
        match (self.json, value["data"].as_array()) {
            (Some(Json::Lines), Some(rows)) => {
                // What a list says of all its rows comes last.
                let all = rows.iter().chain(value.get("summary"));
                self.print(&all.map(|row| format!("{row}\n")).collect::<String>())
            }
            _ => self.print(&self.document(value)?),
        }
    }

    /// A document that is one thing: on one line when `--json=lines` asks for lines.
    pub fn document(&self, value: &serde_json::Value) -> Result<String, Failure> {
        Ok(match self.json {
            Some(Json::Lines) => value.to_string(),
            _ => serde_json::to_string_pretty(value)?,
        })
    }

    /// Says something beside the result. Nobody listening is no reason to stop.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            writeln!(io::stderr(), "{}", text.trim_end_matches('\n')).ok();
        }
    }

    /// Asks for a line; `None` when the input ended.
    pub fn ask(&self, question: &str) -> Option<String> {
        let mut err = io::stderr();
        write!(err, "{question} ").and_then(|()| err.flush()).ok();
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(read) if read > 0 => Some(answer.trim().to_owned()),
            _ => None,
        }
    }

    /// Prints a failure where people and scripts look for it; `app_url` says where its shop is, for scripts.
    pub fn fail(&self, failure: &Failure, app_url: impl FnOnce() -> String) {
        if failure.is_said() {
            return;
        }
        if self.json.is_some() {
            writeln!(io::stderr(), "{}", failure.problem(&app_url())).ok();
            return;
        }
        // What is wrong with the configuration begins with its own words, line by line; so does what stops the start.
        let mut text = match failure.code == "configuration" || failure.detail.starts_with("Bootstrap failed")
        {
            true => format!("{}\n", self.err.tone(Tone::Bad, &failure.detail)),
            false => {
                format!("{} {}\n", self.err.tone(Tone::Bad, &format!("{}:", failure.title)), failure.detail)
            }
        };
        if !failure.fix.is_empty() {
            text.push_str(&format!("{} {}\n", self.err.tone(Tone::Good, "fix:"), failure.fix));
        }
        let page = format!("more: makegood explain-error {}", failure.code);
        if ErrorPage::find(&failure.code).is_some() {
            text.push_str(&format!("{}\n", self.err.tone(Tone::Dim, &page)));
        }
        io::stderr().write_all(text.as_bytes()).ok();
    }
}

/// `--color` first, then NO_COLOR, then CLICOLOR_FORCE and CLICOLOR, then whether anybody watches.
fn painted(flag: Color, watched: bool) -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let off = |name: &str| std::env::var(name).is_ok_and(|value| value == "0");
    match flag {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") && !off("CLICOLOR_FORCE") => true,
        Color::Auto if off("CLICOLOR") || std::env::var("TERM").is_ok_and(|term| term == "dumb") => false,
        Color::Auto => watched,
    }
}

fn columns() -> Option<usize> {
    terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| usize::from(columns))
}
