//! PostgreSQL: a bounded pool of threads, each with a connection of its own. What one closure needs at once is
//! sent at once (pipelined): round trips, not rows, are what costs here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use futures_util::future::try_join_all;
use kernel::{Duration, Error, Result};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, private::BytesMut};
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::queue::{End, Queue, Work, join, pending, watch};
use crate::tx::{Access, Inserted, Setback, Side};
use crate::{DbFailure, Limits, Part, PoolState, Row, Tx, TxError, Value, Wake};

/// How often a closure is tried again after a conflict or a connection lost before COMMIT.
const ATTEMPTS: u32 = 6;
/// Prepared statements kept for each connection.
const STATEMENTS: usize = 400;
/// How long one statement of a migration may take.
const MIGRATION_MAX: Duration = Duration::from_secs(4 * 3600);
/// The NOTIFY channel of all nodes; its payload is the topic.
const CHANNEL: &str = "makegood";
/// Other nodes are not told more often than this that there is work.
const RING_PAUSE: Duration = Duration::from_millis(2);
/// PostgreSQL counts microseconds from 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

pub(crate) struct Postgres {
    queue: Arc<Queue>,
    size: usize,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    listener: tokio::task::JoinHandle<()>,
}

impl Postgres {
    pub(crate) async fn connect(url: &str, limits: Limits, wake: Wake) -> Result<Self> {
        let config = Arc::new(configure(url, &limits)?);
        // Whom the server does not let in is told so at once. One that is away may be back for the next attempt.
        if let Err(refused @ DbFailure::Misconfigured(..)) = connect_in_time(&config, |_| {}).await {
            return Err(refused.into());
        }
        let (hears, listening) = tokio::sync::oneshot::channel();
        let rings = Arc::new(Rings::default());
        let listener = tokio::spawn(listen(config.clone(), wake.clone(), rings.clone(), hears));
        let queue = Arc::new(Queue::new(limits.queue_max, limits.wait_max, "connection pool exhausted"));
        let (size, stop) = (limits.pool_max.max(1), Arc::new(AtomicBool::new(false)));
        let mut this = Postgres { queue, size, stop, threads: Vec::new(), listener };
        for n in 0..size {
            let worker = Worker {
                config: config.clone(),
                queue: this.queue.clone(),
                wake: wake.clone(),
                rings: rings.clone(),
                limits: limits.clone(),
            };
            this.spawn(format!("db-pool-{n}"), move || worker.run())?;
        }
        let (queues, stop) = ([this.queue.clone()], this.stop.clone());
        this.spawn("db-watch".into(), move || watch(&queues, &stop))?;
        match this.run("db.connect", Access::Read, |tx| tx.count("SELECT 1::bigint", &[])).await {
            Ok(_) => {}
            Err(TxError::Refused(error)) => return Err(error),
            Err(TxError::Busy(text) | TxError::Unknown(text)) => return Err(Error::Busy(text)),
        }
        // Rings are a comfort: without the listener work is found by polling, only later.
        let _ = tokio::time::timeout(limits.wait_max, listening).await;
        Ok(this)
    }

    fn spawn(&mut self, name: String, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name).spawn(run);
        self.threads.push(thread.map_err(|e| Error::Bug(Box::new(e)))?);
        Ok(())
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

    pub(crate) fn push(&self, work: Box<dyn Work>) -> Result<(), TxError> {
        self.queue.push(Box::new(Accessed { work, access: Access::Write }))
    }

    pub(crate) fn pool(&self) -> PoolState {
        let (busy, waiting) = self.queue.busy_and_waiting();
        PoolState { size: self.size, busy, waiting, refused: self.queue.refused() }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
        self.queue.close();
        self.stop.store(true, Ordering::SeqCst);
        join(std::mem::take(&mut self.threads));
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
    fn abandoned(&self) -> bool {
        self.work.abandoned()
    }
    fn age(&self) -> Duration {
        self.work.age()
    }
    fn name(&self) -> &'static str {
        self.work.name()
    }
}

