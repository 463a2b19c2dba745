//! Every event that Stripe published goes through the door, is kept, and ends where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kernel::Seeded;
use serde_json::{Value, json};
use testkit::stripe_data;

use crate::books;
use crate::people::{basket, must_check_out, send_webhook};
use crate::stage::{ADMIN_TOKEN, Stage, on_both_engines};

/// Files of the published data; some events in them share one id.
const PUBLISHED: [&str; 2] = ["events-2020-08-27.json", "events-2026-10-28.endive-constructed.json"];
/// Our own, of several versions: they are always there.
const OWN: [&str; 5] = [
    include_str!("../../../stripe/tests/fixtures/charge_succeeded_2018.json"),
    include_str!("../../../stripe/tests/fixtures/intent_failed_2026.json"),
    include_str!("../../../stripe/tests/fixtures/intent_succeeded_2018.json"),
    include_str!("../../../stripe/tests/fixtures/session_completed_2020.json"),
    include_str!("../../../stripe/tests/fixtures/session_completed_2026.json"),
];

on_both_engines! {
    /// As published, shared ids and all: answered 200, kept once for each id, and none is left to be tried again.
    async fn every_published_event_is_stored_and_ends(stage: Stage) {
        let mut node = stage.node();
        node.start().await;
        let events = all_events();
        let ids: BTreeSet<String> = events.iter().map(|event| text(event, "id")).collect();
        post_all(&stage, &node.url, &events).await;
        let db = stage.db().await;
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        let stored: BTreeSet<String> =
            books::column(&db, "SELECT stripe_event_id FROM stripe_events").await.into_iter().collect();
        assert_eq!(stored, ids);
        all_have_ended(&db).await;
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM orders").await, 0, "none of them is ours");
    }

    /// Each event gets an id of its own, once as published and once about an order of this shop. What they prove is
    /// learnt once: the same news under new ids, in another order, changes nothing, and neither does a replay by hand.
    async fn real_input(stage: Stage) {
        let mut node = stage.node();
        node.start().await;
        let db = stage.db().await;
        let events = named_and_adopted(&stage, &node.url, "first").await;
        post_all(&stage, &node.url, &events).await;
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        let ended = all_have_ended(&db).await;
        eprintln!("{:?}: {} events ended as {ended:?}", stage.engine, events.len());
        let about_ours = |event: &&Value| text(event, "id").ends_with("_ours");
        // Some published examples are excerpts: an object without its id says nothing about anything.
        let whole = |event: &&Value| event["data"]["object"]["id"].is_string();
        let ours = events.iter().filter(about_ours).filter(whole).count();
        assert!(ours >= OWN.len());
        assert_eq!(ended["processed"], ours as i64, "events about our orders are processed: {ended:?}");
        let before = books::dump(&db).await;

        let chance = Seeded::new(5);
        for round in ["second", "third"] {
            let again: Vec<Value> =
                shuffled(&events, &chance).into_iter().map(|event| under_new_id(event, round)).collect();
            post_all(&stage, &node.url, &again).await;
            // The very same ids besides: duplicates.
            post_all(&stage, &node.url, &shuffled(&events, &chance)).await;
            books::drained(&stage, &db, Duration::from_secs(60)).await;
            assert_unchanged(&before, &books::dump(&db).await);
        }
        let all = books::count(&db, "SELECT COUNT(*) FROM stripe_events").await;
        assert_eq!(all as usize, events.len() * 3);
        all_have_ended(&db).await;

        for event in shuffled(&events, &chance) {
            // What is about real money is not for a shop with a test key, whoever asks.
            let expected = if event["livemode"] == true { 409 } else { 200 };
            assert_eq!(replay(&stage, &node.url, &text(&event, "id")).await, expected, "{event:#}");
        }
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        assert_unchanged(&before, &books::dump(&db).await);
        all_have_ended(&db).await;
    }
}

on_both_engines! {
    /// It is stored and answered 200 like any other, and a person reads which field is missing.
    async fn an_event_without_a_needed_field_ends_as_an_error_that_names_it(stage: Stage) {
        let mut node = stage.node();
        node.start().await;
        let lacking = [(0, "currency"), (1, "status"), (2, "amount"), (3, "payment_status"), (4, "currency")];
        for (n, field) in lacking {
            let mut event: Value = serde_json::from_str(OWN[n]).unwrap();
            event["id"] = json!(format!("evt_without_{field}_{n}"));
            event["livemode"] = json!(false);
            assert!(event["data"]["object"].as_object_mut().unwrap().remove(field).is_some(), "{n} {field}");
            post_all(&stage, &node.url, &[event]).await;
        }
        let db = stage.db().await;
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        assert_eq!(all_have_ended(&db).await, BTreeMap::from([("error".to_owned(), lacking.len() as i64)]));
        for (n, field) in lacking {
            let told = format!("SELECT last_error FROM stripe_events WHERE stripe_event_id = 'evt_without_{field}_{n}'");
            let told: Vec<String> = books::column(&db, &told).await;
            assert!(told[0].contains(&format!("data.object.{field}")), "{told:?}");
        }
        assert_eq!(node.metric("webhook_events_total{status=\"error\"}").await, lacking.len() as f64);
    }
}

