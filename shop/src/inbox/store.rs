//! All SQL on `stripe_events`, and on the readings of Stripe's list.

use std::collections::{BTreeMap, BTreeSet};

use db::{Row, Tx, Value};
use kernel::planted::{Defect, planted};
use kernel::{Cx, Duration, Error, Result, Timestamp};

use super::{EventSource, EventStatus, Incoming, StoredEvent};
use crate::ids::OrderId;

pub(super) mod readings;

/// Why an event of the other mode is ignored; it may not be replayed either.
pub(super) const WRONG_LIVEMODE: &str = "wrong_livemode";

/// Why an event is ignored of which a person has said that it is nothing of ours.
pub(super) const SAID_SO: &str = "ignored_by_operator";

/// Ignores an event that waits for a person. Whoever may have it in hands holds it no more; no order wakes it again.
pub(super) fn ignore(tx: &mut Tx<'_>, now: Timestamp, id: &str, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE stripe_events SET status = 'ignored', fence = fence + 1, last_error_kind = $1, last_error = $2,
           processed_at = $3, payment_intent = NULL
         WHERE stripe_event_id = $4 AND status IN ('error', 'unmatched')",
        &[SAID_SO.into(), why.into(), now.into(), id.into()],
    )
    .map(drop)
}

/// Stores events as [`row`] makes them; says for each whether it is new. Of two copies the second is not.
pub(super) fn insert(tx: &mut Tx<'_>, rows: &[Vec<Value>]) -> Result<Vec<bool>> {
    tx.insert_new(
        "INSERT INTO stripe_events (stripe_event_id, type, api_version, created, livemode, object_id, payload, signature,
         status, attempts, fence, next_attempt_at, last_error_kind, received_at)",
        "stripe_event_id",
        rows,
    )
}

/// Which of these events are stored.
pub(super) fn known<'i>(tx: &mut Tx<'_>, ids: impl Iterator<Item = &'i String>) -> Result<BTreeSet<String>> {
    let sql =
        format!("SELECT stripe_event_id FROM stripe_events WHERE {}", tx.dialect().any("stripe_event_id", 1));
    tx.query(&sql, &[Value::array(ids)])?.iter().map(|row| row.get("stripe_event_id")).collect()
}

/// An event as it is stored.
pub(super) fn row(event: Incoming, livemode: bool) -> Vec<Value> {
    let ours = event.livemode == livemode;
    let status = if ours { EventStatus::Received } else { EventStatus::Ignored };
    vec![
        event.id.into(),
        event.kind.into(),
        event.api_version.into(),
        event.created.into(),
        event.livemode.into(),
        event.object_id.into(),
        event.payload.into(),
        event.signature.into(),
        status.as_str().into(),
        0.into(),
        0.into(),
        event.received_at.into(),
        (!ours).then_some(WRONG_LIVEMODE).into(),
        event.received_at.into(),
    ]
}

/// An event that this worker holds until its lease ends.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) id: String,
    pub(super) payload: String,
    pub(super) attempts: i64,
    pub(super) fence: i64,
}

/// Takes up to `most` due events and leases them for `lease`.
pub(super) fn claim(tx: &mut Tx<'_>, now: Timestamp, most: i64, lease: Duration) -> Result<Vec<Claimed>> {
    let due = match planted(Defect::NoLeaseRecovery) {
        true => "next_attempt_at <= $2 AND fence = 0",
        false => "next_attempt_at <= $2",
    };
    let sql = format!(
        "UPDATE stripe_events SET next_attempt_at = $1, attempts = attempts + 1, fence = fence + 1
         WHERE stripe_event_id IN (
           SELECT stripe_event_id FROM stripe_events WHERE status IN ('received', 'retry') AND {due}
           ORDER BY next_attempt_at LIMIT $3{})
         RETURNING stripe_event_id, payload, attempts, fence",
        tx.dialect().skip_locked()
    );
    tx.query(&sql, &[(now + lease).into(), now.into(), most.into()])?.iter().map(claimed).collect()
}