/// Reads the URL. Several hosts and `target_session_attrs=read-write` are understood by the driver.
fn configure(url: &str, limits: &Limits) -> Result<Config> {
    let mut config = crate::url::driven(url)
        .map_err(|error| Error::invalid("", format!("the address cannot be read: {}", describe(&error))))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(limits.wait_max);
    }
    // Seconds here, although libpq counts the same option in milliseconds.
    config.tcp_user_timeout(Duration::from_secs(5));
    // A host that vanished without a word is noticed within half a minute, by the listener too.
    config.keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3);
    if config.get_application_name().is_none() {
        config.application_name("makegood");
    }
    Ok(config)
}

struct Worker {
    config: Arc<Config>,
    queue: Arc<Queue>,
    wake: Wake,
    rings: Arc<Rings>,
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
            batch.into_iter().for_each(|work| self.serve(&runtime, &mut session, work));
            self.queue.done();
        }
    }

    /// Runs one closure to its end; what was certainly not committed is tried again.
    fn serve(&self, runtime: &Runtime, session: &mut Option<Session>, mut work: Box<dyn Work>) {
        let began = Instant::now();
        for attempt in 1.. {
            match self.attempt(runtime, session, &mut *work) {
                Attempt::Again(Setback { why, lost }) => {
                    // A server that does not answer costs time at each attempt: then fewer must do.
                    let patience = if lost { self.limits.wait_max } else { self.limits.transaction_max };
                    if attempt == ATTEMPTS || began.elapsed() >= patience {
                        return work.finish(End::Busy(why));
                    }
                    std::thread::sleep(Duration::from_millis(3 << attempt));
                }
                Attempt::End(end) => return work.finish(end),
            }
        }
    }

    fn attempt(&self, runtime: &Runtime, kept: &mut Option<Session>, work: &mut dyn Work) -> Attempt {
        let mut session = match kept.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => match Session::open(runtime, &self.config, self.limits.transaction_max) {
                Ok(session) => session,
                Err(failure) => {
                    tracing::warn!(%failure, "no connection");
                    return Attempt::Again(Setback { why: failure.to_string(), lost: true });
                }
            },
        };
        let mut tx = Tx::new(Side::Postgres(PostgresTx {
            runtime,
            session: &mut session,
            begun: false,
            alone: Alone::No,
            access: Access::Write,
            transaction_max: self.limits.transaction_max,
        }));
        let result = work.run(&mut tx);
        let (topics, setback) = (tx.take_wakes(), tx.take_setback());
        let Side::Postgres(side) = tx.side() else { return Attempt::End(End::Committed) };
        let (end, sound) = match (setback, result) {
            // Nobody heard whether the one statement was committed.
            (Some(setback), _) if setback.lost && side.may_be_committed() => {
                (Attempt::End(End::Unknown(setback.why)), false)
            }
            (None, Err(error)) if side.alone == Alone::Committed => {
                let text = format!("committed, and then: {error}");
                (Attempt::End(End::Unknown(text)), true)
            }
            // Whatever the closure made of it: what it saw may not be so, and another attempt may go well.
            (Some(setback), _) => {
                let sound = !setback.lost && side.roll_back();
                (Attempt::Again(setback), sound)
            }
            (None, Err(error)) => {
                let sound = side.roll_back();
                (Attempt::End(End::RolledBack(error)), sound)
            }
            (None, Ok(())) => side.commit(),
        };
        if matches!(end, Attempt::End(End::Committed)) {
            topics.iter().for_each(|topic| self.wake.ring(topic));
            self.rings.send(topics);
        }
        // A connection that failed in any way is not trusted again.
        match sound {
            true => *kept = Some(session),
            false => session.close(runtime),
        }
        end
    }
}

enum Attempt {
    End(End),
    Again(Setback),
}

