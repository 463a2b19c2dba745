use sandbox::{ApiRequest, Authentication, ChargeState, Later, PayError, PayOutcome, Payment, Settings};
use serde_json::json;

use crate::{DECLINED_CARD, GOOD_CARD, SECURE_CARD, Stage};

fn redirect(session: &str) -> String {
    format!("https://shop.test/thanks?s={session}")
}

#[test]
fn a_paid_session_is_complete_and_tells_of_it_in_four_events() {
    let mut stage = Stage::new();
    let id = stage.session_with("&payment_intent_data[metadata][order]=7&metadata[order]=8");
    assert_eq!(stage.get(&format!("/v1/checkout/sessions/{id}"))["payment_intent"], json!(null));
    assert_eq!(stage.pay(&id, GOOD_CARD), PayOutcome::Paid { redirect: redirect(&id) });

    let session = stage.get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge"));
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(session["url"], json!(null));
    assert_eq!(session["metadata"], json!({ "order": "8" }));
    assert_eq!(session["payment_intent"]["metadata"], json!({ "order": "7" }));
    assert_eq!(session["payment_intent"]["amount_received"], 4900);
    assert_eq!(session["payment_intent"]["latest_charge"]["metadata"], json!({ "order": "7" }));
    let told = [
        "payment_intent.created",
        "payment_intent.succeeded",
        "charge.succeeded",
        "checkout.session.completed",
    ];
    assert_eq!(stage.kinds(), told);
    stage.wait(2);
    assert_eq!(stage.kinds()[4..], ["charge.updated"]);
}

#[test]
fn a_declined_card_leaves_the_session_open_for_another_try() {
    let mut stage = Stage::new();
    let id = stage.session();
    assert!(
        matches!(stage.pay(&id, DECLINED_CARD), PayOutcome::Declined { code, .. } if code == "card_declined")
    );
    let session = stage.get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent"));
    assert_eq!(session["status"], "open");
    let intent = &session["payment_intent"];
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["decline_code"], "generic_decline");
    assert!(matches!(stage.pay(&id, GOOD_CARD), PayOutcome::Paid { .. }));
    let intent = intent["id"].as_str().unwrap();
    let states: Vec<bool> =
        stage.stripe.charges_of(intent).iter().map(|c| c.state == ChargeState::Succeeded).collect();
    assert_eq!(states, [false, true]);
    let told = [
        "payment_intent.created",
        "payment_intent.payment_failed",
        "charge.failed",
        "payment_intent.succeeded",
    ];
    assert_eq!(stage.kinds()[..4], told);
}

#[test]
fn three_d_secure_is_passed_failed_and_cannot_be_used_twice() {
    let mut stage = Stage::new();
    let (id, cx) = (stage.session(), stage.cx());
    let PayOutcome::NeedsAuthentication { token } = stage.pay(&id, SECURE_CARD) else { panic!() };
    let failed = stage.stripe.authenticate(&id, &token, Authentication::Fail, &cx).unwrap();
    assert!(
        matches!(failed, PayOutcome::Declined { code, .. } if code == "payment_intent_authentication_failure")
    );
    let again = stage.stripe.authenticate(&id, &token, Authentication::Complete, &cx);
    assert_eq!(again, Err(PayError::NoSuchStep));
    let PayOutcome::NeedsAuthentication { token } = stage.pay(&id, SECURE_CARD) else { panic!() };
    let passed = stage.stripe.authenticate(&id, &token, Authentication::Complete, &cx).unwrap();
    assert_eq!(passed, PayOutcome::Paid { redirect: redirect(&id) });
}

#[test]
fn a_bank_debit_succeeds_later() {
    let mut stage = Stage::new();
    let id = stage.session();
    let outcome = stage.pay_by(&id, &Payment::by_bank_debit(Later::Succeeds));
    assert_eq!(outcome, PayOutcome::Processing { redirect: redirect(&id) });
    let session = stage.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("unpaid")));
    stage.wait(19);
    assert_eq!(stage.kinds().last(), Some(&"checkout.session.completed"));
    stage.wait(1);
    assert_eq!(stage.kinds().last(), Some(&"checkout.session.async_payment_succeeded"));
    assert_eq!(stage.get(&format!("/v1/checkout/sessions/{id}"))["payment_status"], "paid");
}

