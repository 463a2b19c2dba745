//! The three who call over HTTP in a script: the shop's own website, an operator, and a buyer with a browser.

use kernel::{Duration, Error, Refusal, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::dev::local_client;

/// Longer than anything should take here.
const TIME_OUT: Duration = Duration::from_secs(10);
/// How often an answer is asked for that is on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Calls one server with one token.
pub(super) struct Caller {
    http: reqwest::Client,
    server: String,
    sandbox: String,
    token: String,
}

/// A page as a browser got it.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) text: String,
    /// Where the browser is sent next.
    pub(super) next: Option<String>,
}

impl Caller {
    /// `server` and `sandbox` are addresses without a slash at the end.
    pub(super) fn new(server: String, sandbox: String, token: String) -> Result<Self> {
        let http = local_client().timeout(TIME_OUT).build().map_err(broken)?;
        Ok(Caller { http, server, sandbox, token })
    }

    /// `GET` with the token: an object.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}{path}", self.server)).bearer_auth(&self.token);
        json_of(path, request).await
    }

    /// `POST` with the token: an object.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}{path}", self.server)).bearer_auth(&self.token).json(body);
        json_of(path, request).await
    }

    /// Turns a screw of the sandbox.
    pub(super) async fn control(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(method, format!("{}/control/{path}", self.sandbox)).json(body);
        json_of(path, request).await
    }

    /// A page, as a buyer's browser asks for it.
    pub(super) async fn visit(&self, url: &str) -> Result<Page> {
        page_of(self.http.get(url)).await
    }

    /// Sends the payment page's form with this card, as a browser does.
    pub(super) async fn pay(&self, url: &str, card: &str) -> Result<Page> {
        let fields = [
            ("action", "pay"),
            ("method", "card"),
            ("number", card),
            ("email", super::BUYER),
            ("name", "Ada Lovelace"),
            ("country", "GB"),
            ("postal_code", "W1"),
        ];
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let form = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        page_of(form.body(body.join("&"))).await
    }

    /// Asks again until `arrived` says yes; gives the last answer and whether it did.
    pub(super) async fn until(&self, path: &str, arrived: impl Fn(&Value) -> bool) -> Result<(Value, bool)> {
        let end = tokio::time::Instant::now() + TIME_OUT;
        loop {
            let seen = self.get(path).await?;
            let there = arrived(&seen);
            if there || tokio::time::Instant::now() > end {
                return Ok((seen, there));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the sandbox has no webhook under way.
    pub(super) async fn all_delivered(&self) -> Result<()> {
        let end = tokio::time::Instant::now() + TIME_OUT;
        while tokio::time::Instant::now() < end {
            let state = self.control(Method::GET, "state", &json!({})).await?;
            if state["deliveries_waiting"] == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(Refusal::new("script_stuck", "the sandbox still has webhooks to deliver").into())
    }

    /// A number from `/metrics`, by the series as it is written there.
    pub(super) async fn metric(&self, series: &str) -> Result<u64> {
        let page = self.visit(&format!("{}/metrics", self.server)).await?;
        let line = page.text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
        let missing = || Refusal::new("script_stuck", format!("/metrics has no {series}"));
        Ok(line.ok_or_else(missing)? as u64)
    }
}

async fn json_of(what: &str, request: RequestBuilder) -> Result<Value> {
    let response = request.send().await.map_err(broken)?;
    let status = response.status();
    let text = response.text().await.map_err(broken)?;
    if !status.is_success() {
        return Err(Refusal::new("script_stuck", format!("{what} answered {status}: {text}")).into());
    }
    serde_json::from_str(&text).map_err(|e| Error::Bug(Box::new(e)))
}

async fn page_of(request: RequestBuilder) -> Result<Page> {
    let response = request.send().await.map_err(broken)?;
    let next = response.headers().get("location").and_then(|url| url.to_str().ok()).map(str::to_owned);
    Ok(Page { status: response.status().as_u16(), next, text: response.text().await.map_err(broken)? })
}

fn broken(error: reqwest::Error) -> Error {
    Error::Busy(format!("no answer: {error}"))
}

/// As a browser escapes a form field.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
