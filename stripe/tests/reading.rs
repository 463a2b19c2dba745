//! What payloads of old and new API versions prove.
#![allow(clippy::unwrap_used, reason = "tests")]

mod data;

use serde_json::{Value, json};
use stripe::{
    Asked, ChargeFact, DisputeOutcome, DisputeStatus, Event, Fact, Failure, IntentFact, MissingField, Proof,
    Reading, References, RefundStatus, Seen, SessionFact, SessionPayment, SessionStatus, Target, read,
    read_object,
};

const OLD_SESSION: &str = include_str!("fixtures/session_completed_2020.json");
const NEW_SESSION: &str = include_str!("fixtures/session_completed_2026.json");
const OLD_INTENT: &str = include_str!("fixtures/intent_succeeded_2018.json");
const FAILED_INTENT: &str = include_str!("fixtures/intent_failed_2026.json");
const OLD_CHARGE: &str = include_str!("fixtures/charge_succeeded_2018.json");

const NOW: Asked = Asked { ticket: 1, at: kernel::Timestamp::from_seconds(1_800_000_000) };

fn event(kind: &str, object: Value) -> String {
    json!({"id": "evt_late", "object": "event", "api_version": "2026-10-28.endive", "created": 1_790_000_000,
           "livemode": false, "type": kind, "data": {"object": object}})
    .to_string()
}

fn refund(status: &str) -> Value {
    json!({"id": "re_1", "object": "refund", "amount": 500, "currency": "eur", "charge": "ch_1",
           "payment_intent": "pi_1", "status": status, "metadata": {"orderId": "ord_typed", "refundId": "rf_1"}})
}

fn dispute(status: &str) -> Value {
    json!({"id": "dp_1", "object": "dispute", "amount": 700, "currency": "eur", "charge": "ch_1",
           "payment_intent": "pi_1", "status": status, "reason": "fraudulent", "metadata": {},
           "evidence_details": {"due_by": 0}})
}

fn warning() -> Value {
    json!({"id": "issfr_1", "object": "radar.early_fraud_warning", "charge": "ch_1", "payment_intent": "pi_1",
           "fraud_type": "misc", "actionable": true})
}

