//! Numbered migrations, written once with PostgreSQL's types and translated word by word for SQLite.
//!
//! Lines between `-- only postgres` or `-- only sqlite` and `-- end` belong to one engine. A migration that ran
//! is never edited: its checksum is kept and compared.

use kernel::{Error, Refusal, Result, Timestamp};

use crate::{Db, Dialect, Tx, TxResult};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; they run in this order.
    pub version: i64,
    /// What it brings, in a few words.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// A migration that ran now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
}

/// Where the schema stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When it ran; `None` when it is still to run.
    pub applied_at: Option<Timestamp>,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL)";
/// Any number will do, so long as all nodes take the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7261998)::text";

impl Db {
    /// Runs the migrations that have not run yet, each in a transaction of its own. Several nodes may start at
    /// once: the second waits and finds nothing left to do. A database that knows more migrations than this
    /// version is left alone, so that a new version can be taken back.
    pub async fn migrate(&self, migrations: &'static [Migration], now: Timestamp) -> Result<Vec<Applied>> {
        if !migrations.is_sorted_by(|a, b| a.version < b.version) {
            return Err(Error::bug("migrations must be listed in the order of their numbers"));
        }
        let mut applied = Vec::new();
        for migration in migrations {
            let run = move |tx: &mut Tx<'_>| run(tx, migration, now);
            let ran = self.write_schema("db.migrate", run).await.safe_to_repeat()?;
            if ran {
                applied.push(Applied { version: migration.version, name: migration.name.into() });
            }
        }
        Ok(applied)
    }

    /// Which migrations have run, and which have not.
    pub async fn migrations(&self, migrations: &'static [Migration]) -> Result<Vec<MigrationState>> {
        self.read("db.migrations", move |tx| {
            let begun = is_begun(tx)?;
            migrations.iter().map(|migration| state(tx, migration, begun)).collect()
        })
        .await
    }
}

fn create_table(tx: &mut Tx<'_>) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        // Any time for the other node; but not for a table that is in use, because all who come later for it
        // would wait behind us.
        tx.query(LOCK, &[])?;
        tx.execute("SET LOCAL lock_timeout='5s'", &[])?;
    }
    let sql = translate(TABLE, tx.dialect());
    tx.execute(sql.trim_end().trim_end_matches(';'), &[])?;
    Ok(())
}

fn is_begun(tx: &mut Tx<'_>) -> Result<bool> {
    let found = match tx.dialect() {
        Dialect::Sqlite => {
            tx.count("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'", &[])?
        }
        Dialect::Postgres => {
            tx.count("SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_migrations')", &[])?
        }
    };
    Ok(found > 0)
}

fn state(tx: &mut Tx<'_>, migration: &Migration, begun: bool) -> Result<MigrationState> {
    const SQL: &str = "SELECT applied_at FROM schema_migrations WHERE version = $1";
    let row = if begun { tx.query_opt(SQL, &[migration.version.into()])? } else { None };
    let applied_at = row.map(|row| row.get("applied_at")).transpose()?;
    Ok(MigrationState { version: migration.version, name: migration.name.into(), applied_at })
}

fn run(tx: &mut Tx<'_>, migration: &Migration, now: Timestamp) -> Result<bool> {
    create_table(tx)?;
    let checksum = checksum(migration.sql);
    let known = tx.query_opt(
        "SELECT checksum FROM schema_migrations WHERE version = $1",
        &[migration.version.into()],
    )?;
    if let Some(row) = known {
        return match row.get::<String>("checksum")? == checksum {
            true => Ok(false),
            false => Err(changed(migration).into()),
        };
    }
    let later = tx.query_opt(
        "SELECT version, name FROM schema_migrations WHERE version > $1 ORDER BY version LIMIT 1",
        &[migration.version.into()],
    )?;
    if let Some(row) = later {
        return Err(out_of_order(migration, row.get("version")?, &row.get::<String>("name")?).into());
    }
    for statement in statements(&translate(migration.sql, tx.dialect())) {
        tx.execute(&statement, &[])?;
    }
    tx.execute(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
        &[migration.version.into(), migration.name.into(), checksum.into(), now.into()],
    )?;
    Ok(true)
}

fn changed(migration: &Migration) -> Refusal {
    Refusal::new(
        "migration_changed",
        format!(
            "migration {} ({}) ran in another form than this version of makegood carries",
            migration.version, migration.name
        ),
    )
    .fix("run the version of makegood that made this database, or restore a backup")
}

fn out_of_order(migration: &Migration, version: i64, name: &str) -> Refusal {
    Refusal::new(
        "migration_out_of_order",
        format!(
            "migration {} ({}) never ran, but the later {version} ({name}) did: another line of versions made \
             this database",
            migration.version, migration.name
        ),
    )
    .fix("run the version of makegood that made this database, or restore a backup")
}

