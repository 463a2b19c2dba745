//! The accept loop: header and body time-outs, caps, and a drain that ends. `axum::serve` has none of these.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use db::Health;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kernel::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::{App, OpenError};
use crate::config::Config;
use crate::http::{Front, thanks};
use crate::linger::Lingering;
use crate::{secrets, worker};

/// What a server bears.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Connections at once from one address that is no trusted proxy; more are closed.
    pub per_address: usize,
    /// How long the head of a request may take, also between two requests of one connection.
    pub head: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long requests that are under way may take after the server was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 4_096,
            per_address: 512,
            head: Duration::from_secs(10),
            head_bytes: 32 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}

/// One listener and what is behind it.
pub struct Door {
    /// Where connections come in.
    pub listener: TcpListener,
    /// Who answers.
    pub front: Arc<Front>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The shop did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk failed under a commit of SQLite.
    #[error(
        "the disk failed under a commit: it was not acknowledged, and whether it lasts only the next start can tell"
    )]
    DiskFailed,
    /// The address cannot be listened at.
    #[error("{key}: {address} cannot be listened at: {source}")]
    Listen {
        /// Which key names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Everything that `makegood serve` does, until `shutdown`: opens the shop, starts workers, serves.
///
/// # Errors
/// When the configuration lacks something, the database or an address is not there; later when the disk has failed under a
/// commit, because nothing can be acknowledged any more until a start has read the log again.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let missing = config.missing_for_serving();
    if !missing.is_empty() {
        return Err(OpenError::Config(missing).into());
    }
    config.warnings.iter().for_each(|warning| tracing::warn!("configuration: {warning}"));
    let app = crate::app::open(config).await?;
    crate::doctor::warn_of_indexes(&app.shop.db).await;
    let doors = doors(&app, thanks::router(&app)).await?;
    for door in &doors {
        if let Ok(address) = door.listener.local_addr() {
            tracing::info!(%address, live = app.config.is_live(), "listening");
        }
    }
    let workers = worker::start(&app);
    let watch = secrets::watch::start(&app);
    let end = async {
        tokio::select! { () = shutdown => {}, () = app.shop.db.failed() => {} }
    };
    run(&app, doors, Limits::default(), end).await;
    drop(watch);
    app.tasks.stop(Duration::from_secs(10)).await;
    workers.stop(Duration::from_secs(20)).await;
    tracing::info!("stopped");
    if app.shop.db.health() == Health::Failed { Err(ServeError::DiskFailed) } else { Ok(()) }
}

/// Binds the addresses of the configuration. `beside` are routes that others bring, like the demo shop's.
pub async fn doors(app: &Arc<App>, beside: axum::Router) -> Result<Vec<Door>, ServeError> {
    let front = match app.config.metrics_listen {
        None => Front::new(app.clone(), beside),
        Some(_) => Front::without_metrics(app.clone(), beside),
    };
    let mut doors = vec![bind("LISTEN", app.config.listen, front).await?];
    if let Some(address) = app.config.metrics_listen {
        doors.push(bind("METRICS_LISTEN", address, Front::metrics_only(app.clone())).await?);
    }
    Ok(doors)
}

async fn bind(key: &'static str, address: SocketAddr, front: Arc<Front>) -> Result<Door, ServeError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ServeError::Listen { key, address, source })?;
    Ok(Door { listener, front })
}

/// Ends when the process is asked to: SIGTERM, SIGINT or ctrl-c.
pub async fn asked_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
            return;
        }
    }
    let _ = interrupted.await;
}

/// Serves until `shutdown`, then lets requests that are under way end, for as long as `limits.drain`.
pub async fn run(app: &Arc<App>, doors: Vec<Door>, limits: Limits, shutdown: impl Future<Output = ()>) {
    app.serving.get_or_init(|| app.clock.now());
    let (stop, stopped) = watch::channel(false);
    let house = Arc::new(House {
        seats: Arc::new(Semaphore::new(limits.connections)),
        guests: Mutex::default(),
        app: app.clone(),
        limits,
    });
    let mut accepting = JoinSet::new();
    for door in doors {
        accepting.spawn(accept_forever(house.clone(), door, stopped.clone()));
    }
    shutdown.await;
    let _ = stop.send(true);
    let drained = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(house.limits.drain, drained).await.is_err() {
        tracing::warn!("requests were still under way when the time to drain was over");
    }
}

struct House {
    seats: Arc<Semaphore>,
    guests: Mutex<BTreeMap<IpAddr, usize>>,
    app: Arc<App>,
    limits: Limits,
}

async fn accept_forever(house: Arc<House>, door: Door, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let next = tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            next = next(&house, &door.listener) => next,
        };
        match next {
            Ok(Some((stream, guest))) => {
                connections.spawn(serve_one(stream, guest, door.front.clone(), stopped.clone()));
            }
            Ok(None) => house.app.metrics.connections_refused.one(),
            // Out of file handles, most likely; those that end give theirs back.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(door.listener);
    while connections.join_next().await.is_some() {}
}

async fn next(house: &Arc<House>, listener: &TcpListener) -> io::Result<Option<(TcpStream, Guest)>> {
    // The semaphore is never closed.
    let seat = house.seats.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true).ok();
    Ok(Guest::enter(house, peer.ip(), seat).map(|guest| (stream, guest)))
}

/// One connection's place; given back when it is dropped.
struct Guest {
    house: Arc<House>,
    address: IpAddr,
    _seat: OwnedSemaphorePermit,
}

impl Guest {
    fn enter(house: &Arc<House>, address: IpAddr, seat: OwnedSemaphorePermit) -> Option<Guest> {
        let trusted = house.app.config.trusted_proxies.iter().any(|proxy| proxy.contains(address));
        let mut guests = house.guests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let here = guests.entry(address).or_default();
        if *here >= house.limits.per_address && !trusted {
            return None;
        }
        *here += 1;
        Some(Guest { house: house.clone(), address, _seat: seat })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.house.guests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(here) = guests.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                guests.remove(&self.address);
            }
        }
    }
}

async fn serve_one(stream: TcpStream, guest: Guest, front: Arc<Front>, mut stopped: watch::Receiver<bool>) {
    let (peer, limits) = (guest.address, &guest.house.limits);
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, std::convert::Infallible>(front.answer(request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(limits.head_bytes);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Lingering::new(stream)), service));
    // A connection that breaks is the peer's business; what it asked for was told or stored, or it was not.
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopped.changed() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
