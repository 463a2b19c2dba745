//! `makegood runbook drill`

use clap::Args;
use db::Target;
use ops::Mode;
use shop::RUNBOOKS;
use shop::runbooks::Runbook;

use super::Call;
use crate::cli::backend::{Backend, config};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::cut;
use crate::cli::terminal::{Terminal, Tone};
use crate::drill::{Drilled, Engine, Step, drill};

/// Break a shop that is thrown away, and run a runbook's whole loop on it; the configured shop keeps how it went, no more
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Which runbook, like stuck-paid-orders
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub runbook: Option<String>,
    /// Every runbook, one after the other
    #[arg(long)]
    pub all: bool,
    /// A PostgreSQL on which a database may be made and dropped; without it a file in a temporary folder
    #[arg(long, value_name = "URL", env = "MAKEGOOD_DRILL_POSTGRES", hide_env_values = true)]
    pub postgres: Option<String>,
    /// Do not write down how it went
    #[arg(long)]
    pub no_record: bool,
}

pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let runbooks: Vec<&'static Runbook> = match &arguments.runbook {
        Some(id) => vec![shop::runbooks::find(id)?],
        None => RUNBOOKS.iter().collect(),
    };
    let (engine, on) = match arguments.postgres {
        Some(url) => (Engine::Postgres(url), "PostgreSQL"),
        None => (Engine::Sqlite(std::env::temp_dir()), "SQLite"),
    };
    let mut all: Vec<Drilled> = Vec::new();
    for runbook in runbooks {
        let terminal = call.terminal;
        let told = terminal.json.is_none();
        if told {
            let title = terminal.out.tone(Tone::Bold, &format!("{}: {}", runbook.id, runbook.title));
            terminal.print(&title)?;
        }
        let mut tell = |step: &Step| {
            if told {
                // Whoever stopped reading is no reason to stop.
                terminal.print(&line(terminal, step)).ok();
            }
        };
        all.push(drill(runbook, &engine, &mut tell).await?);
        if told {
            terminal.print("")?;
        }
    }
    if !arguments.no_record {
        let written = record(call, &all, on).await;
        call.terminal.say(&written.unwrap_or_else(|why| format!("not written down: {why}")));
    }
    let failed: Vec<&str> = all.iter().filter(|drilled| !drilled.ok).map(|drilled| drilled.runbook).collect();
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&serde_json::json!({
            "object": "list", "data": all, "has_more": false, "findings": failed.len(),
        }))?,
        None if failed.is_empty() => {
            call.terminal.print(&format!("{} drilled, all is as it must be", all.len()))?
        }
        None => call.terminal.print(&format!(
            "{} drilled, not as it must be: {}",
            all.len(),
            failed.join(", ")
        ))?,
    }
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Findings })
}

/// Writes down how the drills went, where a shop is configured; says where, or why not.
async fn record(call: &Call<'_>, all: &[Drilled], on: &str) -> Result<String, String> {
    let operation = shop::OPERATIONS.iter().find(|operation| operation.name == "drills.record");
    let operation = operation.ok_or("there is no such operation")?;
    let is_remote = call.globals.named_server().is_some();
    if !is_remote {
        let config = config().map_err(|why| why.detail)?;
        // A drill on a machine without a shop makes none.
        if let Target::Sqlite(path) = &config.database
            && !path.exists()
        {
            return Err("no shop is configured here".into());
        }
    }
    let told = |failure: Failure| failure.detail;
    let backend = Backend::open(call.globals, call.terminal).await.map_err(told)?;
    for drilled in all {
        let failed = drilled.steps.iter().find(|step| !step.ok);
        let input = serde_json::json!({
            "runbook": drilled.runbook,
            "failure": failed.map(|step| cut(&format!("{}: {}", step.what, step.seen), 500)),
            "on": on,
            "version": env!("CARGO_PKG_VERSION"),
            "steps": drilled.steps.len(),
        });
        let reason = call.globals.reason.clone().unwrap_or_else(|| "a drill".to_owned());
        let mode = Mode::Apply { plan_id: None };
        backend.run(operation, input, mode, Some(reason)).await.map_err(told)?;
    }
    Ok("written down: makegood runbook history".into())
}

fn line(terminal: &Terminal, step: &Step) -> String {
    let (mark, tone) = if step.ok { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let seen = terminal.out.tone(Tone::Dim, &step.seen);
    format!("  {} {:<38}  {seen}", terminal.out.tone(tone, mark), step.what)
}
