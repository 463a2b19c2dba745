//! Group commit: many callers, few transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::{Batcher, Limits, TxError};
use futures_util::future::join_all;
use kernel::{Duration, Error};
use testkit::on_both_engines;

use crate::{TABLES, sentence};

/// Stores each number once; says which were new. Counts its transactions.
fn storing(db: db::Db, transactions: Arc<AtomicU32>) -> Batcher<i64, bool> {
    Batcher::new(db, "store", 64, 2, move |tx, items| {
        transactions.fetch_add(1, Ordering::SeqCst);
        if items.contains(&13) {
            return Err(Error::not_found("luck", 13));
        }
        let rows: Vec<_> = items.iter().map(|n| vec![format!("{n}").into(), (*n).into()]).collect();
        let head = "INSERT INTO counters (name, value)";
        let new = tx.insert_many(head, "ON CONFLICT DO NOTHING RETURNING value", &rows)?;
        let new: Vec<i64> = new.rows.iter().map(|row| row.get("value")).collect::<kernel::Result<_>>()?;
        Ok(items.iter().map(|n| new.contains(n)).collect())
    })
}

on_both_engines! {
    migrated by TABLES;

    async fn those_who_ask_at_once_share_transactions(test: TestDb) {
        let transactions = Arc::new(AtomicU32::new(0));
        let batcher = storing(test.db.clone(), transactions.clone());
        let ends = join_all((100..164).map(|n| batcher.submit(n))).await;
        assert!(ends.into_iter().all(|end| end.unwrap()));
        assert!(transactions.load(Ordering::SeqCst) <= 16, "{transactions:?}");
        assert!(!batcher.submit(100).await.unwrap(), "each hears of its own item");
    }

    async fn each_row_hears_whether_its_key_was_new(test: TestDb) {
        let insert = |names: &'static [&'static str]| {
            test.db.write("test", move |tx| {
                let rows: Vec<Vec<db::Value>> = names.iter().map(|name| vec![(*name).into(), 1.into()]).collect();
                tx.insert_new("INSERT INTO counters (name, value)", "name", &rows)
            })
        };
        assert_eq!(insert(&[]).await.unwrap(), Vec::<bool>::new());
        assert_eq!(insert(&["a", "b"]).await.unwrap(), [true, true]);
        assert_eq!(insert(&["c", "a", "d", "b"]).await.unwrap(), [true, false, true, false]);
        assert_eq!(insert(&["e", "e", "a"]).await.unwrap(), [true, false, false], "of two the first");
    }

    async fn one_poisoned_item_fails_alone(test: TestDb) {
        let batcher = storing(test.db.clone(), Arc::default());
        let ends = join_all((0..64).map(|n| batcher.submit(n))).await;
        for (n, end) in ends.into_iter().enumerate() {
            match end {
                Ok(new) => assert!(new && n != 13),
                Err(error) => assert_eq!((n, sentence(error).as_str()), (13, "no luck 13")),
            }
        }
    }

    async fn answers_of_the_wrong_number_are_a_bug_and_undone(test: TestDb) {
        let batcher = Batcher::new(test.db.clone(), "store", 8, 1, |tx, items: &[i64]| {
            tx.execute("INSERT INTO counters (name, value) VALUES ('x', 1)", &[])?;
            Ok(items[1..].to_vec())
        });
        assert!(sentence(batcher.submit(1).await.unwrap_err()).contains("`store` answered 0 of 1"));
        let left = test.db.read("test", |tx| tx.count("SELECT count(*) FROM counters", &[])).await.unwrap();
        assert_eq!(left, 0);
    }

    async fn a_batch_that_finds_no_connection_tells_each(test: TestDb) {
        let limits = Limits { pool_max: 1, wait_max: Duration::from_millis(50), ..Limits::default() };
        let db = test.again_with(limits).await;
        let batcher = storing(db.clone(), Arc::default());
        let held = db.write("hold", |_| { std::thread::sleep(Duration::from_millis(500)); Ok(()) });
        let asked = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            join_all((0..8).map(|n| batcher.submit(n))).await
        };
        let (held, ends) = tokio::join!(held, asked);
        held.unwrap();
        assert!(ends.iter().all(|end| matches!(end, Err(TxError::Busy(_)))), "{ends:?}");
    }
}

/// A batcher outlives the runtime on which it was first asked, as in a command line tool that makes several.
#[test]
fn another_runtime_may_go_on() {
    let first = testkit::databases::runtime();
    let Some(test) = first.block_on(testkit::TestDb::migrated(testkit::Engine::Sqlite, TABLES)) else {
        return;
    };
    let batcher = storing(test.db.clone(), Arc::default());
    assert!(first.block_on(batcher.submit(1)).is_ok());
    first.shutdown_timeout(Duration::from_secs(1));
    let second = testkit::databases::runtime();
    assert!(matches!(second.block_on(batcher.submit(2)), Ok(true)));
}
