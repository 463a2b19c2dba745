//! What a person waits for: the pages that are opened most, with three years of trade in the database. Beside each the least
//! that has to be read for it, by prepared statements on one bare connection.

mod bare;
mod years;

use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use db::TxResult;
use kernel::{Clock, Error, Result};
use ops::sessions::{self, For};
use ops::token_hash;

use super::Settings;
use super::place::{Engine, Place, bug};
use super::report::{Page, Report};
use super::rounds::Spread;
use crate::app::{self, App};
use crate::clock::SystemClock;
use crate::config::{Config, Sources, explain};
use crate::http::Front;
use years::Sample;

/// The seed of the trade: every run looks at the same rows.
const SEED: u64 = 1;
/// Each page is opened so often in a round; the slower of them say more than the mean.
const VIEWS: usize = 20;
/// How long a page may take on the server, in milliseconds.
const TARGET_MS: f64 = 50.0;

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "console", unit: "ms", ..Report::default() };
    for engine in settings.engines() {
        report.pages.extend(on(&engine, settings).await?);
    }
    Ok(report)
}

async fn on(engine: &Engine, settings: &Settings) -> Result<Vec<Page>> {
    // Last to be dropped: the database is closed before it goes away.
    let place = Place::new(engine).await?;
    let app = app::open(configuration(&place)?).await.map_err(bug)?;
    let count = settings.size(2_000, 1_000_000);
    let sample = years::write(&app.shop.db, SEED, count, SystemClock.now()).await?;
    settle_down(&app).await?;
    let bare = bare::Session::open(&place).await?;
    // A person looks a while after the checks have run.
    app.shop.watch().await?;
    let cookie = signed_in(&app).await?;
    let front = Front::new(app.clone(), axum::Router::new());
    let mut pages = Vec::new();
    for (name, path, sql) in looked_at(&sample) {
        let (mut ours, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..settings.rounds() {
            for _ in 0..VIEWS {
                ours.push(answer(&front, &path, &cookie).await?);
                beside.push(bare.read(sql, &sample).await?);
            }
        }
        let (ours, bare) = (Spread::of(ours), Spread::of(beside));
        eprintln!("{name} on {}: {:.1} ms beside {:.1} ms", engine.name(), ours.median, bare.median);
        pages.push(Page {
            engine: engine.name(),
            page: name,
            orders: count,
            ours,
            bare,
            target_ms: TARGET_MS,
        });
    }
    Ok(pages)
}

/// What is opened, and what has to be read for it at least.
fn looked_at(sample: &Sample) -> Vec<(&'static str, String, bare::Read)> {
    let Sample { order, payment_intent, email, event, .. } = sample;
    vec![
        ("home", "/_/".into(), bare::OPEN),
        ("order list", "/_/orders".into(), bare::NEWEST),
        ("search", format!("/_/search?q={email}"), bare::BY_EMAIL),
        ("order page", format!("/_/orders/{order}"), bare::ONE),
        ("orders", "/api/v1/admin/orders".into(), bare::NEWEST),
        ("orders under review", "/api/v1/admin/orders?status=paid".into(), bare::PAID),
        ("orders, completed", "/api/v1/admin/orders?status=completed".into(), bare::COMPLETED),
        (
            "orders, further on",
            format!("/api/v1/admin/orders?status=completed&starting_after={order}"),
            bare::AFTER,
        ),
        ("search by email", format!("/api/v1/admin/search?q={email}"), bare::BY_EMAIL),
        ("search by payment", format!("/api/v1/admin/search?q={payment_intent}"), bare::BY_INTENT),
        ("search by event", format!("/api/v1/admin/search?q={event}"), bare::BY_EVENT),
        ("events", "/api/v1/admin/events".into(), bare::EVENTS),
        (
            "events of a rare type",
            "/api/v1/admin/events?type=checkout.session.async_payment_succeeded".into(),
            bare::RARE_EVENTS,
        ),
        ("events that failed", "/api/v1/admin/events?status=error".into(), bare::FAILED_EVENTS),
        ("audit log", "/api/v1/admin/audit-logs".into(), bare::AUDIT),
        (
            "audit log, a rare type",
            "/api/v1/admin/audit-logs?type=purchase_claim_completed".into(),
            bare::RARE_AUDIT,
        ),
        ("access of a buyer", format!("/api/v1/admin/entitlements?user={}", sample.profile), bare::ACCESS),
        ("an order", format!("/api/v1/admin/orders/{order}"), bare::ONE),
        ("checks", "/api/v1/admin/checks".into(), bare::OPEN),
    ]
}

/// How long a page takes on the server, in milliseconds; what is answered must be right.
async fn answer(front: &Front, path: &str, cookie: &str) -> Result<f64> {
    let request = match path.starts_with("/_/") {
        true => Request::get(path).header("cookie", cookie),
        false => Request::get(path).header("authorization", format!("Bearer {TOKEN}")),
    };
    let request = request.body(Body::empty()).map_err(bug)?;
    let began = Instant::now();
    let answer = front.answer(request, std::net::Ipv4Addr::LOCALHOST.into()).await;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.map_err(bug)?;
    let took = began.elapsed();
    // A search that leads to one thing leads there.
    if !status.is_success() && !status.is_redirection() {
        return Err(Error::bug(format!("{path} answered {status}: {}", String::from_utf8_lossy(&body))));
    }
    Ok(took.as_secs_f64() * 1000.0)
}

/// Who looks.
const TOKEN: &str = "a-token-of-a-benchmark-and-of-nobody-else";

/// The cookie of somebody who is signed in at the console.
async fn signed_in(app: &App) -> Result<String> {
    let (cx, holder) = (app.shop.cx(), For::Token(token_hash(TOKEN)));
    let begin = move |tx: &mut db::Tx<'_>| sessions::begin(tx, &cx, &holder, "127.0.0.1", "benchmark");
    let (_, secret) = app.shop.db.write("bench.session", begin).await.safe_to_repeat()?;
    Ok(format!("makegood={secret}"))
}

/// What `serve` needs, and nothing from the machine's own configuration.
fn configuration(place: &Place) -> Result<Config> {
    let sources = Sources::default()
        .with_flag("APP_URL", "http://localhost")
        .with_flag("DATABASE_URL", place.url())
        .with_flag("ADMIN_TOKEN", TOKEN)
        .with_flag("WORKERS", "0");
    Config::load(&sources).map_err(|problems| Error::bug(explain(&problems)))
}

/// As a database is that has run for a while: it knows what is in its tables.
async fn settle_down(app: &App) -> Result<()> {
    let analyze = |tx: &mut db::Tx<'_>| tx.execute("ANALYZE", &[]).map(drop);
    app.shop.db.write("bench.analyze", analyze).await.safe_to_repeat()
}
