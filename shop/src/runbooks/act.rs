//! Explains a subject, and says beforehand what mending it would change.

use kernel::{Error, Refusal, Result};
use ops::{
    About, By, Cause, Change, Guard, Mend, Mode, OperationDef, Plan, Progress, Receipt, Runner, Standing,
    TaskDef,
};
use serde_json::{Map, Value, json};

use super::gather::gather;
use super::tasks::On;
use super::{Facts, Runbook};
use crate::cases::{Key, orders_behind};
use crate::checkout::tasks::CleanUpFailed;
use crate::content::tasks::CheckContent;
use crate::ids::OrderId;
use crate::inbox::tasks::{Backfill, FindGaps};
use crate::media::tasks::TestUpload;
use crate::office::doctor::Doctor;
use crate::office::{connections, secrets};
use crate::reconcile::ops::Reconcile;

/// What a subject was found to suffer from.
pub(super) struct Explained {
    pub(super) runbook: &'static Runbook,
    pub(super) facts: Facts,
    pub(super) cause: &'static Cause,
    pub(super) because: String,
    pub(super) mend: Option<Mend>,
}

/// Reads the facts and picks the cause.
pub(super) async fn explain<C: On>(
    on: &C,
    id: &str,
    subject: &str,
    by: &By,
    progress: &dyn Progress,
) -> Result<Explained> {
    let runbook = super::find(id)?;
    let orders = orders_of(on, runbook, subject).await?;
    if orders.len() < 2 {
        return picked(runbook, gather(on, runbook, subject, orders.first().copied(), by, progress).await?);
    }
    if orders.len() > LOOKED_AT {
        return Err(which_of(subject, &orders));
    }
    // A buyer with several orders: one that is well says nothing of the others.
    let (mut broken, mut well) = (Vec::new(), None);
    for order in &orders {
        let facts = gather(on, runbook, subject, Some(*order), by, progress).await?;
        let explained = picked(runbook, facts)?;
        match explained.is_fine() {
            true => well = well.or(Some(explained)),
            false => broken.push((*order, explained)),
        }
    }
    match (broken.pop(), well) {
        (Some((_, explained)), _) if broken.is_empty() => Ok(explained),
        (Some((last, _)), _) => {
            let all: Vec<OrderId> = broken.iter().map(|(order, _)| *order).chain([last]).collect();
            Err(which_of(subject, &all))
        }
        (None, Some(well)) => {
            let because =
                format!("{}; nothing is wrong with the other {} either", well.because, orders.len() - 1);
            Ok(Explained { because, ..well })
        }
        (None, None) => Err(Error::not_found("trace of", subject)),
    }
}

/// So many orders of one buyer are looked at.
const LOOKED_AT: usize = 20;

fn which_of(subject: &str, orders: &[OrderId]) -> Error {
    let named: Vec<String> = orders.iter().take(LOOKED_AT).map(ToString::to_string).collect();
    let why = format!("{subject} leads to {} orders; say which of them: {}", orders.len(), named.join(", "));
    Error::invalid("subject", why)
}

/// The orders behind a subject, where the runbook is about one.
async fn orders_of<C: On>(on: &C, runbook: &Runbook, subject: &str) -> Result<Vec<OrderId>> {
    if !matches!(runbook.about, About::Order) {
        return Ok(Vec::new());
    }
    let key = Key::parse("subject", subject)?;
    on.db.read("runbooks.orders", move |tx| orders_behind(tx, &key)).await
}

fn picked(runbook: &'static Runbook, facts: Facts) -> Result<Explained> {
    let (id, picked) = (runbook.id, (runbook.pick)(&facts));
    let unlisted = || Error::bug(format!("{id} has no cause {}", picked.cause));
    let cause = runbook.cause(picked.cause).ok_or_else(unlisted)?;
    if let Some(mend) = picked.mend.as_ref().filter(|mend| !cause.mend.contains(&mend.operation)) {
        return Err(Error::bug(format!("{id}: {} is not mended by {}", cause.name, mend.operation)));
    }
    Ok(Explained { runbook, facts, cause, because: picked.because, mend: picked.mend })
}

