//! What a buyer has, as data: for the shop's own pages.

use axum::http::StatusCode;
use kernel::Error;
use ops::Page;
use serde_json::{Value, json};
use shop::{customers, entitlements, orders};

use crate::http::buyer;
use crate::http::call::{Answer, Call, json as answer};
use crate::http::problem::Problem;

const ENTITLEMENTS: i64 = 200;

/// The parameters of the route.
pub(in crate::http) const QUERY: &[(&str, &str)] = &[
    ("user_id", "The profile's id; with a server's token only"),
    ("limit", "At most so many orders (1 to 100)"),
    ("starting_after", "Only orders that come after the one with this id"),
];

/// What the document says of the answer.
pub(in crate::http) const FIELDS: &[(&str, &str)] = &[
    ("object", "string"),
    ("id", "string"),
    ("email", "string"),
    ("email_proved_at", "time?"),
    ("known_by", "string"),
    ("entitlements", "array"),
    ("orders", "array"),
    ("has_more", "boolean"),
];

/// `GET /api/v1/my`
pub(in crate::http) async fn show(call: Call) -> Answer {
    let mut query = call.query()?;
    query.remove("user_id");
    if let Some(unknown) = query.keys().find(|name| !["limit", "starting_after"].contains(&name.as_str())) {
        return Err(Problem::invalid(unknown, "is unknown; expected user_id, limit or starting_after"));
    }
    let page: Page = ops::read_input(query.into()).map_err(ops::by_name)?;
    let buyer = buyer::of(&call).await?.ok_or_else(|| {
        let detail =
            "expected the cookie of /login, a token of the shop's sign-in, or a server's token with user_id";
        Problem::new("unauthenticated", detail)
    })?;
    let id = buyer.profile;
    let all = call.app.shop.db.read("my.show", move |tx| {
        let profile = customers::find(tx, id)?.ok_or_else(|| Error::not_found("profile", id))?;
        let orders = orders::page_of_profile(tx, id, &page)?;
        Ok((profile, entitlements::of_profile(tx, id, ENTITLEMENTS)?, orders, page.limit))
    });
    let (profile, held, orders, limit) = all.await?;
    let has_more = orders.len() as i64 > limit;
    let held: Vec<Value> =
        held.iter().map(|held| json!({ "product_id": held.product_id, "active": held.active })).collect();
    let orders: Vec<Value> = orders
        .iter()
        .take(limit as usize)
        .map(|order| {
            json!({
                "id": order.id, "status": order.state.status(), "payment_status": order.payment_status,
                "requires_review": order.open_review().is_some(), "total": order.amounts.total(),
                "created_at": order.created_at,
                "lines": order.lines.iter().map(|line| json!({
                    "product_id": line.product_id, "name": line.name, "quantity": line.quantity,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let body = json!({
        "object": "buyer", "id": profile.id, "email": profile.email, "email_proved_at": profile.email_proved_at,
        "known_by": buyer.how.as_str(), "entitlements": held, "orders": orders,
        "has_more": has_more,
    });
    Ok(answer(StatusCode::OK, &body))
}
