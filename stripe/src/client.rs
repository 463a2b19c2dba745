//! One call to Stripe, and the honest ways in which it can fail.
//!
//! The error that matters is [`CallError::Unknown`]: the request went out and no answer that settles it came
//! back. It may have been carried out. Whoever sees it asks again with the same idempotency key, or looks first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, RwLock};

use kernel::{Duration, Entropy};
use outbound::{Patience, Scheme, told};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::key::KeyFault;
use crate::signature::fingerprint;

/// The version in which we write requests and read answers. Events come in the version of their endpoint.
pub const API_VERSION: &str = "2026-10-28.endive";

/// Where Stripe is.
pub const BASE_URL: &str = "https://api.stripe.com";

const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), total: Duration::from_secs(30) };

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Make or change.
    Post,
    /// Remove or cancel.
    Delete,
}

/// One request, as plain data: easy to log, to store as an intent, and to compare in a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is done.
    pub method: Method,
    /// Like `/v1/checkout/sessions`.
    pub path: String,
    /// Names with brackets (`metadata[orderId]`) and plain values, in order.
    pub params: Vec<(String, String)>,
    /// Under which key Stripe carries it out once; at most 255 characters, kept for a day.
    pub idempotency_key: Option<String>,
}

impl Call {
    /// Reads `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Call { method: Method::Get, path: path.into(), params: Vec::new(), idempotency_key: None }
    }
    /// Makes or changes something, once for each key.
    pub fn post(path: impl Into<String>, idempotency_key: impl Into<String>) -> Self {
        let idempotency_key = Some(idempotency_key.into());
        Call { method: Method::Post, path: path.into(), params: Vec::new(), idempotency_key }
    }
    /// The same with one more parameter.
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.params.push((name.into(), value.to_string()));
        self
    }
    /// The same with one more parameter where there is a value.
    pub fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Whether doing it twice is doing it once.
    fn is_repeatable(&self) -> bool {
        self.method == Method::Get || self.idempotency_key.is_some()
    }
}

/// One segment of a path made of an id, so that an id which is not one cannot reach another resource.
pub(crate) fn segment(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    percent_encode(id, &mut text);
    // A segment of dots alone would be resolved as a way up.
    if text.bytes().all(|b| b == b'.') { text.replace('.', "%2E") } else { text }
}

/// What Stripe said when it said no.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// `error.type`, like `invalid_request_error`; empty when the answer had none.
    pub kind: String,
    /// `error.code`, like `resource_missing`.
    pub code: Option<String>,
    /// For developers.
    pub message: String,
    /// Which parameter was wrong.
    pub param: Option<String>,
    /// By which Stripe's support and dashboard find the request.
    pub request_id: Option<String>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        let named =
            [("type", Some(&self.kind)), ("code", self.code.as_ref()), ("param", self.param.as_ref())];
        for (name, value) in named {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                write!(f, " {name}={value}")?;
            }
        }
        write!(f, ": {}", self.message)?;
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, " ({id})"))
    }
}

/// Why there is no answer to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Stripe says no; asking again changes nothing.
    #[error("Stripe refused: {0}")]
    Refused(ApiError),
    /// Turned away because of our key, before anything was looked at or carried out.
    #[error("{0}")]
    Key(KeyFault),
    /// Too many requests; it was not carried out. Ask again later.
    #[error("Stripe limits our rate: {error}")]
    RateLimited {
        /// How long Stripe asks us to wait, where it says so.
        retry_after: Option<Duration>,
        /// What Stripe said.
        error: ApiError,
    },
    /// Surely not carried out: it never left (no connection, no such host).
    #[error("not sent to Stripe: {0}")]
    NotSent(String),
    /// Something was asked that changes nothing, and no answer came that could be used: ask again later.
    #[error("Stripe does not answer: {0}")]
    Unanswered(String),
    /// It may or may not have been carried out: the answer was lost, or Stripe failed in the middle.
    #[error("the outcome at Stripe is unknown: {0}")]
    Unknown(String),
}

impl CallError {
    /// No answer that settles it: of what only reads nothing is unknown. Public for doubles, so that they mean the same.
    pub fn lost(call: &Call, why: String) -> CallError {
        match call.method {
            Method::Get => CallError::Unanswered(why),
            Method::Post | Method::Delete => CallError::Unknown(why),
        }
    }
}

