//! `makegood doctor`: the task, and what it does where there is no server and perhaps no database.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use clap::{Arg, ArgMatches, Command, value_parser};
use kernel::{Clock, Duration};
use ops::Progress;
use ops::runs::Seen;
use serde_json::Value;
use shop::office::doctor::{DOCTOR, Doctor};

use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::globals::Globals;
use crate::cli::progress::Bar;
use crate::cli::render::Look;
use crate::cli::task::Wanted;
use crate::cli::terminal::Terminal;
use crate::clock::SystemClock;
use crate::doctor::{self, Patient};

const BUNDLE: &str = "bundle";
const REDRAWN: Duration = Duration::from_millis(100);

/// What the command takes besides the fields of the task.
pub fn arguments(command: Command) -> Command {
    let bundle = Arg::new(BUNDLE)
        .long(BUNDLE)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Also write a document for those who help: no secret, and nothing of a buyer");
    command.arg(bundle).after_help(
        "It changes nothing. Without a server it looks from here, and opens a database only when it is there. Ends with 3 \
         when a warning or an error was found.",
    )
}

/// Looks here, or lets the server look that is named.
pub async fn run(
    terminal: &Terminal,
    globals: &Globals,
    matches: &ArgMatches,
    input: Value,
) -> Result<Exit, Failure> {
    let file = matches.get_one::<PathBuf>(BUNDLE);
    let is_named = globals.named_server().is_some();
    let patient = Patient::here().await;
    let rows = match is_named {
        true => asked(terminal, globals, input).await?,
        false => {
            let wanted: Doctor = serde_json::from_value(input)?;
            looked(terminal, &patient, &wanted).await
        }
    };
    if let Some(file) = file {
        write(file, &doctor::bundle(&patient, &rows).await)?;
        terminal.say(&format!("written to {}", file.display()));
    }
    let report = doctor::json(&rows);
    match terminal.json {
        Some(_) => terminal.print_json(&report)?,
        None => terminal.print(&doctor::text(&rows, Look::of_results(terminal, SystemClock.now())))?,
    }
    Ok(if report["findings"] == 0 { Exit::Ok } else { Exit::Findings })
}

async fn asked(terminal: &Terminal, globals: &Globals, input: Value) -> Result<Vec<Value>, Failure> {
    let Some(task) = shop::TASKS.iter().find(|task| task.name == DOCTOR) else {
        return Err(Failure::usage("there is no doctor"));
    };
    let backend = Backend::open(globals, terminal).await?;
    let mut bar = Bar::new(terminal);
    let answer = backend.perform(task, Wanted { input, dry_run: false, reason: None }, &mut bar).await;
    bar.clear();
    Ok(answer?["data"].as_array().cloned().unwrap_or_default())
}

async fn looked(terminal: &Terminal, patient: &Patient, wanted: &Doctor) -> Vec<Value> {
    let (far, parts) = (Far::default(), wanted.parts());
    let mut bar = Bar::new(terminal);
    let mut looking = std::pin::pin!(doctor::examine(patient, &parts, &far));
    let mut tick = tokio::time::interval(REDRAWN);
    let found = loop {
        tokio::select! {
            found = &mut looking => break found,
            _ = tick.tick() => bar.show(&far.seen()),
        }
    };
    bar.clear();
    found.iter().map(doctor::Finding::row).collect()
}

/// How far it is, for the bar.
#[derive(Default)]
struct Far(Mutex<Seen>);

impl Far {
    fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Progress for Far {
    fn at(&self, done: u64, of: Option<u64>, what: &str) {
        let mut seen = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *seen = Seen { done, of, what: what.to_owned() };
    }
}

/// Only its owner reads it, from the beginning.
fn write(file: &PathBuf, bundle: &Value) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("{}: {error}", file.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file).map_err(wrong)?;
    let text = serde_json::to_string_pretty(bundle)?;
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(wrong)
}
