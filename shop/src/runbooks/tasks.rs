//! What may be asked of a runbook, and done by it. All of it talks to Stripe where the cause is to be known by that.

use std::ops::Deref;

use kernel::Result;
use ops::{By, Changing, Done, Effect, Progress, Proof, Reads, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::act::{self, explain};
use super::gather::ALL;
use super::{apply, detect, find};
use crate::seam::Seam;

/// What holds the seam: the whole shop is no room's business.
pub trait On: Deref<Target = Seam> + Send + Sync + 'static {}
impl<C: Deref<Target = Seam> + Send + Sync + 'static> On for C {}

/// Whether this task only looks around the shop: then it works without a database, which may be what is wrong.
pub fn needs_no_database(task: &str, input: &Value) -> bool {
    let looks =
        ["runbooks.detect", "runbooks.explain", "runbooks.preview", "runbooks.verify", "runbooks.reply"];
    let runbook = input["runbook"].as_str().and_then(|id| find(id).ok());
    looks.contains(&task) && runbook.is_some_and(|runbook| runbook.reads == Reads::Surroundings)
}

/// Look for the fault of a runbook: its checks, and what lies at Stripe and is not known here
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Detect {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
}

impl<C: On> Task<C> for Detect {
    const NAME: &'static str = "runbooks.detect";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &["source", "subject", "text", "since", "command"];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let rows = detect::detect(on, find(&self.runbook)?, by, progress).await?;
            let count = rows.len() as u64;
            Ok(Done::list(rows).findings(count))
        })
    }
}

/// Say which of a runbook's causes it is, by facts, and show them
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Explain {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// What it is about: an order, an event, an email, a sku; `makegood runbook show` says what may stand here
    pub subject: String,
}

impl<C: On> Task<C> for Explain {
    const NAME: &'static str = "runbooks.explain";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let explained = explain(on, &self.runbook, &self.subject, by, progress).await?;
            Ok(Done::new(explained.shown()))
        })
    }
}

/// Say what mending would change, with the id of the plan to apply
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// What it is about: an order, an event, an email, a sku
    pub subject: String,
    /// What only a person knows: NAME=VALUE, with commas between
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(default)]
    pub with: Option<String>,
}

impl<C: On> Task<C> for Preview {
    const NAME: &'static str = "runbooks.preview";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(preview(on, &self.runbook, &self.subject, self.with.as_deref(), by, progress))
    }
}

async fn preview<C: On>(
    on: &C,
    runbook: &str,
    subject: &str,
    with: Option<&str>,
    by: &By,
    progress: &dyn Progress,
) -> Result<Done> {
    let explained = explain(on, runbook, subject, by, progress).await?;
    let id = || on.cx().id::<ops::RunKind>().to_string();
    if explained.is_fine() && explained.mend.is_none() {
        return Ok(Done::new(apply::already(&explained, &id())));
    }
    let planned = act::plan(on, &explained, with, by, progress).await?;
    Ok(Done::new(apply::planned(&explained, &planned, &id)))
}

/// Mend it: exactly the plan that was previewed, by the one operation or task that mends the cause
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Apply {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// What it is about: an order, an event, an email, a sku
    pub subject: String,
    /// What only a person knows: NAME=VALUE, with commas between
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(default)]
    pub with: Option<String>,
    /// Apply only if this is still what would change
    #[arg(skip)]
    #[serde(default)]
    pub plan_id: Option<String>,
    /// Whether only the plan is wanted.
    #[arg(skip)]
    #[serde(skip)]
    only_plan: bool,
}

impl<C: On> Task<C> for Apply {
    const NAME: &'static str = "runbooks.apply";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    /// Who may do what mends the cause is asked again by its own runner.
    const EFFECT: Effect =
        Effect::Changes(Changing { audit: "runbook_applied", risk: Risk::Changes, role: Role::Support });

    fn preview(self) -> Option<Self> {
        Some(Apply { only_plan: true, ..self })
    }

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        let (runbook, subject, with) = (self.runbook.as_str(), self.subject.as_str(), self.with.as_deref());
        Box::pin(async move {
            if self.only_plan {
                return preview(on, runbook, subject, with, by, progress).await;
            }
            let explained = explain(on, runbook, subject, by, progress).await?;
            if explained.is_fine() && explained.mend.is_none() {
                return Ok(Done::new(apply::already(&explained, &on.cx().id::<ops::RunKind>().to_string())));
            }
            let planned = act::plan(on, &explained, with, by, progress).await?;
            let approved = self.plan_id.clone();
            Ok(Done::new(apply::apply(on, &explained, planned, approved, by, progress).await?))
        })
    }
}

/// Read back whether it is mended: the runbook's checks, and its cause
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Verify {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// What it is about: an order, an event, an email, a sku
    pub subject: String,
}

impl<C: On> Task<C> for Verify {
    const NAME: &'static str = "runbooks.verify";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let explained = explain(on, &self.runbook, &self.subject, by, progress).await?;
            let checks = crate::checks();
            let ours = checks.iter().filter(|check| explained.runbook.checks.contains(&check.name));
            let mut proofs: Vec<Proof> = ours
                .map(|check| {
                    let found = explained.facts.found(check.name);
                    let seen = found.map_or("nothing is found".to_owned(), |found| found.text.clone());
                    let of = match explained.facts.asked.as_str() {
                        ALL => check.must.to_owned(),
                        asked => format!("{} finds nothing of {asked}", check.name),
                    };
                    Proof::new(of, found.is_none(), seen)
                })
                .collect();
            let seen = format!("{}: {}", explained.cause.name, explained.because);
            proofs.push(Proof::new("no cause of this runbook is left", explained.is_fine(), seen));
            let wrong = proofs.iter().filter(|proof| !proof.holds).count() as u64;
            let mut shown = explained.head("runbook_verification");
            shown["verify"] = json!(proofs);
            Ok(Done::new(shown).findings(wrong))
        })
    }
}

/// Write the answer for the customer
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// What it is about: an order, an event, an email, a sku
    pub subject: String,
}

impl<C: On> Task<C> for Reply {
    const NAME: &'static str = "runbooks.reply";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let explained = explain(on, &self.runbook, &self.subject, by, progress).await?;
            Ok(Done::new(json!({
                "object": "runbook_reply",
                "runbook": explained.runbook.id,
                "subject": explained.facts.asked,
                "cause": explained.cause.name,
                "text": explained.reply(),
            })))
        })
    }
}
