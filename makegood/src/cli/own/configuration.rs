//! `makegood config`

use serde_json::json;

use super::Call;
use crate::cli::backend::config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::{Look, table};
use crate::cli::terminal::Tone;
use crate::config::{Config, Form, KEYS, Key, Secrecy, Setting, Sources, Use};

/// Show every key, its value and where it came from; secrets are never shown
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// Also keys that are not set and those that this version does not act on
    #[arg(short, long)]
    pub all: bool,
}

pub fn show(call: &Call<'_>, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let config = config()?;
    let wanted =
        |setting: &&Setting| arguments.all || (setting.shown.is_some() && setting.key.used == Use::Now);
    let rows: Vec<_> = config.settings().iter().filter(wanted).map(row).collect();
    if call.terminal.json.is_some() {
        call.terminal.print_json(&json!({ "object": "list", "data": rows, "has_more": false }))?;
        return Ok(Exit::Ok);
    }
    let look = Look::of_results(call.terminal, kernel::Timestamp::from_seconds(0));
    call.terminal.print(&table(&["key", "value", "source"], &rows, look))?;
    config.warnings.iter().for_each(|warning| call.terminal.say(&format!("warning: {warning}")));
    Ok(Exit::Ok)
}

fn row(setting: &Setting) -> serde_json::Value {
    let is_used = setting.key.used == Use::Now;
    json!({
        "key": setting.key.name, "value": setting.shown, "source": setting.source.to_string(), "help": setting.key.help,
        "used": is_used, "secret": setting.key.secrecy == Secrecy::Secret,
    })
}

pub fn check(call: &Call<'_>) -> Result<Exit, Failure> {
    let problems = match Sources::of_process(None).and_then(|sources| Config::load(&sources)) {
        Err(problems) => problems,
        Ok(config) => {
            config.warnings.iter().for_each(|warning| call.terminal.say(&format!("warning: {warning}")));
            config.missing_for_serving()
        }
    };
    if call.terminal.json.is_some() {
        let rows: Vec<_> =
            problems.iter().map(|problem| json!({ "key": problem.key, "what": problem.what })).collect();
        call.terminal.print_json(&json!({ "object": "list", "data": rows, "has_more": false }))?;
    } else {
        let paint = call.terminal.out;
        let mark = paint.tone(Tone::Bad, "✗");
        let lines: String = problems.iter().map(|problem| format!("{mark} {problem}\n")).collect();
        let good = format!("{} the configuration is complete\n", paint.tone(Tone::Good, "✓"));
        call.terminal.print(if problems.is_empty() { &good } else { &lines })?;
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Findings })
}

pub fn env(call: &Call<'_>) -> Result<Exit, Failure> {
    match call.terminal.json {
        Some(_) => {
            let rows: Vec<_> = KEYS.iter().map(described).collect();
            call.terminal.print_json(&json!({ "object": "list", "data": rows, "has_more": false }))?;
        }
        None => call.terminal.print(&KEYS.iter().map(lines).collect::<String>())?,
    }
    Ok(Exit::Ok)
}

fn described(key: &Key) -> serde_json::Value {
    let words = match key.form {
        Form::Choice(words) => json!(words),
        Form::Bool => json!(["true", "false"]),
        _ => json!(null),
    };
    json!({
        "key": key.name, "default": key.default, "help": key.help, "words": words, "used": key.used == Use::Now,
        "secret": key.secrecy == Secrecy::Secret,
    })
}

/// A key as a commented line that becomes a setting when the `#` is taken away.
fn lines(key: &Key) -> String {
    let words = match key.form {
        Form::Choice(words) => format!(" ({})", words.join(", ")),
        Form::Bool => " (true, false)".into(),
        _ => String::new(),
    };
    let not_yet = if key.used == Use::NotYet { "; this version does not act on it" } else { "" };
    format!("# {}{words}{not_yet}\n#{}={}\n\n", key.help, key.name, key.default)
}
