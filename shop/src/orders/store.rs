//! All SQL on `orders`, their lines, timeline, reviews and payment facts.

use std::collections::{BTreeMap, BTreeSet};

use db::{NewestFirst, Row, Tx, Value};
use kernel::{Cx, Error, Result, Timestamp};
use ops::{Actor, Page};
use stripe::{Fact, References};
use uuid::Uuid;

use super::{
    Amounts, CancelReason, Dispute, Line, Order, PaymentStatus, Review, ReviewKind, State, TimelineEntry,
    WaitsFor,
};
use crate::catalog::ProductKind;
use crate::ids::{OrderId, ProfileId};

/// An order that must be there or not, locked until the end of the transaction.
pub(super) fn lock(tx: &mut Tx<'_>, id: OrderId) -> Result<Option<Order>> {
    Ok(lock_many(tx, &[id])?.remove(&id))
}

/// Orders, locked in the order of their ids: two transactions wait for each other instead of locking each other out.
pub(super) fn lock_many(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<BTreeMap<OrderId, Order>> {
    let lock = tx.dialect().for_update();
    load(tx, ids, lock)
}

/// One order.
pub fn find(tx: &mut Tx<'_>, id: OrderId) -> Result<Option<Order>> {
    Ok(find_many(tx, &[id])?.remove(&id))
}

/// Orders by their ids.
pub fn find_many(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<BTreeMap<OrderId, Order>> {
    load(tx, ids, "")
}

fn load(tx: &mut Tx<'_>, ids: &[OrderId], lock: &str) -> Result<BTreeMap<OrderId, Order>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let among = Value::array(ids.iter().copied());
    let sql = format!("SELECT * FROM orders WHERE {} ORDER BY id{lock}", tx.dialect().any("id", 1));
    let mut orders = BTreeMap::new();
    for row in tx.query(&sql, std::slice::from_ref(&among))? {
        let order = read(&row)?;
        orders.insert(order.id, order);
    }
    let by_order = tx.dialect().any("order_id", 1);
    let sql = format!("SELECT * FROM order_lines WHERE {by_order} ORDER BY order_id, position");
    for row in tx.query(&sql, std::slice::from_ref(&among))? {
        if let Some(order) = orders.get_mut(&row.get::<OrderId>("order_id")?) {
            order.lines.push(read_line(&row)?);
        }
    }
    let sql = format!("SELECT * FROM order_reviews WHERE {by_order} ORDER BY order_id, opened_at, kind");
    for row in tx.query(&sql, &[among])? {
        if let Some(order) = orders.get_mut(&row.get::<OrderId>("order_id")?) {
            order.reviews.push(read_review(&row)?);
        }
    }
    Ok(orders)
}

fn read(row: &Row) -> Result<Order> {
    let shipped: Option<Timestamp> = row.get("shipped_at")?;
    Ok(Order {
        id: row.get("id")?,
        profile: row.get("profile_id")?,
        email: row.get("email")?,
        seller: row.get("seller_id")?,
        state: read_state(row)?,
        payment_status: PaymentStatus::parse(&row.get::<String>("payment_status")?)?,
        amounts: Amounts {
            currency: row.get("currency")?,
            subtotal: row.get("subtotal_amount")?,
            discount: row.get("discount_amount")?,
            tax: row.get("tax_amount")?,
            shipping: row.get("shipping_amount")?,
        },
        paid_amount: row.get("paid_amount")?,
        refunded_amount: row.get("refunded_amount")?,
        refund_marked_at: row.get("refund_marked_at")?,
        dispute: row
            .get::<Option<String>>("dispute_status")?
            .map(|word| Dispute::parse(&word))
            .transpose()?,
        payment_intent: row.get("stripe_payment_intent_id")?,
        session: row.get("stripe_checkout_session_id")?,
        webhook_processed_at: row.get("webhook_processed_at")?,
        shipped: shipped.map(|at| Ok::<_, Error>((at, row.get("tracking")?))).transpose()?,
        lines: Vec::new(),
        reviews: Vec::new(),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Row and noun meet here and nowhere else; an impossible combination is a bug, not a default.
fn read_state(row: &Row) -> Result<State> {
    let missing = |what: &str| Error::bug(format!("an order without its {what}"));
    let time = |name: &str| row.get::<Option<Timestamp>>(name)?.ok_or_else(|| missing(name));
    Ok(match row.get::<String>("status")?.as_str() {
        "pending" => State::Pending,
        "paid" => {
            let word: Option<String> = row.get("waits_for")?;
            State::Paid { waits_for: WaitsFor::parse(&word.ok_or_else(|| missing("waits_for"))?)? }
        }
        "confirmed" => State::Confirmed { at: time("confirmed_at")? },
        "completed" => State::Completed { confirmed_at: time("confirmed_at")?, at: time("completed_at")? },
        "cancelled" => {
            let word: Option<String> = row.get("cancel_reason")?;
            let reason = CancelReason::parse(&word.ok_or_else(|| missing("cancel_reason"))?)?;
            State::Cancelled { reason, at: time("cancelled_at")? }
        }
        "refunded" => State::Refunded { at: time("refunded_at")? },
        other => return Err(Error::bug(format!("an order is `{other}`"))),
    })
}

fn read_line(row: &Row) -> Result<Line> {
    Ok(Line {
        product_id: row.get("product_id")?,
        kind: ProductKind::parse(&row.get::<String>("kind")?)?,
        name: row.get("name")?,
        sku: row.get("sku")?,
        quantity: row.get("quantity")?,
        unit_amount: row.get("unit_amount")?,
    })
}

fn read_review(row: &Row) -> Result<Review> {
    Ok(Review {
        kind: ReviewKind::parse(&row.get::<String>("kind")?)?,
        detail: row.get("detail")?,
        opened_at: row.get("opened_at")?,
        cleared_at: row.get("cleared_at")?,
        cleared_by: row.get("cleared_by")?,
    })
}

pub(super) fn insert(tx: &mut Tx<'_>, orders: &[Order]) -> Result<()> {
    let rows: Vec<Vec<Value>> = orders
        .iter()
        .map(|order| {
            vec![
                order.id.into(),
                order.profile.into(),
                order.email.clone().into(),
                order.state.status().into(),
                order.payment_status.as_str().into(),
                false.into(),
                order.amounts.currency.into(),
                order.amounts.subtotal.into(),
                order.amounts.discount.into(),
                order.amounts.tax.into(),
                order.amounts.shipping.into(),
                order.amounts.total().minor.into(),
                order.created_at.into(),
                order.updated_at.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO orders (id, profile_id, email, status, payment_status, requires_review, currency, subtotal_amount,
         discount_amount, tax_amount, shipping_amount, total_amount, created_at, updated_at)",
        "",
        &rows,
    )?;
    let lines: Vec<Vec<Value>> = orders
        .iter()
        .flat_map(|order| order.lines.iter().enumerate().map(|(at, line)| line_row(order.id, at, line)))
        .collect();
    tx.insert_many(
        "INSERT INTO order_lines (order_id, position, product_id, kind, name, sku, quantity, unit_amount)",
        "",
        &lines,
    )?;
    Ok(())
}

fn line_row(order: OrderId, position: usize, line: &Line) -> Vec<Value> {
    vec![
        order.into(),
        (position as i64).into(),
        line.product_id.clone().into(),
        line.kind.as_str().into(),
        line.name.clone().into(),
        line.sku.clone().into(),
        line.quantity.into(),
        line.unit_amount.into(),
    ]
}

pub(super) fn save(tx: &mut Tx<'_>, orders: &[Order]) -> Result<()> {
    let rows: Vec<Vec<Value>> = orders.iter().map(saved).collect();
    let touched = tx.execute_many(
        "UPDATE orders SET status = $1, waits_for = $2, cancel_reason = $3, payment_status = $4, requires_review = $5,
           review_reason = $6, tax_amount = $7, shipping_amount = $8, total_amount = $9, paid_amount = $10,
           stripe_payment_intent_id = $11, webhook_processed_at = $12, confirmed_at = $13, completed_at = $14,
           cancelled_at = $15, shipped_at = $16, tracking = $17, email = $18, updated_at = $19, refunded_amount = $20,
           refunded_at = $21, refund_marked_at = $22, dispute_status = $23
         WHERE id = $24",
        &rows,
    )?;
    match touched.iter().all(|count| *count == 1) {
        true => Ok(()),
        false => Err(Error::bug("an order that was locked is not there")),
    }
}

fn saved(order: &Order) -> Vec<Value> {
    let (mut waits_for, mut cancel_reason) = (Value::Null, Value::Null);
    let (mut confirmed_at, mut completed_at, mut cancelled_at) = (Value::Null, Value::Null, Value::Null);
    let mut refunded_at = Value::Null;
    match &order.state {
        State::Pending => {}
        State::Refunded { at } => refunded_at = (*at).into(),
        State::Paid { waits_for: word } => waits_for = word.as_str().into(),
        State::Confirmed { at } => confirmed_at = (*at).into(),
        State::Completed { confirmed_at: confirmed, at } => {
            confirmed_at = (*confirmed).into();
            completed_at = (*at).into();
        }
        State::Cancelled { reason, at } => {
            cancel_reason = reason.as_str().into();
            cancelled_at = (*at).into();
        }
    }
    let review = order.open_review();
    vec![
        order.state.status().into(),
        waits_for,
        cancel_reason,
        order.payment_status.as_str().into(),
        review.is_some().into(),
        review.map(|review| review.kind.as_str()).into(),
        order.amounts.tax.into(),
        order.amounts.shipping.into(),
        order.amounts.total().minor.into(),
        order.paid_amount.into(),
        order.payment_intent.clone().into(),
        order.webhook_processed_at.into(),
        confirmed_at,
        completed_at,
        cancelled_at,
        order.shipped.as_ref().map(|(at, _)| *at).into(),
        order.shipped.as_ref().and_then(|(_, tracking)| tracking.clone()).into(),
        order.email.clone().into(),
        order.updated_at.into(),
        order.refunded_amount.into(),
        refunded_at,
        order.refund_marked_at.into(),
        order.dispute.map(Dispute::as_str).into(),
        order.id.into(),
    ]
}

/// The first of these orders that is under review.
pub fn under_review(tx: &mut Tx<'_>, orders: &[OrderId]) -> Result<Option<OrderId>> {
    if orders.is_empty() {
        return Ok(None);
    }
    let sql =
        format!("SELECT id FROM orders WHERE {} AND requires_review ORDER BY id", tx.dialect().any("id", 1));
    tx.query_opt(&sql, &[Value::array(orders.iter().copied())])?.map(|row| row.get("id")).transpose()
}

/// The order of a checkout session, if one has it.
pub fn find_by_session(tx: &mut Tx<'_>, session: &str) -> Result<Option<Order>> {
    let sql = "SELECT id FROM orders WHERE stripe_checkout_session_id = $1";
    match tx.query_opt(sql, &[session.into()])? {
        Some(row) => find(tx, row.get("id")?),
        None => Ok(None),
    }
}

pub(super) fn set_session(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, session: &str) -> Result<()> {
    tx.execute(
        "UPDATE orders SET stripe_checkout_session_id = $1, updated_at = $2 WHERE id = $3",
        &[session.into(), cx.now.into(), order.into()],
    )?;
    Ok(())
}

/// A guest's order gets its buyer, once and for good.
pub(super) fn set_profile(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, profile: ProfileId) -> Result<()> {
    let touched = tx.execute(
        "UPDATE orders SET profile_id = $1, updated_at = $2 WHERE id = $3 AND profile_id IS NULL",
        &[profile.into(), cx.now.into(), order.into()],
    )?;
    if touched == 1 { Ok(()) } else { Err(Error::bug("an order that was nobody's is somebody's")) }
}

/// Says that the order of this session is this one; false when another was faster.
pub(super) fn claim_session(
    tx: &mut Tx<'_>,
    cx: &Cx,
    session: &str,
    link: Option<&str>,
    order: OrderId,
) -> Result<bool> {
    let row = vec![session.into(), order.into(), link.into(), cx.now.into()];
    let new = tx.insert_new(
        "INSERT INTO session_orders (stripe_checkout_session_id, order_id, payment_link, created_at)",
        "stripe_checkout_session_id",
        &[row],
    )?;
    Ok(new.first() == Some(&true))
}

/// Which order was made of a session that this shop did not open.
pub(super) fn order_of_session(tx: &mut Tx<'_>, session: &str) -> Result<Option<OrderId>> {
    let sql = "SELECT order_id FROM session_orders WHERE stripe_checkout_session_id = $1";
    tx.query_opt(sql, &[session.into()])?.map(|row| row.get("order_id")).transpose()
}

/// Whether an order was ever made of what this Payment Link sold.
pub(super) fn has_sold(tx: &mut Tx<'_>, link: Option<&str>) -> Result<bool> {
    let Some(link) = link else { return Ok(false) };
    let sql = "SELECT order_id FROM session_orders WHERE payment_link = $1 LIMIT 1";
    Ok(tx.query_opt(sql, &[link.into()])?.is_some())
}

/// Everything proved about these orders, by order and object.
pub(super) fn facts(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<BTreeMap<OrderId, BTreeMap<String, Fact>>> {
    let sql = format!(
        "SELECT order_id, object_id, fact FROM payment_facts WHERE {}",
        tx.dialect().any("order_id", 1)
    );
    let mut all: BTreeMap<OrderId, BTreeMap<String, Fact>> = BTreeMap::new();
    for row in tx.query(&sql, &[Value::array(ids.iter().copied())])? {
        let fact: String = row.get("fact")?;
        let fact = serde_json::from_str(&fact).map_err(|e| Error::Bug(Box::new(e)))?;
        all.entry(row.get("order_id")?).or_default().insert(row.get("object_id")?, fact);
    }
    Ok(all)
}

pub(super) fn save_facts(tx: &mut Tx<'_>, cx: &Cx, facts: &BTreeMap<(OrderId, String), Fact>) -> Result<()> {
    let rows = facts
        .iter()
        .map(|((order, object), fact)| {
            let text = serde_json::to_string(fact).map_err(|e| Error::Bug(Box::new(e)))?;
            Ok(vec![
                object.into(),
                (*order).into(),
                fact.object_kind().into(),
                fact.state().into(),
                fact.provisional().is_some().into(),
                Value::Json(text),
                cx.now.into(),
            ])
        })
        .collect::<Result<Vec<_>>>()?;
    // An object belongs to the order that it was first matched with, for good.
    let saved = tx.insert_many(
        "INSERT INTO payment_facts (object_id, order_id, kind, state, provisional, fact, updated_at)",
        "ON CONFLICT (object_id) DO UPDATE SET fact = excluded.fact, kind = excluded.kind, state = excluded.state,
           provisional = excluded.provisional, updated_at = excluded.updated_at
         WHERE payment_facts.order_id = excluded.order_id",
        &rows,
    )?;
    match saved.count == rows.len() as u64 {
        true => Ok(()),
        // Matched by another event since; the next attempt finds the order that it belongs to.
        false => Err(Error::bug("an object was matched with another order at the same time")),
    }
}

/// One entry to be written on an order's timeline.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(super) order: OrderId,
    pub(super) kind: &'static str,
    pub(super) actor: Actor,
    pub(super) meta: serde_json::Value,
}

impl NewEntry {
    pub(super) fn new(order: OrderId, kind: &'static str, actor: &Actor, meta: serde_json::Value) -> Self {
        NewEntry { order, kind, actor: actor.clone(), meta }
    }
}

pub(super) fn write_timeline(tx: &mut Tx<'_>, cx: &Cx, entries: Vec<NewEntry>) -> Result<()> {
    let rows: Vec<Vec<Value>> = entries
        .into_iter()
        .map(|entry| {
            vec![
                cx.uuid().into(),
                entry.order.into(),
                entry.kind.into(),
                cx.now.into(),
                entry.actor.name.into(),
                entry.actor.kind.as_str().into(),
                entry.meta.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO order_timeline (id, order_id, type, at, actor, actor_type, meta)",
        "",
        &rows,
    )?;
    Ok(())
}

/// What happened to an order, the oldest first.
pub fn timeline(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<TimelineEntry>> {
    let rows = tx.query(
        "SELECT type, at, actor, actor_type, meta FROM order_timeline WHERE order_id = $1 ORDER BY at, id",
        &[order.into()],
    )?;
    rows.iter().map(read_entry).collect()
}

/// A part of it, each entry with its id: what comes after `after`, at most `limit` entries.
pub(super) fn timeline_page(
    tx: &mut Tx<'_>,
    order: OrderId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, TimelineEntry)>> {
    let (mut condition, mut params) = ("", vec![order.into(), limit.into()]);
    if let Some(after) = after {
        condition = "AND (at, id) > (SELECT at, id FROM order_timeline WHERE id = $3)";
        params.push(after.into());
    }
    let sql = format!(
        "SELECT id, type, at, actor, actor_type, meta FROM order_timeline WHERE order_id = $1 {condition}
         ORDER BY at, id LIMIT $2"
    );
    tx.query(&sql, &params)?.iter().map(|row| Ok((row.get("id")?, read_entry(row)?))).collect()
}

/// Whether this entry stands on this order's timeline.
pub(super) fn has_entry(tx: &mut Tx<'_>, order: OrderId, id: Uuid) -> Result<bool> {
    let params = [order.into(), id.into()];
    Ok(tx.count("SELECT COUNT(*) FROM order_timeline WHERE order_id = $1 AND id = $2", &params)? > 0)
}

fn read_entry(row: &Row) -> Result<TimelineEntry> {
    Ok(TimelineEntry {
        kind: row.get("type")?,
        at: row.get("at")?,
        actor: row.get("actor")?,
        actor_type: row.get("actor_type")?,
        meta: row.get("meta")?,
    })
}

/// Opens a flag. One that a person has cleared stays cleared, unless there is something new to see.
pub(super) fn open_review(
    tx: &mut Tx<'_>,
    cx: &Cx,
    order: OrderId,
    kind: ReviewKind,
    detail: &str,
) -> Result<()> {
    let again = if kind.opens_again() {
        "DO UPDATE SET detail = excluded.detail, opened_at = excluded.opened_at, cleared_at = NULL, cleared_by = NULL"
    } else {
        "DO NOTHING"
    };
    let sql = format!(
        "INSERT INTO order_reviews (order_id, kind, detail, opened_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (order_id, kind) {again}"
    );
    tx.execute(&sql, &[order.into(), kind.as_str().into(), detail.into(), cx.now.into()])?;
    tx.execute(
        "UPDATE orders SET requires_review = $1, review_reason = COALESCE(review_reason, $2), updated_at = $3
         WHERE id = $4",
        &[true.into(), kind.as_str().into(), cx.now.into(), order.into()],
    )?;
    Ok(())
}

/// Clears these flags of an order; it stays under review while another is open.
pub(super) fn clear_reviews(
    tx: &mut Tx<'_>,
    cx: &Cx,
    order: OrderId,
    kinds: &[ReviewKind],
    by: &str,
) -> Result<()> {
    let sql = format!(
        "UPDATE order_reviews SET cleared_at = $1, cleared_by = $2
         WHERE order_id = $3 AND cleared_at IS NULL AND {}",
        tx.dialect().any("kind", 4)
    );
    let among = Value::array(kinds.iter().map(|kind| kind.as_str()));
    tx.execute(&sql, &[cx.now.into(), by.into(), order.into(), among])?;
    let open = tx.query_opt(
        "SELECT kind FROM order_reviews WHERE order_id = $1 AND cleared_at IS NULL ORDER BY opened_at, kind LIMIT 1",
        &[order.into()],
    )?;
    let reason: Option<String> = open.map(|row| row.get("kind")).transpose()?;
    tx.execute(
        "UPDATE orders SET requires_review = $1, review_reason = $2, updated_at = $3 WHERE id = $4",
        &[reason.is_some().into(), reason.into(), cx.now.into(), order.into()],
    )?;
    Ok(())
}

/// The order that each set of references means, if one is known: by an object that was matched before, else by our own id
/// in the metadata, else by the session or payment intent that an order keeps. What was matched before comes first: one
/// payment never pays for two orders, whatever is written on it later. Metadata that a person may have typed comes last.
pub fn match_references(tx: &mut Tx<'_>, references: &[&References]) -> Result<Vec<Option<OrderId>>> {
    let objects: BTreeSet<&str> = references.iter().flat_map(|r| objects_of(r)).collect();
    let by_fact = by_objects(tx, &objects, &[("payment_facts", "object_id", "order_id")])?;
    let named: BTreeSet<OrderId> = references.iter().filter_map(|r| own_id(r)).collect();
    let known = existing(tx, &named)?;
    let is_known = |r: &References| own_id(r).filter(|id| known.contains(id));
    let unknown = references.iter().filter(|r| r.typed || is_known(r).is_none()).flat_map(|r| objects_of(r));
    let columns =
        [("orders", "stripe_payment_intent_id", "id"), ("orders", "stripe_checkout_session_id", "id")];
    let by_column = by_objects(tx, &unknown.collect(), &columns)?;
    let among = |found: &BTreeMap<String, OrderId>, r: &References| {
        objects_of(r).into_iter().find_map(|object| found.get(object).copied())
    };
    let meant = |r: &&References| {
        let (named, kept) = (is_known(r), among(&by_column, r));
        among(&by_fact, r).or(if r.typed { kept.or(named) } else { named.or(kept) })
    };
    Ok(references.iter().map(meant).collect())
}

/// Our own id as it was written on the object.
fn own_id(references: &References) -> Option<OrderId> {
    references.own_order()?.parse().ok()
}

fn objects_of(references: &References) -> Vec<&str> {
    let all = [&references.session, &references.payment_intent, &references.charge];
    all.into_iter().filter_map(|object| object.as_deref()).collect()
}

fn existing(tx: &mut Tx<'_>, ids: &BTreeSet<OrderId>) -> Result<BTreeSet<OrderId>> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!("SELECT id FROM orders WHERE {}", tx.dialect().any("id", 1));
    tx.query(&sql, &[Value::array(ids.iter().copied())])?.iter().map(|row| row.get("id")).collect()
}

/// Orders by objects, looked up in columns: `(table, column, order)`.
fn by_objects(
    tx: &mut Tx<'_>,
    objects: &BTreeSet<&str>,
    columns: &[(&str, &str, &str)],
) -> Result<BTreeMap<String, OrderId>> {
    let mut found = BTreeMap::new();
    if objects.is_empty() {
        return Ok(found);
    }
    let among = Value::array(objects.iter().copied());
    for (table, column, order) in columns {
        let any = tx.dialect().any(column, 1);
        let sql = format!("SELECT {column} AS object, {order} AS order_id FROM {table} WHERE {any}");
        for row in tx.query(&sql, std::slice::from_ref(&among))? {
            found.insert(row.get("object")?, row.get("order_id")?);
        }
    }
    Ok(found)
}

/// Which orders to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) equal: Vec<(&'static str, Value)>,
    pub(crate) before: Option<OrderId>,
    pub(crate) limit: i64,
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &Filter) -> Result<Vec<Order>> {
    let mut params = vec![filter.limit.into()];
    let mut conditions = String::from("1 = 1");
    for (column, value) in &filter.equal {
        params.push(value.clone());
        conditions.push_str(&format!(" AND {column} = ${}", params.len()));
    }
    let newest = NewestFirst { table: "orders", made_at: "created_at", filtered: !filter.equal.is_empty() };
    if let Some(before) = filter.before {
        params.push(before.into());
        conditions.push_str(&format!(" AND {}", newest.after(params.len())));
    }
    let sql = format!("SELECT id FROM orders WHERE {conditions} ORDER BY {} LIMIT $1", newest.order());
    let ids: Vec<OrderId> =
        tx.query(&sql, &params)?.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
    let mut orders = find_many(tx, &ids)?;
    Ok(ids.iter().filter_map(|id| orders.remove(id)).collect())
}

/// When the first order was made.
pub fn first_placed_at(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let row = tx.query_opt("SELECT created_at FROM orders ORDER BY id LIMIT 1", &[])?;
    row.map(|row| row.get("created_at")).transpose()
}

/// An order that waits for its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpaid {
    /// Which.
    pub id: OrderId,
    /// What is known of the money.
    pub payment_status: PaymentStatus,
    /// Since when.
    pub created_at: Timestamp,
}

/// Orders that wait for their payment since before then, the oldest first; only those that come behind `after`.
pub fn unpaid_since(
    tx: &mut Tx<'_>,
    before: Timestamp,
    after: Option<&Unpaid>,
    limit: i64,
) -> Result<Vec<Unpaid>> {
    let mut params = vec![before.into(), limit.into()];
    let mut behind = "";
    if let Some(after) = after {
        params.extend([after.created_at.into(), after.id.into()]);
        behind = " AND (created_at, id) > ($3, $4)";
    }
    let sql = format!(
        "SELECT id, payment_status, created_at FROM orders WHERE status = 'pending' AND created_at < $1{behind}
         ORDER BY created_at, id LIMIT $2"
    );
    let unpaid = |row: &Row| {
        let payment_status = PaymentStatus::parse(&row.get::<String>("payment_status")?)?;
        Ok(Unpaid { id: row.get("id")?, payment_status, created_at: row.get("created_at")? })
    };
    tx.query(&sql, &params)?.iter().map(unpaid).collect()
}

/// Orders that wait for this stock, the oldest first.
pub(crate) fn waiting_for_stock(tx: &mut Tx<'_>, sku: &str, limit: i64) -> Result<Vec<OrderId>> {
    let rows = tx.query(
        "SELECT DISTINCT o.id FROM orders o JOIN order_lines l ON l.order_id = o.id
         WHERE o.status = 'paid' AND o.waits_for = 'stock' AND l.sku = $1 ORDER BY o.id LIMIT $2",
        &[sku.into(), limit.into()],
    )?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// What is proved of one object at Stripe, and of which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// Whose.
    pub order: OrderId,
    /// What.
    pub fact: Fact,
    /// When anything about it was last learned.
    pub updated_at: Timestamp,
}

/// What is proved of this object, if it belongs to an order.
pub fn fact(tx: &mut Tx<'_>, object: &str) -> Result<Option<KnownFact>> {
    let sql = "SELECT order_id, fact, updated_at FROM payment_facts WHERE object_id = $1";
    tx.query_opt(sql, &[object.into()])?.as_ref().map(read_fact).transpose()
}

/// Everything that is proved of one order, by the ids of the objects.
pub fn facts_of(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<KnownFact>> {
    let sql = "SELECT order_id, fact, updated_at FROM payment_facts WHERE order_id = $1 ORDER BY object_id";
    tx.query(sql, &[order.into()])?.iter().map(read_fact).collect()
}

/// Which facts to list of those that come after the payment: refunds, disputes, warnings, reviews.
#[derive(Debug, Clone, Default)]
pub struct LateFacts<'a> {
    /// Stripe's word for the kind of object.
    pub kind: &'a str,
    /// Only objects in one of these states; in any when empty.
    pub states: &'a [&'a str],
    /// Only of this order.
    pub order: Option<OrderId>,
    /// Only what comes after this object.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: i64,
}

/// Facts of one kind, the ones that changed last first.
pub fn late_facts(tx: &mut Tx<'_>, which: &LateFacts<'_>) -> Result<Vec<KnownFact>> {
    let mut params: Vec<Value> = vec![which.kind.into(), which.limit.into()];
    // The first condition is the index's own, word for word, so that both engines take the index.
    let mut conditions = format!("{LATE} AND kind = $1");
    if !which.states.is_empty() {
        params.push(Value::array(which.states.iter().copied()));
        conditions.push_str(&format!(" AND {}", tx.dialect().any("state", params.len())));
    }
    if let Some(order) = which.order {
        params.push(order.into());
        conditions.push_str(&format!(" AND order_id = ${}", params.len()));
    }
    if let Some(after) = which.after {
        params.push(after.into());
        conditions.push_str(&format!(
            " AND (updated_at, object_id) < (SELECT updated_at, object_id FROM payment_facts WHERE object_id = ${})",
            params.len()
        ));
    }
    let sql = format!(
        "SELECT order_id, fact, updated_at FROM payment_facts WHERE {conditions}
         ORDER BY updated_at DESC, object_id DESC LIMIT $2"
    );
    tx.query(&sql, &params)?.iter().map(read_fact).collect()
}

/// The last words of refunds, disputes and reviews. A lost dispute may still be won, but nobody waits for it.
pub(super) const FINAL_STATES: [&str; 9] = [
    "succeeded",
    "failed",
    "canceled",
    "won",
    "lost",
    "prevented",
    "warning_closed",
    "charge_refunded",
    "closed",
];

/// Facts of one of these kinds whose objects may still change at Stripe, as far as is known here, by their ids.
pub fn unfinished_facts(
    tx: &mut Tx<'_>,
    kinds: &[&str],
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<KnownFact>> {
    let sql = format!(
        "SELECT order_id, fact, updated_at FROM payment_facts
         WHERE {LATE} AND {} AND object_id > $2 AND NOT ({}) ORDER BY object_id LIMIT $4",
        tx.dialect().any("kind", 1),
        tx.dialect().any("COALESCE(state, '')", 3)
    );
    let params = [
        Value::array(kinds.iter().copied()),
        after.unwrap_or_default().into(),
        Value::array(FINAL_STATES),
        limit.into(),
    ];
    tx.query(&sql, &params)?.iter().map(read_fact).collect()
}

/// Orders whose payment is not decided, made before this moment and after that order, the oldest first.
pub fn undecided(
    tx: &mut Tx<'_>,
    after: Option<OrderId>,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Order>> {
    let rows = tx.query(
        "SELECT id FROM orders WHERE status IN ('pending', 'paid') AND created_at < $1 AND id > $2 ORDER BY id LIMIT $3",
        &[before.into(), after.unwrap_or(OrderId::from_uuid(uuid::Uuid::nil())).into(), limit.into()],
    )?;
    let ids: Vec<OrderId> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
    let mut orders = find_many(tx, &ids)?;
    Ok(ids.iter().filter_map(|id| orders.remove(id)).collect())
}

const LATE: &str = "kind IN ('refund', 'dispute', 'radar.early_fraud_warning', 'review')";

fn read_fact(row: &Row) -> Result<KnownFact> {
    let fact: String = row.get("fact")?;
    let fact = serde_json::from_str(&fact).map_err(|e| Error::Bug(Box::new(e)))?;
    Ok(KnownFact { order: row.get("order_id")?, fact, updated_at: row.get("updated_at")? })
}

/// The orders of a profile, the newest first.
pub fn of_profile(tx: &mut Tx<'_>, profile: ProfileId, limit: i64) -> Result<Vec<Order>> {
    list(tx, &Filter { equal: vec![("profile_id", profile.into())], before: None, limit })
}

/// One page of them, and one more where there is more. It begins after an order of theirs: another's is as little there as one
/// that is not.
pub fn page_of_profile(tx: &mut Tx<'_>, profile: ProfileId, page: &Page) -> Result<Vec<Order>> {
    let is_theirs = |id| Ok(find(tx, id)?.is_some_and(|order| order.profile == Some(profile)));
    let before = crate::view::after(page, is_theirs)?;
    list(tx, &Filter { equal: vec![("profile_id", profile.into())], before, limit: page.fetch() })
}

/// The orders of whoever gave this email, in any case, the newest first. Ordered by time: ordered by id, PostgreSQL would
/// rather read all orders from the newest on than sort a few.
pub fn of_email(tx: &mut Tx<'_>, email: &str, limit: i64) -> Result<Vec<Order>> {
    let rows = tx.query(
        "SELECT id FROM orders WHERE email IS NOT NULL AND lower(email) = lower($1)
         ORDER BY created_at DESC, id DESC LIMIT $2",
        &[email.into(), limit.into()],
    )?;
    let ids: Vec<OrderId> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
    let mut orders = find_many(tx, &ids)?;
    Ok(ids.iter().filter_map(|id| orders.remove(id)).collect())
}

/// The order that keeps this payment intent, if one does.
pub fn find_by_intent(tx: &mut Tx<'_>, intent: &str) -> Result<Option<Order>> {
    let sql = "SELECT id FROM orders WHERE stripe_payment_intent_id = $1 ORDER BY id LIMIT 1";
    match tx.query_opt(sql, &[intent.into()])? {
        Some(row) => find(tx, row.get("id")?),
        None => Ok(None),
    }
}

/// Paid orders that do not know their payment intent, and what their timelines say of it. All of them: whether two orders
/// claim one payment is seen only when all claims are.
pub(super) fn told_intents(tx: &mut Tx<'_>) -> Result<BTreeMap<OrderId, BTreeSet<String>>> {
    let rows = tx.query(
        // The few orders first: CROSS JOIN keeps SQLite from reading every timeline instead.
        "SELECT o.id, t.meta ->> 'paymentIntentId' AS intent FROM orders o CROSS JOIN order_timeline t
         WHERE COALESCE(o.stripe_payment_intent_id, '') = '' AND o.status NOT IN ('pending', 'cancelled')
           AND t.order_id = o.id AND t.type = 'payment_succeeded'
           AND t.meta ->> 'paymentIntentId' IS NOT NULL",
        &[],
    )?;
    let mut told: BTreeMap<OrderId, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        told.entry(row.get("id")?).or_default().insert(row.get("intent")?);
    }
    Ok(told)
}

/// To which orders these payment intents belong already.
pub(super) fn orders_by_intent(
    tx: &mut Tx<'_>,
    intents: &BTreeSet<&str>,
) -> Result<BTreeMap<String, OrderId>> {
    let columns = [("orders", "stripe_payment_intent_id", "id"), ("payment_facts", "object_id", "order_id")];
    by_objects(tx, intents, &columns)
}

/// Writes payment intents on orders that have none.
pub(super) fn set_intents(tx: &mut Tx<'_>, cx: &Cx, intents: &BTreeMap<OrderId, String>) -> Result<()> {
    let rows: Vec<Vec<Value>> =
        intents.iter().map(|(order, intent)| vec![intent.into(), cx.now.into(), (*order).into()]).collect();
    tx.execute_many(
        "UPDATE orders SET stripe_payment_intent_id = $1, updated_at = $2
         WHERE id = $3 AND COALESCE(stripe_payment_intent_id, '') = ''",
        &rows,
    )?;
    Ok(())
}

/// How many orders a person may have to look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Paid and not confirmed, whatever they wait for.
    pub paid_unconfirmed: i64,
    /// Under review; what was refunded needs nobody any more.
    pub requires_review: i64,
}

/// Counts from the small indexes that hold only such orders.
pub fn counts(tx: &mut Tx<'_>) -> Result<Counts> {
    Ok(Counts {
        paid_unconfirmed: tx.count("SELECT COUNT(*) FROM orders WHERE status = 'paid'", &[])?,
        requires_review: tx
            .count("SELECT COUNT(*) FROM orders WHERE requires_review AND status <> 'refunded'", &[])?,
    })
}

/// How many timeline entries of a type were written from one instant up to another: ids ascend with time, so this reads
/// only the newest end of the primary key.
pub fn happened(tx: &mut Tx<'_>, kind: &str, from: Timestamp, to: Timestamp) -> Result<i64> {
    let first = crate::ids::first_made_at;
    let bounds = [first(from).into(), first(to).into(), kind.into()];
    tx.count("SELECT COUNT(*) FROM order_timeline WHERE id >= $1 AND id < $2 AND type = $3", &bounds)
}

/// How many of the newest orders, at most so many, are in which state; by state.
pub fn newest_by_status(tx: &mut Tx<'_>, most: i64) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT status, COUNT(*) AS number FROM (SELECT status FROM orders ORDER BY id DESC LIMIT $1) AS newest
               GROUP BY status";
    tx.query(sql, &[most.into()])?.iter().map(|row| Ok((row.get("status")?, row.get("number")?))).collect()
}

/// Since when the longest waiting order is paid and not confirmed.
pub fn oldest_unconfirmed(tx: &mut Tx<'_>) -> Result<Option<(OrderId, Timestamp)>> {
    let sql = "SELECT id, updated_at FROM orders WHERE status = 'paid' ORDER BY updated_at LIMIT 1";
    let row = tx.query_opt(sql, &[])?;
    row.map(|row| Ok((row.get("id")?, row.get("updated_at")?))).transpose()
}
