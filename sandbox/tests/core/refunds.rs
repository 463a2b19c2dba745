use sandbox::{ApiRequest, FailureReason, NewRefund, NotPossible, RefundStatus};
use serde_json::{Value, json};

use crate::{GOOD_CARD, Stage};

impl Stage {
    fn told_of_refunds(&self) -> Vec<&str> {
        self.kinds().into_iter().filter(|kind| kind.contains("refund")).collect()
    }

    fn only_charge(&mut self) -> Value {
        self.get("/v1/charges?expand[]=data.refunds")["data"][0].clone()
    }

    fn turn(&mut self, refund: &str, to: RefundStatus) -> Result<(), NotPossible> {
        let cx = self.cx();
        self.stripe.turn_refund(refund, to, &cx)
    }
}

#[test]
fn a_wrong_amount_is_refused_in_stripes_words() {
    let mut stage = Stage::new();
    let intent = stage.paid(GOOD_CARD);
    let refused = |stage: &mut Stage, more: &str| {
        let request = ApiRequest::post("/v1/refunds", &format!("payment_intent={intent}{more}"));
        stage.refused(&request)
    };
    let (status, error) = refused(&mut stage, "&amount=0");
    assert_eq!((status, &error["code"]), (400, &json!("parameter_invalid_integer")));
    let (status, error) = refused(&mut stage, "&amount=4901");
    let words = "Refund amount ($49.01) is greater than unrefunded amount on charge ($49.00)";
    assert_eq!((status, &error["message"], &error["param"]), (400, &json!(words), &json!("amount")));
    assert_eq!(stage.refused(&ApiRequest::post("/v1/refunds", "charge=ch_none")).0, 404);
    assert_eq!(stage.refused(&ApiRequest::post("/v1/refunds", "")).0, 400);
    assert!(stage.stripe.refunds().is_empty());
}

#[test]
fn a_refund_is_told_of_by_charge_and_refund_and_again_when_banks_can_find_it() {
    let mut stage = Stage::new();
    let intent = stage.paid(GOOD_CARD);
    let refund = stage.post("/v1/refunds", &format!("payment_intent={intent}&metadata[order]=7"));
    assert_eq!(stage.told_of_refunds(), ["refund.created", "charge.refunded"]);
    assert_eq!(refund["destination_details"]["card"]["reference_status"], "pending");
    stage.wait(5);
    assert_eq!(stage.told_of_refunds()[2..], ["refund.updated", "charge.refund.updated"]);
    let event = stage.get("/v1/events?type=refund.updated")["data"][0].clone();
    assert_eq!(event["data"]["object"]["destination_details"]["card"]["reference_status"], "available");
    assert_eq!(event["data"]["previous_attributes"]["destination_details"]["card"]["reference"], Value::Null);
    // What is typed on a refund lies on the refund only.
    let charge = stage.only_charge();
    assert_eq!(
        (&charge["metadata"], &charge["refunds"]["data"][0]["metadata"]),
        (&json!({}), &json!({ "order": "7" }))
    );
    let told = stage.get("/v1/events?type=charge.refunded")["data"][0].clone();
    assert_eq!(told["data"]["object"]["metadata"], json!({}));
    assert!(told["data"]["object"].get("refunds").is_none());
}

#[test]
fn a_failed_refund_gives_the_charge_its_money_back() {
    let mut stage = Stage::new();
    stage.paid(GOOD_CARD);
    let intent = stage.paid("pm_card_refundFail");
    let refund = stage.post("/v1/refunds", &format!("payment_intent={intent}"));
    assert_eq!((&refund["status"], &stage.only_charge()["refunded"]), (&json!("succeeded"), &json!(true)));
    stage.wait(20);
    let told = ["refund.failed", "refund.updated", "charge.refund.updated"];
    let last = stage.told_of_refunds();
    assert_eq!(last[last.len() - 3..], told);
    let charge = stage.only_charge();
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&json!(false), &json!(0)));
    let failed = &charge["refunds"]["data"][0];
    assert_eq!(
        (&failed["status"], &failed["failure_reason"]),
        (&json!("failed"), &json!("expired_or_canceled_card"))
    );
    let entry = failed["failure_balance_transaction"].as_str().unwrap().to_owned();
    let entry = stage.get(&format!("/v1/balance_transactions/{entry}"));
    assert_eq!((&entry["amount"], &entry["type"]), (&json!(4900), &json!("refund_failure")));
    stage.post("/v1/refunds", &format!("payment_intent={intent}"));
    assert_eq!(stage.only_charge()["refunds"]["data"].as_array().unwrap().len(), 2);
}

