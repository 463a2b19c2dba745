//! Stored events to confirmed orders, by the real workers, beside the same rows written by SQL alone: one order in one
//! transaction on one connection, with everything that has to be decided decided before.

mod by_sql;

use std::time::Instant;

use futures_util::future::try_join_all;
use kernel::{Error, Result};
use shop::Shop;

use super::Settings;
use super::bare::Session;
use super::place::Engine;
use super::report::{Figure, Report};
use super::rounds::in_turns;
use super::stage::Stage;

/// How many workers take batches of events.
const WORKERS: usize = 2;

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "settle", unit: "orders/s", ..Report::default() };
    for engine in settings.engines() {
        report.ratios.push(on(&engine, settings).await?);
    }
    Ok(report)
}

async fn on(engine: &Engine, settings: &Settings) -> Result<Figure> {
    let stage = tokio::sync::Mutex::new(Stage::set(engine).await?);
    let mut session = Session::open(&stage.lock().await.place).await?;
    let size = settings.size(60, 3_000);
    let what = format!("settle on {}", engine.name());
    let mut written = (Tally::default(), Tally::default());
    let comparison = in_turns(
        settings.rounds(),
        &what,
        async || {
            let mut stage = stage.lock().await;
            let before = Tally::of(&stage).await?;
            let speed = by_workers(&mut stage, size).await?;
            written.0 = Tally::of(&stage).await?.since(&before);
            Ok(speed)
        },
        async || {
            let mut stage = stage.lock().await;
            let before = Tally::of(&stage).await?;
            let speed = by_sql::run(&mut stage, &mut session, size).await?;
            written.1 = Tally::of(&stage).await?.since(&before);
            Ok(speed)
        },
    )
    .await?;
    if written.0 != written.1 {
        return Err(Error::bug(format!(
            "both sides must write the same rows: {:?} and {:?}",
            written.0, written.1
        )));
    }
    stage.lock().await.must_be_in_order().await?;
    Ok(Figure {
        engine: engine.name(),
        case: "3 events an order; SQL alone, one order a transaction".into(),
        target: Some(1.0),
        comparison,
    })
}

async fn by_workers(stage: &mut Stage, size: usize) -> Result<f64> {
    let orders = stage.orders(size).await?;
    stage.store(&orders).await?;
    let began = Instant::now();
    drain(&stage.shop).await?;
    let seconds = began.elapsed().as_secs_f64();
    match stage.count("SELECT COUNT(*) FROM orders WHERE status NOT IN ('confirmed', 'completed')").await? {
        0 => Ok(size as f64 / seconds),
        left => Err(Error::bug(format!("{left} orders were not settled"))),
    }
}

/// Processes events until none is due.
pub async fn drain(shop: &Shop) -> Result<()> {
    let worker = async |_| loop {
        if shop.work_events().await?.claimed == 0 {
            return Ok(());
        }
    };
    try_join_all((0..WORKERS).map(worker)).await.map(drop)
}

/// How many rows there are in each table that settling writes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally(Vec<(&'static str, i64)>);

impl Tally {
    const TABLES: [(&'static str, &'static str); 6] = [
        ("payment_facts", "SELECT COUNT(*) FROM payment_facts"),
        ("order_timeline", "SELECT COUNT(*) FROM order_timeline"),
        ("entitlements", "SELECT COUNT(*) FROM entitlements"),
        ("entitlement_grants", "SELECT COUNT(*) FROM entitlement_grants"),
        ("inventory_ledger", "SELECT COUNT(*) FROM inventory_ledger"),
        ("audit_logs", "SELECT COUNT(*) FROM audit_logs"),
    ];

    async fn of(stage: &Stage) -> Result<Tally> {
        let mut tally = Tally::default();
        for (table, sql) in Tally::TABLES {
            tally.0.push((table, stage.count(sql).await?));
        }
        Ok(tally)
    }

    fn since(&self, before: &Tally) -> Tally {
        let more =
            |((table, now), (_, then)): (&(&'static str, i64), &(&'static str, i64))| (*table, now - then);
        Tally(self.0.iter().zip(&before.0).map(more).collect())
    }
}
