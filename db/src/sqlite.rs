//! SQLite: one writer thread whose queued closures share a commit, a few readers, and a thread that copies the
//! write-ahead log back into the file, away from the write path.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use kernel::{Duration, Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};

use crate::error::failure;
use crate::health::{Health, Pulse};
use crate::queue::{End, Queue, Work, join, pending, watch};
use crate::tx::{Inserted, Side};
use crate::{DbFailure, Dialect, Limits, Part, PoolState, Row, Tx, TxError, Value, Wake};

/// How many closures share one commit at most; more would only make the first one wait longer.
const SHARED_COMMIT: usize = 256;
const READERS: usize = 4;
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// How long a checkpoint may hold up the writer while it waits for a long read to end.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(50);

pub(crate) struct Sqlite {
    writes: Arc<Queue>,
    reads: Arc<Queue>,
    pulse: Arc<Pulse>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, limits: &Limits, wake: Wake) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|e| DbFailure::Other(format!("cannot create {}: {e}", folder.display())))?;
        }
        made_for_us_alone(path);
        // All connections first: when one cannot be had, no thread is left behind.
        let writer = connect(path)?;
        let readers = (0..READERS).map(|_| connect_reader(path)).collect::<Result<Vec<_>>>()?;
        let copier = connect(path)?;
        copier.busy_timeout(CHECKPOINT_WAIT).map_err(failed)?;

        let writes = Arc::new(Queue::new(limits.queue_max, limits.wait_max, "the writer is busy"));
        let reads = Arc::new(Queue::new(limits.queue_max, limits.wait_max, "all readers are busy"));
        let pulse = Arc::new(Pulse::new());
        let stop = Arc::new(AtomicBool::new(false));
        let mut this = Sqlite { writes, reads, pulse, stop, threads: Vec::new() };

        let (queue, pulse) = (this.writes.clone(), this.pulse.clone());
        this.spawn("db-writer", move || write_all(&writer, &queue, &pulse, &wake))?;
        for reader in readers {
            let queue = this.reads.clone();
            this.spawn("db-reader", move || read_all(&reader, &queue))?;
        }
        let stop = this.stop.clone();
        this.spawn("db-checkpoint", move || checkpoint(&copier, &stop))?;
        let (queues, stop) = ([this.writes.clone(), this.reads.clone()], this.stop.clone());
        this.spawn("db-watch", move || watch(&queues, &stop))?;
        Ok(this)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        self.threads.push(thread.map_err(|e| Error::Bug(Box::new(e)))?);
        Ok(())
    }

    pub(crate) async fn write<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        submit(&self.writes, name, work).await
    }

    pub(crate) async fn read<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        submit(&self.reads, name, work).await
    }

    pub(crate) fn push(&self, work: Box<dyn Work>) -> Result<(), TxError> {
        self.writes.push(work)
    }

    pub(crate) fn pool(&self) -> PoolState {
        let (writing, write_wait) = self.writes.busy_and_waiting();
        let (reading, read_wait) = self.reads.busy_and_waiting();
        PoolState {
            size: 1 + READERS,
            busy: writing + reading,
            waiting: write_wait + read_wait,
            refused: self.writes.refused() + self.reads.refused(),
        }
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
        self.stop.store(true, Ordering::SeqCst);
        join(std::mem::take(&mut self.threads));
    }
}

async fn submit<R, F>(queue: &Queue, name: &'static str, work: F) -> Result<R, TxError>
where
    F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    let (work, answer) = pending(name, work);
    queue.push(work)?;
    answer.await.unwrap_or_else(|_| Err(TxError::Unknown(format!("the database closed during `{name}`"))))
}

/// Buyers stand in it: it is nobody else's to read, and neither are the files that SQLite puts beside it. One that is there
/// stays as it is; where none can be made, opening it says why.
fn made_for_us_alone(path: &Path) {
    // A URI is SQLite's to read.
    if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
        return;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// Opens the file as it must be: WAL with full sync, because WAL with `synchronous=NORMAL` loses acknowledged
/// commits in a power cut; foreign keys on; the log is copied back by a thread of its own.
pub(crate) fn connect(path: &Path) -> Result<Connection> {
    let unfit = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied,
        ) => {
            let text = format!("{} cannot be opened: {error}", path.display());
            DbFailure::Misconfigured(Part::File, text).into()
        }
        _ => failed(error),
    };
    let connection = Connection::open(path).map_err(unfit)?;
    prepare(&connection).map_err(unfit)?;
    let journal: String =
        connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0)).map_err(unfit)?;
    let sync: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(unfit)?;
    if journal != "wal" || sync != 2 {
        let text = format!(
            "{}: journal {journal}, synchronous {sync}; expected wal and 2 (is this a network file system?)",
            path.display()
        );
        return Err(DbFailure::Misconfigured(Part::File, text).into());
    }
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection> {
    let reader = connect(path)?;
    reader.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(reader)
}

pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0;
             PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(256);
    // A plan must not depend on bound values: otherwise `status = $1` on a table with a partial index on that column
    // is compiled again with every execution (https://www.sqlite.org/c3ref/c_dbconfig_defensive.html, ENABLE_QPSG).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn write_all(connection: &Connection, queue: &Queue, pulse: &Pulse, wake: &Wake) {
    while let Some(batch) = queue.pop(SHARED_COMMIT) {
        write_batch(connection, batch, pulse, wake);
        queue.done();
    }
}

/// Runs a batch of closures, each in a savepoint of its own, and commits them together.
fn write_batch(connection: &Connection, batch: Vec<Box<dyn Work>>, pulse: &Pulse, wake: &Wake) {
    if pulse.health() == Health::Failed {
        return refuse(batch, "the disk failed under a commit; restart makegood");
    }
    if let Err(error) = cached(connection, "BEGIN IMMEDIATE") {
        return refuse(batch, &error.to_string());
    }
    let mut kept = Vec::with_capacity(batch.len());
    let mut topics = std::collections::BTreeSet::new();
    let mut batch = batch.into_iter();
    while let Some(mut work) = batch.next() {
        let mut tx = Tx::new(Side::Sqlite(SqliteTx { connection }));
        match in_savepoint(connection, &mut *work, &mut tx) {
            Ok(()) => {
                topics.extend(tx.take_wakes());
                kept.push(work);
            }
            Err(error) => {
                if matches!(failure(&error), Some(DbFailure::NoSpace(_))) {
                    pulse.is_now(Health::Full);
                }
                work.finish(End::RolledBack(error));
            }
        }
        // After some failures (a full disk, an unreadable page) SQLite rolls back the whole transaction by itself:
        // what the neighbours did is undone, and what follows must not run outside of any transaction.
        if connection.is_autocommit() {
            refuse(kept, "a neighbour's failure undid this transaction");
            return write_batch(connection, batch.collect(), pulse, wake);
        }
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => {
            if pulse.is_now(Health::Well) {
                tracing::info!("COMMIT found room again");
            }
            kept.into_iter().for_each(|work| work.finish(End::Committed));
            topics.into_iter().for_each(|topic| wake.ring(topic));
        }
        // A rule that is checked only at COMMIT: alone, each hears whether it was the one that broke it.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            let _ = connection.execute_batch("ROLLBACK");
            match kept.len() {
                1 => {
                    let error = failed(error).to_string();
                    let refused = |work: Box<dyn Work>| {
                        work.finish(End::RolledBack(DbFailure::Constraint(error.clone()).into()));
                    };
                    kept.into_iter().for_each(refused);
                }
                _ => kept.into_iter().for_each(|work| write_batch(connection, vec![work], pulse, wake)),
            }
        }
        Err(error) => {
            // Either way it is open whether the log holds the commit. Without room what is tried next is written over it;
            // after a disk that failed nothing is acknowledged any more until a start has read the log again.
            if error.sqlite_error_code() != Some(ErrorCode::DiskFull) {
                tracing::error!(%error, "COMMIT failed; no longer accepting writes");
                pulse.is_now(Health::Failed);
            } else if pulse.is_now(Health::Full) {
                tracing::error!(%error, "COMMIT found the disk full; writes go on when there is room");
            }
            let _ = connection.execute_batch("ROLLBACK");
            let text = error.to_string();
            kept.into_iter().for_each(|work| work.finish(End::Unknown(text.clone())));
        }
    }
}

fn refuse(batch: Vec<Box<dyn Work>>, why: &str) {
    batch.into_iter().for_each(|work| work.finish(End::Busy(why.to_owned())));
}

fn in_savepoint(connection: &Connection, work: &mut dyn Work, tx: &mut Tx<'_>) -> Result<()> {
    let step = |sql| cached(connection, sql);
    step("SAVEPOINT closure")?;
    let result = work.run(tx);
    if result.is_err() {
        tracing::debug!(name = work.name(), "rolled back");
    }
    let undone = if result.is_err() { step("ROLLBACK TO closure") } else { Ok(()) };
    let closed = undone.and_then(|()| step("RELEASE closure"));
    if closed.is_err() && !connection.is_autocommit() {
        // What this closure did cannot be told apart any more from what its neighbours did: undo all.
        let _ = step("ROLLBACK");
    }
    result.and(closed)
}

fn read_all(connection: &Connection, queue: &Queue) {
    while let Some(batch) = queue.pop(1) {
        for mut work in batch {
            let mut tx = Tx::new(Side::Sqlite(SqliteTx { connection }));
            let result = cached(connection, "BEGIN").and_then(|()| work.run(&mut tx));
            let closed = cached(connection, "COMMIT").or_else(|_| cached(connection, "ROLLBACK"));
            work.finish(match result.and(closed) {
                Ok(()) => End::Committed,
                Err(error) => End::RolledBack(error),
            });
        }
        queue.done();
    }
}

pub(crate) fn cached(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(failed)?;
    Ok(())
}

