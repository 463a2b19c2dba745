//! Every object and event that a full story produces, held against Stripe's own schema.

use std::path::PathBuf;

use sandbox::{
    Authentication, DisputeStatus, DisputeStep, Later, NewDispute, NewRefund, PayOutcome, Payment,
    RefundStatus, ReviewClosed, ReviewOpened, Settings, Visit,
};
use serde_json::{Map, Value, json};

use crate::{DECLINED_CARD, GOOD_CARD, SECURE_CARD, Stage};

const FILE: &str = "stripe-spec-trimmed-2026-10-28.endive.json";

fn spec() -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/stripe");
    let folder =
        std::env::var_os("MAKEGOOD_STRIPE_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// Collects what is wrong with a value, with the path to it.
struct Validator<'a> {
    schemas: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl Validator<'_> {
    /// Checks an object by its own `object` member.
    fn object(&mut self, object: &Value) {
        let kind = object["object"].as_str().unwrap_or("nothing").to_owned();
        let name = if object["deleted"] == true { format!("deleted_{kind}") } else { kind };
        match self.schemas.get(&name) {
            Some(schema) => self.check(object, schema, &name),
            // The trimmed spec has none of either.
            None if name.starts_with("deleted_") || name == "payment_link" => {}
            None => self.wrong.push(format!("no schema for {name}")),
        }
    }

    fn check(&mut self, value: &Value, schema: &Value, path: &str) {
        if value.is_null() {
            if schema["nullable"] != true && !schema.as_object().unwrap().is_empty() {
                self.wrong.push(format!("{path} is null"));
            }
        } else if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/schemas/");
            if let Some(schema) = self.schemas.get(name) {
                self.check(value, schema, path);
            }
        } else if let Some(choices) = schema["anyOf"].as_array() {
            self.any_of(value, choices, path);
        } else if schema.get("x-expandable").is_some() && value.is_object() {
            self.object(value);
        } else if schema["properties"].get("_coefficient").is_some() {
            // The packages turn decimal texts into an object of their own; on the wire they are texts.
            self.expect(value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()), path, value);
        } else {
            self.check_type(value, schema, path);
        }
    }

    fn any_of(&mut self, value: &Value, choices: &[Value], path: &str) {
        let fits = |choice: &Value| {
            let mut attempt = Validator { schemas: self.schemas, wrong: Vec::new() };
            attempt.check(value, choice, path);
            attempt.wrong.is_empty()
        };
        let fits = choices.iter().any(fits);
        self.expect(fits, path, value);
    }

    fn check_type(&mut self, value: &Value, schema: &Value, path: &str) {
        match schema["type"].as_str() {
            Some("string") => self.expect(value.is_string(), path, value),
            Some("number") => self.expect(value.is_number(), path, value),
            Some("boolean") => self.expect(value.is_boolean(), path, value),
            Some("array") => match value.as_array() {
                Some(members) => {
                    members.iter().for_each(|m| self.check(m, &schema["items"], &format!("{path}[]")))
                }
                None => self.expect(false, path, value),
            },
            Some("object") => self.check_members(value, schema, path),
            _ => {}
        }
        if let Some(choices) = schema["enum"].as_array() {
            self.expect(choices.contains(value), path, value);
        }
    }

    fn check_members(&mut self, value: &Value, schema: &Value, path: &str) {
        let Some(members) = value.as_object() else { return self.expect(false, path, value) };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.wrong.push(format!("{path}.{name} is missing"));
            }
        }
        let Some(known) = schema["properties"].as_object() else {
            let every = &schema["additionalProperties"];
            if every.is_object() {
                members
                    .iter()
                    .for_each(|(name, member)| self.check(member, every, &format!("{path}.{name}")));
            }
            return;
        };
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => self.check(member, schema, &format!("{path}.{name}")),
                None => self.wrong.push(format!("{path}.{name} is unknown")),
            }
        }
    }

    fn expect(&mut self, good: bool, path: &str, value: &Value) {
        if !good {
            self.wrong.push(format!("{path} is {value}"));
        }
    }
}

