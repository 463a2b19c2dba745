use sandbox::ApiRequest;

use crate::{BASKET, Stage};

fn refusal(form: &str) -> (String, String) {
    let (status, error) = Stage::new().refused(&ApiRequest::post("/v1/checkout/sessions", form));
    assert_eq!(status, 400, "{error}");
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("param"))
}

fn says(code: &str, param: &str) -> (String, String) {
    (code.to_owned(), param.to_owned())
}

#[test]
fn an_unknown_parameter_is_named_as_it_was_written() {
    assert_eq!(refusal(&format!("{BASKET}&colour=red")), says("parameter_unknown", "colour"));
    let nested = format!("{BASKET}&line_items[0][price_data][color]=red");
    assert_eq!(refusal(&nested), says("parameter_unknown", "line_items[0][price_data][color]"));
}

#[test]
fn a_missing_parameter_is_named() {
    assert_eq!(refusal("mode=payment&success_url=https://s.test"), says("parameter_missing", "line_items"));
    assert_eq!(refusal("mode=payment&line_items[0][price]=p"), says("parameter_missing", "success_url"));
    let no_quantity = "mode=payment&success_url=https://s.test&line_items[0][price]=p";
    assert_eq!(refusal(no_quantity), says("parameter_missing", "line_items[0][quantity]"));
}

#[test]
fn payment_method_types_are_no_longer_taken() {
    let code = "payment_method_types_no_longer_supported";
    assert_eq!(
        refusal(&format!("{BASKET}&payment_method_types[0]=card")),
        says(code, "payment_method_types")
    );
    let form = "amount=100&currency=usd&payment_method_types[]=card";
    let (_, error) = Stage::new().refused(&ApiRequest::post("/v1/payment_intents", form));
    assert_eq!(error["code"], code);
}

#[test]
fn expires_at_is_between_half_an_hour_and_a_day_ahead() {
    for (seconds, good) in [(1799, false), (1800, true), (86_400, true), (86_401, false)] {
        let form = format!("{BASKET}&expires_at={}", 1_795_000_000 + seconds);
        let status = Stage::new().send(&ApiRequest::post("/v1/checkout/sessions", &form)).status;
        assert_eq!(status == 200, good, "{seconds}");
    }
}

#[test]
fn metadata_has_limits() {
    let long = "k".repeat(41);
    assert_eq!(refusal(&format!("{BASKET}&metadata[{long}]=v")).1, format!("metadata[{long}]"));
    let value = "v".repeat(501);
    assert_eq!(refusal(&format!("{BASKET}&metadata[k]={value}")).1, "metadata[k]");
    let many: String = (0..51).map(|n| format!("&metadata[k{n}]=v")).collect();
    assert_eq!(refusal(&format!("{BASKET}{many}")).1, "metadata");
    let (fits, value) = ("k".repeat(40), "é".repeat(500));
    Stage::new().session_with(&format!("&metadata[{fits}]={value}"));
}

#[test]
fn an_unknown_object_is_404_in_the_path_and_400_as_a_parameter() {
    let mut stage = Stage::new();
    let (status, error) = stage.refused(&ApiRequest::get("/v1/checkout/sessions/cs_test_none"));
    assert_eq!((status, &error["code"]), (404, &"resource_missing".into()));
    let (status, error) =
        stage.refused(&ApiRequest::post("/v1/checkout/sessions", &format!("{BASKET}&customer=cus_1")));
    assert_eq!((status, &error["param"]), (400, &"customer".into()));
}

#[test]
fn a_wrong_key_is_401() {
    let mut stage = Stage::new();
    for key in ["Bearer sk_live_123", "Bearer nonsense", ""] {
        let request = ApiRequest::get("/v1/events").header("Authorization", key);
        assert_eq!(stage.refused(&request).0, 401, "{key}");
    }
}

#[test]
fn a_version_that_stripe_never_had_is_refused_and_the_answer_says_which_one_it_has() {
    let mut stage = Stage::new();
    let asked = |version: &str| ApiRequest::get("/v1/events").header("Stripe-Version", version);
    let (status, error) = stage.refused(&asked("banana"));
    assert_eq!(status, 400);
    assert!(error["message"].as_str().unwrap().starts_with("Invalid Stripe API version: banana"), "{error}");
    let answer = stage.send(&asked("2024-06-20"));
    let said =
        answer.headers.iter().find(|(name, _)| name == "Stripe-Version").map(|(_, value)| value.as_str());
    assert_eq!((answer.status, said), (200, Some(sandbox::API_VERSION)));
}

