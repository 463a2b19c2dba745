//! PostgreSQL: a bounded pool of threads, each with a connection of its own. What one closure needs at once is
//! sent at once (pipelined): round trips, not rows, are what costs here.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use futures_util::future::try_join_all;
use kernel::{Duration, Error, Result};
use tokio::runtime::Runtime;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut};
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::failure;
use crate::queue::{End, Queue, Work, pending};
use crate::tx::{Access, Inserted, Side};
use crate::{DbFailure, Limits, PoolState, Row, Tx, TxError, Value, Wake};

/// How often a closure is tried again after a conflict or a connection lost before COMMIT.
const ATTEMPTS: u32 = 6;
/// Prepared statements kept for each connection.
const STATEMENTS: usize = 400;
/// The NOTIFY channel of all nodes; its payload is the topic.
const CHANNEL: &str = "makegood";
/// PostgreSQL counts microseconds from 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

pub(crate) struct Postgres {
    queue: Arc<Queue>,
    size: usize,
    threads: Vec<JoinHandle<()>>,
    listener: tokio::task::JoinHandle<()>,
}

impl Postgres {
    pub(crate) async fn connect(url: &str, limits: Limits, wake: Wake) -> Result<Self> {
        let config = Arc::new(configure(url, &limits)?);
        let listener = tokio::spawn(listen(config.clone(), wake.clone()));
        let queue = Arc::new(Queue::new(limits.queue_max));
        let mut threads = Vec::new();
        for n in 0..limits.pool_max.max(1) {
            let worker = Worker {
                config: config.clone(),
                queue: queue.clone(),
                wake: wake.clone(),
                limits: limits.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("db-pool-{n}"));
            threads.push(thread.spawn(move || worker.run()).map_err(|e| Error::Bug(Box::new(e)))?);
        }
        let this = Postgres { queue, size: limits.pool_max.max(1), threads, listener };
        match this.run("db.connect", Access::Read, |tx| tx.count("SELECT 1::bigint", &[])).await {
            Ok(_) => Ok(this),
            Err(TxError::Refused(error)) => Err(error),
            Err(TxError::Busy(text) | TxError::Unknown(text)) => Err(Error::Busy(text)),
        }
    }

    pub(crate) async fn run<R, F>(&self, name: &'static str, access: Access, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        let (work, answer) = pending(name, work);
        self.queue.push(Box::new(Accessed { work, access }))?;
        answer.await.unwrap_or_else(|_| Err(TxError::Unknown(format!("the database closed during `{name}`"))))
    }

    pub(crate) fn pool(&self) -> PoolState {
        let (busy, waiting) = self.queue.busy_and_waiting();
        PoolState { size: self.size, busy, waiting }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

/// Work that says first whether it only reads.
struct Accessed {
    work: Box<dyn Work>,
    access: Access,
}

impl Work for Accessed {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        if let Side::Postgres(side) = tx.side() {
            side.access = self.access;
        }
        self.work.run(tx)
    }
    fn finish(self: Box<Self>, end: End) {
        self.work.finish(end);
    }
    fn given_up(&self, wait_max: Duration) -> bool {
        self.work.given_up(wait_max)
    }
    fn name(&self) -> &'static str {
        self.work.name()
    }
}

/// Reads the URL. Several hosts and `target_session_attrs=read-write` are understood by the driver.
fn configure(url: &str, limits: &Limits) -> Result<Config> {
    // The driver knows no `verify-full`; here `require` verifies anyway.
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = url
        .parse()
        .map_err(|e: tokio_postgres::Error| Error::invalid("DATABASE_URL", format!("cannot be read: {e}")))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(limits.wait_max);
    }
    // Seconds here, although libpq counts the same option in milliseconds.
    config.tcp_user_timeout(Duration::from_secs(5));
    config.keepalives_idle(Duration::from_secs(10));
    if config.get_application_name().is_none() {
        config.application_name("makegood");
    }
    Ok(config)
}

struct Worker {
    config: Arc<Config>,
    queue: Arc<Queue>,
    wake: Wake,
    limits: Limits,
}

