//! The sandbox in this process as the shop's Stripe, without a network between them.

use std::sync::{Arc, Mutex, MutexGuard};

use kernel::{Clock, Cx, Entropy};
use sandbox::{Answer, ApiRequest, Sandbox};
use serde_json::Value;
use stripe::client::{answered, form};
use stripe::{Call, CallError, Method, Stripe};

/// An account, with the time and chance that it works by.
pub(super) struct Account {
    sandbox: Mutex<Sandbox>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Account {
    pub(super) fn new(sandbox: Sandbox, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Arc<Self> {
        Arc::new(Account { sandbox: Mutex::new(sandbox), clock, entropy })
    }

    /// The account itself.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sandbox> {
        self.sandbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.entropy.clone())
    }

    fn answer(&self, call: &Call) -> Result<Value, CallError> {
        let response = self.lock().handle(&request(call), &self.cx());
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Request-Id");
        let request_id = response.headers.iter().find(named).map(|(_, id)| id.clone());
        match response.answer {
            Answer::Delivered | Answer::Late(_) => {
                answered(call, response.status, response.body, request_id, None)
            }
            Answer::Lost => Err(CallError::lost(call, "no answer: the connection broke".into())),
        }
    }
}

impl Stripe for Account {
    fn call(&self, call: Call) -> stripe::Answer<'_> {
        Box::pin(async move { self.answer(&call) })
    }
}

fn request(call: &Call) -> ApiRequest {
    let form = form(&call.params);
    let (method, query, body) = match call.method {
        Method::Get => ("GET", form, Vec::new()),
        Method::Post => ("POST", String::new(), form.into_bytes()),
        Method::Delete => ("DELETE", form, Vec::new()),
    };
    let (method, path) = (method.to_owned(), call.path.clone());
    let request = ApiRequest { method, path, query, body, headers: Vec::new() }
        .header("Authorization", "Bearer sk_test_drill")
        .header("Stripe-Version", stripe::API_VERSION);
    match &call.idempotency_key {
        Some(key) => request.under_key(key),
        None => request,
    }
}
