use sandbox::{ApiRequest, NewDispute, NewRefund, ReviewOpened};
use serde_json::Value;

use crate::{GOOD_CARD, Stage};

/// Each list, and what of its members may be shown in full.
const LISTS: [(&str, &[&str]); 8] = [
    ("charges", &["data.payment_intent", "data.refunds", "data.review"]),
    ("payment_intents", &["data.latest_charge.refunds", "data.review"]),
    ("refunds", &["data.charge", "data.payment_intent.latest_charge"]),
    ("disputes", &["data.charge.refunds", "data.payment_intent"]),
    ("checkout/sessions", &["data.payment_intent.latest_charge", "data.line_items"]),
    ("events", &[]),
    ("radar/early_fraud_warnings", &["data.charge", "data.payment_intent"]),
    ("reviews", &["data.charge", "data.payment_intent"]),
];

/// Seven payments, a minute apart, each with one of everything.
fn seven_payments() -> Stage {
    let mut stage = Stage::new();
    for _ in 0..7 {
        let (intent, cx) = (stage.paid(GOOD_CARD), stage.cx());
        stage.stripe.refund_in_dashboard(&intent, &NewRefund::of(100), &cx).unwrap();
        stage.stripe.warn_of_fraud(&intent, "misc", &cx).unwrap();
        stage.stripe.open_review(&intent, ReviewOpened::Rule, &cx).unwrap();
        stage.stripe.open_dispute(&intent, &NewDispute::inquiry(), &cx).unwrap();
        stage.wait(60);
    }
    stage
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything, page by page, from the place that `next` names.
fn pages(stage: &mut Stage, url: &str, first: &str, next: impl Fn(&[String]) -> String) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = first.to_owned();
    loop {
        let page = stage.get(&format!("{url}?limit=2{cursor}"));
        let ids = ids(&page);
        cursor = next(&ids);
        let done = page["has_more"] == false;
        pages.push(ids);
        if done {
            return pages;
        }
    }
}

#[test]
fn what_a_list_does_not_take_is_refused() {
    let mut stage = Stage::new();
    for (name, _) in LISTS {
        for wrong in ["limit=0", "limit=101", "starting_after=none_1", "colour=red"] {
            let (status, error) = stage.refused(&ApiRequest::get(&format!("/v1/{name}?{wrong}")));
            assert_eq!(status, 400, "{name}?{wrong}: {error:#}");
        }
    }
}

#[test]
fn every_list_pages_both_ways_without_a_gap() {
    let mut stage = seven_payments();
    for (name, _) in LISTS {
        let url = format!("/v1/{name}");
        let whole = ids(&stage.get(&format!("{url}?limit=100")));
        assert!(whole.len() >= 7, "{name}");
        let older = pages(&mut stage, &url, "", |page| format!("&starting_after={}", page[page.len() - 1]));
        assert_eq!(older.concat(), whole, "{name}");
        let oldest = whole[whole.len() - 1].clone();
        let newer = pages(&mut stage, &url, &format!("&ending_before={oldest}"), |page| {
            format!("&ending_before={}", page[0])
        });
        let newer: Vec<String> = newer.into_iter().rev().flatten().chain([oldest]).collect();
        assert_eq!(newer, whole, "{name}");
    }
}

#[test]
fn every_list_is_bounded_by_time_and_shows_what_is_asked_for() {
    let mut stage = seven_payments();
    for (name, expandable) in LISTS {
        let of = |range: &str, stage: &mut Stage| ids(&stage.get(&format!("/v1/{name}?limit=100{range}")));
        let (from, to) = (1_795_000_060, 1_795_000_180);
        let between = of(&format!("&created[gte]={from}&created[lte]={to}"), &mut stage);
        let outside = of(&format!("&created[lt]={from}"), &mut stage).len()
            + of(&format!("&created[gt]={to}"), &mut stage).len();
        assert!(between.len() >= 3, "{name}");
        assert_eq!(between.len() + outside, of("", &mut stage).len(), "{name}");
        let expand: String = expandable.iter().map(|path| format!("&expand[]={path}")).collect();
        let shown = stage.get(&format!("/v1/{name}?limit=3{expand}"));
        for path in expandable {
            let found = path.split('.').skip(1).fold(&shown["data"][0], |object, step| &object[step]);
            assert!(found["object"].is_string(), "{name} {path}: {found}");
        }
    }
}

#[test]
fn the_last_and_the_first_second_there_is_bound_a_list_of_nothing() {
    let mut stage = Stage::new();
    stage.post("/v1/customers", "name=Ann");
    for range in ["gt=9223372036854775807", "lt=-9223372036854775808"] {
        let (name, value) = range.split_once('=').unwrap();
        assert!(ids(&stage.get(&format!("/v1/customers?created[{name}]={value}"))).is_empty(), "{range}");
    }
}

#[test]
fn a_list_is_newest_first_also_after_the_clock_was_turned_back() {
    let mut stage = Stage::new();
    let made = |stage: &mut Stage, name: &str| {
        stage.post("/v1/customers", &format!("name={name}"))["id"].as_str().unwrap().to_owned()
    };
    let first = made(&mut stage, "Ann");
    stage.stripe.advance_clock(std::time::Duration::from_secs(3_600));
    let ahead = made(&mut stage, "Bob");
    stage.stripe.reset_clock();
    stage.wait(60);
    let later = made(&mut stage, "Cyd");
    assert_eq!(ids(&stage.get("/v1/customers")), [ahead.clone(), later.clone(), first]);
    assert_eq!(stage.get(&format!("/v1/customers/{later}"))["name"], "Cyd");
    let since = 1_795_000_000 + 30;
    assert_eq!(ids(&stage.get(&format!("/v1/customers?created[gte]={since}"))), [ahead, later]);
}
