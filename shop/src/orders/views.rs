//! What operators may read of orders.

use db::{Tx, Value};
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stripe::Fact;
use uuid::Uuid;

use super::{KnownFact, Order, State, store};
use crate::entitlements;
use crate::ids::{OrderId, ProfileId, order_schema};

/// List orders, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only pending, paid, confirmed, completed, cancelled or refunded ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    /// Only those of this profile
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub user: Option<ProfileId>,
    /// Only those of this seller
    #[arg(long)]
    #[serde(default)]
    pub seller: Option<String>,
    /// Only the one with this payment intent
    #[arg(long)]
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// Only the one with this checkout session
    #[arg(long)]
    #[serde(default)]
    pub session: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "orders.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "status", "payment_status", "total", "email", "requires_review", "created_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mut equal: Vec<(&'static str, Value)> = Vec::new();
        let mut only = |column, value: Option<Value>| equal.extend(value.map(|value| (column, value)));
        only("status", self.status.as_deref().map(known_status).transpose()?.map(Value::from));
        only("profile_id", self.user.map(Value::from));
        only("seller_id", self.seller.as_ref().map(Value::from));
        only("stripe_payment_intent_id", self.payment_intent.as_ref().map(Value::from));
        only("stripe_checkout_session_id", self.session.as_ref().map(Value::from));
        let before = crate::view::after(&self.page, |id| Ok(store::find(tx, id)?.is_some()))?;
        let filter = store::Filter { equal, before, limit: self.page.fetch() };
        let rows = store::list(tx, &filter)?.iter().map(json).collect();
        Ok(page("/api/v1/admin/orders", &self.page, rows))
    }
}

fn known_status(text: &str) -> Result<&str> {
    match text {
        "pending" | "paid" | "confirmed" | "completed" | "cancelled" | "refunded" => Ok(text),
        other => Err(Error::invalid(
            "status",
            format!("`{other}`; expected pending, paid, confirmed, completed, cancelled or refunded"),
        )),
    }
}

/// Show one order with its lines, reviews, refunds, disputes, grants and timeline
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl View for Show {
    const NAME: &'static str = "orders.show";
    const SUBJECT: Option<&'static str> = Some("order");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let order = super::find(tx, self.order)?.ok_or_else(|| Error::not_found("order", self.order))?;
        let mut shown = json(&order);
        shown["money_back"] = money_back(&super::facts_of(tx, order.id)?);
        shown["grants"] = serde_json::json!(entitlements::grants_of_order(tx, order.id)?);
        shown["timeline"] = serde_json::json!(super::timeline(tx, order.id)?);
        Ok(shown)
    }
}

/// List what happened to one order, the oldest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for Timeline {
    const NAME: &'static str = "orders.timeline";
    const SUBJECT: Option<&'static str> = Some("order");
    const COLUMNS: &'static [&'static str] = &["at", "type", "actor_type", "actor", "meta"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let order = self.order;
        super::find(tx, order)?.ok_or_else(|| Error::not_found("order", order))?;
        let after = self.page.starting_after.as_deref().map(|id| entry(tx, order, id)).transpose()?;
        let (ids, entries): (Vec<_>, Vec<_>) =
            store::timeline_page(tx, order, after, self.page.fetch())?.into_iter().unzip();
        let mut rows = crate::view::objects("timeline_entry", entries)?;
        rows.iter_mut().zip(ids).for_each(|(row, id)| row["id"] = id.to_string().into());
        Ok(page(&format!("/api/v1/admin/orders/{order}/timeline"), &self.page, rows))
    }
}

/// The entry after which a page begins.
fn entry(tx: &mut Tx<'_>, order: OrderId, text: &str) -> Result<Uuid> {
    let id: Uuid = text.parse().map_err(|_| {
        Error::invalid(
            "starting_after",
            format!("`{text}`; expected the id of an entry, as the list shows it"),
        )
    })?;
    if store::has_entry(tx, order, id)? { Ok(id) } else { Err(Error::not_found("timeline entry", id)) }
}

/// What came after the payment and may take it back: refunds, disputes, warnings, reviews at Stripe. What only an event
/// has told is `provisional`.
pub fn money_back(facts: &[KnownFact]) -> serde_json::Value {
    let (mut refunds, mut disputes, mut warnings, mut reviews) = (vec![], vec![], vec![], vec![]);
    for known in facts {
        match &known.fact {
            Fact::Refund(refund) => refunds.push(serde_json::json!({
                "id": refund.id, "status": known.fact.state(), "amount": refund.amount, "currency": refund.currency,
                "provisional": refund.status.is_provisional(),
            })),
            Fact::Dispute(dispute) => disputes.push(serde_json::json!({
                "id": dispute.id, "status": known.fact.state(),
                "amount": dispute.state.now().map(|state| state.amount), "currency": dispute.currency,
                "reason": dispute.state.now().and_then(|state| state.reason.clone()),
                "due_by": dispute.state.now().and_then(|state| state.due_by),
                "provisional": dispute.state.is_provisional(),
            })),
            Fact::Warning(warning) => {
                warnings.push(serde_json::json!({ "id": warning.id, "fraud_type": warning.fraud_type }));
            }
            Fact::Review(review) => reviews.push(serde_json::json!({
                "id": review.id, "status": known.fact.state(), "opened_reason": review.opened_reason,
                "closed_reason": review.closed,
            })),
            Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_) => {}
        }
    }
    serde_json::json!({
        "refunds": refunds, "disputes": disputes, "early_fraud_warnings": warnings, "radar_reviews": reviews,
    })
}

/// An order as the API and the terminal show it.
pub fn json(order: &Order) -> serde_json::Value {
    let (mut waits_for, mut cancel_reason, mut refunded_at) = (None, None, None);
    match &order.state {
        State::Paid { waits_for: word } => waits_for = Some(*word),
        State::Cancelled { reason, .. } => cancel_reason = Some(*reason),
        State::Refunded { at } => refunded_at = Some(*at),
        State::Pending | State::Confirmed { .. } | State::Completed { .. } => {}
    }
    serde_json::json!({
        "object": "order",
        "id": order.id,
        "profile_id": order.profile,
        "email": order.email,
        "status": order.state.status(),
        "waits_for": waits_for,
        "cancel_reason": cancel_reason,
        "payment_status": order.payment_status,
        "requires_review": order.open_review().is_some(),
        "review_reason": order.open_review().map(|review| review.detail.clone()),
        "reviews": order.reviews,
        "currency": order.amounts.currency,
        "subtotal_amount": order.amounts.subtotal,
        "discount_amount": order.amounts.discount,
        "tax_amount": order.amounts.tax,
        "shipping_amount": order.amounts.shipping,
        "total_amount": order.amounts.total().minor,
        "paid_amount": order.paid_amount,
        "refunded_amount": order.refunded_amount,
        "refunded_at": refunded_at,
        "refund_marked_at": order.refund_marked_at,
        "dispute_status": order.dispute,
        "suspended": order.is_suspended(),
        "total": order.amounts.total().to_string(),
        "stripe_payment_intent_id": order.payment_intent,
        "stripe_checkout_session_id": order.session,
        "webhook_processed_at": order.webhook_processed_at,
        "shipped_at": order.shipped.as_ref().map(|(at, _)| *at),
        "tracking": order.shipped.as_ref().and_then(|(_, tracking)| tracking.clone()),
        "lines": order.lines,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    })
}
