//! What must be true of the stock.

use db::Tx;
use kernel::{Duration, Result, Timestamp};
use ops::{Check, Found, Mend, Severity};

/// The inventory's checks.
pub const CHECKS: [Check; 3] = [LEDGER, RESERVED, OVERDUE];

const LEDGER: Check = Check {
    name: "stock_differs_from_ledger",
    severity: Severity::Page,
    must: "stock_count is the sum of the ledger, for every sku",
    means: "Someone changed stock without a ledger entry. Count the shelf, then recount: a ledger entry explains the \
            difference.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT i.sku, i.stock_count, COALESCE(l.total, 0) AS total, i.updated_at FROM inventory i
             LEFT JOIN (SELECT sku, CAST(SUM(quantity_change) AS bigint) AS total FROM inventory_ledger GROUP BY sku) l
               ON l.sku = i.sku
             WHERE i.stock_count <> COALESCE(l.total, 0) ORDER BY i.sku LIMIT $1",
            &[most.into()],
        )?;
        rows.iter().map(|row| differs(row, "the ledger sums to")).collect()
    },
};

const RESERVED: Check = Check {
    name: "reserved_differs_from_reservations",
    severity: Severity::Page,
    must: "reserved_count is the sum of live reservations, for every sku",
    means: "The counter and the reservations disagree. Look at the reservations of this sku, count the shelf, then recount.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT i.sku, i.reserved_count AS stock_count, COALESCE(r.total, 0) AS total, i.updated_at
             FROM inventory i
             LEFT JOIN (SELECT sku, CAST(SUM(quantity) AS bigint) AS total FROM inventory_reservations
                        WHERE status = 'reserved' GROUP BY sku) r ON r.sku = i.sku
             WHERE i.reserved_count <> COALESCE(r.total, 0) ORDER BY i.sku LIMIT $1",
            &[most.into()],
        )?;
        rows.iter().map(|row| differs(row, "live reservations sum to")).collect()
    },
};

/// How long past its end a reservation may stay before someone has to look: two sweeps.
const GRACE: Duration = Duration::from_secs(10 * 60);

const OVERDUE: Check = Check {
    name: "reservations_past_expiry",
    severity: Severity::Ticket,
    must: "no reservation stays live longer than ten minutes past its end",
    means: "Stripe could not be asked whether the session was paid. When Stripe answers again, the job \
            checkout.close ends it; release by hand only after looking at the session in Stripe.",
    find: overdue,
};

fn overdue(tx: &mut Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Found>> {
    let rows = tx.query(
        "SELECT id, sku, quantity, order_id, expires_at FROM inventory_reservations
         WHERE status = 'reserved' AND expires_at < $1 ORDER BY expires_at LIMIT $2",
        &[(now - GRACE).into(), most.into()],
    )?;
    rows.iter()
        .map(|row| {
            let (id, order): (crate::ids::ReservationId, crate::ids::OrderId) =
                (row.get("id")?, row.get("order_id")?);
            let (sku, quantity): (String, i64) = (row.get("sku")?, row.get("quantity")?);
            let since: Timestamp = row.get("expires_at")?;
            Ok(Found {
                subject: id.to_string(),
                text: format!("{quantity} × {sku} set aside for {order} since past {since}"),
                since: Some(since),
                mend: Some(Mend {
                    operation: "reservations.release",
                    input: serde_json::json!({ "reservation": id }),
                    command: format!("makegood reservations release {id}"),
                }),
            })
        })
        .collect()
}

fn differs(row: &db::Row, what: &str) -> Result<Found> {
    let (sku, count, total): (String, i64, i64) =
        (row.get("sku")?, row.get("stock_count")?, row.get("total")?);
    Ok(Found {
        text: format!("{sku}: the counter says {count}, {what} {total}"),
        since: row.get("updated_at")?,
        mend: Some(Mend {
            operation: "inventory.recount",
            // How many there are is known to whoever stands at the shelf.
            input: serde_json::json!({ "sku": sku }),
            command: format!("makegood inventory recount {sku} PIECES"),
        }),
        subject: sku,
    })
}
