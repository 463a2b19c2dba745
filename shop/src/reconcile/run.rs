//! A whole comparison: begun or gone on with, stage by stage, and ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use db::TxResult;
use kernel::{Error, Result, Timestamp};
use ops::{By, Progress, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::compare::plain;
use super::stage::Stage;
use super::store::{self, Asked, Count, Run};
use super::walk::{self, Halt, Walk};
use super::{Area, Cause};
use crate::ids::ReconciliationId;
use crate::seam::Seam;

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// Payments at Stripe, with what was refunded of them, and the sessions in which they were made.
    Payments,
    /// Refunds, and those that were asked for here.
    Refunds,
    /// Disputes, early fraud warnings and reviews.
    Disputes,
    /// Checkout sessions, and whether each order is what is known of it.
    Orders,
    /// Access against the orders that brought it.
    Entitlements,
    /// Stock against its ledger and its reservations.
    Inventory,
}

impl Scope {
    /// Whether this area belongs to it.
    pub(super) fn holds(self, area: Area) -> bool {
        match self {
            Scope::All => true,
            Scope::Payments => area == Area::Payments,
            Scope::Refunds => area == Area::Refunds,
            Scope::Disputes => area == Area::Disputes,
            Scope::Orders => area == Area::Orders,
            Scope::Entitlements => area == Area::Entitlements,
            Scope::Inventory => area == Area::Inventory,
        }
    }

    /// As typed and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::All => "all",
            Scope::Payments => "payments",
            Scope::Refunds => "refunds",
            Scope::Disputes => "disputes",
            Scope::Orders => "orders",
            Scope::Entitlements => "entitlements",
            Scope::Inventory => "inventory",
        }
    }
}

/// What is wished for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// What is compared.
    pub scope: Scope,
    /// Instead of that only one order, or one object at Stripe.
    pub only: Option<String>,
    /// Only objects and orders made since then, as it was typed, and as a moment.
    pub from: Option<(String, Timestamp)>,
    /// Whether what is safe is mended.
    pub apply: bool,
    /// Whether a run that was cut off is begun anew.
    pub from_start: bool,
}

/// How a comparison ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The run; its findings stay there.
    pub id: ReconciliationId,
    /// Its totals.
    pub summary: Value,
    /// What was found, the first of it.
    pub findings: Vec<Value>,
    /// How many findings were not mended.
    pub remaining: u64,
    /// Why it ended before its end, if it did: asked for again, it goes on there.
    pub stopped: Option<String>,
}

/// Findings in the answer; the others are listed by a view.
const SHOWN: i64 = 200;

/// Compares what is known here with Stripe's objects, and every room with itself. Goes on with a run of the same kind that
/// was cut off or stopped less than a day ago.
///
/// # Errors
/// `NotFound` when the one order is not here; refused when Stripe refuses (a key without the permission), or when another
/// process has gone on with the run. That Stripe does not answer is no error: the outcome says how far it came.
pub async fn reconcile(seam: &Seam, wish: Wish, by: &By, progress: &dyn Progress) -> Result<Outcome> {
    let run = begin(seam, &wish, by).await?;
    let mut walk =
        Walk { seam, run: run.clone(), applies: wish.apply, by: as_itself(&run, by), shown: BTreeSet::new() };
    let walked = match &wish.only {
        Some(id) => only(&mut walk, id).await,
        None => all(&mut walk, wish.scope, progress).await,
    };
    let stopped = match walked {
        Ok(()) => None,
        Err(Halt::NotNow(why)) => Some(why),
        Err(Halt::Failed(error)) => {
            end(seam, &run, Some(error.to_string())).await?;
            return Err(error);
        }
    };
    end(seam, &run, stopped.clone()).await?;
    outcome(seam, &wish, &run, stopped).await
}

async fn begin(seam: &Seam, wish: &Wish, by: &By) -> Result<Arc<Run>> {
    let asked = Asked {
        scope: wish.only.clone().unwrap_or_else(|| wish.scope.as_str().to_owned()),
        from: wish.from.as_ref().map(|(text, _)| text.clone()),
        since: wish.from.as_ref().map(|(_, since)| *since),
        applies: wish.apply,
    };
    let (cx, by, anew) = (seam.cx(), by.clone(), wish.from_start || wish.only.is_some());
    let begun = seam.db.write("reconcile.begin", move |tx| store::begin(tx, &cx, &asked, &by, anew)).await;
    // Begun twice, the second goes on with the first.
    Ok(Arc::new(begun.safe_to_repeat()?))
}

