//! Where a runbook is played: a database, a Stripe account, the shop as a process, and the folder in which its operator
//! types.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Target;
use kernel::{Clock, FixedClock, Seeded, Timestamp};
use makegood::clock::SystemClock;
use sandbox::http::{Shared, router};
use sandbox::{Delivery, Sandbox};
use serde_json::Value;
use stripe::Secret;
use testkit::TestDb;

use crate::node::{MAKEGOOD, Node};

/// Stripe's clock stands so far behind: what happens there is old enough at once for `events gaps`, which waits two minutes
/// for a webhook, and for `reconcile`, which waits five.
const BEHIND: Duration = Duration::from_secs(45 * 60);
/// So much passes at Stripe before each step, and nothing in between: what happens there by itself, seconds after a
/// payment, happens at the same place in each run.
const BETWEEN_STEPS: Duration = Duration::from_secs(15);
/// A webhook that failed is sent again after an hour: after the end of every runbook, so that people do what there is to do.
const STRIPE_TRIES_AGAIN: u64 = 3_600;
/// Until everything that has begun is done.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first admin's token.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-runbooks";
const SIGNING_SECRET: &str = "whsec_for_runbooks_0123456789";
const API_KEY: &str = "sk_test_for_runbooks_0123456789";

/// Everything that outlives a step.
pub struct Stage {
    /// The account at Stripe, in this process.
    pub stripe: Arc<Shared>,
    /// Where its control routes are.
    pub stripe_url: String,
    /// Where the shop listens.
    pub shop_url: String,
    /// For requests of all kinds.
    pub http: reqwest::Client,
    /// The shop's database, beside the shop.
    pub test: TestDb,
    stripe_clock: Arc<FixedClock>,
    folder: tempfile::TempDir,
    settings: BTreeMap<String, String>,
    shop: Option<Node>,
    way: Way,
}

/// Where commands do their work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On the database that the settings name.
    AtTheDatabase,
    /// Through the admin API, as long as the shop is open.
    ThroughTheServer,
}

impl Stage {
    /// A shop that is not open yet, with the catalog that lies beside the runbook in `example`.
    pub async fn set(test: TestDb, example: &Path, way: Way) -> Stage {
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stripe_url = format!("http://{}", listener.local_addr().expect("an address"));
        let stripe_clock = FixedClock::new(SystemClock.now() - BEHIND);
        let account = sandbox::Settings {
            public_url: stripe_url.clone(),
            retry_after_seconds: vec![STRIPE_TRIES_AGAIN],
            ..sandbox::Settings::default()
        };
        let stripe = Shared::new(Sandbox::new(account), stripe_clock.clone(), Seeded::new(2_026));
        let app = router(stripe.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let shop_url = format!("http://{port}");
        let webhooks = format!("{shop_url}/webhooks/stripe");
        stripe.with(|account, cx| account.add_endpoint_with_secret(&webhooks, &["*"], SIGNING_SECRET, cx));
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = std::fs::copy(example.join("shop.toml"), folder.path().join("shop.toml"));
        catalog.expect("the example's catalog");
        if example.join("content.toml").exists() {
            let content = std::fs::copy(example.join("content.toml"), folder.path().join("content.toml"));
            content.expect("what the example's products hold");
        }
        let settings = settings(&test, &stripe_url, &port.to_string());
        Stage { stripe, stripe_url, shop_url, http, test, stripe_clock, folder, settings, shop: None, way }
    }

    /// Starts the server with these settings besides; commands heed them from now on, too.
    pub async fn open_shop(&mut self, settings: &[(String, String)]) {
        assert!(self.shop.is_none(), "the shop is open already");
        self.settings.extend(settings.iter().cloned());
        let port = self.shop_url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let mut node = Node::new(self.folder.path().to_owned(), port, self.settings.clone());
        let begun = SystemClock.now();
        node.start().await;
        if self.settings.get("STRIPE_EVENTS").is_none_or(|how| how != "push") {
            self.list_is_read_since(begun).await;
        }
        self.shop = Some(node);
    }

    /// A shop reads Stripe's list of events when it opens; what happens next must not depend on how fast that is.
    async fn list_is_read_since(&self, begun: Timestamp) {
        let deadline = Instant::now() + PATIENCE;
        let sql = "SELECT COUNT(*) FROM event_readings WHERE name = 'schedule' AND finished_at >= $1";
        let read = || self.test.db.read("test.read", move |tx| tx.count(sql, &[begun.into()]));
        while read().await.expect("a number") == 0 {
            assert!(Instant::now() < deadline, "Stripe's list of events is not read");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A file lies on the local disk, or is taken away from it.
    pub fn disk(&self, key: &str, lies_there: bool) -> std::io::Result<()> {
        let path = self.folder.path().join("data/files").join(key);
        if !lies_there {
            return std::fs::remove_file(path);
        }
        std::fs::create_dir_all(path.parent().expect("a folder"))?;
        std::fs::write(path, format!("what lies in {key}\n"))
    }

    /// Writes a file in the shop's folder, which only its owner reads.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).expect("a file");
        let only_the_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, only_the_owner).expect("its mode");
    }

    /// Tells the server to stop, as a service manager does.
    pub async fn close_shop(&mut self) {
        let mut node = self.shop.take().expect("the shop is open");
        node.terminate();
        node.ended(PATIENCE).await;
    }

    /// What the server has logged since its first start.
    pub fn log(&self) -> String {
        self.shop.as_ref().map(Node::said).unwrap_or_default()
    }

    /// Runs a command as the person at night does: in the folder of the shop, both outputs on one screen.
    pub fn run(&self, program: &str, arguments: &[String]) -> (i32, String) {
        self.run_with(&[], program, arguments)
    }

    /// The same with these settings, `NAME=VALUE`, for this one command.
    pub fn run_with(&self, settings: &[String], program: &str, arguments: &[String]) -> (i32, String) {
        let (mut screen, pen) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(self.program(program));
        command.args(arguments).env_clear().envs(&self.settings).current_dir(self.folder.path());
        if self.way == Way::ThroughTheServer && self.shop.is_some() {
            command.env("MAKEGOOD_URL", &self.shop_url).env("MAKEGOOD_TOKEN", ADMIN_TOKEN);
        }
        command.envs(settings.iter().filter_map(|setting| setting.split_once('=')));
        command.stdin(Stdio::null()).stdout(pen.try_clone().expect("a pipe")).stderr(pen);
        let mut child = command.spawn().expect("it starts");
        // The command holds the other end of the pipe, too.
        drop(command);
        let mut seen = String::new();
        screen.read_to_string(&mut seen).expect("text");
        (child.wait().expect("it ends").code().expect("it ends by itself"), seen)
    }

    /// Who the audit log says was here.
    pub fn operator(&self) -> String {
        if self.way == Way::ThroughTheServer {
            // The name of the first admin, whose token stands in the settings.
            return "ADMIN_TOKEN".into();
        }
        let (_, whoami) = self.run("makegood", &["whoami".into(), "--json".into()]);
        let whoami: Value = serde_json::from_str(&whoami).expect("who sits here");
        whoami["name"].as_str().expect("a name").to_owned()
    }

    /// `makegood`, or the same under the name that an older runbook knows.
    fn program(&self, name: &str) -> PathBuf {
        if name == "makegood" {
            return MAKEGOOD.into();
        }
        let link = self.folder.path().join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(MAKEGOOD, &link).expect("a link to the binary");
        }
        link
    }

