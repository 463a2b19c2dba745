//! A command that talks to the world and may take long: ask why where it changes something, show how far it is, print the
//! answer.

use ops::{Changing, FINDINGS, PLAN_ID, Risk, TaskDef};
use serde_json::{Map, Value};
use shop::Shop;

use super::backend::Backend;
use super::change::{go_ahead, reason};
use super::exit::Exit;
use super::failure::Failure;
use super::globals::Globals;
use super::progress::Bar;
use super::render::{self, Look};
use super::terminal::Terminal;

/// What is asked of a task, wherever it runs.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its input.
    pub input: Value,
    /// Only what it would do.
    pub dry_run: bool,
    /// Why; none where nothing changes.
    pub reason: Option<String>,
}

/// Runs `task` as the flags want it.
pub async fn task(
    terminal: &Terminal,
    globals: &Globals,
    backend: &Backend,
    task: &'static TaskDef<Shop>,
    input: Value,
) -> Result<Exit, Failure> {
    if task.has_plan() {
        return with_plan(terminal, globals, backend, task, input).await;
    }
    if globals.plan.is_some() {
        return Err(Failure::usage(format!("{} has no plan; --dry-run says what it would do", task.name)));
    }
    let dry_run = globals.dry_run;
    let asked = if dry_run { task.preview(input.clone()) } else { task.read(input.clone()) }?;
    let reason = match &asked.changing {
        None => None,
        Some(changing) => {
            let reason = reason(terminal, globals, &format!("{} changes things", task.name))?;
            if asks(globals, changing) {
                show_beforehand(terminal, backend, task, &input).await?;
                go_ahead(terminal, "Do it?")?;
            }
            Some(reason)
        }
    };
    let mut bar = Bar::new(terminal);
    let answer = backend.perform(task, Wanted { input, dry_run, reason }, &mut bar).await;
    bar.clear();
    show(terminal, &answer?, task.columns, Look::of_results(terminal, backend.now()))
}

/// Shows the plan, asks, and has exactly that plan applied.
async fn with_plan(
    terminal: &Terminal,
    globals: &Globals,
    backend: &Backend,
    task: &'static TaskDef<Shop>,
    mut input: Value,
) -> Result<Exit, Failure> {
    if task.effect.changing().is_none() {
        return Err(Failure::usage(format!("{} changes nothing", task.name)));
    }
    let mut bar = Bar::new(terminal);
    let wanted = Wanted { input: input.clone(), dry_run: true, reason: None };
    let seen = backend.perform(task, wanted, &mut bar).await;
    bar.clear();
    let seen = seen?;
    if globals.dry_run || seen["status"] == "already" {
        return show(terminal, &seen, task.columns, Look::of_results(terminal, backend.now()));
    }
    if !globals.yes {
        terminal.say(&text(&seen, task.columns, Look::of_talk(terminal, backend.now())));
    }
    let reason = reason(terminal, globals, &format!("{} changes things", task.name))?;
    if !globals.yes {
        go_ahead(terminal, "Apply?")?;
    }
    // What was shown, or what was approved before, is all that may be applied.
    let shown = || seen[PLAN_ID].as_str().map(str::to_owned);
    input[PLAN_ID] = globals.plan.clone().or_else(shown).into();
    let mut bar = Bar::new(terminal);
    let answer =
        backend.perform(task, Wanted { input, dry_run: false, reason: Some(reason) }, &mut bar).await;
    bar.clear();
    show(terminal, &answer?, task.columns, Look::of_results(terminal, backend.now()))
}

/// What is safe at any time needs no go-ahead.
fn asks(globals: &Globals, changing: &Changing) -> bool {
    !globals.yes && changing.risk != Risk::Safe
}

/// Nobody to ask: then the flags must have said everything, before anything is looked at, or made.
///
/// # Errors
/// When a flag is missing that nobody can be asked for, or the input cannot be read.
pub fn must_be_answerable(
    terminal: &Terminal,
    globals: &Globals,
    task: &TaskDef<Shop>,
    input: &Value,
) -> Result<(), Failure> {
    if terminal.can_ask || globals.dry_run {
        return Ok(());
    }
    match task.read(input.clone())?.changing {
        Some(changing) if asks(globals, &changing) => {
            let detail = format!("{} changes things, and there is nobody to ask", task.name);
            Err(Failure::new("flag_required", detail).fix("add --yes"))
        }
        _ => Ok(()),
    }
}

/// Where it can be said what would change, it is said before anybody is asked.
async fn show_beforehand(
    terminal: &Terminal,
    backend: &Backend,
    task: &'static TaskDef<Shop>,
    input: &Value,
) -> Result<(), Failure> {
    if task.preview(input.clone()).is_err() {
        return Ok(());
    }
    let mut bar = Bar::new(terminal);
    let wanted = Wanted { input: input.clone(), dry_run: true, reason: None };
    let answer = backend.perform(task, wanted, &mut bar).await;
    bar.clear();
    terminal.say(&text(&answer?, task.columns, Look::of_talk(terminal, backend.now())));
    Ok(())
}

fn show(terminal: &Terminal, answer: &Value, columns: &[&str], look: Look) -> Result<Exit, Failure> {
    let findings = answer[FINDINGS].as_u64();
    match terminal.json {
        Some(_) => terminal.print_json(answer)?,
        None => terminal.print(&text(answer, columns, look))?,
    }
    if answer["data"].as_array().is_some_and(Vec::is_empty) {
        terminal.say(if findings.is_some() { "nothing found" } else { "nothing there" });
    }
    Ok(match findings.unwrap_or(0) {
        _ if answer["verified"] == false => Exit::Unverified,
        0 => Exit::Ok,
        _ => Exit::Findings,
    })
}

/// The answer for people: a list, and below it what is said beside its rows.
fn text(answer: &Value, columns: &[&str], look: Look) -> String {
    let mut text = render::answer(answer, columns, look);
    let Some(fields) = answer.as_object().filter(|_| answer["object"] == "list") else { return text };
    let besides = |name: &str| !matches!(name, "object" | "data" | "has_more" | "url");
    let beside: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| besides(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !beside.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}", render::fields(&Value::Object(beside), look)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use kernel::Timestamp;
    use serde_json::json;

    fn plain(answer: &Value, columns: &[&str]) -> String {
        let look = Look { paint: Paint(false), width: None, verbose: false, now: Timestamp::from_seconds(0) };
        text(answer, columns, look)
    }

    #[test]
    fn what_stands_beside_the_rows_is_shown_below_them() {
        let rows = json!({ "object": "list", "data": [{ "id": "a" }], "has_more": false, "findings": 1 });
        assert_eq!(plain(&rows, &["id"]), "id\na\n\nfindings  1\n");
        let none = json!({ "object": "list", "data": [], "has_more": false, "findings": 0 });
        assert_eq!(plain(&none, &["id"]), "findings  0\n");
        let object = json!({ "object": "cleanup", "cancelled": 3 });
        assert_eq!(plain(&object, &[]), "cancelled  3\n");
    }
}