/// One of everything; returns all objects that the API shows at the end.
fn full_story(stage: &mut Stage) -> Vec<Value> {
    let cx = stage.cx();
    let mut seen =
        vec![stage.post("/v1/webhook_endpoints", "url=https://shop.test/hooks&enabled_events[]=*")];
    let customer =
        stage.post("/v1/customers", "email=a@b.c&name=Ann&address[line1]=1+Road&address[country]=SG");
    let id = customer["id"].as_str().unwrap().to_owned();
    seen.push(stage.post(&format!("/v1/customers/{id}"), "phone=123&preferred_locales[]=en&metadata[a]=b"));
    seen.push(stage.post(
        "/v1/products",
        "name=Tea&default_price_data[currency]=usd&default_price_data[unit_amount]=100",
    ));
    let product = seen.last().unwrap()["id"].as_str().unwrap().to_owned();
    stage.post(&format!("/v1/products/{product}"), "description=Green&images[]=https://shop.test/tea.png");
    let price =
        stage.post("/v1/prices", &format!("currency=jpy&unit_amount=4900&product={product}&lookup_key=tea"));
    seen.push(price.clone());
    stage.post(&format!("/v1/prices/{}", price["id"].as_str().unwrap()), "nickname=best&active=false");
    seen.push(
        stage.post(
            "/v1/prices",
            "currency=usd&unit_amount=5&product_data[name]=Club&recurring[interval]=month",
        ),
    );
    seen.push(stage.post("/v1/coupons", "id=TEN&percent_off=12.5&duration=once"));
    seen.push(
        stage.post("/v1/coupons", "amount_off=100&currency=usd&duration=repeating&duration_in_months=3"),
    );
    seen.push(stage.post("/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=TEN&code=SPRING"));
    let promotion = seen.last().unwrap()["id"].as_str().unwrap().to_owned();

    let cup = stage.post("/v1/prices", "currency=usd&unit_amount=500&product_data[name]=Cup");
    let link = stage.post(
        "/v1/payment_links",
        &format!(
            "line_items[0][price]={}&line_items[0][quantity]=2&metadata[a]=b",
            cup["id"].as_str().unwrap()
        ),
    );
    let of_link = stage.stripe.open_link(link["id"].as_str().unwrap(), &Visit::default(), &cx).unwrap();
    seen.push(stage.get(&format!("/v1/checkout/sessions/{of_link}?expand[]=line_items")));
    stage.pay(&of_link, GOOD_CARD);
    seen.push(stage.get(&format!("/v1/checkout/sessions/{of_link}?expand[]=payment_intent.latest_charge")));

    let settings = "&allow_promotion_codes=true&locale=en&submit_type=pay&billing_address_collection=required\
        &phone_number_collection[enabled]=true&consent_collection[terms_of_service]=required\
        &custom_text[submit][message]=Soon&shipping_address_collection[allowed_countries][]=SG\
        &tax_id_collection[enabled]=true&automatic_tax[enabled]=true&metadata[n]=1&customer_creation=always\
        &shipping_options[0][shipping_rate_data][display_name]=Post\
        &shipping_options[0][shipping_rate_data][fixed_amount][amount]=500\
        &shipping_options[0][shipping_rate_data][fixed_amount][currency]=usd";
    let rich = stage.session_with(settings);
    seen.push(stage.get(&format!("/v1/checkout/sessions/{rich}?expand[]=line_items")));
    stage.pay(&rich, DECLINED_CARD);
    stage.pay(&rich, GOOD_CARD);
    let secure = stage.session_with(&format!("&customer={id}&discounts[0][promotion_code]={promotion}"));
    let PayOutcome::NeedsAuthentication { token } = stage.pay(&secure, SECURE_CARD) else { panic!() };
    seen.push(
        stage.get(&format!("/v1/checkout/sessions/{secure}?expand[]=payment_intent&expand[]=customer")),
    );
    stage.stripe.authenticate(&secure, &token, Authentication::Fail, &cx).unwrap();
    let PayOutcome::NeedsAuthentication { token } = stage.pay(&secure, SECURE_CARD) else { panic!() };
    stage.stripe.authenticate(&secure, &token, Authentication::Complete, &cx).unwrap();
    for outcome in [Later::Succeeds, Later::Fails] {
        let session = stage.session();
        stage.pay_by(&session, &Payment::by_bank_debit(outcome));
    }
    let free = stage.session();
    stage.post("/v1/coupons", "id=FREE&percent_off=100&duration=once");
    stage.post(&format!("/v1/checkout/sessions/{free}"), "metadata[later]=1");
    let expired = stage.session_with("&discounts[0][coupon]=FREE");
    stage.pay(&expired, GOOD_CARD);
    stage.post(&format!("/v1/checkout/sessions/{free}/expire"), "");
    for card in ["4000000000005126", "4000000000007726", "4000000000009235"] {
        let intent = stage.paid(card);
        let refund =
            stage.post("/v1/refunds", &format!("payment_intent={intent}&amount=100&reason=duplicate"));
        let id = refund["id"].as_str().unwrap();
        seen.push(stage.post(&format!("/v1/refunds/{id}"), "metadata[why]=test"));
    }
    let form = "amount=100&currency=usd&confirm=true&payment_method=pm_card_visa&capture_method=manual";
    let held = stage.post("/v1/payment_intents", form);
    stage.post(&format!("/v1/payment_intents/{}/capture", held["id"].as_str().unwrap()), "");
    money_back(stage, &mut seen);
    stage.wait(60);
    stage.good(&sandbox::ApiRequest::delete(&format!("/v1/customers/{id}")));
    for list in [
        "checkout/sessions",
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "radar/early_fraud_warnings",
        "reviews",
        "customers",
        "products",
        "prices",
        "coupons",
        "promotion_codes",
        "webhook_endpoints",
    ] {
        seen.extend(stage.get(&format!("/v1/{list}?limit=100"))["data"].as_array().unwrap().iter().cloned());
    }
    let expanded = "expand[]=data.latest_charge.balance_transaction&expand[]=data.latest_charge.refunds";
    seen.extend(
        stage.get(&format!("/v1/payment_intents?{expanded}"))["data"].as_array().unwrap().iter().cloned(),
    );
    let lines = stage.get(&format!("/v1/checkout/sessions/{rich}/line_items"));
    seen.extend(lines["data"].as_array().unwrap().iter().cloned());
    seen
}