/// Copies the log into the file again and again, so that no commit has to. Restarts the log when it has grown.
fn checkpoint(connection: &Connection, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        std::thread::park_timeout(CHECKPOINT_EVERY);
        let pages = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1));
        match pages {
            // 16,000 pages are 64 MiB: past that, hold up the writer for a moment and start the log anew.
            Ok(pages) if pages > 16_000 => {
                let _ = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be copied back; it grows"),
        }
    }
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// The SQLite side of a [`Tx`].
pub(crate) struct SqliteTx<'a> {
    pub(crate) connection: &'a Connection,
}

impl SqliteTx<'_> {
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.execute_many(sql, std::iter::once(params)).map(|touched| touched.into_iter().sum())
    }

    /// Prepares once and runs for each row.
    pub(crate) fn execute_many<'p>(
        &mut self,
        sql: &str,
        rows: impl Iterator<Item = &'p [Value]>,
    ) -> Result<Vec<u64>> {
        let sql = Dialect::parameters(sql);
        let failed = |error| failed_in(&sql, error);
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut run = |params| {
            bind(&mut statement, params).map_err(failed)?;
            statement.raw_execute().map(|count| count as u64).map_err(failed)
        };
        rows.map(&mut run).collect()
    }

    pub(crate) fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
        self.query_many(sql, std::iter::once(params))
    }

    fn query_many<'p>(&mut self, sql: &str, rows: impl Iterator<Item = &'p [Value]>) -> Result<Vec<Row>> {
        let sql = Dialect::parameters(sql);
        let failed = |error| failed_in(&sql, error);
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut names: Option<Arc<[String]>> = None;
        let mut all = Vec::new();
        for params in rows {
            bind(&mut statement, params).map_err(failed)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(failed)? {
                // Asked only now: the first step compiles a kept statement anew when its table has changed.
                let names =
                    names.get_or_insert_with(|| row.as_ref().column_names().map(str::to_owned).collect());
                let cells = (0..names.len()).map(|at| row.get_ref(at).map(cell)).collect::<Result<_, _>>();
                all.push(Row::new(names.clone(), cells.map_err(failed)?));
            }
        }
        Ok(all)
    }

    pub(crate) fn insert_many(&mut self, head: &str, tail: &str, rows: &[Vec<Value>]) -> Result<Inserted> {
        let marks: Vec<String> = (1..=rows[0].len()).map(|n| format!("${n}")).collect();
        let sql = format!("{head} VALUES ({}) {tail}", marks.join(", "));
        let each = rows.iter().map(Vec::as_slice);
        if tail.contains("RETURNING") {
            let rows = self.query_many(&sql, each)?;
            return Ok(Inserted { count: rows.len() as u64, rows });
        }
        let count = self.execute_many(&sql, each)?.into_iter().sum();
        Ok(Inserted { count, rows: Vec::new() })
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    // SQLite reads a parameter that was not bound as NULL; PostgreSQL refuses, and so do we.
    if statement.parameter_count() != params.len() {
        return Err(rusqlite::Error::InvalidParameterCount(params.len(), statement.parameter_count()));
    }
    for (at, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::Value as Owned;
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Bool(v) => ToSqlOutput::Borrowed(ValueRef::Integer((*v).into())),
            Value::Int(v) => ToSqlOutput::Borrowed(ValueRef::Integer(*v)),
            Value::Float(v) => ToSqlOutput::Borrowed(ValueRef::Real(*v)),
            Value::Text(v) | Value::Json(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Value::Bytes(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
            Value::Time(v) => ToSqlOutput::Owned(Owned::Text(v.to_string())),
            Value::Uuid(v) => ToSqlOutput::Owned(Owned::Text(v.to_string())),
            Value::Array(v) => ToSqlOutput::Owned(Owned::Text(json_array(v))),
        })
    }
}

fn json_array(values: &[Value]) -> String {
    let json: Vec<serde_json::Value> = values
        .iter()
        .map(|value| match value {
            Value::Int(v) => (*v).into(),
            Value::Bool(v) => i64::from(*v).into(),
            Value::Time(v) => v.to_string().into(),
            Value::Uuid(v) => v.to_string().into(),
            Value::Text(v) | Value::Json(v) => v.clone().into(),
            _ => serde_json::Value::Null,
        })
        .collect();
    serde_json::Value::Array(json).to_string()
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Int(v),
        ValueRef::Real(v) => Value::Float(v),
        ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
        ValueRef::Blob(v) => Value::Bytes(v.to_vec()),
    }
}

pub(crate) fn failed(error: rusqlite::Error) -> Error {
    failed_in("", error)
}

fn failed_in(sql: &str, error: rusqlite::Error) -> Error {
    let text = if sql.is_empty() { error.to_string() } else { format!("{error} in: {sql}") };
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => DbFailure::Constraint(text),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DbFailure::Conflict(text),
        Some(ErrorCode::DiskFull) => DbFailure::NoSpace(text),
        _ => DbFailure::Other(text),
    }
    .into()
}
