//! The checks on their schedule: one process at a time, each for itself, and none reads a large table from end to end.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use db::{Db, Dialect, Tx};
use kernel::{Cx, Duration, Error, Result, Timestamp};
use ops::results::{self, CheckResult};
use ops::{Check, Found, Severity};
use serde_json::json;
use shop::office::watch::watch_with;
use testkit::World;

async fn latest(db: &Db) -> Vec<CheckResult> {
    db.read("test", results::latest).await.unwrap()
}

fn nothing(_: &mut Tx<'_>, _: Timestamp, _: i64) -> Result<Vec<Found>> {
    Ok(Vec::new())
}

fn many(_: &mut Tx<'_>, now: Timestamp, _: i64) -> Result<Vec<Found>> {
    let found = |n: u64| Found {
        subject: n.to_string(),
        text: "so it is".into(),
        since: Some(now - Duration::from_secs(n)),
        mend: None,
    };
    Ok((1..=60).map(found).collect())
}

fn broken(tx: &mut Tx<'_>, _: Timestamp, _: i64) -> Result<Vec<Found>> {
    tx.query("SELECT nothing FROM nowhere", &[]).map(|_| Vec::new())
}

const fn check(name: &'static str, find: fn(&mut Tx<'_>, Timestamp, i64) -> Result<Vec<Found>>) -> Check {
    Check { name, severity: Severity::Ticket, must: "it must", means: "it means", find }
}

/// Tables that grow with the shop.
const LARGE: &[&str] = &[
    "orders",
    "order_lines",
    "order_timeline",
    "payment_facts",
    "stripe_events",
    "audit_logs",
    "audit_chain",
    "entitlements",
    "entitlement_grants",
    "inventory_reservations",
    "inventory_ledger",
    "checkouts",
    "refunds",
    "mails",
    "task_runs",
    "reconciliation_findings",
];

/// Checks that compare one whole room with another: a contradiction may lie in any row, however old. They are run the less
/// often the longer they take; see shop/src/office/watch.rs.
const COMPARE_ROOMS: &[&str] =
    &["grant_without_order", "order_without_grant", "entitlement_without_grant", "stock_differs_from_ledger"];

/// What people may hold.
const HELD: &[&str] = &[
    "evt_1",
    "cs_1",
    "pi_1",
    "ch_1",
    "re_1",
    "dp_1",
    "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "res_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "rfd_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "ent_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "job_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "mal_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "aud_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "run_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "rec_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "tok_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "req_1",
    "0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
    "ada@example.com",
    "cus_1",
    "mug",
];

/// A query of somebody's, and how the engine would answer it.
type Planned = (String, String, Vec<String>);

/// What each check queries.
fn of_checks(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Planned>> {
    let mut all = Vec::new();
    for check in shop::checks() {
        all.extend(plans(tx, check.name, |tx| check.run(tx, now).map(drop))?);
    }
    Ok(all)
}

/// What is queried for each of these that people may hold.
fn of_searches(tx: &mut Tx<'_>, cx: &Cx, held: &[&str]) -> Result<Vec<Planned>> {
    let search = shop::VIEWS.iter().find(|view| view.name == "search").unwrap();
    let mut all = Vec::new();
    for text in held {
        let ask = |tx: &mut Tx<'_>| match (search.ask)(json!({ "q": text }), tx, cx) {
            // Nothing is there; it was looked for all the same.
            Err(Error::NotFound { .. }) => Ok(()),
            answer => answer.map(drop),
        };
        all.extend(plans(tx, text, ask)?);
    }
    Ok(all)
}

/// What this work queries, and how the engine would answer it.
fn plans(tx: &mut Tx<'_>, whose: &str, work: impl FnOnce(&mut Tx<'_>) -> Result<()>) -> Result<Vec<Planned>> {
    if tx.dialect() == Dialect::Postgres {
        // An empty table is read whole by any planner that may.
        tx.execute("SET LOCAL enable_seqscan = off", &[])?;
    }
    let asked = tx.asked_by(work)?;
    assert!(!asked.is_empty(), "{whose} asks nothing");
    let mut all = Vec::new();
    for (sql, params) in asked {
        let (explain, column) = match tx.dialect() {
            Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
            Dialect::Postgres => ("EXPLAIN", "QUERY PLAN"),
        };
        let rows = tx.query(&format!("{explain} {sql}"), &params)?;
        let lines = rows.iter().map(|row| row.get::<String>(column)).collect::<Result<_>>()?;
        all.push((whose.to_owned(), sql, lines));
    }
    Ok(all)
}

/// Those that read a large table from end to end.
fn too_long(dialect: Dialect, plans: Vec<Planned>, partial: &BTreeSet<String>, but: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (whose, sql, plan) in plans.into_iter().filter(|(whose, ..)| !but.contains(&whose.as_str())) {
        let lines = whole(dialect, &sql, &plan, partial);
        if !lines.is_empty() {
            wrong.push(format!("{whose}: {lines:?}\n{sql}\n{}", plan.join("\n")));
        }
    }
    wrong
}