impl Worker {
    fn run(self) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            tracing::error!("no runtime for a database thread");
            return;
        };
        let mut session = None;
        while let Some(batch) = self.queue.pop(1) {
            for work in batch {
                if work.given_up(self.limits.wait_max) {
                    tracing::warn!(name = work.name(), "connection pool exhausted");
                    work.finish(End::Busy("connection pool exhausted: waited too long".into()));
                } else {
                    self.serve(&runtime, &mut session, work);
                }
            }
            self.queue.done();
        }
    }

    /// Runs one closure to its end; what was certainly not committed is tried again.
    fn serve(&self, runtime: &Runtime, session: &mut Option<Session>, mut work: Box<dyn Work>) {
        for attempt in 1.. {
            let end = self.attempt(runtime, session, &mut *work);
            match end {
                Attempt::Again(_) if attempt < ATTEMPTS => {
                    std::thread::sleep(Duration::from_millis(3 << attempt));
                }
                Attempt::Again(why) => return work.finish(End::Busy(why)),
                Attempt::End(end) => return work.finish(end),
            }
        }
    }

    fn attempt(&self, runtime: &Runtime, kept: &mut Option<Session>, work: &mut dyn Work) -> Attempt {
        let mut session = match kept.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => match Session::open(runtime, &self.config) {
                Ok(session) => session,
                Err(error) => {
                    tracing::warn!(%error, "Database connection failed");
                    return Attempt::Again(error.to_string());
                }
            },
        };
        let side = PostgresTx {
            runtime,
            session: &mut session,
            begun: false,
            access: Access::Write,
            patience: self.limits.transaction_max,
        };
        let mut tx = Tx::new(Side::Postgres(side));
        let result = work.run(&mut tx);
        let topics = tx.take_wakes();
        let Side::Postgres(side) = tx.side() else { return Attempt::End(End::Committed) };
        let end = match result {
            Ok(()) => side.commit(&topics),
            Err(error) => side.roll_back(error),
        };
        if matches!(end, Attempt::End(End::Committed)) {
            topics.iter().for_each(|topic| self.wake.ring(topic));
        }
        // A connection that failed in any way is not trusted again.
        if !matches!(end, Attempt::End(End::Unknown(_))) && !session.client.is_closed() {
            *kept = Some(session);
        }
        end
    }
}

enum Attempt {
    End(End),
    Again(String),
}

struct Session {
    client: Client,
    statements: BTreeMap<String, Statement>,
    /// The server gave up waiting for its standby: what it acknowledged may not survive a failover.
    unsafe_commit: Arc<AtomicBool>,
}

impl Session {
    fn open(runtime: &Runtime, config: &Config) -> Result<Self> {
        runtime.block_on(async {
            let unsafe_commit = Arc::new(AtomicBool::new(false));
            let client = connect(config, {
                let flag = unsafe_commit.clone();
                move |message| {
                    if let AsyncMessage::Notice(notice) = message
                        && notice.message().contains("canceling wait for synchronous replication")
                    {
                        flag.store(true, Ordering::SeqCst);
                    }
                }
            })
            .await?;
            client
                .batch_execute(
                    "SET timezone='UTC'; SET statement_timeout='30s'; SET lock_timeout='5s';
                     SET idle_in_transaction_session_timeout='30s'; SET jit=off",
                )
                .await
                .map_err(failed)?;
            let setting: String =
                client.query_one("SHOW synchronous_commit", &[]).await.map_err(failed)?.get(0);
            if matches!(setting.as_str(), "off" | "local") {
                tracing::warn!(setting, "synchronous_commit is off: an acknowledged webhook could be lost");
            }
            Ok(Session { client, statements: BTreeMap::new(), unsafe_commit })
        })
    }
}

/// Connects, with TLS when the URL asks for it, and keeps the connection going in the background.
async fn connect(config: &Config, on_message: impl FnMut(AsyncMessage) + Send + 'static) -> Result<Client> {
    let lost = |e: tokio_postgres::Error| DbFailure::ConnectionLost(describe(&e));
    if config.get_ssl_mode() == SslMode::Require {
        let (tls, _) = MakeRustlsConnect::with_native_certs()
            .map_err(|e| DbFailure::ConnectionLost(format!("no certificates of this system: {e:?}")))?;
        let (client, connection) = config.connect(tls).await.map_err(lost)?;
        tokio::spawn(keep_going(connection, on_message));
        return Ok(client);
    }
    let mut plain = config.clone();
    plain.ssl_mode(SslMode::Disable);
    let (client, connection) = plain.connect(NoTls).await.map_err(lost)?;
    tokio::spawn(keep_going(connection, on_message));
    Ok(client)
}

async fn keep_going<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    mut on_message: impl FnMut(AsyncMessage),
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        on_message(message);
    }
}

