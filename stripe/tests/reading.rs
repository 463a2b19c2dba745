//! What payloads of old and new API versions prove.
#![allow(clippy::unwrap_used, reason = "tests")]

mod data;

use serde_json::{Value, json};
use stripe::{
    ChargeFact, Event, Fact, Failure, IntentFact, MissingField, Proof, Reading, References, SessionFact,
    SessionPayment, SessionStatus, read, read_object,
};

const OLD_SESSION: &str = include_str!("fixtures/session_completed_2020.json");
const NEW_SESSION: &str = include_str!("fixtures/session_completed_2026.json");
const OLD_INTENT: &str = include_str!("fixtures/intent_succeeded_2018.json");
const FAILED_INTENT: &str = include_str!("fixtures/intent_failed_2026.json");
const OLD_CHARGE: &str = include_str!("fixtures/charge_succeeded_2018.json");

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
    match proof(body).fact {
        Fact::Session(session) => session,
        other => panic!("not a session: {other:?}"),
    }
}

fn intent(body: &str) -> IntentFact {
    match proof(body).fact {
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
        }
    );
    assert_eq!(
        proof.fact,
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
        proof.fact,
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
    };
    assert_eq!(proof(OLD_CHARGE).fact, Fact::Charge(expected.clone()));
    let authorised = changed(OLD_CHARGE, "charge.succeeded", json!({"captured": false}));
    let expected = ChargeFact { captured: false, captured_amount: 0, ..expected };
    assert_eq!(proof(&authorised).fact, Fact::Charge(expected));
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
    for kind in ["charge.refunded", "payment_intent.created", "x.from.the.future", "checkout.session"] {
        assert_eq!(reading(&changed(NEW_SESSION, kind, json!({}))), Ok(Reading::NotHandled), "{kind}");
    }
    let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.charge.succeeded", "livemode": false,
        "created": "2026-10-28T12:00:00.000Z", "related_object": {"id": "ch_1", "type": "charge"}});
    assert_eq!(reading(&thin.to_string()), Ok(Reading::NotHandled));
    let thin = thin.to_string().replace("v1.charge", "charge");
    assert_eq!(reading(&thin), Ok(Reading::NotHandled));
    assert_eq!(read_object(&json!({"object": "customer", "id": "cus_1"})), Ok(Reading::NotHandled));
    assert!(read_object(&json!("cus_1")).is_err());
}

#[test]
fn every_handled_type_is_read() {
    for kind in stripe::facts::HANDLED {
        let body = match kind {
            _ if kind.starts_with("checkout") => NEW_SESSION,
            _ if kind.starts_with("payment_intent") => FAILED_INTENT,
            _ => OLD_CHARGE,
        };
        assert!(matches!(reading(&changed(body, kind, json!({}))), Ok(Reading::Proof(_))), "{kind}");
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
    let fetched = read_object(&event["data"]["object"]).unwrap();
    assert_eq!(fetched, Reading::Proof(proof(NEW_SESSION)));
    let open =
        json!({"object": "checkout.session", "id": "cs_1", "status": "open", "payment_status": "unpaid"});
    assert!(matches!(read_object(&open), Ok(Reading::Proof(_))));
    let odd =
        json!({"object": "checkout.session", "id": "cs_1", "status": "odd", "payment_status": "unpaid"});
    assert_eq!(read_object(&odd).unwrap_err().field, "status");
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
            let reading = read_object(&fixtures["resources"][kind]);
            assert!(matches!(reading, Ok(Reading::Proof(_))), "{version} {kind}: {reading:?}");
        }
        match read_object(&fixtures["resources"]["checkout.session"]) {
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