/// Indexes that hold a part of their table only.
fn partial(tx: &mut Tx<'_>) -> Result<BTreeSet<String>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'",
        Dialect::Postgres => {
            "SELECT c.relname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indpred IS NOT NULL"
        }
    };
    tx.query(sql, &[])?.iter().map(|row| row.get("name")).collect()
}

/// Lines of a plan that read a large table from end to end.
fn whole(dialect: Dialect, sql: &str, plan: &[String], partial: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in plan.iter().enumerate() {
        let words: Vec<&str> = line.trim_start_matches([' ', '-', '>']).split_whitespace().collect();
        let index =
            words.iter().position(|word| *word == "using" || *word == "INDEX").map(|at| words[at + 1]);
        let (scans, table) = match dialect {
            Dialect::Sqlite => (words[0] == "SCAN", table_of(sql, words.get(1).unwrap_or(&""))),
            Dialect::Postgres => {
                let on = words.iter().position(|word| *word == "on").and_then(|at| words.get(at + 1));
                let condition = plan.get(at + 1).is_some_and(|next| next.contains("Index Cond:"));
                let scan =
                    line.contains("Seq Scan on") || (line.contains("Index") && line.contains("Scan using"));
                (scan && !condition, on.map(|on| (*on).to_owned()).unwrap_or_default())
            }
        };
        // One row from the end of an index is no scan.
        let bounded = sql.contains("ORDER BY seq DESC LIMIT 1");
        if scans
            && !bounded
            && LARGE.contains(&table.as_str())
            && index.is_none_or(|index| !partial.contains(index))
        {
            found.push(line.clone());
        }
    }
    found
}

/// SQLite names a table by its alias.
fn table_of(sql: &str, alias: &str) -> String {
    let words: Vec<&str> =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let named = words.windows(3).find(|three| ["FROM", "JOIN"].contains(&three[0]) && three[2] == alias);
    named.map_or(alias, |three| three[1]).to_owned()
}

