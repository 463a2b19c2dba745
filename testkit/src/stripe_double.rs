//! Stripe without a network: the sandbox in this process behind the same trait, and its webhooks carried to the shop
//! by the steps of the HTTP door.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use db::yield_now;
use kernel::{Clock, Cx, Entropy, Timestamp};
use sandbox::{Answer, ApiRequest, Delivery, Fault, Sandbox, Trouble};
use shop::Shop;
use shop::inbox::Incoming;
use stripe::client::{answered, form};
use stripe::signature::TOLERANCE;
use stripe::{Call, CallError, Method, Secret};

/// What befalls one call on its way to Stripe and back.
#[derive(Debug, Clone, PartialEq)]
pub enum CallFate {
    /// It arrives, is answered, and the answer arrives.
    Answered,
    /// No connection: surely not carried out.
    NotSent,
    /// Whatever the sandbox can do to a request: lose it, lose its answer, 429, a stored 500.
    Trouble(Trouble),
}

/// Decides what befalls each call.
pub trait CallFaults: Send + Sync {
    /// The fate of this call.
    fn fate(&self, call: &Call) -> CallFate;
}

/// Every call is answered, save for what the sandbox itself was told to do.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoCallFaults;

impl CallFaults for NoCallFaults {
    fn fate(&self, _: &Call) -> CallFate {
        CallFate::Answered
    }
}

/// The sandbox as the shop's Stripe. One call is one attempt: retries are left to the shop's own queue.
pub struct SandboxStripe {
    sandbox: Arc<Mutex<Sandbox>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    faults: Arc<dyn CallFaults>,
}

impl fmt::Debug for SandboxStripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxStripe")
    }
}

impl SandboxStripe {
    /// Around an account that others may hold too, with the time and chance that it works by.
    pub fn new(
        sandbox: Arc<Mutex<Sandbox>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        faults: Arc<dyn CallFaults>,
    ) -> Self {
        SandboxStripe { sandbox, clock, entropy, faults }
    }

    /// The account.
    pub fn account(&self) -> MutexGuard<'_, Sandbox> {
        locked(&self.sandbox)
    }

    /// The time and chance that the account works by.
    pub fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.entropy.clone())
    }

    async fn answer(&self, call: Call) -> Result<serde_json::Value, CallError> {
        // Here and after the answer others may run, and the one who asks may die.
        yield_now().await;
        let answer = match self.faults.fate(&call) {
            CallFate::NotSent => Err(CallError::NotSent("connection refused".into())),
            CallFate::Answered => self.ask(&call, None),
            CallFate::Trouble(trouble) => self.ask(&call, Some(trouble)),
        };
        yield_now().await;
        answer
    }

    fn ask(&self, call: &Call, trouble: Option<Trouble>) -> Result<serde_json::Value, CallError> {
        let cx = self.cx();
        let mut account = self.account();
        if let Some(trouble) = trouble {
            // The account is held until it has answered, so the fault strikes this call and no other.
            account.inject(Fault::new(trouble).times(1).on_request(method(call), &call.path));
        }
        let response = account.handle(&request(call), &cx);
        let request_id = header(&response.headers, "Request-Id").map(str::to_owned);
        match response.answer {
            // What comes late comes all the same; nobody's patience is simulated here.
            Answer::Delivered | Answer::Late(_) => {
                answered(call, response.status, response.body, request_id, None)
            }
            Answer::Lost => Err(CallError::lost(call, "no answer: the connection broke".into())),
        }
    }
}

impl stripe::Stripe for SandboxStripe {
    fn call(&self, call: Call) -> stripe::Answer<'_> {
        Box::pin(self.answer(call))
    }
}

fn method(call: &Call) -> &'static str {
    match call.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

fn request(call: &Call) -> ApiRequest {
    let form = form(&call.params);
    let (query, body) = match call.method {
        Method::Post => (String::new(), form.into_bytes()),
        Method::Get | Method::Delete => (form, Vec::new()),
    };
    let (method, path) = (method(call).to_owned(), call.path.clone());
    let request = ApiRequest { method, path, query, body, headers: Vec::new() }
        .header("Authorization", "Bearer sk_test_sandbox")
        .header("Stripe-Version", stripe::API_VERSION);
    match &call.idempotency_key {
        Some(key) => request.under_key(key),
        None => request,
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A panic while the account was held is another test's failure; what it holds is still whole.
pub fn locked(sandbox: &Mutex<Sandbox>) -> MutexGuard<'_, Sandbox> {
    sandbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Brings one webhook to the shop as the HTTP door does, and gives the status that Stripe would see: 200 once it is
/// stored, 400 or 401 when it is not Stripe's, 503 when it could not be stored.
pub async fn deliver(shop: &Shop, delivery: &Delivery, secrets: &[Secret]) -> u16 {
    let signature = header(&delivery.headers, "Stripe-Signature");
    match accept(&delivery.body, signature, secrets, shop.now()) {
        Err(status) => status,
        Ok(incoming) => match shop.receiver.receive(incoming).await {
            Ok(_) => 200,
            Err(_) => 503,
        },
    }
}

/// What the door does before it stores: the signature over the raw bytes, then the envelope.
fn accept(body: &[u8], signature: Option<&str>, secrets: &[Secret], now: Timestamp) -> Result<Incoming, u16> {
    stripe::verify(signature, body, secrets, now, TOLERANCE).map_err(|error| match error {
        stripe::SignatureError::Missing => 400_u16,
        stripe::SignatureError::NoMatch
        | stripe::SignatureError::TooOld { .. }
        | stripe::SignatureError::Malformed(_) => 401,
    })?;
    let payload = String::from_utf8(body.to_vec()).map_err(|_| 400_u16)?;
    Incoming::read(payload, signature.unwrap_or_default(), now).map_err(|_| 400)
}

/// Delivers every webhook that is due at `account`, in order, and reports each result. Says how many there were.
pub async fn deliver_due(shop: &Shop, account: &SandboxStripe, secrets: &[Secret]) -> usize {
    let due = account.account().due_deliveries(&account.cx());
    for delivery in &due {
        let status = deliver(shop, delivery, secrets).await;
        account.account().delivery_result(delivery.id, Some(status), &account.cx());
    }
    due.len()
}
