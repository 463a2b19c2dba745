//! A whole shop with a Stripe and a hand-turned clock, in one process: for scenarios.
//!
//! A scenario opens a world, lets buyers and operators act, and ends with [`World::close`], where every check must find
//! nothing and the queues must be empty. Nobody has to remember to look.

use std::sync::{Arc, Mutex};

use kernel::{Currency, Duration, Error, FixedClock, Seeded, Timestamp};
use mail::Mailbox;
use ops::{Actor, By, Done, Finding, Mode, Receipt, Role, Runner};
use sandbox::{PayOutcome, Payment, Sandbox};
use shop::checkout::{Basket, Item, Started};
use shop::ids::{OrderId, ProfileId};
use shop::orders::{Order, TimelineEntry};
use shop::{Outside, Settings, Shop};
use stripe::Secret;

use crate::TestDb;
use crate::storage_double::{MemoryDisk, MemoryStreams};
use crate::stripe_double::{NoCallFaults, SandboxStripe, deliver_due};

/// When every world begins.
pub const BEGINNING: Timestamp = Timestamp::from_seconds(1_790_000_000);
const SECRET: &str = "whsec_of_a_world_for_tests";

/// The catalog of every world: a course, a mug with 5 pieces, a poster with 100.
pub const CATALOG: &str = r#"
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
stock = 5
[[product.price]]
currency = "usd"
amount = 1500

[[product]]
id = "poster"
kind = "physical"
name = "A poster"
sku = "POSTER"
stock = 100
[[product.price]]
currency = "usd"
amount = 900

[[product]]
id = "free-course"
kind = "course"
name = "A first taste"
[[product.price]]
currency = "usd"
amount = 0
"#;

/// A shop, its Stripe and its clock.
pub struct World {
    /// The database under it.
    pub test: TestDb,
    /// The shop.
    pub shop: Arc<Shop>,
    /// Its Stripe.
    pub stripe: Arc<SandboxStripe>,
    /// Its disk.
    pub disk: Arc<MemoryDisk>,
    /// Its films.
    pub streams: Arc<MemoryStreams>,
    /// The time of both.
    pub clock: Arc<FixedClock>,
    /// What the webhook endpoint accepts.
    pub secrets: Vec<Secret>,
    /// What its buyers were sent; nothing where the shop sends no mail.
    pub mailbox: Arc<Mailbox>,
    sandbox: Arc<Mutex<Sandbox>>,
    entropy: Arc<Seeded>,
}

impl World {
    /// A shop with [`CATALOG`] on a migrated database.
    pub async fn open(test: TestDb) -> World {
        World::open_with(test, None).await
    }

    /// The same shop, which also sends mail: to [`World::mailbox`].
    pub async fn open_with_mail(test: TestDb) -> World {
        World::open_with(test, Some(Arc::default())).await
    }

    async fn open_with(test: TestDb, mailbox: Option<Arc<Mailbox>>) -> World {
        let clock = FixedClock::new(BEGINNING);
        let entropy = Seeded::new(7);
        let mut account = Sandbox::new(sandbox::Settings::default());
        let cx = kernel::Cx::new(BEGINNING, entropy.clone());
        account.add_endpoint_with_secret("http://shop.invalid/webhooks/stripe", &["*"], SECRET, &cx);
        let sandbox = Arc::new(Mutex::new(account));
        let stripe = Arc::new(SandboxStripe::new(
            sandbox.clone(),
            clock.clone(),
            entropy.clone(),
            Arc::new(NoCallFaults),
        ));
        let (disk, streams) = (Arc::<MemoryDisk>::default(), Arc::<MemoryStreams>::default());
        let outside =
            Outside { disk: disk.clone(), streams: streams.clone(), ..outside(&stripe, mailbox.clone()) };
        let shop = Arc::new(shop_on(test.db.clone(), outside, &clock, &entropy));
        let mailbox = mailbox.unwrap_or_default();
        let secrets = vec![Secret::new(SECRET).expect("a secret")];
        let world = World { test, shop, stripe, disk, streams, clock, secrets, mailbox, sandbox, entropy };
        let catalog = shop::import::CatalogFile::parse(CATALOG).expect("the catalog of worlds");
        world.operate("catalog.import", serde_json::json!({ "catalog": catalog })).await.expect("imported");
        world.work().await;
        world
    }