struct Session {
    client: Client,
    keeper: tokio::task::JoinHandle<()>,
    statements: BTreeMap<String, Statement>,
    /// The server gave up waiting for its standby: what it acknowledged may not survive a failover.
    unsafe_commit: Arc<AtomicBool>,
    /// The server ended the session while nothing was asked of it.
    farewell: Arc<OnceLock<String>>,
}

impl Session {
    fn open(runtime: &Runtime, config: &Config, transaction_max: Duration) -> Result<Self, DbFailure> {
        runtime.block_on(async {
            let unsafe_commit = Arc::new(AtomicBool::new(false));
            let flag = unsafe_commit.clone();
            let on_message = move |message| {
                if let AsyncMessage::Notice(notice) = message
                    && notice.message().starts_with("canceling")
                    && notice.message().contains("wait for synchronous replication")
                {
                    flag.store(true, Ordering::SeqCst);
                }
            };
            let Connected { client, keeper, farewell } = connect_in_time(config, on_message).await?;
            let lost = |e: tokio_postgres::Error| DbFailure::ConnectionLost(describe(&e));
            let settings = format!(
                "SET timezone='UTC'; SET statement_timeout={}; SET lock_timeout='5s';
                 SET idle_in_transaction_session_timeout='30s'; SET jit=off",
                transaction_max.as_millis()
            );
            let asked = async {
                client.batch_execute(&settings).await?;
                client.query_one("SHOW synchronous_commit", &[]).await
            };
            let row = tokio::time::timeout(patience(config), asked).await;
            let row = row.map_err(|_| no_greeting(config))?.map_err(lost)?;
            let setting: &str = row.get(0);
            if matches!(setting, "off" | "local") {
                tracing::warn!(setting, "synchronous_commit is off: an acknowledged webhook could be lost");
            }
            Ok(Session { client, keeper, statements: BTreeMap::new(), unsafe_commit, farewell })
        })
    }

    /// Closes the socket now, so that a server that still works on our last statement lets go of its locks.
    fn close(self, runtime: &Runtime) {
        self.keeper.abort();
        let _ = runtime.block_on(self.keeper);
    }
}

struct Connected {
    client: Client,
    keeper: tokio::task::JoinHandle<()>,
    farewell: Arc<OnceLock<String>>,
}

/// The driver's own limit ends when the socket is open; behind it there may be a server that says nothing.
async fn connect_in_time(
    config: &Config,
    on_message: impl FnMut(AsyncMessage) + Send + 'static,
) -> Result<Connected, DbFailure> {
    let connected = tokio::time::timeout(patience(config), connect(config, on_message)).await;
    connected.map_err(|_| no_greeting(config))?
}

/// Each host of the URL has its time, because the first may be the one that is down.
fn patience(config: &Config) -> Duration {
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
    config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(5)) * hosts as u32
}

fn no_greeting(config: &Config) -> DbFailure {
    DbFailure::ConnectionLost(format!("no greeting in {:?}", patience(config)))
}

/// Connects, with TLS when the URL asks for it, and keeps the connection going in the background.
async fn connect(
    config: &Config,
    on_message: impl FnMut(AsyncMessage) + Send + 'static,
) -> Result<Connected, DbFailure> {
    let farewell = Arc::new(OnceLock::new());
    if config.get_ssl_mode() == SslMode::Require {
        let (client, connection) = config.connect(tls()?).await.map_err(|e| not_connected(&e))?;
        let keeper = tokio::spawn(keep_going(connection, on_message, farewell.clone()));
        return Ok(Connected { client, keeper, farewell });
    }
    let mut plain = config.clone();
    plain.ssl_mode(SslMode::Disable);
    let (client, connection) = plain.connect(NoTls).await.map_err(|e| not_connected(&e))?;
    let keeper = tokio::spawn(keep_going(connection, on_message, farewell.clone()));
    Ok(Connected { client, keeper, farewell })
}

