//! Buyers over real HTTP: signing in by mail, claiming, what they see of theirs, and that nobody sees another's.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doors::{ADMIN_TOKEN, Answer, Server, Wish, answered, now};
use mail::Mailbox;
use ops::Role;
use ring::signature::{Ed25519KeyPair, KeyPair};
use sandbox::Payment;
use serde_json::json;
use testkit::on_both_engines;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

/// A browser: it keeps cookies and sends forms as the page has them.
struct Browser<'s> {
    server: &'s Server,
    cookies: std::collections::BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    fn of(server: &'s Server) -> Self {
        Browser { server, cookies: std::collections::BTreeMap::new() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let held: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = answered(request.header("Cookie", held.join("; "))).await;
        for line in answer.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(self.server.http.get(format!("{}{path}", self.server.url))).await
    }

    /// Looks at a page and sends its form.
    async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let seen = self.get(page).await;
        let word = word(&seen.text).unwrap_or_default();
        let mut form = vec![("csrf", word.as_str())];
        form.extend_from_slice(fields);
        self.post(action, &form).await
    }

    async fn post(&mut self, action: &str, form: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace('@', "%40").replace(' ', "+")))
            .collect();
        let request = self.server.http.post(format!("{}{action}", self.server.url));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(pairs.join("&"))).await
    }

    /// By the link that was mailed.
    async fn sign_in(&mut self, mailbox: &Mailbox, email: &str) -> Answer {
        let asked = self.submit("/login", "/login", &[("email", email)]).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        let link = newest_link(self.server, mailbox, email, "/login/").await;
        self.submit(&link, &link, &[]).await
    }
}

fn word(page: &str) -> Option<String> {
    let stem = "name=\"csrf\" value=\"";
    let at = page.find(stem)? + stem.len();
    Some(page[at..].chars().take_while(|c| *c != '"').collect())
}

/// The path of the newest such link that was mailed there.
async fn newest_link(server: &Server, mailbox: &Mailbox, to: &str, path: &str) -> String {
    for _ in 0..200 {
        let found = mailbox.all().into_iter().filter(|mail| mail.message.to == to).find_map(|mail| {
            let at = mail.message.text.find(&format!("{}{path}", server.url))?;
            Some(mail.message.text[at + server.url.len()..].split_whitespace().next()?.to_owned())
        });
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no {path} was mailed to {to}: {:?}", mailbox.all());
}

async fn open(test: &testkit::TestDb, environment: Vec<(&'static str, String)>) -> (Server, Arc<Mailbox>) {
    let mailbox = Arc::new(Mailbox::default());
    let wish = Wish { workers: true, mailbox: Some(mailbox.clone()), environment, ..Wish::default() };
    (Server::start_as(test, wish).await.with_catalog().await, mailbox)
}

/// A guest buys the course; its order.
async fn buy(server: &Server, email: &str) -> String {
    let basket = json!({ "items": [{ "product": "rust-course" }], "email": email });
    let started = server.post("/api/v1/checkout/sessions", None, &basket).await;
    let session = started.body["id"].as_str().unwrap().to_owned();
    server
        .stripe
        .with(|account, cx| account.pay(&session, &Payment::by_card("4242424242424242"), cx))
        .unwrap();
    for _ in 0..200 {
        let now = server.get(&format!("/api/v1/checkout/sessions/{session}"), None).await;
        if now.body["status"] == "completed" {
            return started.body["order_id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the order was not completed");
}

/// The shop's own sign-in.
struct SignIn(Ed25519KeyPair);

impl SignIn {
    fn new() -> SignIn {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        SignIn(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }
    fn jwks(&self, kid: &str) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x }] }).to_string()
    }
    fn token(&self, kid: &str, sub: &str) -> String {
        let header = json!({ "alg": "EdDSA", "kid": kid });
        let claims =
            json!({ "iss": "https://id.example", "aud": "shop", "sub": sub, "exp": now().seconds() + 300 });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes())))
    }
}

