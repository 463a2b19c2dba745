//! All SQL on `refunds`.

use db::{Row, Tx, Value};
use kernel::{Cx, Error, Money, Result, Timestamp};
use stripe::RefundFact;

use super::{Refund, RefundStatus};
use crate::ids::{OrderId, RefundId};

pub(super) fn insert(tx: &mut Tx<'_>, refund: &Refund) -> Result<()> {
    tx.execute(
        "INSERT INTO refunds (id, order_id, status, generation, sent_count, stripe_payment_intent_id, amount, currency,
           reason, actor, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            refund.id.into(),
            refund.order.into(),
            refund.status.as_str().into(),
            refund.generation.into(),
            refund.sent_count.into(),
            refund.payment_intent.clone().into(),
            refund.amount.minor.into(),
            refund.amount.currency.into(),
            refund.reason.clone().into(),
            refund.actor.clone().into(),
            refund.created_at.into(),
            refund.updated_at.into(),
        ],
    )?;
    Ok(())
}

/// Writes down that it is sent now, under this generation of the key: from here on nobody knows whether Stripe has it,
/// until somebody does. Says whether it was still to be sent as it was seen.
pub(super) fn sending(tx: &mut Tx<'_>, now: Timestamp, seen: &Refund, generation: i64) -> Result<bool> {
    let renewed = generation != seen.generation;
    let first = if renewed { now } else { seen.sent_at.unwrap_or(now) };
    let count = if renewed { 1 } else { seen.sent_count + 1 };
    let touched = tx.execute(
        "UPDATE refunds SET status = 'unknown', generation = $1, sent_count = $2, sent_at = $3, updated_at = $4
         WHERE id = $5 AND status IN ('requested', 'unknown') AND generation = $6 AND sent_count = $7",
        &[
            generation.into(),
            count.into(),
            first.into(),
            now.into(),
            seen.id.into(),
            seen.generation.into(),
            seen.sent_count.into(),
        ],
    )?;
    Ok(touched == 1)
}

/// Writes down what Stripe has, and how much it sends: where a part went back meanwhile, less than was asked for. A refund
/// that came back stays failed.
pub(super) fn seen(
    tx: &mut Tx<'_>,
    cx: &Cx,
    id: RefundId,
    status: RefundStatus,
    at_stripe: &RefundFact,
) -> Result<bool> {
    let touched = tx.execute(
        "UPDATE refunds SET status = $1, stripe_refund_id = $2, amount = $3, updated_at = $4,
           last_error = CASE WHEN $1 = 'succeeded' THEN NULL ELSE last_error END
         WHERE id = $5 AND status <> 'failed' AND (status <> $1 OR stripe_refund_id IS NULL)",
        &[status.as_str().into(), (&at_stripe.id).into(), at_stripe.amount.into(), cx.now.into(), id.into()],
    )?;
    Ok(touched == 1)
}

/// Ends one that did not come about.
pub(super) fn fail(tx: &mut Tx<'_>, cx: &Cx, id: RefundId, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE refunds SET status = 'failed', last_error = $1, updated_at = $2 WHERE id = $3 AND status <> 'failed'",
        &[why.into(), cx.now.into(), id.into()],
    )?;
    Ok(())
}

/// Writes down why there is no answer; when it was last sent stays known.
pub(super) fn unanswered(tx: &mut Tx<'_>, id: RefundId, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE refunds SET last_error = $1 WHERE id = $2 AND status IN ('requested', 'unknown')",
        &[why.into(), id.into()],
    )?;
    Ok(())
}