/// Whether the server is away, or there and does not want us so.
fn not_connected(error: &tokio_postgres::Error) -> DbFailure {
    let text = describe(error);
    let part = match error.code() {
        Some(&SqlState::INVALID_CATALOG_NAME) => Part::Database,
        Some(&SqlState::INVALID_PASSWORD) => Part::Password,
        // The server's rules (pg_hba.conf) name what is missing to them.
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) if text.contains("no encryption") => {
            Part::OnlyTls
        }
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION | &SqlState::INSUFFICIENT_PRIVILEGE) => {
            Part::User
        }
        None if text.contains("password missing") => Part::Password,
        None if text.contains("server does not support TLS") => Part::NoTls,
        None if text.contains("invalid peer certificate") => Part::Certificate,
        _ => return DbFailure::ConnectionLost(text),
    };
    DbFailure::Misconfigured(part, text)
}

/// The certificates of this system are read once: there are some hundred of them.
fn tls() -> Result<MakeRustlsConnect, DbFailure> {
    static TLS: OnceLock<MakeRustlsConnect> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    // Which of several providers is meant must be said once for each process; the first word counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (tls, _) = MakeRustlsConnect::with_native_certs()
        .map_err(|e| DbFailure::ConnectionLost(format!("no certificates of this system: {e:?}")))?;
    Ok(TLS.get_or_init(|| tls).clone())
}

async fn keep_going<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    mut on_message: impl FnMut(AsyncMessage),
    farewell: Arc<OnceLock<String>>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(message)) => on_message(message),
            // An error of the server reaches this place only while no request is under way: the driver gives
            // all others to the request. So what was to be asked next was never sent.
            Some(Err(error)) if error.as_db_error().is_some() => {
                let _ = farewell.set(describe(&error));
                return;
            }
            Some(Err(_)) | None => return,
        }
    }
}

/// Topics whose bells are to be rung on the other nodes.
///
/// NOTIFY is not part of the transaction that asks for it: there it would take a lock that all who ring share until
/// the disk has the commit, so that no two could share a flush; and a full queue of rings would make the commit
/// fail. It is sent by the connection that listens, many rings as one, and without waiting for the disk. When it gets
/// lost, polling finds the work.
#[derive(Default)]
struct Rings {
    topics: Mutex<BTreeSet<&'static str>>,
    more: Notify,
}

impl Rings {
    fn send(&self, topics: BTreeSet<&'static str>) {
        if topics.is_empty() {
            return;
        }
        self.topics.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(topics);
        self.more.notify_one();
    }

