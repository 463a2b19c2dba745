//! Migrations: once, in order, by one node at a time, and never edited.

use db::{Migration, TxResult};
use kernel::{Error, Timestamp};
use testkit::on_both_engines;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const FIRST: Migration = Migration { version: 1, name: "first", sql: "CREATE TABLE a (n bigint);" };
const SECOND: Migration =
    Migration { version: 2, name: "second", sql: "CREATE TABLE b (n bigint);\nCREATE TABLE c (n bigint);" };
const EDITED: Migration = Migration { version: 2, name: "second", sql: "CREATE TABLE b (n bigint, m text);" };
const THIRD: Migration = Migration { version: 3, name: "third", sql: "CREATE TABLE d (n bigint);" };
const WRONG: Migration =
    Migration { version: 3, name: "wrong", sql: "CREATE TABLE d (n bigint);\nCREATE TABLE a (n bigint);" };

fn code(error: Error) -> &'static str {
    error.code()
}

on_both_engines! {
    async fn each_runs_once_and_says_when(test: TestDb) {
        const ALL: &[Migration] = &[FIRST, SECOND, THIRD];
        assert!(test.db.migrations(ALL).await.unwrap().iter().all(|state| state.applied_at.is_none()));
        assert_eq!(test.db.migrate(&[FIRST, SECOND], NOW).await.unwrap().len(), 2);
        let states = test.db.migrations(ALL).await.unwrap();
        assert_eq!(states.iter().map(|state| state.applied_at).collect::<Vec<_>>(), [Some(NOW), Some(NOW), None]);
        let applied = test.db.migrate(ALL, NOW).await.unwrap();
        assert_eq!(applied.iter().map(|step| step.version).collect::<Vec<_>>(), [3]);
        assert!(test.db.migrate(ALL, NOW).await.unwrap().is_empty());
        // A version that knows less than the database leaves it alone.
        assert!(test.db.migrate(&[FIRST], NOW).await.unwrap().is_empty());
    }

    async fn an_edited_one_is_refused(test: TestDb) {
        test.db.migrate(&[FIRST, SECOND], NOW).await.unwrap();
        assert_eq!(code(test.db.migrate(&[FIRST, EDITED], NOW).await.unwrap_err()), "migration_changed");
    }

    async fn one_that_comes_too_late_is_refused(test: TestDb) {
        test.db.migrate(&[FIRST, THIRD], NOW).await.unwrap();
        let error = test.db.migrate(&[FIRST, SECOND, THIRD], NOW).await.unwrap_err();
        assert!(error.to_string().contains("migration 2 (second) never ran, but the later 3 (third) did"), "{error}");
        assert_eq!(code(error), "migration_out_of_order");
        assert!(test.db.migrate(&[SECOND, FIRST], NOW).await.is_err(), "a list out of order");
    }

    async fn one_that_fails_leaves_nothing_behind(test: TestDb) {
        let error = test.db.migrate(&[FIRST, SECOND, WRONG], NOW).await.unwrap_err();
        assert!(error.to_string().contains("CREATE TABLE a"), "{error}");
        assert_eq!(test.db.migrate(&[FIRST, SECOND, THIRD], NOW).await.unwrap().len(), 1);
    }

    async fn nodes_that_start_at_once_share_the_work(test: TestDb) {
        const ALL: &[Migration] = &[FIRST, SECOND, THIRD];
        let others = [test.again().await, test.again().await, test.again().await];
        let [a, b, c] = &others;
        let (a, b, c, d) =
            tokio::join!(a.migrate(ALL, NOW), b.migrate(ALL, NOW), c.migrate(ALL, NOW), test.db.migrate(ALL, NOW));
        let applied: usize = [a, b, c, d].into_iter().map(|applied| applied.unwrap().len()).sum();
        assert_eq!(applied, 3);
    }

    async fn a_kept_statement_survives_a_change_of_its_table(test: TestDb) {
        test.db.migrate(&[FIRST], NOW).await.unwrap();
        test.db.write("test", |tx| tx.execute("INSERT INTO a VALUES (7)", &[])).await.unwrap();
        let all = || test.db.read("test", |tx| tx.query_one("SELECT * FROM a", &[]));
        for _ in 0..50 {
            assert_eq!(all().await.unwrap().names(), ["n"]);
        }
        test.db.write("test", |tx| tx.execute("ALTER TABLE a ADD COLUMN m integer", &[])).await.unwrap();
        for _ in 0..50 {
            assert_eq!(all().await.unwrap().names(), ["n", "m"]);
        }
        test.db.write("test", |tx| tx.execute("ALTER TABLE a DROP COLUMN n", &[])).await.safe_to_repeat().unwrap();
        for _ in 0..50 {
            assert_eq!(all().await.unwrap().names(), ["m"]);
        }
    }
}
