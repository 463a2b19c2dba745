//! A command that changes something: show the plan, ask, apply exactly that plan, verify, print the receipt.

use ops::{Mode, OperationDef};
use serde_json::Value;

use super::backend::{Backend, Receipt};
use super::exit::Exit;
use super::failure::Failure;
use super::globals::Globals;
use super::render::{self, Look};
use super::terminal::Terminal;

/// Runs `operation` as the flags want it.
pub async fn change(
    terminal: &Terminal,
    globals: &Globals,
    backend: &Backend,
    operation: &'static OperationDef,
    input: Value,
) -> Result<Exit, Failure> {
    if !globals.dry_run {
        must_be_answerable(terminal, globals, operation.name)?;
    }
    let preview = backend.run(operation, input.clone(), Mode::Preview, None).await?;
    if globals.dry_run {
        print(terminal, &preview, render::plan(&preview, Look::of_results(terminal, backend.now())))?;
        return match refused(&preview) {
            Some(refusal) => Err(refusal),
            None => Ok(Exit::Ok),
        };
    }
    if terminal.json.is_none() || !globals.yes {
        terminal.say(&render::plan(&preview, Look::of_talk(terminal, backend.now())));
    }
    if let Some(refusal) = refused(&preview) {
        return Err(refusal);
    }
    // What was shown, or what was approved before, is all that may be applied.
    let plan_id = globals.plan.clone().unwrap_or_else(|| preview.plan_id.clone());
    let reason = match preview.plan.is_already() {
        true => globals.reason.clone().or_else(|| Some("it is so already".into())),
        false => Some(consent(terminal, globals)?),
    };
    let receipt = backend.run(operation, input, Mode::Apply { plan_id: Some(plan_id) }, reason).await?;
    print(terminal, &receipt, render::receipt(&receipt, Look::of_results(terminal, backend.now())))?;
    Ok(if receipt.is_verified() { Exit::Ok } else { Exit::Unverified })
}

/// Nobody to ask: then the flags must have said everything, before anything is looked at.
fn must_be_answerable(terminal: &Terminal, globals: &Globals, name: &str) -> Result<(), Failure> {
    if terminal.can_ask {
        return Ok(());
    }
    if !globals.yes {
        let detail = format!("{name} changes things, and there is nobody to ask");
        return Err(Failure::new("flag_required", detail).fix("add --yes to apply it, or --dry-run to see what would change"));
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
    let guard = preview.plan.guards.iter().find(|guard| !guard.holds)?;
    let detail = format!("{}: {} does not hold: {}", preview.operation, guard.name, guard.seen);
    Some(Failure::new("refused_by_guard", detail).fix("a guard has no override; make it hold, then try again"))
}

/// Asks for what the flags have not said: the reason, then the go-ahead.
fn consent(terminal: &Terminal, globals: &Globals) -> Result<String, Failure> {
    let reason = match reason_of(globals) {
        Some(reason) => reason,
        None => terminal
            .ask("Why? (kept in the audit log)")
            .filter(|reason| !reason.is_empty())
            .ok_or_else(|| Failure::new("reason_required", "nothing was changed: no reason was given"))?,
    };
    if globals.yes {
        return Ok(reason);
    }
    match terminal.ask("Apply? [y/N]").as_deref() {
        Some("y" | "Y" | "yes" | "Yes") => Ok(reason),
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
