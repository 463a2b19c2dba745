//! Who may have a file: the whole decision, twice, with its entry in the audit log durably written, and the link. Beside it the
//! least that anyone has to read for it: the right of one profile to one product, by its index, and nothing written.

mod bare;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use db::{Db, Limits, TxResult};
use futures_util::future::{join_all, try_join_all};
use kernel::{Clock, Error, Result, Timestamp};
use ops::{Actor, By, Mode, Role, Runner};
use serde_json::json;
use shop::Shop;
use shop::downloads::{Asker, Wanted};
use shop::ids::{ProfileId, ResourceId};
use shop::seam::Outside;
use storage::{Asking, Disk, Key, Link, Object, StorageError};

use super::Settings;
use super::place::{Engine, Place};
use super::report::{Figure, Page, Report};
use super::rounds::{Spread, in_turns};
use super::stage::{NoStripe, settings};
use crate::clock::{OsEntropy, SystemClock};

/// Buyers at once.
const ASKERS: usize = 64;
/// At this pace the slowest of a hundred is measured: half of what one core has to do at least.
const PACE: usize = 2_500;
/// What it has to stay below.
const TARGET_MS: f64 = 5.0;

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "downloads", unit: "decisions/s", ..Report::default() };
    for engine in settings.engines() {
        let (figure, page) = on(&engine, settings).await?;
        report.ratios.push(figure);
        report.pages.extend(page);
    }
    Ok(report)
}

