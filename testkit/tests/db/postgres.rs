//! What only a server can do to us: conflicts, killed connections, a restart.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use db::{Db, DbFailure, Limits, Target, Tx, TxError};
use kernel::{Duration, Error, Result};
use testkit::databases::{Server, runtime};
use testkit::{Engine, TestDb};

use crate::{TABLES, database_said};

async fn open() -> Option<TestDb> {
    let test = TestDb::migrated(Engine::Postgres, TABLES).await?;
    let add =
        |tx: &mut Tx<'_>| tx.execute("INSERT INTO counters (name, value) VALUES ('a', 0), ('b', 0)", &[]);
    test.db.write("test", add).await.expect("two counters");
    Some(test)
}

fn raise(tx: &mut Tx<'_>, name: &'static str) -> Result<u64> {
    tx.execute("UPDATE counters SET value = value + 1 WHERE name = $1", &[name.into()])
}

async fn sum(db: &Db) -> i64 {
    let sql = "SELECT CAST(sum(value) AS bigint) FROM counters";
    db.read("sum", move |tx| tx.count(sql, &[])).await.expect("a sum")
}

#[test]
fn two_transactions_that_block_each_other_both_commit_in_the_end() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let both_hold_one = Arc::new(Barrier::new(2));
        let attempts = Arc::new(AtomicU32::new(0));
        let crossing = |first: &'static str, then: &'static str| {
            let (barrier, attempts) = (both_hold_one.clone(), attempts.clone());
            let mut met = false;
            test.db.write("cross", move |tx| {
                attempts.fetch_add(1, Ordering::SeqCst);
                raise(tx, first)?;
                if !std::mem::replace(&mut met, true) {
                    barrier.wait();
                }
                raise(tx, then)
            })
        };
        let (one, other) = tokio::join!(crossing("a", "b"), crossing("b", "a"));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert_eq!(attempts.load(Ordering::SeqCst), 3, "one of them was tried again");
        assert_eq!(sum(&test.db).await, 4);
    });
}

/// Even when the closure made something else of the conflict: what it saw may not have been so.
#[test]
fn a_conflict_is_tried_again_whatever_the_closure_says_of_it() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        for swallow in [true, false] {
            let mut attempts = 0;
            let end = test.db.write("test", move |tx| {
                attempts += 1;
                raise(tx, "a")?;
                if attempts < 3 {
                    let sql = "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '40001'; END $$";
                    let failed = tx.execute(sql, &[]);
                    if !swallow {
                        failed.map_err(|_| Error::not_found("thing", 1))?;
                    }
                }
                Ok(attempts)
            });
            assert_eq!(end.await.unwrap(), 3);
        }
        assert_eq!(sum(&test.db).await, 2);
    });
}

#[test]
fn a_conflict_that_does_not_end_is_busy() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let end = test.db.write("test", |tx| {
            raise(tx, "a")?;
            tx.execute("DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '40P01'; END $$", &[])
        });
        let end = end.await;
        assert!(matches!(&end, Err(TxError::Busy(text)) if text.contains("on purpose")), "{end:?}");
        assert_eq!(sum(&test.db).await, 0);
    });
}

/// Kills the connection of `tx` from another one.
fn kill(tx: &mut Tx<'_>, by: &Db, runtime: &tokio::runtime::Handle) -> Result<()> {
    let pid: i64 = tx.query_one("SELECT pg_backend_pid()::bigint", &[])?.first()?;
    let by = by.clone();
    runtime
        .block_on(by.write("kill", move |tx| {
            tx.query("SELECT pg_terminate_backend($1::int, 10000)::text", &[pid.into()])?;
            Ok(())
        }))
        .map_err(|error| Error::bug(format!("{error:?}")))
}

/// Its COMMIT is part of it: nobody can say whether it was reached.
#[test]
fn a_connection_killed_during_a_statement_that_stands_alone_leaves_its_end_unknown() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let killer = test.again().await;
        let alone = test.db.write("test", |tx| {
            tx.alone().execute(
                "WITH nap AS (SELECT pg_sleep(20)) UPDATE counters SET value = value + 1 FROM nap WHERE name = 'a'",
                &[],
            )
        });
        let kill = async {
            // One that is still being prepared has not run: it would be tried again, and rightly.
            let find = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE datname = current_database() AND query LIKE 'WITH nap%' AND wait_event = 'PgSleep'";
            while killer.write("kill", move |tx| tx.count(find, &[])).await.unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (end, ()) = tokio::join!(alone, kill);
        assert!(matches!(end, Err(TxError::Unknown(_))), "{end:?}");
        assert_eq!(sum(&test.db).await, 0, "and the connection was replaced");
    });
}

#[test]
fn a_connection_killed_in_the_middle_is_replaced_and_nothing_happens_twice() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let killer = test.again().await;
        // After the last statement there is only COMMIT left to find out with.
        for before_last in [true, false] {
            let (killer, runtime) = (killer.clone(), tokio::runtime::Handle::current());
            let mut attempts = 0;
            let end = test.db.write("test", move |tx| {
                attempts += 1;
                raise(tx, "a")?;
                if attempts == 1 {
                    kill(tx, &killer, &runtime)?;
                }
                if before_last {
                    raise(tx, "b")?;
                }
                Ok(attempts)
            });
            let end = end.await;
            assert!(matches!(end, Ok(2)), "{before_last}: {end:?}");
        }
        assert_eq!(sum(&test.db).await, 3);
    });
}

