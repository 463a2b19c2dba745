//! What a page's form brings, and whether it is a form of ours.
//!
//! A form is ours when it carries the word that only we can make of the browser's cookie, and when the browser says that
//! it was sent from here.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Query;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri, request};
use ops::token_hash;

use super::body::{self, JSON_BYTES};
use super::problem::Problem;

/// The fields of a form or a query, each at most once.
pub(super) type Fields = BTreeMap<String, String>;

/// The field of a form with the word that makes it ours.
pub(super) const WORD: &str = "csrf";

/// What a form of whoever holds this cookie carries.
pub(super) fn word_of(cookie: &str) -> String {
    token_hash(&format!("a form of {cookie}"))
}

/// Reads the form; one whose body was taken before is empty.
pub(super) async fn read(head: &request::Parts, body: Option<Body>) -> Result<Fields, Problem> {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let expected = "expected Content-Type: application/x-www-form-urlencoded";
        return Err(Problem::new("unsupported_media_type", expected));
    }
    let bytes = body::whole(head, body, JSON_BYTES, 1).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new("malformed_body", "is not UTF-8"))?;
    fields(text)
}

/// The fields of a form's text, or of a query.
pub(super) fn fields(text: &str) -> Result<Fields, Problem> {
    let uri: Uri =
        format!("/?{text}").parse().map_err(|_| Problem::new("malformed_body", "no form is like this"))?;
    let pairs: Query<Vec<(String, String)>> =
        Query::try_from_uri(&uri).map_err(|error| Problem::invalid("", error.to_string()))?;
    let mut fields = Fields::new();
    for (name, value) in pairs.0 {
        if name.contains('\0') || value.contains('\0') {
            return Err(Problem::invalid(name.replace('\0', ""), "holds the character NUL"));
        }
        fields.insert(name, value.replace("\r\n", "\n"));
    }
    Ok(fields)
}

/// What the browser says of where a request comes from. `null` is what some say on pages that tell nobody where they are.
pub(super) fn was_sent_from_here(headers: &HeaderMap, app_url: &str) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = text(axum::http::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    match text(ORIGIN) {
        None | Some("null") => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let ours = app_url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
            host.is_some() && (host == text(HOST) || host == ours)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        was_sent_from_here(&headers, "https://shop.example/base")
    }

    #[test]
    fn where_a_form_was_sent_from_is_what_the_browser_says() {
        assert!(sent(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!sent(&[("sec-fetch-site", site), ("origin", "https://shop.example")]), "{site}");
        }
        assert!(sent(&[("origin", "https://shop.example")]));
        assert!(sent(&[("origin", "http://127.0.0.1:3001"), ("host", "127.0.0.1:3001")]));
        assert!(!sent(&[("origin", "https://evil.example"), ("host", "shop.example")]));
        assert!(!sent(&[("origin", "shop.example"), ("host", "shop.example")]));
        assert!(sent(&[]));
    }
}
