//! What goes in comes out, whatever the engine.

use db::{Row, Value, violates};
use kernel::{Result, Timestamp};
use serde_json::json;
use testkit::on_both_engines;
use uuid::Uuid;

use crate::TABLES;

const ALL: &str = "INSERT INTO kinds (id, at, body, yes, number, small, note, raw)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

on_both_engines! {
    migrated by TABLES;

    async fn every_kind_of_value_comes_back_as_it_went_in(test: TestDb) {
        let body = json!({"a": [1, 2.5, null, "ü € 🦀", {"b": true}], "quote\"": "'"});
        let sent = body.clone();
        let row: Row = test.db.write("test", move |tx| {
            tx.execute(ALL, &[
                id(1).into(),
                Timestamp::from_micros(1_790_000_000_123_456).into(),
                (&sent).into(),
                true.into(),
                i64::MAX.into(),
                i32::MIN.into(),
                "it's a text; -- with $1 and ? in it\n".into(),
                vec![0_u8, 1, 255, b'\''].into(),
            ])?;
            tx.query_one("SELECT * FROM kinds", &[])
        }).await.unwrap();
        assert_eq!(row.get::<Uuid>("id").unwrap(), id(1));
        assert_eq!(row.get::<Timestamp>("at").unwrap().micros(), 1_790_000_000_123_456);
        assert_eq!(row.get::<serde_json::Value>("body").unwrap(), body);
        assert!(row.get::<bool>("yes").unwrap());
        assert_eq!(row.get::<i64>("number").unwrap(), i64::MAX);
        assert_eq!(row.get::<i64>("small").unwrap(), i64::from(i32::MIN));
        assert_eq!(row.get::<String>("note").unwrap(), "it's a text; -- with $1 and ? in it\n");
        assert_eq!(row.get::<Vec<u8>>("raw").unwrap(), [0, 1, 255, b'\'']);
    }

    async fn every_column_may_be_absent(test: TestDb) {
        let row = test.db.write("test", |tx| {
            let mut values = vec![Value::Null; 8];
            values[0] = id(2).into();
            tx.execute(ALL, &values)?;
            tx.query_one("SELECT * FROM kinds WHERE at IS NULL", &[])
        }).await.unwrap();
        assert_eq!(row.cells().iter().filter(|cell| **cell == Value::Null).count(), 7);
        assert_eq!(row.get::<Option<Timestamp>>("at").unwrap(), None);
        assert_eq!(row.get::<Option<serde_json::Value>>("body").unwrap(), None);
        assert!(row.get::<bool>("yes").is_err());
    }

    async fn instants_keep_their_microseconds_before_1970_and_after_2100(test: TestDb) {
        let instants = [i64::from(i32::MIN) * 1_000_000, -1, 0, 1, 999_999, 4_102_444_800_000_001];
        let times = instants.map(Timestamp::from_micros);
        let back = test.db.write("test", move |tx| {
            let rows = times.map(|at| vec![id(at.micros() as u128).into(), at.into()]);
            tx.insert_many("INSERT INTO kinds (id, at)", "", &rows)?;
            let rows = tx.query("SELECT at FROM kinds ORDER BY at", &[])?;
            rows.iter().map(Row::first::<Timestamp>).collect::<Result<Vec<_>>>()
        }).await.unwrap();
        assert_eq!(back, times);
    }

    async fn numbers_keep_their_extremes(test: TestDb) {
        let back = test.db.write("test", |tx| {
            let rows = [i64::MIN, -1, 0, i64::MAX].map(|n| vec![id(n as u64 as u128).into(), n.into()]);
            tx.execute_many("INSERT INTO kinds (id, number) VALUES ($1, $2)", &rows)?;
            let rows = tx.query("SELECT number FROM kinds WHERE number <= $1 ORDER BY number", &[i64::MAX.into()])?;
            rows.iter().map(Row::first::<i64>).collect::<Result<Vec<_>>>()
        }).await.unwrap();
        assert_eq!(back, [i64::MIN, -1, 0, i64::MAX]);
    }

    async fn one_parameter_holds_many_values(test: TestDb) {
        let found = test.db.write("test", |tx| {
            let at = |n: i64| Timestamp::from_micros(n * 1_000_001);
            let row = |n: i64| vec![id(n as u128).into(), n.into(), at(n).into(), format!("note {n}, \"x\"").into()];
            let rows: Vec<_> = (0..10).map(row).collect();
            tx.insert_many("INSERT INTO kinds (id, number, at, note)", "", &rows)?;
            let dialect = tx.dialect();
            let mut count = |column: &str, values: Value| {
                let sql = format!("SELECT count(*) FROM kinds WHERE {}", dialect.any(column, 1));
                tx.count(&sql, &[values])
            };
            Ok([
                count("id", Value::array([id(3), id(4), id(99)]))?,
                count("number", Value::array([1_i64, 2, 3, -7]))?,
                count("note", Value::array(["note 5, \"x\"", "none"]))?,
                count("at", Value::array([at(1), at(2)]))?,
                count("number", Value::Array(vec![]))?,
            ])
        }).await.unwrap();
        assert_eq!(found, [2, 3, 1, 2, 0]);
    }

    async fn parameters_are_bound_by_their_numbers(test: TestDb) {
        let row = test.db.read("test", |tx| {
            tx.query_one("SELECT CAST($2 AS text) AS second, CAST($1 AS text) AS first, '$1' AS text", &[
                "one".into(),
                "two".into(),
            ])
        }).await.unwrap();
        assert_eq!(row.get::<String>("first").unwrap(), "one");
        assert_eq!(row.get::<String>("second").unwrap(), "two");
        assert_eq!(row.get::<String>("text").unwrap(), "$1");
    }

    async fn a_missing_parameter_is_refused_and_not_null(test: TestDb) {
        let short = test.db.read("test", |tx| tx.query("SELECT CAST($1 AS text), CAST($2 AS text)", &["a".into()]));
        assert!(short.await.is_err());
        let long = test.db.read("test", |tx| tx.query("SELECT CAST($1 AS text)", &["a".into(), "b".into()]));
        assert!(long.await.is_err());
    }

    async fn a_value_of_another_type_is_refused(test: TestDb) {
        // Eight letters are as long as a number: without a check PostgreSQL would read them as one.
        let write = |values: Vec<Value>| {
            let sql = "INSERT INTO kinds (id, number, yes) VALUES ($1, $2, $3)";
            test.db.write("test", move |tx| tx.execute(sql, &values))
        };
        assert!(write(vec![id(1).into(), "abcdefgh".into(), Value::Null]).await.is_err());
        assert!(write(vec![id(1).into(), Value::Null, "t".into()]).await.is_err());
        assert!(write(vec![id(1).into(), 7_i64.into(), false.into()]).await.is_ok());
    }

    async fn many_executions_say_each_what_they_touched(test: TestDb) {
        let touched = test.db.write("test", |tx| {
            let rows: Vec<_> = (0..200).map(|n| vec![id(n).into(), (n as i64 % 2).into()]).collect();
            tx.execute_many("INSERT INTO kinds (id, number) VALUES ($1, $2)", &rows)?;
            let rows = [0_i64, 1, 2].map(|n| vec![n.into(), format!("n {n}").into()]);
            tx.execute_many("UPDATE kinds SET note = $2 WHERE number = $1", &rows)
        }).await.unwrap();
        assert_eq!(touched, [100, 100, 0]);
    }

    async fn rows_that_are_there_already_are_passed_over(test: TestDb) {
        for (count, new) in [(3_u128, 3_u64), (100, 97), (100, 0)] {
            let inserted = test.db.write("test", move |tx| {
                let rows: Vec<_> = (0..count).map(|n| vec![id(n).into(), (n as i64).into(), Value::Null]).collect();
                tx.insert_many("INSERT INTO kinds (id, number, at)", "ON CONFLICT DO NOTHING RETURNING number", &rows)
            }).await.unwrap();
            assert_eq!(inserted.count, new);
            let numbers: Vec<i64> = inserted.rows.iter().map(|row| row.get("number").unwrap()).collect();
            let first = count as i64 - new as i64;
            assert_eq!(numbers, (first..count as i64).collect::<Vec<_>>());
        }
        let none = test.db.write("test", |tx| tx.insert_many("INSERT INTO kinds (id)", "", &[])).await.unwrap();
        assert_eq!(none.count, 0);
    }

    async fn a_broken_rule_is_recognised(test: TestDb) {
        for sql in [
            "INSERT INTO counters (name, value) VALUES ('a', 1)",
            "INSERT INTO counters (name, value) VALUES ('b', -1)",
            "INSERT INTO counters (name, value) VALUES ('b', NULL)",
            "INSERT INTO lines (counter, note) VALUES ('nobody', 'x')",
        ] {
            let error = test.db.write("test", move |tx| {
                tx.execute("INSERT INTO counters (name, value) VALUES ('a', 1) ON CONFLICT DO NOTHING", &[])?;
                tx.execute(sql, &[])
            }).await.unwrap_err();
            let db::TxError::Refused(error) = error else { panic!("{sql}: {error:?}") };
            assert!(violates(&error), "{sql}: {error}");
        }
        let error = test.db.write("test", |tx| tx.execute("INSERT INTO nothing VALUES (1)", &[])).await.unwrap_err();
        let db::TxError::Refused(error) = error else { panic!("{error:?}") };
        assert!(!violates(&error) && error.to_string().contains("INSERT INTO nothing"), "{error}");
    }
}
