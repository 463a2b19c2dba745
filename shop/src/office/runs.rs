//! Runs of tasks as operators see them: how far each is, and how it ended.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::runs::{self, RunId};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema of a run's id.
fn run_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": "^(run_[0-9a-f]{32}|[0-9a-fA-F-]{36})$" })
}

/// List tasks that run or have run, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only running, done or failed ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    /// Only runs of this task, like events.backfill
    #[arg(long)]
    #[serde(default)]
    pub task: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "runs.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "task", "status", "done", "total", "what", "actor", "started_at", "finished_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let before = crate::view::after(&self.page, |id: RunId| Ok(runs::find(tx, id)?.is_some()))?;
        let (status, task) = (self.status.as_deref(), self.task.as_deref());
        let rows = runs::list(tx, status, task, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/runs", &self.page, rows))
    }
}

/// Show how far a run is, and how it ended
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which run
    #[schemars(schema_with = "run_schema")]
    pub run: RunId,
}

impl View for Show {
    const NAME: &'static str = "runs.show";
    const SUBJECT: Option<&'static str> = Some("run");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        runs::find(tx, self.run)?.ok_or_else(|| Error::not_found("run", self.run))
    }
}
