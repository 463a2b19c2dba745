//! Both engines get the same schema from the one migration text.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use db::{Db, Dialect, Tx};
use kernel::Timestamp;
use testkit::{Engine, TestDb};

/// Table or view → column → (type as PostgreSQL names it, may be null).
type Columns = BTreeMap<String, BTreeMap<String, (String, bool)>>;

#[test]
fn both_engines_have_the_same_tables_columns_indexes_references_and_guards() {
    testkit::databases::runtime().block_on(async {
        let sqlite = TestDb::migrated(Engine::Sqlite, shop::MIGRATIONS).await.unwrap();
        let Some(postgres) = TestDb::migrated(Engine::Postgres, shop::MIGRATIONS).await else { return };
        let (ours, theirs) = (columns(&sqlite.db).await, columns(&postgres.db).await);
        assert!(ours.len() > 15, "{:?}", ours.keys());
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (table, columns) in &theirs {
            let names =
                |columns: &BTreeMap<String, (String, bool)>| columns.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&ours[table]), names(columns), "{table}");
            for (column, (kind, nullable)) in columns {
                let (stored, also_nullable) = &ours[table][column];
                // A view's columns have no types of their own on SQLite.
                if !stored.is_empty() {
                    assert_eq!(*stored, sqlite_type(kind), "{table}.{column} is {kind} on PostgreSQL");
                    assert_eq!(also_nullable, nullable, "{table}.{column} may be null");
                }
            }
        }
        for (what, ours, theirs) in [
            ("indexes", indexes(&sqlite.db).await, indexes(&postgres.db).await),
            ("references", references(&sqlite.db).await, references(&postgres.db).await),
            ("guards", guards(&sqlite.db).await, guards(&postgres.db).await),
        ] {
            assert!(ours.len() > 3, "{what}: {ours:?}");
            let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
            assert_eq!(only(&ours, &theirs), only(&theirs, &ours), "{what} of one engine only");
        }
    });
}

/// A migration that ran in somebody's shop is never edited: the shop would not start any more. `ACCEPT=1` takes over new ones.
#[test]
fn no_migration_that_ran_somewhere_is_changed() {
    testkit::databases::runtime().block_on(async {
        let known = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/migrations.txt");
        let sqlite = TestDb::migrated(Engine::Sqlite, shop::MIGRATIONS).await.unwrap();
        let sql = "SELECT version, name, checksum FROM schema_migrations ORDER BY version";
        let rows = sqlite.db.read("test", move |tx| tx.query(sql, &[])).await.unwrap();
        let line = |row: &db::Row| {
            let (version, name): (i64, String) = (row.get("version").unwrap(), row.get("name").unwrap());
            format!("{version} {name}: {}\n", row.get::<String>("checksum").unwrap())
        };
        let now: String = rows.iter().map(line).collect();
        let agreed = std::fs::read_to_string(known).unwrap_or_default();
        if std::env::var_os("ACCEPT").is_some() && now.starts_with(&agreed) {
            return std::fs::write(known, now).unwrap();
        }
        assert_eq!(now, agreed, "a migration was edited, or a new one is not in {known}");
    });
}