#[test]
fn a_plan_that_reads_a_whole_table_is_seen() {
    let none = BTreeSet::from(["some".to_owned()]);
    let sql = "SELECT * FROM orders o JOIN refunds r ON r.order_id = o.id";
    let lite = |line: &str| whole(Dialect::Sqlite, sql, &[line.to_owned()], &none).len();
    assert_eq!(
        (lite("SCAN o"), lite("SCAN o USING INDEX whole"), lite("SCAN r USING COVERING INDEX some")),
        (1, 1, 0)
    );
    assert_eq!((lite("SEARCH o USING INDEX whole (id=?)"), lite("SCAN inventory")), (0, 0));
    let post = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        whole(Dialect::Postgres, sql, &lines, &none).len()
    };
    assert_eq!(post(&["  ->  Seq Scan on orders o  (cost=1..2)"]), 1);
    assert_eq!(post(&["Index Scan using whole on orders o  (cost=1..2)", "  Filter: (x)"]), 1);
    assert_eq!(post(&["Index Scan using whole on orders o  (cost=1..2)", "  Index Cond: (id = 1)"]), 0);
    assert_eq!(post(&["Index Only Scan using some on orders o  (cost=1..2)"]), 0);
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn no_check_reads_a_large_table_from_end_to_end(test: TestDb) {
        let world = World::open(test).await;
        let (now, dialect) = (world.shop.now(), world.test.db.dialect());
        let (plans, partial) =
            world.test.db.read("test", move |tx| Ok((of_checks(tx, now)?, partial(tx)?))).await.unwrap();
        let wrong = too_long(dialect, plans, &partial, COMPARE_ROOMS);
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }

    async fn no_search_reads_a_large_table_from_end_to_end(test: TestDb) {
        let world = World::open(test).await;
        let (cx, dialect) = (world.shop.cx(), world.test.db.dialect());
        let (plans, partial) =
            world.test.db.read("test", move |tx| Ok((of_searches(tx, &cx, HELD)?, partial(tx)?))).await.unwrap();
        let wrong = too_long(dialect, plans, &partial, &[]);
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }

    async fn what_the_checks_find_is_kept_in_their_order(test: TestDb) {
        let world = World::open(test).await;
        let done = world.shop.watch().await.unwrap();
        assert_eq!((done.ran as usize, done.failed), (shop::checks().len(), Vec::new()));
        let kept = latest(&world.test.db).await;
        let names: Vec<&str> = kept.iter().map(|result| result.check.as_str()).collect();
        assert_eq!(names, shop::checks().iter().map(|check| check.name).collect::<Vec<_>>());
        assert!(kept.iter().all(|result| result.count == 0 && result.checked_at == world.shop.now()), "{kept:?}");
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.operate("orders.review.flag", json!({ "order": started.order })).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        world.shop.watch().await.unwrap();
        let kept = latest(&world.test.db).await;
        let review = kept.iter().find(|result| result.check == "orders_in_review").unwrap();
        assert_eq!((review.count, review.findings[0]["subject"].as_str()), (1, Some(started.order.to_string().as_str())));
        assert_eq!(review.oldest, Some(world.shop.now() - Duration::from_secs(60)));
    }

    async fn of_many_findings_all_are_counted_and_fifty_are_kept(test: TestDb) {
        let world = World::open(test).await;
        watch_with(&world.shop, &[check("many", many)]).await.unwrap();
        let kept = latest(&world.test.db).await.remove(0);
        assert_eq!((kept.count, kept.findings.len()), (60, 50));
        assert_eq!(kept.oldest, Some(world.shop.now() - Duration::from_secs(60)));
    }

    /// What cannot be looked at is no good news.
    async fn a_check_that_cannot_be_run_is_a_finding_and_stops_no_other(test: TestDb) {
        let world = World::open(test).await;
        watch_with(&world.shop, &[check("second", nothing)]).await.unwrap();
        world.clock.advance(Duration::from_secs(600));
        let done = watch_with(&world.shop, &[check("first", broken), check("second", nothing)]).await.unwrap();
        assert_eq!((done.ran, done.failed.len()), (2, 0));
        let kept = latest(&world.test.db).await;
        assert_eq!((kept[0].count, kept[1].count, kept[1].checked_at), (1, 0, world.shop.now()));
        let (subject, text, _) = results::finding(&kept[0].findings[0]);
        assert!(subject == ops::ITSELF && text.contains("could not be run"), "{subject}: {text}");
        // In one transaction with others, what it broke is left behind.
        let all = [check("first", broken), check("many", many)];
        let now = world.shop.now();
        let run = move |tx: &mut Tx<'_>| all.iter().map(|check| check.run(tx, now)).collect::<Result<Vec<_>>>();
        let found = world.test.db.read("test", run).await.unwrap();
        assert_eq!((found[0].len(), found[1].len()), (1, 60));
    }

    /// Of an incident with hundreds of cases the last is told apart from one that is well.
    async fn what_a_check_finds_about_one_thing_is_found_behind_any_number_of_others(test: TestDb) {
        let world = World::open(test).await;
        let many = check("many", |_, _, most| {
            let found = |n: i64| Found { subject: n.to_string(), text: "so it is".into(), since: None, mend: None };
            Ok((1..=most.min(1_000)).map(found).collect())
        });
        let now = world.shop.now();
        let ask = move |subject: &'static str| {
            move |tx: &mut Tx<'_>| many.run_about(tx, now, |found| found.subject == subject)
        };
        for (subject, count) in [("7", 1), ("999", 1), ("1001", 0)] {
            let found = world.test.db.read("test", ask(subject)).await.unwrap();
            assert_eq!(found.len(), count, "{subject}");
        }
        let listed = world.test.db.read("test", move |tx| many.run(tx, now)).await.unwrap();
        assert_eq!(listed.len(), ops::LISTED);
    }

    async fn a_check_is_due_once_a_minute_and_a_slow_one_less_often(test: TestDb) {
        let world = World::open(test).await;
        let both = [check("fast", nothing), check("slow", nothing)];
        assert_eq!(watch_with(&world.shop, &both).await.unwrap().ran, 2);
        assert_eq!(watch_with(&world.shop, &both).await.unwrap().ran, 0);
        let slow = "UPDATE check_results SET took_ms = 4000 WHERE name = 'slow'";
        world.test.db.write("test", move |tx| tx.execute(slow, &[])).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(watch_with(&world.shop, &both).await.unwrap().ran, 1);
        world.clock.advance(Duration::from_secs(140));
        assert_eq!(watch_with(&world.shop, &both).await.unwrap().ran, 2);
    }

    async fn one_process_has_the_turn_and_another_follows_when_it_has_died(test: TestDb) {
        let world = World::open(test).await;
        let other = world.another_node().await;
        let (now, hold) = (world.shop.now(), Duration::from_secs(120));
        let died = uuid::Uuid::from_u128(1);
        let turn = world.test.db.write("test", move |tx| results::take_turn(tx, died, now, hold)).await.unwrap().unwrap();
        assert_eq!(watch_with(&other, &[check("one", nothing)]).await.unwrap().ran, 0);
        world.clock.advance(hold);
        assert_eq!(watch_with(&other, &[check("one", nothing)]).await.unwrap().ran, 1);
        // It was only slow: what it found is not kept any more.
        let late = CheckResult::new("one", &[], now, now);
        let kept = world.test.db.write("test", move |tx| results::store(tx, turn, 0, &late, now)).await.unwrap();
        assert!(!kept);
        assert_eq!(latest(&world.test.db).await[0].checked_at, world.shop.now());
    }

    async fn a_check_that_is_no_more_is_forgotten_after_a_day(test: TestDb) {
        let world = World::open(test).await;
        watch_with(&world.shop, &[check("old", nothing)]).await.unwrap();
        world.clock.advance(Duration::from_secs(25 * 3600));
        watch_with(&world.shop, &[check("new", nothing)]).await.unwrap();
        let kept: Vec<String> = latest(&world.test.db).await.into_iter().map(|result| result.check).collect();
        assert_eq!(kept, ["new"]);
    }
}
