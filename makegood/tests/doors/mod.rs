//! The doors behind a real listener, on a test database, with a sandbox Stripe behind another: for tests over HTTP.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may give up")]

use std::sync::Arc;

use axum::Router;
use kernel::{Clock, Duration, Timestamp};
use mail::Mailbox;
use makegood::app::App;
use makegood::clock::{OsEntropy, SystemClock};
use makegood::config::{Config, Sources};
use makegood::http::{Front, Patience, thanks};
use makegood::secrets::Secrets;
use makegood::serve::{self, Door, Limits};
use makegood::worker;
use ops::Role;
use sandbox::http::{Shared, deliver_forever, router};
use serde_json::{Value, json};
use shop::Outside;
use stripe::{HttpStripe, Secret, sign};
use testkit::TestDb;
use testkit::storage_double::{MemoryDisk, MemoryStreams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const SECRET: &str = "whsec_of_the_doors_for_tests";
pub const OLD_SECRET: &str = "whsec_of_the_doors_before_the_roll";
pub const ADMIN_TOKEN: &str = "the-first-admin-of-the-tests";

/// How a test wants its server.
pub struct Wish {
    pub limits: Limits,
    pub patience: Patience,
    pub workers: bool,
    /// Where Stripe is; a sandbox of the test's own when absent.
    pub stripe: Option<String>,
    pub environment: Vec<(&'static str, String)>,
    /// Its files and films lie in memory, in [`Server::disk`] and [`Server::streams`].
    pub in_memory: bool,
    /// Stripe is asked with the newest key, as under `serve`.
    pub newest_key: bool,
    /// Who sends mail; nobody when absent.
    pub mailbox: Option<Arc<Mailbox>>,
    /// What stands beside the routes of the table; as under `serve` when absent.
    pub beside: fn(&Arc<App>) -> Router,
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            limits: Limits { drain: Duration::from_secs(3), ..Limits::default() },
            patience: Patience::default(),
            workers: false,
            stripe: None,
            environment: Vec::new(),
            in_memory: false,
            newest_key: false,
            mailbox: None,
            beside: thanks::router,
        }
    }
}

/// A running server.
pub struct Server {
    pub url: String,
    pub address: String,
    pub app: Arc<App>,
    pub http: reqwest::Client,
    /// The sandbox's account.
    pub stripe: Arc<Shared>,
    /// Its disk.
    pub disk: Arc<MemoryDisk>,
    /// Its films.
    pub streams: Arc<MemoryStreams>,
    workers: Option<worker::Workers>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _sandbox: Sandboxed,
}

struct Sandboxed(Vec<JoinHandle<()>>);
impl Drop for Sandboxed {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    pub async fn start(test: &TestDb) -> Server {
        Server::start_as(test, Wish::default()).await
    }

    pub async fn start_as(test: &TestDb, wish: Wish) -> Server {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let url = format!("http://{address}");
        let (stripe, stripe_url, tasks) = a_sandbox(&url).await;
        let base = wish.stripe.clone().unwrap_or(stripe_url);
        let mut config = config(&url, &base, &wish.environment);
        let (clock, chance) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let secrets = Secrets::open(&mut config, clock.clone(), chance.clone()).await.unwrap();
        let key = config.stripe_secret.clone().unwrap();
        let client = HttpStripe::new(&base, &key, Arc::new(OsEntropy)).unwrap();
        let client = client.with_retries(stripe::client::Retries { most: 0, ..Default::default() });
        let client: Arc<dyn stripe::Stripe> = match wish.newest_key {
            true => secrets.stripe().unwrap(),
            false => Arc::new(client),
        };
        let outside = makegood::app::outside(&config, Arc::new(OsEntropy)).unwrap();
        let outside = Outside { stripe: client, ..outside };
        let outside = match wish.mailbox.clone() {
            Some(mailer) => Outside { mailer, ..outside },
            None => outside,
        };
        let (disk, streams) = (Arc::new(MemoryDisk::default()), Arc::new(MemoryStreams::default()));
        let outside = match wish.in_memory {
            true => Outside { disk: disk.clone(), streams: streams.clone(), ..outside },
            false => outside,
        };
        let app = App::with_secrets(config, test.db.clone(), outside, secrets, clock, chance);
        let front = Front::new(app.clone(), (wish.beside)(&app)).with_patience(wish.patience);
        let (stop, stopped) = oneshot::channel();
        let (served, limits) = (app.clone(), wish.limits.clone());
        let running = tokio::spawn(async move {
            let doors = vec![Door { listener, front }];
            serve::run(&served, doors, limits, async { drop(stopped.await) }).await;
        });
        let workers = wish.workers.then(|| worker::start(&app));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(no_tls())
            .build()
            .unwrap();
        let stop = Some(stop);
        Server {
            url,
            address,
            app,
            http,
            stripe,
            disk,
            streams,
            workers,
            stop,
            running,
            _sandbox: Sandboxed(tasks),
        }
    }

