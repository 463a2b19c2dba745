//! One closure, one transaction: all of it or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::{Db, Health, Limits, TxError};
use futures_util::future::join_all;
use kernel::{Duration, Error, Refusal, Result};
use testkit::{Engine, TestDb, on_both_engines};

use crate::{TABLES, sentence};

async fn add(db: &Db, name: &'static str) -> Result<u64, TxError> {
    db.write("add", move |tx| tx.execute("INSERT INTO counters (name, value) VALUES ($1, 0)", &[name.into()]))
        .await
}

async fn counters(db: &Db) -> i64 {
    db.read("count", |tx| tx.count("SELECT count(*) FROM counters", &[])).await.expect("a count")
}

on_both_engines! {
    migrated by TABLES;

    async fn a_closure_that_says_no_leaves_nothing_behind(test: TestDb) {
        let end = test.db.write("test", |tx| -> Result<()> {
            tx.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", &[])?;
            Err(Refusal::new("no", "seen enough").into())
        }).await.unwrap_err();
        assert_eq!(sentence(end), "seen enough (no)");
        assert_eq!(counters(&test.db).await, 0);
    }

    async fn a_failed_statement_that_was_ignored_is_not_committed_over(test: TestDb) {
        let end = test.db.write("test", |tx| {
            tx.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", &[])?;
            let _ = tx.execute("INSERT INTO counters (name, value) VALUES ('b', -1)", &[]);
            let _ = tx.execute("INSERT INTO counters (name, value) VALUES ('c', 1)", &[]);
            Ok(())
        }).await.unwrap_err();
        let text = sentence(end);
        assert!(text.contains("a failed statement was ignored") && text.contains("'b', -1"), "{text}");
        assert_eq!(counters(&test.db).await, 0);
    }

    async fn a_statement_that_stands_alone_is_the_whole_transaction(test: TestDb) {
        let insert = "INSERT INTO counters (name, value) VALUES ($1, $2)";
        let once = |name: &'static str, value: i64| {
            test.db.write("test", move |tx| tx.alone().execute(insert, &[name.into(), value.into()]))
        };
        assert_eq!(once("a", 1).await.unwrap(), 1);
        assert!(matches!(once("b", -1).await.unwrap_err(), TxError::Refused(_)), "the database refuses it");
        assert_eq!(once("c", 1).await.unwrap(), 1, "the connection is still good");
        assert_eq!(counters(&test.db).await, 2);
        let end = test.db.write("test", move |tx| {
            tx.alone().execute(insert, &["d".into(), 1.into()])?;
            tx.execute(insert, &["e".into(), 1.into()])
        }).await.unwrap_err();
        // PostgreSQL has committed the first by then, and must not pretend otherwise.
        match end {
            TxError::Refused(error) => assert!(error.to_string().contains("stood alone"), "{error}"),
            TxError::Unknown(text) => assert!(text.contains("committed, and then") && text.contains("stood alone"), "{text}"),
            TxError::Busy(text) => panic!("{text}"),
        }
        let second = test.db.read("test", |tx| tx.count("SELECT count(*) FROM counters WHERE name = 'e'", &[])).await;
        assert_eq!(second.unwrap(), 0);
    }

    async fn a_panic_leaves_the_database_usable(test: TestDb) {
        for _ in 0..30 {
            let end = test.db.write("test", |tx| -> Result<()> {
                tx.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", &[])?;
                panic!("on purpose {}", 7);
            }).await.unwrap_err();
            assert!(sentence(end).contains("the transaction `test` panicked: on purpose 7"));
            let end = test.db.read("test", |_| -> Result<()> { panic!("on purpose") }).await.unwrap_err();
            assert!(end.to_string().contains("panicked: on purpose"), "{end}");
        }
        assert_eq!(add(&test.db, "a").await.unwrap(), 1);
        assert_eq!(counters(&test.db).await, 1);
    }

    async fn a_closure_that_reads_cannot_write(test: TestDb) {
        let sql = "INSERT INTO counters (name, value) VALUES ('a', 1)";
        for _ in 0..10 {
            let end = test.db.read("test", move |tx| tx.execute(sql, &[])).await.unwrap_err();
            assert!(matches!(end, Error::Bug(_)), "{end:?}");
            assert!(end.to_string().contains("read"), "{end}");
        }
        assert_eq!(add(&test.db, "a").await.unwrap(), 1);
        assert_eq!(counters(&test.db).await, 1);
    }

    async fn neighbours_of_a_failure_commit(test: TestDb) {
        // All are queued before the first can run, so that on SQLite they share a commit.
        let slow = test.db.write("slow", |_| { std::thread::sleep(Duration::from_millis(50)); Ok(()) });
        let many = (0..40).map(|n| test.db.write("test", move |tx| {
            let value = if n % 4 == 0 { -1_i64 } else { 1 };
            tx.execute("INSERT INTO counters (name, value) VALUES ($1, $2)", &[format!("{n}").into(), value.into()])?;
            if n % 4 == 1 { panic!("on purpose") }
            if n % 4 == 2 { return Err(Error::not_found("thing", n)) }
            Ok(n)
        }));
        let (slow, ends) = tokio::join!(slow, join_all(many));
        slow.unwrap();
        for (n, end) in ends.into_iter().enumerate() {
            assert_eq!(end.is_ok(), n % 4 == 3, "{n}: {end:?}");
        }
        assert_eq!(counters(&test.db).await, 10);
    }

    async fn a_rule_checked_at_commit_fails_only_who_broke_it(test: TestDb) {
        let slow = test.db.write("slow", |_| { std::thread::sleep(Duration::from_millis(50)); Ok(()) });
        let broken = test.db.write("broken", |tx| {
            tx.execute("INSERT INTO promises (counter) VALUES ('nobody')", &[])
        });
        let kept = test.db.write("kept", |tx| {
            tx.execute("INSERT INTO promises (counter) VALUES ('a')", &[])?;
            tx.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", &[])
        });
        let (slow, broken, kept) = tokio::join!(slow, broken, kept);
        slow.unwrap();
        let Err(TxError::Refused(error)) = broken else { panic!("{broken:?}") };
        assert!(db::violates(&error), "{error}");
        assert_eq!(kept.unwrap(), 1);
        assert_eq!(test.db.health(), Health::Well);
        assert_eq!(add(&test.db, "b").await.unwrap(), 1);
    }

    async fn guarded_updates_never_oversell(test: TestDb) {
        test.db.write("test", |tx| {
            tx.execute("INSERT INTO counters (name, value) VALUES ('stock', 20)", &[])
        }).await.unwrap();
        let sales = join_all((0..64).map(|_| test.db.write("sell", |tx| {
            tx.execute("UPDATE counters SET value = value - 1 WHERE name = 'stock' AND value >= 1", &[])
        }))).await;
        assert_eq!(sales.into_iter().map(|sale| sale.unwrap()).sum::<u64>(), 20);
    }

    async fn what_was_committed_is_there_after_reopening(test: TestDb) {
        add(&test.db, "a").await.unwrap();
        let test = test.reopened().await;
        assert_eq!(counters(&test.db).await, 1);
    }

    async fn a_database_may_be_closed_anywhere(test: TestDb) {
        // The last handle dies inside of a closure, on the very thread that closing waits for.
        let db = test.again().await;
        let inner = db.clone();
        let mut held = Some(inner);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut sender = Some(sender);
        let work = tokio::spawn(async move {
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let mut begun = Some(begun);
            let asked = db.write("test", move |_| {
                begun.take().map(|begun| begun.send(()));
                std::thread::sleep(Duration::from_millis(50));
                drop(held.take());
                sender.take().map(|sender| sender.send(()));
                Ok(())
            });
            tokio::select! { _ = asked => {}, _ = has_begun => {} }
        });
        work.await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), receiver).await.unwrap().unwrap();
        // And while work still waits for a thread.
        let db = test.again_with(Limits { pool_max: 1, ..Limits::default() }).await;
        let handle = db.clone();
        let waiting = tokio::spawn(async move {
            join_all((0..100).map(|_| handle.write("slow", |_| { std::thread::sleep(Duration::from_millis(2)); Ok(()) }))).await
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(db);
        assert_eq!(waiting.await.unwrap().into_iter().filter(|end| end.is_ok()).count(), 100);
        assert_eq!(add(&test.db, "a").await.unwrap(), 1);
    }
}