/// Rings the bells here when another node's commit asked for it. When the connection is gone, polling is the net.
async fn listen(config: Arc<Config>, wake: Wake) {
    loop {
        let closed = Arc::new(tokio::sync::Notify::new());
        let (bells, ended) = (wake.clone(), Closing(closed.clone()));
        let on_message = move |message| {
            let _ = &ended;
            if let AsyncMessage::Notification(notification) = message {
                bells.ring(notification.payload());
            }
        };
        if let Ok(client) = connect(&config, on_message).await
            && client.batch_execute(&format!("LISTEN {CHANNEL}")).await.is_ok()
        {
            closed.notified().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Tells when the connection that owns it ends.
struct Closing(Arc<tokio::sync::Notify>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The PostgreSQL side of a [`Tx`].
pub(crate) struct PostgresTx<'a> {
    runtime: &'a Runtime,
    session: &'a mut Session,
    begun: bool,
    access: Access,
    patience: Duration,
}

impl PostgresTx<'_> {
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql)?;
        self.at_once(sql, |client| async move { client.execute(&statement, &references(params)).await })
    }

    pub(crate) fn execute_many(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<Vec<u64>> {
        let statement = self.prepare(sql)?;
        self.at_once(sql, |client| {
            let statement = &statement;
            try_join_all(
                rows.iter().map(|row| async move { client.execute(statement, &references(row)).await }),
            )
        })
    }

    pub(crate) fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
        let statement = self.prepare(sql)?;
        let rows =
            self.at_once(sql, |client| async move { client.query(&statement, &references(params)).await })?;
        read_rows(&rows)
    }

    /// Rows go in chunks whose sizes are few, so that few statements are prepared.
    pub(crate) fn insert_many(&mut self, head: &str, tail: &str, rows: &[Vec<Value>]) -> Result<Inserted> {
        let width = rows[0].len();
        let mut chunks = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let size = [64, 16, 4, 1].into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
            let (chunk, more) = rest.split_at(size);
            let statement = self.prepare(&format!("{head} VALUES {} {tail}", placeholders(size, width)))?;
            chunks.push((statement, chunk.concat()));
            rest = more;
        }
        let returning = tail.contains("RETURNING");
        let answers: Vec<(u64, Vec<tokio_postgres::Row>)> = self.at_once(head, |client| {
            try_join_all(chunks.iter().map(|(statement, params)| async move {
                if returning {
                    let rows = client.query(statement, &references(params)).await?;
                    Ok((rows.len() as u64, rows))
                } else {
                    Ok((client.execute(statement, &references(params)).await?, Vec::new()))
                }
            }))
        })?;
        let mut inserted = Inserted::default();
        for (count, rows) in answers {
            inserted.count += count;
            inserted.rows.extend(read_rows(&rows)?);
        }
        Ok(inserted)
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.session.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.session.statements.len() >= STATEMENTS {
            self.session.statements.clear();
        }
        let statement =
            self.runtime.block_on(self.session.client.prepare(sql)).map_err(|e| failed_in(sql, e))?;
        self.session.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends what `ask` asks; the first time together with BEGIN, which saves a round trip.
    fn at_once<'c, T, F, A>(&'c mut self, sql: &str, ask: F) -> Result<T>
    where
        F: FnOnce(&'c Client) -> A,
        A: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let client = &self.session.client;
        let begin = match (self.begun, self.access) {
            (true, _) => None,
            (false, Access::Write) => Some("BEGIN"),
            (false, Access::Read) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        };
        self.begun = true;
        let patience = self.patience;
        let answer = self.runtime.block_on(async move {
            tokio::time::timeout(patience, async move {
                match begin {
                    Some(begin) => tokio::try_join!(client.batch_execute(begin), ask(client)).map(|(_, t)| t),
                    None => ask(client).await,
                }
            })
            .await
        });
        match answer {
            Ok(result) => result.map_err(|e| failed_in(sql, e)),
            Err(_) => Err(DbFailure::ConnectionLost(format!("no answer in {patience:?} to: {sql}")).into()),
        }
    }

    fn commit(&mut self, topics: &std::collections::BTreeSet<&'static str>) -> Attempt {
        if !self.begun {
            return Attempt::End(End::Committed);
        }
        let notify: String = topics.iter().map(|topic| format!("NOTIFY {CHANNEL}, '{topic}'; ")).collect();
        let (client, patience) = (&self.session.client, self.patience);
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(patience, client.batch_execute(&format!("{notify}COMMIT"))).await
        });
        let unsafe_commit = self.session.unsafe_commit.swap(false, Ordering::SeqCst);
        match answer {
            Ok(Ok(())) if unsafe_commit => {
                Attempt::End(End::Unknown("committed here, but the standby did not confirm it".into()))
            }
            Ok(Ok(())) => Attempt::End(End::Committed),
            // The server said no: nothing was committed.
            Ok(Err(error)) if error.as_db_error().is_some() => self.roll_back(failed(error)),
            Ok(Err(error)) => Attempt::End(End::Unknown(describe(&error))),
            Err(_) => Attempt::End(End::Unknown(format!("no answer to COMMIT in {patience:?}"))),
        }
    }

    fn roll_back(&mut self, error: Error) -> Attempt {
        if self.begun {
            let (client, patience) = (&self.session.client, self.patience);
            // If even this fails, the connection is dropped and the server rolls back by itself.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(patience, client.batch_execute("ROLLBACK")).await });
        }
        match failure(&error) {
            Some(DbFailure::Conflict(text) | DbFailure::ConnectionLost(text)) => Attempt::Again(text.clone()),
            _ => Attempt::End(End::RolledBack(error)),
        }
    }
}

