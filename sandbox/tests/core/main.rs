//! The account itself, without HTTP.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]
#![recursion_limit = "512"]

mod checkout;
mod disputes;
mod events;
mod faults;
mod idempotency;
mod intents;
mod links;
mod lists;
mod outage;
mod parameters;
mod radar;
mod refunds;
mod schema;
mod stories;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Cx, FixedClock, Seeded, Timestamp};
use sandbox::{ApiRequest, ApiResponse, PayOutcome, Payment, Sandbox, Settings};
use serde_json::Value;

/// An account with a hand-turned clock and seeded chance.
struct Stage {
    stripe: Sandbox,
    clock: Arc<FixedClock>,
    chance: Arc<Seeded>,
}

impl Stage {
    fn new() -> Self {
        Stage::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let clock = FixedClock::new(Timestamp::from_seconds(1_795_000_000));
        Stage { stripe: Sandbox::new(settings), clock, chance: Seeded::new(7) }
    }

    fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.chance.clone())
    }

    fn wait(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        let cx = self.cx();
        self.stripe.tick(&cx);
    }

    fn send(&mut self, request: &ApiRequest) -> ApiResponse {
        let cx = self.cx();
        self.stripe.handle(request, &cx)
    }

    /// A GET that must succeed.
    fn get(&mut self, path: &str) -> Value {
        self.good(&ApiRequest::get(path))
    }

    /// A POST that must succeed.
    fn post(&mut self, path: &str, form: &str) -> Value {
        self.good(&ApiRequest::post(path, form))
    }

    fn good(&mut self, request: &ApiRequest) -> Value {
        let response = self.send(request);
        assert_eq!(response.status, 200, "{} {}: {:#}", request.method, request.path, response.body);
        response.body
    }

    /// A request that must be refused; gives the status and the error.
    fn refused(&mut self, request: &ApiRequest) -> (u16, Value) {
        let response = self.send(request);
        assert!(response.status >= 400, "{:#}", response.body);
        (response.status, response.body["error"].clone())
    }

    fn session(&mut self) -> String {
        self.session_with("")
    }

    /// A session over 2 × 24.50 usd, with more parameters.
    fn session_with(&mut self, more: &str) -> String {
        let session = self.post("/v1/checkout/sessions", &format!("{BASKET}{more}"));
        session["id"].as_str().unwrap().to_owned()
    }

    fn pay(&mut self, session: &str, card: &str) -> PayOutcome {
        self.pay_by(session, &Payment::by_card(card))
    }

    fn pay_by(&mut self, session: &str, payment: &Payment) -> PayOutcome {
        let cx = self.cx();
        self.stripe.pay(session, payment, &cx).unwrap()
    }

    /// The types of all events so far.
    fn kinds(&self) -> Vec<&str> {
        self.stripe.events().iter().map(|event| event.kind.as_str()).collect()
    }
}

const BASKET: &str = "mode=payment&success_url=https://shop.test/thanks?s={CHECKOUT_SESSION_ID}\
    &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=2450\
    &line_items[0][price_data][product_data][name]=Tea&line_items[0][quantity]=2";
const GOOD_CARD: &str = "4242 4242 4242 4242";
const DECLINED_CARD: &str = "4000000000000002";
const SECURE_CARD: &str = "4000002500003155";