    /// The statements for what was asked for since the last time.
    async fn next(&self) -> String {
        self.more.notified().await;
        let topics =
            std::mem::take(&mut *self.topics.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        topics.iter().map(|topic| format!("NOTIFY {CHANNEL}, '{topic}'; ")).collect()
    }
}

/// Rings the bells here when another node's commit asked for it, and theirs when ours did. When the connection is gone,
/// polling is the net.
async fn listen(config: Arc<Config>, wake: Wake, rings: Arc<Rings>, hears: tokio::sync::oneshot::Sender<()>) {
    let mut hears = Some(hears);
    let greeting = format!("SET synchronous_commit=off; LISTEN {CHANNEL}");
    loop {
        let closed = Arc::new(Notify::new());
        let (bells, ended) = (wake.clone(), Closing(closed.clone()));
        let on_message = move |message| {
            let _ = &ended;
            if let AsyncMessage::Notification(notification) = message {
                bells.ring(notification.payload());
            }
        };
        if let Ok(connected) = connect_in_time(&config, on_message).await
            && connected.client.batch_execute(&greeting).await.is_ok()
        {
            if hears.take().is_none_or(|first| first.send(()).is_err()) {
                // While nobody listened, somebody may have rung.
                wake.ring_all();
            }
            tokio::select! {
                () = closed.notified() => {}
                () = ring_others(&connected.client, &rings) => {}
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Sends rings until the connection is of no use any more.
async fn ring_others(client: &Client, rings: &Rings) {
    loop {
        let statements = rings.next().await;
        if client.batch_execute(&statements).await.is_err() {
            return;
        }
        // What is asked for meanwhile is one ring.
        tokio::time::sleep(RING_PAUSE).await;
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
    alone: Alone,
    access: Access,
    transaction_max: Duration,
}

/// Whether one statement is the whole transaction: then it needs neither BEGIN nor COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    No,
    Announced,
    /// It was sent: without an answer nobody knows whether it is committed.
    Sent,
    Committed,
}

impl PostgresTx<'_> {
    /// The next statement is the only one.
    pub(crate) fn stand_alone(&mut self) {
        if !self.begun && self.alone == Alone::No && self.access == Access::Write {
            self.alone = Alone::Announced;
        }
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql)?;
        self.at_once(sql, |client| async move { client.execute(&statement, &references(params)).await })
    }

    pub(crate) fn execute_many(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<Vec<u64>> {
        // These are several.
        if self.alone == Alone::Announced {
            self.alone = Alone::No;
        }
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

    /// All rows go as one array for each column: one statement, whatever their number, so it is planned once.
    pub(crate) fn insert_many(&mut self, head: &str, tail: &str, rows: &[Vec<Value>]) -> Result<Inserted> {
        let statement = self.prepare_many(head, tail, rows[0].len())?;
        let columns: Vec<Vec<&Value>> =
            (0..rows[0].len()).map(|at| rows.iter().map(|row| &row[at]).collect()).collect();
        let arrays: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
        if tail.contains("RETURNING") {
            let rows = self.at_once(head, |client| async move { client.query(&statement, &arrays).await })?;
            return Ok(Inserted { count: rows.len() as u64, rows: read_rows(&rows)? });
        }
        let count = self.at_once(head, |client| async move { client.execute(&statement, &arrays).await })?;
        Ok(Inserted { count, rows: Vec::new() })
    }

    /// The statement that takes arrays. The server itself says of which types: those of the statement for one row.
    fn prepare_many(&mut self, head: &str, tail: &str, width: usize) -> Result<Statement> {
        let many = format!("{head} SELECT * FROM unnest[{width}] {tail}");
        if let Some(statement) = self.session.statements.get(&many) {
            return Ok(statement.clone());
        }
        let marks: Vec<String> = (1..=width).map(|n| format!("${n}")).collect();
        let one = self.prepare(&format!("{head} VALUES ({}) {tail}", marks.join(", ")))?;
        let arrays: Vec<String> =
            one.params().iter().zip(&marks).map(|(ty, mark)| format!("{mark}::{}[]", ty.name())).collect();
        // WHERE true, because otherwise ON CONFLICT would be read as the condition of a join.
        let statement =
            self.prepare(&format!("{head} SELECT * FROM unnest({}) WHERE true {tail}", arrays.join(", ")))?;
        self.session.statements.insert(many, statement.clone());
        Ok(statement)
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.session.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.session.statements.len() >= STATEMENTS {
            self.session.statements.clear();
        }
        let (client, patience) = (&self.session.client, self.patience());
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, client.prepare(sql)).await })
            .map_err(|_| unanswered(patience, sql))?;
        let statement = answer.map_err(|e| failed_in(sql, self.access, e))?;
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
            (false, Access::Write) if self.alone == Alone::Announced => {
                self.alone = Alone::Sent;
                None
            }
            (false, Access::Write) => Some("BEGIN"),
            (false, Access::Read) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            // A large table takes its time, and another node may be migrating before us.
            (false, Access::Migrate) => {
                Some("BEGIN; SET LOCAL statement_timeout=0; SET LOCAL lock_timeout=0")
            }
        };
        self.begun = self.alone != Alone::Sent;
        let (patience, access) = (self.patience(), self.access);
        let answer = self.runtime.block_on(async move {
            tokio::time::timeout(patience, async move {
                match begin {
                    // In this order: BEGIN must be sent first.
                    Some(begin) => {
                        let both =
                            async { tokio::try_join!(biased; client.batch_execute(begin), ask(client)) };
                        both.await.map(|(_, answer)| answer)
                    }
                    None => ask(client).await,
                }
            })
            .await
        });
        match answer {
            Ok(result) => {
                if self.alone == Alone::Sent && result.is_ok() {
                    self.alone = Alone::Committed;
                }
                result.map_err(|e| failed_in(sql, access, e))
            }
            Err(_) => Err(unanswered(patience, sql)),
        }
    }

    /// Whether the one statement was sent and not answered, on a connection that did not end before.
    fn may_be_committed(&self) -> bool {
        self.alone == Alone::Sent && self.session.farewell.get().is_none()
    }

    /// Commits and says whether the connection may be used again.
    fn commit(&mut self) -> (Attempt, bool) {
        if !self.begun && self.session.unsafe_commit.swap(false, Ordering::SeqCst) {
            return (unconfirmed(), false);
        }
        if !self.begun {
            return (Attempt::End(End::Committed), true);
        }
        let (client, patience) = (&self.session.client, self.patience());
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, client.batch_execute("COMMIT")).await });
        let unsafe_commit = self.session.unsafe_commit.swap(false, Ordering::SeqCst);
        match answer {
            Ok(Ok(())) if unsafe_commit => (unconfirmed(), false),
            Ok(Ok(())) => (Attempt::End(End::Committed), true),
            // What was read was read, whatever became of the end.
            _ if self.access == Access::Read => (Attempt::End(End::Committed), false),
            // The server said no: nothing was committed.
            Ok(Err(error)) if error.as_db_error().is_some() => match failed(error) {
                failure @ DbFailure::Conflict(_) => (again(&failure, false), true),
                failure @ DbFailure::ConnectionLost(_) => (again(&failure, true), false),
                failure => (Attempt::End(End::RolledBack(failure.into())), true),
            },
            // It hung up before COMMIT was sent.
            Ok(Err(_)) if let Some(why) = self.session.farewell.get() => {
                (again(&DbFailure::ConnectionLost(why.clone()), true), false)
            }
            Ok(Err(error)) => (Attempt::End(End::Unknown(describe(&error))), false),
            Err(_) => (Attempt::End(End::Unknown(format!("no answer to COMMIT in {patience:?}"))), false),
        }
    }

    /// Rolls back and says whether the connection may be used again. If even this fails, the connection is
    /// dropped, and the server rolls back by itself.
    fn roll_back(&mut self) -> bool {
        if !self.begun {
            return !self.session.client.is_closed();
        }
        let (client, patience) = (&self.session.client, self.transaction_max);
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, client.batch_execute("ROLLBACK")).await });
        matches!(answer, Ok(Ok(())))
    }

    /// How long one answer may take: a little longer than the server gives itself.
    fn patience(&self) -> Duration {
        match self.access {
            Access::Migrate => MIGRATION_MAX,
            Access::Read | Access::Write => self.transaction_max + Duration::from_secs(1),
        }
    }
}

