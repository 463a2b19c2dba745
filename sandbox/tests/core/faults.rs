use sandbox::{Answer, ApiRequest, Delivery, Fault, NewDispute, ReviewOpened, Trouble};

use crate::{GOOD_CARD, Stage};

impl Stage {
    fn due_now(&mut self) -> Vec<Delivery> {
        let cx = self.cx();
        self.stripe.due_deliveries(&cx)
    }

    fn paid_with(trouble: Trouble) -> Self {
        let mut stage = Stage::new();
        let cx = stage.cx();
        stage.stripe.add_endpoint("https://shop.test/hooks", &["*"], &cx);
        stage.stripe.inject(Fault::new(trouble).on_event("charge.*"));
        let session = stage.session();
        stage.pay(&session, GOOD_CARD);
        stage
    }
}

fn kinds(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.kind.as_str()).collect()
}

#[test]
fn a_dropped_event_is_only_in_the_list() {
    let mut stage = Stage::paid_with(Trouble::Drop);
    assert!(!kinds(&stage.due_now()).contains(&"charge.succeeded"));
    assert_eq!(
        stage.get("/v1/events?type=charge.succeeded&delivery_success=false")["data"][0]["pending_webhooks"],
        0
    );
}

#[test]
fn a_delayed_event_comes_later() {
    let mut stage = Stage::paid_with(Trouble::Delay { seconds: 60 });
    assert_eq!(stage.due_now().len(), 3);
    stage.wait(60);
    assert_eq!(kinds(&stage.due_now()), ["charge.succeeded"]);
}

#[test]
fn a_duplicated_event_comes_with_one_id_and_a_twin_with_two() {
    let mut stage = Stage::paid_with(Trouble::Duplicate { copies: 2 });
    let due = stage.due_now();
    let same: Vec<&str> = due.iter().filter(|d| d.kind == "charge.succeeded").map(|d| &*d.event).collect();
    assert_eq!(same.len(), 3);
    assert!(same.iter().all(|id| *id == same[0]));
    let mut stage = Stage::paid_with(Trouble::Twin);
    let due = stage.due_now();
    let twins: Vec<&str> = due.iter().filter(|d| d.kind == "charge.succeeded").map(|d| &*d.event).collect();
    assert_eq!(twins.len(), 2);
    assert_ne!(twins[0], twins[1]);
}

#[test]
fn a_reordered_event_may_be_overtaken() {
    let mut stage = Stage::paid_with(Trouble::Reorder { within_seconds: 10 });
    let mut order: Vec<String> = stage.due_now().into_iter().map(|d| d.kind).collect();
    stage.wait(10);
    order.extend(stage.due_now().into_iter().map(|d| d.kind));
    let place = |kind: &str| order.iter().position(|known| known == kind).unwrap();
    assert!(place("charge.succeeded") > place("checkout.session.completed"));
}

#[test]
fn a_lost_answer_is_executed_or_not() {
    for (trouble, customers) in [(Trouble::TimeoutAfterExecuting, 1), (Trouble::TimeoutBeforeExecuting, 0)] {
        let mut stage = Stage::new();
        stage.stripe.inject(Fault::new(trouble).times(1).on_request("POST", "/v1/customers"));
        assert_eq!(stage.send(&ApiRequest::post("/v1/customers", "")).answer, Answer::Lost);
        assert_eq!(stage.get("/v1/customers")["data"].as_array().unwrap().len(), customers);
        assert!(stage.stripe.faults().is_empty());
    }
}

#[test]
fn too_many_requests_and_an_outage_leave_no_trace() {
    for (trouble, status) in [(Trouble::RateLimit, 429), (Trouble::Unavailable, 503)] {
        let mut stage = Stage::new();
        stage.stripe.inject(Fault::new(trouble).times(1));
        let request = ApiRequest::post("/v1/customers", "").under_key("k");
        let response = stage.send(&request);
        assert_eq!(response.status, status);
        assert_eq!(
            response.headers.iter().any(|(name, _)| name == "Stripe-Rate-Limited-Reason"),
            status == 429
        );
        stage.good(&request);
    }
}

#[test]
fn a_fault_matches_by_method_and_path_and_strikes_by_chance() {
    let mut stage = Stage::new();
    stage.stripe.inject(Fault::new(Trouble::RateLimit).on_request("POST", "/v1/refunds"));
    stage.get("/v1/refunds");
    stage.post("/v1/customers", "");
    assert_eq!(stage.send(&ApiRequest::post("/v1/refunds", "")).status, 429);
    stage.stripe.clear_faults();
    stage.stripe.inject(Fault::new(Trouble::Unavailable).with_probability(0.25));
    let failed = (0..1000).filter(|_| stage.send(&ApiRequest::get("/v1/customers")).status == 503).count();
    assert!((180..320).contains(&failed), "{failed}");
}