/// Takes one event, whatever its status: a person wants it to be processed again.
pub(super) fn claim_one(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: &str,
    lease: Duration,
) -> Result<Option<Claimed>> {
    let row = tx.query_opt(
        "UPDATE stripe_events SET next_attempt_at = $1, attempts = attempts + 1, fence = fence + 1, status = 'received'
         WHERE stripe_event_id = $2 RETURNING stripe_event_id, payload, attempts, fence",
        &[(now + lease).into(), id.into()],
    )?;
    row.as_ref().map(claimed).transpose()
}

fn claimed(row: &Row) -> Result<Claimed> {
    Ok(Claimed {
        id: row.get("stripe_event_id")?,
        payload: row.get("payload")?,
        attempts: row.get("attempts")?,
        fence: row.get("fence")?,
    })
}

/// Which of these claims still hold: nobody has claimed the event since, and it is not finished.
pub(super) fn still_held<'c>(
    tx: &mut Tx<'_>,
    claims: impl Iterator<Item = &'c Claimed> + Clone,
) -> Result<BTreeSet<String>> {
    let sql = format!(
        "SELECT stripe_event_id, fence FROM stripe_events
         WHERE {} AND status IN ('received', 'retry') ORDER BY stripe_event_id{}",
        tx.dialect().any("stripe_event_id", 1),
        tx.dialect().for_update()
    );
    let fences: BTreeMap<String, i64> = tx
        .query(&sql, &[Value::array(claims.clone().map(|claim| &claim.id))])?
        .iter()
        .map(|row| Ok((row.get("stripe_event_id")?, row.get("fence")?)))
        .collect::<Result<_>>()?;
    let holds = |claim: &&Claimed| {
        fences.get(&claim.id).is_some_and(|fence| *fence == claim.fence || planted(Defect::NoFencing))
    };
    Ok(claims.filter(holds).map(|claim| claim.id.clone()).collect())
}

/// Holds these claims for longer: Stripe is asked before they can be settled. Those that are held no more stay so.
pub(super) fn keep(tx: &mut Tx<'_>, now: Timestamp, claims: &[Claimed], lease: Duration) -> Result<()> {
    let held = still_held(tx, claims.iter())?;
    let sql = format!(
        "UPDATE stripe_events SET next_attempt_at = $1 WHERE {}",
        tx.dialect().any("stripe_event_id", 2)
    );
    tx.execute(&sql, &[(now + lease).into(), Value::array(held.iter())]).map(drop)
}

/// How an event ended, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) id: String,
    pub(super) status: EventStatus,
    pub(super) order: Option<OrderId>,
    pub(super) error: Option<(&'static str, String)>,
    pub(super) next_attempt_at: Timestamp,
    /// The payment that it is about, when it is ignored because no order here is known by it.
    pub(super) strange_payment: Option<String>,
}

pub(super) fn finish(tx: &mut Tx<'_>, cx: &Cx, endings: &[Ending]) -> Result<()> {
    let rows: Vec<Vec<Value>> = endings
        .iter()
        .map(|ending| {
            let over = !matches!(ending.status, EventStatus::Retry | EventStatus::Received);
            vec![
                ending.status.as_str().into(),
                ending.order.into(),
                ending.error.as_ref().map(|(kind, _)| *kind).into(),
                ending.error.as_ref().map(|(_, text)| text.clone()).into(),
                ending.next_attempt_at.into(),
                over.then_some(cx.now).into(),
                ending.strange_payment.clone().into(),
                ending.id.clone().into(),
            ]
        })
        .collect();
    tx.execute_many(
        "UPDATE stripe_events SET status = $1, order_id = COALESCE($2, order_id), last_error_kind = $3, last_error = $4,
           next_attempt_at = $5, processed_at = $6, payment_intent = $7 WHERE stripe_event_id = $8",
        &rows,
    )?;
    Ok(())
}

/// Unmatched events are due again: an order has appeared that they may mean.
pub(super) fn wake_unmatched(tx: &mut Tx<'_>, now: Timestamp, ids: &[String]) -> Result<u64> {
    let sql = format!(
        "UPDATE stripe_events SET status = 'received', next_attempt_at = $1
         WHERE status = 'unmatched' AND {}",
        tx.dialect().any("stripe_event_id", 2)
    );
    tx.execute(&sql, &[now.into(), Value::array(ids.iter())])
}