impl From<CallError> for kernel::Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(_) => {
                kernel::Error::Refused(kernel::Refusal::new("stripe_refused", error.to_string()))
            }
            CallError::Key(fault) => kernel::Error::Refused(fault.into()),
            CallError::RateLimited { .. } | CallError::NotSent(_) | CallError::Unanswered(_) => {
                kernel::Error::Busy(error.to_string())
            }
            CallError::Unknown(why) => kernel::Error::Unknown(why),
        }
    }
}

/// The answer to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send + 'a>>;

/// Whoever answers as Stripe does: Stripe itself, or a double.
pub trait Stripe: Send + Sync {
    /// Makes the call and gives the object in the answer.
    fn call(&self, call: Call) -> Answer<'_>;
}

impl<S: Stripe + ?Sized> Stripe for Arc<S> {
    fn call(&self, call: Call) -> Answer<'_> {
        (**self).call(call)
    }
}

/// A secret API key (`sk_…` or `rk_…`). Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key as configured. Blanks and line ends inside or around it are refused, not trimmed.
    pub fn new(text: impl Into<String>) -> Result<Self, ClientError> {
        let text = text.into();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientError::Key);
        }
        Ok(ApiKey(text))
    }

    /// Whether it moves real money.
    pub fn is_live(&self) -> bool {
        self.0.starts_with("sk_live_") || self.0.starts_with("rk_live_")
    }

    /// Whether it may do only what it was given.
    pub fn is_restricted(&self) -> bool {
        self.0.starts_with("rk_")
    }

    /// By which people tell this key from another; it says nothing about the key.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_live() { "live key …redacted" } else { "key …redacted" })
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a key.
    #[error("the Stripe API key is empty or holds whitespace; expected sk_… or rk_…")]
    Key,
    /// Not a base URL.
    #[error("`{0}` is no base URL for Stripe; expected https://host or http://host:port")]
    BaseUrl(String),
    /// A live key would travel in the clear.
    #[error("a live key is only sent over https, not to `{0}`")]
    LiveKeyInTheClear(String),
    /// TLS could not be set up: mostly a system without CA certificates.
    #[error("no HTTPS client: {0}")]
    Tls(String),
}

/// How often and how soon a failed call is made again. The numbers are those of Stripe's own libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// After the first attempt.
    pub most: u32,
    /// The wait before the first retry; each further one is twice as long.
    pub first: Duration,
    /// No wait is longer, except when Stripe asks for it.
    pub longest: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { most: 2, first: Duration::from_millis(500), longest: Duration::from_secs(5) }
    }
}

/// Longer than this we do not sleep while somebody waits; the caller's queue knows better.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

impl Retries {
    /// How long to wait before making the call again, if at all. `chance` spreads callers that failed together
    /// over the upper half of the wait.
    fn wait(&self, retry: u32, hints: &Hints, chance: u64) -> Option<Duration> {
        if retry >= self.most || !hints.worth_a_retry() {
            return None;
        }
        let whole = self.first.saturating_mul(1 << retry.min(16)).min(self.longest);
        let half = whole / 2;
        let spread = half.as_micros() as u64;
        let wait = (half + Duration::from_micros(chance % (spread + 1))).max(self.first.min(whole));
        match hints.retry_after {
            Some(asked) if asked > LONGEST_ASKED => None,
            Some(asked) => Some(wait.max(asked)),
            None => Some(wait),
        }
    }
}

/// What one attempt says about another one.
#[derive(Debug, Clone, Copy, Default)]
struct Hints {
    /// None when there was no answer.
    status: Option<u16>,
    /// `Stripe-Should-Retry`.
    should_retry: Option<bool>,
    /// `Retry-After`.
    retry_after: Option<Duration>,
}

impl Hints {
    fn of(status: u16, headers: &HeaderMap) -> Self {
        Hints {
            status: Some(status),
            should_retry: header(headers, "stripe-should-retry").and_then(|text| text.parse().ok()),
            retry_after: header(headers, "retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs),
        }
    }

    /// Stripe's own word wins. 429 is not on the list: to ask again at once is how one stays limited.
    fn worth_a_retry(&self) -> bool {
        self.should_retry.unwrap_or(match self.status {
            None => true,
            Some(status) => status == 409 || status >= 500,
        })
    }
}

/// Stripe over HTTP.
pub struct HttpStripe {
    http: reqwest::Client,
    base: String,
    /// Another one while calls are under way, when the key is rolled.
    authorization: RwLock<HeaderValue>,
    entropy: Arc<dyn Entropy>,
    retries: Retries,
}

impl fmt::Debug for HttpStripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpStripe({})", self.base)
    }
}