/// One refund.
pub fn find(tx: &mut Tx<'_>, id: RefundId) -> Result<Option<Refund>> {
    tx.query_opt("SELECT * FROM refunds WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

/// The refund that Stripe knows by this id.
pub fn by_stripe_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<Refund>> {
    let sql = "SELECT * FROM refunds WHERE stripe_refund_id = $1";
    tx.query_opt(sql, &[id.into()])?.as_ref().map(read).transpose()
}

/// Every refund that was asked for of an order, the oldest first.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Refund>> {
    let sql = "SELECT * FROM refunds WHERE order_id = $1 ORDER BY generation";
    tx.query(sql, &[order.into()])?.iter().map(read).collect()
}

/// The one that was asked for last of an order.
pub fn latest_of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<Refund>> {
    Ok(of_order(tx, order)?.pop())
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    equal: &[(&str, Value)],
    before: Option<RefundId>,
    limit: i64,
) -> Result<Vec<Refund>> {
    let mut params = vec![limit.into()];
    let mut conditions = String::from("1 = 1");
    for (column, value) in equal {
        params.push(value.clone());
        conditions.push_str(&format!(" AND {column} = ${}", params.len()));
    }
    if let Some(before) = before {
        params.push(before.into());
        conditions.push_str(&format!(" AND id < ${}", params.len()));
    }
    let sql = format!("SELECT * FROM refunds WHERE {conditions} ORDER BY id DESC LIMIT $1");
    tx.query(&sql, &params)?.iter().map(read).collect()
}

/// Refunds of which nobody knows for this long how they ended.
pub(super) fn open_since(tx: &mut Tx<'_>, before: Timestamp, most: i64) -> Result<Vec<Refund>> {
    let rows = tx.query(
        // The longer list is that of the index; SQLite takes it only when it is repeated.
        "SELECT * FROM refunds WHERE status IN ('requested', 'unknown', 'pending') AND status <> 'pending'
           AND created_at < $1 ORDER BY created_at LIMIT $2",
        &[before.into(), most.into()],
    )?;
    rows.iter().map(read).collect()
}

/// Refunds of which Stripe has not said how they end, asked for before this moment, by their ids.
pub fn unanswered_before(
    tx: &mut Tx<'_>,
    before: Timestamp,
    after: Option<RefundId>,
    limit: i64,
) -> Result<Vec<Refund>> {
    let rows = tx.query(
        "SELECT * FROM refunds WHERE status IN ('requested', 'unknown', 'pending') AND created_at < $1 AND id > $2
         ORDER BY id LIMIT $3",
        &[before.into(), after.unwrap_or(RefundId::from_uuid(uuid::Uuid::nil())).into(), limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// How many refunds came where in some length of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Asked for.
    pub requested: i64,
    /// Stripe has said that they went through.
    pub succeeded: i64,
    /// They did not come about, or came back.
    pub failed: i64,
    /// They were sent, and nobody knows to this day what became of them.
    pub unknown: i64,
}

/// What happened to refunds from one instant up to another. One that moves twice within it counts where it ended.
pub fn moved(tx: &mut Tx<'_>, from: Timestamp, to: Timestamp) -> Result<Moved> {
    let ids = [Value::Uuid(crate::ids::first_made_at(from)), Value::Uuid(crate::ids::first_made_at(to))];
    let mut moved = Moved {
        requested: tx.count("SELECT COUNT(*) FROM refunds WHERE id >= $1 AND id < $2", &ids)?,
        ..Moved::default()
    };
    let rows = tx.query(
        "SELECT status, COUNT(*) AS refunds FROM refunds WHERE updated_at >= $1 AND updated_at < $2 GROUP BY status",
        &[from.into(), to.into()],
    )?;
    for row in rows {
        let count = row.get("refunds")?;
        match RefundStatus::parse(&row.get::<String>("status")?)? {
            RefundStatus::Succeeded => moved.succeeded = count,
            RefundStatus::Failed => moved.failed = count,
            RefundStatus::Unknown => moved.unknown = count,
            RefundStatus::Requested | RefundStatus::Pending => {}
        }
    }
    Ok(moved)
}

fn read(row: &Row) -> Result<Refund> {
    Ok(Refund {
        id: row.get("id")?,
        order: row.get("order_id")?,
        status: RefundStatus::parse(&row.get::<String>("status")?)?,
        generation: row.get("generation")?,
        sent_count: row.get("sent_count")?,
        sent_at: row.get("sent_at")?,
        payment_intent: row.get("stripe_payment_intent_id")?,
        stripe_refund: row.get("stripe_refund_id")?,
        amount: Money::new(row.get("amount")?, row.get("currency")?),
        reason: row.get("reason")?,
        actor: row.get("actor")?,
        last_error: row.get("last_error")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// That a refund is not there can only be a mistake: its id came from us.
pub(super) fn must(found: Option<Refund>, id: RefundId) -> Result<Refund> {
    found.ok_or_else(|| Error::not_found("refund", id))
}
