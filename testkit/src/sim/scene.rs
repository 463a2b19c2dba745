//! The stage of one run: two nodes on one database, the account at Stripe, the tasks that are under way, and what the
//! simulation itself remembers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use db::{Db, NoFaults, Tx};
use kernel::{Clock, Cx, Duration, FixedClock, Result, Seeded, Timestamp};
use ops::{Actor, By, Mode, Receipt, Role, Runner};
use sandbox::{ApiRequest, Delivery, Fault, Sandbox, Trouble, Visit};
use shop::Shop;
use shop::ids::ProfileId;
use stripe::Secret;

use super::chaos::{NodeChaos, WrongClock};
use super::trace::Trace;
use super::{Report, Swarm};
use crate::stripe_double::{NoCallFaults, SandboxStripe};

/// 20 November 2026, noon in UTC.
const BEGINNING: Timestamp = Timestamp::from_seconds(1_795_176_000);
const SECRET: &str = "whsec_simulated";
/// What the shop sells: a course, another one, a gift, and two things with stock.
pub(super) const COURSES: [&str; 3] = ["course", "workshop", "gift"];
pub(super) const THINGS: [&str; 2] = ["book", "mug"];
pub(super) const SKUS: [&str; 2] = ["BOOK", "MUG"];

/// One process of the shop.
pub struct Node {
    pub(super) chaos: Arc<NodeChaos>,
    pub(super) clock: Arc<WrongClock>,
    db: Db,
    stripe: Arc<SandboxStripe>,
    entropy: Arc<Seeded>,
    settings: shop::Settings,
    shop: RefCell<Rc<Shop>>,
    /// Until when it is down.
    pub(super) down_until: Cell<Timestamp>,
}

impl Node {
    /// The shop as this node has opened it.
    pub fn shop(&self) -> Rc<Shop> {
        self.shop.borrow().clone()
    }

    /// The process begins anew: nothing that was only in its memory is left.
    pub fn restart(&self) {
        *self.shop.borrow_mut() = Rc::new(self.open());
    }

    fn open(&self) -> Shop {
        let settings = self.settings.clone();
        Shop::new(self.db.clone(), self.stripe.clone(), settings, self.clock.clone(), self.entropy.clone())
    }
}

/// One thing under way.
struct Task {
    id: u64,
    /// Which node dies with it; none for what happens outside.
    node: usize,
    name: &'static str,
    asleep_until: Timestamp,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// What the simulation remembers, because nobody else may be trusted with it.
#[derive(Default)]
pub(super) struct Book {
    /// Events whose delivery was answered with 200.
    pub(super) acknowledged: BTreeSet<String>,
    /// Webhooks that left Stripe and did not arrive yet.
    pub(super) post: Vec<Delivery>,
    /// Buyers at their banks: session and token.
    pub(super) at_the_bank: Vec<(String, String)>,
    /// Grants that were seen revoked.
    pub(super) revoked: BTreeSet<String>,
    /// Sessions at Stripe by order.
    pub(super) sessions: BTreeMap<String, String>,
    pub(super) sessions_read: usize,
    /// Sessions of links that sell something of which nobody here knows what it is.
    pub(super) strange: BTreeSet<String>,
    pub(super) crashes: u64,
}

/// One run.
pub struct Scene {
    seed: u64,
    pub(super) swarm: Swarm,
    /// Decides everything that is not decided elsewhere.
    pub chance: Arc<Seeded>,
    /// The right time.
    pub clock: Arc<FixedClock>,
    /// The secrets of the endpoint.
    pub secrets: Rc<[Secret]>,
    /// The processes of the shop.
    pub nodes: Vec<Node>,
    /// Who buys.
    pub profiles: Vec<ProfileId>,
    /// The price at Stripe of each product.
    prices: RefCell<BTreeMap<String, String>>,
    sandbox: Arc<Mutex<Sandbox>>,
    /// The account with the right clock and without troubles.
    pub(super) account: Arc<SandboxStripe>,
    observer: Db,
    tasks: RefCell<Vec<Task>>,
    pub(super) book: RefCell<Book>,
    trace: RefCell<Trace>,
    steps: Cell<u64>,
    next_task: Cell<u64>,
    violation: RefCell<Option<String>>,
}

/// Runs a future to its end, for those that wait for nobody else.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

impl Scene {
    /// Opens the shop on both nodes, with a catalog and a few profiles.
    pub fn new(seed: u64, swarm: Swarm, traced: bool) -> Rc<Scene> {
        let clock = FixedClock::new(BEGINNING);
        let sandbox = Arc::new(Mutex::new(account(seed, &swarm, &clock)));
        let observer = Db::inline(Arc::new(NoFaults)).expect("SQLite opens in memory");
        now(observer.migrate(shop::MIGRATIONS, BEGINNING)).expect("the migrations run");
        let nodes = (0..2).map(|at| node(seed, at, &swarm, &clock, &sandbox, &observer)).collect();
        let stripe = SandboxStripe::new(
            sandbox.clone(),
            clock.clone(),
            Seeded::new(seed ^ 0xacc0),
            Arc::new(NoCallFaults),
        );
        let scene = Rc::new(Scene {
            seed,
            swarm,
            chance: Seeded::new(seed),
            clock,
            secrets: Rc::from([Secret::new(SECRET).expect("not blank")]),
            nodes,
            prices: RefCell::default(),
            profiles: (1..=4).map(|n| ProfileId::from_uuid(uuid::Uuid::from_u128(n))).collect(),
            sandbox,
            account: Arc::new(stripe),
            observer,
            tasks: RefCell::new(Vec::new()),
            book: RefCell::default(),
            trace: RefCell::new(Trace::new(traced)),
            steps: Cell::new(0),
            next_task: Cell::new(0),
            violation: RefCell::new(None),
        });
        scene.furnish();
        scene
    }

