//! The one place where an error becomes an answer: RFC 9457, `application/problem+json`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use db::DbFailure;
use kernel::{Error, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error_pages::ErrorPage;

/// An answer that says no. It is rendered at the very end, where the request's id and path are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its code; the page of the code knows status and title.
    pub code: Cow<'static, str>,
    /// What was seen.
    pub detail: String,
    /// What to do next; the page's own words stand in when it is empty.
    pub hint: String,
    /// Where in the input, and what.
    pub errors: Vec<Place>,
    /// In how many seconds to try again.
    pub retry_after: Option<u64>,
    /// Which methods are allowed.
    pub allow: Option<String>,
}

/// One place of the input that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where, as a JSON pointer (RFC 6901); a query parameter or header by its name.
    pub pointer: String,
    /// What was seen and what was expected.
    pub detail: String,
}

impl Problem {
    /// A problem with this code.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Problem {
            code: code.into(),
            detail: detail.into(),
            hint: String::new(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
        }
    }

    /// A value that is not right, and where it stands.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let place = Place { pointer, detail: detail.clone() };
        Problem { errors: vec![place], ..Problem::new("invalid_input", detail) }
    }

    /// The method is not one of these.
    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("expected {allow}");
        Problem { allow: Some(allow.to_owned()), ..Problem::new("method_not_allowed", detail) }
    }

    /// Not now; again in so many seconds.
    pub fn busy(detail: impl Into<String>, seconds: u64) -> Self {
        Problem { retry_after: Some(seconds), ..Problem::new("busy", detail) }
    }

    fn page(&self) -> Option<&'static ErrorPage> {
        ErrorPage::find(&self.code)
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.page().map_or(StatusCode::CONFLICT, ErrorPage::http_status)
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.page().is_some_and(|page| page.retryable)
    }

    /// The answer, for the request with this id at this path of the shop at `app_url`.
    pub fn render(&self, app_url: &str, path: &str, request_id: &str) -> Response<Body> {
        let hint = if self.hint.is_empty() { self.page().map_or("", |page| page.next) } else { &self.hint };
        let mut body = json!({
            "type": format!("{app_url}/docs/errors/{}", self.code),
            "title": self.page().map_or("Refused", |page| page.title),
            "status": self.status().as_u16(),
            "detail": self.detail,
            "instance": path,
            "code": self.code,
            "request_id": request_id,
            "retryable": self.is_retryable(),
            "hint": hint,
            "errors": self.errors,
        });
        if let Some(runbook) = self.page().and_then(|page| page.runbook) {
            body["runbook"] = runbook.into();
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after.or_else(|| self.is_retryable().then_some(1)) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| allow.parse().ok()) {
            headers.insert(ALLOW, allow);
        }
        if self.status() == StatusCode::UNAUTHORIZED && self.code == "unauthenticated" {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"makegood\""));
        }
        response
    }
}

/// On its way through the router a problem travels beside an empty body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(Refusal { code, why, fix }) => Problem { hint: fix, ..Problem::new(code, why) },
            Error::NotFound { what, id } => Problem::new("not_found", format!("no {what} {id}")),
            Error::Invalid { at, why } => Problem::invalid(at, why),
            Error::Busy(why) => Problem::busy(why, 2),
            Error::Unknown(why) => Problem::new("outcome_unknown", why),
            Error::Bug(source) => match source.downcast_ref::<DbFailure>() {
                Some(failure @ (DbFailure::ConnectionLost(_) | DbFailure::Conflict(_))) => {
                    tracing::warn!(error = %failure, "the database is away");
                    Problem::busy("the database cannot be reached", 2)
                }
                // What it says is for the log; a stranger learns nothing from it.
                Some(DbFailure::Constraint(_) | DbFailure::Other(_)) | None => {
                    tracing::error!(error = %source, "a bug");
                    Problem::new("internal_error", "see the log for this request's id")
                }
            },
        }
    }
}
