//! One hot article and 64 buyers who want it at once, through the real checkout: order, line, reservation, intent, jobs and
//! audit entry for each. Beside it the least that anyone could do: one guarded UPDATE and one row, a transaction each.

mod by_sql;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;
use kernel::{Error, Result};

use super::Settings;
use super::place::Engine;
use super::report::{Figure, Report};
use super::rounds::in_turns;
use super::stage::{Stage, basket};

/// Buyers at once.
const BUYERS: usize = 64;

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "reserve", unit: "sold/s", ..Report::default() };
    for engine in settings.engines() {
        for (connections, target) in [(1, Some(1.0)), (BUYERS, None)] {
            match on(&engine, settings, connections, target).await {
                Ok(figure) => report.ratios.push(figure),
                // A small server gives no 64 connections beside its other guests; the figure has no target.
                Err(Error::Busy(why)) if target.is_none() => {
                    eprintln!("not measured beside {connections} connections: {why}");
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(report)
}

async fn on(engine: &Engine, settings: &Settings, connections: usize, target: Option<f64>) -> Result<Figure> {
    let stage = Stage::set(engine).await?;
    let sessions = by_sql::Sessions::open(&stage.place, connections).await?;
    let pieces = settings.size(20, 1_000);
    let what = format!("reserve on {}, beside {connections} connections", engine.name());
    let round = AtomicUsize::new(0);
    let hot = async || {
        let product = format!("hot-{}", round.fetch_add(1, Ordering::Relaxed));
        stage.stock(&product, pieces as i64).await.map(|()| product)
    };
    let comparison = in_turns(
        settings.rounds(),
        &what,
        async || by_checkout(&stage, &hot().await?, pieces).await,
        async || {
            let product = hot().await?;
            let speed = sessions.sell(&stage, &product, pieces).await?;
            all_sold(&stage, &product, pieces).await.map(|()| speed)
        },
    )
    .await?;
    let case = format!(
        "64 buyers; guarded UPDATE, {connections} connection{}",
        if connections == 1 { "" } else { "s" }
    );
    Ok(Figure { engine: engine.name(), case, target, comparison })
}

/// Everybody buys until there is nothing left; each hears so once.
async fn by_checkout(stage: &Stage, product: &str, pieces: usize) -> Result<f64> {
    let sold = AtomicUsize::new(0);
    let buyer = async |_| loop {
        match stage.shop.starter.place(&stage.shop, basket(product)).await {
            Ok(_) => sold.fetch_add(1, Ordering::Relaxed),
            Err(Error::Refused(refusal)) if refusal.code == "out_of_stock" => return Ok(()),
            Err(error) => return Err(error),
        };
    };
    let began = Instant::now();
    try_join_all((0..BUYERS).map(buyer)).await?;
    let seconds = began.elapsed().as_secs_f64();
    match sold.into_inner() {
        sold if sold == pieces => all_sold(stage, product, pieces).await.map(|()| pieces as f64 / seconds),
        sold => Err(Error::bug(format!("{sold} pieces were sold of {pieces}"))),
    }
}

/// Exactly what was there is set aside, by the level and by the reservations.
async fn all_sold(stage: &Stage, product: &str, pieces: usize) -> Result<()> {
    let sku = product.to_owned();
    let read = move |tx: &mut db::Tx<'_>| {
        let level = tx.count("SELECT reserved_count FROM inventory WHERE sku = $1", &[(&sku).into()])?;
        let rows = "SELECT COUNT(*) FROM inventory_reservations WHERE sku = $1 AND status = 'reserved'";
        Ok((level, tx.count(rows, &[(&sku).into()])?))
    };
    let seen = stage.shop.db.read("bench.sold", read).await?;
    match seen == (pieces as i64, pieces as i64) {
        true => Ok(()),
        false => Err(Error::bug(format!("{pieces} pieces were there; set aside are {seen:?}"))),
    }
}
