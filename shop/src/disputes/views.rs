//! What may be read of disputes.

use db::Tx;
use kernel::{Cx, Error, Result, Timestamp};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stripe::{DisputeFact, Fact};

use super::{deadline, dispute, next};
use crate::ids::OrderId;
use crate::orders::{self, KnownFact, LateFacts};

/// Stripe's words, from the one that is most urgent to those that are over.
const STATUSES: [&str; 11] = [
    "needs_response",
    "warning_needs_response",
    "appeal_needs_response",
    "under_review",
    "warning_under_review",
    "appeal_under_review",
    "lost",
    "won",
    "warning_closed",
    "prevented",
    "charge_refunded",
];
/// How many of them wait for our answer.
const WAITING: usize = 3;

/// List disputes, the one that changed last first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only those that wait for our answer
    #[arg(long)]
    #[serde(default)]
    pub waiting: bool,
    /// Only those in this state, in Stripe's words, like under_review
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    /// Only those of this order
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
    const NAME: &'static str = "disputes.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "order", "status", "amount", "reason", "due_by", "days_left"];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let status = self.status.as_deref().map(known_status).transpose()?;
        let states: Vec<&str> = match (status, self.waiting) {
            (Some(status), true) => STATUSES[..WAITING].iter().copied().filter(|s| *s == status).collect(),
            (Some(status), false) => vec![status],
            (None, true) => STATUSES[..WAITING].to_vec(),
            (None, false) => Vec::new(),
        };
        if self.waiting && states.is_empty() {
            return Ok(page(URL, &self.page, Vec::new()));
        }
        let is_there = |id: &str| Ok(orders::fact(tx, id)?.is_some());
        let after = crate::view::after_text(&self.page, "dispute", is_there)?;
        let which = LateFacts {
            kind: "dispute",
            states: &states,
            order: self.order,
            after,
            limit: self.page.fetch(),
        };
        let rows = orders::late_facts(tx, &which)?;
        Ok(page(URL, &self.page, rows.iter().filter_map(|known| shown(known, cx.now)).collect()))
    }
}

const URL: &str = "/api/v1/admin/disputes";

fn known_status(text: &str) -> Result<&str> {
    match STATUSES.contains(&text) {
        true => Ok(text),
        false => {
            let why = format!("`{text}` is no status of a dispute; expected one of {}", STATUSES.join(", "));
            Err(Error::invalid("status", why))
        }
    }
}

/// Show one dispute: where it stands, until when an answer counts, and what comes next
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which dispute: Stripe's id, dp_… or du_…
    pub dispute: String,
}

impl View for Show {
    const NAME: &'static str = "disputes.show";
    const SUBJECT: Option<&'static str> = Some("dispute");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let gone = || Error::not_found("dispute", &self.dispute);
        let known = orders::fact(tx, &self.dispute)?.ok_or_else(gone)?;
        let mut shown = shown(&known, cx.now).ok_or_else(gone)?;
        let order = orders::find(tx, known.order)?.ok_or_else(|| Error::bug("a dispute of no order"))?;
        shown["order_status"] = order.state.status().into();
        shown["payment_status"] = order.payment_status.as_str().into();
        let story = orders::timeline(tx, order.id)?;
        let own = story.iter().filter(|entry| entry.meta["dispute"] == self.dispute.as_str());
        shown["timeline"] = json!(own.collect::<Vec<_>>());
        Ok(shown)
    }
}

/// A dispute as the API and the terminal show it; nothing when the fact is of something else.
fn shown(known: &KnownFact, now: Timestamp) -> Option<Value> {
    let Fact::Dispute(dispute) = &known.fact else { return None };
    let mut shown = json(dispute, now)?;
    shown["order"] = json!(known.order);
    shown["updated_at"] = json!(known.updated_at);
    Some(shown)
}

/// What is known of a dispute.
pub fn json(dispute: &DisputeFact, now: Timestamp) -> Option<Value> {
    let state = dispute.state.now()?;
    let days_left = deadline(state.status, state.due_by, now).days_left();
    Some(json!({
        "object": "dispute",
        "id": dispute.id,
        "order": null,
        "status": state.status.as_str(),
        "means": dispute::meaning(dispute.outcome()),
        "amount": state.amount,
        "currency": dispute.currency,
        "reason": state.reason,
        "due_by": state.due_by,
        "days_left": days_left,
        "charge": dispute.charge,
        "payment_intent": dispute.payment_intent,
        "provisional": dispute.state.is_provisional(),
        "fetched_at": dispute.state.asked().map(|asked| asked.at),
        "next": next(&dispute.id, state.status, state.due_by, now),
    }))
}
