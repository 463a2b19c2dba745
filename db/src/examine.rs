//! What an engine says of itself, for whoever looks whether it is set up as it must be. It changes nothing.

use kernel::{Result, Timestamp};

use crate::{Db, Dialect, Tx};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Like `PostgreSQL 15.4`.
    pub engine: String,
    /// Settings on which it depends whether a commit survives a crash, with their values.
    pub durability: Vec<(String, String)>,
    /// True when each of them is as it must be.
    pub is_durable: bool,
    /// The server's clock; none where it is the machine's own.
    pub now: Option<Timestamp>,
    /// As whom this connection speaks, and whether that one may do everything; only on a server.
    pub role: Option<(String, bool)>,
    /// Those of the tables asked about whose rows this connection may change or remove.
    pub may_change: Vec<String>,
    /// The valid indexes of the table asked about.
    pub indexes: Vec<String>,
}

impl Db {
    /// Looks at the engine: which of the tables `only_grow` this connection may change, and which indexes `table` has.
    pub async fn examine(&self, only_grow: &'static [&'static str], table: &'static str) -> Result<Examined> {
        self.read("db.examine", move |tx| match tx.dialect() {
            Dialect::Sqlite => sqlite(tx, table),
            Dialect::Postgres => postgres(tx, only_grow, table),
        })
        .await
    }
}

fn sqlite(tx: &mut Tx<'_>, table: &str) -> Result<Examined> {
    let version: String = tx.query_one("SELECT sqlite_version() AS version", &[])?.get("version")?;
    let journal: String =
        tx.query_one("SELECT journal_mode AS mode FROM pragma_journal_mode", &[])?.get("mode")?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = $1 ORDER BY name";
    let indexes = tx.query(sql, &[table.into()])?.iter().map(|row| row.get("name")).collect::<Result<_>>()?;
    Ok(Examined {
        engine: format!("SQLite {version}"),
        // `synchronous=FULL` belongs to the writer, which does not open without it.
        is_durable: journal == "wal",
        durability: vec![("journal_mode".into(), journal)],
        now: None,
        role: None,
        may_change: Vec::new(),
        indexes,
    })
}

fn postgres(tx: &mut Tx<'_>, only_grow: &[&str], table: &str) -> Result<Examined> {
    let row = tx.query_one(
        "SELECT current_setting('server_version') AS version, current_setting('synchronous_commit') AS commits,
           current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
           current_user::text AS role, current_setting('is_superuser') AS superuser, clock_timestamp() AS now",
        &[],
    )?;
    let text = |name: &str| row.get::<String>(name);
    let durability = vec![
        ("synchronous_commit".to_owned(), text("commits")?),
        ("fsync".to_owned(), text("fsync")?),
        ("full_page_writes".to_owned(), text("pages")?),
    ];
    let mut may_change = Vec::new();
    for table in only_grow {
        let sql = "SELECT CASE WHEN to_regclass($1) IS NULL THEN false
                   ELSE has_table_privilege(current_user, to_regclass($1)::oid, 'UPDATE, DELETE, TRUNCATE') END AS may";
        if tx.query_one(sql, &[(*table).into()])?.get("may")? {
            may_change.push((*table).to_owned());
        }
    }
    let sql = "SELECT i.relname::text AS name FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
               WHERE x.indrelid = to_regclass($1)::oid AND x.indisvalid ORDER BY 1";
    let indexes = tx.query(sql, &[table.into()])?.iter().map(|row| row.get("name")).collect::<Result<_>>()?;
    Ok(Examined {
        engine: format!("PostgreSQL {}", text("version")?),
        is_durable: durability.iter().all(|(_, value)| value != "off"),
        durability,
        now: Some(row.get("now")?),
        role: Some((text("role")?, text("superuser")? == "on")),
        may_change,
        indexes,
    })
}
