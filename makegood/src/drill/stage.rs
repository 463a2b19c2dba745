//! The shop of a drill: on an empty database, with a Stripe of its own and a clock that is turned by hand.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use db::{Db, Tx, TxResult};
use kernel::{Duration, Error, FixedClock, Result, Seeded, Timestamp};
use ops::audit::{self, Filter};
use ops::{Actor, By, Done, Finding, Mode, Receipt, Role};
use sandbox::{Fault, PayOutcome, Payment, Sandbox, Trouble};
use serde_json::{Value, json};
use shop::around::Around;
use shop::checkout::{Basket, Item, Started};
use shop::ids::{OrderId, ProfileId, ResourceId};
use shop::inbox::Incoming;
use shop::{Outside, Shop};

use super::REASON;
use super::around::{AroundIt, Starting};
use super::disk::Laid;
use super::pictures::Pictures;
use super::stripe::Account;
use crate::app::App;
use crate::config::{Config, Sources, explain};
use crate::doctor::Patient;
use crate::secrets::Secrets;
use crate::surroundings::Surroundings;
use crate::tasks;

/// When every drill begins.
const BEGINNING: Timestamp = Timestamp::from_seconds(1_790_000_000);
const SECRET: &str = "whsec_of_a_shop_that_is_thrown_away";
const VISA: &str = "4242424242424242";

/// What is sold: a course, and mugs of which there are few.
const CATALOG: &str = r#"
[[product]]
id = "course"
kind = "course"
name = "A course"
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
"#;

/// What the course holds, where it matters.
const CONTENT: &str = r#"
[[course]]
id = "course"
[[course.module]]
id = "one"
title = "One"
[[course.module.lesson]]
id = "hello"
title = "Hello"
[[course.module.lesson.resource]]
id = "notes"
title = "Notes"
object_key = "course/notes.pdf"
"#;

pub(super) struct Stage {
    app: Arc<App>,
    pub(super) shop: Arc<Shop>,
    account: Arc<Account>,
    disk: Arc<Laid>,
    pictures: Arc<Pictures>,
    clock: Arc<FixedClock>,
    hook: SecretFile,
    starting: Starting,
}

/// The signing secret in a file of its own, as it lies where secrets are rolled; the file goes with the stage.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new() -> Result<SecretFile> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("makegood-drill-{}-{count}", std::process::id());
        let file = SecretFile(std::env::temp_dir().join(name));
        file.write(SECRET)?;
        Ok(file)
    }
    fn write(&self, text: &str) -> Result<()> {
        std::fs::write(&self.0, text).map_err(bug)
    }
}

