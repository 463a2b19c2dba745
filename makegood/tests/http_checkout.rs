//! A checkout over real HTTP, with a sandbox Stripe behind real HTTP: from the basket to what was bought.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use doors::{ADMIN_TOKEN, Answer, Server, Wish};
use kernel::Duration;
use ops::Role;
use sandbox::Payment;
use serde_json::{Value, json};
use testkit::on_both_engines;

const SESSIONS: &str = "/api/v1/checkout/sessions";
const SESSIONS_AT_STRIPE: &str = "/v1/checkout/sessions";

fn basket(product: &str, quantity: i64) -> Value {
    json!({ "items": [{ "product": product, "quantity": quantity }], "email": "buyer@example.com" })
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_buyer_pays_and_has_the_course(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let app = server.token(Role::App).await;
        let profile = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
        let made = json!({ "id": profile, "email": "buyer@example.com", "reason": "signed up" });
        assert_eq!(server.post("/api/v1/admin/customers/create", Some(&app), &made).await.status, 200);
        let mut wish = basket("rust-course", 1);
        wish["profile_id"] = profile.into();
        let started = server.post(SESSIONS, Some(&app), &wish).await;
        assert_eq!(started.status, 201, "{}", started.text);
        assert_eq!(started.body["object"], "checkout_session");
        assert!(started.body["order_id"].as_str().unwrap().starts_with("ord_"));
        assert!(started.body["expires_at"].is_string());
        let session = started.body["id"].as_str().unwrap().to_owned();
        let waiting = server.get(&format!("{SESSIONS}/{session}"), None).await;
        assert_eq!((waiting.status, waiting.body["status"].as_str()), (200, Some("pending")));
        server.stripe.with(|account, cx| account.pay(&session, &Payment::by_card("4242424242424242"), cx)).unwrap();
        let done = until(&server, &session, "completed").await;
        assert_eq!(done.body["payment_status"], "paid");
        assert_eq!(done.body["lines"][0]["product_id"], "rust-course");
        assert!(!done.text.contains("buyer@example.com") && !done.text.contains(profile), "{}", done.text);
        let check = format!("/api/v1/entitlements/check?user_id={profile}&course_id=rust-course");
        assert_eq!(server.get(&check, Some(&app)).await.body["active"], true);
        assert_eq!(server.get(&check, None).await.status, 401);
        assert_eq!(server.get("/api/v1/entitlements/check?user_id=x", Some(&app)).await.status, 422);
        assert_eq!(server.get("/api/v1/admin/checks", Some(ADMIN_TOKEN)).await.body["findings"], 0);
        assert_eq!(server.metric("checkout_requests_total").await, 1.0);
        assert_eq!(server.metric("checkout_failures_total").await, 0.0);
        assert!(server.metric("webhook_events_total{status=\"processed\"}").await >= 1.0);
        server.stop().await;
    }

    async fn a_checkout_that_is_switched_off_is_answered_with_503_until_it_is_on_again(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let off = json!({ "reason": "prices are wrong" });
        let thrown = server.post("/api/v1/admin/checkout/disable", Some(ADMIN_TOKEN), &off).await;
        assert_eq!(thrown.status, 200, "{}", thrown.text);
        let refused = server.post(SESSIONS, None, &basket("rust-course", 1)).await;
        assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("checkout_disabled")));
        assert!(!refused.text.contains("prices are wrong"), "{}", refused.text);
        assert_eq!(server.metric("checkout_failures_total").await, 0.0);
        let ready = server.get("/readyz?verbose", None).await;
        assert_eq!(ready.body["switches"], json!({ "downloads": "on", "checkout": "off", "refunds": "on" }));
        let on = json!({ "reason": "prices are right" });
        assert_eq!(server.post("/api/v1/admin/checkout/enable", Some(ADMIN_TOKEN), &on).await.status, 200);
        assert_eq!(server.post(SESSIONS, None, &basket("rust-course", 1)).await.status, 201);
        server.stop().await;
    }

    /// The shop's own back office asks for a refund; ten clicks at once are one refund.
    async fn a_refund_is_asked_for_once_and_ends_at_stripe(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let started = server.post(SESSIONS, None, &basket("rust-course", 1)).await;
        let session = started.body["id"].as_str().unwrap().to_owned();
        let order = started.body["order_id"].clone();
        let wish = json!({ "order": order, "reason": "the buyer changed their mind" });
        let (finance, support) = (server.token(Role::Finance).await, server.token(Role::Support).await);
        let refund = async |token: &str| server.post("/api/v1/refunds", Some(token), &wish).await;
        assert_eq!(server.post("/api/v1/refunds", None, &wish).await.status, 401);
        assert_eq!(refund(&support).await.status, 403);
        let unpaid = refund(&finance).await;
        assert_eq!((unpaid.status, unpaid.code()), (409, "nothing_paid"));
        server.stripe.with(|account, cx| account.pay(&session, &Payment::by_card("4242424242424242"), cx)).unwrap();
        until(&server, &session, "completed").await;
        let clicks = futures_util::future::join_all((0..10).map(|_| refund(&finance))).await;
        let mut statuses: Vec<u16> = clicks.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409, 409, 409]);
        let refused = clicks.iter().find(|answer| answer.status == 409).unwrap();
        assert_eq!(refused.code(), "refund_exists", "{}", refused.text);
        until(&server, &session, "refunded").await;
        let there = server.stripe.with(|account, _| account.refunds().len());
        assert_eq!(there, 1);
        assert_eq!(server.get("/api/v1/admin/checks", Some(ADMIN_TOKEN)).await.body["findings"], 0);
        server.stop().await;
    }

    async fn a_basket_that_cannot_be_sold_is_refused_and_leaves_nothing(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let cases = [
            (basket("mug", 6), 409, "out_of_stock"),
            (basket("unicorn", 1), 422, "not_on_offer"),
            (basket("mug", 0), 422, "invalid_input"),
            (basket("mug", -1), 422, "invalid_input"),
            (json!({ "items": [] }), 422, "invalid_input"),
            (json!({ "items": [{ "product": "mug" }], "coupon": "FREE" }), 422, "invalid_input"),
            (json!({}), 422, "invalid_input"),
        ];
        for (wish, status, code) in cases {
            let answer = server.post(SESSIONS, None, &wish).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{wish}: {}", answer.text);
        }
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 0);
        assert_eq!(server.count("SELECT COUNT(*) FROM inventory_reservations WHERE status = 'reserved'").await, 0);
        assert_eq!(server.metric("checkout_failures_total").await, 0.0);
        server.stop().await;
    }

    async fn what_of_a_basket_cannot_be_read_is_pointed_at(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let mug = |name: &str, value: Value| { let mut wish = basket("mug", 1); wish[name] = value; wish };
        let item = |name: &str, value: Value| { let mut wish = basket("mug", 1); wish["items"][0][name] = value; wish };
        for (wish, pointer, detail) in [
            (item("quantity", json!(1.5)), "/items/0/quantity", "is 1.5; expected a whole number"),
            (item("quantity", json!("1")), "/items/0/quantity", "is the text \"1\"; expected a whole number"),
            (item("size", json!("L")), "/items/0/size", "is unknown; expected product, quantity"),
            (mug("items", json!([{}])), "/items/0/product", "is missing"),
            (mug("items", json!("mug")), "/items", "is the text \"mug\"; expected a list"),
            (mug("currency", json!("xx")), "/currency", "`xx` is not a currency; expected three letters, like usd"),
            (mug("profile_id", json!("user42")), "/profile_id", "user42"),
            (mug("coupon", json!("FREE")), "/coupon", "is unknown; expected items, currency"),
        ] {
            let answer = server.post(SESSIONS, None, &wish).await;
            assert_eq!((answer.status, answer.code()), (422, "invalid_input"), "{wish}: {}", answer.text);
            let error = &answer.body["errors"][0];
            assert_eq!(error["pointer"], pointer, "{}", answer.text);
            assert!(error["detail"].as_str().unwrap().contains(detail), "{}", answer.text);
        }
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 0);
        server.stop().await;
    }

    async fn nobody_buys_in_anothers_name_without_a_token(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let mut wish = basket("mug", 1);
        wish["profile_id"] = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".into();
        assert_eq!(server.post(SESSIONS, None, &wish).await.status, 401);
        assert_eq!(server.post(SESSIONS, Some("mg_wrong"), &wish).await.status, 401);
        let app = server.token(Role::App).await;
        let unknown = server.post(SESSIONS, Some(&app), &wish).await;
        assert_eq!((unknown.status, unknown.code()), (404, "not_found"));
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 0);
        server.stop().await;
    }

    async fn a_strangers_checkout_leads_back_to_this_shop_only(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let home = server.app.config.app_url.clone();
        let sent_to = |url: String| { let mut wish = basket("mug", 1); wish["success_url"] = url.into(); wish };
        for url in ["https://evil.example/".to_owned(), format!("{home}.evil.example/"), format!("{home}@evil.example")] {
            let answer = server.post(SESSIONS, None, &sent_to(url.clone())).await;
            assert_eq!((answer.status, answer.code()), (422, "invalid_input"), "{url}: {}", answer.text);
        }
        assert_eq!(server.post(SESSIONS, None, &sent_to(format!("{home}/done"))).await.status, 201);
        // The shop's own server may send its buyers where it likes.
        let app = server.token(Role::App).await;
        let elsewhere = sent_to("https://www.shop.example/done".into());
        assert_eq!(server.post(SESSIONS, Some(&app), &elsewhere).await.status, 201);
        server.stop().await;
    }

    async fn one_key_is_one_order(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let key = [("Idempotency-Key", "basket-7")];
        let first = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
        let again = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
        assert_eq!((first.status, again.status), (201, 201), "{}", first.text);
        assert_eq!(first.text, again.text);
        assert_eq!((first.header("idempotency-hit"), again.header("idempotency-hit")), ("", "true"));
        let other = server.post_with(SESSIONS, None, &basket("mug", 2), &key).await;
        assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 1);
        server.stop().await;
    }

    /// Stripe made the session, but its answer was lost: the retry gets that session, not a second order.
    async fn a_lost_answer_and_a_retry_make_one_order(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let lost = json!({ "kind": "timeout_after_executing", "path": "/v1/checkout/sessions", "count": 1 });
        server.stripe.with(|account, _| account.inject(serde_json::from_value(lost).unwrap()));
        let key = [("Idempotency-Key", "basket-8")];
        let first = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
        assert_eq!((first.status, first.code()), (504, "outcome_unknown"), "{}", first.text);
        assert_eq!(server.metric("checkout_failures_total").await, 1.0);
        let again = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
        assert_eq!(again.status, 201, "{}", again.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(server.count("SELECT COUNT(*) FROM inventory_reservations WHERE status = 'reserved'").await, 1);
        let third = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
        assert_eq!((third.text.as_str(), third.header("idempotency-hit")), (again.text.as_str(), "true"));
        server.stop().await;
    }

    async fn a_stripe_that_is_away_is_a_bad_moment_and_is_counted(test: TestDb) {
        let stripe = Some("http://127.0.0.1:9".to_owned());
        let server = Server::start_as(&test, Wish { stripe, ..Wish::default() }).await.with_catalog().await;
        let answer = server.post(SESSIONS, None, &basket("rust-course", 1)).await;
        assert_eq!((answer.status, answer.code()), (503, "stripe_unreachable"), "{}", answer.text);
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(answer.body["retryable"], true);
        assert_eq!(server.metric("checkout_failures_total").await, 1.0);
        // The same key makes another order: the first was given up, and so was its stock.
        let key = [("idempotency-key", "again")];
        for _ in 0..8 {
            let again = server.post_with(SESSIONS, None, &basket("mug", 1), &key).await;
            assert_eq!((again.status, again.code()), (503, "stripe_unreachable"), "{}", again.text);
        }
        assert_eq!(server.count("SELECT COUNT(*) FROM orders WHERE status <> 'cancelled'").await, 0);
        assert_eq!(server.count("SELECT COUNT(*) FROM inventory_reservations WHERE status = 'reserved'").await, 0);
        // Readiness does not depend on Stripe: events must still be taken.
        assert_eq!(server.get("/readyz", None).await.status, 200);
        server.stop().await;
    }

    /// Where the buyer is sent when the shop has no page of its own for it.
    async fn the_page_after_the_payment_waits_and_never_says_that_something_is_wrong(test: TestDb) {
        let server = Server::start(&test).await;
        let no_session = ["", "?session_id=", "?session_id=<script>alert(1)</script>", "?session_id=pi_1&looks=x", "?%ff"];
        let looks = |text: &str| text.contains("http-equiv=\"refresh\"");
        for query in no_session.into_iter().chain(["?session_id=cs_test_nobody"]) {
            let page = server.get(&format!("/thanks{query}"), None).await;
            assert_eq!((page.status, page.text.contains("<h1>Thank you</h1>")), (200, true), "{query}: {}", page.text);
            assert_eq!(looks(&page.text), query.contains("cs_test_nobody"), "{query}");
            assert!(!page.text.contains("<script"), "{query}: {}", page.text);
            assert!(page.header("content-type").starts_with("text/html") && page.header("cache-control") == "no-store");
            assert!(page.header("content-security-policy").contains("default-src 'self'"));
        }
        server.app.shop.db.write("test", |tx| tx.execute("ALTER TABLE orders RENAME TO lost", &[])).await.unwrap();
        let page = server.get("/thanks?session_id=cs_test_nobody", None).await;
        assert_eq!((page.status, looks(&page.text)), (200, true), "{}", page.text);
        let series = "http_request_duration_seconds_count{route=\"/thanks\",method=\"GET\",status=\"200\"}";
        assert_eq!(server.metric(series).await, 7.0);
        server.stop().await;
    }

    async fn the_page_after_the_payment_shows_what_was_bought_and_then_rests(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let started = server.post(SESSIONS, None, &basket("rust-course", 1)).await;
        let session = started.body["id"].as_str().unwrap().to_owned();
        // Where Stripe sends the buyer is this very page.
        let kept = server.stripe.with(|account, cx| {
            account.handle(&sandbox::ApiRequest::get(&format!("{SESSIONS_AT_STRIPE}/{session}")), cx).body
        });
        let url = kept["success_url"].as_str().unwrap().replace("{CHECKOUT_SESSION_ID}", &session);
        let path = url.strip_prefix(&server.url).unwrap().to_owned();
        let waiting = server.get(&path, None).await;
        assert!(waiting.text.contains("Waiting for your payment") && waiting.text.contains("refresh"), "{}", waiting.text);
        // Whoever has paid is told that nothing is lost when it takes longer, also without a script.
        assert!(!waiting.text.contains("nothing is lost"), "{}", waiting.text);
        let late = server.get(&format!("{path}&looks=7"), None).await;
        assert!(late.text.contains("nothing is lost") && late.text.contains("looks=8"), "{}", late.text);
        assert!(late.text.contains("<p class=\"quiet\"><a href=\"http") && late.text.contains("Not paid yet?"), "{}", late.text);
        // Only as long as somebody may still be looking.
        let at_last = server.get(&format!("{path}&looks=99"), None).await;
        assert!(!at_last.text.contains("refresh") && at_last.text.contains("Look again"), "{}", at_last.text);
        server.stripe.with(|account, cx| account.pay(&session, &Payment::by_card("4242424242424242"), cx)).unwrap();
        until(&server, &session, "completed").await;
        let done = server.get(&path, None).await;
        assert!(done.text.contains("Thank you, it is yours") && !done.text.contains("refresh"), "{}", done.text);
        assert!(done.text.contains("Test mode") && !done.text.contains("buyer@example.com"), "{}", done.text);
        server.stop().await;
    }

    async fn an_unknown_session_is_not_found(test: TestDb) {
        let server = Server::start(&test).await;
        let answer = server.get(&format!("{SESSIONS}/cs_test_unknown"), None).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"));
        server.stop().await;
    }
}

async fn until(server: &Server, session: &str, status: &str) -> Answer {
    let mut last = None;
    for _ in 0..200 {
        let answer = server.get(&format!("{SESSIONS}/{session}"), None).await;
        if answer.body["status"] == status {
            return answer;
        }
        last = Some(answer);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never became {status}: {}", last.unwrap().text);
}