fn review(open: bool) -> Value {
    json!({"id": "prv_1", "object": "review", "charge": "ch_1", "payment_intent": "pi_1", "open": open,
           "reason": if open { "rule" } else { "approved" }, "opened_reason": "rule",
           "closed_reason": (!open).then_some("approved")})
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn reading(body: &str) -> Result<Reading, MissingField> {
    read(&Event::parse(body.as_bytes()).unwrap())
}

fn proof(body: &str) -> Proof {
    match reading(body).unwrap() {
        Reading::Proof(proof) => proof,
        Reading::NotHandled => panic!("not handled: {body}"),
    }
}

/// The event with its type and parts of its object changed.
fn changed(body: &str, kind: &str, object: Value) -> String {
    let mut event: Value = serde_json::from_str(body).unwrap();
    event["type"] = kind.into();
    for (name, value) in object.as_object().unwrap() {
        event["data"]["object"][name] = value.clone();
    }
    event.to_string()
}

fn session(body: &str) -> SessionFact {
    match proof(body).facts.remove(0) {
        Fact::Session(session) => session,
        other => panic!("not a session: {other:?}"),
    }
}

fn intent(body: &str) -> IntentFact {
    match proof(body).facts.remove(0) {
        Fact::Intent(intent) => intent,
        other => panic!("not an intent: {other:?}"),
    }
}

#[test]
fn a_session_of_2020_is_read_without_a_status() {
    let proof = proof(OLD_SESSION);
    assert_eq!(
        proof.references,
        References {
            order: text("ord_old"),
            profile: text("prf_old"),
            client_reference: text("basket-7"),
            session: text("cs_test_old"),
            payment_intent: text("pi_old"),
            charge: None,
            payment_link: None,
            typed: false,
        }
    );
    assert_eq!(
        proof.facts[0],
        Fact::Session(SessionFact {
            id: "cs_test_old".to_owned(),
            status: SessionStatus::Complete,
            payment: SessionPayment::Paid,
            async_failed: false,
            mode: text("payment"),
            currency: Some("usd".parse().unwrap()),
            subtotal: Some(5000),
            total: Some(5350),
            discount: 0,
            tax: 350,
            shipping: 0,
            payment_intent: text("pi_old"),
            subscription: None,
            customer: text("cus_old"),
            email: text("buyer@example.com"),
        })
    );
}

#[test]
fn a_session_of_2026_is_read_with_expanded_fields_and_words_from_the_future() {
    let session = session(NEW_SESSION);
    assert_eq!(session.total, Some(5000));
    assert_eq!((session.discount, session.shipping, session.tax), (500, 400, 100));
    assert_eq!((session.payment_intent, session.customer), (text("pi_new"), text("cus_new")));
    assert_eq!(session.email, text("typed@example.com"));
}

#[test]
fn an_intent_of_2018_finds_its_newest_charge_in_the_list() {
    let proof = proof(OLD_INTENT);
    assert_eq!(proof.references.charge, text("ch_old_newest"));
    assert_eq!(
        proof.facts[0],
        Fact::Intent(IntentFact {
            id: "pi_old".to_owned(),
            amount: 900,
            currency: "eur".parse().unwrap(),
            received: Some(900),
            processing: false,
            failed: None,
            canceled: None,
            latest_charge: text("ch_old_newest"),
            customer: None,
        })
    );
}

#[test]
fn a_charge_of_2018_captured_all_of_it() {
    let expected = ChargeFact {
        id: "ch_old".to_owned(),
        payment_intent: None,
        amount: 2000,
        currency: "usd".parse().unwrap(),
        captured_amount: 2000,
        captured: true,
        paid: true,
        customer: None,
        refunded: Seen::default(),
    };
    assert_eq!(proof(OLD_CHARGE).facts[0], Fact::Charge(expected.clone()));
    let authorised = changed(OLD_CHARGE, "charge.succeeded", json!({"captured": false}));
    let expected = ChargeFact { captured: false, captured_amount: 0, ..expected };
    assert_eq!(proof(&authorised).facts[0], Fact::Charge(expected));
}

#[test]
fn a_failed_attempt_is_a_failure_though_the_status_went_back() {
    let failed = intent(FAILED_INTENT);
    assert_eq!(failed.received, None);
    assert_eq!(
        failed.failed,
        Some(Failure {
            code: text("card_declined"),
            decline_code: text("insufficient_funds"),
            message: text("Your card has insufficient funds."),
        })
    );
    let unsaid = changed(FAILED_INTENT, "payment_intent.payment_failed", json!({"last_payment_error": null}));
    assert_eq!(intent(&unsaid).failed, Some(Failure::default()));
}

#[test]
fn an_amount_below_nothing_or_beyond_all_measure_is_unreadable_and_named() {
    for amount in [-1, -4900, 1_000_000_000_000_001, i64::MAX, i64::MIN] {
        let total = json!({ "amount_total": amount });
        let error = reading(&changed(NEW_SESSION, "checkout.session.completed", total)).unwrap_err();
        assert_eq!((error.field.as_str(), error.seen), ("data.object.amount_total", amount.to_string()));
        for part in ["amount_discount", "amount_tax", "amount_shipping"] {
            let totals = json!({ "total_details": { part: amount } });
            let error = reading(&changed(NEW_SESSION, "checkout.session.completed", totals)).unwrap_err();
            assert_eq!(error.field, format!("data.object.total_details.{part}"));
        }
    }
    let most = json!({ "amount_total": 1_000_000_000_000_000_i64 });
    assert!(reading(&changed(NEW_SESSION, "checkout.session.completed", most)).is_ok());
}

#[test]
fn the_type_of_an_intents_event_is_folded_in() {
    let processing = changed(FAILED_INTENT, "payment_intent.processing", json!({"status": "processing"}));
    assert!(intent(&processing).processing);
    let canceled = json!({"status": "canceled", "cancellation_reason": "abandoned"});
    let canceled = changed(FAILED_INTENT, "payment_intent.canceled", canceled);
    assert_eq!(intent(&canceled).canceled, text("abandoned"));
    let unsaid = changed(FAILED_INTENT, "payment_intent.canceled", json!({"status": "canceled"}));
    assert_eq!(intent(&unsaid).canceled, text(""));
}

#[test]
fn an_intent_that_has_received_nothing_and_has_not_succeeded_is_no_payment() {
    let kind = "payment_intent.succeeded";
    let with = |status: &str, sum: i64| {
        intent(&changed(OLD_INTENT, kind, json!({ "status": status, "amount_received": sum }))).received
    };
    assert_eq!(with("processing", 0), None);
    assert_eq!(with("processing", 900), Some(900));
    assert_eq!(with("succeeded", 0), Some(0));
}

#[test]
fn the_type_of_a_sessions_event_is_folded_in() {
    let waiting = json!({"payment_status": "unpaid", "status": "complete"});
    let of =
        |kind: &str| session(&changed(NEW_SESSION, &format!("checkout.session.{kind}"), waiting.clone()));
    assert_eq!(of("completed").payment, SessionPayment::Unpaid);
    assert!(!of("completed").async_failed);
    assert!(of("async_payment_failed").async_failed);
    assert_eq!(of("async_payment_failed").payment, SessionPayment::Unpaid);
    assert_eq!(of("async_payment_succeeded").payment, SessionPayment::Paid);
    let expired = json!({"payment_status": "unpaid", "status": null, "amount_total": null, "currency": null});
    let expired = session(&changed(NEW_SESSION, "checkout.session.expired", expired));
    assert_eq!((expired.status, expired.total, expired.currency), (SessionStatus::Expired, None, None));
}

#[test]
fn nothing_to_pay_is_a_payment_of_nothing() {
    let free = json!({"payment_status": "no_payment_required", "payment_intent": null, "amount_total": 0});
    let free = session(&changed(NEW_SESSION, "checkout.session.completed", free));
    assert_eq!(
        (free.payment, free.total, free.payment_intent),
        (SessionPayment::NothingToPay, Some(0), None)
    );
}

#[test]
fn what_we_do_not_act_on_is_not_handled() {
    for kind in ["charge.updated", "payment_intent.created", "x.from.the.future", "checkout.session"] {
        assert_eq!(reading(&changed(NEW_SESSION, kind, json!({}))), Ok(Reading::NotHandled), "{kind}");
    }
    let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.charge.succeeded", "livemode": false,
        "created": "2026-10-28T12:00:00.000Z", "related_object": {"id": "ch_1", "type": "charge"}});
    assert_eq!(reading(&thin.to_string()), Ok(Reading::NotHandled));
    let thin = thin.to_string().replace("v1.charge", "charge");
    assert_eq!(reading(&thin), Ok(Reading::NotHandled));
    assert_eq!(read_object(&json!({"object": "customer", "id": "cus_1"}), NOW), Ok(Reading::NotHandled));
    assert!(read_object(&json!("cus_1"), NOW).is_err());
}

