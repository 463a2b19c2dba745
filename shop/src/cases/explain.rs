//! Everything that happened to an order, with its causes, and what should happen next.

use db::Tx;
use kernel::{Cx, Error, Result, Timestamp};
use ops::View;
use ops::audit::{self, Filter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, order_schema};
use crate::orders::{self, Order, State, WaitsFor};
use crate::{checkout, entitlements, inbox, inventory};

/// Explain an order: everything that happened, its causes, and what should happen next
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Explain {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

/// One line of the story.
#[derive(Debug, Serialize)]
struct Line {
    at: Timestamp,
    /// Where it is written: order, event, audit.
    source: &'static str,
    what: String,
    cause: String,
    detail: serde_json::Value,
}

impl View for Explain {
    const NAME: &'static str = "orders.explain";
    const SUBJECT: Option<&'static str> = Some("order");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<serde_json::Value> {
        let order = orders::find(tx, self.order)?.ok_or_else(|| Error::not_found("order", self.order))?;
        let mut story = told_by_order(tx, order.id)?;
        story.extend(told_by_events(tx, order.id)?);
        story.extend(told_by_audit(tx, order.id)?);
        // Stable: what was written in one transaction keeps the order in which it was written.
        story.sort_by_key(|line| line.at);
        let reservations = inventory::reservations_of(tx, order.id)?;
        let entitlements = entitlements::of_order(tx, order.id)?;
        let checkout = checkout::find(tx, order.id)?;
        Ok(serde_json::json!({
            "object": "explanation",
            "order": orders::views::json(&order),
            "story": story,
            "reservations": reservations,
            "entitlements": entitlements,
            "checkout_url": checkout.as_ref().and_then(|checkout| checkout.url.clone()),
            "next": next(&order, checkout.as_ref(), cx.now),
        }))
    }
}

fn told_by_order(tx: &mut Tx<'_>, id: OrderId) -> Result<Vec<Line>> {
    let entries = orders::timeline(tx, id)?;
    Ok(entries
        .into_iter()
        .map(|entry| Line {
            at: entry.at,
            source: "order",
            what: entry.kind,
            cause: format!("{} {}", entry.actor_type, entry.actor),
            detail: entry.meta,
        })
        .collect())
}

fn told_by_events(tx: &mut Tx<'_>, id: OrderId) -> Result<Vec<Line>> {
    let events = inbox::of_order(tx, id)?;
    Ok(events
        .into_iter()
        .map(|event| Line {
            at: event.received_at,
            source: "event",
            what: format!("{} received", event.kind),
            cause: format!("stripe {}", event.id),
            detail: serde_json::json!({
                "status": event.status, "attempts": event.attempts, "processed_at": event.processed_at,
                "last_error": event.last_error,
            }),
        })
        .collect())
}

fn told_by_audit(tx: &mut Tx<'_>, id: OrderId) -> Result<Vec<Line>> {
    let filter = Filter { order_id: Some(id.uuid()), limit: 500, ..Filter::default() };
    let rows = audit::list(tx, &filter)?;
    rows.iter()
        .rev()
        .map(|row| {
            let (kind, actor): (String, String) = (row.get("actor_type")?, row.get("actor")?);
            let (subject, reason): (String, Option<String>) = (row.get("subject_id")?, row.get("reason")?);
            let data: serde_json::Value = row.get("data")?;
            Ok(Line {
                at: row.get("at")?,
                source: "audit",
                what: row.get("event_type")?,
                cause: format!("{kind} {actor}"),
                detail: serde_json::json!({ "subject": subject, "reason": reason, "data": data }),
            })
        })
        .collect()
}

/// What should happen next, and by whom.
fn next(order: &Order, checkout: Option<&checkout::Checkout>, now: Timestamp) -> String {
    if let Some(review) = order.open_review() {
        return format!(
            "A person looks at it: {}. Then: makegood orders review clear {} --reason …",
            review.detail, order.id
        );
    }
    match &order.state {
        State::Pending => match checkout {
            Some(checkout) if checkout.expires_at > now => {
                format!("The buyer pays until {}; if not, the order is cancelled by itself.", checkout.expires_at)
            }
            Some(_) => "The job checkout.close asks Stripe how the session ended.".into(),
            None => "Nobody has asked Stripe for a page; cancel it or wait for a payment.".into(),
        },
        State::Paid { waits_for: WaitsFor::Stock } => {
            "Stock has to come: makegood inventory adjust SKU PIECES --reason …; the order then goes on by itself.".into()
        }
        State::Paid { waits_for: WaitsFor::Breakdown } => {
            "The checkout session has to be seen; the job checkout.sync fetches it.".into()
        }
        State::Paid { waits_for: WaitsFor::Review } => {
            format!("Its review is cleared; settle it: makegood orders confirm {} --reason …", order.id)
        }
        State::Confirmed { .. } => format!("It has to be shipped: makegood orders ship {} --reason …", order.id),
        State::Completed { .. } => "Nothing is left to do.".into(),
        State::Cancelled { .. } => "Nothing; a payment that comes all the same reopens it.".into(),
        State::Refunded { .. } => "Nothing; should the money come back, so does what was bought.".into(),
    }
}
