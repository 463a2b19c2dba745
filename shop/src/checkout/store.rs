//! All SQL on `checkouts` and `payment_looks`.

use std::collections::BTreeMap;

use db::{Row, Tx, Value};
use kernel::{Cx, Duration, Error, Result, Timestamp};

use crate::ids::OrderId;

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutState {
    /// Stripe was or will be asked; its answer is not here.
    Creating,
    /// There is a page where the buyer pays.
    Open,
    /// Stripe refused.
    Failed,
    /// It is over: paid, expired or cancelled.
    Closed,
}

impl CheckoutState {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "creating" => Ok(CheckoutState::Creating),
            "open" => Ok(CheckoutState::Open),
            "failed" => Ok(CheckoutState::Failed),
            "closed" => Ok(CheckoutState::Closed),
            other => Err(Error::bug(format!("a checkout is `{other}`"))),
        }
    }
}

/// Whether somebody may have asked for an order's page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nobody has.
    First,
    /// Somebody may have, and what became of that is not known.
    Later,
}

/// What we asked Stripe for, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Whose.
    pub order: OrderId,
    /// Where it stands.
    pub state: CheckoutState,
    /// The key under which Stripe is asked, each time the same.
    pub idempotency_key: String,
    /// The basket and its lines as they were priced.
    pub request: serde_json::Value,
    /// The session at Stripe.
    pub session: Option<String>,
    /// Where the buyer pays.
    pub url: Option<String>,
    /// When the session ends.
    pub expires_at: Timestamp,
}

pub(super) struct NewCheckout {
    pub(super) order: OrderId,
    pub(super) idempotency_key: String,
    pub(super) request: serde_json::Value,
    pub(super) expires_at: Timestamp,
}

pub(super) fn insert(tx: &mut Tx<'_>, cx: &Cx, checkouts: &[NewCheckout]) -> Result<()> {
    let rows: Vec<Vec<Value>> = checkouts
        .iter()
        .map(|c| {
            vec![
                c.order.into(),
                "creating".into(),
                c.idempotency_key.clone().into(),
                c.request.clone().into(),
                c.expires_at.into(),
                cx.now.into(),
                cx.now.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO checkouts (order_id, state, idempotency_key, request, expires_at, created_at, updated_at)",
        "",
        &rows,
    )?;
    Ok(())
}

/// The checkout of an order, if it has one.
pub fn find(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<Checkout>> {
    tx.query_opt("SELECT * FROM checkouts WHERE order_id = $1", &[order.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Writes down Stripe's page; says whether the checkout was still waiting for it.
pub(super) fn opened(
    tx: &mut Tx<'_>,
    cx: &Cx,
    order: OrderId,
    session: &str,
    url: Option<&str>,
) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE checkouts SET state = 'open', stripe_checkout_session_id = $1, url = $2, updated_at = $3
         WHERE order_id = $4 AND state = 'creating'",
        &[session.into(), url.into(), cx.now.into(), order.into()],
    )?;
    Ok(changed == 1)
}

/// It is over, however it ended.
pub(super) fn closed(tx: &mut Tx<'_>, cx: &Cx, order: OrderId) -> Result<()> {
    let sql = "UPDATE checkouts SET state = 'closed', updated_at = $1 WHERE order_id = $2";
    tx.execute(sql, &[cx.now.into(), order.into()]).map(drop)
}

/// Notes that Stripe is asked once more for a page that is not here yet: whoever asked first is not alone any more.
pub(super) fn asked_again(tx: &mut Tx<'_>, cx: &Cx, order: OrderId) -> Result<()> {
    let sql = format!(
        "SELECT created_at FROM checkouts WHERE order_id = $1 AND state = 'creating'{}",
        tx.dialect().for_update()
    );
    let Some(row) = tx.query_opt(&sql, &[order.into()])? else { return Ok(()) };
    // Later than its beginning, whatever our clock says.
    let at = cx.now.max(row.get::<Timestamp>("created_at")? + Duration::from_micros(1));
    tx.execute("UPDATE checkouts SET updated_at = $1 WHERE order_id = $2", &[at.into(), order.into()])
        .map(drop)
}

/// No page could be had; false when it has ended otherwise meanwhile, and in the first turn when somebody has asked beside it.
pub(super) fn failed(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, turn: Turn) -> Result<bool> {
    let alone = match turn {
        Turn::First => " AND updated_at = created_at",
        Turn::Later => "",
    };
    let sql = format!(
        "UPDATE checkouts SET state = 'failed', updated_at = $1 WHERE order_id = $2 AND state = 'creating'{alone}"
    );
    Ok(tx.execute(&sql, &[cx.now.into(), order.into()])? == 1)
}

/// When Stripe was last asked about these orders.
pub(super) fn asked(tx: &mut Tx<'_>, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Timestamp>> {
    let any = tx.dialect().any("order_id", 1);
    let sql = format!("SELECT order_id, asked_at FROM payment_looks WHERE {any}");
    let rows = tx.query(&sql, &[Value::array(orders.iter().copied())])?;
    rows.iter().map(|row| Ok((row.get("order_id")?, row.get("asked_at")?))).collect()
}

/// Writes down that Stripe is asked about these orders now, each with when it was asked about last; gives those about which
/// nobody else asks at this moment.
pub(super) fn look(
    tx: &mut Tx<'_>,
    now: Timestamp,
    orders: &[(OrderId, Option<Timestamp>)],
) -> Result<Vec<OrderId>> {
    let rows: Vec<Vec<Value>> = orders
        .iter()
        .map(|(order, asked_at)| vec![(*order).into(), now.into(), (*asked_at).into()])
        .collect();
    let touched = tx.execute_many(
        "INSERT INTO payment_looks (order_id, asked_at) VALUES ($1, $2)
         ON CONFLICT (order_id) DO UPDATE SET asked_at = excluded.asked_at WHERE payment_looks.asked_at = $3",
        &rows,
    )?;
    Ok(orders.iter().zip(touched).filter(|(_, count)| *count == 1).map(|((order, _), _)| *order).collect())
}

/// An order that still waits is asked about daily: what was asked about so long ago waits no more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Lets go of looks at orders that wait no more.
pub(super) fn forget_looks(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    tx.execute("DELETE FROM payment_looks WHERE asked_at < $1", &[(now - FORGOTTEN_AFTER).into()])?;
    Ok(())
}

fn read(row: &Row) -> Result<Checkout> {
    Ok(Checkout {
        order: row.get("order_id")?,
        state: CheckoutState::parse(&row.get::<String>("state")?)?,
        idempotency_key: row.get("idempotency_key")?,
        request: row.get("request")?,
        session: row.get("stripe_checkout_session_id")?,
        url: row.get("url")?,
        expires_at: row.get("expires_at")?,
    })
}