impl Explained {
    pub(super) fn is_fine(&self) -> bool {
        self.cause.standing == Standing::Fine
    }

    /// The fields that every answer about a subject begins with.
    pub(super) fn head(&self, object: &str) -> Value {
        json!({
            "object": object,
            "runbook": self.runbook.id,
            "subject": self.facts.asked,
            "order": self.facts.order.as_ref().map(|order| order.id),
            "cause": self.cause.name,
            "fine": self.is_fine(),
            "means": self.cause.means,
            "because": self.because,
        })
    }

    /// Everything about it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.head("runbook_explanation");
        shown["mend"] = json!(self.mend);
        let next = match (&self.mend, self.is_fine()) {
            (_, true) => None,
            (Some(_), false) => {
                Some(format!("makegood runbook preview {} {}", self.runbook.id, self.facts.asked))
            }
            (None, false) => Some(format!("makegood runbook show {}", self.runbook.id)),
        };
        shown["next"] = json!(next);
        shown["facts"] = self.facts.shown().into();
        shown
    }

    /// What the customer is told.
    pub(super) fn reply(&self) -> String {
        match &self.facts.order {
            Some(order) => self.cause.reply.replace("{order}", &order.id.to_string()),
            None => {
                self.cause.reply.replace("order {order}", "your order").replace("Order {order}", "Your order")
            }
        }
    }
}

/// By what a cause is mended.
pub(super) enum Means<C: 'static> {
    Operation(&'static OperationDef),
    Task(TaskDef<C>),
}

pub(super) fn means<C: On>(name: &str) -> Result<Means<C>> {
    if let Some(operation) = crate::OPERATIONS.iter().find(|operation| operation.name == name) {
        return Ok(Means::Operation(operation));
    }
    let tasks = [
        TaskDef::of::<Reconcile>(),
        TaskDef::of::<Backfill>(),
        TaskDef::of::<FindGaps>(),
        TaskDef::of::<CleanUpFailed>(),
        TaskDef::of::<CheckContent>(),
        TaskDef::of::<TestUpload>(),
        TaskDef::of::<secrets::List>(),
        TaskDef::of::<secrets::Refresh>(),
        TaskDef::of::<Doctor>(),
        TaskDef::of::<connections::Cut>(),
    ];
    let task = tasks.into_iter().find(|task| task.name == name);
    task.map(Means::Task).ok_or_else(|| Error::bug(format!("nothing is called {name}")))
}

/// What mending would do now.
pub(super) struct Planned<C: 'static> {
    pub(super) means: Means<C>,
    pub(super) name: &'static str,
    pub(super) input: Value,
    pub(super) plan: Plan,
    pub(super) plan_id: String,
}

/// Plans the mend of what was explained; `with` adds inputs that only a person knows.
///
/// # Errors
/// Refused as `nothing_mends_it` when nothing here does; otherwise whatever the operation says.
pub(super) async fn plan<C: On>(
    on: &C,
    explained: &Explained,
    with: Option<&str>,
    by: &By,
    progress: &dyn Progress,
) -> Result<Planned<C>> {
    let Some(mend) = &explained.mend else { return Err(nothing_mends_it(explained).into()) };
    let (name, input) = (mend.operation, filled(&mend.input, with)?);
    let means = means::<C>(name)?;
    let plan = match &means {
        Means::Operation(operation) => preview(on, operation, &input, by).await?.plan,
        Means::Task(task) => foresee(on, task, &input, explained, by, progress).await?,
    };
    let plan_id = ops::plan_id(name, &input, &plan);
    Ok(Planned { means, name, input, plan, plan_id })
}