/// FNV-1a, 64 bits: it guards against edits by mistake, not against an enemy.
fn checksum(sql: &str) -> String {
    let hash = sql.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The text as `dialect` takes it: one engine's sections, its types, and STRICT tables on SQLite.
pub(crate) fn translate(sql: &str, dialect: Dialect) -> String {
    let mut only = None;
    let mut text = String::new();
    for line in sql.lines() {
        match line.trim() {
            "-- only postgres" => only = Some(Dialect::Postgres),
            "-- only sqlite" => only = Some(Dialect::Sqlite),
            "-- end" => only = None,
            comment if comment.starts_with("--") => {}
            _ if only.is_some_and(|engine| engine != dialect) => {}
            _ => {
                let code = line.split_once(" --").map_or(line, |(code, _)| code);
                text.push_str(&translate_types(code, dialect, only.is_none()));
                text.push('\n');
            }
        }
    }
    match dialect {
        Dialect::Sqlite => make_strict(&text),
        Dialect::Postgres => text,
    }
}

fn translate_types(line: &str, dialect: Dialect, shared: bool) -> String {
    if !shared {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for piece in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match dialect.column_type(word) {
            Some(other) => {
                out.push_str(other);
                out.push_str(&piece[word.len()..]);
            }
            None => out.push_str(piece),
        }
    }
    out
}

fn make_strict(sql: &str) -> String {
    let closed = |statement: &str| {
        let table = statement.trim_start().starts_with("CREATE TABLE") && statement.trim_end().ends_with(')');
        if table { format!("{statement} STRICT") } else { statement.to_owned() }
    };
    statements(sql).iter().map(|s| closed(s)).collect::<Vec<_>>().join(";\n") + ";"
}

/// Splits at semicolons that end a line, outside of `BEGIN … END` bodies and `$$ … $$` texts.
pub(crate) fn statements(sql: &str) -> Vec<String> {
    let (mut all, mut current) = (Vec::new(), String::new());
    // A function's text on PostgreSQL, the body of a trigger on SQLite.
    let (mut quoted, mut body) = (false, false);
    for line in sql.lines() {
        let trimmed = line.trim();
        quoted ^= line.matches("$$").count() % 2 == 1;
        body = !quoted && (trimmed == "BEGIN" || (body && trimmed != "END;"));
        current.push_str(line);
        if !quoted && !body && trimmed.ends_with(';') {
            let statement = current.trim().trim_end_matches(';').to_owned();
            all.push(statement);
            current.clear();
        } else {
            current.push('\n');
        }
    }
    if !current.trim().is_empty() {
        all.push(current.trim().to_owned());
    }
    all.retain(|statement| !statement.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- why\nCREATE TABLE t (\n  id uuid PRIMARY KEY, -- an id\n  uuid_count bigint NOT NULL\n);\n-- only sqlite\nCREATE TRIGGER g BEFORE DELETE ON t\nBEGIN\n  SELECT RAISE(ABORT, 'no');\nEND;\n-- end\n-- only postgres\nALTER TABLE t SET (fillfactor = 90);\n-- end\n";

    #[test]
    fn types_are_translated_and_tables_are_strict_on_sqlite() {
        let sqlite = statements(&translate(SQL, Dialect::Sqlite));
        assert_eq!(sqlite.len(), 2, "{sqlite:?}");
        assert!(sqlite[0].contains("id TEXT PRIMARY KEY") && sqlite[0].ends_with(") STRICT"));
        assert!(sqlite[0].contains("uuid_count INTEGER"));
        assert!(sqlite[1].contains("RAISE(ABORT, 'no');"));
    }

    #[test]
    fn a_migration_of_the_other_engine_is_nothing() {
        let sql = "-- only postgres\nALTER TABLE t SET (fillfactor = 90);\n-- end\n";
        assert_eq!(statements(&translate(sql, Dialect::Sqlite)), Vec::<String>::new());
    }

    #[test]
    fn the_body_of_a_function_is_one_statement() {
        let sql =
            "CREATE FUNCTION f() RETURNS trigger AS $$\nBEGIN\n  RAISE EXCEPTION 'no';\nEND\n$$;\nSELECT 1;";
        assert_eq!(statements(sql).len(), 2, "{:?}", statements(sql));
    }

    #[test]
    fn postgres_keeps_the_text_and_its_own_sections() {
        let postgres = statements(&translate(SQL, Dialect::Postgres));
        assert_eq!(postgres.len(), 2);
        assert!(postgres[0].contains("id uuid PRIMARY KEY") && postgres[1].starts_with("ALTER TABLE"));
    }
}