fn placeholders(rows: usize, width: usize) -> String {
    let row = |at: usize| {
        let marks: Vec<String> = (1..=width).map(|n| format!("${}", at * width + n)).collect();
        format!("({})", marks.join(","))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(",")
}

fn references(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn read_rows(rows: &[tokio_postgres::Row]) -> Result<Vec<Row>> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let cells = (0..names.len()).map(|at| row.try_get::<_, Value>(at)).collect::<Result<_, _>>();
            Ok(Row::new(names.clone(), cells.map_err(failed)?))
        })
        .collect()
}

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Bool(v), _) => v.to_sql(ty, out),
            (Value::Int(v), &Type::INT4) => i32::try_from(*v)?.to_sql(ty, out),
            (Value::Int(v), &Type::INT2) => i16::try_from(*v)?.to_sql(ty, out),
            (Value::Int(v), &Type::FLOAT8) => (*v as f64).to_sql(ty, out),
            (Value::Int(v), &Type::TEXT) => v.to_string().to_sql(ty, out),
            (Value::Int(v), _) => v.to_sql(ty, out),
            (Value::Float(v), _) => v.to_sql(ty, out),
            (Value::Text(v), &Type::UUID) => v.parse::<uuid::Uuid>()?.to_sql(ty, out),
            (Value::Text(v), &Type::TIMESTAMPTZ) => v.parse().map(Value::Time)?.to_sql(ty, out),
            (Value::Text(v) | Value::Json(v), &Type::JSONB) => {
                out.extend_from_slice(&[1]);
                v.to_sql(&Type::TEXT, out)
            }
            (Value::Text(v) | Value::Json(v), _) => v.to_sql(&Type::TEXT, out),
            (Value::Time(v), &Type::TEXT) => v.to_string().to_sql(ty, out),
            (Value::Time(v), _) => (v.micros() - EPOCH_MICROS).to_sql(&Type::INT8, out),
            (Value::Uuid(v), &Type::TEXT) => v.to_string().to_sql(ty, out),
            (Value::Uuid(v), _) => v.to_sql(ty, out),
            (Value::Bytes(v), _) => v.to_sql(ty, out),
            (Value::Array(v), _) => v.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(match *ty {
            Type::BOOL => Value::Bool(bool::from_sql(ty, raw)?),
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Value::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Value::Int(i16::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Value::Float(f64::from_sql(ty, raw)?),
            Type::UUID => Value::Uuid(uuid::Uuid::from_sql(ty, raw)?),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => {
                Value::Time(kernel::Timestamp::from_micros(i64::from_sql(&Type::INT8, raw)? + EPOCH_MICROS))
            }
            Type::JSONB => Value::Json(std::str::from_utf8(raw.get(1..).unwrap_or_default())?.to_owned()),
            Type::JSON => Value::Json(std::str::from_utf8(raw)?.to_owned()),
            Type::BYTEA => Value::Bytes(raw.to_vec()),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::CHAR | Type::UNKNOWN => {
                Value::Text(std::str::from_utf8(raw)?.to_owned())
            }
            ref other => return Err(format!("a column of type {other}: cast it in the statement").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Boxed> {
        Ok(Value::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn failed(error: tokio_postgres::Error) -> Error {
    failed_in("", error)
}

fn failed_in(sql: &str, error: tokio_postgres::Error) -> Error {
    let text = if sql.is_empty() { describe(&error) } else { format!("{} in: {sql}", describe(&error)) };
    let Some(code) = error.code() else {
        // Without a code from the server it is the connection, or a value that does not fit its column.
        return match error.is_closed()
            || std::error::Error::source(&error).is_some_and(|s| s.is::<std::io::Error>())
        {
            true => DbFailure::ConnectionLost(text).into(),
            false => DbFailure::Other(text).into(),
        };
    };
    match code {
        &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::LOCK_NOT_AVAILABLE => DbFailure::Conflict(text),
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW => {
            DbFailure::ConnectionLost(text)
        }
        // A prepared statement whose table changed under it: a new connection prepares it anew.
        &SqlState::FEATURE_NOT_SUPPORTED if text.contains("cached plan") => DbFailure::ConnectionLost(text),
        code if code.code().starts_with("23") => DbFailure::Constraint(text),
        _ => DbFailure::Other(text),
    }
    .into()
}

/// The driver's own text says only "db error"; the sentence is in its source.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
