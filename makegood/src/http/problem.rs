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

use super::error_pages::{ErrorPage, when_not_found};

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
    /// Whether its words are those of the database, a disk or a service: nothing for those who do not run the shop.
    #[serde(default)]
    pub from_within: bool,
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
            from_within: false,
        }
    }

    /// A value that is not right, and where it stands.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let place = Place { pointer, detail: detail.clone() };
        Problem { errors: vec![place], ..Problem::new("invalid_input", detail) }
    }

    /// Of a body: what a rule calls by its name stands there under a pointer.
    pub fn in_body(mut self) -> Self {
        for place in &mut self.errors {
            if !place.pointer.is_empty() && !place.pointer.starts_with('/') {
                place.pointer.insert(0, '/');
            }
        }
        self
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

    /// The same for those who do not run the shop. What they are not told stands in the log.
    pub fn for_others(self, request_id: &str) -> Self {
        if !self.from_within {
            return self;
        }
        tracing::warn!(request_id, code = %self.code, detail = self.detail, "told without its cause");
        let (detail, hint) = match self.code.as_ref() {
            "outcome_unknown" => (
                "the answer was lost: it may or may not have been done",
                "send the same request with the same `Idempotency-Key`",
            ),
            "busy" => ("the shop cannot answer at the moment", "try again after the time in `Retry-After`"),
            _ => ("files and films cannot be reached at the moment", "try again later, or write to the shop"),
        };
        Problem { detail: detail.to_owned(), hint: hint.to_owned(), from_within: false, ..self }
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
            Error::Refused(Refusal { code, why, fix }) => {
                let from_within = matches!(code, "storage_refused" | "storage_not_configured");
                Problem { hint: fix, from_within, ..Problem::new(code, why) }
            }
            Error::NotFound { what, id } => {
                let hint = when_not_found(what).unwrap_or_default();
                Problem { hint, ..Problem::new("not_found", format!("no {what} {id}")) }
            }
            Error::Invalid { at, why } => Problem::invalid(at, why),
            Error::Busy(why) => Problem { from_within: true, ..Problem::busy(why, 2) },
            Error::Unknown(why) => Problem { from_within: true, ..Problem::new("outcome_unknown", why) },
            Error::Bug(source) => match source.downcast_ref::<DbFailure>() {
                Some(
                    failure @ (DbFailure::ConnectionLost(_)
                    | DbFailure::Misconfigured(..)
                    | DbFailure::Conflict(_)
                    | DbFailure::NoSpace(_)),
                ) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_what_lies_within_are_kept_from_others() {
        let inside = "rust/link.txt: it leads out of the folder";
        for error in [
            Error::Busy(inside.into()),
            Error::Unknown(inside.into()),
            Refusal::new("storage_refused", inside).into(),
            Refusal::new("storage_not_configured", inside).into(),
        ] {
            let told = Problem::from(error);
            assert_eq!(told.detail, inside, "whoever runs the shop reads it");
            let other = told.clone().for_others("req_1");
            assert!(!other.detail.contains("link.txt") && !other.hint.contains("makegood"), "{other:?}");
            assert_eq!((other.status(), other.retry_after), (told.status(), told.retry_after));
        }
        let plain = [
            Problem::busy("the answer took too long", 5),
            Problem::from(Error::not_found("order", "ord_1")),
            Problem::from(Error::from(Refusal::new("out_of_stock", "3 of MUG"))),
        ];
        for problem in plain {
            assert_eq!(problem.clone().for_others("req_1"), problem);
        }
    }
}
