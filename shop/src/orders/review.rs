//! A person looks at an order: flags it, or clears it so that it goes on where it stood.

use db::Tx;
use kernel::{Cx, Error, Refusal, Result};
use ops::Actor;

use super::store::{self, NewEntry};
use super::{ReviewKind, settle};
use crate::ids::OrderId;

/// Flags an order: nothing is handed over until a person clears it.
pub fn flag_for_review(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, actor: &Actor, why: &str) -> Result<()> {
    let order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    store::open_review(tx, cx, order.id, ReviewKind::Operator, why)?;
    let meta = serde_json::json!({ "kind": ReviewKind::Operator, "detail": why });
    store::write_timeline(
        tx,
        cx,
        vec![NewEntry { order: id, kind: "review_opened", actor: actor.clone(), meta }],
    )?;
    settle(tx, cx, &[id], actor).map(drop)
}

/// Clears the open flag of one kind, or every one, writes down who did, and lets the order go on where it stood.
///
/// # Errors
/// Refused when nothing is open.
pub fn clear_review(
    tx: &mut Tx<'_>,
    cx: &Cx,
    id: OrderId,
    kind: Option<ReviewKind>,
    actor: &Actor,
) -> Result<()> {
    let order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    let open = order.reviews.iter().filter(|review| review.is_open()).map(|review| review.kind);
    let open: Vec<ReviewKind> = open.filter(|open| kind.is_none_or(|kind| kind == *open)).collect();
    if open.is_empty() {
        return Err(Refusal::new("no_open_review", format!("order {id} has no open review")).into());
    }
    store::clear_reviews(tx, cx, id, &open, &actor.name)?;
    let meta = serde_json::json!({
        "kinds": open, "at": cx.now, "actor": "admin", "actorType": actor.kind, "actorId": actor.name,
    });
    store::write_timeline(
        tx,
        cx,
        vec![NewEntry { order: id, kind: "review_cleared", actor: actor.clone(), meta }],
    )?;
    settle(tx, cx, &[id], actor).map(drop)
}