fn bug(error: std::io::Error) -> Error {
    Error::Bug(Box::new(error))
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Stage {
    /// On an empty database.
    pub(super) async fn open(db: Db) -> Result<Stage> {
        let (clock, entropy) = (FixedClock::new(BEGINNING), Seeded::new(7));
        db.migrate(shop::MIGRATIONS, BEGINNING).await?;
        let mut sandbox = Sandbox::new(sandbox::Settings::default());
        let cx = kernel::Cx::new(BEGINNING, entropy.clone());
        sandbox.add_endpoint_with_secret("http://drill.invalid/webhooks/stripe", &["*"], SECRET, &cx);
        let account = Account::new(sandbox, clock.clone(), entropy.clone());
        let (disk, pictures) = (Arc::new(Laid::default()), Arc::new(Pictures::default()));
        let outside =
            Outside { disk: disk.clone(), media: pictures.clone(), ..Outside::from(account.clone()) };
        let hook = SecretFile::new()?;
        let config =
            Config::load(&sources(&hook)).map_err(|problems| Error::invalid("", explain(&problems)))?;
        let secrets = Arc::new(Secrets::at_start(&config, clock.clone()));
        let starting = Starting::default();
        let around = |it: Surroundings| Arc::new(AroundIt::new(it, starting.clone())) as Arc<dyn Around>;
        let app = App::amid(config, db, outside, secrets, clock.clone(), entropy, around);
        let shop = app.shop.clone();
        let stage = Stage { app, shop, account, disk, pictures, clock, hook, starting };
        let catalog = shop::import::CatalogFile::parse(CATALOG)?;
        stage.operate("catalog.import", json!({ "catalog": catalog })).await?;
        stage.work().await?;
        Ok(stage)
    }

    /// The course holds one lesson with one file, which lies where it should.
    pub(super) async fn with_content(&self) -> Result<ResourceId> {
        self.disk.lay("course/notes.pdf");
        let content = shop::content::ContentFile::parse("content.toml", CONTENT)?;
        self.act("courses.import", json!({ "content": content })).await?;
        // What is sold with a course to be seen has a price at Stripe.
        self.by_hand("UPDATE prices SET stripe_price_id = 'price_course' WHERE product_id = 'course'")
            .await?;
        let read = |tx: &mut Tx<'_>| shop::content::course(tx, "course");
        let course = self.shop.db.read("drill.look", read).await?;
        let file = course.as_ref().and_then(|course| course.files().next().map(|file| file.id));
        file.ok_or_else(|| Error::bug("the course holds no file"))
    }

    /// The Stripe account.
    pub(super) fn stripe(&self) -> MutexGuard<'_, Sandbox> {
        self.account.lock()
    }

    /// Where pictures lie.
    pub(super) fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The time and chance that Stripe works by.
    pub(super) fn cx(&self) -> kernel::Cx {
        self.account.cx()
    }

    /// This trouble at Stripe until [`Stage::heal`].
    pub(super) fn trouble(&self, fault: Fault) {
        self.stripe().inject(fault);
    }

    /// No event is made of what happens now.
    pub(super) fn deaf(&self) {
        self.trouble(Fault::new(Trouble::NotGenerated));
    }

    /// Stripe is well again.
    pub(super) fn heal(&self) {
        self.stripe().clear_faults();
    }

    /// Time passes, here and at Stripe.
    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let cx = self.cx();
        self.stripe().tick(&cx);
    }

    /// The signing secret is rolled at Stripe, and the old one ends at once. Gives the new one.
    pub(super) fn roll_secret(&self) -> Result<String> {
        let cx = self.cx();
        let mut stripe = self.stripe();
        let endpoint = stripe.endpoints().next().map(|(id, _)| id.to_owned());
        let rolled = endpoint.and_then(|endpoint| stripe.roll_secret(&endpoint, Duration::ZERO, &cx));
        rolled.ok_or_else(|| Error::bug("there is no endpoint"))
    }

    /// Somebody puts a signing secret where the shop reads it.
    pub(super) fn put_secret(&self, secret: &str) -> Result<()> {
        self.hook.write(secret)
    }

    /// The signing secret's file is gone from where the shop reads it, or it is there again.
    pub(super) fn hide_secret(&self, hidden: bool) -> Result<()> {
        let aside = self.hook.0.with_extension("aside");
        let (from, to) = if hidden { (&self.hook.0, &aside) } else { (&aside, &self.hook.0) };
        std::fs::rename(from, to).map_err(bug)
    }

    /// Somebody sets this, and the program is started anew; it gets no further than it can.
    pub(super) fn start_with(&self, name: &'static str, value: &str) {
        let config = Config::load(&sources(&self.hook).with_flag(name, value));
        let patient =
            config.err().map(|problems| Patient::without_configuration(problems, self.clock.clone()));
        self.starting.set(patient);
    }

    /// The setting is right again, and the program serves.
    pub(super) fn start(&self) {
        self.starting.set(None);
    }

    /// A worker runs the checks, as the workers of a server do every minute.
    pub(super) async fn watch(&self) -> Result<()> {
        self.shop.watch().await.map(drop)
    }

    /// The secrets are read again, as it happens every few minutes.
    pub(super) async fn read_secrets(&self) -> Result<()> {
        self.shop.around.refetch().await.map(drop)
    }

    /// A buyer with an account.
    pub(super) async fn buyer(&self, email: &str) -> Result<ProfileId> {
        let id: ProfileId = self.shop.cx().id();
        self.operate("customers.create", json!({ "id": id, "email": email })).await?;
        Ok(id)
    }

    /// A checkout of one piece.
    pub(super) async fn check_out(&self, profile: ProfileId, product: &str) -> Result<Started> {
        let basket = Basket {
            items: vec![Item { product: product.to_owned(), quantity: 1 }],
            currency: None,
            email: None,
            profile_id: Some(profile),
            success_url: None,
            cancel_url: None,
        };
        self.shop.starter.start(&self.shop, basket).await
    }

    /// The buyer pays on Stripe's page.
    pub(super) fn pay(&self, started: &Started) -> Result<PayOutcome> {
        let cx = self.cx();
        let paid = self.stripe().pay(&started.session, &Payment::by_card(VISA), &cx);
        paid.map_err(|e| Error::Bug(Box::new(e)))
    }

    /// Something that was bought, paid and handed over.
    pub(super) async fn bought(&self, product: &str) -> Result<Started> {
        let started = self.check_out(self.buyer(super::faults::ADA).await?, product).await?;
        self.pay(&started)?;
        self.settle().await?;
        Ok(started)
    }

    /// Stripe delivers what is due; gives how much that was.
    pub(super) async fn deliver(&self) -> Result<usize> {
        let cx = self.cx();
        let due = self.stripe().due_deliveries(&cx);
        for delivery in &due {
            let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Stripe-Signature");
            let signature = delivery.headers.iter().find(named).map(|(_, value)| value.as_str());
            let status = self.receive(&delivery.body, signature).await;
            self.stripe().delivery_result(delivery.id, Some(status), &cx);
        }
        Ok(due.len())
    }

    /// As the webhook's door does.
    async fn receive(&self, body: &[u8], signature: Option<&str>) -> u16 {
        let now = self.shop.now();
        if self.app.secrets.verify(signature.unwrap_or_default(), body, now).await.is_err() {
            return 401;
        }
        let payload = String::from_utf8_lossy(body).into_owned();
        match Incoming::read(payload, signature.unwrap_or_default(), now) {
            Err(_) => 400,
            Ok(incoming) => self.shop.receiver.receive(incoming).await.map_or(503, |_| 200),
        }
    }

    /// Workers do what is due.
    pub(super) async fn work(&self) -> Result<usize> {
        let mut all = 0;
        loop {
            let done = self.shop.work_events().await?.claimed + self.shop.work_jobs(20).await?;
            if done == 0 {
                self.shop.seal().await?;
                return Ok(all);
            }
            all += done;
        }
    }

    /// Webhooks come and workers work until nothing is due any more.
    pub(super) async fn settle(&self) -> Result<()> {
        while self.deliver().await? + self.work().await? > 0 {}
        Ok(())
    }

    /// An operation, by hand.
    pub(super) async fn operate(&self, name: &str, input: Value) -> Result<Receipt> {
        let found = shop::OPERATIONS.iter().find(|operation| operation.name == name);
        let operation = found.ok_or_else(|| Error::bug(format!("no operation is called {name}")))?;
        let (mode, by) = (Mode::Apply { plan_id: None }, by(Some("the drill is set up")));
        self.app.runner.run(operation, input, mode, by, self.shop.cx()).await
    }

    /// A task that only looks.
    pub(super) async fn ask(&self, name: &str, input: Value) -> Result<Done> {
        self.perform(name, input, by(None)).await
    }

    /// A task that changes something.
    pub(super) async fn act(&self, name: &str, input: Value) -> Result<Done> {
        self.perform(name, input, by(Some(REASON))).await
    }

    async fn perform(&self, name: &str, input: Value, by: By) -> Result<Done> {
        let found = shop::TASKS.iter().find(|task| task.name == name);
        let task = found.ok_or_else(|| Error::bug(format!("no task is called {name}")))?;
        tasks::begin(&self.app, task.read(input)?, by, None).await?.ended().await
    }

    /// Past every room and every rule: what a hand in the database does.
    pub(super) async fn by_hand(&self, sql: &'static str) -> Result<()> {
        let done = self.shop.db.write("drill.by_hand", move |tx: &mut Tx<'_>| tx.execute(sql, &[]).map(drop));
        done.await.must_be_looked_up()
    }

    /// One text from the database.
    pub(super) async fn text(&self, sql: &'static str) -> Result<String> {
        self.shop
            .db
            .read("drill.look", move |tx| {
                let row =
                    tx.query_opt(sql, &[])?.ok_or_else(|| Error::bug(format!("nothing there: {sql}")))?;
                row.get("found")
            })
            .await
    }

    /// The reservation of an order.
    pub(super) async fn reservation(&self, order: OrderId) -> Result<String> {
        let all =
            self.shop.db.read("drill.look", move |tx| shop::inventory::reservations_of(tx, order)).await?;
        let first = all.first().map(|held| held.id.to_string());
        first.ok_or_else(|| Error::bug("nothing is set aside"))
    }

    /// What every check finds now.
    pub(super) async fn findings(&self) -> Result<Vec<Finding>> {
        let now = self.shop.now();
        self.shop
            .db
            .read("drill.check", move |tx| {
                let all: Result<Vec<_>> = shop::checks().iter().map(|check| check.run(tx, now)).collect();
                Ok(all?.concat())
            })
            .await
    }

    /// What the audit log has with this reason, or because of it.
    pub(super) async fn audited(&self, reason: &'static str) -> Result<Vec<String>> {
        self.shop
            .db
            .read("drill.audit", move |tx| {
                let rows = audit::list(tx, &Filter { limit: 100, ..Filter::default() })?;
                let mut kept = Vec::new();
                for row in rows {
                    let why: Option<String> = row.get("reason")?;
                    if why.is_some_and(|why| why.ends_with(reason)) {
                        kept.push(row.get("event_type")?);
                    }
                }
                Ok(kept)
            })
            .await
    }
}

/// Nothing of the configuration of this machine is heard here.
fn sources(hook: &SecretFile) -> Sources {
    let hook = hook.0.display().to_string();
    let sources = [
        ("APP_URL", "http://drill.invalid"),
        ("STRIPE_SECRET", "sk_test_drill"),
        ("STRIPE_WEBHOOK_SECRET_FILE", hook.as_str()),
        ("CURRENCY", "usd"),
        ("RESERVATION_MINUTES", "30"),
        ("CLEANUP_FAILED_PAYMENT_MINUTES", "60"),
    ];
    sources.into_iter().fold(Sources::default(), |all, (name, value)| all.with_flag(name, value))
}

fn by(reason: Option<&str>) -> By {
    let reason = reason.map(str::to_owned);
    By { actor: Actor::operator("drill"), role: Role::Admin, reason, request_id: None }
}