impl HttpStripe {
    /// A client for `base_url` ([`BASE_URL`], or the sandbox). `entropy` spreads retries.
    pub fn new(base_url: &str, key: &ApiKey, entropy: Arc<dyn Entropy>) -> Result<Self, ClientError> {
        let base = base_url.trim_end_matches('/').to_owned();
        let scheme = scheme_of(&base).ok_or_else(|| ClientError::BaseUrl(base.clone()))?;
        let authorization = RwLock::new(authorization(&base, key)?);
        let http = outbound::client(scheme, PATIENCE).map_err(|error| ClientError::Tls(error.to_string()))?;
        Ok(HttpStripe { http, base, authorization, entropy, retries: Retries::default() })
    }

    /// The same place, asked with another key.
    ///
    /// # Errors
    /// When it would travel in the clear.
    pub fn asking_with(&self, key: &ApiKey) -> Result<HttpStripe, ClientError> {
        Ok(HttpStripe {
            http: self.http.clone(),
            base: self.base.clone(),
            authorization: RwLock::new(authorization(&self.base, key)?),
            entropy: self.entropy.clone(),
            retries: self.retries,
        })
    }

    /// From now on every request carries this key; those that are under way end with the one that they began with.
    ///
    /// # Errors
    /// When it would travel in the clear; then the old one stays.
    pub fn use_key(&self, key: &ApiKey) -> Result<(), ClientError> {
        let fresh = authorization(&self.base, key)?;
        *self.authorization.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = fresh;
        Ok(())
    }

    /// The same with another policy for retries. Each attempt has thirty seconds of its own.
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    async fn with_retrying(&self, call: Call) -> Result<Value, CallError> {
        let mut lost = None;
        let mut retry = 0;
        loop {
            let (outcome, hints) = self.attempt(&call).await;
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => settled(lost, error),
            };
            match self.retries.wait(retry, &hints, self.chance()) {
                Some(wait) if call.is_repeatable() => tokio::time::sleep(wait).await,
                _ => return Err(error),
            }
            lost = Some(error).filter(|error| matches!(error, CallError::Unknown(_)));
            retry += 1;
        }
    }

    async fn attempt(&self, call: &Call) -> (Result<Value, CallError>, Hints) {
        match self.request(call).send().await {
            Ok(response) => read(call, response).await,
            Err(error) if error.is_connect() || error.is_builder() => {
                (Err(CallError::NotSent(told(&error))), Hints::default())
            }
            Err(error) => (Err(CallError::lost(call, told(&error))), Hints::default()),
        }
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let form = form(&call.params);
        let url = format!("{}{}", self.base, call.path);
        let with_query = |url: String| if form.is_empty() { url } else { format!("{url}?{form}") };
        let request = match call.method {
            Method::Get => self.http.get(with_query(url)),
            Method::Delete => self.http.delete(with_query(url)),
            Method::Post => {
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form)
            }
        };
        let authorization =
            self.authorization.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let request = request.header("authorization", authorization).header("stripe-version", API_VERSION);
        match &call.idempotency_key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

fn authorization(base: &str, key: &ApiKey) -> Result<HeaderValue, ClientError> {
    if scheme_of(base) == Some(Scheme::Http) && key.is_live() {
        return Err(ClientError::LiveKeyInTheClear(base.to_owned()));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.0)).map_err(|_| ClientError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Stripe for HttpStripe {
    fn call(&self, call: Call) -> Answer<'_> {
        Box::pin(self.with_retrying(call))
    }
}

/// After an attempt whose outcome is unknown, only an answer that Stripe gives *to this key* settles it. An
/// attempt that was turned away at the door says nothing about the one before.
fn settled(lost: Option<CallError>, latest: CallError) -> CallError {
    let at_the_door = match &latest {
        CallError::NotSent(_) | CallError::RateLimited { .. } | CallError::Key(_) => true,
        CallError::Refused(error) => error.status == 409 || error.kind == "idempotency_error",
        CallError::Unanswered(_) | CallError::Unknown(_) => false,
    };
    match lost {
        Some(lost) if at_the_door => CallError::Unknown(format!("{lost}; then {latest}")),
        _ => latest,
    }
}

