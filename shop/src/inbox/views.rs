//! What operators may read of events.

use db::{Tx, Value};
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventSource, EventStatus, store};
use crate::ids::OrderId;

/// List events, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only received, processed, ignored, retry, error or unmatched ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    /// Only of this type, like checkout.session.completed
    #[arg(long = "type")]
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Only those that touched this order
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "events.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "type", "status", "attempts", "order_id", "received_at", "last_error"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mut equal: Vec<(&'static str, Value)> = Vec::new();
        let mut open = false;
        if let Some(status) = &self.status {
            let known = EventStatus::named(status)?;
            open = !matches!(known, EventStatus::Processed | EventStatus::Ignored);
            equal.push(("status", known.as_str().into()));
        }
        equal.extend(self.kind.as_ref().map(|kind| ("type", Value::from(kind))));
        equal.extend(self.order.map(|order| ("order_id", Value::from(order))));
        let is_there = |id: &str| Ok(store::find(tx, id)?.is_some());
        let after = crate::view::after_text(&self.page, "event", is_there)?.map(str::to_owned);
        let filter = store::Filter { equal, open, after, limit: self.page.fetch() };
        let rows = store::list(tx, &filter)?;
        Ok(page("/api/v1/admin/events", &self.page, crate::view::objects("stripe_event", rows)?))
    }
}

/// Show one event with its payload as received
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which event: Stripe's id, evt_…
    pub event: String,
}

impl View for Show {
    const NAME: &'static str = "events.show";
    const SUBJECT: Option<&'static str> = Some("event");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let event = store::find(tx, &self.event)?.ok_or_else(|| Error::not_found("event", &self.event))?;
        let mut shown = crate::view::object("stripe_event", &event)?;
        if event.source == EventSource::Backfill {
            shown["note"] = "fetched from Stripe's list of events, so it carries no signature".into();
        }
        let payload = store::payload(tx, &self.event)?;
        shown["payload"] = serde_json::from_str(&payload).unwrap_or_else(|_| payload.into());
        Ok(shown)
    }
}
