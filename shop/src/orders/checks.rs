//! What must be true of orders, and of what they have handed over.

use db::{Row, Tx};
use kernel::{Duration, Result, Timestamp};
use ops::{Check, Found, Mend, Severity};

use crate::ids::OrderId;

/// The orders' checks.
pub const CHECKS: [Check; 4] = [PAID_NOT_CONFIRMED, IN_REVIEW, GRANT_WITHOUT_ORDER, ORDER_WITHOUT_GRANT];

/// How long a paid order may stay unconfirmed before someone has to look (invariant I-3).
const PATIENCE: Duration = Duration::from_secs(10 * 60);

const PAID_NOT_CONFIRMED: Check = Check {
    name: "paid_not_confirmed",
    severity: Severity::Page,
    must: "no order stays paid without being confirmed for ten minutes, unless it is under review",
    means: "The money is there and the goods are not. The order says what it waits for; explain it, then bring the \
            stock or settle it.",
    find: paid_not_confirmed,
};

fn paid_not_confirmed(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Found>> {
    let rows = tx.query(
        "SELECT id, waits_for, updated_at FROM orders
         WHERE status = 'paid' AND NOT requires_review AND updated_at < $1 ORDER BY updated_at LIMIT 200",
        &[(now - PATIENCE).into()],
    )?;
    rows.iter()
        .map(|row| {
            let (id, waits_for): (OrderId, String) = (row.get("id")?, row.get("waits_for")?);
            let mend = mend("orders.confirm", id, format!("makegood orders confirm {id}"));
            found(row, id, format!("paid, waits for {waits_for}"), Some(mend))
        })
        .collect()
}

const IN_REVIEW: Check = Check {
    name: "orders_in_review",
    severity: Severity::Ticket,
    must: "no order waits for a person",
    means: "Money came that does not fit its order, or an operator flagged it. Look at it in Stripe, then clear the \
            review or refund.",
    find: |tx, _| {
        let rows = tx.query(
            "SELECT o.id, r.detail, o.updated_at FROM orders o
             JOIN order_reviews r ON r.order_id = o.id AND r.cleared_at IS NULL
             WHERE o.requires_review ORDER BY o.updated_at LIMIT 200",
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let id: OrderId = row.get("id")?;
                let mend = mend("orders.review.clear", id, format!("makegood orders review clear {id}"));
                found(row, id, row.get("detail")?, Some(mend))
            })
            .collect()
    },
};

const GRANT_WITHOUT_ORDER: Check = Check {
    name: "grant_without_order",
    severity: Severity::Page,
    must: "every active grant of an order belongs to a confirmed or completed order that has such a line",
    means: "Someone has access that nobody paid for. Explain the order; revoke by hand if it is so.",
    find: |tx, _| {
        let rows = tx.query(
            "SELECT g.order_id AS id, e.product_id, g.updated_at FROM entitlement_grants g
             JOIN entitlements e ON e.id = g.entitlement_id
             LEFT JOIN orders o ON o.id = g.order_id AND o.status IN ('confirmed', 'completed')
             LEFT JOIN order_lines l ON l.order_id = o.id AND l.product_id = e.product_id
             WHERE g.source = 'order' AND g.status = 'active' AND l.order_id IS NULL
             ORDER BY g.id LIMIT 200",
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let (id, product): (OrderId, String) = (row.get("id")?, row.get("product_id")?);
                found(row, id, format!("access to {product}, but the order does not bring it"), None)
            })
            .collect()
    },
};

const ORDER_WITHOUT_GRANT: Check = Check {
    name: "order_without_grant",
    severity: Severity::Page,
    must: "every course line of a confirmed or completed order has its grant",
    means: "Someone paid and has no access. Grant it by hand on behalf of the order.",
    find: |tx, _| {
        let rows = tx.query(
            "SELECT o.id, o.profile_id, l.product_id, o.updated_at FROM orders o
             JOIN order_lines l ON l.order_id = o.id AND l.kind = 'course'
             WHERE o.status IN ('confirmed', 'completed') AND NOT EXISTS (
               SELECT 1 FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
               WHERE g.order_id = o.id AND e.product_id = l.product_id)
             ORDER BY o.id LIMIT 200",
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let (id, product): (OrderId, String) = (row.get("id")?, row.get("product_id")?);
                let profile: Option<crate::ids::ProfileId> = row.get("profile_id")?;
                let mend = profile.map(|profile| Mend {
                    operation: "entitlements.grant",
                    input: serde_json::json!({ "user": profile, "course": product, "order": id }),
                    command: format!("makegood entitlements grant {profile} {product} {id}"),
                });
                found(row, id, format!("{product} was bought and not granted"), mend)
            })
            .collect()
    },
};

fn found(row: &Row, id: OrderId, text: String, mend: Option<Mend>) -> Result<Found> {
    Ok(Found { subject: id.to_string(), text, since: row.get("updated_at")?, mend })
}

fn mend(operation: &'static str, order: OrderId, command: String) -> Mend {
    Mend { operation, input: serde_json::json!({ "order": order }), command }
}
