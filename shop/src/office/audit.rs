//! The audit log as operators read it.

use db::Tx;
use kernel::{Cx, Result};
use ops::audit::{self, AuditId, Filter};
use ops::{Page, RowJson, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "audit-logs.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["at", "event_type", "actor", "subject_id", "reason"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let before = crate::view::after(&self.page, |id: AuditId| audit::is_there(tx, id))?;
        let filter = Filter {
            event_type: self.event_type.clone(),
            order_id: self.order.map(|id| id.uuid()),
            subject_id: self.subject.clone(),
            before: before.map(|id| id.uuid()),
            limit: self.page.fetch(),
        };
        let rows = audit::list(tx, &filter)?;
        let rows = rows.iter().map(|row| {
            let mut entry = serde_json::Value::from(&RowJson(row));
            let (id, order): (AuditId, Option<OrderId>) = (row.get("id")?, row.get("order_id")?);
            entry["id"] = id.to_string().into();
            // SQLite keeps JSON as text; whoever reads it is not to know.
            entry["data"] = row.get("data")?;
            entry["order_id"] = order.map(|id| id.to_string()).into();
            Ok(entry)
        });
        Ok(page("/api/v1/admin/audit-logs", &self.page, rows.collect::<Result<_>>()?))
    }
}
