//! The chain over the audit log: what was changed past makegood is found, wherever it was changed.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use db::{Db, Dialect, Value};
use kernel::{Duration, Timestamp};
use ops::chain::{self, Link};
use serde_json::json;
use testkit::{Engine, TestDb, World};
use uuid::Uuid;

const AT: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// An entry as any transaction writes one.
async fn write(db: &Db, id: u128) {
    let sql = "INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, order_id, reason, data)
               VALUES ($1, $2, 'entitlement_granted', 'ada', 'operator', 'order', 'x', $3, $4, $5)";
    let odd = (id % 2 == 1).then(|| Uuid::from_u128(id + 7));
    let reason = (id.is_multiple_of(3)).then(|| format!("because of \"{id}\", ünd so on"));
    let data = json!({ "z": id as u64, "a": { "y": [1.0, null, "ü\n"], "b": 1e3 }, "k": 0.25 }).to_string();
    let params: Vec<Value> = vec![
        Uuid::from_u128(id).into(),
        (AT + Duration::from_micros(id as u64)).into(),
        odd.into(),
        reason.into(),
        Value::Json(data),
    ];
    db.write("test", move |tx| tx.execute(sql, &params)).await.unwrap();
}

async fn seal(db: &Db) -> u64 {
    db.write("test", |tx| chain::seal(tx, 100)).await.unwrap()
}

async fn head(db: &Db) -> Link {
    db.read("test", chain::head).await.unwrap().unwrap()
}

