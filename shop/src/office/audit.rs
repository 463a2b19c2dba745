//! The audit log as operators read it.

use db::{Row, Tx};
use kernel::{Cx, Error, Result};
use ops::audit::{self, AuditId, Filter};
use ops::{Page, RowJson, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::OrderId;

/// List the audit log, the newest entry first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only entries of this type, like entitlement_granted
    #[arg(long = "type")]
    #[serde(default, rename = "type")]
    pub event_type: Option<String>,
    /// Only entries about this order
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
    /// Only entries about this thing, by its id
    #[arg(long)]
    #[serde(default)]
    pub subject: Option<String>,
    /// Only what this request wrote, by the id that it was answered with
    #[arg(long)]
    #[serde(default)]
    pub request: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "audit-logs.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["at", "event_type", "status", "actor", "subject_id", "reason", "id"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let before = crate::view::after(&self.page, |id: AuditId| audit::is_there(tx, id))?;
        let filter = Filter {
            event_type: self.event_type.clone(),
            order_id: self.order.map(|id| id.uuid()),
            subject_id: self.subject.clone(),
            request_id: self.request.clone(),
            before: before.map(|id| id.uuid()),
            limit: self.page.fetch(),
        };
        let rows = audit::list(tx, &filter)?;
        Ok(page("/api/v1/admin/audit-logs", &self.page, rows.iter().map(shown).collect::<Result<_>>()?))
    }
}

/// Show one entry of the audit log: who did what, why, and everything that explains it
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which entry
    #[schemars(schema_with = "entry_schema")]
    pub entry: AuditId,
}

/// The schema of an entry's id.
fn entry_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": "^(aud_[0-9a-f]{32}|[0-9a-fA-F-]{36})$" })
}

impl View for Show {
    const NAME: &'static str = "audit-logs.show";
    const SUBJECT: Option<&'static str> = Some("entry");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        find(tx, self.entry)?.ok_or_else(|| Error::not_found("audit entry", self.entry))
    }
}

/// One entry, as it is shown.
pub fn find(tx: &mut Tx<'_>, id: AuditId) -> Result<Option<Value>> {
    audit::find(tx, id)?.as_ref().map(shown).transpose()
}

/// The newest of what a request wrote, as it is shown.
pub fn of_request(tx: &mut Tx<'_>, request: &str) -> Result<Vec<Value>> {
    let filter = Filter { request_id: Some(request.to_owned()), limit: 50, ..Filter::default() };
    audit::list(tx, &filter)?.iter().map(shown).collect()
}

fn shown(row: &Row) -> Result<Value> {
    let mut entry = crate::view::object("audit_entry", &Value::from(&RowJson(row)))?;
    let (id, order): (AuditId, Option<OrderId>) = (row.get("id")?, row.get("order_id")?);
    entry["id"] = id.to_string().into();
    // SQLite keeps JSON as text; whoever reads it is not to know.
    entry["data"] = row.get("data")?;
    entry["order_id"] = order.map(|id| id.to_string()).into();
    entry["status"] = status(&entry).into();
    Ok(entry)
}

/// How the run ended of which an entry tells: one that failed or was refused is called as one that was done. Every other entry
/// is of what has happened.
fn status(entry: &Value) -> Option<String> {
    let of_run = (entry["subject_type"] == "run").then(|| entry["data"]["status"].as_str()).flatten();
    of_run.map(str::to_owned)
}
