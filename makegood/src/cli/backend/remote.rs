//! The work is done by a server, through its admin API.

use std::path::Path;
use std::time::Duration;

use kernel::{Clock, Timestamp};
use ops::{Mode, OperationDef, ViewDef};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Map, Value};

use super::{NewToken, Receipt, WantedToken};
use crate::cli::check::Report;
use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::http::routes::ADMIN;

/// A server, and who we are to it.
pub struct Remote {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
}

impl Remote {
    /// A server with the token of `file`, or of `MAKEGOOD_TOKEN`.
    pub fn new(server: &str, file: Option<&Path>) -> Result<Remote, Failure> {
        let token = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("--token-file {}: {error}", path.display())))?,
            None => std::env::var("MAKEGOOD_TOKEN").unwrap_or_default(),
        };
        let token = token.trim().to_owned();
        if token.is_empty() {
            let failure =
                Failure::new("unauthenticated", format!("{server} wants a token, and there is none"));
            return Err(failure.fix("set MAKEGOOD_TOKEN, or name a file with --token-file; an admin makes one with makegood tokens create"));
        }
        Ok(Remote { token: Some(token), ..Remote::open(server)? })
    }

    /// A server that is asked without a token.
    pub fn open(server: &str) -> Result<Remote, Failure> {
        let is_url = reqwest::Url::parse(server)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_url {
            return Err(Failure::usage(format!(
                "`{server}` is not an address of a server; expected https://host"
            )));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("makegood-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            // A token does not follow a stranger's pointer.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::new("internal_error", format!("no HTTP client: {error}")))?;
        Ok(Remote { http, server: server.trim_end_matches('/').to_owned(), token: None })
    }

    /// Against what ages are counted.
    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Asks a view.
    pub async fn ask(&self, view: &ViewDef, input: Value) -> Result<Value, Failure> {
        let (path, rest) = place(view.name, view.subject, input);
        let query: Vec<(String, String)> = rest
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.server), query)
            .map_err(|error| Failure::usage(error.to_string()))?;
        self.answer(self.http.get(url)).await
    }

    /// Runs an operation.
    pub async fn run(
        &self,
        operation: &OperationDef,
        input: Value,
        mode: Mode,
        reason: Option<String>,
    ) -> Result<Receipt, Failure> {
        let (path, mut body) = place(operation.name, operation.subject, input);
        match mode {
            Mode::Preview => body.insert("dry_run".into(), true.into()),
            Mode::Apply { plan_id } => body.insert("plan_id".into(), plan_id.into()),
        };
        body.insert("reason".into(), reason.into());
        let answer = self.answer(self.request(Method::POST, &path).json(&Value::Object(body))).await?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Runs every check.
    pub async fn check(&self) -> Result<Report, Failure> {
        let checks = self.answer(self.request(Method::GET, &format!("{ADMIN}/checks"))).await?;
        Ok(Report { checks: serde_json::from_value(checks["data"].clone())? })
    }

    /// Makes a token.
    pub async fn make_token(&self, wanted: &WantedToken) -> Result<NewToken, Failure> {
        let answer = self.answer(self.request(Method::POST, &format!("{ADMIN}/tokens")).json(wanted)).await?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Whose token this is, and what it may do.
    pub async fn whoami(&self) -> Result<Value, Failure> {
        self.answer(self.request(Method::GET, &format!("{ADMIN}/whoami"))).await
    }

    /// The status and body of any page.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, String), Failure> {
        let request = self.request(method, path);
        let response = self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        });
        let response = response.await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await.map_err(|error| self.silent(&error))?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.map_err(|error| self.silent(&error))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| self.silent(&error))?;
        let body = serde_json::from_str::<Value>(&text);
        match (status, body) {
            (200..=299, Ok(body)) => Ok(body),
            (200..=299, Err(_)) => {
                let detail = format!("{} answered {status} with something that is not JSON", self.server);
                Err(Failure::new("unreachable", detail)
                    .fix("see that this address is makegood's, and no other program's"))
            }
            (_, body) => Err(Failure::from_problem(status, &body.unwrap_or_default())),
        }
    }

    /// Nobody answered. What was asked may have been done all the same when the connection broke late.
    fn silent(&self, error: &reqwest::Error) -> Failure {
        let (mut detail, mut cause) =
            (format!("{} does not answer", self.server), std::error::Error::source(error));
        while let Some(inner) = cause {
            detail = format!("{detail}: {inner}");
            cause = inner.source();
        }
        let code = if error.is_connect() { "unreachable" } else { "outcome_unknown" };
        Failure::new(code, detail).fix("see that it runs, and that this is its address")
    }
}

/// The route of a definition, with its subject in the path; the rest of the input is for the query or the body.
fn place(name: &str, subject: Option<&str>, input: Value) -> (String, Map<String, Value>) {
    let Value::Object(mut rest) = input else { return (format!("{ADMIN}/{name}"), Map::new()) };
    let mut words = name.split('.');
    let resource = words.next().unwrap_or_default();
    let mut path = format!("{ADMIN}/{resource}");
    if let Some(value) = subject.and_then(|subject| rest.shift_remove(subject)) {
        path.push_str(&format!(
            "/{}",
            encoded(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        ));
    }
    let verbs = words.filter(|verb| !matches!(*verb, "list" | "show"));
    verbs.for_each(|verb| path.push_str(&format!("/{verb}")));
    (path, rest)
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_with_a_slash_stays_one_segment() {
        let (path, _) = place("inventory.adjust", Some("sku"), json!({ "sku": "a/../b c", "change": 1 }));
        assert_eq!(path, "/api/v1/admin/inventory/a%2F..%2Fb%20c/adjust");
    }

    #[test]
    fn a_definition_has_its_route() {
        for (name, subject, path) in [
            ("orders.list", None, "/api/v1/admin/orders"),
            ("orders.show", Some("order"), "/api/v1/admin/orders/o"),
            ("orders.review.clear", Some("order"), "/api/v1/admin/orders/o/review/clear"),
            ("entitlements.grant", None, "/api/v1/admin/entitlements/grant"),
        ] {
            assert_eq!(place(name, subject, json!({ "order": "o" })).0, path);
        }
    }
}
