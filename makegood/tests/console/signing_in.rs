//! Signing in and out: whom the door lets in, how it tells guessers nothing, and that a form of another site does nothing.

use ops::Role;
use serde_json::json;
use testkit::on_both_engines;

use crate::browser::{Browser, PASSWORD, user};
use crate::doors::{ADMIN_TOKEN, Server, Wish, now};

const ENTRIES: &str = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'sign_in_failed'";

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn wrong_passwords_unknown_names_and_disabled_people_are_told_the_same(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        user(&server.app, "gone", Role::Support).await;
        let off = server.post("/api/v1/admin/users/gone/disable", Some(ADMIN_TOKEN), &json!({ "reason": "left" })).await;
        assert_eq!(off.status, 200, "{}", off.text);
        let mut told = Vec::new();
        for (name, password) in [("ada", "not it at all"), ("nobody", PASSWORD), ("gone", PASSWORD), ("", "")] {
            let mut browser = Browser::new(&server);
            let answer = browser.sign_in(name, password).await;
            assert_eq!(answer.status, 401, "{name}");
            assert!(!browser.cookies.contains_key("makegood"));
            let text = answer.text.split("role=\"alert\"").nth(1).unwrap();
            told.push(text.split("</p>").next().unwrap().to_owned());
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
        assert_eq!(server.count(ENTRIES).await, 4);
        let typed = server.count("SELECT COUNT(*) FROM audit_logs WHERE subject_id = 'nobody'").await;
        assert_eq!(typed, 0, "what a stranger types may be a password");
        server.stop().await;
    }

    async fn who_guesses_waits_longer_each_time_and_a_good_password_waits_as_well(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        user(&server.app, "bob", Role::Support).await;
        let mut browser = Browser::new(&server);
        for _ in 0..5 {
            assert_eq!(browser.sign_in("ada", "wrong").await.status, 401);
        }
        let locked = browser.sign_in("ADA ", PASSWORD).await;
        assert_eq!(locked.status, 429, "{}", locked.text);
        let wait: u64 = locked.header("retry-after").parse().unwrap();
        assert!((1..=16).contains(&wait), "{wait}");
        // Another name from the same address may still try.
        assert_eq!(browser.sign_in("bob", PASSWORD).await.status, 303);
        let waited = server.app.shop.db.write("test.wait", |tx| {
            tx.execute("UPDATE sign_in_attempts SET last_at = $1", &[(now() - kernel::Duration::from_secs(20)).into()])
        });
        waited.await.unwrap();
        let mut again = Browser::new(&server);
        assert_eq!(again.sign_in("ada", "wrong").await.status, 401);
        let wait: u64 = again.sign_in("ada", PASSWORD).await.header("retry-after").parse().unwrap();
        assert!(wait > 16, "{wait}");
        server.stop().await;
    }

    /// An office behind one address, in which somebody has mistyped often enough.
    async fn a_good_password_makes_no_colleague_wait(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        user(&server.app, "bob", Role::Support).await;
        let mistyped = server.app.shop.db.write("test.mistyped", |tx| {
            let long_ago = now() - kernel::Duration::from_secs(20 * 60);
            tx.execute("INSERT INTO sign_in_attempts (who, failures, last_at) VALUES ('address 127.0.0.1', 26, $1)", &[long_ago.into()])
        });
        mistyped.await.unwrap();
        for name in ["ada", "bob", "ada"] {
            let answer = Browser::new(&server).sign_in(name, PASSWORD).await;
            assert_eq!(answer.status, 303, "{name}: {}", answer.text);
        }
        assert_eq!(Browser::new(&server).sign_in("ada", "wrong").await.status, 401);
        assert_eq!(Browser::new(&server).sign_in("bob", PASSWORD).await.status, 429, "a failure does");
        server.stop().await;
    }

    async fn many_guesses_at_once_count_as_many(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        let mut browsers = Vec::new();
        for _ in 0..12 {
            let mut browser = Browser::new(&server);
            browser.get("/_/sign-in").await;
            browsers.push(browser);
        }
        let guesses = browsers.iter_mut().map(|browser| browser.post("/_/sign-in", &[("name", "ada"), ("password", "x")]));
        let answers = futures_util::future::join_all(guesses).await;
        let tried = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(tried, 5, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        server.stop().await;
    }

    async fn a_form_that_is_not_ours_signs_nobody_in_and_out(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        let fields = [("name", "ada"), ("password", PASSWORD)];
        let mut strange = Browser::new(&server);
        strange.get("/_/sign-in").await;
        strange.site = "cross-site";
        assert_eq!(strange.post("/_/sign-in", &fields).await.status, 403);
        strange.site = "same-origin";
        let forged = [("name", "ada"), ("password", PASSWORD), ("csrf", "0000")];
        let refused = strange.post("/_/sign-in", &forged).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("form_refused"), "{}", refused.text);
        let mut bare = Browser::new(&server);
        assert_eq!(bare.post("/_/sign-in", &fields).await.status, 403, "without the cookie of the form");
        let mut ada = Browser::new(&server);
        assert_eq!(ada.sign_in("ada", PASSWORD).await.status, 303);
        ada.get("/_/").await;
        let word = ada.word.clone();
        assert_eq!(ada.post("/_/sign-out", &[("csrf", &strange.word)]).await.status, 403);
        ada.site = "same-site";
        assert_eq!(ada.post("/_/sign-out", &[("csrf", &word)]).await.status, 403);
        ada.site = "";
        assert_eq!(ada.get("/_/").await.status, 200, "still signed in");
        assert_eq!(ada.get("/_/sign-out").await.status, 405, "no GET has an effect");
        assert_eq!(ada.post("/_/sign-out", &[("csrf", &word)]).await.status, 303);
        assert_eq!(ada.get("/_/").await.status, 303);
        server.stop().await;
    }

    async fn the_cookie_is_kept_from_scripts_and_other_sites(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Support).await;
        let mut browser = Browser::new(&server);
        let answer = browser.sign_in("ada", PASSWORD).await;
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|l| l.to_str().unwrap().to_owned()).collect();
        let session = lines.iter().find(|line| line.starts_with("makegood=")).unwrap();
        assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{session}");
        let kept = server.count("SELECT COUNT(*) FROM user_sessions").await;
        let secret = &browser.cookies["makegood"];
        assert_eq!((kept, secret.len()), (1, 64));
        let found = secret.clone();
        let plain = server.app.shop.db.read("test.plain", move |tx| {
            Ok(tx.query("SELECT id FROM user_sessions WHERE hash = $1", &[found.clone().into()])?.len())
        });
        assert_eq!(plain.await.unwrap(), 0, "only its hash is kept");
        server.stop().await;
        let https = vec![("APP_URL", "https://shop.example".to_owned())];
        let server = Server::start_as(&test, Wish { environment: https, ..Wish::default() }).await;
        let mut browser = Browser::new(&server);
        let answer = browser.sign_in("ada", PASSWORD).await;
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|l| l.to_str().unwrap().to_owned()).collect();
        let session = lines.iter().find(|line| line.starts_with("__Host-makegood=")).unwrap();
        assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{session}");
        assert!(answer.header("strict-transport-security").contains("max-age"));
        server.stop().await;
    }

    async fn whoever_is_disabled_or_loses_the_role_or_the_token_is_out_at_once(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Operator).await;
        let mut ada = Browser::new(&server);
        assert_eq!(ada.sign_in("ada", PASSWORD).await.status, 303);
        assert!(ada.get("/_/").await.text.contains("operator"));
        let why = json!({ "role": "viewer", "reason": "tests" });
        let less = server.post("/api/v1/admin/users/ada/role", Some(ADMIN_TOKEN), &why).await;
        assert_eq!(less.status, 200, "{}", less.text);
        let page = ada.get("/_/").await.text;
        assert!(page.contains(">viewer<") && !page.contains(">operator<"), "{page}");
        let off = server.post("/api/v1/admin/users/ada/disable", Some(ADMIN_TOKEN), &json!({ "reason": "left" })).await;
        assert_eq!(off.status, 200, "{}", off.text);
        assert_eq!(ada.get("/_/").await.status, 303);
        assert_eq!(server.count("SELECT COUNT(*) FROM user_sessions").await, 0);

        let made = json!({ "name": "machine", "role": "support", "reason": "tests" });
        let made = server.post("/api/v1/admin/tokens", Some(ADMIN_TOKEN), &made).await.body;
        let mut bearer = Browser::new(&server);
        bearer.get("/_/sign-in").await;
        assert_eq!(bearer.post("/_/sign-in", &[("token", made["token"].as_str().unwrap())]).await.status, 303);
        assert!(bearer.get("/_/").await.text.contains("machine"));
        let path = format!("/api/v1/admin/tokens/{}/revoke", made["id"].as_str().unwrap());
        assert_eq!(server.post(&path, Some(ADMIN_TOKEN), &json!({ "reason": "tests" })).await.status, 200);
        assert_eq!(bearer.get("/_/").await.status, 303);
        server.stop().await;
    }

    async fn a_session_ends_after_eight_idle_hours_and_after_a_day(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Viewer).await;
        for (column, hours) in [("seen_at", 8), ("created_at", 24)] {
            let mut ada = Browser::new(&server);
            assert_eq!(ada.sign_in("ada", PASSWORD).await.status, 303);
            assert_eq!(ada.get("/_/").await.status, 200);
            let age = |minutes: u64| now() - kernel::Duration::from_secs(hours * 3_600 - 120 + minutes * 60);
            for (minutes, expected) in [(0, 200), (3, 303)] {
                let at = age(minutes);
                let sql = format!("UPDATE user_sessions SET {column} = $1");
                server.app.shop.db.write("test.age", move |tx| tx.execute(&sql, &[at.into()])).await.unwrap();
                assert_eq!(ada.get("/_/").await.status, expected, "{column} {minutes}");
            }
        }
        server.stop().await;
    }

    async fn a_link_is_good_once_and_looking_at_it_uses_nothing_up(test: TestDb) {
        let server = Server::start(&test).await;
        let body = json!({ "name": "Ada@Example.com", "role": "support", "reason": "she helps" });
        let made = server.post("/api/v1/admin/users/invite", Some(ADMIN_TOKEN), &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let link = made.body["link"].as_str().unwrap().strip_prefix(&server.url).unwrap().to_owned();
        let mut ada = Browser::new(&server);
        for _ in 0..2 {
            let page = ada.get(&link).await;
            assert_eq!(page.status, 200);
            assert!(page.text.contains("Welcome, ada@example.com"), "{}", page.text);
        }
        let short = ada.post(&link, &[("password", "short"), ("again", "short")]).await;
        assert_eq!(short.status, 422);
        let other = ada.post(&link, &[("password", PASSWORD), ("again", "another one")]).await;
        assert_eq!(other.status, 422);
        let chosen = ada.post(&link, &[("password", PASSWORD), ("again", PASSWORD)]).await;
        assert_eq!((chosen.status, chosen.header("location")), (303, "/_/"));
        assert!(ada.get("/_/").await.text.contains("ada@example.com"));
        assert_eq!(Browser::new(&server).get(&link).await.status, 404, "it is used up");
        let mut elsewhere = Browser::new(&server);
        assert_eq!(elsewhere.sign_in("ada@example.com", PASSWORD).await.status, 303);
        let again = json!({ "name": "ada@example.com", "reason": "forgotten" });
        let second = server.post("/api/v1/admin/users/invite", Some(ADMIN_TOKEN), &again).await;
        let newer = server.post("/api/v1/admin/users/invite", Some(ADMIN_TOKEN), &again).await;
        let path = |made: &crate::doors::Answer| {
            made.body["link"].as_str().unwrap().strip_prefix(&server.url).unwrap().to_owned()
        };
        assert_eq!(Browser::new(&server).get(&path(&second)).await.status, 404, "a newer one counts");
        let mut new = Browser::new(&server);
        new.get(&path(&newer)).await;
        let changed = "another password for tests";
        assert_eq!(new.post(&path(&newer), &[("password", changed), ("again", changed)]).await.status, 303);
        assert_eq!(elsewhere.get("/_/").await.status, 303, "who was signed in before is out");
        server.stop().await;
    }

    async fn signing_in_leads_on_to_pages_of_ours_only(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Viewer).await;
        let asked = Browser::new(&server).get("/_/?x=1").await;
        assert_eq!((asked.status, asked.header("location")), (303, "/_/sign-in?next=%2F_%2F%3Fx%3D1"));
        for (next, leads) in [
            ("/_/orders?status=paid", "/_/orders?status=paid"),
            ("https://evil.example/", "/_/"),
            ("//evil.example/_/", "/_/"),
            ("/_/\\evil.example", "/_/"),
            ("/_//evil.example", "/_/"),
            ("/api/v1/admin/orders", "/_/"),
            ("/_/sign-out", "/_/"),
        ] {
            let mut ada = Browser::new(&server);
            ada.get("/_/sign-in").await;
            let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
            let answer = ada.post("/_/sign-in", &fields).await;
            assert_eq!((answer.status, answer.header("location")), (303, leads), "{next}");
        }
        server.stop().await;
    }

    async fn a_token_of_the_shop_s_own_server_opens_no_console(test: TestDb) {
        let server = Server::start(&test).await;
        let token = server.token(Role::App).await;
        let mut app = Browser::new(&server);
        app.get("/_/sign-in").await;
        assert_eq!(app.post("/_/sign-in", &[("token", &token)]).await.status, 401);
        let mut first = Browser::new(&server);
        first.get("/_/sign-in").await;
        assert_eq!(first.post("/_/sign-in", &[("token", ADMIN_TOKEN)]).await.status, 303);
        assert!(first.get("/_/").await.text.contains("ADMIN_TOKEN"));
        server.stop().await;
    }
}