#[test]
fn every_handled_type_is_read() {
    for kind in stripe::facts::handled() {
        let body = match kind {
            _ if kind.starts_with("checkout") => NEW_SESSION.to_owned(),
            _ if kind.starts_with("payment_intent") => FAILED_INTENT.to_owned(),
            "charge.succeeded" | "charge.refunded" => OLD_CHARGE.to_owned(),
            _ if kind.contains("refund") => event(kind, refund("succeeded")),
            _ if kind.contains("dispute") => event(kind, dispute("lost")),
            _ if kind.starts_with("radar") => event(kind, warning()),
            _ => event(kind, review(true)),
        };
        assert!(matches!(reading(&changed(&body, kind, json!({}))), Ok(Reading::Proof(_))), "{kind}");
    }
}

#[test]
fn a_needed_field_that_is_missing_or_wrong_is_named() {
    let cases = [
        (NEW_SESSION, "currency", json!(null), "null"),
        (NEW_SESSION, "currency", json!("euro"), "the text `euro`"),
        (NEW_SESSION, "amount_total", json!(null), "null"),
        (NEW_SESSION, "amount_total", json!(4500.0), "4500.0"),
        (NEW_SESSION, "amount_total", json!("4500"), "the text `4500`"),
        (NEW_SESSION, "amount_total", json!(u64::MAX), "18446744073709551615"),
        (NEW_SESSION, "amount_subtotal", json!(0.5), "0.5"),
        (NEW_SESSION, "payment_status", json!("partly"), "the text `partly`"),
        (NEW_SESSION, "id", json!(7), "7"),
        (NEW_SESSION, "object", json!("charge"), "the text `charge`"),
        (OLD_INTENT, "amount", json!(null), "null"),
        (OLD_INTENT, "amount_received", json!(900.5), "900.5"),
        (OLD_INTENT, "status", json!(null), "null"),
        (OLD_INTENT, "currency", json!({}), "an object"),
        (OLD_CHARGE, "captured", json!(1), "1"),
        (OLD_CHARGE, "paid", json!(null), "null"),
        (OLD_CHARGE, "amount", json!([]), "a list"),
    ];
    for (body, name, value, seen) in cases {
        let kind = Event::parse(body.as_bytes()).unwrap().kind;
        let error = reading(&changed(body, &kind, json!({ name: value }))).unwrap_err();
        assert_eq!(
            (error.field.as_str(), error.seen.as_str()),
            (format!("data.object.{name}").as_str(), seen)
        );
        assert!(error.to_string().starts_with(&kind), "{error}");
    }
    let totals = json!({"total_details": {"amount_tax": 1.5}});
    let error = reading(&changed(NEW_SESSION, "checkout.session.completed", totals)).unwrap_err();
    assert_eq!(error.field, "data.object.total_details.amount_tax");
    let nothing =
        changed(NEW_SESSION, "checkout.session.completed", json!({})).replace("\"data\"", "\"other\"");
    assert_eq!(reading(&nothing).unwrap_err().field, "data.object");
}