/// Events that were ignored are due again: an order has learned that one of these payments is its own.
pub(super) fn wake_ignored(tx: &mut Tx<'_>, now: Timestamp, intents: &[String]) -> Result<u64> {
    // The first conditions are the index's own, word for word, so that both engines take the index.
    let sql = format!(
        "UPDATE stripe_events SET status = 'received', next_attempt_at = $1
         WHERE status = 'ignored' AND payment_intent IS NOT NULL AND {}",
        tx.dialect().any("payment_intent", 2)
    );
    tx.execute(&sql, &[now.into(), Value::array(intents.iter())])
}

/// Events about sessions that sold something by this price are due again, whether they were unmatched or ignored.
pub(super) fn wake_unsold(tx: &mut Tx<'_>, now: Timestamp, price: &str) -> Result<u64> {
    // The first condition is the index's own, word for word, so that both engines take the index. A letter too many that
    // `_` stands for only wakes an event in vain.
    tx.execute(
        "UPDATE stripe_events SET status = 'received', next_attempt_at = $1
         WHERE last_error_kind = 'price_not_mapped' AND status IN ('unmatched', 'ignored') AND last_error LIKE $2",
        &[now.into(), format!("%{price}%").into()],
    )
}

/// Unmatched events about sales that nobody here knows by their prices, the oldest first: ids and payloads.
pub(super) fn unsold(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(String, String)>> {
    // The first condition is the index's own, word for word, so that both engines take the index.
    let rows = tx.query(
        "SELECT stripe_event_id, payload FROM stripe_events
         WHERE last_error_kind = 'price_not_mapped' AND status = 'unmatched' ORDER BY received_at LIMIT $1",
        &[limit.into()],
    )?;
    rows.iter().map(|row| Ok((row.get("stripe_event_id")?, row.get("payload")?))).collect()
}

/// An event that names an order which is not here.
pub(super) struct Unmatched {
    pub(super) id: String,
    pub(super) received_at: Timestamp,
    pub(super) payload: String,
}

/// Unmatched events, the oldest first, from this place on.
pub(super) fn unmatched(
    tx: &mut Tx<'_>,
    after: Option<&(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<Unmatched>> {
    let mut params: Vec<Value> = vec![limit.into()];
    let from = after.map_or(String::new(), |(at, id)| {
        params.extend([Value::from(*at), id.into()]);
        " AND received_at >= $2 AND (received_at > $2 OR stripe_event_id > $3)".to_owned()
    });
    // The first condition is the index's own, word for word, so that both engines take the index.
    let sql = format!(
        "SELECT stripe_event_id, received_at, payload FROM stripe_events
         WHERE status IN ('received', 'retry', 'error', 'unmatched') AND status = 'unmatched'{from}
         ORDER BY received_at, stripe_event_id LIMIT $1"
    );
    tx.query(&sql, &params)?
        .iter()
        .map(|row| {
            Ok(Unmatched {
                id: row.get("stripe_event_id")?,
                received_at: row.get("received_at")?,
                payload: row.get("payload")?,
            })
        })
        .collect()
}

/// When the oldest event came that is still to be processed.
pub fn oldest_waiting(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    // The first condition is the index's own, word for word, so that both engines take the index.
    let row = tx.query_opt(
        "SELECT received_at FROM stripe_events
         WHERE status IN ('received', 'retry', 'error', 'unmatched') AND status IN ('received', 'retry')
         ORDER BY received_at LIMIT 1",
        &[],
    )?;
    row.map(|row| row.get("received_at")).transpose()
}

/// How many events are still to be processed.
pub fn waiting(tx: &mut Tx<'_>) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM stripe_events
               WHERE status IN ('received', 'retry', 'error', 'unmatched') AND status IN ('received', 'retry')";
    tx.count(sql, &[])
}

const COLUMNS: &str = "stripe_event_id, type, api_version, created, livemode, object_id, status, attempts,
    signature = '' AS is_unsigned, next_attempt_at, last_error_kind, last_error, order_id, received_at, processed_at";

/// One event, without its payload.
pub fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<StoredEvent>> {
    let sql = format!("SELECT {COLUMNS} FROM stripe_events WHERE stripe_event_id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(read).transpose()
}

/// The payload of an event, as received.
pub(super) fn payload(tx: &mut Tx<'_>, id: &str) -> Result<String> {
    let row = tx.query_opt("SELECT payload FROM stripe_events WHERE stripe_event_id = $1", &[id.into()])?;
    row.ok_or_else(|| Error::not_found("event", id))?.get("payload")
}

/// The events that touched an order, as they came.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<StoredEvent>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe_events WHERE order_id = $1 ORDER BY received_at, stripe_event_id"
    );
    tx.query(&sql, &[order.into()])?.iter().map(read).collect()
}

/// Events about one of these objects that are not processed, the oldest first.
pub fn waiting_about(tx: &mut Tx<'_>, objects: &[&str]) -> Result<Vec<StoredEvent>> {
    // The first condition is the index's own, word for word; what waits is little, so the object needs none.
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe_events
         WHERE status IN ('received', 'retry', 'error', 'unmatched') AND {} ORDER BY received_at LIMIT 50",
        tx.dialect().any("object_id", 1)
    );
    tx.query(&sql, &[Value::array(objects.iter().copied())])?.iter().map(read).collect()
}

/// The newest events about this object, however they ended.
pub fn about(tx: &mut Tx<'_>, object: &str) -> Result<Vec<StoredEvent>> {
    // The first condition is the index's own.
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe_events WHERE object_id IS NOT NULL AND object_id = $1
         ORDER BY received_at DESC, stripe_event_id DESC LIMIT 50"
    );
    tx.query(&sql, &[object.into()])?.iter().map(read).collect()
}