fn unconfirmed() -> Attempt {
    Attempt::End(End::Unknown("committed here, but the standby did not confirm it".into()))
}

fn again(failure: &DbFailure, lost: bool) -> Attempt {
    Attempt::Again(Setback { why: failure.to_string(), lost })
}

fn unanswered(patience: Duration, sql: &str) -> Error {
    DbFailure::ConnectionLost(format!("no answer in {patience:?} to: {sql}")).into()
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
            Ok(Row::new(names.clone(), cells.map_err(|e| Error::from(failed(e)))?))
        })
        .collect()
}

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        let text = matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN);
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Bool(v), &Type::BOOL) => v.to_sql(ty, out),
            (Value::Int(v), &Type::INT8) => v.to_sql(ty, out),
            (Value::Int(v), &Type::INT4) => i32::try_from(*v)?.to_sql(ty, out),
            (Value::Int(v), &Type::INT2) => i16::try_from(*v)?.to_sql(ty, out),
            (Value::Int(v), &Type::FLOAT8) => (*v as f64).to_sql(ty, out),
            (Value::Int(v), _) if text => v.to_string().to_sql(ty, out),
            (Value::Float(v), &Type::FLOAT8) => v.to_sql(ty, out),
            (Value::Text(v), &Type::UUID) => v.parse::<uuid::Uuid>()?.to_sql(ty, out),
            (Value::Text(v), &Type::TIMESTAMPTZ) => v.parse().map(Value::Time)?.to_sql(ty, out),
            (Value::Text(v) | Value::Json(v), &Type::JSONB) => {
                out.extend_from_slice(&[1]);
                v.to_sql(&Type::TEXT, out)
            }
            (Value::Text(v) | Value::Json(v), _) if text || *ty == Type::JSON => v.to_sql(&Type::TEXT, out),
            (Value::Time(v), &Type::TIMESTAMPTZ) => (v.micros() - EPOCH_MICROS).to_sql(&Type::INT8, out),
            (Value::Time(v), _) if text => v.to_string().to_sql(ty, out),
            (Value::Uuid(v), &Type::UUID) => v.to_sql(ty, out),
            (Value::Uuid(v), _) if text => v.to_string().to_sql(ty, out),
            (Value::Bytes(v), &Type::BYTEA) => v.to_sql(ty, out),
            (Value::Array(v), ty) if matches!(ty.kind(), Kind::Array(_)) => v.to_sql(ty, out),
            // Eight bytes of text would be read as a number without complaint.
            (value, ty) => Err(format!("{value:?} does not fit a column of type {ty}").into()),
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

