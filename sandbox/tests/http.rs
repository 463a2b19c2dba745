//! The sandbox through a real listener: API, payment page, control surface, webhooks.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod server;

use serde_json::{Value, json};
use server::Server;

const BASKET: &str = "mode=payment&success_url=https://shop.test/thanks?s={CHECKOUT_SESSION_ID}\
    &cancel_url=https://shop.test/cart&line_items[0][price_data][currency]=usd\
    &line_items[0][price_data][unit_amount]=2450&line_items[0][price_data][product_data][name]=Tea+%26+cup\
    &line_items[0][quantity]=2";

async fn session(server: &Server) -> String {
    let (status, session) = server.post("/v1/checkout/sessions", BASKET).await;
    assert_eq!(status, 200, "{session}");
    session["id"].as_str().unwrap().to_owned()
}

/// Posts the payment page's form; gives the status and where it leads.
async fn submit(server: &Server, path: &str, form: &str) -> (u16, String, String) {
    let request = server.http.post(format!("{}{path}", server.url)).body(form.to_owned());
    let response = request.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();
    let leads_to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, leads_to.unwrap_or_default(), response.text().await.unwrap())
}

fn card(number: &str) -> String {
    format!("action=pay&method=card&number={number}&email=a@b.c&name=Ann&country=SG&postal_code=018956")
}

#[tokio::test]
async fn the_api_speaks_to_bearer_and_basic_keys_and_shows_its_headers() {
    let server = Server::start().await;
    let request = server.http.post(format!("{}/v1/customers", server.url)).body("email=a%40b.c");
    let response =
        request.basic_auth("sk_test_1", Some("")).header("Idempotency-Key", "k").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["request-id"].to_str().unwrap().starts_with("req_"));
    assert_eq!(response.headers()["idempotency-key"], "k");
    let response = server.http.get(format!("{}/v1/customers", server.url)).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let (status, error) = server.get("/v1/nothing").await;
    assert_eq!((status, &error["error"]["type"]), (404, &json!("invalid_request_error")));
}

#[tokio::test]
async fn a_buyer_pays_at_the_address_of_a_payment_link() {
    let server = Server::start().await;
    let (_, price) = server.post("/v1/prices", "currency=usd&unit_amount=2450&product_data[name]=Tea").await;
    let form = format!("line_items[0][price]={}&line_items[0][quantity]=2", price["id"].as_str().unwrap());
    let (_, link) = server.post("/v1/payment_links", &form).await;
    assert_eq!(link["url"], format!("{}/buy/{}", server.url, link["id"].as_str().unwrap()));
    let address =
        format!("/buy/{}?client_reference_id=typed&prefilled_email=a%40b.c", link["id"].as_str().unwrap());
    let came = server.http.get(format!("{}{address}", server.url)).send().await.unwrap();
    assert_eq!(came.status(), 303);
    let leads_to = came.headers()["location"].to_str().unwrap().to_owned();
    let (_, sessions) = server.get("/v1/checkout/sessions").await;
    let session = &sessions["data"][0];
    assert_eq!((&session["payment_link"], &session["client_reference_id"]), (&link["id"], &json!("typed")));
    let id = session["id"].as_str().unwrap();
    assert_eq!(leads_to, format!("../checkout/{id}"));
    assert!(server.get(&format!("/checkout/{id}")).await.1.as_str().unwrap().contains("$49.00"));
    let (_, to, _) = submit(&server, &format!("/checkout/{id}"), &card("4242424242424242")).await;
    assert_eq!(to, format!("{}/paid/{id}", server.url));
    let (status, page) = server.get(&format!("/paid/{id}")).await;
    assert!(status == 200 && page.as_str().unwrap().contains("Thanks"), "{page}");
    assert_eq!(server.get("/buy/plink_none").await.0, 404);
}

