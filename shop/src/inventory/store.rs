//! All SQL on `inventory`, `inventory_reservations` and `inventory_ledger`.

use std::collections::BTreeMap;

use db::{NewestFirst, Row, Tx, Value};
use kernel::{Cx, Result, Timestamp};

use super::reservation::Books;
use super::{Level, Reservation, ReservationStatus};
use crate::ids::{OrderId, ReservationId};

const RESERVATION: &str = "id, sku, quantity, order_id, status, expires_at, created_at";

/// Changes levels where the result stays possible; says for each whether it did. In the order of the skus, so that
/// two transactions wait for each other instead of locking each other out.
pub(super) fn step(
    tx: &mut Tx<'_>,
    now: Timestamp,
    steps: &BTreeMap<String, (i64, i64)>,
) -> Result<Vec<bool>> {
    let rows: Vec<Vec<Value>> = steps
        .iter()
        .map(|(sku, (stock, reserved))| vec![(*stock).into(), (*reserved).into(), now.into(), sku.into()])
        .collect();
    let touched = tx.execute_many(
        "UPDATE inventory SET stock_count = stock_count + $1, reserved_count = reserved_count + $2, updated_at = $3
         WHERE sku = $4 AND stock_count + $1 >= reserved_count + $2 AND stock_count + $1 >= 0
           AND reserved_count + $2 >= 0",
        &rows,
    )?;
    Ok(touched.into_iter().map(|count| count == 1).collect())
}

/// Levels, held until the end of the transaction; in the order of the skus.
pub(super) fn lock_levels(tx: &mut Tx<'_>, skus: &[String]) -> Result<BTreeMap<String, Level>> {
    let sql = format!(
        "SELECT sku, stock_count, reserved_count FROM inventory WHERE {} ORDER BY sku{}",
        tx.dialect().any("sku", 1),
        tx.dialect().for_update()
    );
    let rows = tx.query(&sql, &[Value::array(skus.iter())])?;
    rows.iter().map(|row| read_level(row).map(|level| (level.sku.clone(), level))).collect()
}

/// What is there of one stock.
pub fn level(tx: &mut Tx<'_>, sku: &str) -> Result<Option<Level>> {
    let row =
        tx.query_opt("SELECT sku, stock_count, reserved_count FROM inventory WHERE sku = $1", &[sku.into()])?;
    row.as_ref().map(read_level).transpose()
}

/// What the ledger and the live reservations of a stock sum to.
pub(super) fn sums(tx: &mut Tx<'_>, sku: &str) -> Result<(i64, i64)> {
    let ledger = tx.count(
        "SELECT COALESCE(CAST(SUM(quantity_change) AS bigint), 0) FROM inventory_ledger WHERE sku = $1",
        &[sku.into()],
    )?;
    let reserved = tx.count(
        "SELECT COALESCE(CAST(SUM(quantity) AS bigint), 0) FROM inventory_reservations
         WHERE sku = $1 AND status = 'reserved'",
        &[sku.into()],
    )?;
    Ok((ledger, reserved))
}

/// Sets the counters of a stock to what explains them. Only a recount does so; everything else goes by steps.
pub(super) fn set_level(tx: &mut Tx<'_>, now: Timestamp, sku: &str, stock: i64, reserved: i64) -> Result<()> {
    tx.execute(
        "UPDATE inventory SET stock_count = $1, reserved_count = $2, updated_at = $3 WHERE sku = $4",
        &[stock.into(), reserved.into(), now.into(), sku.into()],
    )?;
    Ok(())
}

