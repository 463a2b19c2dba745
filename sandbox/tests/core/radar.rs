use sandbox::{ApiRequest, NewDispute, NotPossible, ReviewClosed, ReviewOpened};
use serde_json::{Value, json};

use crate::{GOOD_CARD, Stage};

#[test]
fn what_was_not_paid_is_neither_warned_of_nor_reviewed() {
    let mut stage = Stage::new();
    let (session, cx) = (stage.session(), stage.cx());
    let warned = stage.stripe.warn_of_fraud(&session, "misc", &cx);
    assert!(matches!(warned, Err(NotPossible::Now(_))));
    let reviewed = stage.stripe.open_review("pi_none", ReviewOpened::Rule, &cx).unwrap_err();
    assert_eq!(reviewed.to_string(), "there is no payment pi_none");
    let closed = stage.stripe.close_review("prv_none", ReviewClosed::Approved, &cx).unwrap_err();
    assert_eq!(closed.to_string(), "there is no review prv_none");
    assert_eq!(stage.refused(&ApiRequest::get("/v1/reviews/prv_none")).0, 404);
    assert_eq!(stage.refused(&ApiRequest::get("/v1/radar/early_fraud_warnings/issfr_none")).0, 404);
}

#[test]
fn a_warning_is_actionable_until_all_is_refunded_or_charged_back() {
    let mut stage = Stage::new();
    let intents = [stage.paid("4000000000005423"), stage.paid(GOOD_CARD)];
    stage.wait(1);
    let cx = stage.cx();
    let second = stage.stripe.warn_of_fraud(&intents[1], "misc", &cx).unwrap();
    assert!(stage.stripe.warnings().iter().all(|warning| warning.actionable));
    stage.post("/v1/refunds", &format!("payment_intent={}&amount=100", intents[0]));
    assert!(stage.stripe.warnings()[0].actionable);
    stage.post("/v1/refunds", &format!("payment_intent={}", intents[0]));
    stage.stripe.open_dispute(&intents[1], &NewDispute::inquiry(), &cx).unwrap();
    assert!(stage.stripe.warnings()[1].actionable, "an inquiry takes nothing");
    stage.stripe.open_dispute(&intents[1], &NewDispute::default(), &cx).unwrap();
    let list = stage.get(&format!("/v1/radar/early_fraud_warnings?payment_intent={}", intents[1]));
    assert_eq!((&list["data"][0]["id"], &list["data"][0]["actionable"]), (&json!(second), &json!(false)));
    let told = stage.kinds().iter().filter(|kind| kind.starts_with("radar.")).copied().collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "radar.early_fraud_warning.created",
            "radar.early_fraud_warning.created",
            "radar.early_fraud_warning.updated",
            "radar.early_fraud_warning.updated"
        ]
    );
    let late = stage.stripe.warn_of_fraud(&intents[0], "misc", &cx).unwrap();
    assert_eq!(stage.get(&format!("/v1/radar/early_fraud_warnings/{late}"))["actionable"], false);
}

#[test]
fn elevated_risk_is_seen_on_the_charge() {
    let mut stage = Stage::new();
    for (card, level) in [("4000000000009235", "elevated"), (GOOD_CARD, "normal")] {
        let intent = stage.paid(card);
        let intent = stage.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge"));
        assert_eq!(intent["latest_charge"]["outcome"]["risk_level"], level);
    }
}

#[test]
fn a_review_is_approved_by_the_api_and_leaves_the_list() {
    let mut stage = Stage::new();
    let (intent, cx) = (stage.paid(GOOD_CARD), stage.cx());
    let review = stage.stripe.open_review(&intent, ReviewOpened::Rule, &cx).unwrap();
    assert!(stage.stripe.open_review(&intent, ReviewOpened::Manual, &cx).is_err(), "one review at most");
    let shown =
        stage.get(&format!("/v1/payment_intents/{intent}?expand[]=review&expand[]=latest_charge.review"));
    assert_eq!((&shown["review"]["open"], &shown["review"]["reason"]), (&json!(true), &json!("rule")));
    assert_eq!(shown["latest_charge"]["review"]["id"], json!(review));
    assert_eq!(stage.get("/v1/reviews")["data"].as_array().unwrap().len(), 1);
    let approved = stage.post(&format!("/v1/reviews/{review}/approve"), "");
    assert_eq!((&approved["open"], &approved["closed_reason"]), (&json!(false), &json!("approved")));
    assert_eq!(stage.get("/v1/reviews")["data"], json!([]));
    assert_eq!(stage.get(&format!("/v1/reviews/{review}"))["reason"], "approved");
    assert_eq!(stage.refused(&ApiRequest::post(&format!("/v1/reviews/{review}/approve"), "")).0, 400);
    assert_eq!(stage.kinds().iter().filter(|kind| kind.starts_with("review.")).count(), 2);
}

#[test]
fn a_review_ends_with_what_happens_to_its_payment() {
    let mut stage = Stage::new();
    let cx = stage.cx();
    let closed = |stage: &mut Stage, what: &str| -> Value {
        let form = "amount=100&currency=usd&confirm=true&payment_method=pm_card_visa&capture_method=manual";
        let intent = match what {
            "cancel" => stage.post("/v1/payment_intents", form)["id"].as_str().unwrap().to_owned(),
            _ => stage.paid(GOOD_CARD),
        };
        let review = stage.stripe.open_review(&intent, ReviewOpened::Manual, &cx).unwrap();
        match what {
            "cancel" => drop(stage.post(&format!("/v1/payment_intents/{intent}/cancel"), "")),
            "refund" => drop(stage.post("/v1/refunds", &format!("payment_intent={intent}"))),
            "fraud" => drop(stage.post("/v1/refunds", &format!("payment_intent={intent}&reason=fraudulent"))),
            "dispute" => drop(stage.stripe.open_dispute(&intent, &NewDispute::default(), &cx)),
            _ => stage.stripe.close_review(&review, ReviewClosed::PaymentNeverSettled, &cx).unwrap(),
        }
        stage.get(&format!("/v1/reviews/{review}"))["closed_reason"].clone()
    };
    assert_eq!(closed(&mut stage, "cancel"), "canceled");
    assert_eq!(closed(&mut stage, "refund"), "refunded");
    assert_eq!(closed(&mut stage, "fraud"), "refunded_as_fraud");
    assert_eq!(closed(&mut stage, "dispute"), "disputed");
    assert_eq!(closed(&mut stage, "by hand"), "payment_never_settled");
}