#[tokio::test]
async fn a_buyer_pays_by_the_page_and_webhooks_arrive() {
    let server = Server::start().await;
    server.control("endpoints", json!({ "url": server.hooks, "secret": "whsec_x" })).await;
    let id = session(&server).await;
    let (status, page) = server.get(&format!("/checkout/{id}")).await;
    assert_eq!(status, 200);
    let page = page.as_str().unwrap();
    for text in ["Tea &#38; cup", "$49.00", "4242 4242 4242 4242", "https://shop.test/cart"] {
        assert!(page.contains(text), "{text} is missing");
    }
    let (status, to, _) = submit(&server, &format!("/checkout/{id}"), &card("4242424242424242")).await;
    assert_eq!((status, to), (303, format!("https://shop.test/thanks?s={id}")));
    let kinds: Vec<Value> = server.webhooks(4).await.iter().map(|event| event["type"].clone()).collect();
    assert!(kinds.contains(&json!("checkout.session.completed")), "{kinds:?}");
    assert_eq!(server.get("/checkout/cs_test_none").await.0, 404);
}

#[tokio::test]
async fn who_has_paid_and_clicks_again_or_goes_back_is_led_to_the_shop() {
    let server = Server::start().await;
    let id = session(&server).await;
    let thanks = format!("https://shop.test/thanks?s={id}");
    for _ in 0..2 {
        let (status, to, _) = submit(&server, &format!("/checkout/{id}"), &card("4242424242424242")).await;
        assert_eq!((status, &to), (303, &thanks));
    }
    let again = [format!("/checkout/{id}"), format!("/checkout/{id}/authenticate?token=old")];
    for path in again {
        let came = server.http.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!((came.status().as_u16(), came.headers()["location"].to_str().unwrap()), (303, &*thanks));
    }
    let (_, charges) = server.get("/v1/charges").await;
    assert_eq!(charges["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_comes_too_late_finds_the_way_back_to_the_shop() {
    let server = Server::start().await;
    let id = session(&server).await;
    server.post(&format!("/v1/checkout/sessions/{id}/expire"), "").await;
    let (status, page) = server.get(&format!("/checkout/{id}")).await;
    assert_eq!(status, 410);
    assert!(page.as_str().unwrap().contains("href=\"https://shop.test/cart\""), "{page}");
}

#[tokio::test]
async fn what_costs_nothing_asks_for_no_card() {
    let server = Server::start().await;
    server.post("/v1/coupons", "id=FREE&percent_off=100&duration=once").await;
    let (_, session) =
        server.post("/v1/checkout/sessions", &format!("{BASKET}&discounts[0][coupon]=FREE")).await;
    let path = format!("/checkout/{}", session["id"].as_str().unwrap());
    let (_, page) = server.get(&path).await;
    let page = page.as_str().unwrap();
    assert!(page.contains("Complete the order") && !page.contains("Card number"), "{page}");
    let (status, to, _) = submit(&server, &path, "action=pay&email=a%40b.c").await;
    assert_eq!(status, 303, "{to}");
    let (_, paid) = server.get(&format!("/v1/checkout/sessions/{}", session["id"].as_str().unwrap())).await;
    assert_eq!(paid["payment_status"], "no_payment_required");
    assert_eq!(paid["customer_details"]["email"], "a@b.c");
    assert_eq!(paid["customer_details"]["name"], json!(null));
}

#[tokio::test]
async fn the_page_says_why_a_card_was_declined_and_keeps_what_was_typed() {
    let server = Server::start().await;
    let id = session(&server).await;
    let path = format!("/checkout/{id}");
    let (status, _, page) = submit(&server, &path, &card("4000000000009995")).await;
    assert_eq!(status, 402);
    assert!(
        page.contains("Your card has insufficient funds.") && page.contains("value=\"4000000000009995\"")
    );
    let (status, _, page) = submit(&server, &path, &card("1234")).await;
    assert_eq!(status, 402);
    assert!(page.contains("Your card number is incorrect."));
}

#[tokio::test]
async fn three_d_secure_leads_to_the_bank_and_back() {
    let server = Server::start().await;
    let id = session(&server).await;
    let at_bank = async |result: &str| {
        let (status, to, _) = submit(&server, &format!("/checkout/{id}"), &card("4000002500003155")).await;
        assert_eq!(status, 303);
        // Relative to /checkout/, so that it also works under another path.
        assert!(to.starts_with(&format!("{id}/authenticate?token=")), "{to}");
        let (_, page) = server.get(&format!("/checkout/{to}")).await;
        assert!(page.as_str().unwrap().contains("3-D Secure"));
        submit(&server, &format!("/checkout/{to}"), &format!("result={result}")).await
    };
    let (status, to, _) = at_bank("fail").await;
    assert_eq!((status, to.as_str()), (303, format!("../{id}").as_str()));
    let (_, page) = server.get(&format!("/checkout/{id}")).await;
    let page = page.as_str().unwrap();
    assert!(page.contains("unable to authenticate"));
    assert!(page.contains("value=\"4000 0025 0000 3155\"") && page.contains("value=\"Ann\""), "{page}");
    let (status, to, _) = at_bank("complete").await;
    assert_eq!((status, to), (303, format!("https://shop.test/thanks?s={id}")));
}

#[tokio::test]
async fn a_step_at_the_bank_that_is_over_or_never_was_leads_back_to_the_page_and_blames_nobody() {
    let server = Server::start().await;
    let id = session(&server).await;
    for token in ["?token=old", ""] {
        let path = format!("/checkout/{id}/authenticate{token}");
        let came = server.http.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(came.headers()["location"].to_str().unwrap(), format!("../{id}"));
        let (status, to, _) = submit(&server, &path, "result=complete").await;
        assert_eq!((status, to), (303, format!("../{id}")));
    }
    let (status, page) = server.get(&format!("/checkout/{id}")).await;
    assert!(status == 200 && !page.as_str().unwrap().contains("unable to authenticate"), "{page}");
}

#[tokio::test]
async fn the_clock_is_turned_and_a_bank_debit_ends() {
    let server = Server::start().await;
    let id = session(&server).await;
    let form = card("").replace("method=card", "method=bank_succeeds");
    assert_eq!(submit(&server, &format!("/checkout/{id}"), &form).await.0, 303);
    let path = format!("/v1/checkout/sessions/{id}");
    assert_eq!(server.get(&path).await.1["payment_status"], "unpaid");
    assert_eq!(server.control("clock", json!({ "advance_seconds": 20 })).await.0, 200);
    assert_eq!(server.get(&path).await.1["payment_status"], "paid");
}

#[tokio::test]
async fn a_foreign_web_page_does_not_control_the_sandbox() {
    let server = Server::start().await;
    let sent_by = |origin: String| {
        let request = server.http.post(format!("{}/control/reset", server.url)).header("Origin", origin);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(sent_by("https://evil.example".into()).await, 403);
    assert_eq!(sent_by("null".into()).await, 403);
    assert_ne!(sent_by(server.url.clone()).await, 403);
}

#[tokio::test]
async fn a_clock_that_was_turned_can_be_turned_back() {
    let server = Server::start().await;
    let now =
        |state: &serde_json::Value| state["now"].as_str().unwrap().parse::<kernel::Timestamp>().unwrap();
    let real = now(&server.get("/control/state").await.1);
    let ahead = server.control("clock", json!({ "advance_seconds": 3600 })).await.1;
    assert!(now(&ahead).since(real).as_secs() >= 3600);
    let request = server.http.delete(format!("{}/control/clock", server.url));
    let back: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert!(now(&back).since(real).as_secs() < 600);
}

#[tokio::test]
async fn a_lost_answer_breaks_the_connection_but_the_work_was_done() {
    let server = Server::start().await;
    let fault =
        json!({ "kind": "timeout_after_executing", "method": "POST", "path": "/v1/customers", "count": 1 });
    assert_eq!(server.control("faults", fault).await.0, 200);
    let request =
        server.http.post(format!("{}/v1/customers", server.url)).header("Authorization", "Bearer sk_test_1");
    assert!(request.send().await.is_err());
    assert_eq!(server.get("/v1/customers").await.1["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/control/faults").await.1, json!([]));
}

#[tokio::test]
async fn a_script_pays_rolls_secrets_resends_and_resets() {
    let server = Server::start().await;
    let (_, endpoint) = server.control("endpoints", json!({ "url": server.hooks })).await;
    let id = session(&server).await;
    let wish = json!({ "session": id, "card": "4000002500003155", "authenticate": "complete" });
    let (status, outcome) = server.control("pay", wish).await;
    assert_eq!((status, &outcome["outcome"]), (200, &json!("paid")));
    assert_eq!(server.control("pay", json!({ "session": id })).await.0, 409);
    let event = server.webhooks(5).await[0]["id"].clone();
    let (_, resent) = server.control("events", json!({ "resend": event })).await;
    assert_eq!(resent["endpoints"], json!([endpoint["id"]]));
    server.control("roll-secret", json!({ "endpoint": endpoint["id"], "overlap_seconds": 60 })).await;
    let object = json!({ "id": "sub_1", "object": "subscription" });
    server.control("events", json!({ "type": "customer.subscription.paused", "object": object })).await;
    let last = server.webhooks(8).await;
    assert!(last.iter().any(|event| event["type"] == "customer.subscription.paused"));
    assert!(server.received.lock().unwrap().last().unwrap().signature.matches("v1=").count() == 2);
    assert_eq!(server.control("reset", json!({})).await.0, 204);
    let (_, state) = server.get("/control/state").await;
    assert_eq!((&state["counts"]["events"], state["endpoints"].as_array().unwrap().len()), (&json!(0), 1));
}

#[tokio::test]
async fn a_person_disputes_refunds_warns_and_reviews() {
    let server = Server::start().await;
    assert_eq!(server.control("disputes", json!({ "of": "pi_none" })).await.0, 404);
    let id = session(&server).await;
    assert_eq!(server.control("refunds", json!({ "of": id })).await.0, 409, "not paid yet");
    server.control("pay", json!({ "session": id })).await;
    let (_, opened) = server
        .control("disputes", json!({ "of": id, "status": "warning_needs_response", "amount": 900 }))
        .await;
    let step = |step: &str| json!({ "dispute": opened["dispute"], "step": step });
    assert_eq!(server.control("move-dispute", step("win")).await.0, 409);
    assert_eq!(server.control("move-dispute", step("fly")).await.0, 422);
    assert_eq!(server.control("move-dispute", step("close_inquiry")).await.1["status"], "warning_closed");
    let wish = json!({ "of": id, "amount": 500, "metadata": { "why": "kind" }, "status": "pending" });
    let (_, refund) = server.control("refunds", wish).await;
    assert_eq!(refund["status"], "pending");
    let turn = json!({ "refund": refund["refund"], "status": "failed" });
    assert_eq!(server.control("turn-refund", turn.clone()).await.0, 200);
    assert_eq!(server.control("turn-refund", turn).await.0, 409);
    assert_eq!(server.control("warnings", json!({ "of": id })).await.0, 200);
    let (_, review) = server.control("reviews", json!({ "of": id })).await;
    let close = json!({ "review": review["review"], "reason": "approved" });
    assert_eq!(server.control("close-review", close).await.0, 200);
    let (_, state) = server.get("/control/state").await;
    let count = |what: &str| state["counts"][what].clone();
    assert_eq!([count("disputes"), count("refunds"), count("warnings"), count("reviews")], [1, 1, 1, 1]);
    let (_, dispute) = server.get(&format!("/v1/disputes/{}", opened["dispute"].as_str().unwrap())).await;
    assert_eq!((&dispute["amount"], &dispute["balance_transactions"]), (&json!(900), &json!([])));
}

#[tokio::test]
async fn an_endpoint_that_was_down_hears_later() {
    let server = Server::start().await;
    server.control("endpoints", json!({ "url": server.hooks })).await;
    assert_eq!(server.control("reach", json!({ "reach": "down", "endpoint": "we_none" })).await.0, 404);
    assert_eq!(server.control("reach", json!({ "reach": "down" })).await.1["endpoints"], 1);
    let id = session(&server).await;
    server.control("pay", json!({ "session": id })).await;
    server.control("clock", json!({ "advance_seconds": 3600 })).await;
    assert!(server.received.lock().unwrap().is_empty());
    server.control("reach", json!({ "reach": "up" })).await;
    let kinds: Vec<Value> = server.webhooks(4).await.iter().map(|event| event["type"].clone()).collect();
    assert!(kinds.contains(&json!("checkout.session.completed")), "{kinds:?}");
}

#[tokio::test]
async fn it_works_under_another_path_and_remembers_across_a_restart() {
    let server = Server::start().await;
    let id = session(&server).await;
    assert_eq!(server.get(&format!("/sandbox/stripe/v1/checkout/sessions/{id}")).await.0, 200);
    assert_eq!(server.get(&format!("/sandbox/stripe/checkout/{id}")).await.0, 200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stripe.json");
    server.shared.save(&file).unwrap();
    let clock = kernel::FixedClock::new(kernel::Timestamp::from_seconds(1_795_000_000));
    let again =
        sandbox::http::Shared::load(&file, sandbox::Settings::default(), clock, kernel::Seeded::new(2))
            .unwrap();
    let path = format!("/v1/checkout/sessions/{id}");
    let response = again.with(|sandbox, cx| sandbox.handle(&sandbox::ApiRequest::get(&path), cx));
    assert_eq!(response.body["id"], json!(id));
}

#[tokio::test]
async fn a_fault_with_a_mistyped_name_strikes_nothing() {
    let server = Server::start().await;
    for (wrong, named) in [
        (json!({ "kind": "drop", "evnt": "x" }), "evnt"),
        (json!({ "kind": "drop", "path": "/v1" }), "path"),
        (json!({ "kind": "rate_limit", "event": "charge.*" }), "event"),
        (json!({ "kind": "rate_limit", "seconds": 3 }), "seconds"),
        (json!({ "kind": "drop", "probability": 7 }), "probability"),
        (json!({ "kind": "drop", "count": 0 }), "count"),
        (json!({ "kind": "explode" }), "explode"),
        (json!([]), "object"),
    ] {
        let (status, answer) = server.control("faults", wrong).await;
        assert_eq!(status, 422, "{answer}");
        let why = answer["error"].as_str().unwrap();
        assert!(why.contains(named), "{named}: {why}");
    }
    assert_eq!(server.get("/control/faults").await.1, json!([]));
    let good = json!({ "kind": "reorder", "within_seconds": 3, "event": "charge.*", "count": 2, "probability": 0.5 });
    assert_eq!(server.control("faults", good).await.0, 200);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let server = Server::start().await;
    // It takes connections and never answers.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hooks", deaf.local_addr().unwrap());
    server.control("endpoints", json!({ "url": address })).await;
    server.control("endpoints", json!({ "url": server.hooks })).await;
    for number in 0..40 {
        server.post("/v1/customers", &format!("name=Ann+{number}")).await;
    }
    server.webhooks(40).await;
}

#[test]
fn the_document_lists_every_control() {
    let document = include_str!("../../docs/sandbox.md");
    let routes = include_str!("../src/http/mod.rs");
    let controls: Vec<&str> = routes.split('"').filter(|text| text.starts_with("/control/")).collect();
    assert!(controls.len() > 15, "{controls:?}");
    for control in controls {
        let named =
            document.contains(&format!("`{control}`")) || document.contains(&format!("`GET {control}`"));
        assert!(named, "docs/sandbox.md does not name {control}");
    }
}
