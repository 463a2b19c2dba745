//! Everything that happened to an order, with its causes, and what should happen next.

use db::Tx;
use kernel::{Cx, Error, Result, Timestamp};
use ops::View;
use ops::audit::{self, Filter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stripe::Fact;

use super::find;
use super::hit::{Hit, ORDER};
use super::key::Key;
use super::next::{Situation, Step, next};
use crate::ids::OrderId;
use crate::orders::{self, KnownFact};
use crate::{checkout, claims, disputes, entitlements, inbox, inventory, mails, refunds};

/// Explain an order: everything that happened, its causes, and what should happen next
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Explain {
    /// Which order: its id, or the id of anything that leads to it, Stripe's or ours, or the buyer's email
    pub order: String,
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
    /// Of the orders to choose from, where what was asked leads to several.
    const COLUMNS: &'static [&'static str] = find::COLUMNS;

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let key = Key::parse("order", &self.order)?;
        if let Key::Order(id) = key {
            return explain(tx, cx, id);
        }
        let found = find::look_up(tx, &key)?;
        if found.is_empty() {
            return Err(find::nothing(&key));
        }
        let orders: Vec<Hit> = found.into_iter().filter(|hit| hit.kind == ORDER).collect();
        match orders.as_slice() {
            [] => Err(Error::not_found("order behind", key.shown())),
            [one] => explain(tx, cx, one.order.ok_or_else(|| Error::bug("an order without an id"))?),
            _ => Ok(find::list(&orders)),
        }
    }
}

fn explain(tx: &mut Tx<'_>, cx: &Cx, id: OrderId) -> Result<Value> {
    let order = orders::find(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    let mut story = told_by_order(tx, order.id)?;
    story.extend(told_by_events(tx, order.id)?);
    story.extend(told_by_audit(tx, order.id)?);
    // Stable: what was written in one transaction keeps the order in which it was written.
    story.sort_by_key(|line| line.at);
    let checkout = checkout::find(tx, id)?;
    let facts = orders::facts_of(tx, id)?;
    let refunds = refunds::of_order(tx, id)?;
    let claim = claims::of_order(tx, id)?.map(|claim| crate::view::object("claim", &claim)).transpose()?;
    let mails = mails::of_order(tx, id)?;
    let steps = next(&Situation {
        order: &order,
        checkout: checkout.as_ref(),
        facts: &facts,
        refund: refunds.last(),
        now: cx.now,
    });
    let said: Vec<String> = steps.iter().map(Step::to_string).collect();
    Ok(json!({
        "object": "explanation",
        "order": orders::views::json(&order),
        "story": story,
        "reservations": inventory::reservations_of(tx, id)?,
        "entitlements": entitlements::of_order(tx, id)?,
        "grants": entitlements::grants_of_order(tx, id)?,
        "refunds": refunds,
        "money_back": money_back(&facts, cx.now),
        "provisional": facts.iter().filter(|known| known.fact.provisional().is_some())
            .map(|known| known.fact.object_id()).collect::<Vec<_>>(),
        "claim": claim,
        "mails": mails.iter().map(mails::views::json).collect::<Value>(),
        "checkout_url": checkout.as_ref().and_then(|checkout| checkout.url.clone()),
        "next": said.join(" "),
        "steps": said,
        "to_do": steps,
    }))
}

/// What came after the payment, disputes with what is left of their time.
fn money_back(facts: &[KnownFact], now: Timestamp) -> Value {
    let mut all = orders::views::money_back(facts);
    let disputes = facts.iter().filter_map(|known| match &known.fact {
        Fact::Dispute(dispute) => disputes::views::json(dispute, now),
        _ => None,
    });
    all["disputes"] = disputes.collect();
    all
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
