//! What outlives every node: a database, a Stripe account behind a real listener, and the place where nodes write
//! their logs. Nodes come and go on it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use db::{Db, Limits, Target};
use kernel::{Clock, Cx, Seeded};
use makegood::clock::SystemClock;
use ops::{Actor, By, Mode, Role, Runner};
use sandbox::http::{Shared, deliver_forever, router};
use sandbox::{PayOutcome, Payment, Sandbox};
use shop::import::CatalogFile;
use testkit::databases::{Server, runtime};
use testkit::{Engine, TestDb};
use tokio::net::TcpListener;

use crate::node::Node;

/// The signing secret of the webhook endpoint.
pub const SECRET: &str = "whsec_of_nodes_under_test";
/// The first admin's token.
pub const ADMIN_TOKEN: &str = "an-admin-token-for-processes";
/// Pieces of the mug at the beginning.
pub const MUGS: i64 = 100_000;
/// Pieces of the print at the beginning: the article that a thousand people want.
pub const PRINTS: i64 = 100;

const CATALOG: &str = r#"
[[product]]
id = "rust-course"
kind = "course"
name = "Rust from the ground up"
[[product.price]]
currency = "usd"
amount = 4900

[[product]]
id = "mug"
kind = "physical"
name = "A mug"
sku = "MUG"
stock = 100000
[[product.price]]
currency = "usd"
amount = 1500

[[product]]
id = "print"
kind = "physical"
name = "A signed print"
sku = "PRINT"
stock = 100
[[product.price]]
currency = "usd"
amount = 9900
"#;

/// Everything that nodes of one test share.
pub struct Stage {
    /// Which engine the database is of.
    pub engine: Engine,
    /// The account at Stripe. It lives in the test's own process and sends webhooks whether a node is there or not.
    pub stripe: Arc<Shared>,
    /// For requests to nodes.
    pub http: reqwest::Client,
    stripe_url: String,
    folder: tempfile::TempDir,
    database: Database,
}

enum Database {
    /// In the folder of the stage. The test keeps no connection: SQLite recovers after a kill only when nobody else has
    /// the file open.
    Sqlite,
    Own(Box<TestDb>),
    Of(Target),
}

impl Stage {
    /// An empty database of its own. `None` when there is no PostgreSQL to run on; a line on stderr says so.
    pub async fn empty(engine: Engine) -> Option<Stage> {
        let limits = Limits { pool_max: 1, ..Limits::default() };
        let database = match engine {
            Engine::Sqlite => Database::Sqlite,
            Engine::Postgres => Database::Own(Box::new(TestDb::open_with(engine, limits).await?)),
        };
        Some(Stage::on(engine, database).await)
    }

    /// The same with the catalog of these tests.
    pub async fn with_catalog(engine: Engine) -> Option<Stage> {
        let stage = Stage::empty(engine).await?;
        stage.import().await;
        Some(stage)
    }

    /// On a server that the test may stop.
    pub async fn on_server(server: &Server) -> Stage {
        let stage = Stage::on(Engine::Postgres, Database::Of(server.target())).await;
        stage.import().await;
        stage
    }

    async fn on(engine: Engine, database: Database) -> Stage {
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        let http = http.expect("an HTTP client");
        let (stripe, stripe_url) = open_account(&http).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        Stage { engine, stripe, http, stripe_url, folder, database }
    }

    async fn import(&self) {
        let db = self.db().await;
        let clock = SystemClock;
        db.migrate(shop::MIGRATIONS, clock.now()).await.expect("the migrations run");
        let catalog = CatalogFile::parse(CATALOG).expect("the catalog of these tests");
        self.operate(&db, "catalog.import", serde_json::json!({ "catalog": catalog })).await;
    }

    /// A profile for a buyer.
    pub async fn profile(&self, db: &Db, email: &str) -> String {
        let id: shop::ids::ProfileId = cx().id();
        self.operate(db, "customers.create", serde_json::json!({ "id": id, "email": email })).await;
        id.to_string()
    }