    fn furnish(&self) {
        let price = |amount: i64| serde_json::json!([{ "currency": "usd", "amount": amount }]);
        let course = |id: &str, amount| serde_json::json!({ "id": id, "kind": "course", "name": id, "price": price(amount) });
        let thing = |id: &str, sku: &str, amount| {
            serde_json::json!({ "id": id, "kind": "physical", "name": id, "sku": sku,
                "stock": self.swarm.stock, "price": price(amount) })
        };
        let products = serde_json::json!([
            course(COURSES[0], 4900),
            course(COURSES[1], 2900),
            course(COURSES[2], 0),
            thing(THINGS[0], SKUS[0], 1900),
            thing(THINGS[1], SKUS[1], 900),
        ]);
        let catalog = serde_json::json!({ "catalog": { "product": products } });
        self.operate("catalog.import", catalog).expect("the catalog is imported");
        for (product, amount) in
            [(COURSES[0], 4900), (COURSES[1], 2900), (COURSES[2], 0), (THINGS[0], 1900), (THINGS[1], 900)]
        {
            let price = self.price_at_stripe(amount);
            let mapping = serde_json::json!({ "price": format!("{product}-usd"), "stripe_price": price });
            self.operate("prices.map", mapping).expect("the price is mapped");
            self.prices.borrow_mut().insert(product.to_owned(), price);
        }
        for (n, id) in self.profiles.iter().enumerate() {
            let profile = serde_json::json!({ "id": id, "email": format!("buyer{n}@example.com") });
            self.operate("customers.create", profile).expect("the profile is made");
        }
    }

    fn price_at_stripe(&self, amount: i64) -> String {
        let form = format!("currency=usd&unit_amount={amount}&product_data[name]=Something");
        self.made_at_stripe("/v1/prices", &form)
    }

    /// Makes something at Stripe past all troubles; gives its id.
    fn made_at_stripe(&self, path: &str, form: &str) -> String {
        let cx = self.account.cx();
        let request = ApiRequest::post(path, form);
        let mut account = self.stripe();
        let made = loop {
            let made = account.handle(&request, &cx);
            if made.status == 200 {
                break made.body;
            }
        };
        made["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Somebody opens a Payment Link that sells these products, and perhaps something that is not ours; gives the session.
    pub fn open_link(&self, products: &[(&str, i64)], strange: bool, visit: &Visit) -> String {
        let prices = self.prices.borrow();
        let mut sold: Vec<(String, i64)> = products.iter().map(|(p, n)| (prices[*p].clone(), *n)).collect();
        if strange {
            sold.push((self.price_at_stripe(700), 1));
        }
        let lines = sold.iter().enumerate().map(|(at, (price, quantity))| {
            format!("line_items[{at}][price]={price}&line_items[{at}][quantity]={quantity}")
        });
        let link = self.made_at_stripe("/v1/payment_links", &lines.collect::<Vec<_>>().join("&"));
        let cx = self.account.cx();
        let session = self.stripe().open_link(&link, visit, &cx).expect("the link is open");
        if strange {
            self.book.borrow_mut().strange.insert(session.clone());
        }
        session
    }

    /// Does an operation at once and without troubles.
    pub fn operate(&self, name: &str, input: serde_json::Value) -> Result<Receipt> {
        let runner = Runner { db: self.observer.clone() };
        now(operation(runner, name.to_owned(), input, self.cx()))
    }

    /// The right time, and chance.
    pub fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.chance.clone())
    }

