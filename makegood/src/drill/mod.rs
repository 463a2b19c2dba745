//! Drills: a shop that is thrown away, a Stripe of its own beside it, a fault put into them, and the whole loop of the fault's
//! runbook run on it. The configured shop is no part of it.

mod around;
mod crowd;
mod disk;
mod faults;
mod pictures;
mod stage;
mod stripe;

use db::Db;
use kernel::{Duration, Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use shop::runbooks::Runbook;

pub use crate::bench::place::{Engine, Place};
use faults::{Broken, Hand};
use stage::Stage;

/// One step of a drill.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was done, or looked at.
    pub what: String,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
}

/// How a drill went.
#[derive(Debug, Clone, Serialize)]
pub struct Drilled {
    /// Which runbook.
    pub runbook: &'static str,
    /// Whether every step was as it must be.
    pub ok: bool,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Whether the fault is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// As the runbook says.
    Applied,
    /// Left out, and nobody works meanwhile, who might mend it unasked: to see that the drill notices.
    LeftOut,
}

/// Drills one runbook in a new place on this engine, which goes away afterwards.
///
/// # Errors
/// When the place cannot be made. Whatever goes wrong on it is a step that is not as it must be.
pub async fn drill(
    runbook: &'static Runbook,
    engine: &Engine,
    tell: &mut (dyn FnMut(&Step) + Send),
) -> Result<Drilled> {
    let place = Place::new(engine).await?;
    let db = Db::open(place.target(), db::Limits::default()).await?;
    Ok(drill_on(runbook, db, Mending::Applied, tell).await)
}

/// Drills one runbook on an empty database.
pub async fn drill_on(
    runbook: &'static Runbook,
    db: Db,
    mending: Mending,
    tell: &mut (dyn FnMut(&Step) + Send),
) -> Drilled {
    let mut drill = Drill { runbook, steps: Vec::new(), tell };
    if let Err(error) = drill.run(db, mending).await {
        drill.step("it goes on", false, &error.to_string());
    }
    let ok = drill.steps.iter().all(|step| step.ok);
    Drilled { runbook: runbook.id, ok, steps: drill.steps }
}

struct Drill<'t> {
    runbook: &'static Runbook,
    steps: Vec<Step>,
    tell: &'t mut (dyn FnMut(&Step) + Send),
}

/// After this time whatever a fault has left behind has shown.
const LATER: Duration = Duration::from_secs(8 * 3600);
const REASON: &str = "a drill";

