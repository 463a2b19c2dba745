//! How Stripe says no: one JSON shape, with a status, a type and mostly a code.

use serde_json::{Map, Value, json};

/// An answer that is an error.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// Refused before anything was executed: such an answer is never kept under an idempotency key.
    pub(crate) before_execution: bool,
    /// Boxed, because every handler's result has room for it.
    details: Box<Details>,
}

#[derive(Clone, Debug)]
struct Details {
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
    more: Map<String, Value>,
    headers: Vec<(&'static str, &'static str)>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: String) -> Self {
        let details = Details { kind, code, message, param: None, more: Map::new(), headers: Vec::new() };
        ApiError { status, before_execution: false, details: Box::new(details) }
    }

    pub(crate) fn headers(&self) -> &[(&'static str, &'static str)] {
        &self.details.headers
    }

    /// A parameter that makes no sense: 400, found before execution.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        let error = Self::new(400, "invalid_request_error", None, message.into());
        ApiError { before_execution: true, ..error }
    }

    /// A request that is well formed but not possible in the object's present state: 400, after execution began.
    pub(crate) fn impossible(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", None, message.into())
    }

    pub(crate) fn unknown_parameter(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").about(param)
    }

    /// The parameter that is refused because nobody here knows it.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.details.param.as_deref().filter(|_| self.details.code == Some("parameter_unknown"))
    }

    /// The same in other words.
    pub(crate) fn saying(mut self, message: String) -> Self {
        self.details.message = message;
        self
    }

    pub(crate) fn missing_parameter(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").about(param)
    }

    /// No object with this id: 404 when the id stands in the path, 400 when it is a parameter.
    pub(crate) fn no_such(what: &str, id: &str, param: &str) -> Self {
        let mut error =
            Self::invalid(format!("No such {what}: '{id}'")).code("resource_missing").about(param);
        error.status = if param == "id" { 404 } else { 400 };
        error
    }

    pub(crate) fn no_such_route(method: &str, path: &str) -> Self {
        let mut error = Self::invalid(format!(
            "Unrecognized request URL ({method}: {path}). This sandbox does not know it; docs/sandbox.md says what it \
             knows."
        ));
        error.status = 404;
        error
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        let error = Self::new(401, "invalid_request_error", None, message.into());
        ApiError { before_execution: true, ..error }
    }

    pub(crate) fn declined(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(402, "card_error", Some(code), message.into())
    }

    pub(crate) fn other_parameters_under_this_key(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        let error = Self::new(400, "idempotency_error", None, message);
        ApiError { before_execution: true, ..error }
    }

    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Stripe Idempotency Key (that probably means \
             you submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        let mut error = Self::new(409, "idempotency_error", Some("idempotency_key_in_use"), message);
        error.before_execution = true;
        error.details.headers.push(("Stripe-Should-Retry", "true"));
        error
    }

    pub(crate) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits in our documentation.";
        let mut error = Self::new(429, "invalid_request_error", Some("rate_limit"), message.into());
        error.before_execution = true;
        error.details.headers.push(("Stripe-Rate-Limited-Reason", "endpoint-rate"));
        error
    }

    /// A failure inside Stripe after execution began; kept under the idempotency key.
    pub(crate) fn internal() -> Self {
        let message = "An unknown error occurred, and has been reported to Stripe.";
        Self::new(500, "api_error", None, message.into())
    }

    pub(crate) fn unavailable() -> Self {
        let message = "Stripe is temporarily unavailable. Please try again later.";
        let mut error = Self::new(503, "api_error", None, message.into());
        error.before_execution = true;
        error.details.headers.push(("Stripe-Should-Retry", "true"));
        error
    }

    /// What went wrong, in words.
    pub(crate) fn message(&self) -> &str {
        &self.details.message
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.details.code = Some(code);
        self
    }

    pub(crate) fn about(mut self, param: &str) -> Self {
        self.details.param = Some(param.to_owned());
        self
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.details.more.insert(name.to_owned(), value);
        self
    }

    /// The `error` member, also used as a PaymentIntent's `last_payment_error`.
    pub(crate) fn inner(&self) -> Map<String, Value> {
        let mut inner = Map::new();
        if let Some(code) = self.details.code {
            let page = code.replace('_', "-");
            inner.insert("code".into(), json!(code));
            inner.insert("doc_url".into(), json!(format!("https://stripe.com/docs/error-codes/{page}")));
        }
        inner.insert("message".into(), json!(self.details.message));
        if let Some(param) = &self.details.param {
            inner.insert("param".into(), json!(param));
        }
        inner.extend(self.details.more.clone());
        inner.insert("type".into(), json!(self.details.kind));
        inner
    }

    pub(crate) fn body(&self, request_id: &str) -> Value {
        let mut inner = self.inner();
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        inner.insert("request_log_url".into(), json!(log));
        json!({ "error": inner })
    }
}
