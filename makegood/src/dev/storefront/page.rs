//! From a template to an answer.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use kernel::Error;

/// A remark at the top of a page.
pub(super) struct Note {
    /// A class of the design system: `bad`, `heed` or nothing.
    pub(super) tone: &'static str,
    pub(super) text: String,
}

#[derive(Template)]
#[template(path = "shop/message.html")]
struct Message<'a> {
    heading: &'a str,
    text: &'a str,
}

pub(in crate::dev) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the demo shop could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made").into_response()
        }
    }
}

/// A page that only says something.
pub(super) fn message(status: StatusCode, heading: &str, text: &str) -> Response {
    html(status, &Message { heading, text })
}

/// A read that failed: the buyer is told politely, the log has the reason.
pub(super) fn trouble(error: &Error) -> Response {
    tracing::error!(%error, "the demo shop could not read");
    message(
        StatusCode::SERVICE_UNAVAILABLE,
        "The shop needs a moment",
        "Something did not answer in time. Nothing was lost; please load the page again.",
    )
}