    /// Another node on the same database and Stripe.
    pub async fn another_node(&self) -> Shop {
        let mailbox = self.shop.mailer.is_there().then(|| self.mailbox.clone());
        let outside = Outside {
            disk: self.disk.clone(),
            streams: self.streams.clone(),
            ..outside(&self.stripe, mailbox)
        };
        shop_on(self.test.again().await, outside, &self.clock, &self.entropy)
    }

    /// A buyer with a profile.
    pub async fn buyer(&self, email: &str) -> ProfileId {
        let id: ProfileId = self.shop.cx().id();
        self.operate("customers.create", serde_json::json!({ "id": id, "email": email }))
            .await
            .expect("a profile");
        id
    }

    /// A guest's checkout of these products.
    pub async fn check_out(&self, items: &[(&str, i64)]) -> Result<Started, Error> {
        self.shop.starter.start(&self.shop, basket(items)).await
    }

    /// A checkout of a buyer with a profile.
    pub async fn check_out_for(&self, profile: ProfileId, items: &[(&str, i64)]) -> Result<Started, Error> {
        let basket = Basket { profile_id: Some(profile), ..basket(items) };
        self.shop.starter.start(&self.shop, basket).await
    }

    /// The buyer pays on Stripe's page.
    pub fn pay(&self, started: &Started, card: &str) -> PayOutcome {
        self.pay_with(started, Payment::by_card(card))
    }

    /// The buyer pays on Stripe's page, in any way.
    pub fn pay_with(&self, started: &Started, payment: Payment) -> PayOutcome {
        let cx = self.stripe.cx();
        self.stripe.account().pay(&started.session, &payment, &cx).expect("a session that can be paid")
    }