#[test]
fn a_bank_debit_fails_later() {
    let mut stage = Stage::new();
    let id = stage.session();
    stage.pay_by(&id, &Payment::by_bank_debit(Later::Fails));
    stage.wait(20);
    assert_eq!(
        stage.kinds()[4..],
        ["payment_intent.payment_failed", "charge.failed", "checkout.session.async_payment_failed"]
    );
    let session = stage.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("unpaid")));
}

#[test]
fn a_session_expires_by_itself_or_on_request_but_only_while_open() {
    let mut stage = Stage::new();
    let (by_time, by_hand, paid) = (stage.session(), stage.session(), stage.session());
    stage.pay(&paid, GOOD_CARD);
    let expired = stage.post(&format!("/v1/checkout/sessions/{by_hand}/expire"), "");
    assert_eq!((&expired["status"], &expired["url"]), (&json!("expired"), &json!(null)));
    let (status, error) =
        stage.refused(&ApiRequest::post(&format!("/v1/checkout/sessions/{paid}/expire"), ""));
    assert_eq!(status, 400);
    assert!(error["message"].as_str().unwrap().contains("status of complete"), "{error}");
    stage.wait(24 * 3600);
    assert_eq!(stage.get(&format!("/v1/checkout/sessions/{by_time}"))["status"], "expired");
    assert_eq!(stage.kinds().iter().filter(|kind| **kind == "checkout.session.expired").count(), 2);
    let cx = stage.cx();
    let late = stage.stripe.pay(&by_time, &Payment::by_card(GOOD_CARD), &cx);
    assert_eq!(late, Err(PayError::NotOpen("expired")));
}

#[test]
fn expiry_cancels_the_payment_intent_which_cannot_be_cancelled_directly() {
    let mut stage = Stage::new();
    let id = stage.session();
    stage.pay(&id, DECLINED_CARD);
    let session = stage.get(&format!("/v1/checkout/sessions/{id}"));
    let intent = session["payment_intent"].as_str().unwrap();
    let (status, _) = stage.refused(&ApiRequest::post(&format!("/v1/payment_intents/{intent}/cancel"), ""));
    assert_eq!(status, 400);
    stage.post(&format!("/v1/checkout/sessions/{id}/expire"), "");
    assert_eq!(stage.get(&format!("/v1/payment_intents/{intent}"))["status"], "canceled");
}

#[test]
fn a_session_that_costs_nothing_needs_no_payment() {
    let mut stage = Stage::new();
    stage.post("/v1/coupons", "id=FREE&percent_off=100&duration=once");
    let id = stage.session_with("&discounts[0][coupon]=FREE");
    assert_eq!(stage.pay(&id, DECLINED_CARD), PayOutcome::Paid { redirect: redirect(&id) });
    let session = stage.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!((&session["payment_intent"], &session["amount_total"]), (&json!(null), &json!(0)));
    assert_eq!(stage.get("/v1/coupons/FREE")["times_redeemed"], 1);
}

#[test]
fn discount_shipping_and_tax_change_the_total_but_not_the_subtotal() {
    let mut stage = Stage::with(Settings { tax_basis_points: 900, ..Settings::default() });
    stage.post("/v1/coupons", "id=TEN&percent_off=10&duration=once");
    let id = stage.session_with(
        "&discounts[0][coupon]=TEN&automatic_tax[enabled]=true\
         &shipping_options[0][shipping_rate_data][display_name]=Post\
         &shipping_options[0][shipping_rate_data][type]=fixed_amount\
         &shipping_options[0][shipping_rate_data][fixed_amount][amount]=500\
         &shipping_options[0][shipping_rate_data][fixed_amount][currency]=usd",
    );
    let before = stage.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!((&before["amount_subtotal"], &before["amount_total"]), (&json!(4900), &json!(4910)));
    assert_eq!(before["automatic_tax"]["status"], "requires_location_inputs");
    stage.pay(&id, GOOD_CARD);
    let after = stage.get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent&expand[]=line_items"));
    let details = json!({ "amount_discount": 490, "amount_shipping": 500, "amount_tax": 442 });
    assert_eq!(after["total_details"], details);
    assert_eq!((&after["amount_subtotal"], &after["amount_total"]), (&json!(4900), &json!(5352)));
    assert_eq!(after["payment_intent"]["amount"], 5352);
    assert_eq!(after["line_items"]["data"][0]["amount_tax"], 442);
}

