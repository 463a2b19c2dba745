//! The demo shop: plain pages that come in through the same doors of the rooms as the API. Everything works without
//! JavaScript; what a page needs to be nicer with it lies in `assets/shop.js`.

mod assets;
mod home;
mod page;
mod thanks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use shop::Shop;

pub(super) use page::html;

/// A basket is a few hundred bytes.
const LARGEST_FORM_BYTES: usize = 64 * 1024;

/// The pages of the demo shop: `/`, `/checkout`, `/thanks` and their assets. Where buyers pay is `payment_origin`, like
/// `http://127.0.0.1:3001`; a form may lead there.
pub fn router(shop: Arc<Shop>, payment_origin: &str) -> Router {
    let policy = content_policy(&shop.settings.app_url, payment_origin);
    Router::new()
        .route("/", get(home::show))
        .route("/checkout", post(home::check_out).get(home::back_to_the_shop))
        .route("/thanks", get(thanks::show))
        .layer(DefaultBodyLimit::max(LARGEST_FORM_BYTES))
        .layer(map_response_with_state(policy, guarded))
        .with_state(shop)
        .route("/assets/{name}", get(assets::show))
}

/// A page for an address that leads nowhere.
pub fn nothing_here() -> Response {
    page::message(
        StatusCode::NOT_FOUND,
        "There is nothing here",
        "The address leads nowhere. Perhaps a letter got lost on the way.",
    )
}

/// Nothing but our own files, no inline scripts or styles, and forms that lead to us or to the payment page: the
/// redirect that answers a form counts as part of it.
fn content_policy(app_url: &str, payment_origin: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self' {} {}; base-uri 'none'; frame-ancestors 'none'",
        origin(app_url),
        origin(payment_origin),
    );
    // Both come from addresses that were parsed before; were one odd all the same, the page stays closed.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |slash| &url[..host + slash])
}

async fn guarded(State(policy): State<HeaderValue>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What is left and what was paid changes by the second.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_an_address_is_what_stands_before_its_path() {
        assert_eq!(origin("http://127.0.0.1:3001"), "http://127.0.0.1:3001");
        assert_eq!(origin("https://shop.example/sandbox/x"), "https://shop.example");
    }
}