/// Which events to list.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) equal: Vec<(&'static str, Value)>,
    /// Only those with whom something is still to be done: the few in an index of their own, by its own words.
    pub(super) open: bool,
    pub(super) after: Option<String>,
    pub(super) limit: i64,
}

/// Which events are to be processed again.
#[derive(Debug, Clone)]
pub(super) struct Matching {
    pub(super) status: Option<EventStatus>,
    pub(super) kind: Option<String>,
    pub(super) since: Timestamp,
    /// Where an earlier run has ended.
    pub(super) after: Option<String>,
    /// Those of the other mode are nobody's here.
    pub(super) livemode: bool,
}

impl Matching {
    /// The condition and its parameters.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut params = vec![self.since.into(), self.livemode.into()];
        let mut condition = "received_at >= $1 AND livemode = $2".to_owned();
        let mut only = |column: &str, value: Value| {
            params.push(value);
            condition.push_str(&format!(" AND {column} = ${}", params.len()));
        };
        if let Some(status) = self.status {
            only("status", status.as_str().into());
        }
        if let Some(kind) = &self.kind {
            only("type", kind.into());
        }
        if let Some(after) = &self.after {
            params.push(after.into());
            condition.push_str(&format!(
                " AND (received_at, stripe_event_id) > (SELECT received_at, stripe_event_id FROM stripe_events
                   WHERE stripe_event_id = ${})",
                params.len()
            ));
        }
        (condition, params)
    }
}

pub(super) fn count_matching(tx: &mut Tx<'_>, wanted: &Matching) -> Result<u64> {
    let (condition, params) = wanted.condition();
    let all = tx.count(&format!("SELECT COUNT(*) FROM stripe_events WHERE {condition}"), &params)?;
    Ok(all.unsigned_abs())
}

