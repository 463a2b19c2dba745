//! The least that a webhook endpoint can do: HTTP, the signature, and rows that are on the disk before the answer. Rows that
//! come at once share a commit, as ours do; nothing is counted, logged, timed out or told to anyone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use db::Value;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kernel::{Clock, Error, Result, Timestamp};
use stripe::signature::TOLERANCE;
use stripe::{Envelope, Secret};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::super::place::{Bare, Place, bug};
use crate::clock::SystemClock;

/// As many as ours puts into one commit.
const MOST: usize = 256;
/// Connections that write on PostgreSQL, as many as ours uses for this.
const WRITERS: usize = 2;

type Row = Vec<Value>;
type Asked = (Row, oneshot::Sender<()>);

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
    writers: Vec<JoinHandle<Result<()>>>,
}

struct Shared {
    secret: [Secret; 1],
    writers: Vec<mpsc::Sender<Asked>>,
    next: AtomicUsize,
}

impl Server {
    /// Starts it on this database.
    pub async fn start(place: &Place, secret: Secret) -> Result<Server> {
        let mut shared = Shared { secret: [secret], writers: Vec::new(), next: AtomicUsize::new(0) };
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let (sender, asked) = mpsc::channel(MOST * 64);
            shared.writers.push(sender);
            match place.connect().await? {
                Bare::Sqlite(connection) => {
                    writers.push(tokio::task::spawn_blocking(move || write_to_file(&connection, asked)));
                    // One writer is all that a file takes.
                    break;
                }
                Bare::Postgres(client) => writers.push(tokio::spawn(write_to_server(client, asked))),
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(bug)?;
        let address = listener.local_addr().map_err(bug)?;
        let accepting = tokio::spawn(accept(listener, Arc::new(shared)));
        Ok(Server { address, accepting, writers })
    }

    /// Stops it; an error of a writer comes out here.
    pub async fn stop(self) -> Result<()> {
        self.accepting.abort();
        let _ = self.accepting.await;
        for writer in self.writers {
            writer.await.map_err(bug)??;
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, shared.clone()));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&shared, request).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    if take(shared, request).await.is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}

async fn take(shared: &Shared, request: Request<Incoming>) -> Result<()> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(bug)?.to_bytes();
    let signature =
        head.headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = SystemClock.now();
    stripe::verify(Some(signature), &body, &shared.secret, now, TOLERANCE).map_err(bug)?;
    let row = row(body, signature, now)?;
    let (done, stored) = oneshot::channel();
    let at = shared.next.fetch_add(1, Ordering::Relaxed) % shared.writers.len();
    shared.writers[at].send((row, done)).await.map_err(|_| Error::bug("the writer is gone"))?;
    stored.await.map_err(bug)
}

fn row(body: Bytes, signature: &str, now: Timestamp) -> Result<Row> {
    let envelope = Envelope::parse(&body).map_err(bug)?;
    let mut row = vec![
        envelope.id.into_owned().into(),
        envelope.kind.into_owned().into(),
        envelope.api_version.map(|version| version.into_owned()).into(),
        envelope.created.into(),
        envelope.livemode.into(),
        envelope.object_id.map(|id| id.into_owned()).into(),
        Value::Null,
        signature.into(),
        "received".into(),
        Value::Int(0),
        Value::Int(0),
        now.into(),
        Value::Null,
        now.into(),
    ];
    row[6] = String::from_utf8(body.into()).map_err(bug)?.into();
    Ok(row)
}

const INSERT: &str =
    "INSERT INTO stripe_events (stripe_event_id, type, api_version, created, livemode, object_id, payload,
    signature, status, attempts, fence, next_attempt_at, last_error_kind, received_at)";
const ONE: &str = "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const MANY: &str = "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bool[], $6::text[],
    $7::text[], $8::text[], $9::text[], $10::int8[], $11::int8[], $12::timestamptz[], $13::text[], $14::timestamptz[])
    WHERE true";
const ONCE: &str = "ON CONFLICT (stripe_event_id) DO NOTHING";

fn write_to_file(connection: &rusqlite::Connection, mut asked: mpsc::Receiver<Asked>) -> Result<()> {
    let mut insert = connection.prepare(&format!("{INSERT} {ONE} {ONCE}")).map_err(bug)?;
    let mut batch = Vec::with_capacity(MOST);
    while asked.blocking_recv_many(&mut batch, MOST) > 0 {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(bug)?;
        for (row, _) in &batch {
            insert.execute(rusqlite::params_from_iter(row)).map_err(bug)?;
        }
        connection.execute_batch("COMMIT").map_err(bug)?;
        tell(&mut batch);
    }
    Ok(())
}

async fn write_to_server(client: Client, mut asked: mpsc::Receiver<Asked>) -> Result<()> {
    let insert = client.prepare(&format!("{INSERT} {MANY} {ONCE}")).await.map_err(bug)?;
    let mut batch: Vec<Asked> = Vec::with_capacity(MOST);
    while asked.recv_many(&mut batch, MOST).await > 0 {
        let width = batch.first().map_or(0, |(row, _)| row.len());
        let columns: Vec<Vec<&Value>> =
            (0..width).map(|at| batch.iter().map(|(row, _)| &row[at]).collect()).collect();
        let arrays: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
        client.execute(&insert, &arrays).await.map_err(bug)?;
        tell(&mut batch);
    }
    Ok(())
}

fn tell(batch: &mut Vec<Asked>) {
    for (_, done) in batch.drain(..) {
        let _ = done.send(());
    }
}