#[test]
fn a_test_can_add_tax_or_let_another_sum_be_collected() {
    let mut stage = Stage::new();
    let (id, other) = (stage.session(), stage.session());
    stage.stripe.set_adjustment(&id, 120, 300).unwrap();
    assert_eq!(stage.get(&format!("/v1/checkout/sessions/{id}"))["amount_total"], 5320);
    stage.stripe.collect_instead(&other, 1, "EUR").unwrap();
    stage.pay(&other, GOOD_CARD);
    let session = stage.get(&format!("/v1/checkout/sessions/{other}?expand[]=payment_intent"));
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(4900), &json!("usd")));
    let intent = &session["payment_intent"];
    assert_eq!((&intent["amount_received"], &intent["currency"]), (&json!(1), &json!("eur")));
}

#[test]
fn line_items_are_listed_with_their_price() {
    let mut stage = Stage::new();
    let id = stage.session();
    let lines = stage.get(&format!("/v1/checkout/sessions/{id}/line_items?expand[]=data.price.product"));
    let line = &lines["data"][0];
    assert_eq!(
        (&line["description"], &line["quantity"], &line["amount_total"]),
        (&json!("Tea"), &json!(2), &json!(4900))
    );
    assert_eq!(line["price"]["product"]["name"], "Tea");
    assert_eq!(lines["has_more"], false);
}

#[test]
fn customer_creation_always_makes_a_customer_at_payment() {
    let mut stage = Stage::new();
    let id = stage.session_with("&customer_creation=always&customer_email=ann@example.com");
    stage.pay(&id, GOOD_CARD);
    let session = stage.get(&format!("/v1/checkout/sessions/{id}?expand[]=customer"));
    assert_eq!(session["customer"]["email"], "ann@example.com");
    assert_eq!(session["customer_details"]["email"], "ann@example.com");
}

#[test]
fn a_promotion_code_is_typed_on_the_page_when_the_shop_allows_it() {
    let mut stage = Stage::new();
    stage.post("/v1/coupons", "id=HALF&percent_off=50&duration=once");
    stage.post("/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=HALF&code=SPRING");
    let (open, closed, cx) = (stage.session_with("&allow_promotion_codes=true"), stage.session(), stage.cx());
    stage.stripe.apply_promotion_code(&open, "spring", &cx).unwrap();
    assert_eq!(stage.get(&format!("/v1/checkout/sessions/{open}"))["amount_total"], 2450);
    stage.post("/v1/coupons", "id=NEARLY&percent_off=99.5&duration=once");
    stage.post("/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=NEARLY&code=NEARLY");
    let too_small = stage.stripe.apply_promotion_code(&open, "nearly", &cx);
    assert_eq!(too_small, Err(sandbox::PayError::UnknownPromotionCode), "24 cents are not charged");
    let refused = stage.stripe.apply_promotion_code(&closed, "spring", &cx);
    assert_eq!(refused, Err(PayError::UnknownPromotionCode));
}

#[test]
fn a_session_is_found_by_its_payment_intent_and_paid_by_a_later_capture() {
    let mut stage = Stage::new();
    let id = stage.session_with("&payment_intent_data[capture_method]=manual&client_reference_id=order-1");
    stage.pay(&id, GOOD_CARD);
    let facts = stage.stripe.session_facts(&id).unwrap();
    assert_eq!((facts.status, facts.payment_status), ("complete", "unpaid"));
    let intent = facts.payment_intent.unwrap().to_owned();
    let found = stage.get(&format!("/v1/checkout/sessions?payment_intent={intent}"));
    assert_eq!(found["data"][0]["id"], id);
    assert_eq!(
        stage.get(&format!("/v1/charges?payment_intent={intent}"))["data"].as_array().unwrap().len(),
        1
    );
    stage.post(&format!("/v1/payment_intents/{intent}/capture"), "");
    assert_eq!(stage.stripe.sessions().next_back().unwrap().payment_status, "paid");
}
