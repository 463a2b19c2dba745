//! `/dev/mailbox`: what the shop has sent, to be looked at while one develops. Nothing leaves this machine.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use mail::{Mailbox, Received};

use super::storefront;

pub(super) const PATH: &str = "/dev/mailbox";

/// The pages of the mailbox.
pub(super) fn router(mailbox: Arc<Mailbox>) -> Router {
    Router::new()
        .route(PATH, get(list))
        .route("/dev/mailbox/", get(async || Redirect::to(PATH)))
        .route("/dev/mailbox/{number}", get(show))
        .with_state(mailbox)
}

#[derive(Template)]
#[template(path = "shop/mailbox.html")]
struct List {
    mails: Vec<Received>,
}

#[derive(Template)]
#[template(path = "shop/mail.html")]
struct Mail<'a> {
    mail: &'a Received,
    text: Vec<Part<'a>>,
}

/// A piece of a text, which may be an address.
struct Part<'a> {
    text: &'a str,
    is_link: bool,
}

async fn list(State(mailbox): State<Arc<Mailbox>>) -> Response {
    page(&List { mails: mailbox.all() })
}

async fn show(
    State(mailbox): State<Arc<Mailbox>>,
    number: Result<Path<u64>, axum::extract::rejection::PathRejection>,
) -> Response {
    match number.ok().and_then(|Path(number)| mailbox.find(number)) {
        Some(mail) => page(&Mail { mail: &mail, text: parts(&mail.message.text) }),
        None => storefront::nothing_here(),
    }
}

/// A mail is shown in a frame that may do nothing at all: no scripts, no forms, no pictures from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'none'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn page(page: &impl Template) -> Response {
    let mut response = storefront::html(StatusCode::OK, page).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, link) = rest.split_at(at);
        let end = link.find(char::is_whitespace).unwrap_or(link.len());
        let (link, after) = link.split_at(end);
        all.push(Part { text: before, is_link: false });
        all.push(Part { text: link, is_link: true });
        rest = after;
    }
    all.push(Part { text: rest, is_link: false });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_text_are_links_and_nothing_is_lost() {
        let text = "see http://a.example/x?y=1\nor https://b.example, or nothing";
        let parts = parts(text);
        let links: Vec<&str> = parts.iter().filter(|part| part.is_link).map(|part| part.text).collect();
        assert_eq!(links, ["http://a.example/x?y=1", "https://b.example,"]);
        assert_eq!(parts.iter().map(|part| part.text).collect::<String>(), text);
    }
}