/// Disputes in every status that the schema knows, warnings, reviews, and refunds that go wrong.
fn money_back(stage: &mut Stage, seen: &mut Vec<Value>) {
    let cx = stage.cx();
    for card in ["4000000000000259", "4000000000001976", "4000000404000079", "4000000000005423"] {
        stage.paid(card);
    }
    let debited = stage.session();
    stage.pay_by(&debited, &Payment::by_bank_debit(Later::Succeeds));
    stage.wait(30);
    stage.stripe.open_dispute(&debited, &NewDispute::because("debit_not_authorized"), &cx).unwrap();
    let pending = stage.paid("pm_card_pendingRefund");
    stage.post("/v1/refunds", &format!("payment_intent={pending}"));
    for step in DisputeStep::ALL.into_iter().filter(|step| *step != DisputeStep::RefundInstead) {
        for start in [DisputeStatus::WarningNeedsResponse, DisputeStatus::NeedsResponse, DisputeStatus::Lost]
        {
            let intent = stage.paid(GOOD_CARD);
            let dispute =
                stage.stripe.open_dispute(&intent, &NewDispute::default().starting(start), &cx).unwrap();
            if stage.stripe.move_dispute(&dispute, step, &cx).is_ok() {
                let path = format!("/v1/disputes/{dispute}?expand[]=charge&expand[]=payment_intent");
                seen.push(stage.get(&path));
            }
        }
    }
    let answered = stage.stripe.disputes().iter().find(|d| d.status == DisputeStatus::NeedsResponse);
    let path = format!("/v1/disputes/{}", answered.unwrap().id);
    seen.push(stage.post(&path, "evidence[receipt]=file_1&metadata[a]=b"));
    let prevented = NewDispute::default().starting(DisputeStatus::Prevented).due_in_days(None);
    let intent = stage.paid(GOOD_CARD);
    stage.stripe.open_dispute(&intent, &prevented, &cx).unwrap();
    for wish in [RefundStatus::Pending, RefundStatus::RequiresAction] {
        let wish = NewRefund { status: Some(wish), ..NewRefund::of(10) };
        let refund = stage.stripe.refund_in_dashboard(&intent, &wish, &cx).unwrap();
        seen.push(stage.get(&format!("/v1/refunds/{refund}?expand[]=balance_transaction")));
        stage.stripe.turn_refund(&refund, RefundStatus::Canceled, &cx).unwrap();
        seen.push(stage.get(&format!("/v1/refunds/{refund}?expand[]=failure_balance_transaction")));
    }
    for reason in [None, Some(ReviewClosed::Approved), Some(ReviewClosed::RefundedAsFraud)] {
        let intent = stage.paid(GOOD_CARD);
        let review = stage.stripe.open_review(&intent, ReviewOpened::Rule, &cx).unwrap();
        if let Some(reason) = reason {
            stage.stripe.close_review(&review, reason, &cx).unwrap();
        }
        seen.push(stage.get(&format!("/v1/reviews/{review}?expand[]=charge&expand[]=payment_intent")));
    }
    let warning = stage.stripe.warnings()[0].id.clone();
    seen.push(stage.get(&format!("/v1/radar/early_fraud_warnings/{warning}?expand[]=charge")));
}

