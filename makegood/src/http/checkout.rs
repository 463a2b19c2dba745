//! What a shop's own pages and server ask: begin a checkout, where does it stand, may this user use this course.

use axum::http::StatusCode;
use kernel::Error;
use ops::Role;
use serde_json::{Map, Value, json};
use shop::checkout::{Basket, Placed, Started};
use shop::ids::OrderId;

use super::admin;
use super::call::{Answer, Call, json};
use super::idempotency::{self, Ticket, Turn};
use super::problem::Problem;

pub(super) fn basket_schema() -> Value {
    schemars::schema_for!(Basket).to_value()
}

/// Begins a checkout. On behalf of a profile only with a token: anyone may buy, but not in another's name.
pub(super) async fn create(mut call: Call) -> Answer {
    call.app.metrics.checkout_requests.one();
    let bytes = call.bytes().await?;
    let basket = basket(call.object(&bytes)?)?;
    let caller = call.caller_if_any().await?;
    if basket.profile_id.is_some() {
        match &caller {
            Some(caller) => caller.must_be(Role::App, "a checkout for a profile")?,
            None => {
                let detail = "a checkout for a profile needs Authorization: Bearer TOKEN of role app";
                return Err(Problem::new("unauthenticated", detail));
            }
        }
    }
    if caller.is_none() {
        leads_back_to_us(&basket, &call.app.config.app_url)?;
    }
    // Without a token the address stands in, so that one buyer's keys are not another's.
    let owner = match &caller {
        Some(caller) => caller.actor.name.clone(),
        None => format!("guest {}", call.origin.address),
    };
    match idempotency::begin(&call, &owner, &bytes).await? {
        Turn::Answered(response) => Ok(response),
        Turn::Work(ticket, left) => {
            let result = start(&call, &ticket, basket, left).await;
            if result.as_ref().is_err_and(is_our_failure) {
                call.app.metrics.checkout_failures.one();
            }
            ticket.end(&call, result.map_err(Problem::from)).await
        }
    }
}

/// A genuine page of Stripe's must not lead to a stranger's: without a token a buyer is sent back to this shop only.
fn leads_back_to_us(basket: &Basket, app_url: &str) -> Result<(), Problem> {
    for (at, url) in [("/success_url", &basket.success_url), ("/cancel_url", &basket.cancel_url)] {
        let rest = url.as_deref().map(|url| url.strip_prefix(app_url));
        if rest.is_some_and(|rest| !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])))
        {
            let why = format!("without a token it must lead to {app_url}");
            return Err(Problem::invalid(at, why));
        }
    }
    Ok(())
}

fn basket(body: Map<String, Value>) -> Result<Basket, Problem> {
    let basket: Basket = ops::read_input(Value::Object(body))?;
    basket.check()?;
    Ok(basket)
}

/// In two steps, so that a retry with the same key goes on with the order that the first attempt has made.
async fn start(
    call: &Call,
    ticket: &Ticket,
    basket: Basket,
    left: Option<Value>,
) -> Result<(StatusCode, Value), Error> {
    let shop = &call.app.shop;
    let placed: Placed = match left.as_ref().and_then(|left| left["order"].as_str()) {
        Some(order) => order.parse::<OrderId>().map_err(|e| Error::Bug(Box::new(e) as _))?.into(),
        None => {
            let placed = shop.starter.place(shop, basket).await?;
            let order = placed.order;
            if let Err(problem) = ticket.note(call, json!({ "order": order })).await {
                tracing::warn!(%order, detail = problem.detail, "the key of a checkout could not be noted");
            }
            placed
        }
    };
    let (order, is_new) = (placed.order, placed.is_new());
    let opened = shop::checkout::open(shop, placed).await;
    // Of an order that was given up nothing is left to go on with.
    if is_new
        && let Err(Error::Refused(_)) = &opened
        && let Err(problem) = ticket.note(call, json!({})).await
    {
        tracing::warn!(%order, detail = problem.detail, "the key of a checkout still names its order");
    }
    opened.map(|started| (StatusCode::CREATED, shown(&started)))
}

fn shown(started: &Started) -> Value {
    json!({
        "object": "checkout_session",
        "id": started.session,
        "order_id": started.order,
        "url": started.url,
        "expires_at": started.expires_at,
    })
}

/// A buyer who wants what is not there is no failure of the checkout.
fn is_our_failure(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => {
            ["stripe_refused", "stripe_unreachable"].contains(&refusal.code)
                || stripe::key_trouble(error).is_some()
        }
        Error::Invalid { .. } | Error::NotFound { .. } => false,
        Error::Busy(_) | Error::Unknown(_) | Error::Bug(_) => true,
    }
}

/// Where the order of a session stands. Who knows the session's id is the buyer, or was told it; still nothing personal is
/// said.
pub(super) async fn show(call: Call) -> Answer {
    let session = call.id.clone().unwrap_or_default();
    let asked = session.clone();
    let order = call
        .app
        .shop
        .db
        .read("checkout.show", move |tx| shop::orders::find_by_session(tx, &asked))
        .await?
        .ok_or_else(|| Problem::new("not_found", format!("no checkout session {session}")))?;
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            json!({
                "product_id": line.product_id, "name": line.name, "kind": line.kind, "quantity": line.quantity,
                "unit_amount": line.unit_amount,
            })
        })
        .collect();
    let answer = json!({
        "object": "checkout_session",
        "id": session,
        "order_id": order.id,
        "status": order.state.status(),
        "payment_status": order.payment_status,
        "requires_review": order.open_review().is_some(),
        "currency": order.amounts.currency,
        "total_amount": order.amounts.total().minor,
        "lines": lines,
    });
    Ok(json(StatusCode::OK, &answer))
}

/// What the document says of a checkout that was begun.
pub(super) const STARTED: &[(&str, &str)] = &[
    ("object", "string"),
    ("id", "string"),
    ("order_id", "string"),
    ("url", "string"),
    ("expires_at", "time"),
];
/// What it says of a session.
pub(super) const STANDS: &[(&str, &str)] = &[
    ("object", "string"),
    ("id", "string"),
    ("order_id", "string"),
    ("status", "string"),
    ("payment_status", "string"),
    ("requires_review", "boolean"),
    ("currency", "string"),
    ("total_amount", "integer"),
    ("lines", "array"),
];
/// What it says of a right to a course.
pub(super) const ENTITLED: &[(&str, &str)] = &[
    ("object", "string"),
    ("user_id", "string"),
    ("course_id", "string"),
    ("active", "boolean"),
    ("grants", "array"),
];

/// Whether a user may use a course: the view `entitlements.check` under the names that shops use.
pub(super) async fn check_entitlement(call: Call) -> Answer {
    let query = call.query()?;
    let mut input = Map::new();
    for (name, field) in [("user_id", "user"), ("course_id", "course")] {
        let value = query.get(name).ok_or_else(|| Problem::invalid(name, "is missing"))?;
        input.insert(field.to_owned(), value.clone());
    }
    if let Some(unknown) = query.keys().find(|name| *name != "user_id" && *name != "course_id") {
        return Err(Problem::invalid(unknown, "is unknown; expected user_id, course_id"));
    }
    let def = shop::VIEWS.iter().find(|def| def.name == "entitlements.check");
    let def = def.ok_or_else(|| Problem::from(Error::bug("the view entitlements.check is gone")))?;
    Ok(json(StatusCode::OK, &admin::ask(&call, def, input).await?))
}
