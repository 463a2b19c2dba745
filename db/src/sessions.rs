//! Who else is connected to the database, and what may be cut: connections that sit idle, or hold a transaction open.
//! SQLite has no server that would know.

use kernel::{Duration, Result};

use crate::{Db, Dialect, Row, Tx, TxError};

/// A connection to this database that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The server's number for it.
    pub id: i64,
    /// What its program calls itself, and as whom it speaks.
    pub who: String,
    /// Like `idle`, `idle in transaction`, `active`.
    pub state: String,
    /// For how long.
    pub for_how_long: Duration,
}

impl Session {
    /// True when it has begun something and goes no further: what it has locked stays locked.
    pub fn holds_a_transaction(&self) -> bool {
        self.state.starts_with("idle in transaction")
    }
    /// True when it does nothing.
    pub fn is_idle(&self) -> bool {
        self.state.starts_with("idle")
    }
}

/// All that are connected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// How many the server has, to all of its databases.
    pub taken: u64,
    /// How many it takes; none where there is no server.
    pub most: Option<u64>,
    /// Those to this database that this program has not opened, the longest in their state first.
    pub others: Vec<Session>,
}

/// Ours are known by how they call themselves; see `configure` in postgres.rs.
const OTHERS: &str =
    "datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
     AND application_name <> current_setting('application_name')";

impl Db {
    /// Everybody who is connected, as far as this role may see it.
    pub async fn sessions(&self) -> Result<Sessions> {
        self.read("db.sessions", sessions).await
    }

    /// Cuts those of these connections that are still idle. Gives the numbers of those that were cut.
    ///
    /// # Errors
    /// When this role may not; whether anything was cut is then unknown.
    pub async fn cut(&self, idle: Vec<i64>) -> Result<Vec<i64>, TxError> {
        self.write("db.cut", move |tx| match tx.dialect() {
            Dialect::Sqlite => Ok(Vec::new()),
            Dialect::Postgres => idle.iter().filter_map(|id| cut(tx, *id).transpose()).collect(),
        })
        .await
    }
}

fn sessions(tx: &mut Tx<'_>) -> Result<Sessions> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(Sessions::default());
    }
    let row = tx.query_one(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken,
           current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint AS most",
        &[],
    )?;
    let (taken, most): (i64, i64) = (row.get("taken")?, row.get("most")?);
    let sql = format!(
        "SELECT pid::bigint AS id, coalesce(nullif(application_name, ''), 'a program without a name') AS program,
           coalesce(usename::text, 'nobody') AS role, coalesce(state, 'hidden from this role') AS state,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - state_change), 0) * 1000)::bigint AS millis
         FROM pg_stat_activity WHERE {OTHERS} ORDER BY millis DESC, pid"
    );
    Ok(Sessions {
        taken: taken.unsigned_abs(),
        most: Some(most.unsigned_abs()),
        others: tx.query(&sql, &[])?.iter().map(session).collect::<Result<_>>()?,
    })
}

fn session(row: &Row) -> Result<Session> {
    let (program, role): (String, String) = (row.get("program")?, row.get("role")?);
    let millis: i64 = row.get("millis")?;
    Ok(Session {
        id: row.get("id")?,
        who: format!("{program} as {role}"),
        state: row.get("state")?,
        for_how_long: Duration::from_millis(millis.unsigned_abs()),
    })
}

/// It may have begun to work since it was looked at: then it is left alone.
fn cut(tx: &mut Tx<'_>, id: i64) -> Result<Option<i64>> {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity
         WHERE {OTHERS} AND pid::bigint = $1 AND state LIKE 'idle%'"
    );
    let row = tx.query_opt(&sql, &[id.into()])?;
    Ok(row.map(|row| row.get::<bool>("cut")).transpose()?.filter(|cut| *cut).map(|_| id))
}