#[test]
fn an_object_that_was_fetched_is_read_the_same_way() {
    let event: Value = serde_json::from_str(NEW_SESSION).unwrap();
    let fetched = read_object(&event["data"]["object"], NOW).unwrap();
    assert_eq!(fetched, Reading::Proof(proof(NEW_SESSION)));
    let open =
        json!({"object": "checkout.session", "id": "cs_1", "status": "open", "payment_status": "unpaid"});
    assert!(matches!(read_object(&open, NOW), Ok(Reading::Proof(_))));
    let odd =
        json!({"object": "checkout.session", "id": "cs_1", "status": "odd", "payment_status": "unpaid"});
    assert_eq!(read_object(&odd, NOW).unwrap_err().field, "status");
}

/// The event that ends a bank debit may never come. The session with its payment says the same.
#[test]
fn a_session_whose_payment_failed_after_the_buyer_was_through_has_failed_for_good() {
    let failed_for_good = |status: &str, payment_status: &str, intent: Value| {
        let session = json!({"id": "cs_1", "object": "checkout.session", "status": status, "currency": "eur",
            "payment_status": payment_status, "amount_total": 900, "payment_intent": intent});
        let Reading::Proof(proof) = read_object(&session, NOW).unwrap() else { panic!("not handled") };
        let Some(Fact::Session(session)) = proof.facts.first() else { panic!("{:?}", proof.facts) };
        session.async_failed
    };
    let intent = |status: &str, error: Value| {
        json!({"id": "pi_1", "object": "payment_intent", "status": status, "amount": 900, "amount_received": 900,
            "currency": "eur", "last_payment_error": error})
    };
    let (error, none) = (json!({"code": "payment_intent_payment_attempt_failed"}), Value::Null);
    let failed = || intent("requires_payment_method", error.clone());
    for (status, paid, intent) in [
        ("open", "unpaid", failed()),
        ("expired", "unpaid", failed()),
        ("complete", "paid", failed()),
        ("complete", "unpaid", intent("processing", error.clone())),
        ("complete", "unpaid", intent("requires_action", none.clone())),
        ("complete", "unpaid", intent("requires_payment_method", none)),
        ("complete", "unpaid", json!("pi_1")),
    ] {
        assert!(!failed_for_good(status, paid, intent.clone()), "{status}, {paid}, {intent}");
    }
    assert!(failed_for_good("complete", "unpaid", failed()));
}

