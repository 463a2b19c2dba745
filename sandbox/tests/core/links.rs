//! Payment Links: an address that opens a session for whoever comes.

use sandbox::{ApiRequest, LinkClosed, Visit};
use serde_json::{Value, json};

use crate::{GOOD_CARD, Stage};

impl Stage {
    fn price(&mut self, amount: i64) -> String {
        let form = format!("currency=usd&unit_amount={amount}&product_data[name]=Tea");
        self.post("/v1/prices", &form)["id"].as_str().unwrap().to_owned()
    }

    fn link(&mut self, form: &str) -> String {
        self.post("/v1/payment_links", form)["id"].as_str().unwrap().to_owned()
    }

    fn open(&mut self, link: &str, visit: Visit) -> Value {
        let cx = self.cx();
        let session = self.stripe.open_link(link, &visit, &cx).unwrap();
        self.get(&format!("/v1/checkout/sessions/{session}?expand[]=line_items"))
    }
}

#[test]
fn a_link_shows_what_the_real_one_shows() {
    let mut stage = Stage::new();
    let price = stage.price(4900);
    let link = stage.post(
        "/v1/payment_links",
        &format!("line_items[0][price]={price}&line_items[0][quantity]=1&metadata[makegood]=yes"),
    );
    assert!(link["id"].as_str().unwrap().starts_with("plink_"));
    let own = ["id", "url", "metadata", "currency"].into_iter().map(|name| &link[name]);
    assert!(own.into_iter().all(|value| !value.is_null()));
    for (name, value) in [
        ("object", json!("payment_link")),
        ("active", json!(true)),
        ("livemode", json!(false)),
        ("allow_promotion_codes", json!(false)),
        ("billing_address_collection", json!("auto")),
        ("payment_method_collection", json!("always")),
        ("customer_creation", json!("if_required")),
        ("submit_type", json!("auto")),
        ("restrictions", Value::Null),
        ("custom_fields", json!([])),
        ("shipping_options", json!([])),
        (
            "after_completion",
            json!({"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": null}}),
        ),
    ] {
        assert_eq!(link[name], value, "{name}");
    }
    let id = link["id"].as_str().unwrap();
    assert_eq!(stage.get(&format!("/v1/payment_links/{id}"))["url"], link["url"]);
    let lines = stage.get(&format!("/v1/payment_links/{id}/line_items"));
    assert_eq!(lines["data"][0]["price"]["id"], price.as_str());
    assert_eq!(stage.get("/v1/payment_links")["data"][0]["id"], id);
    assert_eq!(stage.kinds().last(), Some(&"payment_link.created"));
}

#[test]
fn everybody_who_comes_gets_a_session_of_their_own() {
    let mut stage = Stage::new();
    let (tea, cup) = (stage.price(4900), stage.price(100));
    let link = stage.link(&format!(
        "line_items[0][price]={tea}&line_items[0][quantity]=1&line_items[0][adjustable_quantity][enabled]=true\
         &line_items[0][adjustable_quantity][maximum]=3&line_items[1][price]={cup}&line_items[1][quantity]=2\
         &metadata[campaign]=spring&payment_intent_data[metadata][a]=b"
    ));
    let visit = Visit { client_reference_id: Some("typed".into()), quantity: Some(9), ..Visit::default() };
    let session = stage.open(&link, visit);
    assert_eq!((&session["payment_link"], &session["client_reference_id"]), (&json!(link), &json!("typed")));
    assert_eq!((&session["metadata"]["campaign"], &session["status"]), (&json!("spring"), &json!("open")));
    assert_eq!(session["amount_total"], 3 * 4900 + 2 * 100);
    let other = stage.open(&link, Visit::default());
    assert_ne!(other["id"], session["id"]);
    assert_ne!(other["line_items"]["data"][0]["id"], session["line_items"]["data"][0]["id"]);
    stage.pay(session["id"].as_str().unwrap(), GOOD_CARD);
    let told = stage
        .stripe
        .events()
        .iter()
        .find(|event| event.kind == "checkout.session.completed")
        .unwrap()
        .to_json();
    assert_eq!(told["data"]["object"]["payment_link"], link.as_str());
    let sold = stage.get(&format!("/v1/checkout/sessions?payment_link={link}&status=complete"));
    assert_eq!((sold["data"].as_array().unwrap().len(), &sold["data"][0]["id"]), (1, &session["id"]));
    let intent =
        stage.get(&format!("/v1/payment_intents/{}", sold["data"][0]["payment_intent"].as_str().unwrap()));
    assert_eq!(intent["metadata"], json!({"a": "b"}));
}

#[test]
fn more_than_ten_lines_are_read_page_by_page() {
    let mut stage = Stage::new();
    let mut form = String::new();
    for at in 0..13 {
        let price = stage.price(100 + at);
        form.push_str(&format!("&line_items[{at}][price]={price}&line_items[{at}][quantity]=1"));
    }
    let link = stage.link(&form[1..]);
    let session = stage.open(&link, Visit::default());
    let first = &session["line_items"];
    assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"]), (10, &json!(true)));
    let path = format!(
        "/v1/checkout/sessions/{}/line_items?limit=100&starting_after={}",
        session["id"].as_str().unwrap(),
        first["data"][9]["id"].as_str().unwrap()
    );
    let rest = stage.get(&path);
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (3, &json!(false)));
}

#[test]
fn a_link_that_is_off_or_sold_out_opens_nothing() {
    let mut stage = Stage::new();
    let price = stage.price(4900);
    let lines = format!("line_items[0][price]={price}&line_items[0][quantity]=1");
    let link = stage.link(&format!("{lines}&restrictions[completed_sessions][limit]=1"));
    let session = stage.open(&link, Visit::default());
    stage.pay(session["id"].as_str().unwrap(), GOOD_CARD);
    let cx = stage.cx();
    let opened = |stage: &mut Stage, link: &str| stage.stripe.open_link(link, &Visit::default(), &cx);
    assert!(matches!(opened(&mut stage, &link), Err(LinkClosed::Inactive(_))));
    let other = stage.link(&lines);
    stage.post(&format!("/v1/payment_links/{other}"), "active=false&inactive_message=Gone");
    assert_eq!(opened(&mut stage, &other), Err(LinkClosed::Inactive("Gone".into())));
    assert_eq!(opened(&mut stage, "plink_none"), Err(LinkClosed::Unknown));
}

#[test]
fn what_a_link_cannot_be_is_refused_in_stripes_words() {
    let mut stage = Stage::new();
    let refused = |stage: &mut Stage, form: &str| stage.refused(&ApiRequest::post("/v1/payment_links", form));
    let (status, error) = refused(&mut stage, "metadata[a]=b");
    assert_eq!((status, &error["param"]), (400, &json!("line_items")));
    let (_, error) = refused(&mut stage, "line_items[0][price]=price_none&line_items[0][quantity]=1");
    assert_eq!(error["code"], "resource_missing");
    let (_, error) = refused(&mut stage, "line_items[0][price]=price_none&success_url=https://a.test");
    assert_eq!(error["code"], "parameter_unknown");
    assert_eq!(stage.refused(&ApiRequest::get("/v1/payment_links/plink_none")).0, 404);
}