#[test]
fn a_fault_is_read_from_json_as_the_control_surface_takes_it() {
    let text = r#"{"kind":"stored_500","execute":true,"method":"POST","path":"/v1/refunds","count":1,"probability":0.5}"#;
    let fault: Fault = serde_json::from_str(text).unwrap();
    assert_eq!(fault.trouble, Trouble::Stored500 { execute: true });
    assert_eq!((fault.count, fault.probability), (Some(1), 0.5));
}

#[test]
fn an_event_that_was_never_made_is_only_seen_on_its_object() {
    let mut stage = Stage::paid_with(Trouble::NotGenerated);
    assert!(!kinds(&stage.due_now()).contains(&"charge.succeeded"));
    assert!(!stage.kinds().contains(&"charge.succeeded"));
    assert_eq!(stage.get("/v1/charges")["data"][0]["status"], "succeeded");
}

/// Each call that changes money, on a stage where it can be made.
fn calls(stage: &mut Stage) -> Vec<ApiRequest> {
    let cx = stage.cx();
    let intents: Vec<String> = (0..4).map(|_| stage.paid(GOOD_CARD)).collect();
    let dispute =
        |stage: &mut Stage, of: &str| stage.stripe.open_dispute(of, &NewDispute::default(), &cx).unwrap();
    let (answered, given_in) = (dispute(stage, &intents[0]), dispute(stage, &intents[1]));
    let review = stage.stripe.open_review(&intents[2], ReviewOpened::Rule, &cx).unwrap();
    let open =
        stage.post("/v1/payment_intents", "amount=100&currency=usd")["id"].as_str().unwrap().to_owned();
    let session = stage.session();
    vec![
        ApiRequest::post("/v1/refunds", &format!("payment_intent={}", intents[3])),
        ApiRequest::post(&format!("/v1/disputes/{answered}"), "evidence[receipt]=file_1"),
        ApiRequest::post(&format!("/v1/disputes/{given_in}/close"), ""),
        ApiRequest::post(&format!("/v1/reviews/{review}/approve"), ""),
        ApiRequest::post(&format!("/v1/payment_intents/{open}/cancel"), ""),
        ApiRequest::post(&format!("/v1/checkout/sessions/{session}/expire"), ""),
    ]
}

/// Its place among these calls.
const EVIDENCE: usize = 1;

/// What a call changes, without the requests and keys that are remembered.
fn world(stage: &Stage) -> Vec<String> {
    stage.stripe.events().iter().map(|event| event.body()).collect()
}

#[test]
fn every_call_that_changes_money_suffers_every_fault_and_is_done_once() {
    let troubles = [
        (Trouble::TimeoutBeforeExecuting, false),
        (Trouble::TimeoutAfterExecuting, true),
        (Trouble::RateLimit, false),
        (Trouble::Unavailable, false),
        (Trouble::InFlight, false),
        (Trouble::ConnectionRefused, false),
        (Trouble::Stored500 { execute: true }, true),
        (Trouble::Stored500 { execute: false }, false),
    ];
    for number in 0..6 {
        for (trouble, executed) in &troubles {
            let mut stage = Stage::new();
            let call = calls(&mut stage).swap_remove(number).under_key("once");
            let before = world(&stage);
            stage.stripe.inject(Fault::new(trouble.clone()).times(1).on_request("POST", &call.path));
            let first = stage.send(&call);
            let name = format!("{} under {trouble:?}", call.path);
            assert!(first.answer == Answer::Lost || first.status >= 409, "{name}: {}", first.status);
            assert_eq!(world(&stage) != before, *executed, "{name}");
            let second = stage.send(&call);
            let stored = matches!(trouble, Trouble::Stored500 { .. });
            assert_eq!(second.status, if stored { 500 } else { 200 }, "{name}: {:#}", second.body);
            let after = world(&stage);
            stage.send(&call);
            assert_eq!(world(&stage), after, "{name}: never done again");
            stage.wait(24 * 3600 + 10);
            let seen = world(&stage).len();
            let status = stage.send(&call).status;
            // After a day the key protects no more; what was done refuses to be done again. Evidence may be sent again.
            if (*executed || !stored) && number != EVIDENCE {
                assert_eq!((status, world(&stage).len()), (400, seen), "{name}");
            }
        }
    }
}

#[test]
fn every_new_list_and_object_can_be_out_of_reach() {
    for path in
        ["/v1/disputes", "/v1/reviews", "/v1/radar/early_fraud_warnings", "/v1/charges", "/v1/refunds"]
    {
        let mut stage = Stage::new();
        stage.stripe.inject(Fault::new(Trouble::TimeoutBeforeExecuting).times(1).on_request("GET", path));
        stage.stripe.inject(Fault::new(Trouble::RateLimit).times(1).on_request("GET", path));
        assert_eq!(stage.send(&ApiRequest::get(path)).answer, Answer::Lost);
        assert_eq!(stage.send(&ApiRequest::get(path)).status, 429);
        assert_eq!(stage.get(path)["data"], serde_json::json!([]));
    }
}
