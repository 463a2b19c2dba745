//! PaymentIntents that a shop drives by itself, without a page.

use sandbox::ApiRequest;

use crate::{GOOD_CARD, Stage};

#[test]
fn a_payment_without_a_method_is_given_one_and_then_confirmed() {
    let mut stage = Stage::new();
    let intent = stage.post("/v1/payment_intents", "amount=500&currency=usd");
    let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
    let confirm = ApiRequest::post(&format!("{path}/confirm"), "");
    assert_eq!(stage.refused(&confirm).1["code"], "payment_intent_unexpected_state");
    let customer = stage.post("/v1/customers", "email=ann@example.com");
    let customer = customer["id"].as_str().unwrap();
    let updated = stage.post(&path, &format!("payment_method=pm_card_visa&amount=700&customer={customer}"));
    assert_eq!((&updated["status"], &updated["amount"]), (&"requires_confirmation".into(), &700.into()));
    assert_eq!(updated["customer"], customer);
    let paid = stage.good(&confirm);
    assert_eq!((&paid["status"], &paid["amount_received"]), (&"succeeded".into(), &700.into()));
    assert_eq!(
        paid["payment_method"], updated["payment_method"],
        "the method that was chosen is the one that paid"
    );
    let late = stage.refused(&ApiRequest::post(&path, "amount=900")).1;
    assert_eq!(late["code"], "payment_intent_unexpected_state");
    stage.post(&path, "description=paid");
}

#[test]
fn a_debit_that_was_chosen_before_fails_as_it_was_told() {
    let mut stage = Stage::new();
    let form = "amount=500&currency=usd&payment_method=pm_usBankAccount_insufficientFunds";
    let intent = stage.post("/v1/payment_intents", form);
    let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
    assert_eq!(stage.post(&format!("{path}/confirm"), "")["status"], "processing");
    stage.wait(60);
    assert_eq!(stage.get(&path)["last_payment_error"]["code"], "insufficient_funds");
}

#[test]
fn what_a_page_pays_for_is_not_changed_past_the_page() {
    let mut stage = Stage::new();
    let id = stage.session();
    stage.pay(&id, crate::DECLINED_CARD);
    let intent = stage.get(&format!("/v1/checkout/sessions/{id}"))["payment_intent"].clone();
    let path = format!("/v1/payment_intents/{}", intent.as_str().unwrap());
    for form in ["amount=100", "payment_method=pm_card_visa"] {
        let (_, error) = stage.refused(&ApiRequest::post(&path, form));
        assert_eq!(error["code"], "payment_intent_unexpected_state");
    }
}

#[test]
fn what_was_paid_with_can_be_looked_at() {
    let mut stage = Stage::new();
    let id = stage.session();
    stage.pay(&id, GOOD_CARD);
    let expand = "expand[]=payment_intent.payment_method";
    let session = stage.get(&format!("/v1/checkout/sessions/{id}?{expand}"));
    let method = session["payment_intent"]["payment_method"].clone();
    assert_eq!((&method["object"], &method["card"]["last4"]), (&"payment_method".into(), &"4242".into()));
    assert_eq!(method["billing_details"]["email"], "buyer@example.com");
    let path = format!("/v1/payment_methods/{}", method["id"].as_str().unwrap());
    assert_eq!(stage.get(&path), method);
    assert_eq!(stage.get("/v1/payment_methods/pm_usBankAccount")["us_bank_account"]["last4"], "6789");
    assert_eq!(stage.refused(&ApiRequest::get("/v1/payment_methods/pm_none")).0, 404);
}
