//! The engine of simulations: same closures, and a fate for each transaction.

use std::sync::{Arc, Mutex};

use db::{Db, Fate, Faults, TxError};
use kernel::{Error, Result, Timestamp};
use testkit::databases::runtime;

use crate::{TABLES, sentence};

/// What the next transaction's fate is.
struct Next(Mutex<Fate>);

impl Faults for Next {
    fn fate(&self, name: &'static str) -> Fate {
        let mut next = self.0.lock().expect("no panic");
        if name == "add" { std::mem::replace(&mut *next, Fate::Commit) } else { Fate::Commit }
    }
}

async fn open() -> (Db, Arc<Next>) {
    let next = Arc::new(Next(Mutex::new(Fate::Commit)));
    let db = Db::inline(next.clone()).expect("a database in memory");
    db.migrate(TABLES, Timestamp::from_seconds(0)).await.expect("tables");
    (db, next)
}

async fn add(db: &Db, name: &'static str) -> Result<u64, TxError> {
    db.write("add", move |tx| {
        tx.wake("added");
        tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &[name.into()])
    })
    .await
}

async fn count(db: &Db) -> i64 {
    db.read("count", |tx| tx.count("SELECT count(*) FROM counters", &[])).await.expect("a count")
}

#[test]
fn each_fate_is_what_it_says() {
    runtime().block_on(async {
        let (db, next) = open().await;
        for (fate, name, kept) in [
            (Fate::Commit, "a", 1),
            (Fate::LoseAnswer, "b", 2),
            (Fate::LoseBoth, "c", 2),
            (Fate::Refuse, "d", 2),
        ] {
            *next.0.lock().unwrap() = fate;
            let end = add(&db, name).await;
            match fate {
                Fate::Commit => assert!(matches!(end, Ok(1)), "{end:?}"),
                Fate::LoseAnswer | Fate::LoseBoth => {
                    assert!(matches!(end, Err(TxError::Unknown(_))), "{end:?}")
                }
                Fate::Refuse => assert!(matches!(end, Err(TxError::Busy(_))), "{end:?}"),
            }
            assert_eq!(count(&db).await, kept, "{fate:?}");
        }
    });
}

/// A refusal is a refusal even where the answer would have been lost: nothing was committed.
#[test]
fn no_means_no_whatever_the_fate() {
    runtime().block_on(async {
        let (db, next) = open().await;
        add(&db, "a").await.unwrap();
        for fate in [Fate::LoseAnswer, Fate::LoseBoth] {
            *next.0.lock().unwrap() = fate;
            assert!(sentence(add(&db, "a").await.unwrap_err()).contains("UNIQUE"));
        }
    });
}

#[test]
fn it_refuses_what_the_other_engines_refuse() {
    runtime().block_on(async {
        let (db, _) = open().await;
        let sql = "INSERT INTO counters (name, value) VALUES ('a', 1)";
        assert!(db.read("test", move |tx| tx.execute(sql, &[])).await.is_err(), "a reader that writes");
        let end = db.write("test", |_| -> Result<()> { panic!("on purpose") }).await.unwrap_err();
        assert!(sentence(end).contains("panicked: on purpose"));
        let end = db
            .write("test", move |tx| {
                let _ = tx.execute("INSERT INTO counters (name, value) VALUES ('b', -1)", &[]);
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(sentence(end).contains("a failed statement was ignored"));
        let end =
            db.write("test", |tx| tx.execute("INSERT INTO promises (counter) VALUES ('none')", &[])).await;
        assert!(matches!(&end, Err(TxError::Refused(error)) if db::violates(error)), "{end:?}");
        assert_eq!(add(&db, "a").await.unwrap(), 1);
        assert_eq!(count(&db).await, 1);
    });
}

#[test]
fn nodes_share_data_and_bells_but_not_faults() {
    runtime().block_on(async {
        let (db, next) = open().await;
        let other = db.inline_again(Arc::new(db::NoFaults)).unwrap();
        *next.0.lock().unwrap() = Fate::Refuse;
        assert_eq!(add(&other, "a").await.unwrap(), 1);
        assert!(add(&db, "b").await.is_err());
        assert_eq!(count(&db).await, 1);
        db.wakes().on("added").notified().await;
    });
}

/// A simulation drops a node where it waits; nothing half done stays behind.
#[test]
fn a_transaction_dropped_before_or_after_is_whole() {
    runtime().block_on(async {
        let (db, _) = open().await;
        let mut polls = 0;
        loop {
            let name: &'static str = Box::leak(format!("{polls}").into_boxed_str());
            let mut work = Box::pin(add(&db, name));
            let mut ended = false;
            for _ in 0..=polls {
                ended = ended || futures_util::poll!(&mut work).is_ready();
            }
            drop(work);
            let there = count(&db).await;
            db.write("clear", |tx| tx.execute("DELETE FROM counters", &[])).await.unwrap();
            if ended {
                assert_eq!(there, 1);
                break;
            }
            assert_eq!(there, i64::from(polls >= 1), "after {polls} polls");
            polls += 1;
        }
        assert_eq!(polls, 2, "one point before the transaction and one after it");
        assert!(matches!(
            db.write("x", |_| -> Result<()> { Err(Error::bug("x")) }).await,
            Err(TxError::Refused(_))
        ));
    });
}
