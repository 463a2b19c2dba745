//! The triggers that migrations made, and those of them that watch no longer: whoever owns a database can drop them or
//! switch them off, and nothing else would tell.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Result;

use crate::migrate::{Migration, statements, translate};
use crate::{Dialect, Tx};

/// A trigger that should watch a table and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostTrigger {
    /// Its name.
    pub name: String,
    /// The table that it should watch.
    pub table: String,
    /// The statement that makes it watch again, on one line.
    pub mend: String,
}

/// The triggers that the migrations that ran have made, without those that watch.
pub fn lost_triggers(tx: &mut Tx<'_>, migrations: &[Migration]) -> Result<Vec<LostTrigger>> {
    let ran: BTreeSet<i64> = tx
        .query("SELECT version FROM schema_migrations", &[])?
        .iter()
        .map(|row| row.get("version"))
        .collect::<Result<_>>()?;
    let is_on = watching(tx)?;
    let dialect = tx.dialect();
    let made = migrations.iter().filter(|migration| ran.contains(&migration.version));
    let made = made.flat_map(|migration| made_by(migration, dialect));
    Ok(made.filter_map(|(name, table, sql)| lost(name, table, sql, &is_on)).collect())
}

fn lost(name: String, table: String, sql: String, is_on: &BTreeMap<String, bool>) -> Option<LostTrigger> {
    let mend = match is_on.get(&name) {
        Some(true) => return None,
        Some(false) => format!("ALTER TABLE {table} ENABLE TRIGGER {name}"),
        None => sql.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    Some(LostTrigger { name, table, mend: format!("{mend};") })
}

/// Triggers that are there, and whether they are switched on.
fn watching(tx: &mut Tx<'_>) -> Result<BTreeMap<String, bool>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name, 'O' AS state FROM sqlite_schema WHERE type = 'trigger'",
        Dialect::Postgres => {
            "SELECT t.tgname::text AS name, t.tgenabled::text AS state FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
        }
    };
    // `O` fires in ordinary sessions, `A` in all; `D` never does, and `R` only where another server's changes arrive.
    let is_on = |state: String| matches!(state.as_str(), "O" | "A");
    tx.query(sql, &[])?.iter().map(|row| Ok((row.get("name")?, is_on(row.get("state")?)))).collect()
}

/// Name, table and text of each trigger that a migration makes.
fn made_by(migration: &Migration, dialect: Dialect) -> Vec<(String, String, String)> {
    let read = |sql: String| {
        let mut words = sql.strip_prefix("CREATE TRIGGER ")?.split_whitespace();
        let name = words.next()?.to_owned();
        let table = words.skip_while(|word| *word != "ON").nth(1)?.to_owned();
        Some((name, table, sql))
    };
    statements(&translate(migration.sql, dialect)).into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_read_with_its_table_on_either_engine() {
        let sql = "-- only sqlite\nCREATE TRIGGER a BEFORE INSERT ON t\nWHEN EXISTS (SELECT 1)\nBEGIN\n  SELECT 1;\nEND;\n-- end\n-- only postgres\nCREATE TRIGGER b BEFORE UPDATE OR DELETE ON t\n  FOR EACH ROW EXECUTE FUNCTION f();\n-- end\n";
        let migration = Migration { version: 1, name: "one", sql };
        let names = |dialect| {
            made_by(&migration, dialect).into_iter().map(|(name, table, _)| (name, table)).collect::<Vec<_>>()
        };
        assert_eq!(names(Dialect::Sqlite), [("a".to_owned(), "t".to_owned())]);
        assert_eq!(names(Dialect::Postgres), [("b".to_owned(), "t".to_owned())]);
    }
}