#[test]
fn every_object_and_event_of_a_full_story_fits_the_schema() {
    let Some(spec) = spec() else {
        println!("not run: {FILE} was not found; set MAKEGOOD_STRIPE_DATA to its folder");
        return;
    };
    let mut stage = Stage::with(Settings { tax_basis_points: 900, ..Settings::default() });
    let objects = full_story(&mut stage);
    let mut validator = Validator { schemas: spec["schemas"].as_object().unwrap(), wrong: Vec::new() };
    objects.iter().for_each(|object| validator.object(object));
    let mut kinds = std::collections::BTreeSet::new();
    for event in stage.stripe.events() {
        kinds.insert(event.kind.clone());
        validator.object(&event.to_json());
        validator.object(&event.to_json()["data"]["object"]);
    }
    assert!(objects.len() > 50 && kinds.len() > 25, "{} objects, {kinds:?}", objects.len());
    validator.wrong.dedup();
    assert!(validator.wrong.is_empty(), "{:#?}", validator.wrong);
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let schema = json!({ "thing": {
        "type": "object", "required": ["object", "n"],
        "properties": {
            "object": { "type": "string", "enum": ["thing"] },
            "n": { "type": "number" },
            "s": { "type": "string", "nullable": true },
        },
    }});
    let count = |thing: Value| {
        let mut validator = Validator { schemas: schema.as_object().unwrap(), wrong: Vec::new() };
        validator.object(&thing);
        validator.wrong.len()
    };
    assert_eq!(count(json!({ "object": "thing", "n": 1, "s": null })), 0);
    assert_eq!(count(json!({ "object": "thing", "n": "1", "s": 2, "x": 3 })), 3);
    assert_eq!(count(json!({ "object": "thing" })), 1);
    assert_eq!(count(json!({ "object": "other" })), 1);
}
