use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sandbox::{ApiRequest, Delivery};
use sha2::Sha256;

use crate::{GOOD_CARD, Stage};

/// Computed here anew, from the documentation and not from the sandbox's code.
fn expected(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&[time.as_bytes(), b".", body].concat());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parts<'a>(delivery: &'a Delivery, scheme: &str) -> Vec<&'a str> {
    let header = delivery.headers.iter().find(|(name, _)| name == "Stripe-Signature").unwrap();
    let pairs = header.1.split(',').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == scheme).map(|(_, value)| value).collect()
}

impl Stage {
    fn due(&mut self) -> Vec<Delivery> {
        let cx = self.cx();
        self.stripe.due_deliveries(&cx)
    }

    fn report(&mut self, delivery: &Delivery, status: Option<u16>) {
        let cx = self.cx();
        self.stripe.delivery_result(delivery.id, status, &cx);
    }

    fn endpoint(&mut self, events: &[&str]) -> (String, String) {
        let cx = self.cx();
        self.stripe.add_endpoint("https://shop.test/hooks", events, &cx)
    }
}

#[test]
fn a_delivery_is_signed_over_its_raw_body() {
    let mut stage = Stage::new();
    let (_, secret) = stage.endpoint(&["*"]);
    stage.post("/v1/customers", "name=Ann");
    let due = stage.due();
    assert_eq!(due.len(), 1);
    let time = parts(&due[0], "t")[0];
    assert_eq!(time, "1795000000");
    assert_eq!(parts(&due[0], "v1"), [expected(&secret, time, &due[0].body)]);
    assert_eq!(parts(&due[0], "v0").len(), 1);
    let body = std::str::from_utf8(&due[0].body).unwrap();
    assert!(body.starts_with("{\n  \"id\": \"evt_1"), "{body}");
    assert!(body.contains("\n  \"pending_webhooks\": 1,\n"), "{body}");
}

#[test]
fn every_retry_is_signed_afresh_and_the_pauses_grow_until_three_days_are_over() {
    let mut stage = Stage::new();
    let (_, secret) = stage.endpoint(&["*"]);
    stage.post("/v1/customers", "name=Ann");
    let began = stage.cx().now;
    let mut pauses = Vec::new();
    while let Some(delivery) = stage.due().pop() {
        let time = parts(&delivery, "t")[0].to_owned();
        assert_eq!(time, stage.cx().now.seconds().to_string());
        assert_eq!(parts(&delivery, "v1"), [expected(&secret, &time, &delivery.body)]);
        assert_eq!(delivery.attempt as usize, pauses.len() + 1);
        stage.report(&delivery, [None, Some(500), Some(301)][pauses.len() % 3]);
        let Some(next) = stage.stripe.next_due() else { break };
        pauses.push(next.since(stage.cx().now).as_secs());
        stage.wait(*pauses.last().unwrap());
    }
    assert_eq!(pauses[..5], [300, 1800, 7200, 18_000, 36_000]);
    assert!(stage.cx().now.since(began) <= Duration::from_secs(3 * 24 * 3600));
    assert!(stage.cx().now.since(began) > Duration::from_secs(60 * 3600));
    let event = &stage.get("/v1/events?delivery_success=false")["data"][0];
    assert_eq!(event["pending_webhooks"], 0);
}

#[test]
fn pending_webhooks_counts_endpoints_and_delivery_success_finds_the_rest() {
    let mut stage = Stage::new();
    stage.endpoint(&["*"]);
    stage.endpoint(&["customer.created", "charge.succeeded"]);
    stage.endpoint(&["charge.succeeded"]);
    stage.post("/v1/customers", "name=Ann");
    let due = stage.due();
    assert_eq!(due.len(), 2);
    assert_eq!(stage.get("/v1/events")["data"][0]["pending_webhooks"], 2);
    stage.report(&due[0], Some(200));
    assert_eq!(stage.get("/v1/events")["data"][0]["pending_webhooks"], 1);
    assert_eq!(stage.get("/v1/events?delivery_success=true")["data"].as_array().unwrap().len(), 0);
    stage.report(&due[1], Some(204));
    assert_eq!(stage.get("/v1/events?delivery_success=true")["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_rolled_secret_signs_beside_the_new_one_for_a_day_at_most() {
    let mut stage = Stage::new();
    let (endpoint, old) = stage.endpoint(&["*"]);
    let cx = stage.cx();
    let new = stage.stripe.roll_secret(&endpoint, Duration::from_secs(48 * 3600), &cx).unwrap();
    let signed_by = |stage: &mut Stage| {
        stage.post("/v1/customers", "name=Ann");
        let delivery = stage.due().pop().unwrap();
        let time = parts(&delivery, "t")[0].to_owned();
        let signatures: Vec<String> = parts(&delivery, "v1").iter().map(|s| (*s).to_owned()).collect();
        stage.report(&delivery, Some(200));
        [&old, &new].map(|secret| signatures.contains(&expected(secret, &time, &delivery.body)))
    };
    assert_eq!(signed_by(&mut stage), [true, true]);
    stage.wait(24 * 3600);
    assert_eq!(signed_by(&mut stage), [false, true]);
}

#[test]
fn an_endpoint_shows_its_secret_once_and_takes_no_families() {
    let mut stage = Stage::new();
    let form = "url=https://shop.test/hooks&enabled_events[]=charge.succeeded";
    let endpoint = stage.post("/v1/webhook_endpoints", form);
    assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = endpoint["id"].as_str().unwrap();
    assert!(stage.get(&format!("/v1/webhook_endpoints/{id}")).get("secret").is_none());
    let family = "url=https://shop.test/hooks&enabled_events[]=charge.*";
    assert_eq!(stage.refused(&ApiRequest::post("/v1/webhook_endpoints", family)).0, 400);
    stage.post(&format!("/v1/webhook_endpoints/{id}"), "disabled=true");
    let session = stage.session();
    stage.pay(&session, GOOD_CARD);
    assert!(stage.due().is_empty());
}

#[test]
fn an_event_is_sent_again_on_request_with_the_same_id() {
    let mut stage = Stage::new();
    let (endpoint, _) = stage.endpoint(&["*"]);
    stage.post("/v1/customers", "name=Ann");
    let first = stage.due().pop().unwrap();
    stage.report(&first, Some(200));
    stage.good(&ApiRequest::post(
        &format!("/v1/events/{}/retry", first.event),
        &format!("webhook_endpoint={endpoint}"),
    ));
    let again = stage.due().pop().unwrap();
    assert_eq!(again.event, first.event);
    stage.report(&again, Some(500));
    assert_eq!(stage.stripe.next_due(), None);
}

#[test]
fn what_was_in_flight_at_a_crash_is_sent_again() {
    let mut stage = Stage::new();
    stage.endpoint(&["*"]);
    stage.post("/v1/customers", "name=Ann");
    let lost = stage.due().pop().unwrap();
    let snapshot = serde_json::to_string(&stage.stripe).unwrap();
    stage.stripe = serde_json::from_str(&snapshot).unwrap();
    let cx = stage.cx();
    stage.stripe.recover(&cx);
    assert_eq!(stage.due().pop().unwrap().event, lost.event);
}