    /// Stripe's clock and ours go on.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let cx = self.stripe.cx();
        self.stripe.account().tick(&cx);
    }

    /// Delivers webhooks and works until nothing is due any more.
    pub async fn settle(&self) {
        loop {
            let delivered = deliver_due(&self.shop, &self.stripe, &self.secrets).await;
            let worked = self.work().await;
            if delivered + worked == 0 {
                return;
            }
        }
    }

    /// Works until nothing is due any more, without asking Stripe for webhooks.
    pub async fn work(&self) -> usize {
        let mut all = 0;
        loop {
            let events = self.shop.work_events().await.expect("events are processed").claimed;
            let jobs = self.shop.work_jobs(20).await.expect("jobs are done");
            if events + jobs == 0 {
                return all;
            }
            all += events + jobs;
        }
    }

    /// An admin does this, now, with a reason.
    pub async fn operate(&self, name: &str, input: serde_json::Value) -> Result<Receipt, Error> {
        let definition = shop::OPERATIONS.iter().find(|def| def.name == name).expect("a known operation");
        let by = By {
            actor: Actor::operator("ada"),
            role: Role::Admin,
            reason: Some("a test says so".into()),
            request_id: None,
        };
        let runner = Runner { db: self.shop.db.clone() };
        runner.run(definition, input, Mode::Apply { plan_id: None }, by, self.shop.cx()).await
    }

    /// An admin has this done, now, with a reason.
    pub async fn task(&self, name: &str, input: serde_json::Value) -> Result<Done, Error> {
        let definition = shop::TASKS.iter().find(|def| def.name == name).expect("a known task");
        let by = By {
            actor: Actor::operator("ada"),
            role: Role::Admin,
            reason: Some("a test says so".into()),
            request_id: None,
        };
        definition.read(input)?.run(&self.shop, &by, &()).await
    }

    /// Delivers webhooks and processes events, and nothing else: no job is done.
    pub async fn hear(&self) {
        deliver_due(&self.shop, &self.stripe, &self.secrets).await;
        self.process().await;
    }

    /// Processes the events that are here, and nothing else.
    pub async fn process(&self) {
        while self.shop.work_events().await.expect("events are processed").claimed > 0 {}
    }

    /// What an admin reads there.
    pub async fn view(&self, name: &str, input: serde_json::Value) -> Result<serde_json::Value, Error> {
        let definition = *shop::VIEWS.iter().find(|def| def.name == name).expect("a known view");
        let cx = self.shop.cx();
        self.shop.db.read("view", move |tx| (definition.ask)(input.clone(), tx, &cx)).await
    }

    /// The order as it stands.
    pub async fn order(&self, id: OrderId) -> Order {
        let found = self.shop.db.read("order", move |tx| shop::orders::find(tx, id)).await;
        found.expect("readable").expect("the order")
    }

    /// What happened to an order, in its own words.
    pub async fn timeline(&self, id: OrderId) -> Vec<TimelineEntry> {
        self.shop.db.read("timeline", move |tx| shop::orders::timeline(tx, id)).await.expect("readable")
    }

    /// The kinds of its timeline's entries.
    pub async fn story(&self, id: OrderId) -> Vec<String> {
        self.timeline(id).await.into_iter().map(|entry| entry.kind).collect()
    }

    /// One number from the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.shop.db.read("count", move |tx| tx.count(sql, &[])).await.expect("a number")
    }

    /// Pieces that exist and pieces that can be sold.
    pub async fn stock(&self, sku: &'static str) -> (i64, i64) {
        let level = self.shop.db.read("level", move |tx| shop::inventory::level(tx, sku)).await;
        let level = level.expect("readable").expect("a known sku");
        (level.stock_count, level.available)
    }

    /// Whether this profile may use this product.
    pub async fn may_use(&self, profile: ProfileId, product: &'static str) -> bool {
        let active =
            self.shop.db.read("may_use", move |tx| shop::entitlements::is_active(tx, profile, product));
        active.await.expect("readable")
    }

    /// Everything that the checks find now, while workers do every second what they do every second.
    pub async fn findings(&self) -> Vec<Finding> {
        self.shop.seal().await.expect("the audit log is sealed");
        self.findings_without_workers().await
    }

    /// Everything that the checks find when no worker runs.
    pub async fn findings_without_workers(&self) -> Vec<Finding> {
        let now = self.shop.now();
        let all = self.shop.db.read("check", move |tx| {
            let found: Result<Vec<_>, Error> =
                shop::checks().iter().map(|check| check.run(tx, now)).collect();
            Ok(found?.concat())
        });
        all.await.expect("the checks run")
    }

    /// The Stripe account.
    pub fn account(&self) -> std::sync::MutexGuard<'_, Sandbox> {
        crate::stripe_double::locked(&self.sandbox)
    }

    /// The end of every scenario: a day later, with all work done, every check finds nothing.
    pub async fn close(self) {
        self.close_with(&[]).await;
    }

    /// The same, when these checks are meant to find something.
    pub async fn close_with(self, expected: &[&str]) {
        for _ in 0..3 {
            self.settle().await;
            self.advance(Duration::from_secs(8 * 3600));
        }
        self.settle().await;
        let mut found: Vec<&str> = self.findings().await.iter().map(|finding| finding.check).collect();
        found.dedup();
        assert_eq!(found, expected, "{:#?}", self.findings().await);
        assert_eq!(self.count("SELECT COUNT(*) FROM jobs").await, 0, "the queue is empty");
    }
}

/// A guest's basket.
pub fn basket(items: &[(&str, i64)]) -> Basket {
    Basket {
        items: items
            .iter()
            .map(|(product, quantity)| Item { product: (*product).into(), quantity: *quantity })
            .collect(),
        currency: None,
        email: Some("buyer@example.com".into()),
        profile_id: None,
        success_url: None,
        cancel_url: None,
    }
}

fn outside(stripe: &Arc<SandboxStripe>, mailbox: Option<Arc<Mailbox>>) -> Outside {
    let outside = Outside::from(stripe.clone());
    match mailbox {
        Some(mailer) => Outside { mailer, ..outside },
        None => outside,
    }
}

fn shop_on(db: db::Db, outside: Outside, clock: &Arc<FixedClock>, entropy: &Arc<Seeded>) -> Shop {
    let settings = Settings {
        app_url: "http://shop.invalid".into(),
        livemode: false,
        currency: "usd".parse::<Currency>().expect("a currency"),
        reservation: Duration::from_secs(30 * 60),
        cleanup_after: Duration::from_secs(60 * 60),
        downloads_enabled: true,
        download_ttl: Duration::from_secs(300),
    };
    Shop::new(db, outside, settings, clock.clone(), entropy.clone())
}
