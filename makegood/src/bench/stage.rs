//! A shop on a new database, with orders that wait and events that wait.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, Limits, TxResult};
use futures_util::future::try_join_all;
use kernel::{Clock, Currency, Error, Result};
use ops::{Actor, By, Mode, Role, Runner};
use serde_json::json;
use shop::checkout::{Basket, Item};
use shop::ids::OrderId;
use shop::{Settings, Shop};
use stripe::{Answer, Call, CallError, Stripe};

use super::events::{Number, Purchase, incoming};
use super::place::{Engine, Place, bug};
use crate::clock::{OsEntropy, SystemClock};

/// What a course costs, in cents.
const COURSE: i64 = 4900;
/// What a mug costs, in cents.
const MUG: i64 = 1800;
/// Orders made, or events stored, at once while the stage is set.
const AT_ONCE: usize = 256;

/// A shop on a new database.
pub struct Stage {
    /// The shop as `serve` opens it, without a Stripe to ask.
    pub shop: Arc<Shop>,
    course: Purchase,
    mug: Purchase,
    told: u64,
    // Last, because the database must be closed before it is dropped.
    /// Where it is.
    pub place: Place,
}

/// No benchmark asks Stripe: that would measure Stripe.
pub(super) struct NoStripe;

impl Stripe for NoStripe {
    fn call(&self, _: Call) -> Answer<'_> {
        Box::pin(async { Err(CallError::NotSent("a benchmark asks nobody".into())) })
    }
}

/// An order that waits, and what Stripe will say about it.
pub struct Waiting {
    /// The order.
    pub order: OrderId,
    /// What settles it.
    pub events: Vec<String>,
    session: String,
}

impl Stage {
    /// An empty shop with a course and mugs to sell.
    pub async fn set(engine: &Engine) -> Result<Stage> {
        let place = Place::new(engine).await?;
        let db = Db::open(place.target(), Limits::default()).await?;
        db.migrate(shop::MIGRATIONS, SystemClock.now()).await?;
        let stage = Stage {
            shop: Arc::new(shop_on(db)?),
            course: Purchase::of("Course", COURSE),
            mug: Purchase::of("Mug", MUG),
            told: 0,
            place,
        };
        stage.stock("mug", 10_000_000).await?;
        Ok(stage)
    }

    /// Puts a physical product and its stock into the catalog, beside the course.
    pub async fn stock(&self, product: &str, pieces: i64) -> Result<()> {
        let import = shop::OPERATIONS.iter().find(|operation| operation.name == "catalog.import");
        let import = import.ok_or_else(|| Error::bug("no operation imports a catalog"))?;
        let price = |amount: i64| json!([{ "currency": "usd", "amount": amount }]);
        let catalog = json!({ "catalog": { "product": [
            { "id": "course", "kind": "course", "name": "Course", "price": price(COURSE) },
            { "id": product, "kind": "physical", "name": "Mug", "sku": product, "stock": pieces, "price": price(MUG) },
        ] } });
        let by = By {
            actor: Actor::operator("bench"),
            role: Role::Admin,
            reason: Some("benchmark".into()),
            request_id: None,
        };
        let runner = Runner { db: self.shop.db.clone() };
        runner.run(import, catalog, Mode::Apply { plan_id: None }, by, self.shop.cx()).await.map(drop)
    }

    /// Makes `count` orders that wait for their payment: courses and mugs in turns, through the real checkout.
    pub async fn orders(&mut self, count: usize) -> Result<Vec<Waiting>> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let size = AT_ONCE.min(count - all.len());
            let placed = (0..size).map(|at| self.shop.starter.place(&self.shop, basket(product(at))));
            let placed = try_join_all(placed).await?;
            let some: Vec<Waiting> = placed
                .into_iter()
                .enumerate()
                .map(|(at, placed)| self.waiting(product(at), placed.order))
                .collect();
            self.record_sessions(&some).await?;
            all.extend(some);
        }
        Ok(all)
    }

    fn waiting(&mut self, product: &str, order: OrderId) -> Waiting {
        self.told += 1;
        let purchase = if product == "course" { &self.course } else { &self.mug };
        let number = Number(self.told);
        let session = purchase.session(number).unwrap_or_default();
        Waiting { order, events: purchase.settling(number, order), session }
    }

    /// As the checkout does when Stripe has answered.
    async fn record_sessions(&self, orders: &[Waiting]) -> Result<()> {
        let cx = self.shop.cx();
        let pairs: Vec<(OrderId, String)> = orders.iter().map(|o| (o.order, o.session.clone())).collect();
        let record = move |tx: &mut db::Tx<'_>| {
            pairs
                .iter()
                .try_for_each(|(order, session)| shop::orders::record_session(tx, &cx, *order, session))
        };
        self.shop.db.write("bench.sessions", record).await.safe_to_repeat()
    }

    /// Stores the events of these orders, in the order in which Stripe would send them.
    pub async fn store(&self, orders: &[Waiting]) -> Result<()> {
        let now = self.shop.now();
        let events: Vec<_> =
            orders.iter().flat_map(|o| &o.events).filter_map(|text| incoming(text.clone(), now)).collect();
        for some in events.chunks(AT_ONCE) {
            let stored = some.iter().map(|event| self.shop.receiver.receive(event.clone()));
            try_join_all(stored).await.safe_to_repeat()?;
        }
        Ok(())
    }

    /// A figure counts only when the shop is in order afterwards.
    pub async fn must_be_in_order(&self) -> Result<()> {
        let now = self.shop.now();
        let find = move |tx: &mut db::Tx<'_>| {
            shop::checks().iter().map(|check| check.run(tx, now)).collect::<Result<Vec<_>>>()
        };
        let found = self.shop.db.read("bench.checks", find).await?;
        match found.into_iter().flatten().next() {
            None => Ok(()),
            Some(finding) => {
                Err(Error::bug(format!("{} after the benchmark: {}", finding.check, finding.text)))
            }
        }
    }

    /// One number from the database.
    pub async fn count(&self, sql: &'static str) -> Result<i64> {
        self.shop.db.read("bench.count", move |tx| tx.count(sql, &[])).await
    }
}

/// As a shop is by default.
pub(super) fn settings() -> Result<Settings> {
    Ok(Settings {
        app_url: "http://localhost".into(),
        livemode: false,
        currency: "usd".parse::<Currency>().map_err(bug)?,
        reservation: Duration::from_secs(1800),
        cleanup_after: Duration::from_secs(60 * 60),
        downloads_enabled: true,
        download_ttl: Duration::from_secs(300),
    })
}

fn shop_on(db: Db) -> Result<Shop> {
    Ok(Shop::new(db, Arc::new(NoStripe), settings()?, Arc::new(SystemClock), Arc::new(OsEntropy)))
}

fn product(at: usize) -> &'static str {
    if at.is_multiple_of(2) { "course" } else { "mug" }
}

/// One piece of `product`, for a guest.
pub fn basket(product: &str) -> Basket {
    Basket {
        items: vec![Item { product: product.into(), quantity: 1 }],
        currency: None,
        email: Some("buyer@example.com".into()),
        profile_id: None,
        success_url: None,
        cancel_url: None,
    }
}
