use sandbox::{Answer, ApiRequest, Delivery, Fault, Trouble};

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
