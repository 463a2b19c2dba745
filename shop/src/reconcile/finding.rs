//! What a comparison finds.

use ops::{Change, Mend};
use serde::Serialize;

use super::Cause;
use crate::ids::OrderId;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Payments at Stripe, with what was refunded of them.
    Payments,
    /// Refunds, and those that were asked for here.
    Refunds,
    /// Disputes, early fraud warnings and reviews.
    Disputes,
    /// Checkout sessions, and whether each order is what is known of it.
    Orders,
    /// Access against the orders that brought it.
    Entitlements,
    /// Stock against its ledger and its reservations.
    Inventory,
}

/// One thing that is not here what it is at Stripe, or not in one room what it is in another.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What it belongs to.
    pub area: Area,
    /// Why it differs.
    pub cause: Cause,
    /// The object at Stripe, or the thing here, that it is about.
    pub subject: String,
    /// The order that it concerns, where one is known.
    pub order: Option<OrderId>,
    /// What was seen, in a sentence.
    pub text: String,
    /// What was seen, in fields: at Stripe and here.
    pub evidence: serde_json::Value,
    /// What mending would change.
    pub plan: Vec<Change>,
    /// What mends it; none where only a person can know.
    pub mend: Option<Mend>,
    /// The runbook that explains it and goes the whole way: what is to be told to the customer, and what is read back.
    pub runbook: Option<&'static str>,
    /// Whether the mend only brings about what is proven anyway.
    pub safe: bool,
    /// Whether it was mended, and then looked at again.
    pub applied: bool,
}