fn trusting(key: &'static str, at: String) -> Vec<(&'static str, String)> {
    vec![(key, at), ("BUYER_JWT_ISSUER", "https://id.example".into()), ("BUYER_JWT_AUDIENCE", "shop".into())]
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_lesson_is_watched_and_a_file_is_saved_and_what_is_not_given_is_said_politely(test: TestDb) {
        let mailbox = Arc::new(Mailbox::default());
        let wish = Wish { workers: true, mailbox: Some(mailbox.clone()), in_memory: true, ..Wish::default() };
        let server = Server::start_as(&test, wish).await.with_catalog().await;
        server.disk.lay("rust/slides.pdf", 2_500_000);
        server.streams.lay("film-1");
        let file = json!({ "id": "slides", "title": "Slides", "object_key": "rust/slides.pdf", "bytes": 2_500_000 });
        let lesson = json!({ "id": "hello", "title": "Hello <you>", "stream_video_id": "film-1", "resource": [file] });
        let hidden = json!({ "id": "later", "title": "Later", "published": false });
        let module = json!({ "id": "one", "title": "Part one", "lesson": [lesson, hidden] });
        let body = json!({ "content": { "course": [{ "id": "rust-course", "module": [module] }] }, "reason": "ready" });
        assert_eq!(server.post("/api/v1/admin/courses/import", Some(ADMIN_TOKEN), &body).await.status, 200);
        for (email, digit) in [(ADA, 0), (BOB, 1)] {
            let id = format!("prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f7{digit}");
            let made = json!({ "id": id, "email": email, "reason": "signed up" });
            assert_eq!(server.post("/api/v1/admin/customers/create", Some(ADMIN_TOKEN), &made).await.status, 200);
        }
        let mut ada = Browser::of(&server);
        ada.sign_in(&mailbox, ADA).await;
        assert_eq!(ada.get("/my/courses/rust-course").await.status, 404, "nothing was bought");
        assert_eq!(ada.get("/my/courses/rust-course/hello").await.status, 404);
        let profile = ada.get("/api/v1/my").await.body["id"].as_str().unwrap().to_owned();
        let gift = json!({ "user": profile, "course": "rust-course", "reason": "a gift" });
        assert_eq!(server.post("/api/v1/admin/entitlements/grant", Some(ADMIN_TOKEN), &gift).await.status, 200);
        let course = ada.get("/my/courses/rust-course").await;
        assert!(course.text.contains("Part one") && course.text.contains("/my/courses/rust-course/hello"), "{}", course.text);
        assert!(!course.text.contains("Later") && !course.text.contains("film-1"), "{}", course.text);
        let seen = ada.get("/my/courses/rust-course/hello").await;
        assert!(seen.text.contains("src=\"https://player.invalid/film-1/iframe\""), "{}", seen.text);
        assert!(!seen.text.contains("<you>") && seen.text.contains("2.5 MB"), "{}", seen.text);
        assert!(seen.header("content-security-policy").ends_with("frame-src https://player.invalid"));
        assert!(!ada.get("/my").await.header("content-security-policy").contains("frame-src"));
        assert_eq!(ada.get("/my/courses/rust-course/later").await.status, 404);
        let stem = "/my/courses/rust-course/files/";
        let at = seen.text.find(stem).unwrap();
        let save: String = seen.text[at..].chars().take_while(|c| *c != '"').collect();
        let led = ada.get(&save).await;
        assert_eq!(led.status, 303);
        assert!(led.header("location").starts_with("memory:rust/slides.pdf?"), "{}", led.header("location"));
        // The same by the API, with nothing but the cookie.
        let by_api = format!("/api/v1/entitlements/rust-course/download/{}", &save[stem.len()..]);
        assert_eq!(ada.get(&by_api).await.status, 302);
        let mut bob = Browser::of(&server);
        bob.sign_in(&mailbox, BOB).await;
        assert_eq!(bob.get(&by_api).await.status, 403);
        assert_eq!(bob.get(&save).await.status, 403);
        let off = json!({ "reason": "a file leaked" });
        server.post("/api/v1/admin/downloads/disable", Some(ADMIN_TOKEN), &off).await;
        for page in [save.as_str(), "/my/courses/rust-course/hello"] {
            let paused = ada.get(page).await;
            assert!(paused.status == 403 && paused.text.contains("paused"), "{}", paused.text);
            assert!(!paused.text.contains("a file leaked"), "{}", paused.text);
        }
        server.post("/api/v1/admin/downloads/enable", Some(ADMIN_TOKEN), &off).await;
        let hidden = json!({ "content": { "course": [{ "id": "rust-course", "published": false, "module": [module] }] }, "reason": "a mistake" });
        assert_eq!(server.post("/api/v1/admin/courses/import", Some(ADMIN_TOKEN), &hidden).await.status, 200);
        assert_eq!(ada.get("/my/courses/rust-course").await.status, 200);
        let unseen = ada.get("/my/courses/rust-course/hello").await;
        assert!(unseen.status == 404 && !unseen.text.contains("payment"), "{}", unseen.text);
        assert_eq!(server.post("/api/v1/admin/courses/import", Some(ADMIN_TOKEN), &body).await.status, 200);
        server.disk.lose("rust/slides.pdf");
        let gone = ada.get(&save).await;
        assert!(gone.status == 404 && gone.text.contains("we will see to it"), "{}", gone.text);
        server.stop().await;
    }

    async fn a_guest_claims_by_the_mailed_link_and_is_signed_in(test: TestDb) {
        let (server, mailbox) = open(&test, Vec::new()).await;
        let order = buy(&server, ADA).await;
        let link = newest_link(&server, &mailbox, ADA, "/claim/").await;
        let mut browser = Browser::of(&server);
        // Who scans mail looks at it, as often as they like.
        for _ in 0..3 {
            assert_eq!(server.http.head(format!("{}{link}", server.url)).send().await.unwrap().status(), 200);
            let seen = Browser::of(&server).get(&link).await;
            assert_eq!(seen.status, 200);
            assert!(seen.text.contains("Rust from the ground up") && seen.text.contains(ADA), "{}", seen.text);
            assert!(seen.header("content-security-policy").contains("default-src 'none'"));
            assert_eq!(seen.header("cache-control"), "no-store");
            assert_eq!(seen.header("referrer-policy"), "no-referrer");
        }
        // A form that does not come from the page claims nothing.
        assert_eq!(browser.post(&link, &[]).await.status, 403);
        assert_eq!(browser.post(&link, &[("csrf", &"0".repeat(64))]).await.status, 403);
        let evil = server.http.post(format!("{}{link}", server.url)).header("Sec-Fetch-Site", "cross-site");
        let evil = evil.header("Content-Type", "application/x-www-form-urlencoded").body("csrf=x");
        assert_eq!(answered(evil).await.status, 403);
        assert_eq!(server.count("SELECT COUNT(*) FROM orders WHERE profile_id IS NOT NULL").await, 0);
        let claimed = browser.submit(&link, &link, &[]).await;
        assert_eq!((claimed.status, claimed.header("location")), (303, "/my"), "{}", claimed.text);
        let cookie = claimed.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=2592000"), "{cookie}");
        let my = browser.get("/my").await;
        assert!(my.text.contains("/my/courses/rust-course") && my.text.contains(&order), "{}", my.text);
        assert_eq!(browser.get("/my/courses/rust-course").await.status, 200);
        assert_eq!(browser.get(&format!("/my/orders/{order}")).await.status, 200);
        assert_eq!(browser.get("/my/downloads").await.status, 200);
        assert_eq!(browser.get("/api/v1/my").await.body["known_by"], "session");
        let again = Browser::of(&server).submit("/login", &link, &[]).await;
        assert_eq!(again.status, 410, "it is used up: {}", again.text);
        assert_eq!(Browser::of(&server).get(&link).await.status, 410);
        // The secret stands nowhere that an admin reads.
        let secret = link.rsplit('/').next().unwrap().to_owned();
        for path in ["/api/v1/admin/mails", "/api/v1/admin/claims?all=true", "/api/v1/admin/audit-logs", "/api/v1/admin/jobs"] {
            let read = server.get(path, Some(ADMIN_TOKEN)).await;
            assert!(read.status == 200 && !read.text.contains(&secret), "{path}: {}", read.text);
        }
        server.stop().await;
    }

    async fn a_link_to_sign_in_is_used_by_its_button_once_and_signing_out_ends_it(test: TestDb) {
        let (server, mailbox) = open(&test, Vec::new()).await;
        buy(&server, ADA).await;
        let mut browser = Browser::of(&server);
        let known = browser.submit("/login", "/login", &[("email", ADA)]).await;
        let stranger = browser.submit("/login", "/login", &[("email", "nobody@example.com")]).await;
        assert_eq!(known.status, 200);
        assert_eq!(known.text.replace(ADA, "X"), stranger.text.replace("nobody@example.com", "X"), "the same answer");
        assert_eq!(browser.submit("/login", "/login", &[("email", "no address")]).await.status, 422);
        let link = newest_link(&server, &mailbox, ADA, "/login/").await;
        for _ in 0..3 {
            assert_eq!(browser.get(&link).await.status, 200);
        }
        let signed_in = browser.submit(&link, &link, &[]).await;
        assert_eq!((signed_in.status, signed_in.header("location")), (303, "/my"));
        assert_eq!(Browser::of(&server).submit("/login", &link, &[]).await.status, 410);
        assert_eq!(Browser::of(&server).get(&link).await.status, 410);
        // What was bought as a guest is offered, and a button takes it.
        let my = browser.get("/my").await;
        assert!(my.text.contains("Bought as a guest"), "{}", my.text);
        assert_eq!(browser.submit("/my", "/my/claim", &[]).await.status, 303);
        assert_eq!(browser.get("/my/courses/rust-course").await.status, 200);
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'purchase_claim_completed'").await, 1);
        let held = browser.cookies.clone();
        assert_eq!(browser.submit("/my", "/logout", &[]).await.header("location"), "/login");
        browser.cookies = held;
        let out = browser.get("/my").await;
        assert_eq!((out.status, out.header("location")), (303, "/login"), "the session is over, not only the cookie");
        assert!(mailbox.all().iter().all(|mail| mail.message.to == ADA), "a stranger's address gets no mail");
        server.stop().await;
    }

    /// Every way a buyer can read, by every pair of buyers.
    async fn no_buyer_reads_anothers_anything(test: TestDb) {
        let key = SignIn::new();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, key.jwks("one")).unwrap();
        let (server, mailbox) = open(&test, trusting("BUYER_JWKS_FILE", file.display().to_string())).await;
        let mut buyers = Vec::new();
        for (email, product) in [(ADA, "rust-course"), (BOB, "free-course")] {
            let id = format!("prf_{}", server.app.shop.cx().uuid().simple());
            let made = json!({ "id": id, "email": email, "email_proved": true, "reason": "signed up" });
            assert_eq!(server.post("/api/v1/admin/customers/create", Some(ADMIN_TOKEN), &made).await.status, 200);
            let order = buy(&server, email).await;
            let mut browser = Browser::of(&server);
            assert_eq!(browser.sign_in(&mailbox, email).await.status, 303);
            assert_eq!(browser.submit("/my", "/my/claim", &[]).await.status, 303);
            // One of them has something that the other has not.
            let grant = json!({ "user": id, "course": product, "reason": "a gift" });
            server.post("/api/v1/admin/entitlements/grant", Some(ADMIN_TOKEN), &grant).await;
            buyers.push((email, id, order, browser));
        }
        let app = server.token(Role::App).await;
        for mine in 0..2 {
            let theirs = 1 - mine;
            let (their_email, their_id, their_order) =
                (buyers[theirs].0, buyers[theirs].1.clone(), buyers[theirs].2.clone());
            let (my_id, my_order) = (buyers[mine].1.clone(), buyers[mine].2.clone());
            let browser = &mut buyers[mine].3;
            for (path, status) in [
                ("/my".to_owned(), 200),
                ("/my/downloads".to_owned(), 200),
                (format!("/my/orders/{my_order}"), 200),
                (format!("/my/orders/{their_order}"), 404),
                (format!("/my/courses/{}", if mine == 0 { "free-course" } else { "nothing" }), 404),
                ("/api/v1/my".to_owned(), 200),
            ] {
                let seen = browser.get(&path).await;
                assert_eq!(seen.status, status, "{path}: {}", seen.text);
                for foreign in [their_email, &their_id, &their_order] {
                    assert!(!seen.text.replace(&path, "").contains(foreign), "{path} shows {foreign}: {}", seen.text);
                }
            }
            // A cookie is not looked at where a token says who it is; a token speaks for its sub alone.
            let token = key.token("one", &my_id);
            for path in ["/api/v1/my".to_owned(), format!("/api/v1/my?user_id={their_id}")] {
                let seen = browser.send(server.http.get(format!("{}{path}", server.url)).bearer_auth(&token)).await;
                assert_eq!((seen.status, seen.body["id"].as_str()), (200, Some(my_id.as_str())), "{}", seen.text);
                assert!(!seen.text.contains(&their_order));
            }
            let named = server.get(&format!("/api/v1/my?user_id={my_id}"), Some(&app)).await;
            assert_eq!((named.status, &named.body["known_by"]), (200, &json!("server")), "{}", named.text);
            assert_eq!(server.get("/api/v1/my", Some(&app)).await.status, 422, "a server says for whom");
        }
        assert_eq!(server.get("/api/v1/my", None).await.status, 401);
        let viewer = server.token(Role::Viewer).await;
        assert_eq!(server.get(&format!("/api/v1/my?user_id={}", buyers[0].1), Some(&viewer)).await.status, 403);
        for page in ["/my", "/my/downloads", "/my/courses/rust-course", &format!("/my/orders/{}", buyers[0].2)] {
            let stranger = server.get(page, None).await;
            assert_eq!((stranger.status, stranger.header("location")), (303, "/login"), "{page}");
        }
        let other = SignIn::new();
        for wrong in [other.token("one", &buyers[0].1), key.token("two", &buyers[0].1), format!("{}x", key.token("one", &buyers[0].1))] {
            assert_eq!(server.get("/api/v1/my", Some(&wrong)).await.status, 401);
        }
        server.stop().await;
    }

    async fn older_orders_stand_on_further_pages_and_anothers_are_no_place_to_begin(test: TestDb) {
        let (server, mailbox) = open(&test, Vec::new()).await;
        buy(&server, ADA).await;
        let bobs = buy(&server, BOB).await;
        let mut ada = Browser::of(&server);
        ada.sign_in(&mailbox, ADA).await;
        ada.submit("/my", "/my/claim", &[]).await;
        let columns = "profile_id, email, status, payment_status, requires_review, currency, subtotal_amount, discount_amount, tax_amount,
            shipping_amount, total_amount, paid_amount, webhook_processed_at, confirmed_at, completed_at, created_at, updated_at";
        let copies: &'static str = Box::leak(format!(
            "INSERT INTO orders (id, {columns}) SELECT $1, {columns} FROM orders WHERE profile_id IS NOT NULL LIMIT 1").into_boxed_str());
        let app = server.app.clone();
        for _ in 0..52 {
            let id = app.shop.cx().uuid();
            app.shop.db.write("test.orders", move |tx| tx.execute(copies, &[id.into()])).await.unwrap();
        }
        let (mut seen, mut path) = (std::collections::BTreeSet::new(), "/api/v1/my?limit=20".to_owned());
        for (count, more) in [(20, true), (20, true), (13, false)] {
            let page = ada.get(&path).await;
            let orders = page.body["orders"].as_array().unwrap().clone();
            assert_eq!((orders.len(), &page.body["has_more"]), (count, &json!(more)), "{}", page.text);
            seen.extend(orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()));
            path = format!("/api/v1/my?limit=20&starting_after={}", orders[count - 1]["id"].as_str().unwrap());
        }
        assert_eq!(seen.len(), 53);
        let links = |text: &str| text.matches("href=\"/my/orders/").count();
        let first = ada.get("/my").await;
        assert_eq!(links(&first.text), 50, "{}", first.text);
        let stem = "href=\"/my?starting_after=";
        let at = first.text.find(stem).unwrap() + "href=\"".len();
        let next: String = first.text[at..].chars().take_while(|c| *c != '"').collect();
        let second = ada.get(&next).await;
        assert!(links(&second.text) == 3 && !second.text.contains(stem) && second.text.contains("href=\"/my\""), "{}", second.text);
        for path in ["/my", "/api/v1/my"] {
            let foreign = ada.get(&format!("{path}?starting_after={bobs}")).await;
            let nobodys = ada.get(&format!("{path}?starting_after=ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70")).await;
            assert_eq!((foreign.status, nobodys.status), (404, 404), "{path}");
        }
        assert_eq!(ada.get("/api/v1/my?limit=101").await.status, 422);
        server.stop().await;
    }

    /// A sign-in that takes connections and never answers.
    async fn nobody_waits_in_line_for_keys_that_cannot_be_read(test: TestDb) {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", silent.local_addr().unwrap());
        let (server, _) = open(&test, trusting("BUYER_JWKS_URL", url)).await;
        let made_up = SignIn::new().token("made-up", "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70");
        // One who asks and goes away at once leaves nobody without an answer.
        let gone = server.http.get(format!("{}/api/v1/my", server.url)).bearer_auth(&made_up);
        gone.timeout(std::time::Duration::from_millis(100)).send().await.unwrap_err();
        let began = std::time::Instant::now();
        let asked = (0..12).map(|_| server.get("/api/v1/my", Some(&made_up)));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!((answer.status, answer.body["code"].as_str()), (503, Some("busy")), "{}", answer.text);
        }
        assert!(began.elapsed().as_secs_f32() < 9.0, "they waited for one reading: {:?}", began.elapsed());
        let began = std::time::Instant::now();
        let later = server.get("/api/v1/my", Some(&made_up)).await;
        assert!((1..=30).contains(&later.header("retry-after").parse().unwrap()), "{}", later.text);
        assert!(later.status == 503 && began.elapsed().as_secs_f32() < 2.0, "{:?}", began.elapsed());
        server.stop().await;
    }

    /// All of them come before the first key was ever read.
    async fn many_who_come_at_once_get_in_by_one_reading(test: TestDb) {
        let key = SignIn::new();
        let reads = Arc::new(AtomicUsize::new(0));
        let (counted, text) = (reads.clone(), key.jwks("one"));
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let text = text.clone();
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                text
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let id = axum::Router::new().route("/jwks.json", axum::routing::get(answer));
        let serving = tokio::spawn(async move { drop(axum::serve(listener, id).await) });
        let (server, _) = open(&test, trusting("BUYER_JWKS_URL", url)).await;
        let ada = format!("prf_{}", server.app.shop.cx().uuid().simple());
        let made = json!({ "id": ada, "email": ADA, "reason": "signed up" });
        server.post("/api/v1/admin/customers/create", Some(ADMIN_TOKEN), &made).await;
        let token = key.token("one", &ada);
        let asked = (0..12).map(|_| server.get("/api/v1/my", Some(&token)));
        let answers = futures_util::future::join_all(asked).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers[0].text);
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        serving.abort();
        server.stop().await;
    }

    async fn a_new_key_of_the_sign_in_is_read_once_and_not_for_everybody_who_makes_one_up(test: TestDb) {
        let (old, new) = (SignIn::new(), SignIn::new());
        let reads = Arc::new(AtomicUsize::new(0));
        let (counted, first, second) = (reads.clone(), old.jwks("old"), new.jwks("new"));
        let answer = move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            let text = if n == 0 { first.clone() } else { second.clone() };
            std::future::ready(text)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let id = axum::Router::new().route("/jwks.json", axum::routing::get(answer));
        let serving = tokio::spawn(async move { drop(axum::serve(listener, id).await) });
        let (server, _) = open(&test, trusting("BUYER_JWKS_URL", url)).await;
        let ada = format!("prf_{}", server.app.shop.cx().uuid().simple());
        let made = json!({ "id": ada, "email": ADA, "reason": "signed up" });
        server.post("/api/v1/admin/customers/create", Some(ADMIN_TOKEN), &made).await;
        assert_eq!(server.get("/api/v1/my", Some(&old.token("old", &ada))).await.status, 200);
        for n in 0..50 {
            let made_up = server.get("/api/v1/my", Some(&old.token(&format!("made-up-{n}"), &ada))).await;
            assert_eq!(made_up.status, 401);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1, "it was read a moment ago");
        serving.abort();
        server.stop().await;
    }
}
