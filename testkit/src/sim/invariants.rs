//! What must be true at any moment, after any commit: cheap enough to be asked all the time.

use std::collections::BTreeSet;

use db::Tx;
use kernel::Result;
use shop::ids::OrderId;
use shop::inventory::{ReservationStatus, STOCK_CAME, level, reservations_of};
use shop::orders::Order;

use super::Scene;

/// Rows that must not exist, with a column `what`. The numbers are those of the reliability document.
const NEVER: [(&str, &str); 18] = [
    (
        "I-13: a pending order without the job that ends it",
        "SELECT o.id AS what FROM orders o WHERE o.status = 'pending' AND o.payment_status <> 'processing'
         AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'checkout.close'
                         AND j.unique_key = 'ord_' || replace(o.id, '-', ''))",
    ),
    (
        "an event that could not be processed",
        "SELECT stripe_event_id || ' ' || type || ': ' || COALESCE(last_error, '') AS what FROM stripe_events
         WHERE status = 'error' OR (status = 'retry' AND last_error_kind <> 'stripe_unreachable')",
    ),
    (
        "a bug in a job",
        "SELECT kind || ': ' || last_error AS what FROM jobs WHERE last_error LIKE 'internal error%'",
    ),
    (
        "I-3b: another sum than was asked for, confirmed without a review",
        "SELECT o.id AS what FROM orders o
         WHERE o.status IN ('confirmed', 'completed') AND o.paid_amount <> o.total_amount
         AND NOT EXISTS (SELECT 1 FROM order_reviews r WHERE r.order_id = o.id AND r.kind = 'amount_mismatch')",
    ),
    (
        "I-2: an order said something twice",
        "SELECT order_id || ' ' || type AS what FROM order_timeline
         WHERE type IN ('order_created', 'payment_succeeded', 'confirmed', 'completed', 'shipped')
         GROUP BY order_id, type HAVING COUNT(*) > 1",
    ),
    (
        "I-2: two orders of one session",
        "SELECT stripe_checkout_session_id AS what FROM orders WHERE stripe_checkout_session_id IS NOT NULL
         GROUP BY stripe_checkout_session_id HAVING COUNT(*) > 1",
    ),
    (
        "I-2 and I-12: not one grant and one audit entry for each thing that an order handed over",
        "SELECT order_id || ' ' || product_id AS what FROM (
           SELECT g.order_id, e.product_id, 1 AS grants, 0 AS told FROM entitlement_grants g
             JOIN entitlements e ON e.id = g.entitlement_id WHERE g.source = 'order'
           UNION ALL
           SELECT order_id, subject_id, 0, 1 FROM audit_logs
             WHERE event_type = 'entitlement_granted' AND reason = 'order confirmed') AS handed_over
         GROUP BY order_id, product_id HAVING SUM(grants) <> 1 OR SUM(told) <> 1",
    ),
    (
        "I-12: a grant that changed, and the audit log does not say so",
        "SELECT order_id || ' ' || product_id || ' is ' || status AS what FROM (
           SELECT g.order_id, e.product_id, g.status,
             SUM(a.reason = 'the payment is disputed') - SUM(a.reason = 'no dispute is open any more') AS suspended,
             SUM(a.reason = 'the money went back') AS taken, SUM(a.reason = 'the money is ours again') AS given
           FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
           JOIN audit_logs a ON a.order_id = g.order_id AND a.subject_id = e.product_id AND a.reason IS NOT NULL
           WHERE g.source = 'order' AND NOT EXISTS (
             SELECT 1 FROM entitlement_grants h WHERE h.order_id = g.order_id AND h.source <> 'order')
           GROUP BY g.id, g.order_id, e.product_id, g.status) AS told
         WHERE CASE status
           WHEN 'active' THEN taken <> given OR suspended NOT BETWEEN 0 AND taken
           WHEN 'suspended' THEN taken <> given OR suspended NOT BETWEEN 1 AND taken + 1
           WHEN 'returned' THEN taken <> given + 1 OR suspended NOT BETWEEN 0 AND taken
           ELSE 1 = 0 END",
    ),
    (
        "I-12: not one audit entry for an order that was cancelled without a word of Stripe's",
        "SELECT o.id AS what FROM orders o
         WHERE o.status = 'cancelled' AND o.cancel_reason IN ('checkout_failed', 'operator')
         AND 1 <> (SELECT COUNT(*) FROM audit_logs a WHERE a.order_id = o.id AND a.event_type = 'order_cancelled')",
    ),
    (
        "I-12: not one audit entry for each time that the shop itself has cancelled an order",
        "SELECT order_id AS what FROM (
           SELECT order_id, 1 AS ended, 0 AS told FROM order_timeline WHERE type = 'cancelled' AND actor_type = 'system'
           UNION ALL
           SELECT order_id, 0, 1 FROM audit_logs WHERE event_type = 'order_cancelled' AND actor_type = 'system') AS ends
         GROUP BY order_id HAVING SUM(ended) <> SUM(told)",
    ),
    (
        "I-12: not one audit entry for a checkout",
        "SELECT c.order_id AS what FROM checkouts c
         WHERE 1 <> (SELECT COUNT(*) FROM audit_logs a WHERE a.order_id = c.order_id AND a.event_type = 'checkout_started')",
    ),
    (
        "I-2: more pieces taken than were ordered",
        "SELECT r.order_id || ' ' || r.sku AS what
         FROM (SELECT order_id, sku, SUM(quantity) AS n FROM inventory_reservations
               WHERE status IN ('reserved', 'confirmed') GROUP BY order_id, sku) r
         LEFT JOIN (SELECT order_id, sku, SUM(quantity) AS n FROM order_lines GROUP BY order_id, sku) l
           ON l.order_id = r.order_id AND l.sku = r.sku
         WHERE r.n > COALESCE(l.n, 0)",
    ),
    (
        "fewer pieces taken than were handed over",
        "SELECT o.id || ' ' || l.sku AS what FROM orders o
         JOIN order_lines l ON l.order_id = o.id AND l.sku IS NOT NULL
         WHERE o.status IN ('confirmed', 'completed') AND l.quantity > COALESCE(
           (SELECT SUM(r.quantity) FROM inventory_reservations r
            WHERE r.order_id = o.id AND r.sku = l.sku AND r.status = 'confirmed'), 0)",
    ),
    (
        "I-6: a cancelled order keeps its stock",
        "SELECT o.id AS what FROM orders o JOIN inventory_reservations r ON r.order_id = o.id
         WHERE o.status = 'cancelled' AND r.status IN ('reserved', 'confirmed')",
    ),
    (
        "paid money on a cancelled order",
        "SELECT id AS what FROM orders WHERE status = 'cancelled' AND payment_status = 'paid'",
    ),
    (
        "I-7: a refunded order gives access",
        "SELECT o.id AS what FROM orders o JOIN entitlement_grants g ON g.order_id = o.id
         WHERE o.status = 'refunded' AND g.status IN ('active', 'suspended')",
    ),
    (
        "I-10: grants that do not follow the order's dispute",
        "SELECT o.id AS what FROM orders o JOIN entitlement_grants g ON g.order_id = o.id
         WHERE o.status IN ('confirmed', 'completed') AND (
           (o.dispute_status = 'open' AND g.status = 'active')
           OR (o.dispute_status IS NULL AND g.status = 'suspended') OR g.status = 'returned')",
    ),
    (
        "I-4: a refunded order that was not shipped keeps its stock",
        "SELECT o.id AS what FROM orders o JOIN inventory_reservations r ON r.order_id = o.id
         WHERE o.status = 'refunded' AND o.shipped_at IS NULL AND r.status IN ('reserved', 'confirmed')",
    ),
];

