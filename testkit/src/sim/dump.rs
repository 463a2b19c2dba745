//! Everything that matters of a database as text: without times, without ids that chance has made. An order that was made of
//! a session is named by it: when it was made, and so by which id, depends on what was heard of first.

use db::{Row, Tx};
use kernel::Result;
use ops::RowJson;

/// What is compared, each with a total order of its own.
const SECTIONS: [(&str, &str); 9] = [
    (
        "orders",
        "SELECT id, status, waits_for, cancel_reason, payment_status, requires_review, review_reason, currency,
           subtotal_amount, discount_amount, tax_amount, shipping_amount, total_amount, paid_amount,
           stripe_payment_intent_id, stripe_checkout_session_id,
           refunded_amount, dispute_status, refund_marked_at IS NOT NULL AS marked,
           webhook_processed_at IS NOT NULL AS processed FROM orders ORDER BY id",
    ),
    ("entitlements", "SELECT holder, product_id, status FROM entitlements ORDER BY holder, product_id"),
    (
        "grants",
        "SELECT e.holder, e.product_id, g.order_id, g.source, g.status, COUNT(*) AS n
         FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
         GROUP BY e.holder, e.product_id, g.order_id, g.source, g.status
         ORDER BY e.holder, e.product_id, g.order_id, g.source, g.status",
    ),
    ("inventory", "SELECT sku, stock_count, reserved_count FROM inventory ORDER BY sku"),
    (
        "reservations",
        "SELECT order_id, sku, status, SUM(quantity) AS n FROM inventory_reservations
         GROUP BY order_id, sku, status ORDER BY order_id, sku, status",
    ),
    (
        "reviews",
        "SELECT order_id, kind, cleared_at IS NULL AS is_open FROM order_reviews ORDER BY order_id, kind",
    ),
    (
        "refunds",
        "SELECT order_id, status, COUNT(*) AS n FROM refunds GROUP BY order_id, status ORDER BY order_id, status",
    ),
    ("facts", "SELECT object_id, order_id, fact FROM payment_facts ORDER BY object_id"),
    (
        "timeline",
        "SELECT order_id, type, COUNT(*) AS n FROM order_timeline
         WHERE type IN ('order_created', 'payment_succeeded', 'confirmed', 'completed', 'shipped')
         GROUP BY order_id, type ORDER BY order_id, type",
    ),
];

/// The state of the shop, one row a line.
///
/// # Errors
/// Whatever the database says.
pub fn dump(tx: &mut Tx<'_>) -> Result<String> {
    let sql = "SELECT order_id, stripe_checkout_session_id AS session FROM session_orders";
    let named = tx.query(sql, &[])?;
    let names: Vec<(String, String)> = named
        .iter()
        .map(|row| Ok((row.get::<uuid::Uuid>("order_id")?.to_string(), row.get("session")?)))
        .collect::<Result<_>>()?;
    let mut text = String::new();
    for (name, sql) in SECTIONS {
        text.push_str(&format!("# {name}\n"));
        let mut lines: Vec<String> = tx.query(sql, &[])?.iter().map(line).collect();
        for line in &mut lines {
            for (order, session) in &names {
                *line = line.replace(order, session);
            }
        }
        lines.sort_unstable();
        text.extend(lines);
    }
    Ok(text)
}

fn line(row: &Row) -> String {
    let mut value = serde_json::Value::from(&RowJson(row));
    if let Some(fact) = value.get("fact").and_then(|text| serde_json::from_str(text.as_str()?).ok()) {
        value["fact"] = fact;
    }
    without_times(&mut value);
    // That nothing of a charge went back was seen or was never looked for; it is the same.
    if let Some(fact) = value.get_mut("fact").and_then(|fact| fact.as_object_mut())
        && fact.get("refunded").is_some_and(|refunded| refunded == 0)
    {
        fact.shift_remove("refunded");
    }
    format!("{value}\n")
}

/// Of what can change both ways only what it is now counts: when it was fetched, and what events had told before, depends
/// on the order in which they came.
fn without_times(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(fields) = value {
        if let Some(fetched) = fields.get("fetched").and_then(|fetched| fetched.get(1)).cloned() {
            *value = fetched;
            return;
        }
        fields.values_mut().for_each(without_times);
    }
}
