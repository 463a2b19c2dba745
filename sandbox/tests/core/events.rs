use sandbox::ApiRequest;
use serde_json::Value;

use crate::{GOOD_CARD, Stage};

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn with_customers(count: usize) -> Stage {
    let mut stage = Stage::new();
    for number in 0..count {
        stage.post("/v1/customers", &format!("name=n{number}"));
        stage.wait(1);
    }
    stage
}

#[test]
fn the_list_is_newest_first_and_pages_both_ways() {
    let mut stage = with_customers(5);
    let all: Vec<String> = stage.stripe.events().iter().rev().map(|event| event.id.clone()).collect();
    let first = stage.get("/v1/events?limit=2");
    assert_eq!((ids(&first), &first["has_more"]), (vec![&*all[0], &*all[1]], &true.into()));
    let next = stage.get(&format!("/v1/events?limit=3&starting_after={}", all[1]));
    assert_eq!((ids(&next), &next["has_more"]), (vec![&*all[2], &*all[3], &*all[4]], &false.into()));
    let newer = stage.get(&format!("/v1/events?limit=2&ending_before={}", all[4]));
    assert_eq!((ids(&newer), &newer["has_more"]), (vec![&*all[2], &*all[3]], &true.into()));
    let newest = stage.get(&format!("/v1/events?limit=2&ending_before={}", all[2]));
    assert_eq!((ids(&newest), &newest["has_more"]), (vec![&*all[0], &*all[1]], &false.into()));
}

#[test]
fn the_list_is_filtered_by_type_family_types_and_time() {
    let mut stage = with_customers(3);
    let session = stage.session();
    stage.pay(&session, GOOD_CARD);
    let mut count = |query: &str| stage.get(&format!("/v1/events?{query}"))["data"].as_array().unwrap().len();
    assert_eq!(count("type=customer.created"), 3);
    assert_eq!(count("type=payment_intent.*"), 2);
    assert_eq!(count("types[]=charge.succeeded&types[]=checkout.session.completed"), 2);
    assert_eq!(count("created[gte]=1795000001&created[lt]=1795000003"), 2);
    assert_eq!(count("created=1795000000"), 1);
    let many: String = (0..21).map(|n| format!("&types[{n}]=charge.succeeded")).collect();
    assert_eq!(stage.refused(&ApiRequest::get(&format!("/v1/events?{many}"))).0, 400);
    assert_eq!(stage.refused(&ApiRequest::get("/v1/events?limit=101")).0, 400);
}

#[test]
fn an_event_is_shown_for_thirty_days() {
    let mut stage = with_customers(1);
    let path = format!("/v1/events/{}", stage.stripe.events()[0].id);
    stage.wait(30 * 24 * 3600 - 1);
    assert_eq!(stage.get(&path)["type"], "customer.created");
    stage.wait(1);
    assert_eq!(stage.refused(&ApiRequest::get(&path)).0, 404);
    assert!(ids(&stage.get("/v1/events")).is_empty());
    let id = path.rsplit('/').next().unwrap();
    for cursor in ["starting_after", "ending_before"] {
        let (status, error) = stage.refused(&ApiRequest::get(&format!("/v1/events?{cursor}={id}")));
        assert_eq!((status, &error["param"]), (400, &cursor.into()));
    }
    assert_eq!(
        stage.get("/v1/customers")["data"].as_array().unwrap().len(),
        1,
        "objects are shown at any age"
    );
}

#[test]
fn an_update_says_what_it_was_before_and_who_asked() {
    let mut stage = Stage::new();
    let customer = stage.post("/v1/customers", "name=Ann&email=a@b.c");
    let path = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
    stage.good(&ApiRequest::post(&path, "name=Anna").under_key("rename"));
    let event = stage.get("/v1/events?type=customer.updated")["data"][0].clone();
    assert_eq!(event["data"]["previous_attributes"], serde_json::json!({ "name": "Ann" }));
    assert_eq!(event["request"]["idempotency_key"], "rename");
    assert_eq!(event["data"]["object"]["name"], "Anna");
}

#[test]
fn one_seed_gives_one_history() {
    let history = || {
        let mut stage = with_customers(2);
        let session = stage.session();
        stage.pay(&session, GOOD_CARD);
        serde_json::to_string(&stage.stripe).unwrap()
    };
    assert_eq!(history(), history());
}
