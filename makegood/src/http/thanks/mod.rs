//! `/thanks`: where Stripe sends a buyer who has paid, unless the shop has a page of its own for it. The webhook may come
//! before or after the buyer: the page says what is so now, and looks again by itself. It never says that something is
//! wrong, because a buyer who has just paid can do nothing about it.

pub mod story;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use db::Tx;
use kernel::{Duration, Money, Result, Timestamp};
use shop::checkout::{self, Checkout, CheckoutState};
use shop::orders::{self, Order};

use self::story::{LineFate, Sign, Story, Weight, line_fate, tell};
use super::routes::RouteLabel;
use crate::app::App;

const PATH: &str = "/thanks";
/// In how many seconds the page looks again, the first time, the second time and so on; then only when it is asked to. A
/// bank may take days, and nobody leaves a page open for so long.
const LOOKS: [u32; 16] = [2, 2, 2, 3, 3, 5, 5, 8, 8, 13, 13, 21, 34, 55, 60, 60];
/// From this look on a payment should have been heard of. Whoever looks by hand goes on from here, and not from the beginning.
const LATE: usize = 7;

/// The page, to stand beside the other routes.
pub fn router(app: &Arc<App>) -> Router {
    app.metrics.http(PATH, "GET", 200);
    Router::new().route(PATH, get(show)).with_state(app.clone())
}

#[derive(Template)]
#[template(path = "thanks.html")]
struct Thanks {
    story: Story,
    lines: Vec<Line>,
    total: Option<String>,
    order: Option<String>,
    /// The session, as it goes into the address of the next look.
    session: String,
    /// How many looks there have been, for whoever looks by hand.
    looks: usize,
    /// When to look again, and how many looks there will have been.
    again: Option<(u32, usize)>,
    /// No real money moves with this key.
    is_test: bool,
}

struct Line {
    name: String,
    quantity: i64,
    sum: String,
    fate: LineFate,
}

async fn show(
    State(app): State<Arc<App>>,
    query: Result<Query<BTreeMap<String, String>>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let session = query.get("session_id").filter(|id| may_be_a_session(id)).cloned().unwrap_or_default();
    let looks: usize = query.get("looks").and_then(|looks| looks.parse().ok()).unwrap_or_default();
    let asked = session.clone();
    let found = app.shop.db.read("thanks", move |tx| bought(tx, &asked)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the page after the payment could not read");
        None
    });
    let page = Thanks::of(found, session, looks, app.shop.now(), !app.config.is_live());
    let mut response = match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page after the payment could not be rendered");
            (StatusCode::OK, "Thank you. Your order is on its way; please look again in a moment.")
                .into_response()
        }
    };
    response.extensions_mut().insert(RouteLabel(PATH));
    response
}

impl Thanks {
    fn of(
        found: Option<(Order, Option<Checkout>)>,
        session: String,
        looks: usize,
        now: Timestamp,
        is_test: bool,
    ) -> Thanks {
        let Some((order, checkout)) = found else { return Thanks::unknown(session, looks, is_test) };
        let money = |minor| Money::new(minor, order.amounts.currency).tag();
        let lines = order.lines.iter().map(|line| Line {
            name: line.name.clone(),
            quantity: line.quantity,
            sum: money(line.unit_amount.saturating_mul(line.quantity)),
            fate: line_fate(line.kind, &order),
        });
        let story = tell(&order, checkout.and_then(|checkout| open_page(checkout, now)), waited(looks));
        Thanks {
            again: story.look_again_seconds.and_then(|_| again(looks)),
            lines: lines.collect(),
            total: Some(order.amounts.total().tag()),
            order: Some(order.id.to_string()),
            story,
            session,
            looks: looks.min(LATE),
            is_test,
        }
    }

    /// The order may appear at any moment: a payment link makes it only when the event comes.
    fn unknown(session: String, looks: usize, is_test: bool) -> Thanks {
        let story = Story {
            sign: Sign::Waiting,
            heading: "Thank you",
            text: "Your order is being put together. This takes a moment. If you have paid, nothing is lost: you may \
                   close this page, and your order is handed over all the same.",
            look_again_seconds: None,
            next_step: None,
        };
        let again = if session.is_empty() { None } else { again(looks) };
        Thanks {
            story,
            lines: Vec::new(),
            total: None,
            order: None,
            session,
            looks: looks.min(LATE),
            again,
            is_test,
        }
    }
}

/// How long somebody has waited who has looked so often. The order's age would count the time at the payment page, too.
fn waited(looks: usize) -> Duration {
    Duration::from_secs(LOOKS.iter().take(looks).copied().map(u64::from).sum())
}

fn again(looks: usize) -> Option<(u32, usize)> {
    LOOKS.get(looks).map(|seconds| (*seconds, looks + 1))
}

/// An address may carry anything; what cannot be a session is not looked up.
fn may_be_a_session(text: &str) -> bool {
    text.starts_with("cs_")
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The order whose checkout session this is.
pub fn bought(tx: &mut Tx<'_>, session: &str) -> Result<Option<(Order, Option<Checkout>)>> {
    if !may_be_a_session(session) {
        return Ok(None);
    }
    let Some(order) = orders::find_by_session(tx, session)? else { return Ok(None) };
    let checkout = checkout::find(tx, order.id)?;
    Ok(Some((order, checkout)))
}

/// The payment page, as long as it is open.
pub fn open_page(checkout: Checkout, now: Timestamp) -> Option<String> {
    let open = checkout.state == CheckoutState::Open && checkout.expires_at > now;
    checkout.url.filter(|_| open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(session: &str, looks: usize, is_test: bool) -> String {
        Thanks::unknown(session.into(), looks, is_test).render().unwrap()
    }

    #[test]
    fn an_order_that_is_not_there_yet_is_waited_for_and_not_for_ever() {
        let first = unknown("cs_test_1", 0, false);
        assert!(
            first.contains(
                "<meta http-equiv=\"refresh\" content=\"2;url=?session_id=cs_test_1&#38;looks=1\">"
            ),
            "{first}"
        );
        let last = unknown("cs_test_1", LOOKS.len(), false);
        assert!(!last.contains("refresh") && last.contains("Look again"), "{last}");
        // Nothing to look for: nothing is looked for.
        assert!(!unknown("", 0, false).contains("refresh"));
    }

    #[test]
    fn looking_by_hand_begins_no_wait_anew() {
        assert!(waited(LATE) >= story::USUALLY && waited(LATE - 1) < story::USUALLY);
        let last = unknown("cs_test_1", LOOKS.len(), false);
        assert!(last.contains(&format!("&#38;looks={LATE}\">Look again")), "{last}");
        assert!(unknown("cs_test_1", LATE, false).contains("refresh"), "and goes on by itself for a while");
    }

    #[test]
    fn only_a_test_key_is_told_of() {
        assert!(unknown("cs_1", 0, true).contains("no real money"));
        assert!(!unknown("cs_1", 0, false).contains("no real money"));
    }

    #[test]
    fn what_cannot_be_a_session_is_not_looked_up() {
        for text in ["", "cs", "pi_1", "cs_1'--", "cs_<b>", &format!("cs_{}", "x".repeat(300))] {
            assert!(!may_be_a_session(text), "{text}");
        }
        assert!(may_be_a_session("cs_test_a1B2"));
    }
}