async fn read(call: &Call, response: reqwest::Response) -> (Result<Value, CallError>, Hints) {
    let status = response.status().as_u16();
    let hints = Hints::of(status, response.headers());
    let request_id = header(response.headers(), "request-id").map(str::to_owned);
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) => {
            // The head came and the rest was lost: like no answer, but Stripe's hint counts.
            let lost = CallError::lost(call, format!("answer {status} was cut off: {}", told(&error)));
            return (Err(lost), Hints { status: None, ..hints });
        }
    };
    let outcome = match serde_json::from_slice::<Value>(&body) {
        Ok(value) => answered(call, status, value, request_id, hints.retry_after),
        Err(_) if (200..300).contains(&status) => {
            Err(CallError::lost(call, format!("answer {status} is not JSON (request {request_id:?})")))
        }
        Err(_) => Err(refused(call, api_error(status, &Value::Null, request_id), hints.retry_after)),
    };
    (outcome, hints)
}

/// What an answer to `call` with this status and body means. Public for doubles, so that they mean the same.
pub fn answered(
    call: &Call,
    status: u16,
    body: Value,
    request_id: Option<String>,
    retry_after: Option<Duration>,
) -> Result<Value, CallError> {
    match status {
        200..300 => Ok(body),
        _ => Err(refused(call, api_error(status, &body, request_id), retry_after)),
    }
}

fn refused(call: &Call, error: ApiError, retry_after: Option<Duration>) -> CallError {
    if let Some(fault) = KeyFault::of(call, &error) {
        return CallError::Key(fault);
    }
    match error.status {
        429 => CallError::RateLimited { retry_after, error },
        // Another request under this key is being carried out at this moment: how it ends is not known yet.
        409 if error.code.as_deref() == Some("idempotency_key_in_use") => {
            CallError::Unknown(error.to_string())
        }
        500.. => CallError::lost(call, error.to_string()),
        _ => CallError::Refused(error),
    }
}

