//! What machines ask: does it live, may it get traffic, what has it counted. And the pages of error codes.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use db::Health;
use kernel::Duration;
use serde_json::json;
use shop::switches::Switch;

use super::call::{Answer, Call, json};
use super::error_pages::ErrorPage;
use super::problem::Problem;
use crate::app::App;

/// Where Prometheus reads.
pub(super) const METRICS: &str = "/metrics";
/// The paths that orchestrators ask.
pub(super) const PATHS: [&str; 4] = ["/health", "/healthz", "/livez", "/readyz"];
/// What the document says of a process that lives.
pub(super) const ALIVE: &[(&str, &str)] = &[("status", "string"), ("version", "string")];
/// What it says of one that may get traffic.
pub(super) const READY: &[(&str, &str)] =
    &[("status", "string"), ("conditions", "array?"), ("switches", "object?")];
/// A database that takes longer than this does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process lives and its runtime turns; nothing else is asked.
pub(super) async fn alive(_: Call) -> Answer {
    Ok(json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })))
}

/// Whether traffic makes sense. Stripe is not asked: events that come while it is away are stored all the same.
pub(super) async fn ready(call: Call) -> Answer {
    let conditions = conditions(&call.app).await;
    let is_ready = conditions.iter().all(|condition| condition.holds);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!({ "status": if is_ready { "ready" } else { "not_ready" } });
    let verbose =
        call.head.uri.query().is_some_and(|query| query.split('&').any(|p| p.starts_with("verbose")));
    if verbose || !is_ready {
        let shown = conditions.iter().map(
            |condition| json!({ "name": condition.name, "holds": condition.holds, "seen": condition.seen }),
        );
        answer["conditions"] = shown.collect();
        answer["switches"] = switches(&call.app).await;
    }
    Ok(json(status, &answer))
}

/// What is switched on, without the reasons: anyone may ask this. What cannot be read is not known, and counts as off.
async fn switches(app: &App) -> serde_json::Value {
    let read = tokio::time::timeout(PATIENCE, app.shop.db.read("switches", shop::switches::all)).await;
    let known = read.ok().and_then(Result::ok);
    let word = |switch: Switch| {
        let configured = switch != Switch::Downloads || app.config.downloads_enabled;
        let is_on =
            known.as_ref().map(|all| all.iter().any(|position| position.name == switch && position.is_on));
        let word = match is_on {
            _ if !configured => "off",
            Some(true) => "on",
            Some(false) => "off",
            None => "unknown",
        };
        (switch.as_str().to_owned(), json!(word))
    };
    Switch::ALL.into_iter().map(word).collect::<serde_json::Map<_, _>>().into()
}

struct Condition {
    name: &'static str,
    holds: bool,
    seen: String,
}

async fn conditions(app: &App) -> Vec<Condition> {
    let health = app.shop.db.health();
    let asked = tokio::time::timeout(PATIENCE, app.shop.db.migrations(shop::MIGRATIONS)).await;
    let (answers, migrated) = match asked {
        Err(_) => ((false, format!("nothing within {PATIENCE:?}")), (false, "unknown".to_owned())),
        // What it says may name hosts; the log has it.
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: Database connection failed");
            ((false, "Database connection failed".to_owned()), (false, "unknown".to_owned()))
        }
        Ok(Ok(states)) => {
            let missing = states.iter().filter(|state| state.applied_at.is_none()).count();
            ((true, "yes".to_owned()), (missing == 0, format!("{missing} missing of {}", states.len())))
        }
    };
    let condition = |name, (holds, seen)| Condition { name, holds, seen };
    vec![
        condition("database_answers", answers),
        condition("migrations_done", migrated),
        condition("database_healthy", (health == Health::Well, health.as_str().to_owned())),
    ]
}

/// What was counted.
pub(super) async fn metrics(call: Call) -> Answer {
    let (app, now) = (&call.app, call.app.clock.now());
    app.metrics.refresh(&app.shop.db, now).await;
    let mut text = app.metrics.text(app.shop.db.pool(), app.shop.db.health(), now);
    app.secrets.write_metrics(&mut text);
    Ok(typed("text/plain; version=0.0.4; charset=utf-8", text))
}

/// The page of an error code.
pub(super) async fn error_page(call: Call) -> Answer {
    let code = call.id.as_deref().unwrap_or_default();
    match ErrorPage::find(code) {
        Some(page) => Ok(typed("text/html; charset=utf-8", page.html())),
        None => Err(Problem::new("not_found", format!("no error has the code {code}"))),
    }
}

/// A text of this kind.
pub(super) fn typed(kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