/// The shop's own checks that must find nothing even in the middle of it all: these rows change together.
const ALWAYS: [&str; 5] = [
    "stock_differs_from_ledger",
    "reserved_differs_from_reservations",
    "entitlement_without_grant",
    "grant_without_order",
    "order_without_grant",
];

/// Asks for everything that is cheap.
pub(super) fn glance(scene: &Scene) {
    let now = scene.cx().now;
    let broken = scene.look(move |tx| {
        for (name, sql) in NEVER {
            if let Some(row) = tx.query_opt(sql, &[])? {
                return Ok(Some(format!("{name}: {}", row.get::<String>("what")?)));
            }
        }
        for check in shop::checks().iter().filter(|check| ALWAYS.contains(&check.name)) {
            if let Some(found) = check.run(tx, now)?.first() {
                return Ok(Some(format!("{}: {}: {}", found.check, found.subject, found.text)));
            }
        }
        Ok(None)
    });
    if let Some(broken) = broken {
        scene.fail(broken);
    }
    no_news_of_stock_is_lost(scene);
    one_session_for_each_order(scene);
    no_session_lives_for_a_failed_checkout(scene);
    nobody_can_pay_for_what_was_cleaned_up(scene);
    what_was_revoked_stays_revoked(scene);
}

/// I-13: while an order waits for pieces that are there, a job is on its way to tell it.
fn no_news_of_stock_is_lost(scene: &Scene) {
    let forgotten = scene.look(|tx| {
        let rows = tx.query("SELECT id FROM orders WHERE waits_for = 'stock'", &[])?;
        let waiting: Vec<OrderId> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
        for order in shop::orders::find_many(tx, &waiting)?.values() {
            if !lacks_stock(tx, order)? && !will_be_told(tx, order)? {
                return Ok(Some(order.id));
            }
        }
        Ok(None)
    });
    if let Some(order) = forgotten {
        scene.fail(format!("I-13: {order} waits for stock that is there, and no job will tell it"));
    }
}