/// Operations are run by the comparison itself; who asked for it stands in the reason.
fn as_itself(run: &Run, by: &By) -> By {
    let why = by.reason.as_deref().unwrap_or("no reason given");
    By {
        actor: walk::cause(),
        role: Role::Operator,
        reason: Some(format!("{}, asked for by {}: {why}", run.id, by.actor.name)),
        request_id: by.request_id.clone(),
    }
}

/// What was looked at counts also when it was cut off.
async fn only(walk: &mut Walk<'_>, id: &str) -> Result<(), Halt> {
    let mut count = Count::default();
    let looked = walk.one(id, &mut count).await;
    keep_place(walk, Stage::Only, None, count, looked.is_ok()).await?;
    looked
}

async fn all(walk: &mut Walk<'_>, scope: Scope, progress: &dyn Progress) -> Result<(), Halt> {
    let mut looked_at = 0;
    for stage in Stage::of(scope) {
        let (mut place, mut done) = walk.run.places.get(stage.as_str()).cloned().unwrap_or_default();
        while !done {
            progress.at(looked_at, None, &stage.as_str().replace('_', " "));
            let step = walk.step(stage, place.as_deref()).await?;
            looked_at += step.count.looked_at.unsigned_abs();
            keep_place(walk, stage, step.place.clone(), step.count, step.done).await?;
            (place, done) = (step.place.or(place), step.done);
        }
    }
    progress.at(looked_at, None, "done");
    Ok(())
}

async fn keep_place(
    walk: &Walk<'_>,
    stage: Stage,
    place: Option<String>,
    count: Count,
    done: bool,
) -> Result<()> {
    let (now, run) = (walk.seam.now(), walk.run.clone());
    walk.seam
        .db
        .write("reconcile.step", move |tx| {
            store::hold(tx, now, &run)?;
            store::step(tx, &run, stage, place.as_deref(), count, done)
        })
        .await
        .must_be_looked_up()
}

async fn end(seam: &Seam, run: &Arc<Run>, why: Option<String>) -> Result<()> {
    let (now, run) = (seam.now(), run.clone());
    seam.db.write("reconcile.end", move |tx| store::end(tx, now, &run, why.as_deref())).await.safe_to_repeat()
}

async fn outcome(seam: &Seam, wish: &Wish, run: &Run, stopped: Option<String>) -> Result<Outcome> {
    let id = run.id;
    let read = seam.db.read("reconcile.outcome", move |tx| {
        let summary = store::find(tx, id)?.ok_or_else(|| Error::not_found("reconciliation", id))?;
        Ok((summary, store::findings(tx, id, None, SHOWN)?))
    });
    let (summary, mut findings) = read.await?;
    let mut remaining = summary["remaining"].as_u64().unwrap_or_default();
    if let Some(why) = &stopped {
        // What was not compared may differ: nobody shall believe that all is well.
        findings.push(not_finished(wish, why)?);
        remaining += 1;
    }
    Ok(Outcome { id, summary, findings, remaining, stopped })
}

fn not_finished(wish: &Wish, why: &str) -> Result<Value> {
    let from = wish.from.as_ref().map(|(text, _)| text);
    let mut command = format!("makegood reconcile {}", wish.scope.as_str());
    for (flag, value) in [("only", wish.only.as_ref()), ("from", from)] {
        if let Some(value) = value {
            command.push_str(&format!(" --{flag} {value}"));
        }
    }
    if wish.apply {
        command.push_str(" --apply");
    }
    let text = format!("{why}; asked for again, it goes on from here");
    let mut finding = plain(Cause::NotFinished, wish.scope.as_str().to_owned(), None, text);
    finding.mend = Some(ops::Mend {
        operation: super::ops::NAME,
        input: json!({ "area": wish.scope, "only": wish.only, "from": from, "apply": wish.apply }),
        command,
    });
    crate::view::object("reconciliation_finding", &finding)
}
