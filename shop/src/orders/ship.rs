//! Ships a confirmed order; nothing is left to deliver then.

use db::Tx;
use kernel::{Cx, Error, Refusal, Result};
use ops::Actor;

use super::store::{self, NewEntry};
use super::{PaymentStatus, State};
use crate::ids::OrderId;

/// Marks a confirmed order as shipped and completes it. For one that is shipped already, corrects how the parcel is followed.
///
/// # Errors
/// Refused while it is under review, while its money may go back, or when it is not confirmed.
pub fn ship(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, tracking: Option<&str>, actor: &Actor) -> Result<()> {
    let mut order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    if let Some(review) = order.open_review() {
        return Err(Refusal::new("order_under_review", format!("order {id}: {}", review.detail))
            .fix(format!("makegood orders review clear {id} --reason …   once you have looked at it"))
            .into());
    }
    if order.dispute.is_some() || order.payment_status == PaymentStatus::RefundPending {
        return Err(Refusal::new(
            "money_may_go_back",
            format!("order {id}: the payment is {}", order.payment_status.as_str()),
        )
        .fix(format!("makegood orders explain {id}"))
        .into());
    }
    if matches!(order.state, State::Completed { .. })
        && let Some((_, known)) = &mut order.shipped
    {
        let before = std::mem::replace(known, tracking.map(str::to_owned));
        order.updated_at = cx.now;
        store::save(tx, &[order])?;
        let meta = serde_json::json!({ "tracking": tracking, "before": before });
        return store::write_timeline(tx, cx, vec![NewEntry::new(id, "tracking_corrected", actor, meta)]);
    }
    let State::Confirmed { at } = order.state else {
        return Err(Refusal::new(
            "order_not_confirmed",
            format!("order {id} is {}; only a confirmed order can be shipped", order.state.status()),
        )
        .fix(format!("makegood orders explain {id}"))
        .into());
    };
    order.state = State::Completed { confirmed_at: at, at: cx.now };
    order.shipped = Some((cx.now, tracking.map(str::to_owned)));
    order.updated_at = cx.now;
    store::save(tx, &[order])?;
    let meta = serde_json::json!({ "tracking": tracking });
    let entries = vec![
        NewEntry::new(id, "shipped", actor, meta),
        NewEntry::new(id, "completed", actor, serde_json::json!({})),
    ];
    store::write_timeline(tx, cx, entries)
}