    /// The account at Stripe.
    pub fn stripe(&self) -> MutexGuard<'_, Sandbox> {
        self.account.account()
    }

    /// The account, for those who outlive a borrow of the scene.
    pub(super) fn shared_account(&self) -> Arc<SandboxStripe> {
        self.account.clone()
    }

    /// The account itself, for a double with troubles of its own.
    pub fn sandbox(&self) -> Arc<Mutex<Sandbox>> {
        self.sandbox.clone()
    }

    /// Reads the database past all troubles.
    pub fn look<R: Send + 'static>(
        &self,
        mut read: impl FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
    ) -> R {
        match now(self.observer.read("sim.look", move |tx| read(tx))) {
            Ok(seen) => seen,
            Err(error) => panic!("the simulation could not read: {error}"),
        }
    }

    /// One number.
    pub fn count(&self, sql: &'static str) -> i64 {
        self.look(move |tx| tx.count(sql, &[]))
    }

    /// Puts a task on its way.
    pub(super) fn spawn(&self, node: usize, name: &'static str, future: impl Future<Output = ()> + 'static) {
        let id = self.next_task.get();
        self.next_task.set(id + 1);
        let task = Task { id, node, name, asleep_until: BEGINNING, future: Box::pin(future) };
        self.tasks.borrow_mut().push(task);
    }

    pub(super) fn under_way(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// How many tasks of this name a node has.
    pub(super) fn busy_with(&self, node: usize, name: &str) -> usize {
        self.tasks.borrow().iter().filter(|task| task.node == node && task.name == name).count()
    }

    /// One step: polls one task that is awake; says whether there was one.
    pub(super) fn step(&self) -> bool {
        let Some(mut task) = self.take_any() else { return false };
        self.steps.set(self.steps.get() + 1);
        self.trace.borrow_mut().mix(&task.id.to_le_bytes());
        let mut context = Context::from_waker(Waker::noop());
        if task.future.as_mut().poll(&mut context).is_pending() {
            self.tasks.borrow_mut().push(task);
        }
        true
    }

    fn take_any(&self) -> Option<Task> {
        let now = self.clock.now();
        let mut tasks = self.tasks.borrow_mut();
        let first = self.chance.below(tasks.len() as u64) as usize;
        let order = (first..tasks.len()).chain(0..first);
        let awake = order.into_iter().find(|at| tasks[*at].asleep_until <= now)?;
        Some(tasks.swap_remove(awake))
    }

    /// One task stands still for a while; says which.
    pub(super) fn pause_any(&self, until: Timestamp) -> Option<String> {
        let mut tasks = self.tasks.borrow_mut();
        let at = self.chance.below(tasks.len() as u64) as usize;
        let task = tasks.get_mut(at)?;
        task.asleep_until = until;
        Some(format!("{}#{} of node {}", task.name, task.id, task.node))
    }

    /// A node dies with everything that it was doing, and begins anew.
    pub(super) fn crash(&self, node: usize) {
        let all = std::mem::take(&mut *self.tasks.borrow_mut());
        let (dead, alive): (Vec<Task>, Vec<Task>) = all.into_iter().partition(|task| task.node == node);
        *self.tasks.borrow_mut() = alive;
        let doing: Vec<&str> = dead.iter().map(|task| task.name).collect();
        self.note(format!("node {node} dies during {doing:?}"));
        self.book.borrow_mut().crashes += 1;
        drop(dead);
        self.nodes[node].restart();
    }

    /// Everything that is under way goes on to its end.
    pub(super) fn finish(&self) {
        self.tasks.borrow_mut().iter_mut().for_each(|task| task.asleep_until = BEGINNING);
        while self.step() && !self.failed() {}
    }

    /// Runs one future to its end, counting its steps.
    pub(super) fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            self.steps.set(self.steps.get() + 1);
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
        }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Writes a line.
    pub(super) fn note(&self, what: String) {
        let line = format!("{:>6} {} {what}", self.steps.get(), self.clock.now());
        self.trace.borrow_mut().line(line);
    }

    /// Time goes on.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// An invariant is broken; the first counts.
    pub(super) fn fail(&self, what: String) {
        self.note(format!("VIOLATION {what}"));
        self.violation.borrow_mut().get_or_insert(what);
    }

    pub(super) fn failed(&self) -> bool {
        self.violation.borrow().is_some()
    }

    /// No room may ever meet something that cannot be.
    pub(super) fn must_be_no_bug(&self, during: &str, error: &kernel::Error) {
        if let kernel::Error::Bug(source) = error {
            self.fail(format!("Error::Bug during {during}: {source}"));
        }
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    pub(super) fn story(&self) -> String {
        self.trace.borrow().story()
    }

    pub(super) fn report(&self) -> Report {
        let counted = |sql: &'static str| {
            self.look(move |tx| {
                let rows = tx.query(sql, &[])?;
                rows.iter().map(|row| Ok((row.get("what")?, row.get::<i64>("n")? as u64))).collect()
            })
        };
        let orders = counted("SELECT status AS what, COUNT(*) AS n FROM orders GROUP BY status");
        let told = counted(
            "SELECT type || COALESCE(' ' || json_extract(meta, '$.waits_for'), '') AS what, COUNT(*) AS n
             FROM order_timeline GROUP BY what",
        );
        let events = self.stripe().events().len() as u64;
        let trace = self.trace.borrow();
        Report {
            seed: self.seed,
            steps: self.steps.get(),
            orders,
            told,
            events,
            crashes: self.book.borrow().crashes,
            fingerprint: trace.fingerprint(),
            trace: trace.all(),
        }
    }
}