#[test]
fn metadata_that_is_not_text_is_no_reference() {
    let metadata = json!({"metadata": {"orderId": 7, "profileId": ""}});
    let references = proof(&changed(NEW_SESSION, "checkout.session.completed", metadata)).references;
    assert_eq!((references.order, references.profile), (None, None));
    let none = proof(&changed(NEW_SESSION, "checkout.session.completed", json!({"metadata": null})));
    assert_eq!(none.references.client_reference, text("ord_new"));
}

#[test]
fn a_stored_fact_is_read_back() {
    for body in [OLD_SESSION, NEW_SESSION, OLD_INTENT, FAILED_INTENT, OLD_CHARGE] {
        let proof = proof(body);
        let stored = serde_json::to_string(&proof).unwrap();
        assert_eq!(serde_json::from_str::<Proof>(&stored).unwrap(), proof);
    }
    let first_ever = r#"{"object":"checkout.session","id":"cs_1","status":"open","payment":"unpaid"}"#;
    assert_eq!(serde_json::from_str::<Fact>(first_ever).unwrap().object_id(), "cs_1");
}

#[test]
fn every_collected_event_parses_and_reads_or_names_what_is_missing() {
    for file in ["events-2020-08-27.json", "events-2026-10-28.endive-constructed.json"] {
        let Some(collected) = data::collected(file) else { continue };
        let events: Vec<&Value> = match &collected["events"] {
            Value::Array(events) => events.iter().collect(),
            events => events.as_object().unwrap().values().collect(),
        };
        let mut proofs = 0;
        for event in events {
            let pretty = serde_json::to_vec_pretty(event).unwrap();
            let parsed = Event::parse(&pretty).unwrap_or_else(|e| panic!("{file}: {e}: {event}"));
            match read(&parsed) {
                Ok(Reading::Proof(_)) => proofs += 1,
                Ok(Reading::NotHandled) => {}
                Err(error) => println!("{file}: {}: {error}", parsed.id),
            }
        }
        println!("{file}: {proofs} proofs");
        assert!(proofs >= 5, "{file}");
    }
}

#[test]
fn every_collected_object_of_ten_api_versions_reads_or_names_what_is_missing() {
    let Some(collected) = data::collected("fixtures-by-api-version.json") else { return };
    for (version, fixtures) in collected["versions"].as_object().unwrap() {
        for kind in ["payment_intent", "charge"] {
            let reading = read_object(&fixtures["resources"][kind], NOW);
            assert!(matches!(reading, Ok(Reading::Proof(_))), "{version} {kind}: {reading:?}");
        }
        match read_object(&fixtures["resources"]["checkout.session"], NOW) {
            Ok(Reading::Proof(_)) => {}
            // Before 2022 sessions had no status, and before 2020 no payment status either.
            Err(error) => {
                assert!(version.as_str() < "2022", "{version}: {error}");
                assert!(["status", "payment_status"].contains(&error.field.as_str()), "{version}: {error}");
            }
            Ok(Reading::NotHandled) => panic!("{version}: a session is handled"),
        }
    }
}

#[test]
fn what_can_change_both_ways_has_to_be_fetched_through_the_object_that_knows() {
    let target =
        |kind: &str, object: Value| proof(&event(kind, object)).target.map(|target| target.id().to_owned());
    assert_eq!(target("refund.created", refund("pending")), text("ch_1"));
    assert_eq!(target("charge.dispute.closed", dispute("won")), text("dp_1"));
    assert_eq!(target("review.opened", review(true)), text("prv_1"));
    assert_eq!(
        proof(&changed(OLD_CHARGE, "charge.refunded", json!({}))).target,
        Some(Target::Charge("ch_old".into()))
    );
    assert_eq!(proof(OLD_CHARGE).target, None, "what only grows is believed");
    let mut alone = refund("pending");
    alone["charge"] = Value::Null;
    assert_eq!(target("refund.created", alone), text("pi_1"));
}