/// As somebody would who owns the database and is careful: without the triggers, which are there again when it is done.
async fn by_force(db: &Db, sql: &'static str) {
    without_guards(db, sql).await;
    db.write("force", |tx| {
        for lost in db::lost_triggers(tx, shop::MIGRATIONS)? {
            tx.execute(lost.mend.trim_end_matches(';'), &[])?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// The same by somebody who leaves them off.
async fn without_guards(db: &Db, sql: &'static str) {
    db.write("force", move |tx| {
        match tx.dialect() {
            Dialect::Sqlite => {
                for trigger in [
                    "logs_no_update",
                    "logs_no_delete",
                    "chain_no_update",
                    "chain_no_delete",
                    "logs_to_chain",
                    "logs_no_replace",
                    "chain_no_replace",
                ] {
                    tx.execute(&format!("DROP TRIGGER IF EXISTS audit_{trigger}"), &[])?;
                }
            }
            Dialect::Postgres => {
                tx.execute("ALTER TABLE audit_logs DISABLE TRIGGER ALL", &[])?;
                tx.execute("ALTER TABLE audit_chain DISABLE TRIGGER ALL", &[])?;
            }
        }
        tx.execute(sql, &[])
    })
    .await
    .unwrap();
}

/// A shop in which something happened, sealed.
async fn world(test: TestDb) -> World {
    let world = World::open(test).await;
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        world.buyer(email).await;
    }
    assert!(world.shop.seal().await.unwrap() >= 4);
    world
}

/// What `audit verify` says: kinds of breaks and their places.
async fn verified(
    world: &World,
    input: serde_json::Value,
) -> (Vec<(String, Option<i64>)>, serde_json::Value) {
    let done = world.task("audit-logs.verify", input).await.unwrap();
    let shown = done.shown();
    let rows = shown["data"].as_array().unwrap();
    assert_eq!(done.findings, Some(rows.len() as u64), "{shown}");
    let breaks = rows.iter().map(|row| (row["what"].as_str().unwrap().to_owned(), row["seq"].as_i64()));
    (breaks.collect(), shown)
}

fn found(what: &str, seq: i64) -> (String, Option<i64>) {
    (what.to_owned(), Some(seq))
}

async fn checks(world: &World) -> Vec<&'static str> {
    world.findings_without_workers().await.into_iter().map(|finding| finding.check).collect()
}

#[test]
fn both_engines_give_the_same_hashes_for_the_same_entries() {
    testkit::databases::runtime().block_on(async {
        let sqlite = TestDb::migrated(Engine::Sqlite, shop::MIGRATIONS).await.unwrap();
        let Some(postgres) = TestDb::migrated(Engine::Postgres, shop::MIGRATIONS).await else { return };
        for db in [&sqlite.db, &postgres.db] {
            for id in [1, 2, 3, 4, 5, 6] {
                write(db, id).await;
            }
            assert_eq!(seal(db).await, 6);
        }
        assert_eq!(head(&sqlite.db).await, head(&postgres.db).await);
        // What is sealed today has to be found so by later versions.
        let kept = "a6800c97a2eb49a70240886dd0f82d06b121a06fa77b0f2a11dcd1061b61230d";
        assert_eq!(head(&sqlite.db).await, Link { seq: 6, hash: kept.into() });
    });
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_log_that_nobody_touched_is_verified_to_its_head(test: TestDb) {
        let world = world(test).await;
        let (breaks, shown) = verified(&world, json!({})).await;
        assert!(breaks.is_empty(), "{shown}");
        let all = world.count("SELECT COUNT(*) FROM audit_logs").await;
        assert_eq!((shown["verified"].as_i64(), shown["head"].as_str().map(str::len)), (Some(all), Some(64)));
        // The head of today is still a link of the chain tomorrow.
        world.buyer("d@example.com").await;
        let (breaks, later) = verified(&world, json!({ "head": shown["head"] })).await;
        assert!(breaks.is_empty() && later["head"] != shown["head"], "{later}");
        let wrong = world.task("audit-logs.verify", json!({ "head": "abc" })).await.unwrap_err();
        assert_eq!(wrong.code(), "invalid_input");
        world.close().await;
    }

    async fn an_entry_that_was_changed_is_found(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "UPDATE audit_logs SET actor = 'mallory' WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 2)").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("changed", 2)]);
        assert_eq!(checks(&world).await, ["audit_chain_broken"]);
    }

    async fn what_was_changed_inside_of_the_details_is_found(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "UPDATE audit_logs SET data = '{}' WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 1)").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("changed", 1)]);
    }

    async fn an_entry_that_was_removed_is_found(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "DELETE FROM audit_logs WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 3)").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("deleted", 3)]);
        assert_eq!(checks(&world).await, ["audit_chain_broken"]);
    }

    async fn a_link_that_was_removed_is_found_and_its_entry_too(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "DELETE FROM audit_chain WHERE seq = 2").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("link_missing", 3), ("not_chained".into(), None)]);
    }

    /// The seals before are whole, and the last is not where it was written down.
    async fn a_tail_that_was_cut_off_is_found(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "DELETE FROM audit_chain WHERE seq > 2").await;
        by_force(&world.test.db, "DELETE FROM audit_logs WHERE id NOT IN (SELECT audit_id FROM audit_chain)").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("cut_off", 2)]);
        assert_eq!(checks(&world).await, ["audit_chain_broken"]);
    }

    /// Whoever knows how the chain is made writes down another end; but not outside of the database.
    async fn a_tail_that_was_cut_off_with_care_is_found_by_the_head_that_was_kept(test: TestDb) {
        let world = world(test).await;
        let head = verified(&world, json!({})).await.1["head"].clone();
        by_force(&world.test.db, "DELETE FROM audit_chain WHERE seq > 2").await;
        by_force(&world.test.db, "DELETE FROM audit_logs WHERE id NOT IN (SELECT audit_id FROM audit_chain)").await;
        by_force(&world.test.db, "UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit_chain WHERE seq = 2)").await;
        assert!(verified(&world, json!({})).await.0.is_empty());
        assert_eq!(verified(&world, json!({ "head": head })).await.0, [("head_unknown".into(), None)]);
    }

    /// The statement that each finding names is what puts it right.
    async fn triggers_that_do_not_watch_any_more_are_told_with_the_statement_that_brings_them_back(test: TestDb) {
        let world = world(test).await;
        without_guards(&world.test.db, "DELETE FROM audit_logs WHERE 1 = 0").await;
        let found = world.findings_without_workers().await;
        let lost: Vec<_> = found.iter().map(|finding| (finding.check, finding.subject.clone())).collect();
        assert!(lost.len() >= 5 && lost.iter().all(|(check, _)| *check == "books_unguarded"), "{lost:?}");
        assert!(lost.iter().any(|(_, trigger)| trigger == "audit_logs_to_chain"), "{lost:?}");
        for finding in found {
            let (_, mend) = finding.text.split_once("it does again after: ").unwrap();
            let mend = mend.trim_end_matches(';').to_owned();
            world.test.db.write("mend", move |tx| tx.execute(&mend, &[])).await.unwrap();
        }
        assert_eq!(checks(&world).await, <[&str; 0]>::default());
        let changed = world.test.db.write("test", |tx| tx.execute("UPDATE audit_logs SET actor = 'x'", &[])).await;
        assert!(changed.is_err(), "the log could be changed");
    }

    async fn an_end_of_the_chain_that_was_removed_is_found_and_blinds_no_other_check(test: TestDb) {
        let world = world(test).await;
        by_force(&world.test.db, "DELETE FROM audit_head").await;
        assert_eq!(verified(&world, json!({})).await.0, [found("cut_off", 4)]);
        let sql = "UPDATE inventory SET stock_count = stock_count + 3 WHERE sku = 'MUG'";
        world.test.db.write("test", move |tx| tx.execute(sql, &[])).await.unwrap();
        let all = checks(&world).await;
        assert!(all.contains(&"audit_chain_broken") && all.contains(&"stock_differs_from_ledger"), "{all:?}");
    }

    /// A note about what is sealed already would be sealed a second time, which the chain refuses, and everything behind it
    /// would wait for ever.
    async fn a_note_about_a_sealed_entry_does_not_keep_others_from_being_sealed(test: TestDb) {
        let world = world(test).await;
        let sql = "INSERT INTO audit_unchained (audit_id) SELECT audit_id FROM audit_chain WHERE seq <= 2";
        world.test.db.write("test", move |tx| tx.execute(sql, &[])).await.unwrap();
        world.buyer("d@example.com").await;
        assert_eq!(seal(&world.test.db).await, 1);
        let (breaks, shown) = verified(&world, json!({})).await;
        assert!(breaks.is_empty(), "{shown}");
        world.close().await;
    }

    /// SQLite's REPLACE deletes without asking the trigger that guards deletion.
    async fn what_only_grows_is_not_replaced(test: TestDb) {
        let world = world(test).await;
        if world.test.engine == Engine::Postgres {
            return;
        }
        for sql in [
            "INSERT OR REPLACE INTO audit_logs SELECT id, at, event_type, 'nobody', actor_type, subject_type, subject_id,
               order_id, reason, request_id, data FROM audit_logs LIMIT 1",
            "INSERT OR REPLACE INTO audit_logs (rowid, id, at, event_type, actor, actor_type, subject_type, subject_id, data)
               SELECT rowid, 'another', at, event_type, actor, actor_type, subject_type, subject_id, data FROM audit_logs LIMIT 1",
            "REPLACE INTO audit_chain SELECT seq, audit_id, 'another' FROM audit_chain LIMIT 1",
            "REPLACE INTO audit_chain SELECT seq + 100, audit_id, hash FROM audit_chain LIMIT 1",
            "REPLACE INTO inventory_ledger SELECT id, sku, quantity_change + 1, reason, reference_id, created_at
               FROM inventory_ledger LIMIT 1",
        ] {
            let end = world.test.db.write("test", move |tx| tx.execute(sql, &[])).await;
            let text = format!("{end:?}");
            assert!(text.contains("only grows"), "{sql}: {text}");
        }
        world.close().await;
    }

    async fn an_entry_that_was_slipped_past_the_chain_is_found(test: TestDb) {
        let world = world(test).await;
        without_guards(&world.test.db, "DELETE FROM audit_unchained").await;
        write(&world.test.db, 4).await;
        assert_eq!(verified(&world, json!({})).await.0, [("not_chained".into(), None)]);
    }

    async fn an_entry_that_was_removed_before_it_was_sealed_is_found(test: TestDb) {
        let world = world(test).await;
        world.buyer("d@example.com").await;
        by_force(&world.test.db, "DELETE FROM audit_logs WHERE id IN (SELECT audit_id FROM audit_unchained)").await;
        assert_eq!(verified(&world, json!({})).await.0, [("deleted".into(), None)]);
        assert_eq!(checks(&world).await, ["audit_entries_unchained"]);
    }

    /// Ids are made before the transaction is committed, and clocks differ.
    async fn an_entry_that_is_committed_late_with_an_older_id_is_sealed(test: TestDb) {
        write(&test.db, 50).await;
        assert_eq!(seal(&test.db).await, 1);
        write(&test.db, 20).await;
        write(&test.db, 60).await;
        assert_eq!((seal(&test.db).await, seal(&test.db).await), (2, 0));
        let stretch = test.db.read("test", |tx| chain::walk(tx, &Link::default(), 10)).await.unwrap();
        assert_eq!((stretch.links.len(), stretch.breaks.len()), (3, 0), "{stretch:?}");
        assert_eq!(stretch.links.last(), Some(&head(&test.db).await));
    }

    async fn two_that_seal_at_once_make_one_chain(test: TestDb) {
        let other = test.again().await;
        for id in 1..=60 {
            write(&test.db, id).await;
        }
        let some = |db: Db| async move {
            let mut all = 0;
            for _ in 0..30 {
                all += db.write("test", |tx| chain::seal(tx, 3)).await.unwrap();
            }
            all
        };
        let (a, b) = (tokio::spawn(some(test.db.clone())), tokio::spawn(some(other)));
        assert_eq!(a.await.unwrap() + b.await.unwrap() + seal(&test.db).await, 60);
        let stretch = test.db.read("test", |tx| chain::walk(tx, &Link::default(), 100)).await.unwrap();
        assert_eq!((stretch.links.len(), stretch.breaks.len()), (60, 0), "{stretch:?}");
    }

    async fn entries_that_nobody_seals_are_told_after_five_minutes(test: TestDb) {
        let world = World::open(test).await;
        world.clock.advance(Duration::from_secs(299));
        assert!(checks(&world).await.is_empty());
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(checks(&world).await, ["audit_entries_unchained"]);
        world.shop.seal().await.unwrap();
        assert!(checks(&world).await.is_empty());
    }

    async fn the_chain_only_grows(test: TestDb) {
        write(&test.db, 1).await;
        seal(&test.db).await;
        let mut all = vec!["UPDATE audit_chain SET hash = 'x'", "DELETE FROM audit_chain"];
        if test.engine == Engine::Postgres {
            all.extend(["TRUNCATE audit_chain", "TRUNCATE audit_logs"]);
        }
        for sql in all {
            let error = test.db.write("test", move |tx| tx.execute(sql, &[])).await.unwrap_err();
            assert!(format!("{error:?}").contains("only grow"), "{sql}: {error:?}");
        }
    }
}