#[test]
fn idle_connections_that_were_killed_are_replaced() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let killer = test.again_with(Limits { pool_max: 1, ..Limits::default() }).await;
        for n in 1..=3 {
            let all = "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            killer.write("kill", move |tx| tx.query(all, &[])).await.unwrap();
            for _ in 0..25 {
                test.db.write("test", |tx| raise(tx, "a")).await.unwrap();
                test.db.read("test", |tx| tx.query("SELECT * FROM counters", &[])).await.unwrap();
            }
            assert_eq!(sum(&test.db).await, 25 * n);
        }
    });
}

#[test]
fn a_statement_without_end_is_given_up_and_its_locks_are_let_go() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let limits = Limits {
            transaction_max: Duration::from_millis(300),
            wait_max: Duration::from_millis(300),
            ..Limits::default()
        };
        let impatient = test.again_with(limits).await;
        let end = impatient.write("test", |tx| {
            raise(tx, "a")?;
            tx.query("SELECT pg_sleep(20)::text", &[])
        });
        let began = std::time::Instant::now();
        let end = end.await;
        assert!(matches!(&end, Err(TxError::Busy(text)) if text.contains("timeout")), "{end:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        test.db.write("test", |tx| raise(tx, "a")).await.unwrap();
        assert_eq!(sum(&test.db).await, 1);
    });
}

/// The rings of many commits must neither serialise them nor fail them.
#[test]
fn many_nodes_may_ring_at_once() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let work = (0..200).map(|_| {
            test.db.write("test", |tx| {
                tx.wake("work");
                tx.execute("INSERT INTO lines (counter, note) VALUES ('a', 'x')", &[])
            })
        });
        let ends = futures_util::future::join_all(work).await;
        assert!(ends.iter().all(Result::is_ok));
    });
}

#[test]
fn nobody_at_the_door_is_said_quickly() {
    runtime().block_on(async {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = Target::Postgres(format!("postgres://u:secret@127.0.0.1:{port}/x"));
        let began = std::time::Instant::now();
        let error = Db::open(&target, Limits::default()).await.err().unwrap();
        assert!(
            matches!(&error, Error::Busy(text) if text.contains("Database connection failed")),
            "{error:?}"
        );
        assert!(!error.to_string().contains("secret"));
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

/// Something listens and never answers: as behind a firewall that swallows.
#[test]
fn a_server_that_never_answers_is_given_up() {
    runtime().block_on(async {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::Postgres(format!("postgres://u@{}/x", silent.local_addr().unwrap()));
        let limits = Limits { wait_max: Duration::from_millis(500), ..Limits::default() };
        let began = std::time::Instant::now();
        let error = Db::open(&target, limits).await.err().unwrap();
        assert!(
            matches!(&error, Error::Busy(text) if text.contains("Database connection failed")),
            "{error:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

#[test]
fn a_wrong_url_is_refused_without_its_password() {
    runtime().block_on(async {
        let target = Target::Postgres("postgres://u:secret@h/x?port=many".into());
        let error = Db::open(&target, Limits::default()).await.err().unwrap();
        // Which variable it came from says whoever read it.
        assert!(
            matches!(&error, Error::Invalid { why, .. } if why.contains("value for option `port`")),
            "{error:?}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    });
}

#[test]
fn a_server_that_stops_is_named_and_found_again() {
    let Some(server) = Server::start() else { return };
    runtime().block_on(async {
        let limits = Limits { wait_max: Duration::from_secs(1), ..Limits::default() };
        let db = Db::open(&server.target(), limits).await.unwrap();
        db.migrate(TABLES, kernel::Timestamp::from_seconds(0)).await.unwrap();
        let add = |n: i64| {
            db.write("test", move |tx| {
                tx.execute("INSERT INTO counters (name, value) VALUES ($1, 0)", &[format!("{n}").into()])
            })
        };
        let mut acknowledged = 0;
        for (round, how) in ["fast", "immediate"].into_iter().enumerate() {
            for n in 0..30 {
                add(round as i64 * 1000 + n).await.unwrap();
                acknowledged += 1;
            }
            server.stop(how);
            let began = std::time::Instant::now();
            for n in 0..3 {
                let end = add(round as i64 * 1000 + 100 + n).await;
                let busy =
                    matches!(&end, Err(TxError::Busy(text)) if text.contains("Database connection failed"));
                assert!(busy, "{end:?}");
            }
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            server.up();
            let count = db.read("test", |tx| tx.count("SELECT count(*) FROM counters", &[])).await.unwrap();
            assert_eq!(count, acknowledged, "what was acknowledged, and nothing that was refused");
        }
    });
}

#[test]
fn what_the_server_said_is_kept() {
    runtime().block_on(async {
        let Some(test) = open().await else { return };
        let end = test.db.write("test", |tx| tx.execute("SELEC 1", &[])).await;
        let Err(TxError::Refused(error)) = end else { panic!("{end:?}") };
        let said = database_said(&error);
        assert!(matches!(said, Some(DbFailure::Other(text)) if text.contains("42601")), "{said:?}");
    });
}