/// One connection is held; those who wait are told so in time, although no thread is free to tell them.
fn who_waits_too_long_is_told(engine: Engine) {
    testkit::databases::runtime().block_on(async {
        let limits = Limits { pool_max: 1, wait_max: Duration::from_millis(100), ..Limits::default() };
        let Some(test) = TestDb::open_with(engine, limits).await else { return };
        let held = test.db.write("hold", move |tx| match engine {
            Engine::Postgres => tx.query("SELECT pg_sleep(1.2)::text", &[]).map(|_| ()),
            Engine::Sqlite => {
                std::thread::sleep(Duration::from_millis(1200));
                Ok(())
            }
        });
        let ran = Arc::new(AtomicU32::new(0));
        let waiting = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let began = std::time::Instant::now();
            let count = ran.clone();
            let end = test.db.write("wait", move |_| Ok(count.fetch_add(1, Ordering::SeqCst))).await;
            (began.elapsed(), end, test.db.pool())
        };
        let (held, (waited, end, pool)) = tokio::join!(held, waiting);
        held.expect("what holds the connection ends well");
        let expected = match engine {
            Engine::Postgres => "connection pool exhausted",
            Engine::Sqlite => "the writer is busy",
        };
        assert!(matches!(&end, Err(TxError::Busy(text)) if text.contains(expected)), "{end:?}");
        assert!(waited < Duration::from_millis(800), "{waited:?}");
        assert_eq!((pool.busy, pool.waiting), (1, 0));
        let again = test.db.write("test", |_| Ok(())).await;
        assert!(again.is_ok(), "{again:?}");
        assert_eq!(ran.load(Ordering::SeqCst), 0, "what was refused never runs");
    });
}

#[test]
fn who_waits_too_long_is_told_on_sqlite() {
    who_waits_too_long_is_told(Engine::Sqlite);
}

#[test]
fn who_waits_too_long_is_told_on_postgres() {
    who_waits_too_long_is_told(Engine::Postgres);
}

/// A full queue refuses at once, before memory grows.
#[test]
fn a_full_queue_refuses_at_once() {
    testkit::databases::runtime().block_on(async {
        let limits = Limits { queue_max: 8, ..Limits::default() };
        let Some(test) = TestDb::open_with(Engine::Sqlite, limits).await else { return };
        let slow = test.db.write("slow", |_| {
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        });
        let many = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            join_all((0..20).map(|_| test.db.write("test", |_| Ok(())))).await
        };
        let (slow, ends) = tokio::join!(slow, many);
        slow.expect("the first one ends well");
        assert_eq!(ends.iter().filter(|end| matches!(end, Err(TxError::Busy(_)))).count(), 12);
    });
}