    /// Sends JSON as the shop's own server does.
    ///
    /// # Errors
    /// What the shop says when it refuses, or that it does not answer.
    pub async fn ask_shop(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.http.post(format!("{}{path}", self.shop_url)).bearer_auth(ADMIN_TOKEN).json(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().await.map_err(|error| error.to_string())?);
        match status.is_success() {
            true => serde_json::from_str(&text).map_err(|error| error.to_string()),
            false => Err(format!("{path}: {status} {text}")),
        }
    }

    /// Lets some time pass at Stripe, and waits until everything that has begun is done: webhooks are delivered, events
    /// processed, jobs run.
    pub async fn rest(&mut self) {
        self.stripe_clock.advance(BETWEEN_STEPS);
        loop {
            let due = self.stripe.with(|account, cx| account.due_deliveries(cx));
            if due.is_empty() {
                self.all_is_done().await;
                if self.stripe.with(|account, cx| account.next_due().is_none_or(|due| due > cx.now)) {
                    return;
                }
            }
            // One after the other, so that each run processes them in the same order.
            for delivery in due {
                self.carry(delivery).await;
                self.all_is_done().await;
            }
        }
    }

    async fn all_is_done(&mut self) {
        let Some(node) = &mut self.shop else { return };
        let begun = Instant::now();
        loop {
            match left_to_do(&self.test).await {
                0 => return,
                left => {
                    node.must_run();
                    assert!(begun.elapsed() < PATIENCE, "{left} are still to be done: {}", node.said());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Carries what Stripe has to say to the shop, signed at this moment by the shop's clock.
    async fn carry(&self, delivery: Delivery) {
        let secret = Secret::new(SIGNING_SECRET).expect("a secret");
        let signature = stripe::sign(&delivery.body, &secret, SystemClock.now());
        let request = self.http.post(&delivery.url).header("stripe-signature", signature);
        let request = request.header("content-type", "application/json; charset=utf-8");
        let status = request.body(delivery.body).send().await.ok().map(|answer| answer.status().as_u16());
        self.stripe.with(|account, cx| account.delivery_result(delivery.id, status, cx));
    }
}

/// Events and jobs that are due or held. One that waits for its next attempt is left to wait.
async fn left_to_do(test: &TestDb) -> i64 {
    let now = SystemClock.now();
    let counted = test.db.read("test.left", move |tx| {
        let events = "SELECT COUNT(*) FROM stripe_events
                      WHERE status = 'received' OR (status = 'retry' AND next_attempt_at <= $1)";
        let jobs = "SELECT COUNT(*) FROM jobs WHERE status = 'queued'
                    AND (run_at <= $1 OR (attempts > 0 AND last_error IS NULL))";
        Ok(tx.count(events, &[now.into()])? + tx.count(jobs, &[now.into()])?)
    });
    counted.await.expect("numbers")
}

fn settings(test: &TestDb, stripe_url: &str, address: &str) -> BTreeMap<String, String> {
    let database = match &test.target {
        Target::Sqlite(path) => format!("sqlite:{}", path.display()),
        Target::Postgres(url) => url.clone(),
    };
    let texts = [
        ("DATABASE_URL", database.as_str()),
        ("DB_POOL_MAX", "6"),
        ("LISTEN", address),
        ("APP_URL", &format!("http://{address}")),
        ("STRIPE_API_BASE", stripe_url),
        ("STRIPE_SECRET", API_KEY),
        ("STRIPE_WEBHOOK_SECRET", SIGNING_SECRET),
        ("ADMIN_TOKEN", ADMIN_TOKEN),
        // One, so that events are processed in the order in which they came.
        ("WORKERS", "1"),
        ("NO_COLOR", "1"),
    ];
    texts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