#[test]
fn a_fetched_charge_brings_its_refunds_and_its_payment_with_the_order_that_it_names() {
    let charge = json!({"id": "ch_1", "object": "charge", "amount": 900, "amount_captured": 900, "captured": true,
        "paid": true, "currency": "eur", "amount_refunded": 500, "metadata": {},
        "refunds": {"object": "list", "has_more": false, "data": [refund("succeeded")]},
        "payment_intent": {"id": "pi_1", "object": "payment_intent", "amount": 900, "amount_received": 900,
            "currency": "eur", "status": "succeeded", "metadata": {"orderId": "ord_true"}}});
    let Ok(Reading::Proof(proof)) = read_object(&charge, NOW) else { panic!("it is read") };
    let ids: Vec<&str> = proof.facts.iter().map(Fact::object_id).collect();
    assert_eq!(ids, ["ch_1", "pi_1", "re_1"]);
    assert_eq!(
        proof.references.order,
        text("ord_true"),
        "what the payment says, not what was typed on a refund"
    );
    assert!(!proof.references.typed);
    assert!(proof.facts.iter().all(|fact| fact.provisional().is_none()));
}

/// Stripe lists only open reviews; one that was closed is seen through its payment.
#[test]
fn a_fetched_payment_brings_its_review() {
    let intent = json!({"id": "pi_1", "object": "payment_intent", "amount": 900, "amount_received": 900,
        "currency": "eur", "status": "succeeded", "metadata": {"orderId": "ord_true"},
        "review": {"id": "prv_1", "object": "review", "open": false, "closed_reason": "disputed", "charge": "ch_1"}});
    let Ok(Reading::Proof(proof)) = read_object(&intent, NOW) else { panic!("it is read") };
    let Fact::Review(review) = &proof.facts[1] else { panic!("a review") };
    assert_eq!(review.closed, text("disputed"));
    assert_eq!(proof.references.order, text("ord_true"));
}

#[test]
fn what_a_person_typed_on_a_refund_is_known_as_such() {
    let references = proof(&event("refund.created", refund("succeeded"))).references;
    assert_eq!((references.order, references.typed), (text("ord_typed"), true));
    assert_eq!(references.payment_intent, text("pi_1"));
}

#[test]
fn an_inquiry_is_no_dispute_an_appeal_is_a_lost_one_and_an_unknown_word_is_open() {
    for (word, outcome) in [
        ("warning_needs_response", DisputeOutcome::None),
        ("warning_under_review", DisputeOutcome::None),
        ("warning_closed", DisputeOutcome::None),
        ("prevented", DisputeOutcome::None),
        ("charge_refunded", DisputeOutcome::None),
        ("won", DisputeOutcome::None),
        ("needs_response", DisputeOutcome::Open),
        ("under_review", DisputeOutcome::Open),
        ("of_a_later_year", DisputeOutcome::Open),
        ("lost", DisputeOutcome::Lost),
        ("appeal_needs_response", DisputeOutcome::Lost),
        ("appeal_under_review", DisputeOutcome::Lost),
    ] {
        let Fact::Dispute(fact) = proof(&event("charge.dispute.updated", dispute(word))).facts.remove(0)
        else {
            panic!("a dispute")
        };
        assert_eq!(fact.outcome(), outcome, "{word}");
        let state = fact.state.now().unwrap();
        assert_eq!((state.due_by, state.amount), (None, 700), "0 is no deadline");
        assert!(state.status.as_str() == word || state.status == DisputeStatus::Other);
    }
}

#[test]
fn a_refund_that_failed_says_so_by_its_type_and_by_its_status() {
    for body in [event("refund.failed", refund("succeeded")), event("refund.updated", refund("failed"))] {
        let Fact::Refund(fact) = proof(&body).facts.remove(0) else { panic!("a refund") };
        assert_eq!(fact.status.now(), Some(&RefundStatus::Failed));
        assert!(!RefundStatus::Failed.takes_money());
        assert!(Fact::Refund(fact).provisional().is_some());
    }
}

