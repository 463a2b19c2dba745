//! From a template to an answer.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::visit::Visit;
use crate::app::App;
use crate::http::buyer::FORM;
use crate::http::problem::Problem;

/// What stands around every page.
pub(super) struct Frame {
    pub(super) title: &'static str,
    /// Who is signed in.
    pub(super) email: Option<String>,
    /// What makes a form ours.
    pub(super) word: String,
    pub(super) is_test: bool,
}

impl Frame {
    pub(super) fn of(visit: &Visit, title: &'static str) -> Frame {
        Frame {
            title,
            email: visit.buyer.as_ref().map(|profile| profile.email.clone()),
            word: visit.word.clone(),
            is_test: !visit.app.config.is_live(),
        }
    }
}

/// A page that only says something, perhaps with one button and one link.
#[derive(Template)]
#[template(path = "my/message.html")]
pub(super) struct Message {
    pub(super) frame: Frame,
    pub(super) text: String,
    /// Where a form leads, and what stands on its button.
    pub(super) button: Option<(String, &'static str)>,
    /// Where a link leads, and its words.
    pub(super) link: Option<(&'static str, &'static str)>,
}

/// The page, and the cookie that makes its forms ours.
pub(super) fn html(visit: &Visit, status: StatusCode, page: &impl Template) -> Response {
    let mut response = rendered(status, page);
    if let Some(cookie) = &visit.new_cookie {
        FORM.set(&visit.app, cookie, &mut response);
    }
    response
}

pub(super) fn message(
    visit: &Visit,
    status: StatusCode,
    title: &'static str,
    text: impl Into<String>,
) -> Response {
    let link = match visit.buyer {
        Some(_) => ("/my", "To my account"),
        None => ("/login", "Sign in"),
    };
    let page = Message { frame: Frame::of(visit, title), text: text.into(), button: None, link: Some(link) };
    html(visit, status, &page)
}

/// What went wrong, for a buyer; the log has the rest.
pub(super) fn trouble(app: &App, problem: &Problem, request_id: &str) -> Response {
    let status = problem.status();
    if status.is_server_error() {
        tracing::error!(request_id, code = %problem.code, detail = problem.detail, "a page of buyers failed");
    }
    let (title, text) = match (problem.code.as_ref(), status) {
        ("form_refused", _) => (
            "Please try once more",
            "This page was open for too long, or in another window. Nothing was done; go back, load it again, and send it once more.",
        ),
        (_, StatusCode::NOT_FOUND) => ("There is nothing here", "There is no such page, or it is not yours."),
        (_, status) if status.is_server_error() => (
            "The shop needs a moment",
            "Something did not answer in time. Nothing was lost; please load the page again.",
        ),
        _ => (
            "That could not be read",
            "Something in it was not right, and nothing was done. Please go back and try once more.",
        ),
    };
    let frame = Frame { title, email: None, word: String::new(), is_test: !app.config.is_live() };
    rendered(
        status,
        &Message { frame, text: text.to_owned(), button: None, link: Some(("/my", "To my account")) },
    )
}

fn rendered(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of buyers could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made").into_response()
        }
    }
}
