//! Which runbooks were drilled, when, on what, and how it went. A drill is done elsewhere, on a shop that is thrown away;
//! here stands what came of it, so that whoever opens a runbook at night knows whether it was ever tried.

use db::Tx;
use kernel::{Cx, Error, Id, Kind, Result, Timestamp};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{find, store};

/// Marks ids of drills.
pub enum DrillKind {}
impl Kind for DrillKind {
    const PREFIX: &'static str = "drl";
    const NAME: &'static str = "drill";
}
/// The id of a drill.
pub type DrillId = Id<DrillKind>;

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drilled {
    /// Its id.
    pub id: DrillId,
    /// Which runbook.
    pub runbook: String,
    /// Whether all was as it must be.
    #[serde(skip)]
    pub passed: bool,
    /// At which step it was not, and what was seen.
    pub failure: Option<String>,
    /// On what it was done.
    pub on: String,
    /// With which version of makegood.
    pub version: String,
    /// How many steps it had.
    pub steps: Option<i64>,
    /// Who did it.
    pub by: String,
    /// When it was written down.
    pub at: Timestamp,
}

impl Drilled {
    /// How it went, in words.
    pub fn in_words(&self) -> String {
        outcome(self.failure.as_deref(), &self.on)
    }
}

fn outcome(failure: Option<&str>, on: &str) -> String {
    match failure {
        None => format!("all was as it must be, on {on}"),
        Some(step) => format!("not as it must be, on {on}: {step}"),
    }
}

impl Drilled {
    /// As it is shown.
    ///
    /// # Errors
    /// A bug, when it cannot be written as JSON.
    pub fn shown(&self) -> Result<Value> {
        let mut shown = crate::view::object("drill", self)?;
        shown["status"] = if self.passed { "passed" } else { "failed" }.into();
        Ok(shown)
    }
}

/// The last drill of a runbook.
pub fn last(tx: &mut Tx<'_>, runbook: &str) -> Result<Option<Drilled>> {
    Ok(store::list(tx, Some(runbook), None, 1)?.into_iter().next())
}

/// Write down that a runbook was drilled, and how it went; makegood runbook drill does so by itself
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
    /// At which step it was not as it must be, and what was seen; without it, all was
    #[arg(long, value_name = "STEP")]
    #[serde(default)]
    pub failure: Option<String>,
    /// On what it was done: SQLite, PostgreSQL, or where people practised
    #[arg(long, value_name = "WHERE", default_value = BY_HAND)]
    #[serde(default = "by_hand")]
    pub on: String,
    /// With which version of makegood; that which writes it down otherwise
    #[arg(long, value_name = "VERSION")]
    #[serde(default)]
    pub version: Option<String>,
    /// How many steps it had
    #[arg(long)]
    #[serde(default)]
    pub steps: Option<u32>,
}

const BY_HAND: &str = "a practice by hand";

fn by_hand() -> String {
    BY_HAND.to_owned()
}

impl Record {
    fn failure(&self) -> Option<&str> {
        self.failure.as_deref().map(str::trim).filter(|step| !step.is_empty())
    }
}

impl Operation for Record {
    const NAME: &'static str = "drills.record";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "runbook_drilled";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let runbook = find(&self.runbook)?;
        let texts = [self.failure(), Some(&*self.on), self.version.as_deref()];
        if texts.into_iter().flatten().any(|text| text.len() > 2_000) {
            return Err(Error::invalid("", "a text is longer than 2000 bytes"));
        }
        let last = last(tx, runbook.id)?;
        let before =
            last.map_or("never".to_owned(), |last| format!("at {}: {}", last.at.in_words(), last.in_words()));
        let now = format!("now: {}", outcome(self.failure(), &self.on));
        Ok(Plan::default().change(format!("last drill of {}", runbook.id), before, now))
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let drilled = Drilled {
            id: cx.id(),
            runbook: find(&self.runbook)?.id.to_owned(),
            passed: self.failure().is_none(),
            failure: self.failure().map(str::to_owned),
            on: self.on.clone(),
            version: self.version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            steps: self.steps.map(i64::from),
            by: by.actor.name.clone(),
            at: cx.now,
        };
        store::insert(tx, &drilled)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let last = last(tx, &self.runbook)?.map(|last| last.in_words());
        let is = last.as_deref() == Some(&*outcome(self.failure(), &self.on));
        Ok(vec![Proof::new("the drill is written down", is, last.unwrap_or_else(|| "nothing".into()))])
    }
    fn subject(&self) -> (&'static str, String) {
        ("runbook", self.runbook.clone())
    }
}

/// List drills, the newest first: which runbook, on what, and how it went
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only drills of this runbook
    #[serde(default)]
    pub runbook: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "drills.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "runbook", "status", "failure", "on", "steps", "version", "by", "at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        if let Some(runbook) = &self.runbook {
            find(runbook)?;
        }
        let before = crate::view::after(&self.page, |id: DrillId| Ok(store::find(tx, id)?.is_some()))?;
        let rows = store::list(tx, self.runbook.as_deref(), before, self.page.fetch())?;
        let rows = rows.iter().map(Drilled::shown).collect::<Result<_>>()?;
        Ok(page("/api/v1/admin/drills", &self.page, rows))
    }
}