async fn on(engine: &Engine, settings: &Settings) -> Result<(Figure, Option<Page>)> {
    let rights = settings.size(100, 20_000);
    let stage = Stage::set(engine, rights).await?;
    let bare = bare::Session::open(&stage.place).await?;
    let (count, next) = (if settings.quick { 200 } else { 20_000 }, AtomicUsize::new(0));
    let what = format!("downloads on {}", engine.name());
    let comparison = in_turns(
        settings.rounds(),
        &what,
        async || stage.all_at_once(count, &next).await,
        async || {
            let began = Instant::now();
            for at in 0..count {
                bare.read(&stage.profiles[at % rights]).await?;
            }
            Ok(count as f64 / began.elapsed().as_secs_f64())
        },
    )
    .await?;
    let case = format!("{ASKERS} buyers, {rights} rights; point query");
    let figure = Figure { engine: engine.name(), case, target: None, comparison };
    // A server that is shared has no pace of its own: what is promised is promised on one core, in one process.
    if !matches!(engine, Engine::Sqlite(_)) {
        return Ok((figure, None));
    }
    let (mut slowest, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds() {
        let p99 = stage.paced(if settings.quick { 100 } else { PACE * 3 }, &next).await?;
        eprintln!("{what}: {PACE}/s, the slowest of a hundred took {p99:.2} ms");
        slowest.push(p99);
        let began = Instant::now();
        bare.read(&stage.profiles[0]).await?;
        beside.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let page = Page {
        engine: engine.name(),
        page: "delivery at 2500/s, p99",
        orders: rights,
        ours: Spread::of(slowest),
        bare: Spread::of(beside),
        target_ms: TARGET_MS,
    };
    Ok((figure, Some(page)))
}

/// A shop with a course of one file, and buyers who may have it.
struct Stage {
    shop: Arc<Shop>,
    resource: ResourceId,
    profiles: Vec<ProfileId>,
    // Last, because the database must be closed before it is dropped.
    place: Place,
}

impl Stage {
    async fn set(engine: &Engine, rights: usize) -> Result<Stage> {
        let place = Place::new(engine).await?;
        let db = Db::open(place.target(), Limits::default()).await?;
        db.migrate(shop::MIGRATIONS, SystemClock.now()).await?;
        let outside = Outside { disk: Arc::new(AllThere), ..Outside::from(Arc::new(NoStripe)) };
        let shop = Shop::new(db, outside, settings()?, Arc::new(SystemClock), Arc::new(OsEntropy));
        let shop = Arc::new(shop);
        let price = json!([{ "currency": "usd", "amount": 4900, "stripe_price_id": "price_course" }]);
        let course = json!({ "id": "course", "kind": "course", "name": "Course", "price": price });
        let by = By {
            actor: Actor::operator("bench"),
            role: Role::Admin,
            reason: Some("benchmark".into()),
            request_id: None,
        };
        let catalog = json!({ "catalog": { "product": [course] } });
        let import = shop::OPERATIONS.iter().find(|operation| operation.name == "catalog.import");
        let import = import.ok_or_else(|| Error::bug("no operation imports a catalog"))?;
        let runner = Runner { db: shop.db.clone() };
        runner.run(import, catalog, Mode::Apply { plan_id: None }, by.clone(), shop.cx()).await?;
        let file = json!({ "id": "notes", "title": "Notes", "object_key": "course/notes.pdf" });
        let content = json!({ "content": { "course": [{ "id": "course", "resource": [file] }] } });
        let task = shop::TASKS.iter().find(|task| task.name == "courses.import");
        let task = task.ok_or_else(|| Error::bug("no task imports content"))?;
        task.read(content)?.run(&shop, &by, &()).await?;
        let read = |tx: &mut db::Tx<'_>| shop::content::course(tx, "course");
        let course = shop.db.read("bench.course", read).await?;
        let resource = course.as_ref().and_then(|course| course.files().next().map(|file| file.id));
        let resource = resource.ok_or_else(|| Error::bug("the course holds no file"))?;
        let profiles = give(&shop, rights).await?;
        Ok(Stage { shop, resource, profiles, place })
    }

    /// Decisions in a second, by buyers who each ask again as soon as they were answered.
    async fn all_at_once(&self, count: usize, next: &AtomicUsize) -> Result<f64> {
        let left = AtomicUsize::new(count);
        let take =
            || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let asker = async |_| {
            while take() {
                self.ask(next.fetch_add(1, Ordering::Relaxed)).await?;
            }
            Ok::<(), Error>(())
        };
        let began = Instant::now();
        try_join_all((0..ASKERS).map(asker)).await?;
        Ok(count as f64 / began.elapsed().as_secs_f64())
    }

    /// How long the slowest of a hundred took in milliseconds, from when it was due: who waits for others has waited too.
    async fn paced(&self, count: usize, next: &AtomicUsize) -> Result<f64> {
        let began = Instant::now();
        let due = |at: usize| Duration::from_secs_f64(at as f64 / PACE as f64);
        let one = async |at: usize| {
            tokio::time::sleep_until((began + due(at)).into()).await;
            // The runtime's clock turns by whole milliseconds; that is its own and not the delivery's.
            let woken = began.elapsed();
            self.ask(next.fetch_add(1, Ordering::Relaxed)).await?;
            Ok::<f64, Error>((began.elapsed() - woken).as_secs_f64() * 1000.0)
        };
        let took: Result<Vec<f64>> = join_all((0..count).map(one)).await.into_iter().collect();
        let mut took = took?;
        took.sort_by(f64::total_cmp);
        Ok(took[(took.len() * 99 / 100).min(took.len() - 1)])
    }

    async fn ask(&self, at: usize) -> Result<()> {
        let profile = self.profiles[at % self.profiles.len()];
        let actor = Actor::buyer(&profile.to_string());
        let asker = Asker { profile: Some(profile), actor, address: String::new(), request_id: None };
        let wanted = Wanted::OfCourse { course: "course".into(), resource: self.resource };
        let delivered = self.shop.deliverer.deliver(&self.shop, asker, wanted).await?;
        match delivered.url.starts_with("bench:course/notes.pdf") {
            true => Ok(()),
            false => Err(Error::bug(format!("a strange link: {}", delivered.url))),
        }
    }
}

/// As orders do it, and quicker: the rows themselves.
async fn give(shop: &Shop, count: usize) -> Result<Vec<ProfileId>> {
    let profiles: Vec<ProfileId> = (0..count).map(|_| shop.cx().id()).collect();
    for some in profiles.chunks(500) {
        let (cx, some) = (shop.cx(), some.to_vec());
        let write = move |tx: &mut db::Tx<'_>| {
            for profile in &some {
                let gift = shop::entitlements::ByHand { user: *profile, product: "course", order: None };
                gift.give(tx, &cx, &Actor::operator("bench"), "benchmark")?;
            }
            Ok(())
        };
        shop.db.write("bench.give", write).await.safe_to_repeat()?;
    }
    Ok(profiles)
}

/// A disk that has everything and answers at once: that would measure the disk.
struct AllThere;

impl Disk for AllThere {
    fn name(&self) -> &'static str {
        "bench"
    }
    fn head<'a>(&'a self, _: &'a Key) -> Asking<'a, Option<Object>> {
        Box::pin(async { Ok(Some(Object { bytes: 1, content_type: None })) })
    }
    fn put<'a>(&'a self, _: &'a Key, _: &'a str, _: Bytes) -> Asking<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: &'a Key) -> Asking<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn link(&self, key: &Key, _: &Link, _: Timestamp) -> Result<String, StorageError> {
        Ok(format!("bench:{}", key.as_str()))
    }
}
