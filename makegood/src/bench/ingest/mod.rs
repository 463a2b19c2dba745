//! Signed webhooks over HTTP, each stored durably before it is answered: the server of `makegood serve`, beside a bare one
//! that verifies the signature and stores the same rows with the same group commit, and does nothing else.
//!
//! Both servers run on the runtime that `serve` would run on, one at a time, into the same table. The client has a thread
//! of its own and sends requests that were signed and written down before the clock started. No workers run on either side.

mod bare;
mod client;

use std::net::SocketAddr;
use std::sync::Arc;

use kernel::{Clock, Cx, Error, Result};
use shop::ids::{OrderId, OrderKind};
use stripe::Secret;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

use super::Settings;
use super::events::{Number, Purchase};
use super::place::{Engine, Place, bug};
use super::report::{Figure, Report};
use super::rounds::in_turns;
use crate::app::{self, App};
use crate::clock::{OsEntropy, SystemClock};
use crate::config::{Config, Sources, explain};
use crate::serve;

/// The secret with which the benchmark signs.
const SECRET: &str = "whsec_benchmark";

/// How many connections send at once, and how many events they send in a round.
const LOADS: [(usize, usize); 3] = [(1, 400), (16, 4_000), (64, 12_000)];

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "ingest", unit: "events/s", ..Report::default() };
    for engine in settings.engines() {
        for (connections, events) in LOADS {
            let events = settings.size(connections * 4, events);
            report.ratios.push(on(&engine, settings.rounds(), connections, events).await?);
        }
    }
    Ok(report)
}

async fn on(engine: &Engine, rounds: usize, connections: usize, events: usize) -> Result<Figure> {
    // Last to be dropped: both servers are closed before their database goes away.
    let place = Place::new(engine).await?;
    let app = app::open(configuration(&place)?).await.map_err(bug)?;
    let ours = Ours::start(&app).await?;
    let bare = bare::Server::start(&place, secret()?).await?;
    let sender = Mutex::new(Sender { app: app.clone(), mix: Mix::new(), connections, events });
    let what = format!("ingest on {}, {connections} connections", engine.name());
    let comparison = in_turns(
        rounds,
        &what,
        async || sender.lock().await.send(ours.address).await,
        async || sender.lock().await.send(bare.address).await,
    )
    .await?;
    ours.stop().await?;
    bare.stop().await?;
    Ok(Figure {
        engine: engine.name(),
        case: format!("{connections} connection{}; bare server", if connections == 1 { "" } else { "s" }),
        target: (connections == 64).then_some(0.7),
        comparison,
    })
}

fn secret() -> Result<Secret> {
    Secret::new(SECRET).map_err(bug)
}

/// What `serve` needs, and nothing from the machine's own configuration.
fn configuration(place: &Place) -> Result<Config> {
    let sources = Sources::default()
        .with_flag("APP_URL", "http://localhost")
        .with_flag("DATABASE_URL", place.url())
        .with_flag("LISTEN", "127.0.0.1:0")
        .with_flag("STRIPE_WEBHOOK_SECRET", SECRET)
        .with_flag("WORKERS", "0");
    Config::load(&sources).map_err(|problems| Error::bug(explain(&problems)))
}

/// The server of `makegood serve`.
struct Ours {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Ours {
    async fn start(app: &Arc<App>) -> Result<Ours> {
        let doors = serve::doors(app, axum::Router::new()).await.map_err(bug)?;
        let door = doors.first().ok_or_else(|| Error::bug("the server has no door"))?;
        let address = door.listener.local_addr().map_err(bug)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let app = app.clone();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve::run(&app, doors, serve::Limits::default(), stopped).await;
        });
        Ok(Ours { address, stop, task })
    }

    async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.task.await.map_err(bug)
    }
}

/// Sends rounds of events, none of them twice.
struct Sender {
    app: Arc<App>,
    mix: Mix,
    connections: usize,
    events: usize,
}

impl Sender {
    async fn send(&mut self, address: SocketAddr) -> Result<f64> {
        let requests = self.mix.requests(self.events, &secret()?);
        let stored = || async {
            let count = |tx: &mut db::Tx<'_>| tx.count("SELECT COUNT(*) FROM stripe_events", &[]);
            self.app.shop.db.read("bench.stored", count).await
        };
        let before = stored().await?;
        let seconds = client::send(address, requests, self.connections).await?;
        match stored().await? - before {
            stored if stored == self.events as i64 => Ok(self.events as f64 / seconds),
            stored => Err(Error::bug(format!("{stored} events were stored of {}", self.events))),
        }
    }
}

/// Everything that Stripe sends about purchases, not only what settles them.
struct Mix {
    purchases: [Purchase; 2],
    told: u64,
    cx: Cx,
}

impl Mix {
    fn new() -> Self {
        let cx = Cx::new(SystemClock.now(), Arc::new(OsEntropy));
        Mix { purchases: [Purchase::of("Course", 4900), Purchase::of("Mug", 1800)], told: 0, cx }
    }

    /// `count` requests, each with another event, signed now.
    fn requests(&mut self, count: usize, secret: &Secret) -> Vec<Vec<u8>> {
        let mut requests = Vec::with_capacity(count);
        while requests.len() < count {
            self.told += 1;
            let order: OrderId = self.cx.id::<OrderKind>();
            let purchase = &self.purchases[(self.told % 2) as usize];
            let signed =
                purchase.all(Number(self.told), order).into_iter().map(|body| request(&body, secret));
            requests.extend(signed.take(count - requests.len()));
        }
        requests
    }
}

/// The bytes of one request, as Stripe sends it.
fn request(body: &str, secret: &Secret) -> Vec<u8> {
    let signature = stripe::sign(body.as_bytes(), secret, SystemClock.now());
    let length = body.len();
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Stripe/1.0\r\nAccept: */*\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Stripe-Signature: {signature}\r\n\r\n{body}"
    )
    .into_bytes()
}