#[test]
fn what_an_older_version_says_of_the_ways_to_pay_is_taken() {
    let mut stage = Stage::new();
    let under = |version: &str, kind: &str| {
        let form = format!("{BASKET}&ui_mode=hosted&payment_method_types[0]={kind}");
        ApiRequest::post("/v1/checkout/sessions", &form).header("Stripe-Version", version)
    };
    stage.good(&under("2025-09-30.clover", "card"));
    assert_eq!(stage.refused(&under("2025-09-30.clover", "klarna")).1["param"], "payment_method_types");
    assert_eq!(stage.refused(&under(sandbox::API_VERSION, "card")).1["param"], "payment_method_types");
    let intent = "amount=500&currency=usd&payment_method_types[]=card";
    let intent = ApiRequest::post("/v1/payment_intents", intent);
    stage.good(&intent.clone().header("Stripe-Version", "2024-11-20.acacia"));
    assert_eq!(stage.refused(&intent).1["code"], "payment_method_types_no_longer_supported");
}

#[test]
fn an_endpoint_that_wants_another_version_than_is_delivered_is_refused() {
    let mut stage = Stage::new();
    let endpoint = |version: &str| {
        let form = format!("url=https://shop.test/hooks&enabled_events[]=*&api_version={version}");
        ApiRequest::post("/v1/webhook_endpoints", &form)
    };
    for other in ["2024-06-20", "banana"] {
        assert_eq!(stage.refused(&endpoint(other)).1["param"], "api_version");
    }
    assert_eq!(stage.good(&endpoint(sandbox::API_VERSION))["api_version"], sandbox::API_VERSION);
}

#[test]
fn what_stripe_knows_and_the_sandbox_does_not_is_told_apart_from_a_slip_of_the_pen() {
    let mut stage = Stage::new();
    let mut message = |path: &str, form: &str| {
        let (status, error) = stage.refused(&ApiRequest::post(path, form));
        assert_eq!((status, &error["code"]), (400, &"parameter_unknown".into()));
        error["message"].as_str().unwrap().to_owned()
    };
    let session = "/v1/checkout/sessions";
    for (path, known, name) in [
        (session, format!("{BASKET}&custom_fields[0][key]=size"), "custom_fields"),
        (
            session,
            format!("{BASKET}&payment_intent_data[on_behalf_of]=acct_1"),
            "payment_intent_data[on_behalf_of]",
        ),
        ("/v1/products", "name=Tea&package_dimensions[height]=1".into(), "package_dimensions"),
        ("/v1/payment_intents/pi_1/capture", "amount_to_capture=100".into(), "amount_to_capture"),
    ] {
        let said = message(path, &known);
        assert!(said.starts_with(&format!("Stripe knows the parameter {name},")), "{said}");
    }
    for (path, unknown) in [(session, "costum_fields=1"), ("/v1/products", "custom_fields=1")] {
        let said = message(path, unknown);
        assert!(said.starts_with("Received unknown parameter"), "{said}");
    }
}

#[test]
fn a_search_is_no_id() {
    let mut stage = Stage::new();
    for what in ["customers", "payment_intents", "charges", "products", "prices"] {
        let (status, error) = stage.refused(&ApiRequest::get(&format!("/v1/{what}/search?query=x")));
        assert_eq!(status, 404);
        assert!(error["message"].as_str().unwrap().starts_with("Unrecognized request URL"), "{error}");
    }
}

#[test]
fn a_choice_that_the_page_does_not_offer_is_refused() {
    let mut stage = Stage::new();
    let way = |at: u32| {
        format!(
            "&shipping_options[{at}][shipping_rate_data][display_name]=Post\
             &shipping_options[{at}][shipping_rate_data][fixed_amount][amount]=500\
             &shipping_options[{at}][shipping_rate_data][fixed_amount][currency]=usd"
        )
    };
    stage.session_with(&way(0));
    let two = format!("{BASKET}{}{}", way(0), way(1));
    assert_eq!(
        stage.refused(&ApiRequest::post("/v1/checkout/sessions", &two)).1["param"],
        "shipping_options"
    );
}

