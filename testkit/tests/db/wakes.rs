//! Bells ring after a commit, and only then.

use db::{Db, Wake};
use kernel::{Duration, Error, Result};
use testkit::{Engine, on_both_engines};

const SOON: Duration = Duration::from_millis(300);

async fn rings(wake: &Wake, topic: &str, within: Duration) -> bool {
    tokio::time::timeout(within, wake.on(topic).notified()).await.is_ok()
}

async fn ring(db: &Db) {
    db.write("test", |tx| {
        tx.query("SELECT 1", &[])?;
        tx.wake("work");
        Ok(())
    })
    .await
    .expect("a commit");
}

on_both_engines! {
    async fn a_commit_rings_its_bell_and_no_other(test: TestDb) {
        ring(&test.db).await;
        assert!(rings(test.db.wakes(), "work", SOON).await, "kept for the next who waits");
        assert!(!rings(test.db.wakes(), "other", SOON).await);
    }

    async fn what_is_rolled_back_does_not_ring(test: TestDb) {
        let end = test.db.write("test", |tx| -> Result<()> {
            tx.wake("work");
            Err(Error::not_found("thing", 1))
        }).await;
        assert!(end.is_err());
        assert!(!rings(test.db.wakes(), "work", SOON).await);
    }

    async fn another_node_hears_it_on_postgres(test: TestDb) {
        if test.engine == Engine::Sqlite {
            return;
        }
        let other = test.again().await;
        ring(&test.db).await;
        assert!(rings(other.wakes(), "work", Duration::from_secs(5)).await);
        // A transaction that asks for nothing else rings too.
        test.db.write("test", |tx| { tx.wake("alone"); Ok(()) }).await.unwrap();
        assert!(rings(other.wakes(), "alone", Duration::from_secs(5)).await);
    }

    async fn a_listener_that_lost_its_connection_comes_back(test: TestDb) {
        if test.engine == Engine::Sqlite {
            return;
        }
        let other = test.again().await;
        let bell = other.wakes().on("work");
        test.db.write("test", |tx| tx.query(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'", &[])).await.unwrap();
        ring(&test.db).await;
        // It looks once too often when it is back, because it cannot know what it missed.
        tokio::time::timeout(Duration::from_secs(10), bell.notified()).await.unwrap();
        ring(&test.db).await;
        assert!(rings(other.wakes(), "work", Duration::from_secs(5)).await);
    }
}
