//! One request in, one answer out: the key, faults, idempotency, then the route.

use std::time::Duration;

use kernel::Cx;
use serde_json::{Value, json};

use crate::account::{API_VERSION, Sandbox};
use crate::call::{Call, Origin};
use crate::error::ApiError;
use crate::faults::Trouble;
use crate::form::{self, Node};
use crate::idempotency::{Kept, Seen, fingerprint};
use crate::ids;
use crate::params::Params;
use crate::unbuilt;
use crate::versions::Version;

/// Stripe's limit on the length of an idempotency key.
const LONGEST_KEY: usize = 255;
/// Stripe's limit on the steps of an `expand[]` path. Without one, a payment and its charge name each other for ever.
const DEEPEST_EXPANSION: usize = 4;

/// A request to the API.
#[derive(Clone, Debug, Default)]
pub struct ApiRequest {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// `/v1/checkout/sessions`
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// A form with brackets.
    pub body: Vec<u8>,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
}

impl ApiRequest {
    /// A GET; `path` may carry a query.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }
    /// A POST of a form.
    pub fn post(path: &str, form: &str) -> Self {
        Self::new("POST", path, form)
    }
    /// A DELETE.
    pub fn delete(path: &str) -> Self {
        Self::new("DELETE", path, "")
    }
    fn new(method: &str, path: &str, form: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        ApiRequest {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            body: form.as_bytes().to_vec(),
            headers: Vec::new(),
        }
        .header("Authorization", "Bearer sk_test_sandbox")
    }
    /// With one more header, or another value for it.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }
    /// Under an idempotency key.
    pub fn under_key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }
    fn find(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
    /// Only a POST can be repeated safely under a key; on other methods Stripe ignores it.
    fn idempotency_key(&self) -> Option<&str> {
        self.find("Idempotency-Key").filter(|key| self.method == "POST" && !key.is_empty())
    }
}

/// What becomes of the answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It arrives.
    Delivered,
    /// It arrives after a while.
    Late(Duration),
    /// The caller never sees it: the connection breaks.
    Lost,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: u16,
    /// `Request-Id` and others.
    pub headers: Vec<(String, String)>,
    /// An object, a list, or `{"error": …}`.
    pub body: Value,
    /// Whether the caller gets to see it.
    pub answer: Answer,
}

/// An answer before the headers that all share.
struct Reply {
    status: u16,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    fn of(result: Result<Value, ApiError>, request_id: &str) -> Self {
        match result {
            Ok(body) => Reply { status: 200, body, headers: Vec::new() },
            Err(error) => Reply {
                status: error.status,
                body: error.body(request_id),
                headers: error.headers().iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            },
        }
    }
}

impl Sandbox {
    /// Answers one request.
    pub fn handle(&mut self, request: &ApiRequest, cx: &Cx) -> ApiResponse {
        self.tick(cx);
        let cx = self.local(cx);
        let key = request.idempotency_key().map(str::to_owned);
        let origin = Origin { request: ids::short("req_", &cx), key };
        let call = Call { cx, origin: Some(origin.clone()) };
        let trouble = self.faults.on_request(&request.method, &request.path, &call.cx);
        let (reply, answer) = self.through(trouble, request, &call, &origin);
        finish(reply, answer, &origin)
    }

    /// Answers through whatever trouble there is.
    fn through(
        &mut self,
        trouble: Option<Trouble>,
        request: &ApiRequest,
        call: &Call,
        origin: &Origin,
    ) -> (Reply, Answer) {
        let refuse = |error: ApiError| Reply::of(Err(error), &origin.request);
        match trouble {
            Some(Trouble::TimeoutBeforeExecuting | Trouble::ConnectionRefused) => {
                (refuse(ApiError::unavailable()), Answer::Lost)
            }
            Some(Trouble::RateLimit) => (refuse(ApiError::rate_limited()), Answer::Delivered),
            Some(Trouble::Unavailable) => (refuse(ApiError::unavailable()), Answer::Delivered),
            Some(Trouble::InFlight) => {
                let key = origin.key.as_deref().unwrap_or("none");
                (refuse(ApiError::key_in_use(key)), Answer::Delivered)
            }
            Some(Trouble::TimeoutAfterExecuting) => (self.once(None, request, call, origin), Answer::Lost),
            Some(Trouble::Slow { seconds }) => (
                self.once(Some(Trouble::Slow { seconds }), request, call, origin),
                Answer::Late(Duration::from_secs(seconds)),
            ),
            trouble => (self.once(trouble, request, call, origin), Answer::Delivered),
        }
    }