async fn preview<C: On>(on: &C, operation: &OperationDef, input: &Value, by: &By) -> Result<Receipt> {
    let runner = Runner { db: on.db.clone() };
    let missing = |error| match error {
        Error::Invalid { at, why } => {
            Error::invalid(at, format!("{why}; what only a person knows is given with --with NAME=VALUE"))
        }
        other => other,
    };
    runner.run(operation, input.clone(), Mode::Preview, by.clone(), on.cx()).await.map_err(missing)
}

/// What a task would do, by its own preview; where it has none, by the facts.
async fn foresee<C: On>(
    on: &C,
    task: &TaskDef<C>,
    input: &Value,
    explained: &Explained,
    by: &By,
    progress: &dyn Progress,
) -> Result<Plan> {
    let asked = match task.preview(input.clone()) {
        Ok(asked) => asked,
        Err(Error::Refused(Refusal { code: "no_preview", .. })) => return Ok(by_facts(explained)),
        Err(error) => return Err(error),
    };
    let done = asked.run(on, by, progress).await?;
    let rows = done.answer["data"].as_array().cloned().unwrap_or_default();
    let mut plan = Plan::default();
    for row in rows.iter().filter(|row| row["safe"] != false) {
        let changes: Vec<Change> = serde_json::from_value(row["plan"].clone()).unwrap_or_default();
        plan.changes.extend(changes);
    }
    let whole = done.answer["stopped_by"].is_null();
    let seen = done.answer["stopped_by"].as_str().unwrap_or("it answered").to_owned();
    plan.guards.push(Guard { name: "stripe_was_asked".into(), holds: whole, seen });
    Ok(plan)
}

fn by_facts(explained: &Explained) -> Plan {
    match &explained.facts.missing {
        Some(missing) if missing.count > 0 => {
            let what = format!("events of the last {}", missing.since);
            Plan::default().change(what, format!("{} are missing", missing.count), "fetched and processed")
        }
        _ if explained.facts.diagnoses.is_some() => Plan::default().change(
            "the secrets",
            explained.because.as_str(),
            "read again; a good value counts",
        ),
        _ => match &explained.facts.picture {
            Some((asset, false)) => {
                let what = format!("uploads to {}", asset.disk);
                Plan::default().change(what, asset.status.as_str(), "one is tried, and taken away again")
            }
            _ => explained.facts.secrets.iter().filter(|secret| secret.changes).fold(
                Plan::default(),
                |plan, secret| {
                    let what = format!("{} in {}", secret.name, secret.source);
                    plan.change(what, "as it was read last", "read again; a good value counts")
                },
            ),
        },
    }
}

fn nothing_mends_it(explained: &Explained) -> Refusal {
    let (cause, subject) = (explained.cause, &explained.facts.asked);
    Refusal::new("nothing_mends_it", format!("{subject}: {}: {}", cause.name, explained.because)).fix(
        format!(
            "no operation mends this: {} makegood runbook reply {} {subject} says what to tell the customer",
            cause.means, explained.runbook.id
        ),
    )
}

/// The inputs with what a person adds: `name=value`, with commas between. What the facts say cannot be replaced.
fn filled(input: &Value, with: Option<&str>) -> Result<Value> {
    let mut all: Map<String, Value> = input.as_object().cloned().unwrap_or_default();
    for pair in with.unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::invalid("with", format!("`{pair}` is not NAME=VALUE")));
        };
        if all.contains_key(name) {
            return Err(Error::invalid("with", format!("`{name}` is known from the facts: {}", all[name])));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        all.insert(name.to_owned(), value);
    }
    Ok(Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_adds_what_the_facts_do_not_know_and_replaces_nothing() {
        let input = json!({ "sku": "MUG" });
        let all = filled(&input, Some("pieces=12, note=on the shelf")).unwrap();
        assert_eq!(all, json!({ "sku": "MUG", "pieces": 12, "note": "on the shelf" }));
        assert_eq!(filled(&input, None).unwrap(), input);
        assert!(filled(&input, Some("sku=POSTER")).is_err());
        assert!(filled(&input, Some("pieces")).is_err());
    }
}