#[test]
fn a_person_refunds_in_the_dashboard_and_the_bank_decides_as_it_is_told() {
    let mut stage = Stage::new();
    let (intent, cx) = (stage.paid(GOOD_CARD), stage.cx());
    let partial = NewRefund { status: Some(RefundStatus::Pending), ..NewRefund::of(900) };
    let first = stage.stripe.refund_in_dashboard(&intent, &partial, &cx).unwrap();
    let charge = stage.stripe.charges_of(&intent)[0].id.clone();
    let rest = NewRefund { reason: Some("duplicate".into()), ..NewRefund::default() };
    let second = stage.stripe.refund_in_dashboard(&charge, &rest, &cx).unwrap();
    assert_eq!(stage.only_charge()["refunded"], true);
    let event = stage.get("/v1/events?type=refund.created")["data"][0].clone();
    assert_eq!(event["request"]["id"], Value::Null, "no request of the shop's");
    let over = stage.stripe.refund_in_dashboard(&intent, &NewRefund::default(), &cx).unwrap_err();
    assert_eq!(over, NotPossible::Now(format!("Charge {charge} has already been refunded.")));
    stage.turn(&first, RefundStatus::Succeeded).unwrap();
    stage.turn(&second, RefundStatus::Failed).unwrap();
    assert_eq!(stage.stripe.charges_of(&intent)[0].amount_refunded, 900);
    assert!(stage.turn(&second, RefundStatus::Succeeded).is_err(), "what failed has failed");
    assert_eq!(
        stage.turn("re_none", RefundStatus::Failed).unwrap_err().to_string(),
        "there is no refund re_none"
    );
}

#[test]
fn a_refund_that_waits_for_the_buyer_can_be_called_off() {
    let mut stage = Stage::new();
    let (intent, cx) = (stage.paid(GOOD_CARD), stage.cx());
    let wish = NewRefund { status: Some(RefundStatus::RequiresAction), ..NewRefund::default() };
    let refund = stage.stripe.refund_in_dashboard(&intent, &wish, &cx).unwrap();
    let cancelled = stage.post(&format!("/v1/refunds/{refund}/cancel"), "");
    assert_eq!(cancelled["status"], "canceled");
    assert_eq!(stage.only_charge()["amount_refunded"], 0);
    let paid_out = stage.post("/v1/refunds", &format!("payment_intent={intent}"));
    let path = format!("/v1/refunds/{}/cancel", paid_out["id"].as_str().unwrap());
    let (status, error) = stage.refused(&ApiRequest::post(&path, ""));
    assert_eq!((status, error["message"].as_str()), (400, Some("Canceling this refund is unsupported.")));
}

#[test]
fn a_charge_shows_ten_refunds_and_the_rest_by_pages() {
    let mut stage = Stage::new();
    let intent = stage.paid(GOOD_CARD);
    for _ in 0..12 {
        stage.post("/v1/refunds", &format!("payment_intent={intent}&amount=10"));
    }
    let shown = stage.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge.refunds"));
    let refunds = shown["latest_charge"]["refunds"].clone();
    assert_eq!((refunds["data"].as_array().unwrap().len(), &refunds["has_more"]), (10, &json!(true)));
    let last = refunds["data"][9]["id"].as_str().unwrap();
    let rest = stage.get(&format!("{}?starting_after={last}", refunds["url"].as_str().unwrap()));
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (2, &json!(false)));
}

#[test]
fn the_reason_of_a_failure_is_read_as_stripe_writes_it() {
    let reason: FailureReason = serde_json::from_value(json!("lost_or_stolen_card")).unwrap();
    assert_eq!(reason, FailureReason::LostOrStolenCard);
}