    async fn operate(&self, db: &Db, name: &str, input: serde_json::Value) {
        let definition = shop::OPERATIONS.iter().find(|def| def.name == name).expect("a known operation");
        let by = By {
            actor: Actor::operator("ada"),
            role: Role::Admin,
            reason: Some("a test says so".into()),
            request_id: None,
        };
        let runner = Runner { db: db.clone() };
        let done = runner.run(definition, input, Mode::Apply { plan_id: None }, by, cx()).await;
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// What `DATABASE_URL` says.
    pub fn database_url(&self) -> String {
        match self.target() {
            Target::Sqlite(path) => format!("sqlite:{}", path.display()),
            Target::Postgres(url) => url,
        }
    }

    fn target(&self) -> Target {
        match &self.database {
            Database::Sqlite => Target::Sqlite(self.folder.path().join("makegood.db")),
            Database::Own(test) => test.target.clone(),
            Database::Of(target) => target.clone(),
        }
    }

    /// The database as a node sees it, opened by the test. On SQLite it is opened when no node is to be killed any more.
    pub async fn db(&self) -> Db {
        let limits = Limits { pool_max: 2, ..Limits::default() };
        Db::open(&self.target(), limits).await.expect("the database opens")
    }

    /// A node that is configured and not started.
    pub fn node(&self) -> Node {
        let port = free_port();
        Node::new(self.folder.path().to_owned(), port, self.environment(port))
    }

    fn environment(&self, port: u16) -> BTreeMap<String, String> {
        let texts = [
            ("DATABASE_URL", self.database_url()),
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("APP_URL", format!("http://127.0.0.1:{port}")),
            ("STRIPE_API_BASE", self.stripe_url.clone()),
            ("STRIPE_SECRET", "sk_test_of_nodes_under_test".into()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.into()),
            ("ADMIN_TOKEN", ADMIN_TOKEN.into()),
            // Reading Stripe's list would make good what a webhook that was acknowledged and lost had brought.
            ("STRIPE_EVENTS", "push".into()),
            // Many tests share one server, which has so many connections and no more.
            ("DB_POOL_MAX", "8".into()),
            // What a machine that builds this has set must not reach the node.
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("NO_COLOR", "1".into()),
        ];
        texts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// From now on Stripe sends every event there.
    pub fn send_webhooks_to(&self, node: &Node) {
        let url = format!("{}/webhooks/stripe", node.url);
        self.stripe.with(|account, cx| account.add_endpoint_with_secret(&url, &["*"], SECRET, cx));
    }

    /// The buyer pays on Stripe's page.
    pub fn pay(&self, session: &str) {
        let paid =
            self.stripe.with(|account, cx| account.pay(session, &Payment::by_card("4242424242424242"), cx));
        assert!(matches!(paid, Ok(PayOutcome::Paid { .. })), "{session}: {paid:?}");
    }
}

/// The time and new ids.
pub fn cx() -> Cx {
    Cx::new(SystemClock.now(), Arc::new(makegood::clock::OsEntropy))
}

async fn open_account(http: &reqwest::Client) -> (Arc<Shared>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // A second instead of minutes: a node that was killed is back by then.
    let settings = sandbox::Settings {
        public_url: url.clone(),
        retry_after_seconds: vec![1],
        ..sandbox::Settings::default()
    };
    let account = Shared::new(Sandbox::new(settings), Arc::new(SystemClock), Seeded::new(20_261_121));
    let app: Router = router(account.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    tokio::spawn(deliver_forever(account.clone(), http.clone(), std::future::pending()));
    (account, url)
}

/// A port below those from which the system takes the near ends of connections: a client that knocks at the door of
/// a killed node could otherwise be given the node's own port, and talk to itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + (std::process::id() % 900) as u16 * 10;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs `test` on a stage with a catalog, in a runtime like that of the server.
pub fn run_on<F: Future<Output = ()>>(engine: Engine, test: impl FnOnce(Stage) -> F) {
    runtime().block_on(async {
        if let Some(stage) = Stage::with_catalog(engine).await {
            test(stage).await;
        }
    });
}

/// Makes two tests of one, each with a stage of its own.
macro_rules! on_both_engines {
    ($($(#[$about:meta])* async fn $name:ident($($argument:ident)+: Stage) $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            use super::*;

            async fn on($($argument)+: Stage) $body

            #[test]
            fn sqlite() {
                crate::stage::run_on(testkit::Engine::Sqlite, on);
            }

            #[test]
            fn postgres() {
                crate::stage::run_on(testkit::Engine::Postgres, on);
            }
        }
    )*};
}
pub(crate) use on_both_engines;