/// The first `most` of them, the oldest first.
pub(super) fn matching(tx: &mut Tx<'_>, wanted: &Matching, most: u64) -> Result<Vec<StoredEvent>> {
    let (condition, mut params) = wanted.condition();
    params.push(i64::try_from(most).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe_events WHERE {condition} ORDER BY received_at, stripe_event_id LIMIT ${}",
        params.len()
    );
    tx.query(&sql, &params)?.iter().map(read).collect()
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &Filter) -> Result<Vec<StoredEvent>> {
    let mut params = vec![filter.limit.into()];
    let mut conditions = String::from("1 = 1");
    for (column, value) in &filter.equal {
        params.push(value.clone());
        conditions.push_str(&format!(" AND {column} = ${}", params.len()));
    }
    if filter.open {
        conditions.push_str(" AND status IN ('received', 'retry', 'error', 'unmatched')");
    }
    if let Some(after) = &filter.after {
        params.push(after.into());
        conditions.push_str(&format!(
            " AND (received_at, stripe_event_id) < (SELECT received_at, stripe_event_id FROM stripe_events
               WHERE stripe_event_id = ${})",
            params.len()
        ));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe_events WHERE {conditions}
         ORDER BY received_at DESC, stripe_event_id DESC LIMIT $1"
    );
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<StoredEvent> {
    let status = EventStatus::parse(&row.get::<String>("status")?)?;
    let waits = matches!(status, EventStatus::Received | EventStatus::Retry);
    let next: Timestamp = row.get("next_attempt_at")?;
    let is_unsigned: bool = row.get("is_unsigned")?;
    Ok(StoredEvent {
        id: row.get("stripe_event_id")?,
        kind: row.get("type")?,
        api_version: row.get("api_version")?,
        created: row.get("created")?,
        livemode: row.get("livemode")?,
        object_id: row.get("object_id")?,
        source: if is_unsigned { EventSource::Backfill } else { EventSource::Webhook },
        status,
        attempts: row.get("attempts")?,
        next_attempt_at: waits.then_some(next),
        last_error_kind: row.get("last_error_kind")?,
        last_error: row.get("last_error")?,
        order_id: row.get("order_id")?,
        received_at: row.get("received_at")?,
        processed_at: row.get("processed_at")?,
    })
}

/// One event, by its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it.
    pub status: EventStatus,
    /// How long it took until it was processed or ignored, with everything that was tried again; nothing while it is not.
    pub took: Option<Duration>,
}

/// The newest events that came since then, at most so many: the newest first.
pub fn pulse(tx: &mut Tx<'_>, since: Timestamp, most: i64) -> Result<Vec<Beat>> {
    let sql =
        "SELECT received_at, status, processed_at, last_error_kind FROM stripe_events WHERE received_at >= $1
               ORDER BY received_at DESC, stripe_event_id DESC LIMIT $2";
    tx.query(sql, &[since.into(), most.into()])?.iter().map(beat).collect()
}

fn beat(row: &Row) -> Result<Beat> {
    let received_at: Timestamp = row.get("received_at")?;
    let status = EventStatus::parse(&row.get::<String>("status")?)?;
    let ended: Option<Timestamp> = row.get("processed_at")?;
    let is_over = matches!(status, EventStatus::Processed | EventStatus::Ignored);
    // What a person ended says nothing of how fast we are.
    let by_hand = row.get::<Option<String>>("last_error_kind")?.is_some_and(|kind| kind == SAID_SO);
    let took = ended.filter(|_| is_over && !by_hand).map(|at| at.since(received_at));
    Ok(Beat { received_at, status, took })
}

/// The newest event that a webhook brought, as it was signed: body, signature and when it came. Those that were fetched from
/// Stripe's list are signed by nobody.
pub fn newest_signed(tx: &mut Tx<'_>) -> Result<Option<(String, String, Timestamp)>> {
    // A long time without webhooks is no reason to read a whole history.
    let sql = "SELECT payload, signature, received_at FROM (
                 SELECT payload, signature, received_at, stripe_event_id FROM stripe_events
                 ORDER BY received_at DESC, stripe_event_id DESC LIMIT 1000) AS newest
               WHERE signature <> '' ORDER BY received_at DESC, stripe_event_id DESC LIMIT 1";
    let row = tx.query_opt(sql, &[])?;
    row.map(|row| Ok((row.get("payload")?, row.get("signature")?, row.get("received_at")?))).transpose()
}

/// How many events wait for a person or are tried again, by the kind of their last error. No text of an error: it may name a
/// buyer.
pub fn errors_by_kind(tx: &mut Tx<'_>) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT COALESCE(last_error_kind, 'none') AS kind, COUNT(*) AS events FROM stripe_events
               WHERE status IN ('received', 'retry', 'error', 'unmatched') AND status IN ('retry', 'error', 'unmatched')
               GROUP BY COALESCE(last_error_kind, 'none')";
    tx.query(sql, &[])?.iter().map(|row| Ok((row.get("kind")?, row.get("events")?))).collect()
}