fn api_error(status: u16, body: &Value, request_id: Option<String>) -> ApiError {
    let text = |name| body["error"][name].as_str().map(str::to_owned);
    ApiError {
        status,
        kind: text("type").unwrap_or_default(),
        code: text("code"),
        message: text("message").unwrap_or_else(|| "the answer has no error message".to_owned()),
        param: text("param"),
        request_id,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Where Stripe is, as it has to be: an address without a query.
fn scheme_of(base: &str) -> Option<Scheme> {
    let url = reqwest::Url::parse(base).ok()?;
    match url.scheme() {
        _ if url.host_str().is_none() || url.query().is_some() => None,
        "https" => Some(Scheme::Https),
        "http" => Some(Scheme::Http),
        _ => None,
    }
}

/// `application/x-www-form-urlencoded`; brackets in names stay, as Stripe's documentation writes them. Public for
/// doubles, so that they are asked with the same bytes.
pub fn form(params: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in params {
        if !text.is_empty() {
            text.push('&');
        }
        for part in name.split_inclusive(['[', ']']) {
            let (inner, bracket) = match part.char_indices().last() {
                Some((at, bracket @ ('[' | ']'))) => (&part[..at], Some(bracket)),
                _ => (part, None),
            };
            percent_encode(inner, &mut text);
            text.extend(bracket);
        }
        text.push('=');
        percent_encode(value, &mut text);
    }
    text
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
fn percent_encode(plain: &str, text: &mut String) {
    for byte in plain.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_with_brackets_and_everything_else_is_escaped() {
        let call = Call::post("/v1/x", "k")
            .with("line_items[0][price]", "price_1")
            .with("metadata[a&b]", "Zoë = 100 %+")
            .with("expand[]", "latest_charge")
            .with_some("none", None::<String>);
        assert_eq!(
            form(&call.params),
            "line_items[0][price]=price_1&metadata[a%26b]=Zo%C3%AB%20%3D%20100%20%25%2B&expand[]=latest_charge"
        );
    }

    #[test]
    fn an_id_cannot_reach_another_resource() {
        assert_eq!(segment("cs_test_1"), "cs_test_1");
        assert_eq!(segment("cs/../../customers?x#y"), "cs%2F..%2F..%2Fcustomers%3Fx%23y");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn stripes_word_on_retrying_wins_and_otherwise_the_status_decides() {
        let worth = |status, should_retry| Hints { status, should_retry, retry_after: None }.worth_a_retry();
        let table = [
            (None, None, true),
            (Some(400), None, false),
            (Some(402), None, false),
            (Some(409), None, true),
            (Some(429), None, false),
            (Some(500), None, true),
            (Some(503), None, true),
            (Some(500), Some(false), false),
            (Some(400), Some(true), true),
            (Some(429), Some(true), true),
        ];
        for (status, should_retry, expected) in table {
            assert_eq!(worth(status, should_retry), expected, "{status:?} {should_retry:?}");
        }
    }

    #[test]
    fn waits_double_from_half_a_second_to_five_with_jitter_and_then_end() {
        let lost = Hints::default();
        let many = Retries { most: 10, ..Retries::default() };
        for chance in [0, 1, 77_777_777, u64::MAX] {
            let wait = |retry| many.wait(retry, &lost, chance).unwrap().as_millis();
            assert_eq!(wait(0), 500);
            assert!((500..=1000).contains(&wait(1)));
            assert!((1000..=2000).contains(&wait(2)));
            assert!((2500..=5000).contains(&wait(9)));
            assert_eq!(Retries::default().wait(2, &lost, chance), None);
        }
    }

    #[test]
    fn a_wait_that_stripe_asks_for_is_kept_unless_it_is_too_long_to_sit_through() {
        let asked = |seconds| Hints { retry_after: Some(Duration::from_secs(seconds)), ..Hints::default() };
        assert_eq!(Retries::default().wait(0, &asked(7), 0), Some(Duration::from_secs(7)));
        assert_eq!(Retries::default().wait(0, &asked(61), 0), None);
    }

    #[test]
    fn an_attempt_turned_away_at_the_door_does_not_settle_the_one_that_was_lost() {
        let lost = || Some(CallError::Unknown("lost".into()));
        let refused = |status, kind: &str| {
            CallError::Refused(ApiError { status, kind: kind.into(), ..ApiError::default() })
        };
        let unknown = |latest| matches!(settled(lost(), latest), CallError::Unknown(_));
        assert!(unknown(CallError::NotSent("refused".into())));
        assert!(unknown(CallError::RateLimited { retry_after: None, error: ApiError::default() }));
        assert!(unknown(CallError::Key(KeyFault::NotTaken(ApiError::default()))));
        assert!(unknown(refused(409, "")));
        assert!(unknown(refused(400, "idempotency_error")));
        assert!(!unknown(refused(400, "invalid_request_error")));
        assert!(!unknown(refused(402, "card_error")));
        let not_sent = CallError::NotSent("refused".into());
        assert_eq!(settled(None, not_sent.clone()), not_sent);
    }

    #[test]
    fn keys_and_base_urls_are_checked_and_keys_never_printed() {
        let chance = kernel::Seeded::new(1);
        let client = |base: &str, key: &str| HttpStripe::new(base, &ApiKey::new(key)?, chance.clone());
        assert!(client("http://127.0.0.1:1", "sk_test_1").is_ok());
        // Over https a machine without CA certificates is told so; no provider of TLS need be installed before.
        assert!(matches!(client(BASE_URL, "sk_live_1"), Ok(_) | Err(ClientError::Tls(_))));
        assert!(matches!(client("http://127.0.0.1:1", "sk_live_1"), Err(ClientError::LiveKeyInTheClear(_))));
        assert!(matches!(client("api.stripe.com", "sk_test_1"), Err(ClientError::BaseUrl(_))));
        assert!(matches!(client("ftp://api.stripe.com", "sk_test_1"), Err(ClientError::BaseUrl(_))));
        for key in ["", " ", "sk_test_1\n", "sk test"] {
            assert!(matches!(client(BASE_URL, key), Err(ClientError::Key)), "{key:?}");
        }
        assert_eq!(format!("{:?}", ApiKey::new("sk_live_abc").unwrap()), "live key …redacted");
    }
}
