//! What may be read of comparisons that run or have run.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store;
use crate::ids::{ReconciliationId, reconciliation_schema};

/// List comparisons with Stripe, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "reconciliations.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "scope", "status", "apply", "looked_at", "remaining", "applied", "actor", "started_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let before = crate::view::after(&self.page, |id| Ok(store::find(tx, id)?.is_some()))?;
        let rows = store::list(tx, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/reconciliations", &self.page, rows))
    }
}

/// Show one comparison: how far each of its pieces is
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which comparison
    #[schemars(schema_with = "reconciliation_schema")]
    pub reconciliation: ReconciliationId,
}

impl View for Show {
    const NAME: &'static str = "reconciliations.show";
    const SUBJECT: Option<&'static str> = Some("reconciliation");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let mut run = found(tx, self.reconciliation)?;
        run["stages"] = store::stages(tx, self.reconciliation)?.into();
        Ok(run)
    }
}

/// List what a comparison has found, in the order in which it was found
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// Which comparison
    #[schemars(schema_with = "reconciliation_schema")]
    pub reconciliation: ReconciliationId,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for Findings {
    const NAME: &'static str = "reconciliations.findings";
    const SUBJECT: Option<&'static str> = Some("reconciliation");
    const COLUMNS: &'static [&'static str] =
        &["id", "cause", "subject", "text", "runbook", "safe", "applied"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let run = self.reconciliation;
        found(tx, run)?;
        let after = crate::view::after(&self.page, |id| store::has_finding(tx, run, id))?;
        let rows = store::findings(tx, run, after, self.page.fetch())?;
        Ok(page(&format!("/api/v1/admin/reconciliations/{run}/findings"), &self.page, rows))
    }
}

fn found(tx: &mut Tx<'_>, id: ReconciliationId) -> Result<Value> {
    store::find(tx, id)?.ok_or_else(|| Error::not_found("reconciliation", id))
}