#[test]
fn two_currencies_do_not_mix() {
    let more = "&line_items[1][price_data][currency]=eur&line_items[1][price_data][unit_amount]=1\
                &line_items[1][price_data][product_data][name]=Cup&line_items[1][quantity]=1";
    assert_eq!(refusal(&format!("{BASKET}{more}")).1, "line_items[1][price]");
}

fn basket(currency: &str, unit_amount: i64) -> String {
    BASKET
        .replace("=usd", &format!("={currency}"))
        .replace("=2450", &format!("={unit_amount}"))
        .replace("[quantity]=2", "[quantity]=1")
}

#[test]
fn a_sum_that_stripe_would_not_charge_is_refused_and_nothing_at_all_is_fine() {
    let mut stage = Stage::new();
    let mut code = |path: &str, form: &str| {
        let response = stage.send(&ApiRequest::post(path, form));
        let code = response.body["error"]["code"].as_str().unwrap_or_default().to_owned();
        (response.status, code)
    };
    for (currency, minor, expected) in [
        ("usd", 49, "amount_too_small"),
        ("usd", 50, ""),
        ("gbp", 29, "amount_too_small"),
        ("gbp", 30, ""),
        ("jpy", 49, "amount_too_small"),
        ("huf", 17_499, "amount_too_small"),
        ("isk", 100, ""),
        ("kwd", 1_230, ""),
        ("usd", 99_999_999, ""),
        ("usd", 100_000_000, "amount_too_large"),
        ("inr", 100_000_000, ""),
        ("usd", 0, "free"),
    ] {
        let session = code("/v1/checkout/sessions", &basket(currency, minor));
        let intent = code("/v1/payment_intents", &format!("currency={currency}&amount={minor}"));
        match expected {
            "" => assert_eq!((session.0, intent.0), (200, 200), "{minor} {currency}"),
            "free" => assert_eq!((session.0, intent.1.as_str()), (200, "amount_too_small")),
            _ => assert_eq!(
                (session.1.as_str(), intent.1.as_str()),
                (expected, expected),
                "{minor} {currency}"
            ),
        }
    }
    for (currency, minor) in [("isk", 101), ("ugx", 5_050), ("kwd", 1_234)] {
        let intent = code("/v1/payment_intents", &format!("currency={currency}&amount={minor}"));
        assert_eq!(intent.0, 400, "{minor} {currency}: no such sum is charged");
    }
    let link = "line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=49\
                &line_items[0][price_data][product_data][name]=Tea&line_items[0][quantity]=1";
    assert_eq!(code("/v1/payment_links", link).1, "amount_too_small");
}

#[test]
fn a_currency_that_stripe_does_not_know_is_refused_with_those_that_it_knows() {
    let mut stage = Stage::new();
    let (status, error) = stage.refused(&ApiRequest::post("/v1/payment_intents", "currency=xxx&amount=500"));
    assert_eq!((status, &error["param"]), (400, &"currency".into()));
    assert!(error["message"].as_str().unwrap().contains("usd, aed"), "{error}");
    assert_eq!(stage.refused(&ApiRequest::post("/v1/checkout/sessions", &basket("xxx", 500))).0, 400);
}

#[test]
fn a_price_or_a_product_that_was_taken_off_is_not_sold() {
    let mut stage = Stage::new();
    let price = stage.post("/v1/prices", "currency=usd&unit_amount=500&product_data[name]=Tea");
    let (id, product) = (price["id"].as_str().unwrap(), price["product"].as_str().unwrap());
    let form = format!(
        "mode=payment&success_url=https://shop.test/&line_items[0][price]={id}&line_items[0][quantity]=1"
    );
    let order = ApiRequest::post("/v1/checkout/sessions", &form);
    stage.good(&order);
    stage.post(&format!("/v1/products/{product}"), "active=false");
    let (status, error) = stage.refused(&order);
    assert_eq!((status, &error["param"]), (400, &"line_items[0][price]".into()));
    assert!(error["message"].as_str().unwrap().contains("its product is not active"), "{error}");
    stage.post(&format!("/v1/products/{product}"), "active=true");
    stage.good(&order);
    stage.post(&format!("/v1/prices/{id}"), "active=false");
    let (_, error) = stage.refused(&order);
    assert!(error["message"].as_str().unwrap().contains("inactive"), "{error}");
}

