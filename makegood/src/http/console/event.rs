//! An event of Stripe's: what it says, what became of it, and what it did to its order.

use askama::Template;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::Shown;
use super::acts::{self, Act};
use super::cell::Cell;
use super::frame::{Frame, html};
use super::order::{Line, story};
use super::parts::{Kind, Part, heading};
use super::twins::{Of, Twins, twins};
use super::views::{ask, named};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "console/event.html")]
struct Event {
    frame: Frame,
    id: String,
    kind: String,
    status: Cell,
    trouble: String,
    facts: Part,
    order: Option<String>,
    effects: Vec<Line>,
    payload: Part,
    acts: Vec<Act>,
    twins: Twins,
}

/// The page of an event.
pub(super) async fn page(visit: &Visit, event: &Value) -> Shown {
    let now = visit.now;
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let id = text("id");
    let names = [
        "api_version",
        "created",
        "received_at",
        "processed_at",
        "next_attempt_at",
        "attempts",
        "source",
        "object_id",
        "livemode",
        "order_id",
        "note",
    ];
    let facts = names
        .iter()
        .filter(|name| !event[**name].is_null())
        .map(|name| (heading(name), Cell::of(name, event, now)))
        .collect();
    let order = event["order_id"].as_str().map(str::to_owned);
    let def = named("events.show")?;
    let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::GET };
    let input = Map::from_iter([("event".to_owned(), id.clone().into())]);
    let page = Event {
        frame: Frame::of(visit, format!("Event {id}")),
        kind: text("type"),
        status: Cell::of("status", event, now),
        trouble: match (text("last_error_kind"), text("last_error")) {
            (kind, error) if error.is_empty() => heading(&kind),
            (kind, error) => format!("{}: {error}", heading(&kind)),
        },
        facts: Part { title: String::new(), kind: Kind::Facts(facts) },
        effects: effects(visit, &id, order.as_deref()).await,
        order,
        payload: super::parts::json("Payload as it came".into(), &event["payload"]),
        acts: acts::of_subject(visit, "events", event),
        twins: twins(&of, &input, "", Value::Null, &visit.app.config.app_url),
        id,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What the order's story says that this event caused.
async fn effects(visit: &Visit, event: &str, order: Option<&str>) -> Vec<Line> {
    let Some(order) = order else { return Vec::new() };
    let Ok(explain) = named("orders.explain") else { return Vec::new() };
    let input = Map::from_iter([("order".to_owned(), order.into())]);
    let Ok(explanation) = ask(visit, explain, input).await else { return Vec::new() };
    let lines = story(&explanation, visit.now).into_iter();
    let caused =
        |line: &Line| line.source != "event" && (line.cause.ends_with(event) || line.detail == event);
    let mut effects: Vec<Line> = lines.filter(caused).collect();
    // What was left out stands before it; the first line says when.
    if let Some(first) = effects.first_mut() {
        first.after.clone_from(&first.exact);
    }
    effects
}