/// Whether an order lacks pieces that nobody has.
pub(super) fn lacks_stock(tx: &mut Tx<'_>, order: &Order) -> Result<bool> {
    let own = reservations_of(tx, order.id)?;
    for (sku, wanted) in order.pieces() {
        let live = own.iter().filter(|r| {
            r.sku == sku && matches!(r.status, ReservationStatus::Reserved | ReservationStatus::Confirmed)
        });
        let missing = wanted - live.map(|r| r.quantity).sum::<i64>();
        if missing > level(tx, &sku)?.map_or(0, |level| level.available) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn will_be_told(tx: &mut Tx<'_>, order: &Order) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM jobs WHERE kind = $1 AND unique_key = $2";
    for (sku, _) in order.pieces() {
        if tx.count(sql, &[STOCK_CAME.into(), sku.into()])? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stripe makes at most one session for an order, however often it is asked.
fn one_session_for_each_order(scene: &Scene) {
    let mut book = scene.book.borrow_mut();
    let read = book.sessions_read;
    let new: Vec<(String, String)> = {
        let account = scene.stripe();
        book.sessions_read = account.sessions().count();
        // What stands in the address of a link is typed.
        let ours = account.sessions().skip(read).filter(|session| session.payment_link.is_none());
        ours.map(|s| (s.client_reference_id.unwrap_or_default().to_owned(), s.id.to_owned())).collect()
    };
    for (order, session) in new.into_iter().filter(|(order, _)| !order.is_empty()) {
        if let Some(other) = book.sessions.insert(order.clone(), session.clone()) {
            scene.fail(format!("{order} has two sessions at Stripe: {other} and {session}"));
        }
    }
}

/// An order is given up because of Stripe only when nobody can pay for it any more: a lost answer is no refusal.
fn no_session_lives_for_a_failed_checkout(scene: &Scene) {
    let failed: Vec<shop::ids::OrderId> = scene.look(|tx| {
        let sql = "SELECT id FROM orders WHERE status = 'cancelled' AND cancel_reason = 'checkout_failed'";
        tx.query(sql, &[])?.iter().map(|row| row.get("id")).collect::<Result<_>>()
    });
    let book = scene.book.borrow();
    let mut account = scene.stripe();
    account.tick(&scene.account.cx());
    for order in failed {
        let session = book.sessions.get(&order.to_string()).and_then(|id| account.session_facts(id));
        if session.is_some_and(|session| session.status == "open") {
            scene.fail(format!("{order} was given up while its session can still be paid"));
        }
    }
}

/// I-18: cleaning up cancels an order only when Stripe has said that nobody can pay for it any more.
fn nobody_can_pay_for_what_was_cleaned_up(scene: &Scene) {
    let sessions: Vec<String> = scene.look(|tx| {
        let sql = "SELECT o.stripe_checkout_session_id AS id FROM order_timeline t JOIN orders o ON o.id = t.order_id
                   WHERE t.type = 'cancelled' AND t.actor = 'cleanup' AND o.stripe_checkout_session_id IS NOT NULL";
        tx.query(sql, &[])?.iter().map(|row| row.get("id")).collect::<Result<_>>()
    });
    let mut account = scene.stripe();
    account.tick(&scene.account.cx());
    for session in sessions {
        if account.session_facts(&session).is_some_and(|session| session.status == "open") {
            scene.fail(format!("I-18: {session} can still be paid, and its order was cleaned up"));
        }
    }
}

/// I-14: no replay brings back what an operator has revoked.
fn what_was_revoked_stays_revoked(scene: &Scene) {
    let revoked: BTreeSet<String> = scene.look(|tx| {
        let sql = "SELECT id AS what FROM entitlement_grants WHERE status = 'revoked'";
        tx.query(sql, &[])?.iter().map(|row| row.get("what")).collect::<Result<_>>()
    });
    let mut book = scene.book.borrow_mut();
    if let Some(back) = book.revoked.difference(&revoked).next() {
        scene.fail(format!("I-14: the revoked grant {back} counts again"));
    }
    book.revoked = revoked;
}