    /// Ends it as SIGTERM would; fails when it does not end.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(workers) = self.workers.take() {
            workers.stop(Duration::from_secs(10)).await;
        }
        tokio::time::timeout(Duration::from_secs(10), &mut self.running).await.expect("it ends").unwrap();
    }

    /// A catalog to buy from.
    pub async fn with_catalog(self) -> Server {
        let catalog = shop::import::CatalogFile::parse(testkit::world::CATALOG).unwrap();
        let body = json!({ "catalog": catalog, "reason": "tests" });
        let answer = self.post("/api/v1/admin/catalog/import", Some(ADMIN_TOKEN), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self
    }

    /// A token with this role.
    pub async fn token(&self, role: Role) -> String {
        let cx = self.app.shop.cx();
        let made = self
            .app
            .shop
            .db
            .write("test.token", move |tx| ops::create_token(tx, &cx, role.as_str(), role, None))
            .await
            .unwrap();
        made.1
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = self.http.get(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        answered(request).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.post_with(path, token, body, &[]).await
    }

    pub async fn post_with(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request).await
    }

    /// Sends an event as Stripe does.
    pub async fn webhook(&self, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let signature = signature(&body);
        answered(self.webhook_request(body).header("Stripe-Signature", signature)).await
    }

    pub fn webhook_request(&self, body: Vec<u8>) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/webhooks/stripe", self.url)).body(body)
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.app.shop.db.read("test.count", move |tx| tx.count(sql, &[])).await.unwrap()
    }

    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics", None).await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
        line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// The code of a problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

pub async fn answered(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, text, body }
}

/// One request as raw bytes over a connection of its own; what came back until the server closed or `wait` was over.
pub async fn raw(address: &str, request: &[u8], wait: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(wait, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

pub fn signature(body: &[u8]) -> String {
    sign(body, &Secret::new(SECRET).unwrap(), now())
}

/// An event that nobody acts on.
pub fn event(id: &str) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": now().seconds(),
        "livemode": false, "type": "customer.created", "pending_webhooks": 1,
        "data": { "object": { "id": "cus_1", "object": "customer" } },
    })
}

fn config(url: &str, stripe: &str, more: &[(&'static str, String)]) -> Config {
    let mut environment: Vec<(&str, String)> = vec![
        ("APP_URL", url.to_owned()),
        // The test brings its own database.
        ("DATABASE_URL", "sqlite:unused.db".to_owned()),
        ("STRIPE_SECRET", "sk_test_of_the_doors".to_owned()),
        ("STRIPE_WEBHOOK_SECRET", format!("{OLD_SECRET},{SECRET}")),
        ("STRIPE_API_BASE", stripe.to_owned()),
        ("ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
    ];
    environment.extend(more.iter().cloned());
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Config::load(&Sources { environment, ..Sources::default() }).unwrap()
}

async fn a_sandbox(shop: &str) -> (Arc<Shared>, String, Vec<JoinHandle<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = sandbox::Settings {
        public_url: url.clone(),
        retry_after_seconds: vec![1],
        ..sandbox::Settings::default()
    };
    let shared = Shared::new(sandbox::Sandbox::new(settings), Arc::new(SystemClock), Arc::new(OsEntropy));
    let hooks = format!("{shop}/webhooks/stripe");
    shared.with(|account, cx| account.add_endpoint_with_secret(&hooks, &["*"], SECRET, cx));
    let app = router(shared.clone());
    let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
    let delivering = deliver_forever(shared.clone(), http, std::future::pending());
    let tasks =
        vec![tokio::spawn(async move { drop(axum::serve(listener, app).await) }), tokio::spawn(delivering)];
    (shared, url, tasks)
}

/// Everything here is plain HTTP; a machine without certificates runs the tests as well.
fn no_tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}