impl Drill<'_> {
    fn step(&mut self, what: &str, ok: bool, seen: &str) {
        let step = Step { what: what.to_owned(), ok, seen: seen.to_owned() };
        (self.tell)(&step);
        self.steps.push(step);
    }

    async fn run(&mut self, db: Db, mending: Mending) -> Result<()> {
        let stage = Stage::open(db).await?;
        let before = stage.findings().await?;
        self.step(
            "a shop that is thrown away",
            before.is_empty(),
            "its own Stripe, its own clock; nothing is found",
        );
        let usual = self.rows(&stage).await?;
        let mut broken = faults::inject(self.runbook.id, &stage).await?;
        self.step("a fault is put in", true, broken.story);
        self.detect(&stage, &broken).await?;
        self.explain(&stage, &broken).await?;
        match broken.hand.take() {
            Some(hand) => self.by_hand(&stage, &broken, mending, hand).await?,
            None => {
                let plan_id = self.preview(&stage, &broken).await?;
                if mending == Mending::Applied {
                    self.apply(&stage, &broken, &plan_id).await?;
                }
            }
        }
        if mending == Mending::Applied {
            stage.settle().await?;
        }
        self.verify(&stage, &broken).await?;
        self.afterwards(&stage, &usual).await
    }

    /// What is detected now.
    async fn rows(&self, stage: &Stage) -> Result<Vec<Value>> {
        let found = stage.ask("runbooks.detect", json!({ "runbook": self.runbook.id })).await?;
        Ok(found.answer["data"].as_array().cloned().unwrap_or_default())
    }

    async fn detect(&mut self, stage: &Stage, broken: &Broken) -> Result<()> {
        let rows = self.rows(stage).await?;
        let row =
            rows.iter().find(|row| broken.seen_as.iter().any(|subject| row["subject"] == subject.as_str()));
        let seen = row.map_or_else(
            || format!("{} rows, none of it: {rows:?}", rows.len()),
            |row| format!("{}: {}", text(row, "source"), text(row, "text")),
        );
        self.step("detect finds it", row.is_some(), &seen);
        Ok(())
    }

    async fn explain(&mut self, stage: &Stage, broken: &Broken) -> Result<()> {
        let subject = self.about(broken);
        let explained = stage.ask("runbooks.explain", subject.clone()).await?.answer;
        let seen = format!("{} — {}", text(&explained, "cause"), text(&explained, "because"));
        self.step("explain picks the cause", explained["cause"] == broken.cause, &seen);
        let reply = stage.ask("runbooks.reply", subject.clone()).await?.answer;
        self.step(
            "reply says what to tell the customer",
            !text(&reply, "text").is_empty(),
            text(&reply, "text"),
        );
        let wrong = stage.ask("runbooks.verify", subject).await?;
        self.step("verify does not hold yet", wrong.findings != Some(0), "and ends with exit code 3");
        Ok(())
    }

    /// No operation mends it: the runbook says so, and what a person has to do.
    async fn by_hand(&mut self, stage: &Stage, broken: &Broken, mending: Mending, hand: Hand) -> Result<()> {
        let (ok, seen) = match stage.ask("runbooks.preview", self.with(broken)).await {
            Err(Error::Refused(refusal)) => (refusal.code == "nothing_mends_it", refusal.why),
            Err(error) => (false, error.to_string()),
            Ok(_) => (false, "something would change".to_owned()),
        };
        self.step("preview says that a person has to do it", ok, &seen);
        if mending == Mending::Applied {
            hand.act(stage).await?;
            self.step("a person does it", true, "as it says");
            return Ok(());
        }
        // It stays as it is until it was looked at again.
        self.verify(stage, broken).await
    }

    /// Gives the id of the plan.
    async fn preview(&mut self, stage: &Stage, broken: &Broken) -> Result<String> {
        let planned = stage.ask("runbooks.preview", self.with(broken)).await?.answer;
        let changes = planned["plan"].as_array().cloned().unwrap_or_default();
        let first = changes.first().map_or(String::new(), |change| {
            format!("{}: {} → {}", text(change, "what"), text(change, "from"), text(change, "to"))
        });
        let seen = format!("{}, {first}", text(&planned, "operation"));
        self.step("preview says what would change", !changes.is_empty(), &seen);
        Ok(text(&planned, "plan_id").to_owned())
    }

    async fn apply(&mut self, stage: &Stage, broken: &Broken, plan_id: &str) -> Result<()> {
        let mut asked = self.with(broken);
        asked["plan_id"] = "plan_that_nobody_has_seen".into();
        let refused = stage.act("runbooks.apply", asked.clone()).await;
        let code = refused.as_ref().map_or_else(|error| error.code(), |_| "applied");
        self.step("another plan is refused", code == "stale_plan", code);
        asked["plan_id"] = plan_id.into();
        let applied = stage.act("runbooks.apply", asked).await?.answer;
        let seen = format!("{} {}, {plan_id}", text(&applied, "operation"), text(&applied, "status"));
        let ok =
            applied["status"] == "applied" && applied["verified"] == true && applied["plan_id"] == plan_id;
        self.step("apply does exactly that plan", ok, &seen);
        let kept = stage.audited(REASON).await?;
        let own = kept.iter().any(|kind| Some(kind.as_str()) == audited_as(text(&applied, "operation")));
        self.step("the audit log has it, with the reason", own, &kept.join(", "));
        Ok(())
    }

    async fn verify(&mut self, stage: &Stage, broken: &Broken) -> Result<()> {
        let verified = stage.ask("runbooks.verify", self.about(broken)).await?;
        let answer = &verified.answer;
        let seen = format!("{} — {}", text(answer, "cause"), text(answer, "because"));
        self.step("verify holds", verified.findings == Some(0), &seen);
        Ok(())
    }

    /// What was detected before the fault is the machine's, not the drill's: like a database's role.
    async fn afterwards(&mut self, stage: &Stage, usual: &[Value]) -> Result<()> {
        let known = |row: &Value| usual.iter().any(|before| before["subject"] == row["subject"]);
        let left = self.rows(stage).await?.iter().filter(|row| !known(row)).count();
        self.step("detect finds nothing any more", left == 0, &format!("{left} rows"));
        for _ in 0..2 {
            stage.advance(LATER);
            stage.settle().await?;
        }
        let left = stage.findings().await?;
        let first =
            left.first().map_or("nothing".to_owned(), |found| format!("{}: {}", found.check, found.text));
        self.step("a day later every check finds nothing", left.is_empty(), &first);
        Ok(())
    }

    fn about(&self, broken: &Broken) -> Value {
        json!({ "runbook": self.runbook.id, "subject": broken.subject })
    }

    fn with(&self, broken: &Broken) -> Value {
        json!({ "runbook": self.runbook.id, "subject": broken.subject, "with": broken.with })
    }
}

/// What the audit log calls an operation or task.
fn audited_as(name: &str) -> Option<&'static str> {
    let operation = shop::OPERATIONS.iter().find(|operation| operation.name == name);
    let task = || shop::TASKS.iter().find(|task| task.name == name)?.effect.changing();
    operation.map(|operation| operation.audit).or_else(|| task().map(|changing| changing.audit))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
