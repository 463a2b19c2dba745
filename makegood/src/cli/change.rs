//! A command that changes something: show the plan, ask, apply exactly that plan, verify, print the receipt.

use ops::{Mode, OperationDef};
use serde_json::Value;

use super::backend::{Backend, Receipt};
use super::exit::Exit;
use super::failure::Failure;
use super::globals::Globals;
use super::render::{self, Look, Shown};
use super::terminal::Terminal;

/// Runs `operation` as the flags want it.
pub async fn change(
    terminal: &Terminal,
    globals: &Globals,
    backend: &Backend,
    operation: &'static OperationDef,
    input: Value,
) -> Result<Exit, Failure> {
    let preview = backend.run(operation, input.clone(), Mode::Preview, None).await?;
    if globals.dry_run {
        print(terminal, &preview, render::plan(&preview, Look::of_results(terminal, backend.now())))?;
        return match refused(&preview) {
            Some(refusal) => Err(refusal),
            None => Ok(Exit::Ok),
        };
    }
    let refusal = refused(&preview);
    // Whoever said yes beforehand sees the changes in the receipt, once.
    let shown = if globals.yes && refusal.is_none() { Shown::NotYet } else { Shown::Before };
    if shown == Shown::Before {
        terminal.say(&render::plan(&preview, Look::of_talk(terminal, backend.now())));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    // What was shown, or what was approved before, is all that may be applied.
    let plan_id = globals.plan.clone().unwrap_or_else(|| preview.plan_id.clone());
    let reason = match preview.plan.is_empty() {
        true => globals.reason.clone().or_else(|| Some("it is so already".into())),
        false => Some(consent(terminal, globals)?),
    };
    let receipt = backend.run(operation, input, Mode::Apply { plan_id: Some(plan_id) }, reason).await?;
    print(terminal, &receipt, render::receipt(&receipt, shown, Look::of_results(terminal, backend.now())))?;
    Ok(if receipt.verified { Exit::Ok } else { Exit::Unverified })
}

/// Nobody to ask: then the flags must have said everything, before anything is looked at, or made.
///
/// # Errors
/// When a flag is missing that nobody can be asked for.
pub fn must_be_answerable(terminal: &Terminal, globals: &Globals, name: &str) -> Result<(), Failure> {
    if terminal.can_ask || globals.dry_run {
        return Ok(());
    }
    if !globals.yes {
        let detail = format!("{name} changes things, and there is nobody to ask");
        return Err(Failure::new("flag_required", detail)
            .fix("add --yes to apply it, or --dry-run to see what would change"));
    }
    if reason_of(globals).is_none() {
        let detail = format!("{name} changes things; say why");
        return Err(Failure::new("reason_required", detail).fix("add --reason TEXT"));
    }
    Ok(())
}

fn reason_of(globals: &Globals) -> Option<String> {
    globals.reason.clone().filter(|reason| !reason.trim().is_empty())
}

/// The guard that does not hold, if one does not.
fn refused(preview: &Receipt) -> Option<Failure> {
    let guard = preview.guards.iter().find(|guard| !guard.holds)?;
    let detail = format!("{}: {} does not hold: {}", preview.operation, guard.name, guard.seen);
    Some(
        Failure::new("refused_by_guard", detail).fix("a guard has no override; make it hold, then try again"),
    )
}

/// Asks for what the flags have not said: the reason, then the go-ahead.
fn consent(terminal: &Terminal, globals: &Globals) -> Result<String, Failure> {
    let reason = reason(terminal, globals, "nothing was changed")?;
    if globals.yes {
        return Ok(reason);
    }
    go_ahead(terminal, "Apply?")?;
    Ok(reason)
}

/// Why, from the flag or from whoever can be asked.
///
/// # Errors
/// When nobody says.
pub fn reason(terminal: &Terminal, globals: &Globals, otherwise: &str) -> Result<String, Failure> {
    let asked = || terminal.can_ask.then(|| terminal.ask("Why? (kept in the audit log)")).flatten();
    let reason = reason_of(globals).or_else(|| asked().filter(|reason| !reason.is_empty()));
    reason.ok_or_else(|| {
        Failure::new("reason_required", format!("{otherwise}; say why")).fix("add --reason TEXT")
    })
}

/// Ends the command unless somebody says yes.
pub fn go_ahead(terminal: &Terminal, question: &str) -> Result<(), Failure> {
    match terminal.ask(&format!("{question} [y/N]")).as_deref() {
        Some("y" | "Y" | "yes" | "Yes") => Ok(()),
        _ => {
            terminal.say("nothing was changed");
            Err(Failure::said(Exit::Error))
        }
    }
}

fn print(terminal: &Terminal, receipt: &Receipt, text: String) -> Result<(), Failure> {
    match terminal.json {
        Some(_) => terminal.print_json(&serde_json::to_value(receipt)?),
        None => terminal.print(&text),
    }
}
