//! Mends what was explained: exactly the plan that was seen, by the operation's or task's own runner.

use db::TxResult;
use kernel::{Refusal, Result};
use ops::audit::{self, Entry};
use ops::{By, Done, Mode, Plan, Progress, Receipt, Runner, TaskDef};
use serde_json::{Value, json};

use super::act::{Explained, Means, Planned};
use super::tasks::On;

/// What was planned, as an answer.
pub(super) fn planned<C>(explained: &Explained, planned: &Planned<C>, on: &dyn Fn() -> String) -> Value {
    let status = if planned.plan.is_already() { "already" } else { "previewed" };
    let mut shown = about(explained, planned.name, &planned.input);
    merge(&mut shown, receipt(&on(), status, &planned.plan, &planned.plan_id));
    let with = format!("makegood runbook apply {} {}", explained.runbook.id, explained.facts.asked);
    shown["next"] = format!("{with} --plan {}", planned.plan_id).into();
    shown
}

/// Nothing is to be done, because nothing is wrong.
pub(super) fn already(explained: &Explained, id: &str) -> Value {
    let mut shown = about(explained, "", &Value::Null);
    merge(&mut shown, receipt(id, "already", &Plan::default(), ""));
    shown
}

/// Does it.
///
/// # Errors
/// Refused as `stale_plan` when it is not what was approved; otherwise whatever the operation or task says.
pub(super) async fn apply<C: On>(
    on: &C,
    explained: &Explained,
    planned: Planned<C>,
    approved: Option<String>,
    by: &By,
    progress: &dyn Progress,
) -> Result<Value> {
    let mut shown = about(explained, planned.name, &planned.input);
    let done = match planned.means {
        Means::Operation(operation) => {
            let (runner, mode) = (Runner { db: on.db.clone() }, Mode::Apply { plan_id: approved });
            of_operation(&runner.run(operation, planned.input, mode, by.clone(), on.cx()).await?)
        }
        Means::Task(task) => {
            let id = on.cx().id::<ops::RunKind>().to_string();
            of_task(on, &task, &planned.input, (&planned.plan, &planned.plan_id), approved, by, progress, id)
                .await?
        }
    };
    merge(&mut shown, done);
    let verify = format!("makegood runbook verify {} {}", explained.runbook.id, explained.facts.asked);
    shown["next"] = verify.into();
    Ok(shown)
}

fn of_operation(receipt: &Receipt) -> Value {
    let mut done = self::receipt(
        &receipt.id.to_string(),
        if receipt.audit_id.is_some() { "applied" } else { "already" },
        &receipt.plan,
        &receipt.plan_id,
    );
    done["verify"] = json!(receipt.verify);
    done["verified"] = receipt.is_verified().into();
    done["audit_id"] = json!(receipt.audit_id);
    done
}

#[allow(clippy::too_many_arguments, reason = "a task has no receipt that would hold them together")]
async fn of_task<C: On>(
    on: &C,
    task: &TaskDef<C>,
    input: &Value,
    (plan, plan_id): (&Plan, &str),
    approved: Option<String>,
    by: &By,
    progress: &dyn Progress,
    id: String,
) -> Result<Value> {
    if let Some(guard) = plan.guards.iter().find(|guard| !guard.holds) {
        let why = format!("{}: {} does not hold: {}", task.name, guard.name, guard.seen);
        return Err(Refusal::new("refused_by_guard", why).into());
    }
    if let Some(approved) = approved.filter(|approved| approved != plan_id) {
        let why = format!("{} was planned as {approved}; what it would do now is {plan_id}", task.name);
        return Err(Refusal::new("stale_plan", why)
            .fix("look at a new preview, then apply that plan")
            .into());
    }
    let asked = task.read(input.clone())?;
    let audit = asked.changing.map(|changing| changing.audit);
    let done = asked.run(on, by, progress).await?;
    if let Some(audit) = audit {
        written_down(on, audit, task.name, (input, &id), by, &done).await?;
    }
    let mut shown = receipt(&id, "applied", plan, plan_id);
    let left = done.findings.unwrap_or_default();
    shown["verify"] = json!([{ "must": format!("{} leaves nothing to mend", task.name), "holds": left == 0,
        "seen": format!("{left} things are left") }]);
    shown["verified"] = (left == 0).into();
    shown["answer"] = done.summary();
    Ok(shown)
}

/// The task's own entry in the audit log, as where it is run by itself. What it has changed is written down by the rooms, in
/// the same transactions.
async fn written_down<C: On>(
    on: &C,
    kind: &'static str,
    task: &'static str,
    (input, id): (&Value, &str),
    by: &By,
    done: &Done,
) -> Result<()> {
    let cx = on.cx();
    let mut entry = Entry::new(kind, by.actor.clone(), "runbook", id)
        .because(by.reason.as_deref())
        .with(json!({ "task": task, "input": input, "answer": done.summary(), "role": by.role }));
    entry.request_id = by.request_id.clone();
    let written =
        on.db.write("runbooks.audit", move |tx| audit::record(tx, &cx, vec![entry.clone()]).map(drop));
    written.await.must_be_looked_up()
}

fn about(explained: &Explained, operation: &str, input: &Value) -> Value {
    let mut shown = explained.head("runbook_plan");
    shown["operation"] = operation.into();
    shown["input"] = input.clone();
    shown
}

/// The fields in which every plan and receipt is told.
fn receipt(id: &str, status: &str, plan: &Plan, plan_id: &str) -> Value {
    json!({ "id": id, "status": status, "plan": plan.changes, "guards": plan.guards, "plan_id": plan_id, "verify": [],
        "verified": true, "audit_id": null })
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}
