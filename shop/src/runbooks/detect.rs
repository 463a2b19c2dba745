//! Looks for the fault of a runbook: its checks, and what they cannot see.

use db::Tx;
use kernel::{Error, Result, Timestamp};
use ops::{By, FINDINGS, Finding, Look, Progress};
use serde_json::{Value, json};

use super::Runbook;
use super::act::{Means, means};
use super::gather::ALL;
use super::tasks::On;
use crate::around::is_wrong;
use crate::office::doctor::DOCTOR;
use crate::reconcile::Cause;

/// A comparison that stopped before its end.
const NOT_FINISHED: &str = Cause::NotFinished.as_str();

/// What the checks of a runbook find.
pub(super) fn findings(tx: &mut Tx<'_>, runbook: &Runbook, now: Timestamp) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    for check in crate::checks().iter().filter(|check| runbook.checks.contains(&check.name)) {
        all.extend(check.run(tx, now)?);
    }
    Ok(all)
}

/// Everything that is found, a row for each.
pub(super) async fn detect<C: On>(
    on: &C,
    runbook: &'static Runbook,
    by: &By,
    progress: &dyn Progress,
) -> Result<Vec<Value>> {
    let now = on.now();
    let found = match runbook.checks.is_empty() {
        // The database may be what is wrong.
        true => Vec::new(),
        false => on.db.read("runbooks.detect", move |tx| findings(tx, runbook, now)).await?,
    };
    let mut rows: Vec<Value> = found.iter().map(|found| of_check(runbook, found)).collect();
    for look in runbook.looks {
        let input = serde_json::from_str(look.input).map_err(|e| Error::Bug(Box::new(e)))?;
        let Means::Task(task) = means::<C>(look.task)? else {
            return Err(Error::bug(format!("{} is no task", look.task)));
        };
        let done = task.read(input)?.run(on, by, progress).await?;
        let answer = done.shown();
        match look.task {
            "events.gaps" => rows.extend(of_gaps(runbook, &answer)),
            "courses.check" => rows.extend(of_content(runbook, look.causes, &answer)),
            "secrets.list" => rows.extend(of_secrets(runbook, &answer)),
            DOCTOR => rows.extend(of_doctor(runbook, look, &answer)),
            _ => rows.extend(of_comparison(runbook, look, &answer)),
        }
    }
    Ok(rows)
}

fn row(runbook: &Runbook, source: &str, subject: &str, text: &str, since: Value) -> Value {
    json!({
        "object": "runbook_finding",
        "runbook": runbook.id,
        "source": source,
        "subject": subject,
        "text": text,
        "since": since,
        "command": runbook.explain(subject),
    })
}

fn of_check(runbook: &Runbook, found: &Finding) -> Value {
    row(runbook, found.check, &found.subject, &found.text, json!(found.since))
}

fn of_comparison(runbook: &Runbook, look: &Look, answer: &Value) -> Vec<Value> {
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let ours = rows.into_iter().filter(|found| {
        let cause = text(found, "cause");
        look.wants(&cause) || cause == NOT_FINISHED
    });
    ours.map(|found| {
        // What was not looked at is about nothing that could be explained; it is to be looked at again.
        if text(&found, "cause") == NOT_FINISHED {
            let mut again = row(runbook, NOT_FINISHED, "", &text(&found, "text"), Value::Null);
            (again["subject"], again["command"]) = (Value::Null, runbook.detect().into());
            return again;
        }
        let subject = found["order"].as_str().map_or_else(|| text(&found, "subject"), str::to_owned);
        row(runbook, &text(&found, "cause"), &subject, &text(&found, "text"), Value::Null)
    })
    .collect()
}

fn of_content(runbook: &Runbook, causes: &[&str], answer: &Value) -> Vec<Value> {
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let ours = rows.into_iter().filter(|found| causes.contains(&text(found, "cause").as_str()));
    ours.map(|found| {
        // A film is no thing of the shop's; its course is.
        let subject = if text(&found, "cause") == "file_missing" { "subject" } else { "course" };
        row(runbook, &text(&found, "cause"), &text(&found, subject), &text(&found, "text"), Value::Null)
    })
    .collect()
}

/// Of each secret what is wrong with it.
fn of_secrets(runbook: &Runbook, answer: &Value) -> Vec<Value> {
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    let wrong = |found: &Value| {
        let why = found["trouble"].as_str().or(found["unmatched"].as_str())?;
        Some(row(runbook, "secrets.list", found["name"].as_str()?, why, Value::Null))
    };
    rows.iter().filter_map(wrong).collect()
}

/// What doctor finds, of these probes or of all that it looked at.
fn of_doctor(runbook: &Runbook, look: &Look, answer: &Value) -> Vec<Value> {
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    let wrong = |found: &Value| {
        let id = found["id"].as_str()?;
        (look.wants(id) && is_wrong(found))
            .then(|| row(runbook, DOCTOR, id, found["seen"].as_str().unwrap_or_default(), Value::Null))
    };
    rows.iter().filter_map(wrong).collect()
}

/// Many events may be missing, and they have one cause.
fn of_gaps(runbook: &Runbook, answer: &Value) -> Option<Value> {
    let missing = answer[FINDINGS].as_u64().filter(|missing| *missing > 0)?;
    let text = format!(
        "Stripe has {missing} events since {} that are not here",
        answer["since"].as_str().unwrap_or("then")
    );
    Some(row(runbook, "events.gaps", ALL, &text, Value::Null))
}
