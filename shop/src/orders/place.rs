//! Makes pending orders, many at once.

use db::Tx;
use kernel::{Cx, Result};
use ops::Actor;

use super::store::{self, NewEntry};
use super::{Amounts, Line, Order, PaymentStatus, State};
use crate::ids::{OrderId, ProfileId};

/// An order that is to be made.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub id: OrderId,
    /// The buyer, unless a guest buys.
    pub profile: Option<ProfileId>,
    /// The buyer's email.
    pub email: Option<String>,
    /// What it costs.
    pub amounts: Amounts,
    /// What is ordered.
    pub lines: Vec<Line>,
}

/// Makes pending orders.
pub fn place(tx: &mut Tx<'_>, cx: &Cx, drafts: Vec<Draft>) -> Result<()> {
    let orders: Vec<Order> = drafts.into_iter().map(|draft| pending(cx, draft)).collect();
    store::insert(tx, &orders)?;
    let entries = orders.iter().map(|order| NewEntry {
        order: order.id,
        kind: "order_created",
        actor: Actor::buyer(order.email.as_deref().unwrap_or("guest")),
        meta: serde_json::json!({ "total": order.amounts.total() }),
    });
    store::write_timeline(tx, cx, entries.collect())
}

fn pending(cx: &Cx, draft: Draft) -> Order {
    Order {
        id: draft.id,
        profile: draft.profile,
        email: draft.email,
        seller: None,
        state: State::Pending,
        payment_status: PaymentStatus::Unpaid,
        amounts: draft.amounts,
        paid_amount: None,
        refunded_amount: 0,
        refund_marked_at: None,
        dispute: None,
        payment_intent: None,
        session: None,
        webhook_processed_at: None,
        shipped: None,
        lines: draft.lines,
        reviews: Vec::new(),
        created_at: cx.now,
        updated_at: cx.now,
    }
}

/// Writes down which session at Stripe belongs to an order.
pub fn record_session(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, session: &str) -> Result<()> {
    store::set_session(tx, cx, order, session)
}
