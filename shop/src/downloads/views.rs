//! What was delivered and what was denied, as operators read it.

use db::{Row, Tx};
use kernel::{Cx, Result};
use ops::audit::{self, AuditId, Filter};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DENIED, REQUESTED, STREAMED};
use crate::ids::OrderId;

/// List what was delivered and what was denied, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// Only what was denied
    #[arg(long)]
    #[serde(default)]
    pub denied: bool,
    /// Only by this order
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
    /// Only of this file or lesson, by its id
    #[arg(long)]
    #[serde(default)]
    pub subject: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for Log {
    const NAME: &'static str = "downloads.log";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["at", "event", "actor", "profile", "subject", "product", "reason"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let before = crate::view::after(&self.page, |id: AuditId| audit::is_there(tx, id))?;
        let types: &[&str] = if self.denied { &[DENIED] } else { &[REQUESTED, STREAMED, DENIED] };
        let mut rows = Vec::new();
        // Each type has its own index; the newest of each, put together, hold the newest of all.
        for event_type in types {
            let filter = Filter {
                event_type: Some((*event_type).to_owned()),
                order_id: self.order.map(|id| id.uuid()),
                subject_id: self.subject.clone(),
                before: before.map(|id| id.uuid()),
                limit: self.page.fetch(),
                ..Filter::default()
            };
            rows.extend(audit::list(tx, &filter)?);
        }
        let mut rows = rows.iter().map(|row| Ok((row.get("at")?, row.get("id")?, shown(row)?)));
        let mut rows: Vec<(kernel::Timestamp, AuditId, Value)> = rows.by_ref().collect::<Result<_>>()?;
        rows.sort_by_key(|(at, id, _)| std::cmp::Reverse((*at, id.uuid())));
        let rows = rows.into_iter().take(self.page.fetch() as usize).map(|(.., row)| row).collect();
        Ok(page("/api/v1/admin/downloads/log", &self.page, rows))
    }
}

fn shown(row: &Row) -> Result<Value> {
    let data: Value = row.get("data")?;
    let (id, order): (AuditId, Option<OrderId>) = (row.get("id")?, row.get("order_id")?);
    let (event, actor): (String, String) = (row.get("event_type")?, row.get("actor")?);
    let (subject, reason): (String, Option<String>) = (row.get("subject_id")?, row.get("reason")?);
    Ok(serde_json::json!({
        "object": "delivery", "id": id, "at": row.get::<kernel::Timestamp>("at")?, "event": event, "actor": actor,
        "profile": data["profile"], "subject": subject, "product": data["product"], "order_id": order,
        "reason": reason, "address": data["address"], "more_since_the_last": data["more_since_the_last"],
    }))
}
