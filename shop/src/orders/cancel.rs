//! Ends a pending order without a payment.

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Result};
use ops::Actor;

use super::{CLOSE_SESSION, CancelReason, settle};
use crate::ids::OrderId;

/// Ends a pending order: its stock goes back, and its session at Stripe is ended by a job, so that nobody pays for it.
/// Should someone pay all the same, the payment reopens the order.
pub fn cancel(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, reason: CancelReason, cause: &Actor) -> Result<()> {
    settle::end(tx, cx, id, reason, cause)?;
    close_session(tx, cx, id)
}

/// Asks for the end of an order's session at Stripe, now.
pub fn close_session(tx: &mut Tx<'_>, cx: &Cx, id: OrderId) -> Result<()> {
    let close = NewJob {
        kind: CLOSE_SESSION,
        key: Some(id.to_string()),
        payload: serde_json::json!({ "order": id }),
        run_at: cx.now,
    };
    jobs::enqueue(tx, cx, vec![close])
}
