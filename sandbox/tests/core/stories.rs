use sandbox::{ApiRequest, Payment, RefundStatus};
use serde_json::json;

use crate::{DECLINED_CARD, GOOD_CARD, Stage};

impl Stage {
    /// A paid session's PaymentIntent.
    pub fn paid(&mut self, card: &str) -> String {
        let session = self.session();
        self.pay_by(&session, &Payment::by_card(card));
        let session = self.get(&format!("/v1/checkout/sessions/{session}"));
        session["payment_intent"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_charge_is_refunded_in_parts_and_never_beyond() {
    let mut stage = Stage::new();
    let intent = stage.paid(GOOD_CARD);
    let refund = |amount: &str| ApiRequest::post("/v1/refunds", &format!("payment_intent={intent}{amount}"));
    assert_eq!(stage.good(&refund("&amount=1500"))["status"], "succeeded");
    let event = stage.get("/v1/events?type=charge.refunded")["data"][0].clone();
    assert_eq!(event["data"]["object"]["refunded"], false);
    assert_eq!(event["data"]["previous_attributes"], json!({ "amount_refunded": 0 }));
    assert_eq!(stage.refused(&refund("&amount=3401")).0, 400);
    assert_eq!(stage.good(&refund(""))["amount"], 3400);
    let event = stage.get("/v1/events?type=charge.refunded")["data"][0].clone();
    assert_eq!(event["data"]["previous_attributes"], json!({ "amount_refunded": 1500, "refunded": false }));
    let (status, error) = stage.refused(&refund(""));
    assert_eq!((status, &error["code"]), (400, &json!("charge_already_refunded")));
    assert_eq!(
        stage.get(&format!("/v1/refunds?payment_intent={intent}"))["data"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_refund_may_succeed_or_fail_later() {
    let mut stage = Stage::new();
    let (later, fails) = (stage.paid("4000000000005126"), stage.paid("4000000000007726"));
    assert_eq!(stage.post("/v1/refunds", &format!("payment_intent={later}"))["status"], "pending");
    assert_eq!(stage.post("/v1/refunds", &format!("payment_intent={fails}"))["status"], "succeeded");
    stage.wait(20);
    let ended: Vec<_> = stage.stripe.refunds().iter().map(|refund| refund.status).collect();
    assert_eq!(ended, [RefundStatus::Succeeded, RefundStatus::Failed]);
    assert!(stage.kinds().contains(&"refund.failed"));
    assert_eq!(stage.stripe.charges_of(&fails)[0].amount_refunded, 0);
}

#[test]
fn a_payment_intent_is_confirmed_held_captured_and_cancelled() {
    let mut stage = Stage::new();
    let form = "amount=100&currency=usd&confirm=true&payment_method=pm_card_visa&capture_method=manual";
    let held = stage.post("/v1/payment_intents", form);
    assert_eq!((&held["status"], &held["amount_capturable"]), (&json!("requires_capture"), &json!(100)));
    let id = held["id"].as_str().unwrap();
    assert_eq!(stage.post(&format!("/v1/payment_intents/{id}/capture"), "")["status"], "succeeded");
    let other = stage.post("/v1/payment_intents", "amount=100&currency=usd");
    let other = other["id"].as_str().unwrap();
    let cancelled =
        stage.post(&format!("/v1/payment_intents/{other}/cancel"), "cancellation_reason=abandoned");
    assert_eq!(
        (&cancelled["status"], &cancelled["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
    assert_eq!(stage.refused(&ApiRequest::post(&format!("/v1/payment_intents/{other}/confirm"), "")).0, 400);
}

#[test]
fn the_payment_intent_of_a_session_is_cancelled_only_by_expiring_the_session() {
    let mut stage = Stage::new();
    let session = stage.session();
    stage.pay(&session, DECLINED_CARD);
    let shown = stage.get(&format!("/v1/checkout/sessions/{session}"));
    let intent = shown["payment_intent"].as_str().unwrap().to_owned();
    let cancel = ApiRequest::post(&format!("/v1/payment_intents/{intent}/cancel"), "");
    let (status, error) = stage.refused(&cancel);
    assert_eq!((status, &error["code"]), (400, &json!("payment_intent_unexpected_state")));
    stage.post(&format!("/v1/checkout/sessions/{session}/expire"), "");
    assert_eq!(stage.get(&format!("/v1/payment_intents/{intent}"))["status"], "canceled");
    let held = stage.session_with("&payment_intent_data[capture_method]=manual");
    stage.pay(&held, GOOD_CARD);
    let held = stage.get(&format!("/v1/checkout/sessions/{held}"))["payment_intent"].clone();
    let path = format!("/v1/payment_intents/{}/cancel", held.as_str().unwrap());
    assert_eq!(stage.post(&path, "")["status"], "canceled", "what is only held may be let go");
}

#[test]
fn a_deleted_customer_cannot_be_used_any_more() {
    let mut stage = Stage::new();
    let customer = stage.post("/v1/customers", "email=a@b.c");
    let id = customer["id"].as_str().unwrap();
    assert_eq!(stage.get("/v1/customers?email=a@b.c")["data"][0]["id"], id);
    stage.good(&ApiRequest::delete(&format!("/v1/customers/{id}")));
    assert_eq!(
        stage.get(&format!("/v1/customers/{id}")),
        json!({ "id": id, "object": "customer", "deleted": true })
    );
    let (_, error) = stage
        .refused(&ApiRequest::post("/v1/payment_intents", &format!("amount=1&currency=usd&customer={id}")));
    assert_eq!(error["code"], "resource_missing");
}
