//! What a refund that people ask for means for the order, before Stripe has anything to say about it.

use db::Tx;
use kernel::{Cx, Error, Refusal, Result};
use ops::Actor;

use super::store::{self, NewEntry};
use super::{Dispute, Order, PaymentStatus, settle};
use crate::ids::OrderId;

/// An order, locked until the end of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: OrderId) -> Result<Order> {
    store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))
}

/// A refund was asked for: nothing is shipped while it is under way.
pub fn refund_requested(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, actor: &Actor, why: &str) -> Result<()> {
    let mut order = lock(tx, id)?;
    order.payment_status = PaymentStatus::RefundPending;
    order.updated_at = cx.now;
    store::save(tx, &[order])?;
    let meta = serde_json::json!({ "reason": why });
    store::write_timeline(tx, cx, vec![NewEntry::new(id, "refund_requested", actor, meta)])
}

/// The refund did not come about: the order goes on with its money.
pub fn refund_given_up(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, cause: &Actor, why: &str) -> Result<()> {
    let mut order = lock(tx, id)?;
    if order.payment_status == PaymentStatus::RefundPending {
        order.payment_status = PaymentStatus::Paid;
        order.updated_at = cx.now;
        store::save(tx, &[order])?;
        let meta = serde_json::json!({ "why": why });
        store::write_timeline(tx, cx, vec![NewEntry::new(id, "refund_given_up", cause, meta)])?;
    }
    settle(tx, cx, &[id], cause).map(drop)
}

/// An operator knows that Stripe refunded it long ago. What was bought goes back; a replay does not bring it again.
///
/// # Errors
/// Refused while a bank decides about the payment.
pub fn mark_refunded(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, actor: &Actor) -> Result<()> {
    let mut order = lock(tx, id)?;
    if order.dispute == Some(Dispute::Open) {
        // It was opened between the plan and this: the goods wait for the bank's word.
        let why = format!("a bank decides about the payment of order {id}");
        return Err(Refusal::new("payment_disputed", why)
            .fix(format!("makegood orders explain {id}"))
            .into());
    }
    order.refund_marked_at = order.refund_marked_at.or(Some(cx.now));
    order.updated_at = cx.now;
    store::save(tx, &[order])?;
    settle(tx, cx, &[id], actor).map(drop)
}
