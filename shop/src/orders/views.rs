//! What operators may read of orders.

use db::{Tx, Value};
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Order, State, store};
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
        let filter =
            store::Filter { equal, before: crate::view::after(&self.page)?, limit: self.page.fetch() };
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

/// Show one order with its lines, reviews and timeline
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
        shown["timeline"] = serde_json::to_value(super::timeline(tx, order.id)?).unwrap_or_default();
        Ok(shown)
    }
}

/// An order as the API and the terminal show it.
pub fn json(order: &Order) -> serde_json::Value {
    let (waits_for, cancel_reason) = match &order.state {
        State::Paid { waits_for } => (Some(*waits_for), None),
        State::Cancelled { reason, .. } => (None, Some(*reason)),
        _ => (None, None),
    };
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