#[test]
fn a_request_deeper_than_any_object_is_refused_and_the_account_lives_on() {
    let mut stage = Stage::new();
    let deep = format!("metadata{}=1", "[a]".repeat(100_000));
    assert_eq!(stage.refused(&ApiRequest::post("/v1/customers", &deep)).0, 400);
    let id = stage.session();
    stage.pay(&id, crate::GOOD_CARD);
    let path = |steps: usize| vec!["payment_intent.latest_charge"; steps].join(".");
    let (status, error) =
        stage.refused(&ApiRequest::get(&format!("/v1/checkout/sessions/{id}?expand[]={}", path(10_000))));
    assert_eq!((status, &error["param"]), (400, &"expand".into()));
    stage.get(&format!("/v1/checkout/sessions/{id}?expand[]={}", path(2)));
}

#[test]
fn a_setting_that_is_only_shown_is_refused_when_it_is_wrong_and_has_its_type_when_it_is_right() {
    for (wrong, param) in [
        ("locale=xx", "locale"),
        ("submit_type=12", "submit_type"),
        ("allow_promotion_codes=maybe", "allow_promotion_codes"),
        ("billing_address_collection=7", "billing_address_collection"),
        ("phone_number_collection[enabled]=5", "phone_number_collection[enabled]"),
        ("custom_text[colour][message]=a", "custom_text[colour]"),
        ("custom_text[submit]=a", "custom_text[submit]"),
        (
            "shipping_address_collection[allowed_countries][0]=XX",
            "shipping_address_collection[allowed_countries]",
        ),
        ("shipping_address_collection[colour]=1", "shipping_address_collection[colour]"),
        ("tax_id_collection[required]=never", "tax_id_collection[enabled]"),
    ] {
        assert_eq!(refusal(&format!("{BASKET}&{wrong}")).1, param, "{wrong}");
    }
    let mut stage = Stage::new();
    let id = stage.session_with(
        "&custom_text[submit][message]=42&custom_text[after_submit]=\
        &phone_number_collection[enabled]=True&excluded_payment_method_types[0]=alipay",
    );
    let session = stage.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!(session["custom_text"]["submit"]["message"], "42");
    assert_eq!(session["custom_text"]["after_submit"], serde_json::Value::Null);
    assert_eq!(session["phone_number_collection"]["enabled"], true);
    assert_eq!(session["excluded_payment_method_types"][0], "alipay");
}

#[test]
fn an_address_that_leads_nowhere_or_somewhere_bad_is_refused() {
    let elsewhere = |url: &str| BASKET.replace("https://shop.test/thanks?s={CHECKOUT_SESSION_ID}", url);
    for url in
        ["nonsense", "javascript:alert(1)", "https://", "https:///x", "https://shop.test/%0d%0aX-Evil:1"]
    {
        assert_eq!(refusal(&elsewhere(url)), says("url_invalid", "success_url"), "{url}");
        let cancel = format!("{BASKET}&cancel_url={url}");
        assert_eq!(refusal(&cancel), says("url_invalid", "cancel_url"), "{url}");
    }
}

#[test]
fn an_email_and_a_reference_have_their_shape() {
    for email in ["notmail", "@b.c", "a@", "a@b@c", "a b@c.d"] {
        let form = format!("{BASKET}&customer_email={email}");
        assert_eq!(refusal(&form), says("email_invalid", "customer_email"), "{email}");
    }
    let long = "r".repeat(201);
    assert_eq!(refusal(&format!("{BASKET}&client_reference_id={long}")).1, "client_reference_id");
    Stage::new().session_with(&format!("&client_reference_id={}", "é".repeat(200)));
}

#[test]
fn metadata_sent_empty_is_cleared_and_metadata_not_sent_stays() {
    let mut stage = Stage::new();
    let session = format!("/v1/checkout/sessions/{}", stage.session_with("&metadata[a]=1&metadata[b]="));
    let customer = stage.post("/v1/customers", "metadata[a]=1&metadata[b]=");
    let customer = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
    for path in [session, customer] {
        assert_eq!(
            stage.get(&path)["metadata"],
            serde_json::json!({ "a": "1" }),
            "an empty value sets no key"
        );
        stage.post(&path, "");
        assert_eq!(stage.post(&path, "metadata[c]=2")["metadata"], serde_json::json!({ "a": "1", "c": "2" }));
        assert_eq!(stage.post(&path, "metadata=")["metadata"], serde_json::json!({}));
    }
}
