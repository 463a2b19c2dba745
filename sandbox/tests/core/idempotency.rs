use sandbox::{ApiRequest, Fault, Trouble};

use crate::{BASKET, Stage};

fn header<'a>(response: &'a sandbox::ApiResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn create() -> ApiRequest {
    ApiRequest::post("/v1/checkout/sessions", BASKET).under_key("order-1")
}

#[test]
fn a_repeated_request_gets_the_first_answer_and_says_so() {
    let mut stage = Stage::new();
    let (first, second) = (stage.send(&create()), stage.send(&create()));
    assert_eq!(first.body, second.body);
    assert_eq!(header(&first, "Idempotent-Replayed"), None);
    assert_eq!(header(&second, "Idempotent-Replayed"), Some("true"));
    assert_eq!(header(&second, "Original-Request"), header(&first, "Request-Id"));
}

#[test]
fn the_order_of_parameters_does_not_count_but_their_values_do() {
    let mut stage = Stage::new();
    let customer = |form: &str| ApiRequest::post("/v1/customers", form).under_key("k");
    let first = stage.good(&customer("email=a@b.c&name=Ann"));
    assert_eq!(stage.good(&customer("name=Ann&email=a@b.c")), first);
    assert_eq!(stage.good(&customer("email=a%40b.c&name=%41nn")), first, "nor does how they are escaped");
    let (status, error) = stage.refused(&customer("name=Bob&email=a@b.c"));
    assert_eq!((status, &error["type"]), (400, &"idempotency_error".into()));
}

#[test]
fn a_key_protects_for_a_day() {
    let mut stage = Stage::new();
    let first = stage.good(&create());
    stage.wait(24 * 3600 - 1);
    assert_eq!(stage.good(&create())["id"], first["id"]);
    stage.wait(1);
    assert_ne!(stage.good(&create())["id"], first["id"]);
}

#[test]
fn a_refused_parameter_is_not_kept() {
    let mut stage = Stage::new();
    let wrong = ApiRequest::post("/v1/customers", "colour=red").under_key("k");
    stage.refused(&wrong);
    assert_eq!(header(&stage.send(&wrong), "Idempotent-Replayed"), None);
    stage.good(&ApiRequest::post("/v1/customers", "name=Ann").under_key("k"));
}

#[test]
fn a_stored_500_is_replayed_even_after_the_trouble_is_over() {
    for execute in [false, true] {
        let mut stage = Stage::new();
        stage.stripe.inject(Fault::new(Trouble::Stored500 { execute }).times(1));
        let refund = ApiRequest::post("/v1/customers", "name=Ann").under_key("k");
        assert_eq!(stage.send(&refund).status, 500);
        let again = stage.send(&refund);
        assert_eq!((again.status, header(&again, "Idempotent-Replayed")), (500, Some("true")));
        let list = stage.get("/v1/customers");
        assert_eq!(list["data"].as_array().unwrap().len(), usize::from(execute));
    }
}

#[test]
fn a_declined_card_is_kept_because_execution_had_begun() {
    let mut stage = Stage::new();
    let form = "amount=100&currency=usd&confirm=true&payment_method=pm_card_chargeDeclined";
    let request = ApiRequest::post("/v1/payment_intents", form).under_key("k");
    let (status, error) = stage.refused(&request);
    assert_eq!((status, &error["code"]), (402, &"card_declined".into()));
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    assert_eq!(header(&stage.send(&request), "Idempotent-Replayed"), Some("true"));
    assert_eq!(stage.stripe.charges().len(), 1);
}

#[test]
fn a_key_whose_request_still_runs_is_409() {
    let mut stage = Stage::new();
    stage.stripe.inject(Fault::new(Trouble::InFlight).times(1));
    let busy = stage.send(&create());
    assert_eq!((busy.status, &busy.body["error"]["code"]), (409, &"idempotency_key_in_use".into()));
    assert_eq!(header(&busy, "Stripe-Should-Retry"), Some("true"));
    stage.good(&create());
}

#[test]
fn a_key_is_in_use_until_a_slow_answer_was_given() {
    let mut stage = Stage::new();
    stage.stripe.inject(Fault::new(Trouble::Slow { seconds: 10 }).times(1));
    let first = stage.good(&create());
    stage.wait(9);
    let busy = stage.send(&create());
    assert_eq!((busy.status, &busy.body["error"]["code"]), (409, &"idempotency_key_in_use".into()));
    stage.wait(1);
    assert_eq!(stage.good(&create()), first);
}
