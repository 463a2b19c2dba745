//! The work is done by a server, through its admin API.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use kernel::{Clock, Timestamp};
use ops::runs::{INTERRUPTED, Seen};
use ops::{Mode, OperationDef, TaskDef, ViewDef};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Map, Value};
use shop::Shop;

use super::Receipt;
use crate::cli::check::Report;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Bar;
use crate::cli::task::Wanted;
use crate::clock::SystemClock;
use crate::http::routes::ADMIN;
use crate::serve::asked_to_stop;
use crate::{people, tokens};

/// After so many seconds we would rather see how far a task is than wait for its answer.
const WAIT_SECONDS: u64 = 2;
/// How often a run is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A server that restarts is away for so many looks at most.
const MISSED_AT_MOST: u32 = 60;

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
        if token.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
            let from = match file {
                Some(path) => format!("the file {}", path.display()),
                None => "MAKEGOOD_TOKEN".to_owned(),
            };
            return Err(Failure::usage(format!(
                "{from} holds more than a token; expected one line, as makegood tokens create prints it"
            )));
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
        self.answer(self.question(view.name, view.subject, input)?).await
    }

    /// A `GET` with the subject in the path and the rest in the query.
    fn question(&self, name: &str, subject: Option<&str>, input: Value) -> Result<RequestBuilder, Failure> {
        let (path, rest) = place(name, subject, input);
        let query: Vec<(String, String)> = rest
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.server), query)
            .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(self.http.get(url))
    }

    /// Uploads a picture.
    pub async fn add_picture(&self, bytes: bytes::Bytes, name: &str) -> Result<Value, Failure> {
        let path = format!("{ADMIN}/media/upload?name={}", encoded(name));
        let request = self.request(Method::POST, &path).header("content-type", "application/octet-stream");
        self.answer(request.body(bytes)).await
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

    /// Runs a task, and shows how far it is. Ctrl-C ends the waiting; the server goes on.
    pub async fn perform(
        &self,
        task: &TaskDef<Shop>,
        wanted: Wanted,
        bar: &mut Bar,
    ) -> Result<Value, Failure> {
        let request = self.order(task, wanted)?.header("Prefer", format!("wait={WAIT_SECONDS}"));
        let mut stop = pin!(asked_to_stop());
        let answer = tokio::select! {
            answer = self.answer(request) => answer?,
            () = &mut stop => return Err(gone_on("makegood runs list".into())),
        };
        let Some(id) = answer["id"].as_str().filter(|_| answer["object"] == "run") else { return Ok(answer) };
        tokio::select! {
            answer = self.follow(id, bar) => answer,
            () = &mut stop => {
                bar.clear();
                Err(gone_on(format!("makegood runs show {id}")))
            }
        }
    }

    /// How a task is asked for: by `GET` where nothing changes and the route allows it.
    fn order(&self, task: &TaskDef<Shop>, wanted: Wanted) -> Result<RequestBuilder, Failure> {
        let Wanted { input, dry_run, reason } = wanted;
        let asked = if dry_run { task.preview(input.clone()) } else { task.read(input.clone()) }?;
        if asked.changing.is_none() && task.effect.may_look() {
            return self.question(task.name, task.subject, asked.input());
        }
        let (path, mut body) = place(task.name, task.subject, input);
        body.insert("dry_run".into(), dry_run.into());
        body.insert("reason".into(), reason.into());
        Ok(self.request(Method::POST, &path).json(&Value::Object(body)))
    }

    /// Waits for the end of a run. A server that is away for a moment is asked again.
    async fn follow(&self, id: &str, bar: &mut Bar) -> Result<Value, Failure> {
        let path = format!("{ADMIN}/runs/{}", encoded(id));
        let mut missed = 0;
        loop {
            match self.answer(self.request(Method::GET, &path)).await {
                Ok(mut run) => {
                    missed = 0;
                    match run["status"].as_str() {
                        Some("done") => return Ok(run["answer"].take()),
                        Some("failed") => return Err(Failure::from_problem(500, &run["error"])),
                        _ => bar.show(&seen(&run)),
                    }
                }
                Err(failure) if failure.exit == Exit::Down && missed < MISSED_AT_MOST => missed += 1,
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Which alerts would fire now.
    pub async fn test_alerts(&self) -> Result<Value, Failure> {
        self.answer(self.request(Method::GET, &format!("{ADMIN}/alerts/test"))).await
    }

    /// Runs these checks, or every one when none is named.
    pub async fn check(&self, only: &[String]) -> Result<Report, Failure> {
        let query =
            if only.is_empty() { String::new() } else { format!("?only={}", encoded(&only.join(","))) };
        let checks = self.answer(self.request(Method::GET, &format!("{ADMIN}/checks{query}"))).await?;
        Ok(Report { checks: serde_json::from_value(checks["data"].clone())? })
    }

    /// Makes a token.
    pub async fn make_token(&self, wanted: &tokens::Wanted) -> Result<tokens::Made, Failure> {
        let answer = self.answer(self.request(Method::POST, &format!("{ADMIN}/tokens")).json(wanted)).await?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Invites somebody to the console.
    pub async fn invite(&self, wanted: &people::Wanted) -> Result<people::Invitation, Failure> {
        let request = self.request(Method::POST, &format!("{ADMIN}/users/invite")).json(wanted);
        Ok(serde_json::from_value(self.answer(request).await?)?)
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

/// What a run says of how far it is.
fn seen(run: &Value) -> Seen {
    let what = run["what"].as_str().unwrap_or_default().to_owned();
    Seen { done: run["done"].as_u64().unwrap_or_default(), of: run["total"].as_u64(), what }
}

fn gone_on(look: String) -> Failure {
    Failure::new(INTERRUPTED, "nobody waits for it any more; the server goes on with it").fix(look)
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