pub(super) fn levels(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<Level>> {
    let rows = tx.query(
        "SELECT sku, stock_count, reserved_count FROM inventory WHERE sku > $1 ORDER BY sku LIMIT $2",
        &[after.into(), limit.into()],
    )?;
    rows.iter().map(read_level).collect()
}

/// Stocks beside what their books say.
pub(super) fn books(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<Books>> {
    let rows = tx.query(
        "SELECT i.sku, i.stock_count, i.reserved_count,
           (SELECT COALESCE(CAST(SUM(l.quantity_change) AS bigint), 0) FROM inventory_ledger l WHERE l.sku = i.sku) AS ledger,
           (SELECT COALESCE(CAST(SUM(r.quantity) AS bigint), 0) FROM inventory_reservations r
            WHERE r.sku = i.sku AND r.status = 'reserved') AS live
         FROM inventory i WHERE i.sku > $1 ORDER BY i.sku LIMIT $2",
        &[after.into(), limit.into()],
    )?;
    rows.iter()
        .map(|row| {
            let (stock_count, ledger_sum): (i64, i64) = (row.get("stock_count")?, row.get("ledger")?);
            let (reserved_count, reservations_sum): (i64, i64) =
                (row.get("reserved_count")?, row.get("live")?);
            Ok(Books {
                sku: row.get("sku")?,
                stock_count,
                ledger_sum,
                reserved_count,
                reservations_sum,
                agrees: stock_count == ledger_sum && reserved_count == reservations_sum,
            })
        })
        .collect()
}

pub(super) fn insert_sku(tx: &mut Tx<'_>, cx: &Cx, sku: &str) -> Result<bool> {
    let new = tx.execute(
        "INSERT INTO inventory (sku, stock_count, reserved_count, updated_at) VALUES ($1, 0, 0, $2)
         ON CONFLICT (sku) DO NOTHING",
        &[sku.into(), cx.now.into()],
    )?;
    Ok(new == 1)
}

/// Writes ledger entries: `(sku, change, reason, reference)`.
pub(super) fn write_ledger(tx: &mut Tx<'_>, cx: &Cx, entries: &[(String, i64, &str, String)]) -> Result<()> {
    let rows: Vec<Vec<Value>> = entries
        .iter()
        .map(|(sku, change, reason, reference)| {
            vec![
                cx.uuid().into(),
                sku.into(),
                (*change).into(),
                (*reason).into(),
                reference.into(),
                cx.now.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO inventory_ledger (id, sku, quantity_change, reason, reference_id, created_at)",
        "",
        &rows,
    )?;
    Ok(())
}

pub(super) fn insert_reservations(tx: &mut Tx<'_>, reservations: &[Reservation]) -> Result<()> {
    let rows: Vec<Vec<Value>> = reservations
        .iter()
        .map(|r| {
            vec![
                r.id.into(),
                r.sku.clone().into(),
                r.quantity.into(),
                r.order_id.into(),
                r.status.as_str().into(),
                r.expires_at.into(),
                r.created_at.into(),
                r.created_at.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO inventory_reservations (id, sku, quantity, order_id, status, expires_at, created_at, updated_at)",
        "",
        &rows,
    )?;
    Ok(())
}

/// Moves reservations from one status to another; says for each whether it was there.
pub(super) fn move_reservations(
    tx: &mut Tx<'_>,
    now: Timestamp,
    ids: &[ReservationId],
    from: ReservationStatus,
    to: ReservationStatus,
) -> Result<Vec<bool>> {
    let rows: Vec<Vec<Value>> = ids
        .iter()
        .map(|id| vec![to.as_str().into(), now.into(), (*id).into(), from.as_str().into()])
        .collect();
    let touched = tx.execute_many(
        "UPDATE inventory_reservations SET status = $1, updated_at = $2 WHERE id = $3 AND status = $4",
        &rows,
    )?;
    Ok(touched.into_iter().map(|count| count == 1).collect())
}

pub(super) fn keep_until_decided(tx: &mut Tx<'_>, now: Timestamp, orders: &[OrderId]) -> Result<()> {
    let sql = format!(
        "UPDATE inventory_reservations SET expires_at = NULL, updated_at = $1
         WHERE status = 'reserved' AND expires_at IS NOT NULL AND {}",
        tx.dialect().any("order_id", 2)
    );
    tx.execute(&sql, &[now.into(), Value::array(orders.iter().copied())])?;
    Ok(())
}

/// The reservations of these orders, held until the end of the transaction.
pub(super) fn lock_reservations(tx: &mut Tx<'_>, orders: &[OrderId]) -> Result<Vec<Reservation>> {
    let sql = format!(
        "SELECT {RESERVATION} FROM inventory_reservations WHERE {} ORDER BY id{}",
        tx.dialect().any("order_id", 1),
        tx.dialect().for_update()
    );
    tx.query(&sql, &[Value::array(orders.iter().copied())])?.iter().map(read).collect()
}

/// The reservations of one order.
pub fn reservations_of(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Reservation>> {
    let sql = format!("SELECT {RESERVATION} FROM inventory_reservations WHERE order_id = $1 ORDER BY id");
    tx.query(&sql, &[order.into()])?.iter().map(read).collect()
}

/// One reservation.
pub fn find_reservation(tx: &mut Tx<'_>, id: ReservationId) -> Result<Option<Reservation>> {
    let sql = format!("SELECT {RESERVATION} FROM inventory_reservations WHERE id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(read).transpose()
}

pub(super) fn list_reservations(
    tx: &mut Tx<'_>,
    status: Option<ReservationStatus>,
    before: Option<ReservationId>,
    limit: i64,
) -> Result<Vec<Reservation>> {
    let mut params = vec![limit.into()];
    let mut filter = String::new();
    // Those that live are few, and an index of their own holds them, by its own words.
    let newest = NewestFirst {
        table: "inventory_reservations",
        made_at: "created_at",
        filtered: status == Some(ReservationStatus::Reserved),
    };
    match status {
        Some(ReservationStatus::Reserved) => filter.push_str(" AND status = 'reserved'"),
        Some(status) => {
            params.push(status.as_str().into());
            filter.push_str(&format!(" AND status = ${}", params.len()));
        }
        None => {}
    }
    if let Some(before) = before {
        params.push(before.into());
        filter.push_str(&format!(" AND {}", newest.after(params.len())));
    }
    let order = newest.order();
    let sql = format!(
        "SELECT {RESERVATION} FROM inventory_reservations WHERE 1 = 1{filter} ORDER BY {order} LIMIT $1"
    );
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Reservation> {
    Ok(Reservation {
        id: row.get("id")?,
        sku: row.get("sku")?,
        quantity: row.get("quantity")?,
        order_id: row.get("order_id")?,
        status: ReservationStatus::parse(&row.get::<String>("status")?)?,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
    })
}

fn read_level(row: &Row) -> Result<Level> {
    let (stock_count, reserved_count): (i64, i64) = (row.get("stock_count")?, row.get("reserved_count")?);
    let available = stock_count - reserved_count;
    Ok(Level { sku: row.get("sku")?, stock_count, reserved_count, available })
}