fn all_events() -> Vec<Value> {
    let own = OWN.iter().map(|text| serde_json::from_str(text).expect("our own fixture is JSON"));
    own.chain(PUBLISHED.iter().flat_map(|name| published(name))).collect()
}

fn published(name: &str) -> Vec<Value> {
    let Some(path) = stripe_data::file(name, "the real input of real processes") else { return Vec::new() };
    let text = std::fs::read_to_string(path).expect("a readable file");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    match &file["events"] {
        Value::Array(events) => events.clone(),
        Value::Object(events) => events.values().cloned().collect(),
        other => panic!("{name}: no events but {other}"),
    }
}

/// Each event twice: under an id of its own, and, where it is of a type that we act on, about an order of ours.
async fn named_and_adopted(stage: &Stage, node: &str, round: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for (n, event) in all_events().into_iter().enumerate() {
        let mut named = event.clone();
        named["id"] = json!(format!("evt_{round}_{n}"));
        if stripe::facts::handled().any(|kind| kind == text(&event, "type")) {
            let order = must_check_out(&stage.http, node, &basket(&[("rust-course", 1)], None)).await.order;
            all.push(adopted(named.clone(), &order, n));
        }
        all.push(named);
    }
    all
}

/// The same news about an order of ours, and about objects that no other event of these is about.
fn adopted(mut event: Value, order: &str, n: usize) -> Value {
    event["id"] = json!(format!("{}_ours", text(&event, "id")));
    event["livemode"] = json!(false);
    let object = event["data"]["object"].as_object_mut().expect("an object");
    object.insert("metadata".into(), json!({ "orderId": order }));
    for name in ["id", "payment_intent", "latest_charge"] {
        // What is expanded has its id inside.
        let id = match object.get_mut(name) {
            Some(Value::Object(expanded)) => expanded.get_mut("id"),
            id => id,
        };
        if let Some(Value::String(id)) = id {
            id.push_str(&format!("_ours{n}"));
        }
    }
    if object.contains_key("client_reference_id") {
        object.insert("client_reference_id".into(), json!(order));
    }
    event
}

fn under_new_id(mut event: Value, round: &str) -> Value {
    event["id"] = json!(format!("{}_{round}", text(&event, "id")));
    event
}

async fn post_all(stage: &Stage, node: &str, events: &[Value]) {
    for event in events {
        // Stripe's own bodies are indented by two spaces.
        let body = serde_json::to_string_pretty(event).unwrap();
        let status = send_webhook(&stage.http, node, &body).await;
        assert_eq!(status, Some(200), "{} {}", event["id"], event["type"]);
    }
}

/// Every event has ended: processed, ignored, waiting for an order that it names, or as an error that names the field
/// which is missing. Gives how many of each.
async fn all_have_ended(db: &db::Db) -> BTreeMap<String, i64> {
    let mut ended = BTreeMap::new();
    for row in books::rows(db, "SELECT type, status, last_error_kind, last_error FROM stripe_events").await {
        let (kind, status): (String, String) = (row.get("type").unwrap(), row.get("status").unwrap());
        let error: Option<String> = row.get("last_error").unwrap();
        let error_kind: Option<String> = row.get("last_error_kind").unwrap();
        match status.as_str() {
            "processed" | "ignored" => {}
            // It stays visible until its order appears.
            "unmatched" => assert!(error.as_ref().is_some_and(|text| text.contains("no such order is here"))),
            "error" => {
                assert_eq!(error_kind.as_deref(), Some("missing_field"), "{kind}: {error:?}");
                assert!(
                    error.as_ref().is_some_and(|text| text.contains("data.object.")),
                    "{kind}: {error:?}"
                );
            }
            other => panic!("{kind} is left {other}: {error:?}"),
        }
        *ended.entry(status).or_default() += 1;
    }
    ended
}

fn assert_unchanged(
    before: &BTreeMap<&'static str, Vec<String>>,
    after: &BTreeMap<&'static str, Vec<String>>,
) {
    for (table, rows) in before {
        let now: BTreeSet<&String> = after[table].iter().collect();
        let then: BTreeSet<&String> = rows.iter().collect();
        let changed: Vec<_> = then.symmetric_difference(&now).collect();
        assert!(changed.is_empty(), "{table} has changed: {changed:#?}");
    }
}

fn shuffled(events: &[Value], chance: &Seeded) -> Vec<Value> {
    let mut all = events.to_vec();
    for at in (1..all.len()).rev() {
        all.swap(at, chance.below(at as u64 + 1) as usize);
    }
    all
}

async fn replay(stage: &Stage, node: &str, event: &str) -> u16 {
    let request = stage.http.post(format!("{node}/api/v1/admin/events/{event}/replay"));
    let request = request.bearer_auth(ADMIN_TOKEN).json(&json!({ "reason": "a test says so" }));
    request.send().await.expect("an answer").status().as_u16()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