/// Runs an operation by its name, as an admin of the simulation.
pub(super) async fn operation(
    runner: Runner,
    name: String,
    input: serde_json::Value,
    cx: Cx,
) -> Result<Receipt> {
    let definition = shop::OPERATIONS.iter().find(|definition| definition.name == name);
    let definition = definition.unwrap_or_else(|| panic!("there is no operation {name}"));
    let by = By {
        actor: Actor::operator("simulation"),
        role: Role::Admin,
        reason: Some("the seed says so".into()),
        request_id: None,
    };
    runner.run(definition, input, Mode::Apply { plan_id: None }, by, cx).await
}

fn account(seed: u64, swarm: &Swarm, clock: &Arc<FixedClock>) -> Sandbox {
    let mut account = Sandbox::new(sandbox::Settings::default());
    let cx = Cx::new(clock.now(), Seeded::new(seed ^ 0xe4d9));
    account.add_endpoint_with_secret("https://shop.example/webhooks/stripe", &["*"], SECRET, &cx);
    let often = |rate: u64| rate as f64 / 1000.0;
    if swarm.twin > 0 {
        account.inject(Fault::new(Trouble::Twin).with_probability(often(swarm.twin)));
    }
    if swarm.dropped > 0 {
        account.inject(Fault::new(Trouble::Drop).with_probability(often(swarm.dropped)));
    }
    if swarm.duplicate > 0 {
        let twice = Trouble::Duplicate { copies: 1 };
        account.inject(Fault::new(twice).with_probability(often(swarm.duplicate)));
    }
    if swarm.late_seconds > 0 {
        let late = Trouble::Reorder { within_seconds: swarm.late_seconds };
        account.inject(Fault::new(late).with_probability(0.5));
    }
    account
}

fn node(
    seed: u64,
    at: u64,
    swarm: &Swarm,
    clock: &Arc<FixedClock>,
    sandbox: &Arc<Mutex<Sandbox>>,
    observer: &Db,
) -> Node {
    let own = |salt: u64| Seeded::new(seed.wrapping_mul(31).wrapping_add(at) ^ salt);
    let chaos = NodeChaos::new(swarm.clone(), own(0xc4a0));
    let clock = WrongClock::new(clock.clone(), 0);
    let db = observer.inline_again(chaos.clone()).expect("it is inline");
    let entropy = own(0xe417);
    let stripe = Arc::new(SandboxStripe::new(sandbox.clone(), clock.right(), entropy.clone(), chaos.clone()));
    let settings = shop::Settings {
        app_url: "https://shop.example".into(),
        livemode: false,
        currency: "usd".parse().expect("a currency"),
        reservation: Duration::from_secs(swarm.reservation_minutes * 60),
        cleanup_after: Duration::from_secs(15 * 60),
        downloads_enabled: true,
        download_ttl: Duration::from_secs(300),
    };
    let shop =
        Rc::new(Shop::new(db.clone(), stripe.clone(), settings.clone(), clock.clone(), entropy.clone()));
    let shop = RefCell::new(shop);
    Node { chaos, clock, db, stripe, entropy, settings, shop, down_until: Cell::new(BEGINNING) }
}