fn failed(error: tokio_postgres::Error) -> DbFailure {
    classified(describe(&error), &error)
}

fn failed_in(sql: &str, access: Access, error: tokio_postgres::Error) -> Error {
    let text = format!("{} in: {sql}", describe(&error));
    // A writer that finds the server read-only was connected to a primary that is none any more.
    let demoted = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) && access != Access::Read;
    if demoted { DbFailure::ConnectionLost(text).into() } else { classified(text, &error).into() }
}

fn classified(text: String, error: &tokio_postgres::Error) -> DbFailure {
    let Some(code) = error.code() else {
        // Without a code from the server it is the connection, or a value that does not fit its column.
        let broken = std::error::Error::source(error).is_some_and(|s| s.is::<std::io::Error>());
        return match error.is_closed() || broken {
            true => DbFailure::ConnectionLost(text),
            false => DbFailure::Other(text),
        };
    };
    match code {
        &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::QUERY_CANCELED => DbFailure::Conflict(text),
        &SqlState::ADMIN_SHUTDOWN
        | &SqlState::CRASH_SHUTDOWN
        | &SqlState::CANNOT_CONNECT_NOW
        | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => DbFailure::ConnectionLost(text),
        // A prepared statement whose table changed under it: a new connection prepares it anew.
        &SqlState::FEATURE_NOT_SUPPORTED if text.contains("cached plan") => DbFailure::ConnectionLost(text),
        // Prepared statements that the server does not know: a proxy gave us another one.
        &SqlState::INVALID_SQL_STATEMENT_NAME => DbFailure::ConnectionLost(text),
        &SqlState::DISK_FULL => DbFailure::NoSpace(text),
        &SqlState::INSUFFICIENT_PRIVILEGE => DbFailure::Misconfigured(Part::Rights, text),
        code if code.code().starts_with("23") => DbFailure::Constraint(text),
        _ => DbFailure::Other(text),
    }
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