#[test]
fn postgres_has_its_native_types() {
    testkit::databases::runtime().block_on(async {
        let Some(postgres) = TestDb::migrated(Engine::Postgres, shop::MIGRATIONS).await else { return };
        let columns = columns(&postgres.db).await;
        let kind = |table: &str, column: &str| columns[table][column].0.clone();
        assert_eq!(kind("orders", "id"), "uuid");
        assert_eq!(kind("orders", "created_at"), "timestamp with time zone");
        assert_eq!(kind("orders", "requires_review"), "boolean");
        assert_eq!(kind("order_timeline", "meta"), "jsonb");
        assert_eq!(kind("stripe_events", "payload"), "text");
    });
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// A ledger that can be edited explains nothing.
    async fn the_ledger_and_the_audit_log_only_grow(test: TestDb) {
        let at = Timestamp::from_seconds(1_790_000_000);
        test.db.write("test", move |tx| {
            tx.execute("INSERT INTO inventory (sku, stock_count, reserved_count, updated_at) VALUES ('mug', 5, 0, $1)",
                &[at.into()])?;
            tx.execute("INSERT INTO inventory_ledger (id, sku, quantity_change, reason, reference_id, created_at)
                VALUES ($1, 'mug', 5, 'import', 'x', $2)", &[uuid::Uuid::from_u128(1).into(), at.into()])?;
            tx.execute("INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, data)
                VALUES ($1, $2, 't', 'a', 'system', 's', 'i', $3)",
                &[uuid::Uuid::from_u128(2).into(), at.into(), db::Value::Json("{}".into())])
        }).await.unwrap();
        for sql in ["UPDATE inventory_ledger SET quantity_change = 6", "DELETE FROM inventory_ledger",
                    "UPDATE audit_logs SET actor = 'b'", "DELETE FROM audit_logs"] {
            let error = test.db.write("test", move |tx| tx.execute(sql, &[])).await.unwrap_err();
            assert!(format!("{error:?}").contains("only grow"), "{sql}: {error:?}");
        }
    }

    /// Whatever a statement forgets, the table refuses.
    async fn stock_cannot_go_below_what_is_set_aside(test: TestDb) {
        let at = Timestamp::from_seconds(1_790_000_000);
        let error = test.db.write("test", move |tx| {
            tx.execute("INSERT INTO inventory (sku, stock_count, reserved_count, updated_at) VALUES ('mug', 5, 6, $1)",
                &[at.into()])
        }).await.unwrap_err();
        assert!(matches!(error, db::TxError::Refused(ref e) if db::violates(e)), "{error:?}");
    }

    /// Two nodes of one version start at once.
    async fn migrating_again_changes_nothing(test: TestDb) {
        let applied = test.db.migrate(shop::MIGRATIONS, Timestamp::from_seconds(1_790_000_000)).await.unwrap();
        assert!(applied.is_empty(), "{applied:?}");
    }
}

fn sqlite_type(postgres: &str) -> String {
    match postgres {
        "bigint" | "boolean" => "INTEGER",
        "bytea" => "BLOB",
        _ => "TEXT",
    }
    .to_owned()
}

async fn columns(db: &Db) -> Columns {
    let rows = db
        .read("schema", |tx| match tx.dialect() {
            Dialect::Postgres => tx.query(
                "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS k,
                        (is_nullable = 'YES') AS n
                 FROM information_schema.columns WHERE table_schema = 'public'",
                &[],
            ),
            Dialect::Sqlite => tx.query(
                "SELECT m.name AS t, p.name AS c, p.type AS k, (p.\"notnull\" = 0 AND p.pk = 0) AS n
                 FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type IN ('table', 'view')",
                &[],
            ),
        })
        .await
        .unwrap();
    let mut all = Columns::new();
    for row in rows {
        let (table, column): (String, String) = (row.get("t").unwrap(), row.get("c").unwrap());
        let kind = (row.get("k").unwrap(), row.get("n").unwrap());
        all.entry(table).or_default().insert(column, kind);
    }
    all
}

/// What a migration may say of one engine only, by mistake: on a line each.
async fn lines(db: &Db, sqlite: &'static str, postgres: &'static str) -> BTreeSet<String> {
    let sql = move |tx: &Tx<'_>| match tx.dialect() {
        Dialect::Postgres => postgres,
        Dialect::Sqlite => sqlite,
    };
    let rows = db.read("schema", move |tx| tx.query(sql(tx), &[])).await.unwrap();
    rows.iter().map(|row| row.get("line").unwrap()).collect()
}

/// The indexes that the migrations name: over which columns, in their order, whether unique and whether of some rows only.
async fn indexes(db: &Db) -> BTreeSet<String> {
    let sqlite = "SELECT i.name || ' on ' || m.name || ' (' || (
             SELECT GROUP_CONCAT(COALESCE(name, '?'), ', ') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)
           ) || ')' || CASE i.\"unique\" WHEN 1 THEN ' unique' ELSE '' END || CASE i.partial WHEN 1 THEN ' partial' ELSE '' END AS line
         FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'c'";
    let postgres = "SELECT c.relname || ' on ' || t.relname || ' (' || (
             SELECT string_agg(COALESCE(a.attname::text, '?'), ', ' ORDER BY k.n)
             FROM unnest(i.indkey::int[]) WITH ORDINALITY k(at, n)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.at
           ) || ')' || CASE WHEN i.indisunique THEN ' unique' ELSE '' END
             || CASE WHEN i.indpred IS NOT NULL THEN ' partial' ELSE '' END AS line
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
         WHERE c.relnamespace = 'public'::regnamespace AND NOT EXISTS (
           SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u'))";
    lines(db, sqlite, postgres).await
}

/// What refers to what.
async fn references(db: &Db) -> BTreeSet<String> {
    let sqlite = "SELECT m.name || '.' || f.\"from\" || ' -> ' || f.\"table\" AS line
                  FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
    let postgres = "SELECT t.relname || '.' || a.attname || ' -> ' || r.relname AS line
                    FROM pg_constraint o JOIN pg_class t ON t.oid = o.conrelid JOIN pg_class r ON r.oid = o.confrelid
                    JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = ANY (o.conkey) WHERE o.contype = 'f'";
    lines(db, sqlite, postgres).await
}

/// The tables that are guarded by triggers, and against what. That a row is replaced by an `INSERT` has to be guarded against on
/// SQLite only.
async fn guards(db: &Db) -> BTreeSet<String> {
    let sqlite = "SELECT tbl_name || ' ' || CASE WHEN sql LIKE '%BEFORE UPDATE%' THEN 'UPDATE' WHEN sql LIKE '%BEFORE DELETE%' THEN 'DELETE'
                    ELSE 'INSERT' END AS line FROM sqlite_master WHERE type = 'trigger' AND sql NOT LIKE '%BEFORE INSERT%'";
    let postgres = "SELECT DISTINCT event_object_table || ' ' || event_manipulation AS line FROM information_schema.triggers
                    WHERE trigger_schema = 'public'";
    lines(db, sqlite, postgres).await
}
