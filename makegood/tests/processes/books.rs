//! The end of every test: what Stripe says and what the database says must agree, and nothing may have happened twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use db::{Db, FromValue, Row};
use kernel::{Clock, Error};
use makegood::clock::SystemClock;

use crate::people::Remembered;
use crate::stage::Stage;

/// One number from the database.
pub async fn count(db: &Db, sql: &str) -> i64 {
    let sql = sql.to_owned();
    db.read("test.count", move |tx| tx.count(&sql, &[])).await.expect("a number")
}

/// Rows from the database.
pub async fn rows(db: &Db, sql: &str) -> Vec<Row> {
    let sql = sql.to_owned();
    db.read("test.rows", move |tx| tx.query(&sql, &[])).await.expect("rows")
}

/// One column of a query.
pub async fn column<T: FromValue>(db: &Db, sql: &str) -> Vec<T> {
    rows(db, sql).await.iter().map(|row| row.first().expect("a value")).collect()
}

/// Until work that a killed node had claimed comes back: when its lease ends, after a minute for events and after three
/// for jobs. The rest is for slow machines.
pub const LEASES_END: Duration = Duration::from_secs(270);

/// Waits until Stripe has delivered everything and nothing is left to do.
pub async fn drained(stage: &Stage, db: &Db, patience: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let left = left_to_do(stage, db).await;
        if left == (0, 0, 0) {
            return began.elapsed();
        }
        if began.elapsed() >= patience {
            let why =
                "SELECT type || ' ' || status || ' ' || COALESCE(last_error, '') AS why FROM stripe_events
                       WHERE status IN ('received', 'retry') LIMIT 5";
            let why: Vec<String> = column(db, why).await;
            panic!("left after {patience:?} (deliveries, events, jobs): {left:?}: {why:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn left_to_do(stage: &Stage, db: &Db) -> (usize, i64, i64) {
    let deliveries = stage.stripe.with(|account, _| account.deliveries_waiting());
    let events = count(db, "SELECT COUNT(*) FROM stripe_events WHERE status IN ('received', 'retry')").await;
    (deliveries, events, jobs_due(db).await)
}

/// Jobs that are due, and those that someone has claimed.
pub async fn jobs_due(db: &Db) -> i64 {
    let now = SystemClock.now();
    let sql = "SELECT COUNT(*) FROM jobs WHERE status = 'queued' AND (run_at <= $1 OR attempts > 0)";
    db.read("test.jobs", move |tx| tx.count(sql, &[now.into()])).await.expect("a number")
}

/// Fails unless every event that was answered with 200 is stored.
pub async fn nothing_acknowledged_is_lost(db: &Db, promised: &Remembered) {
    let stored: BTreeSet<String> =
        column(db, "SELECT stripe_event_id FROM stripe_events").await.into_iter().collect();
    let acknowledged = promised.acknowledged();
    assert_eq!(acknowledged.difference(&stored).collect::<Vec<_>>(), Vec::<&String>::new(), "lost");
}

/// Fails unless the books of Stripe and of the shop agree. `stock` says how many pieces of each sku there were at the
/// beginning.
pub async fn agree(stage: &Stage, db: &Db, stock: &[(&str, i64)]) {
    assert_eq!(findings(db).await, Vec::<String>::new(), "every check finds nothing");
    sessions_agree(stage, db).await;
    handed_over_once(db).await;
    for (sku, pieces) in stock {
        stock_is_exact(db, sku, *pieces).await;
    }
    sqlite_is_whole(db).await;
}

/// What the checks find, as text.
pub async fn findings(db: &Db) -> Vec<String> {
    let now = SystemClock.now();
    let all = db.read("test.checks", move |tx| {
        let found: Result<Vec<_>, Error> = shop::checks().iter().map(|check| check.run(tx, now)).collect();
        Ok(found?.concat())
    });
    let all = all.await.expect("the checks run");
    all.iter().map(|finding| format!("{}: {} {}", finding.check, finding.subject, finding.text)).collect()
}

/// Every session that was paid at Stripe has an order that is confirmed, and no order is without one. No order has two
/// sessions: a checkout whose node died on the way was asked for again with the same key.
async fn sessions_agree(stage: &Stage, db: &Db) {
    let (paid, orders): (BTreeSet<String>, Vec<String>) = stage.stripe.with(|account, _| {
        let paid = account.sessions().filter(|session| session.payment_status == "paid");
        let paid = paid.map(|session| session.id.to_owned()).collect();
        let all = account.sessions().filter_map(|session| session.client_reference_id.map(str::to_owned));
        (paid, all.collect())
    });
    let confirmed: BTreeSet<String> = column(
        db,
        "SELECT stripe_checkout_session_id FROM orders WHERE status IN ('confirmed', 'completed')
         AND payment_status = 'paid' AND paid_amount = total_amount",
    )
    .await
    .into_iter()
    .collect();
    assert_eq!(paid.symmetric_difference(&confirmed).collect::<Vec<_>>(), Vec::<&String>::new());
    let distinct: BTreeSet<&String> = orders.iter().collect();
    assert_eq!(orders.len(), distinct.len(), "an order has two sessions at Stripe");
    let unsettled =
        "SELECT COUNT(*) FROM orders WHERE status NOT IN ('pending', 'confirmed', 'completed', 'cancelled')";
    assert_eq!(count(db, unsettled).await, 0, "an order hangs between two states");
}

/// One `payment_succeeded`, one `confirmed`, one grant for each course and one sale for each physical line of each order that
/// was paid, and none besides.
async fn handed_over_once(db: &Db) {
    let paid = count(db, "SELECT COUNT(*) FROM orders WHERE status IN ('confirmed', 'completed')").await;
    for kind in ["payment_succeeded", "confirmed"] {
        let told = format!("SELECT COUNT(*) FROM order_timeline WHERE type = '{kind}'");
        assert_eq!(count(db, &told).await, paid, "{kind}");
        let apart = format!("SELECT COUNT(DISTINCT order_id) FROM order_timeline WHERE type = '{kind}'");
        assert_eq!(count(db, &apart).await, paid, "{kind}, each order once");
    }
    let processed = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'stripe_webhook_processed'";
    let apart = processed.replace("COUNT(*)", "COUNT(DISTINCT subject_id)");
    assert_eq!(count(db, processed).await, count(db, &apart).await, "an event was processed twice");
    let lines = |kind: &str| {
        format!(
            "SELECT COUNT(*) FROM order_lines l JOIN orders o ON o.id = l.order_id
             WHERE l.kind = '{kind}' AND o.status IN ('confirmed', 'completed')"
        )
    };
    let grants = count(db, "SELECT COUNT(*) FROM entitlement_grants WHERE status = 'active'").await;
    assert_eq!(grants, count(db, &lines("course")).await, "one grant for each course that was paid");
    let sales = count(db, "SELECT COUNT(*) FROM inventory_ledger WHERE reason = 'sale'").await;
    assert_eq!(sales, count(db, &lines("physical")).await, "one sale for each physical line that was paid");
}

async fn stock_is_exact(db: &Db, sku: &str, at_first: i64) {
    let sold = format!(
        "SELECT CAST(COALESCE(SUM(l.quantity), 0) AS bigint) FROM order_lines l JOIN orders o ON o.id = l.order_id
         WHERE l.sku = '{sku}' AND o.status IN ('confirmed', 'completed')"
    );
    let ledger = format!(
        "SELECT CAST(COALESCE(SUM(quantity_change), 0) AS bigint) FROM inventory_ledger WHERE sku = '{sku}'"
    );
    let held = format!(
        "SELECT CAST(COALESCE(SUM(quantity), 0) AS bigint) FROM inventory_reservations
         WHERE sku = '{sku}' AND status = 'reserved'"
    );
    let left = at_first - count(db, &sold).await;
    let row =
        rows(db, &format!("SELECT stock_count, reserved_count FROM inventory WHERE sku = '{sku}'")).await;
    let (stock, reserved): (i64, i64) =
        (row[0].get("stock_count").unwrap(), row[0].get("reserved_count").unwrap());
    assert_eq!((stock, reserved), (left, count(db, &held).await), "{sku}: pieces, and pieces set aside");
    assert_eq!(count(db, &ledger).await, left, "{sku}: the ledger");
}

async fn sqlite_is_whole(db: &Db) {
    if db.dialect() == db::Dialect::Sqlite {
        let told: Vec<String> = column(db, "PRAGMA integrity_check").await;
        assert_eq!(told, ["ok"]);
    }
}

/// Everything in the tables of the business, as text: equal dumps mean that nothing has changed.
pub async fn dump(db: &Db) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    for table in BUSINESS {
        let mut lines: Vec<String> = rows(db, &format!("SELECT * FROM {table}"))
            .await
            .iter()
            .map(|row| format!("{:?}", row.names().iter().zip(row.cells()).collect::<Vec<_>>()))
            .collect();
        lines.sort_unstable();
        all.insert(table, lines);
    }
    all
}

/// All tables but the inbox itself and the log of who did what.
const BUSINESS: [&str; 15] = [
    "profiles",
    "products",
    "prices",
    "inventory",
    "inventory_reservations",
    "inventory_ledger",
    "entitlements",
    "entitlement_grants",
    "orders",
    "order_lines",
    "order_timeline",
    "order_reviews",
    "payment_facts",
    "checkouts",
    "jobs",
];
