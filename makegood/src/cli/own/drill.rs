//! `makegood runbook drill`

use clap::Args;
use shop::RUNBOOKS;
use shop::runbooks::Runbook;

use super::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Terminal, Tone};
use crate::drill::{Drilled, Engine, Step, drill};

/// Break a shop that is thrown away, and run a runbook's whole loop on it; the configured shop is never touched
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
}

pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let runbooks: Vec<&'static Runbook> = match &arguments.runbook {
        Some(id) => vec![shop::runbooks::find(id)?],
        None => RUNBOOKS.iter().collect(),
    };
    let engine = match arguments.postgres {
        Some(url) => Engine::Postgres(url),
        None => Engine::Sqlite(std::env::temp_dir()),
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

fn line(terminal: &Terminal, step: &Step) -> String {
    let (mark, tone) = if step.ok { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let seen = terminal.out.tone(Tone::Dim, &step.seen);
    format!("  {} {:<38}  {seen}", terminal.out.tone(tone, mark), step.what)
}