/// A session of a Payment Link, as it is fetched.
fn sold(changes: Value) -> Result<Reading, MissingField> {
    let mut session = json!({"id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid",
        "currency": "usd", "amount_subtotal": 9800, "amount_total": 9800, "payment_link": "plink_1", "metadata": {},
        "client_reference_id": "ord_of_a_stranger", "line_items": {"object": "list", "has_more": false, "data": [
            {"id": "li_1", "object": "item", "quantity": 2, "amount_subtotal": 9800, "currency": "usd",
             "description": "Rust", "price": {"id": "price_1", "object": "price"}}]}});
    for (name, value) in changes.as_object().unwrap() {
        session[name] = value.clone();
    }
    read_object(&session, NOW)
}

fn sale(changes: Value) -> Option<stripe::Sale> {
    match sold(changes).unwrap() {
        Reading::Proof(proof) => proof.sale,
        Reading::NotHandled => panic!("not handled"),
    }
}

#[test]
fn a_session_that_names_no_order_says_what_it_sold() {
    let all = sale(json!({})).unwrap();
    assert_eq!(
        (all.session.as_str(), all.payment_link.as_deref(), all.is_meant),
        ("cs_1", Some("plink_1"), false)
    );
    let line = &all.lines[0];
    assert_eq!((line.price.as_deref(), line.quantity, line.subtotal), (Some("price_1"), 2, 9800));
    assert!(sale(json!({"metadata": {"makegood": "yes"}})).unwrap().is_meant);
    for no_sale in [
        json!({"status": "open", "payment_status": "unpaid"}),
        json!({"status": "expired", "payment_status": "unpaid"}),
        json!({"metadata": {"orderId": "ord_1"}}),
        json!({"line_items": null}),
        json!({"line_items": {"object": "list", "has_more": true, "data": []}}),
    ] {
        assert_eq!(sale(no_sale.clone()), None, "{no_sale}");
    }
    let lacking = json!({"object": "list", "has_more": false, "data": [{"currency": "usd", "quantity": 1}]});
    assert!(sold(json!({"line_items": lacking})).unwrap_err().field.contains("amount_subtotal"));
}

#[test]
fn only_a_session_that_names_no_order_is_fetched_for_what_it_sold() {
    let told = |link: Value, order: Value, reference: Value| {
        proof(&changed(
            NEW_SESSION,
            "checkout.session.completed",
            json!({"payment_link": link, "metadata": {"orderId": order}, "client_reference_id": reference}),
        ))
        .target
    };
    let fetched = Some(Target::Session("cs_live_new".into()));
    assert_eq!(told(json!("plink_1"), Value::Null, json!("ord_of_a_stranger")), fetched);
    assert_eq!(told(Value::Null, Value::Null, json!("basket-7")), fetched);
    assert_eq!(told(Value::Null, Value::Null, json!("ord_1")), None);
    assert_eq!(told(json!("plink_1"), json!("ord_1"), Value::Null), None);
}

#[test]
fn what_is_typed_into_the_address_of_a_payment_link_names_no_order() {
    let references = |link: Option<&str>| References {
        client_reference: text("ord_1"),
        payment_link: link.map(str::to_owned),
        ..References::default()
    };
    assert_eq!(references(None).own_order(), Some("ord_1"));
    assert_eq!(references(Some("plink_1")).own_order(), None);
}

#[test]
fn tax_that_is_inside_of_the_prices_is_not_added() {
    let added = |total: i64, tax: i64| {
        let body = changed(
            NEW_SESSION,
            "checkout.session.completed",
            json!({"amount_subtotal": 1000, "amount_total": total,
            "total_details": {"amount_discount": 100, "amount_shipping": 50, "amount_tax": tax}}),
        );
        session(&body).added_tax()
    };
    assert_eq!((added(1040, 90), added(950, 90), added(980, 90)), (90, 0, 30));
    assert_eq!((added(5000, 90), added(1, 90)), (90, 0), "what does not add up is no tax");
}