    /// Executes a request unless its idempotency key was answered before.
    fn once(
        &mut self,
        trouble: Option<Trouble>,
        request: &ApiRequest,
        call: &Call,
        origin: &Origin,
    ) -> Reply {
        let refuse = |error: ApiError| Reply::of(Err(error), &origin.request);
        if let Err(error) = self.check_key(request) {
            return refuse(error);
        }
        let Some(key) = &origin.key else {
            return Reply::of(self.execute(trouble, request, call), &origin.request);
        };
        if key.chars().count() > LONGEST_KEY {
            return refuse(ApiError::invalid("Idempotency-Key must be 255 characters or less."));
        }
        let fingerprint = fingerprint(&request.method, &request.path, &request.body);
        match self.keys.seen(key, fingerprint, call.now()) {
            Seen::Before(kept) => replay(kept),
            Seen::UnderWay => refuse(ApiError::key_in_use(key)),
            Seen::WithOtherParameters => refuse(ApiError::other_parameters_under_this_key(key)),
            Seen::Never => {
                let under_way_until = match &trouble {
                    Some(Trouble::Slow { seconds }) => Some(call.now() + Duration::from_secs(*seconds)),
                    _ => None,
                };
                let result = self.execute(trouble, request, call);
                let executed = result.as_ref().err().is_none_or(|error| !error.before_execution);
                let reply = Reply::of(result, &origin.request);
                if executed {
                    let answer = Kept { under_way_until, ..kept(&reply, fingerprint, origin) };
                    self.keys.keep(key, answer, call.now());
                }
                reply
            }
        }
    }

    fn execute(
        &mut self,
        trouble: Option<Trouble>,
        request: &ApiRequest,
        call: &Call,
    ) -> Result<Value, ApiError> {
        match trouble {
            Some(Trouble::Stored500 { execute: false }) => Err(ApiError::internal()),
            Some(Trouble::Stored500 { execute: true }) => {
                self.decode_and_route(request, call)?;
                Err(ApiError::internal())
            }
            _ => self.decode_and_route(request, call),
        }
    }

    fn decode_and_route(&mut self, request: &ApiRequest, call: &Call) -> Result<Value, ApiError> {
        let version = request.find("Stripe-Version").map_or(Ok(Version::of_account()), Version::read)?;
        let mut tree = form::decode(request.query.as_bytes())?;
        if request.method == "POST" {
            tree.extend(form::decode(&request.body)?);
        }
        version.bring_up_to_date(&request.path, &mut tree)?;
        let expand = take_expand(&mut tree)?;
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let answered = self.route(method, path, &Params::new(&tree), call);
        let mut object = answered.map_err(|error| unbuilt::told(error, method, path))?;
        for path in expand {
            self.expand(&mut object, &path)?;
        }
        Ok(object)
    }

    fn check_key(&self, request: &ApiRequest) -> Result<(), ApiError> {
        let key = request.find("Authorization").and_then(key_of).ok_or_else(|| {
            ApiError::unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, \
                 using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        })?;
        let keys = &self.settings.secret_keys;
        let looks_right = key.starts_with("sk_test_") || key.starts_with("rk_test_");
        if keys.contains(&key) || (keys.is_empty() && looks_right) {
            return Ok(());
        }
        let start: String = key.chars().take(8).collect();
        Err(ApiError::unauthorized(format!("Invalid API Key provided: {start}****")))
    }
}

/// `expand[]` belongs to every route, so it is taken out before the route looks at its parameters.
fn take_expand(tree: &mut Vec<(String, Node)>) -> Result<Vec<String>, ApiError> {
    let paths = Params::new(tree).texts("expand")?;
    if let Some(deep) = paths.iter().find(|path| path.split('.').count() > DEEPEST_EXPANSION) {
        let start: String = deep.chars().take(200).collect();
        let message = format!("You cannot expand more than 4 levels of a property ({start}).");
        return Err(ApiError::invalid(message).about("expand"));
    }
    tree.retain(|(name, _)| name != "expand");
    Ok(paths)
}

fn replay(kept: &Kept) -> Reply {
    Reply {
        status: kept.status,
        // It was written from a tree, so it can be read again.
        body: serde_json::from_str(&kept.body).unwrap_or(Value::Null),
        headers: vec![("Idempotent-Replayed", "true".into()), ("Original-Request", kept.request.clone())],
    }
}

fn kept(reply: &Reply, fingerprint: u64, origin: &Origin) -> Kept {
    Kept {
        fingerprint,
        status: reply.status,
        body: reply.body.to_string(),
        request: origin.request.clone(),
        under_way_until: None,
    }
}

fn finish(reply: Reply, answer: Answer, origin: &Origin) -> ApiResponse {
    let mut headers = vec![
        ("Request-Id".to_owned(), origin.request.clone()),
        ("Stripe-Version".to_owned(), API_VERSION.to_owned()),
    ];
    headers.extend(origin.key.iter().map(|key| ("Idempotency-Key".to_owned(), key.clone())));
    headers.extend(reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    ApiResponse { status: reply.status, headers, body: reply.body, answer }
}

/// The key of a `Bearer` or `Basic` authorization.
fn key_of(authorization: &str) -> Option<String> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(credentials.trim().to_owned()),
        "basic" => {
            let decoded = String::from_utf8(base64_decoded(credentials.trim())?).ok()?;
            Some(decoded.split(':').next()?.to_owned())
        }
        _ => None,
    }
}

/// Base64 (RFC 4648, section 4). Only `curl -u sk_test_…:` needs it, which is not worth a dependency.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// The answer to a deleted object.
pub(crate) fn deleted(object: &str, id: &str) -> Value {
    json!({ "id": id, "object": object, "deleted": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_sending_a_key_are_read() {
        assert_eq!(key_of("Bearer sk_test_1").as_deref(), Some("sk_test_1"));
        assert_eq!(key_of("Basic c2tfdGVzdF9hYmM6").as_deref(), Some("sk_test_abc"));
        assert_eq!(key_of("Digest x"), None);
    }
}
