//! The admin API over real HTTP: who may do what, one answer for one key, problems as documents, and that nothing that is
//! defined is missing in it.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use std::collections::BTreeSet;
use std::path::Path;

use doors::{ADMIN_TOKEN, Server, Wish, answered};
use kernel::Duration;
use makegood::http::Front;
use makegood::http::error_pages::ErrorPage;
use makegood::http::openapi;
use makegood::http::routes::{Access, Behind, ROUTES, Route};
use ops::Role;
use serde_json::{Value, json};
use testkit::on_both_engines;

const ROLES: [Role; 6] = [Role::App, Role::Viewer, Role::Support, Role::Finance, Role::Operator, Role::Admin];
const NOBODY: &str = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
const NO_ORDER: &str = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_written_by_hand_answers_as_the_document_says(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let admin = Some(ADMIN_TOKEN);
        let token = json!({ "name": "desk", "role": "viewer", "reason": "a test" });
        let user = json!({ "name": "ada", "role": "viewer", "reason": "a test" });
        let basket = json!({ "items": [{ "product": "rust-course", "quantity": 1 }], "email": "buyer@example.com" });
        let mut session = String::new();
        for (path, body) in
            [("/api/v1/admin/tokens", token), ("/api/v1/admin/users/invite", user), ("/api/v1/checkout/sessions", basket)]
        {
            let answer = server.post(path, admin, &body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.text);
            is_as_described(path, "post", 201, &answer.body);
            session = answer.body["id"].as_str().unwrap().to_owned();
        }
        let at = format!("/api/v1/checkout/sessions/{session}");
        for (path, asked) in [
            ("/api/v1/admin/whoami", "/api/v1/admin/whoami"),
            ("/api/v1/admin/checks", "/api/v1/admin/checks"),
            ("/api/v1/checkout/sessions/{id}", &at),
            ("/api/v1/entitlements/check", &format!("/api/v1/entitlements/check?user_id={NOBODY}&course_id=rust-course")),
            ("/health", "/health"),
            ("/readyz", "/readyz"),
            ("/readyz", "/readyz?verbose"),
        ] {
            let answer = server.get(asked, admin).await;
            assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
            match path {
                "/api/v1/admin/checks" => assert_eq!(answer.body["object"], "list"),
                path => is_as_described(path, "get", 200, &answer.body),
            }
        }
        server.stop().await;
    }

    async fn what_there_is_stands_on_one_page_that_needs_nothing_from_elsewhere(test: TestDb) {
        let server = Server::start(&test).await;
        let page = server.get("/docs", None).await;
        assert!(page.status == 200 && page.header("content-type").starts_with("text/html"), "{}", page.text);
        for route in ROUTES.iter() {
            let shown = format!("<code>{} {}</code>", route.method, route.path);
            assert!(page.text.contains(&shown), "{shown}");
        }
        for error in makegood::http::error_pages::PAGES {
            assert!(page.text.contains(&format!("\"/docs/errors/{}\"", error.code)), "{}", error.code);
        }
        let text = server.get("/llms.txt", None).await;
        assert!(text.status == 200 && text.header("content-type").starts_with("text/plain"), "{}", text.text);
        assert!(text.text.contains(&format!("{}/openapi.json", server.app.config.app_url)), "{}", text.text);
        for runbook in shop::RUNBOOKS {
            assert!(page.text.contains(&format!("\"/_/runbooks/{}\"", runbook.id)), "{}", runbook.id);
            assert!(text.text.contains(&format!("- {}: {}\n", runbook.id, runbook.title)), "{}", runbook.id);
        }
        assert!(!page.text.contains("<script") && !page.text.contains("://"), "from elsewhere: {}", page.text);
        server.stop().await;
    }

    /// The whole table: each route with each role, with no token, and with a wrong one.
    async fn each_route_is_open_to_its_roles_and_to_no_one_else(test: TestDb) {
        let server = Server::start(&test).await;
        let mut tokens = Vec::new();
        for role in ROLES {
            tokens.push((role, server.token(role).await));
        }
        for route in ROUTES.iter() {
            let Access::Role(least) = route.access else { continue };
            let nobody = ask(&server, route, None).await;
            assert_eq!((nobody.status, nobody.code()), (401, "unauthenticated"), "{}", route.name);
            assert!(nobody.header("www-authenticate").starts_with("Bearer"), "{}", route.name);
            for (role, token) in &tokens {
                let answer = ask(&server, route, Some(token)).await;
                let refused = answer.status == 403 && answer.code() == "forbidden";
                assert_eq!(refused, *role < least, "{} as {role:?}: {}", route.name, answer.text);
                assert!(answer.status != 401 && answer.status < 500, "{}: {}", route.name, answer.text);
            }
        }
        server.stop().await;
    }

    async fn who_guesses_tokens_is_slowed_down_and_who_has_one_is_not(test: TestDb) {
        let server = Server::start(&test).await;
        let mut seen = Vec::new();
        for guess in 0..14 {
            seen.push(server.get("/api/v1/admin/orders", Some(&format!("mg_guess{guess}"))).await);
        }
        assert!(seen[..10].iter().all(|answer| answer.status == 401));
        let last = seen.last().unwrap();
        assert_eq!((last.status, last.code()), (429, "too_many_attempts"));
        assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert_eq!(last.body["retryable"], true);
        // A token that is right, but new here, waits like the others; one that was good before does not.
        let (known, new) = (server.token(Role::Viewer).await, server.token(Role::Viewer).await);
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(server.get("/api/v1/admin/orders", Some(&known)).await.status, 200);
        for guess in 0..4 {
            server.get("/api/v1/admin/orders", Some(&format!("mg_more{guess}"))).await;
        }
        assert_eq!(server.get("/api/v1/admin/orders", Some(&new)).await.status, 429);
        assert_eq!(server.get("/api/v1/admin/orders", Some(&known)).await.status, 200);
        server.stop().await;
    }

    /// Behind a proxy that is trusted the guesser is the client, not the proxy; else a header could name anyone.
    async fn a_trusted_proxy_tells_who_is_asking_and_nobody_else_does(test: TestDb) {
        let trusting = vec![("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8".to_owned())];
        let guess = async |server: &Server, hops: String| {
            let request = server.http.get(format!("{}/api/v1/admin/orders", server.url));
            answered(request.bearer_auth("mg_guess").header("X-Forwarded-For", hops)).await.status
        };
        let server = Server::start_as(&test, Wish { environment: trusting, ..Wish::default() }).await;
        for client in 0..20 {
            assert_eq!(guess(&server, format!("1.2.3.4, 192.0.2.{client}, 10.0.0.1")).await, 401);
        }
        for _ in 0..12 {
            guess(&server, "192.0.2.99".into()).await;
        }
        assert_eq!(guess(&server, "192.0.2.99".into()).await, 429);
        assert_eq!(guess(&server, "192.0.2.100".into()).await, 401);
        server.stop().await;
        let server = Server::start(&test).await;
        for client in 0..12 {
            guess(&server, format!("192.0.2.{client}")).await;
        }
        assert_eq!(guess(&server, "192.0.2.200".into()).await, 429);
        server.stop().await;
    }

    async fn metrics_may_have_an_address_of_their_own(test: TestDb) {
        let server = Server::start(&test).await;
        let status = async |front: &Front, path: &str| {
            let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
            front.answer(request, [127, 0, 0, 1].into()).await.status().as_u16()
        };
        let inside = Front::metrics_only(server.app.clone());
        let outside = Front::without_metrics(server.app.clone(), axum::Router::new());
        assert_eq!((status(&inside, "/metrics").await, status(&outside, "/metrics").await), (200, 404));
        assert_eq!((status(&inside, "/readyz").await, status(&outside, "/readyz").await), (200, 200));
        assert_eq!((status(&inside, "/webhooks/stripe").await, status(&outside, "/webhooks/stripe").await), (404, 405));
        assert_eq!(status(&inside, "/api/v1/admin/orders").await, 404);
        server.stop().await;
    }

    async fn a_token_is_shown_once_kept_as_a_hash_and_gone_when_revoked(test: TestDb) {
        let server = Server::start(&test).await;
        let wish = json!({ "name": "ci", "role": "viewer", "reason": "tests" });
        let made = server.post("/api/v1/admin/tokens", Some(ADMIN_TOKEN), &wish).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let token = made.body["token"].as_str().unwrap().to_owned();
        let id = made.body["id"].as_str().unwrap().to_owned();
        assert_eq!(server.get("/api/v1/admin/orders", Some(&token)).await.status, 200);
        let list = server.get("/api/v1/admin/tokens", Some(ADMIN_TOKEN)).await;
        assert!(!list.text.contains(&token) && list.text.contains(&id), "{}", list.text);
        let kept = token.clone();
        let rows = server.app.shop.db.read("test", move |tx| {
            let like = format!("%{kept}%");
            let tokens = tx.count("SELECT COUNT(*) FROM api_tokens WHERE hash LIKE $1 OR prefix LIKE $1", &[like.clone().into()])?;
            let keys = tx.count("SELECT COUNT(*) FROM idempotency_keys WHERE response LIKE $1", &[like.into()])?;
            Ok(tokens + keys)
        });
        assert_eq!(rows.await.unwrap(), 0, "the token itself is kept nowhere");
        let audited = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'token_created' AND reason = 'tests'";
        assert_eq!(server.count(audited).await, 1);
        let revoke = format!("/api/v1/admin/tokens/{id}/revoke");
        let revoked = server.post(&revoke, Some(ADMIN_TOKEN), &json!({ "reason": "tests" })).await;
        assert_eq!((revoked.status, revoked.body["status"].as_str()), (200, Some("applied")), "{}", revoked.text);
        // At once on this node, although tokens are remembered for some seconds.
        assert_eq!(server.get("/api/v1/admin/orders", Some(&token)).await.status, 401);
        for wrong in [
            json!({ "name": "", "role": "viewer", "reason": "x" }),
            json!({ "name": "x", "role": "king", "reason": "x" }),
            json!({ "name": "x", "role": "viewer" }),
            json!({ "name": "x", "role": "viewer", "reason": "x", "expires_at": "2020-01-01T00:00:00Z" }),
        ] {
            assert_eq!(server.post("/api/v1/admin/tokens", Some(ADMIN_TOKEN), &wrong).await.status, 422, "{wrong}");
        }
        server.stop().await;
    }

    /// Preview, stale plan, apply, apply again: the life of an operation.
    async fn an_operation_is_previewed_applied_verified_and_audited(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let path = "/api/v1/admin/inventory/MUG/adjust";
        let wish = |more: serde_json::Value| {
            let mut body = json!({ "change": 3 });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let operator = server.token(Role::Operator).await;
        let unexplained = server.post(path, Some(&operator), &wish(json!({}))).await;
        assert_eq!((unexplained.status, unexplained.code()), (422, "reason_required"), "{}", unexplained.text);
        let preview = server.post(path, Some(&operator), &wish(json!({ "dry_run": true }))).await;
        assert_eq!((preview.status, preview.body["status"].as_str()), (200, Some("previewed")), "{}", preview.text);
        assert_eq!(preview.body["object"], "operation");
        assert!(!preview.body["plan"].as_array().unwrap().is_empty());
        let plan_id = preview.body["plan_id"].as_str().unwrap().to_owned();
        let other = server.post(path, Some(&operator), &wish(json!({ "reason": "r", "plan_id": "plan_other" }))).await;
        assert_eq!((other.status, other.code()), (409, "stale_plan"));
        let done = server.post(path, Some(&operator), &wish(json!({ "reason": "counted", "plan_id": plan_id }))).await;
        assert_eq!((done.status, done.body["status"].as_str()), (200, Some("applied")), "{}", done.text);
        assert_eq!(done.body["verified"], true);
        assert!(done.body["audit_id"].as_str().unwrap().starts_with("aud_"));
        assert!(done.body["verify"].as_array().unwrap().iter().all(|proof| proof["holds"] == true));
        let audit = server.get("/api/v1/admin/audit-logs?limit=1", Some(&operator)).await;
        assert_eq!(audit.body["data"][0]["reason"], "counted");
        assert_eq!(audit.body["data"][0]["request_id"], done.header("x-request-id"));
        server.stop().await;
    }

    async fn one_key_is_one_request_however_often_it_is_sent(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let (path, key) = ("/api/v1/admin/inventory/POSTER/adjust", [("Idempotency-Key", "count-1")]);
        let body = json!({ "change": 1, "reason": "found one" });
        let all = (0..8).map(|_| server.post_with(path, Some(ADMIN_TOKEN), &body, &key));
        let answers = futures_util::future::join_all(all).await;
        for answer in &answers {
            let in_flight = answer.status == 409 && answer.code() == "idempotency_in_flight";
            assert!(answer.status == 200 || in_flight, "{}", answer.text);
        }
        let again = server.post_with(path, Some(ADMIN_TOKEN), &body, &key).await;
        assert_eq!((again.status, again.header("idempotency-hit")), (200, "true"));
        let first = answers.iter().find(|answer| answer.status == 200 && answer.header("idempotency-hit").is_empty());
        assert_eq!(first.unwrap().text, again.text, "the same answer again, to the letter");
        let entries = "SELECT COUNT(*) FROM inventory_ledger WHERE sku = 'POSTER' AND reason = 'manual_correction'";
        assert_eq!(server.count(entries).await, 1);
        let other = json!({ "change": 2, "reason": "found two" });
        let reused = server.post_with(path, Some(ADMIN_TOKEN), &other, &key).await;
        assert_eq!((reused.status, reused.code()), (422, "idempotency_key_reused"));
        // A mistake does not use the key up.
        let key = [("Idempotency-Key", "count-2")];
        let wrong = json!({ "change": "many", "reason": "r" });
        assert_eq!(server.post_with(path, Some(ADMIN_TOKEN), &wrong, &key).await.status, 422);
        assert_eq!(server.post_with(path, Some(ADMIN_TOKEN), &body, &key).await.status, 200);
        // A refusal stays the answer, and says so.
        let key = [("Idempotency-Key", "count-3")];
        let missing = "/api/v1/admin/orders/ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70/cancel";
        let reason = json!({ "reason": "r" });
        for hit in ["", "true"] {
            let answer = server.post_with(missing, Some(ADMIN_TOKEN), &reason, &key).await;
            assert_eq!((answer.status, answer.code(), answer.header("idempotency-hit")), (404, "not_found", hit));
        }
        server.stop().await;
    }

    /// The node dies after the commit and before the answer is kept. A minute later the key must not do it again.
    async fn what_was_committed_under_a_key_is_not_done_again_after_a_crash(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let path = "/api/v1/admin/inventory/POSTER/adjust";
        let body = json!({ "change": 1, "reason": "found one" });
        let key = ops::Key { scope: format!("ADMIN_TOKEN POST {path}"), key: "count-1".into() };
        let (claimed, sent, long_ago) = (key.clone(), body.to_string(), server.app.shop.cx());
        let long_ago = long_ago.at(long_ago.now - Duration::from_secs(3_600));
        server.app.shop.db.write("test.begin", move |tx| {
            ops::begin_idempotent(tx, &long_ago, &claimed.scope, &claimed.key, sent.as_bytes())
        }).await.unwrap();
        let definition = shop::OPERATIONS.iter().find(|def| def.name == "inventory.adjust").unwrap();
        let by = ops::By { actor: ops::Actor::operator("ADMIN_TOKEN"), role: Role::Admin,
            reason: Some("found one".into()), request_id: None };
        let (input, mode) = (json!({ "sku": "POSTER", "change": 1 }), ops::Mode::Apply { plan_id: None });
        let cx = server.app.shop.cx();
        let applied = server.app.runner.run_under(Some(key), definition, input, mode, by, cx).await.unwrap();
        let header = [("Idempotency-Key", "count-1")];
        for hit in ["", "true"] {
            let answer = server.post_with(path, Some(ADMIN_TOKEN), &body, &header).await;
            assert_eq!((answer.status, answer.header("idempotency-hit")), (200, hit), "{}", answer.text);
            assert_eq!(answer.body["id"], applied.id.to_string());
            assert_eq!((&answer.body["status"], &answer.body["verified"]), (&json!("applied"), &json!(true)));
        }
        let entries = "SELECT COUNT(*) FROM inventory_ledger WHERE sku = 'POSTER' AND reason = 'manual_correction'";
        assert_eq!(server.count(entries).await, 1);
        server.stop().await;
    }

    async fn what_is_wrong_is_told_as_a_problem_document(test: TestDb) {
        let server = Server::start(&test).await;
        let grant = "/api/v1/admin/entitlements/grant";
        let cases = [
            ("GET", "/api/v1/nothing", "", 404, "no_such_route"),
            ("GET", "/api/v1/admin/orders/ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70", "", 404, "not_found"),
            ("GET", "/api/v1/admin/orders/garbage", "", 422, "invalid_input"),
            ("GET", "/api/v1/admin/orders?statsu=paid", "", 422, "invalid_input"),
            ("GET", "/api/v1/admin/orders?status=lost", "", 422, "invalid_input"),
            ("GET", "/api/v1/admin/orders?limit=many", "", 422, "invalid_input"),
            ("GET", "/api/v1/admin/orders?limit=1&limit=2", "", 422, "invalid_input"),
            ("DELETE", "/api/v1/admin/orders", "", 405, "method_not_allowed"),
            ("POST", grant, "{", 400, "malformed_body"),
            ("POST", grant, "[1]", 400, "malformed_body"),
            ("POST", grant, "{\"course\":\"a\\u0000b\"}", 422, "invalid_input"),
            ("POST", grant, "{\"unknown\":1}", 422, "invalid_input"),
            ("POST", grant, "{\"dry_run\":\"yes\"}", 422, "invalid_input"),
        ];
        for (method, path, body, status, code) in cases {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = server
                .http
                .request(method, format!("{}{path}", server.url))
                .header("Authorization", format!("Bearer {ADMIN_TOKEN}"))
                .header("Content-Type", "application/json")
                .body(body);
            let answer = answered(request).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{path} {body}: {}", answer.text);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.body["type"], format!("{}/docs/errors/{code}", server.url));
            assert_eq!(answer.body["instance"], path.split('?').next().unwrap());
            assert_eq!(answer.body["request_id"], answer.header("x-request-id"));
            assert_eq!(answer.body["status"], status);
            assert!(!answer.body["hint"].as_str().unwrap().is_empty());
            assert_eq!(answer.header("cache-control"), "no-store");
            let page = server.get(&format!("/docs/errors/{code}"), None).await;
            assert_eq!(page.status, 200);
            assert!(page.header("content-type").starts_with("text/html"));
        }
        let pointed = server.post(grant, Some(ADMIN_TOKEN), &json!({ "a/b": 1 })).await;
        assert_eq!(pointed.body["errors"][0]["pointer"], "/a~1b");
        for (path, body, pointer, detail) in [
            (grant, json!({ "course": 1, "reason": "r" }), "/course", "is 1; expected a text"),
            ("/api/v1/admin/tokens", json!({ "name": [], "role": "app", "reason": "r" }), "/name", "is a list; expected a text"),
            ("/api/v1/admin/tokens", json!({ "role": "app", "reason": "r" }), "/name", "is missing"),
            ("/api/v1/admin/users/invite", json!({ "name": "ada", "reason": "r", "rôle": "app" }), "/rôle", "is unknown; expected name, role, reason"),
            ("/api/v1/admin/catalog/import", catalog("usd", json!("5")), "/catalog/product/0/price/0/amount", "is the text \"5\"; expected a whole number"),
            ("/api/v1/admin/catalog/import", catalog("us", json!(5)), "/catalog/product/0/price/0/currency", "`us` is not a currency"),
            ("/api/v1/admin/catalog/import", catalog("usd", json!(-5)), "/catalog/product/0/price", "expected 0 to 99999999"),
            // What a rule says of a field, and not its type.
            ("/api/v1/admin/events/replay-matching", json!({ "status": "zz", "reason": "r" }), "/status", "no status of an event"),
        ] {
            let answer = server.post(path, Some(ADMIN_TOKEN), &body).await;
            assert_eq!((answer.status, answer.code()), (422, "invalid_input"), "{body}: {}", answer.text);
            let error = &answer.body["errors"][0];
            assert_eq!(error["pointer"], pointer, "{}", answer.text);
            assert!(error["detail"].as_str().unwrap().contains(detail), "{}", answer.text);
        }
        let form = server.http.post(format!("{}{grant}", server.url)).bearer_auth(ADMIN_TOKEN);
        let form = form.header("content-type", "application/x-www-form-urlencoded").body("a=b");
        assert_eq!(answered(form).await.status, 415);
        // What was not read makes the connection useless: the answer comes through nevertheless, and says so. A client
        // that went on with it would send its next request to nobody.
        for kilobytes in [300, 3_000] {
            let large = json!({ "course": "x".repeat(kilobytes * 1_000) });
            let large = server.post(grant, Some(ADMIN_TOKEN), &large).await;
            assert_eq!((large.status, large.header("connection")), (413, "close"));
        }
        let small = server.post(grant, Some(ADMIN_TOKEN), &json!({ "unknown": 1 })).await;
        assert_eq!((small.status, small.header("connection")), (422, ""));
        let methods = server.http.delete(format!("{}/api/v1/admin/tokens", server.url));
        assert_eq!(answered(methods).await.header("allow"), "GET, POST, HEAD");
        server.stop().await;
    }

    /// A page that cannot be is told, not taken for the end of the list or for another page.
    async fn a_list_says_when_it_cannot_be_paged_so(test: TestDb) {
        let server = Server::start(&test).await;
        let has = |route: &&Route, field: &str| match route.behind {
            Behind::View(def) => (def.schema)()["properties"].get(field).is_some(),
            _ => false,
        };
        let lists = ROUTES.iter().filter(|route| has(route, "limit") && !route.path.contains("{id}"));
        let lists: Vec<&Route> = lists.collect();
        assert!(lists.len() >= 12, "{}", lists.len());
        for list in lists {
            let ask = async |query: &str| server.get(&format!("{}?{query}", list.path), Some(ADMIN_TOKEN)).await;
            for limit in ["0", "-1", "101", "9999999999999999999", "many", ""] {
                let answer = ask(&format!("limit={limit}")).await;
                assert_eq!((answer.status, answer.code()), (422, "invalid_input"), "{} {limit}", list.name);
                assert_eq!(answer.body["errors"][0]["pointer"], "limit", "{}", answer.text);
                assert!(answer.body["detail"].as_str().unwrap().contains("1 to 100"), "{}", answer.text);
            }
            for limit in ["1", "100"] {
                assert_eq!(ask(&format!("limit={limit}")).await.status, 200, "{}", list.name);
            }
            let unknown = ask("starting_after=0199f3a2-7b3c-7d2e-8f1a-2b3c4d5e6f70").await;
            assert_eq!((unknown.status, unknown.code()), (404, "not_found"), "{}: {}", list.name, unknown.text);
        }
        server.stop().await;
    }

    async fn a_list_goes_on_after_what_was_last(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        for name in ["a", "b", "c"] {
            let wish = json!({ "name": name, "role": "viewer", "reason": "tests" });
            assert_eq!(server.post("/api/v1/admin/tokens", Some(ADMIN_TOKEN), &wish).await.status, 201);
        }
        for (path, id) in [("products", "id"), ("inventory", "sku"), ("tokens", "id"), ("audit-logs", "id")] {
            let whole = server.get(&format!("/api/v1/admin/{path}?limit=100"), Some(ADMIN_TOKEN)).await;
            let whole: Vec<String> =
                whole.body["data"].as_array().unwrap().iter().map(|row| row[id].as_str().unwrap().to_owned()).collect();
            assert!(whole.len() >= 2, "{path}");
            let (mut seen, mut query) = (Vec::<String>::new(), "limit=1".to_owned());
            loop {
                let page = server.get(&format!("/api/v1/admin/{path}?{query}"), Some(ADMIN_TOKEN)).await;
                let row = page.body["data"][0][id].as_str().unwrap().to_owned();
                query = format!("limit=1&starting_after={row}");
                seen.push(row);
                if page.body["has_more"] == false {
                    break;
                }
            }
            assert_eq!(seen, whole, "{path}");
        }
        server.stop().await;
    }

    async fn checks_are_run_and_listed(test: TestDb) {
        let server = Server::start(&test).await;
        let list = server.get("/api/v1/admin/checks", Some(ADMIN_TOKEN)).await;
        let names: BTreeSet<_> = list.body["data"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, shop::checks().iter().map(|check| check.name).collect());
        assert_eq!(list.body["findings"], 0);
        server.stop().await;
    }

    async fn a_server_says_on_one_screen_how_the_shop_is(test: TestDb) {
        let server = Server::start(&test).await;
        let status = server.get("/api/v1/admin/status", Some(ADMIN_TOKEN)).await.body;
        assert_eq!((&status["object"], &status["server"]), (&json!("status"), &json!("this one")));
        assert_eq!((&status["version"], &status["findings"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(0)));
        assert!(status["started_at"].is_string() && status["mode"].is_string(), "{status}");
        server.stop().await;
    }

    async fn the_server_says_whether_it_lives_and_is_ready(test: TestDb) {
        let server = Server::start(&test).await;
        for path in ["/health", "/healthz", "/livez", "/readyz"] {
            assert_eq!(server.get(path, None).await.status, 200, "{path}");
        }
        let verbose = server.get("/readyz?verbose", None).await;
        let holds: Vec<_> = verbose.body["conditions"].as_array().unwrap().iter().map(|c| c["holds"].clone()).collect();
        assert_eq!(holds, [true, true, true]);
        server.app.shop.db.write("test", |tx| tx.execute("DELETE FROM schema_migrations WHERE version > 1", &[])).await.unwrap();
        let behind = server.get("/readyz", None).await;
        assert_eq!((behind.status, behind.body["status"].as_str()), (503, Some("not_ready")));
        server.stop().await;
    }

    async fn metrics_count_requests_by_route(test: TestDb) {
        let server = Server::start(&test).await;
        let _ = server.get(&format!("/api/v1/admin/orders/{NO_ORDER}"), Some(ADMIN_TOKEN)).await;
        let series = "http_request_duration_seconds_count{route=\"/api/v1/admin/orders/{id}\",method=\"GET\",status=\"404\"}";
        assert_eq!(server.metric(series).await, 1.0);
        let untouched = "http_request_duration_seconds_count{route=\"/webhooks/stripe\",method=\"POST\",status=\"200\"}";
        assert_eq!(server.metric(untouched).await, 0.0);
        assert_eq!(server.metric("db_up").await, 1.0);
        server.stop().await;
    }
}

async fn ask(server: &Server, route: &Route, token: Option<&str>) -> doors::Answer {
    let path = route.path.replace("{id}", NOBODY);
    match route.method.as_str() {
        "POST" => server.post(&path, token, &json!({})).await,
        _ => server.get(&path, token).await,
    }
}

/// Parity: what is defined is served, described, and has a role.
#[test]
fn every_operation_view_and_task_is_in_the_router_and_in_the_document() {
    let document = openapi::describe("https://shop.example");
    let described =
        |route: &Route| document["paths"][route.path][route.method.as_str().to_lowercase()].clone();
    for def in shop::OPERATIONS {
        let route =
            ROUTES.iter().find(|route| matches!(route.behind, Behind::Operation(d) if d.name == def.name));
        let route = route.unwrap_or_else(|| panic!("{} has no route", def.name));
        let entry = described(route);
        assert_eq!(entry["operationId"], def.name);
        assert_eq!(entry["x-role"], json!(def.role));
        let fields = entry["requestBody"]["content"]["application/json"]["schema"]["properties"].clone();
        let expected = (def.schema)();
        for name in expected["properties"].as_object().into_iter().flat_map(|all| all.keys()) {
            assert_eq!(fields.get(name).is_some(), Some(name.as_str()) != def.subject, "{} {name}", def.name);
        }
        assert!(fields.get("reason").is_some() && fields.get("plan_id").is_some());
        assert_eq!(def.subject.is_some(), route.path.contains("{id}"), "{}", def.name);
    }
    for def in shop::VIEWS {
        let route = ROUTES.iter().find(|route| matches!(route.behind, Behind::View(d) if d.name == def.name));
        let route = route.unwrap_or_else(|| panic!("{} has no route", def.name));
        assert_eq!(described(route)["operationId"], def.name);
        assert_eq!(described(route)["x-role"], json!(def.role));
        let answer = described(route)["responses"]["200"]["content"]["application/json"]["schema"].clone();
        match (def.columns, def.subject) {
            ([], _) => assert_eq!(answer["$ref"], "#/components/schemas/object", "{}", def.name),
            (_, None) => assert_eq!(answer["$ref"], "#/components/schemas/list", "{}", def.name),
            (_, Some(_)) => assert!(answer["anyOf"].is_array(), "{}", def.name),
        }
    }
    for def in shop::TASKS {
        let route = |method: &str| {
            let of_it = |route: &&Route| matches!(route.behind, Behind::Task(d) if d.name == def.name);
            ROUTES.iter().filter(of_it).find(|route| route.method.as_str() == method)
        };
        let (look, change) = (route("GET"), route("POST"));
        assert_eq!(look.is_some(), def.effect.may_look(), "{}", def.name);
        assert_eq!(change.is_some(), def.effect.changing().is_some(), "{}", def.name);
        let schema = (def.schema)();
        let names: BTreeSet<_> =
            schema["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
        let own = names.iter().filter(|name| Some(name.as_str()) != def.subject);
        if let Some(look) = look {
            assert_eq!(described(look)["x-role"], json!(def.role));
            assert_eq!(look.path.contains("{id}"), def.subject.is_some(), "{}", def.name);
            for name in own.clone() {
                let parameters = described(look)["parameters"].as_array().unwrap().clone();
                assert!(
                    parameters.iter().any(|p| p["in"] == "query" && p["name"] == **name),
                    "{} {name}",
                    def.name
                );
            }
        }
        if let (Some(change), Some(changing)) = (change, def.effect.changing()) {
            assert_eq!(described(change)["x-role"], json!(changing.role));
            assert!(described(change)["responses"]["202"].is_object(), "{}", def.name);
            let fields =
                described(change)["requestBody"]["content"]["application/json"]["schema"]["properties"]
                    .clone();
            assert!(
                own.clone().all(|name| fields.get(name).is_some()) && fields.get("reason").is_some(),
                "{}",
                def.name
            );
        }
    }
    let ids: Vec<_> = ROUTES.iter().map(|route| route.name).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an operationId stands there twice");
    let ways: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(ways.len(), ROUTES.len(), "two routes are one");
    assert!(ROUTES.iter().all(|route| !route.about.is_empty()));
}

/// Whether an answer is as the document says of this route.
fn is_as_described(path: &str, method: &str, status: u16, answer: &Value) {
    let document = openapi::describe("https://shop.example");
    let schema = &document["paths"][path][method]["responses"][status.to_string()]["content"]["application/json"]
        ["schema"];
    let required = schema["required"].as_array().unwrap_or_else(|| panic!("{path} says nothing: {schema}"));
    for name in required {
        assert!(answer.get(name.as_str().unwrap()).is_some(), "{path}: no {name} in {answer}");
    }
    for (name, value) in answer.as_object().unwrap() {
        let kind = &schema["properties"][name]["type"];
        let fits = |kind: &Value| match value {
            Value::Null => kind == "null",
            Value::Bool(_) => kind == "boolean",
            Value::Number(_) => kind == "integer",
            Value::String(_) => kind == "string",
            Value::Array(_) => kind == "array",
            Value::Object(_) => kind == "object",
        };
        assert!(
            kind.as_array().map_or_else(|| fits(kind), |all| all.iter().any(fits)),
            "{path}: {name} in {answer}"
        );
    }
}

#[test]
fn no_answer_of_the_document_is_without_its_contents() {
    let document = openapi::describe("https://shop.example");
    for route in ROUTES.iter() {
        let answers = &document["paths"][route.path][route.method.as_str().to_lowercase()]["responses"];
        for (status, answer) in answers.as_object().unwrap() {
            let said = answer["content"].is_object() || answer["headers"]["Location"].is_object();
            assert!(
                said && !answer["description"].as_str().unwrap_or_default().is_empty(),
                "{} {status}",
                route.name
            );
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere_in_it() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                assert!(!fields.contains_key("$defs"), "definitions that nobody finds: {value}");
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = openapi::describe("https://shop.example");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.iter().any(|reference| reference.contains("catalog.import")), "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.starts_with('/'));
        assert!(pointer.is_some_and(|pointer| document.pointer(pointer).is_some()), "{reference}");
    }
}

/// Every code that some refusal, somewhere in the sources, or the command line carries.
#[test]
fn every_error_code_of_the_code_base_has_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut codes = BTreeSet::new();
    for room in ["kernel", "db", "ops", "jobs", "stripe", "shop", "makegood"] {
        scan(&root.join(room).join("src"), &mut codes);
    }
    for file in ["exit.rs", "failure.rs"] {
        codes.extend(judged(&root.join("makegood/src/cli").join(file)));
    }
    for code in ["out_of_stock", "reason_required", "flag_required", "usage", "unreachable", "conflict"] {
        assert!(codes.contains(code), "{code} is not seen: {codes:?}");
    }
    let missing: Vec<_> = codes.iter().filter(|code| ErrorPage::find(code).is_none()).collect();
    assert!(missing.is_empty(), "no page in http/error_pages.rs for {missing:?}");
    for code in ["not_found", "invalid_input", "busy", "outcome_unknown", "internal_error"] {
        assert!(ErrorPage::find(code).is_some(), "{code}");
    }
}

/// The codes that the command line tells apart, or gives to an answer that has none: words in the arms of its matches.
fn judged(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
    let arms = shipped.lines().filter(|line| line.contains("=>"));
    let words = arms.flat_map(|line| line.split('"').skip(1).step_by(2));
    words.filter(|word| !word.is_empty() && !word.contains(' ')).map(str::to_owned).collect()
}

fn scan(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scan(&path, codes);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            for opening in ["Refusal::new(", "Problem::new(", "Failure::new("] {
                for rest in shipped.split(opening).skip(1) {
                    if let Some(literal) = rest.trim_start().strip_prefix('"') {
                        // The configuration's problems name keys in capitals, not codes.
                        let code = literal.split('"').next().unwrap_or_default();
                        let is_code = code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                        codes.extend(is_code.then(|| code.to_owned()));
                    }
                }
            }
        }
    }
}

/// A catalog of one course at this price.
fn catalog(currency: &str, amount: Value) -> Value {
    let price = json!([{ "currency": currency, "amount": amount }]);
    json!({ "catalog": { "product": [{ "id": "a", "kind": "course", "name": "A", "price": price }] }, "reason": "r" })
}
