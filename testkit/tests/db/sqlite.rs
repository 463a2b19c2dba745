//! What holds for the file alone.

use db::{Db, Health, Limits, TxError};
use kernel::Duration;
use testkit::{Engine, TestDb, databases::runtime};

use crate::TABLES;

/// These four lines are what "acknowledged means stored" rests on (see `RELIABILITY`, power cuts).
#[test]
fn every_commit_reaches_the_disk() {
    runtime().block_on(async {
        let Some(test) = TestDb::open(Engine::Sqlite).await else { return };
        let pragma = |name: &'static str| {
            test.db
                .write("test", move |tx| tx.query_one(&format!("PRAGMA {name}"), &[])?.first::<db::Value>())
        };
        assert_eq!(pragma("journal_mode").await.unwrap(), db::Value::Text("wal".into()));
        assert_eq!(pragma("synchronous").await.unwrap(), db::Value::Int(2));
        assert_eq!(pragma("foreign_keys").await.unwrap(), db::Value::Int(1));
        assert_eq!(pragma("wal_autocheckpoint").await.unwrap(), db::Value::Int(0));
    });
}

/// The log is copied back and begun anew; otherwise it would fill the disk.
#[test]
fn the_log_does_not_grow_without_bounds() {
    runtime().block_on(async {
        let Some(test) = TestDb::migrated(Engine::Sqlite, TABLES).await else { return };
        let db::Target::Sqlite(path) = &test.target else { return };
        for n in 0..80 {
            let text = "x".repeat(1_000_000);
            let add = move |tx: &mut db::Tx<'_>| {
                tx.execute(
                    "INSERT INTO counters (name, value) VALUES ($1, 1)",
                    &[format!("{n} {text}").into()],
                )
            };
            test.db.write("test", add).await.unwrap();
            test.db.write("test", |tx| tx.execute("DELETE FROM counters", &[])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = std::fs::metadata(path.with_extension("db-wal")).map_or(0, |file| file.len());
        // 64 MiB, and what is written while a restart waits; some 200 MB went through.
        assert!(log < 110_000_000, "{log}");
    });
}

/// A long read must not hold up those who write.
#[test]
fn a_long_read_does_not_stop_the_writer() {
    runtime().block_on(async {
        let Some(test) = TestDb::migrated(Engine::Sqlite, TABLES).await else { return };
        let long = test.db.read("long", |tx| {
            let before = tx.count("SELECT count(*) FROM counters", &[])?;
            std::thread::sleep(Duration::from_millis(400));
            Ok((before, tx.count("SELECT count(*) FROM counters", &[])?))
        });
        let writes = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            for n in 0..20 {
                let add = move |tx: &mut db::Tx<'_>| {
                    tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &[format!("{n}").into()])
                };
                test.db.write("test", add).await.unwrap();
            }
            std::time::Instant::now()
        };
        let (read, written) = tokio::join!(async { (long.await, std::time::Instant::now()) }, writes);
        assert_eq!(read.0.unwrap(), (0, 0), "one view to the end");
        assert!(written < read.1, "the writes were done while the read was under way");
    });
}

/// A process that holds the file is waited for, then named as busy; nothing is lost and nothing is unhealthy.
#[test]
fn two_processes_on_one_file_take_turns() {
    runtime().block_on(async {
        let Some(test) = TestDb::migrated(Engine::Sqlite, TABLES).await else { return };
        let other = test.again().await;
        let add = |db: Db, who: &'static str| async move {
            for n in 0..50 {
                let name = format!("{who} {n}");
                let add = move |tx: &mut db::Tx<'_>| {
                    tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &[name.clone().into()])
                };
                db.write("test", add).await.unwrap();
            }
        };
        tokio::join!(add(test.db.clone(), "a"), add(other, "b"));
        let count = test.db.read("test", |tx| tx.count("SELECT count(*) FROM counters", &[])).await.unwrap();
        assert_eq!(count, 100);
    });
}

/// A full disk undoes what shares the commit; all hear that nothing was kept, and the next batch may go well.
#[test]
fn a_full_file_undoes_the_batch_and_says_so() {
    runtime().block_on(async {
        let Some(test) = TestDb::migrated(Engine::Sqlite, TABLES).await else { return };
        let pages =
            |sql: &'static str| test.db.write("test", move |tx| tx.query_one(sql, &[])?.first::<i64>());
        let used = pages("PRAGMA page_count").await.unwrap();
        let limit: &'static str = Box::leak(format!("PRAGMA max_page_count={}", used + 4).into_boxed_str());
        pages(limit).await.unwrap();

        let add = |name: String| {
            test.db.write("test", move |tx| {
                tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &[name.clone().into()])
            })
        };
        let slow = test.db.write("slow", |_| {
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        });
        let (slow, before, full, after) =
            tokio::join!(slow, add("before".into()), add("x".repeat(1_000_000)), add("after".into()));
        assert!(matches!(slow, Ok(()) | Err(TxError::Busy(_))), "it may share the commit: {slow:?}");
        assert!(matches!(&full, Err(TxError::Busy(why)) if why.contains("the disk is full")), "{full:?}");
        let kept = test
            .db
            .read("test", |tx| tx.query("SELECT name FROM counters ORDER BY name", &[]))
            .await
            .unwrap();
        let kept: Vec<String> = kept.iter().map(|row| row.first().unwrap()).collect();
        // Whoever heard of a commit is there; whoever heard of none is not.
        for (name, end) in [("after", &after), ("before", &before)] {
            assert_eq!(kept.iter().any(|kept| kept == name), end.is_ok(), "{name}: {end:?}");
            assert!(matches!(end, Ok(1) | Err(TxError::Busy(_))), "{name}: {end:?}");
        }
        pages("PRAGMA max_page_count=1000000").await.unwrap();
        assert_eq!(add("later".into()).await.unwrap(), 1);
        assert_eq!(test.db.health(), Health::Well);
    });
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    runtime().block_on(async {
        let target = db::Target::parse("sqlite:/proc/none/makegood.db").unwrap();
        let error = Db::open(&target, Limits::default()).await.err().unwrap();
        assert!(error.to_string().contains("/proc/none"), "{error}");
    });
}

/// Buyers stand in it, and SQLite gives its mode to the files beside it.
#[cfg(unix)]
#[test]
fn a_new_file_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    testkit::databases::runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        let db = db::Db::open(&db::Target::Sqlite(path.clone()), db::Limits::default()).await.unwrap();
        let write = |tx: &mut db::Tx<'_>| tx.execute("CREATE TABLE a (b text) STRICT", &[]).map(drop);
        db.write("test.write", write).await.unwrap();
        for name in ["new.db", "new.db-wal", "new.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        drop(db);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        drop(db::Db::open(&db::Target::Sqlite(path.clone()), db::Limits::default()).await.unwrap());
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640,
            "what is there stays"
        );
    });
}
