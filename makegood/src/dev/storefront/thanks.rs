//! Where Stripe sends a buyer who has paid. The webhook may come before or after: the page shows what is so now, and
//! looks again.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Duration, Money};
use serde::Deserialize;
use shop::Shop;
use shop::orders::{self, Order, WaitsFor};

use super::page;
use crate::http::thanks::story::{LineFate, Story, USUALLY, Weight, line_fate, tell};
use crate::http::thanks::{bought, open_page};

#[derive(Template)]
#[template(path = "shop/thanks.html")]
struct Thanks {
    story: Story,
    /// The session, as it goes into the address of the next look.
    session: String,
    /// When to look again without a script, and how many seconds somebody will have waited by then.
    again: Option<(u32, u64)>,
    /// Changes whenever the page would read differently.
    state: String,
    lines: Vec<LineView>,
    /// Discount, shipping and tax, as far as there are any.
    extras: Vec<(&'static str, String)>,
    total: String,
    order: String,
    tracking: Option<String>,
}

struct LineView {
    name: String,
    quantity: i64,
    sum: String,
    fate: LineFate,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    session_id: String,
    /// How many seconds the page has been looked at; it counts them itself.
    #[serde(default)]
    waited: String,
}

/// `GET /thanks?session_id=cs_…`
pub(super) async fn show(State(shop): State<Arc<Shop>>, Query(asked): Query<Asked>) -> Response {
    let waited_seconds = asked.waited.parse().unwrap_or_default();
    let session = asked.session_id.clone();
    match shop.db.read("storefront.thanks", move |tx| bought(tx, &session)).await {
        Ok(Some((order, checkout))) => {
            let pay_at = checkout.and_then(|checkout| open_page(checkout, shop.now()));
            page::html(StatusCode::OK, &thanks(&order, pay_at, asked.session_id, waited_seconds))
        }
        Ok(None) => page::message(
            StatusCode::NOT_FOUND,
            "We do not know this order",
            "The address may be cut off, or the order belongs to another shop. If you have paid, nothing is lost; \
             please write to the shop.",
        ),
        Err(error) => page::trouble(&error),
    }
}

fn thanks(order: &Order, pay_at: Option<String>, session: String, waited_seconds: u64) -> Thanks {
    let money = |minor| Money::new(minor, order.amounts.currency).tag();
    let lines = order.lines.iter().map(|line| LineView {
        name: line.name.clone(),
        quantity: line.quantity,
        sum: money(line.unit_amount.saturating_mul(line.quantity)),
        fate: line_fate(line.kind, order),
    });
    let amounts = &order.amounts;
    let extras =
        [("Discount", -amounts.discount), ("Shipping", amounts.shipping), ("Tax", amounts.tax)].into_iter();
    let waited = Duration::from_secs(waited_seconds);
    let story = tell(order, pay_at, waited);
    Thanks {
        again: story
            .look_again_seconds
            .map(|seconds| (seconds, waited_seconds.saturating_add(seconds.into()))),
        story,
        state: state(order, waited),
        session,
        lines: lines.collect(),
        extras: extras.filter(|(_, minor)| *minor != 0).map(|(name, minor)| (name, money(minor))).collect(),
        total: amounts.total().tag(),
        order: order.id.to_string(),
        tracking: order.shipped.as_ref().and_then(|(_, tracking)| tracking.clone()),
    }
}

fn state(order: &Order, waited: Duration) -> String {
    let waits_for = match &order.state {
        orders::State::Paid { waits_for } => waits_for.as_str(),
        _ => "",
    };
    let review = if order.open_review().is_some() { WaitsFor::Review.as_str() } else { "" };
    let late = if waited < USUALLY { "" } else { "late" };
    format!("{} {} {waits_for} {review} {late}", order.state.status(), order.payment_status.as_str())
}
