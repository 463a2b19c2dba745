//! Doctor: a shop that is well, one thing after another that is not, and what start-up would refuse.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod cli_stage;
mod doors;

use std::net::TcpListener;
use std::time::Duration;

use cli_stage::Stage;
use doors::{ADMIN_TOKEN, SECRET, Server, Wish, answered, event, now};
use makegood::secrets::watch;
use ops::Role;
use serde_json::Value;
use stripe::{Secret, sign};
use testkit::on_both_engines;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

/// What doctor says of one thing.
#[track_caller]
fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let rows = report["data"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id} in {report:#}"))
}

#[track_caller]
fn says(report: &Value, id: &str, severity: &str, words: &str) {
    let row = row(report, id);
    let seen = row["seen"].as_str().unwrap();
    assert!(
        row["severity"] == severity && seen.contains(words),
        "{id}: expected {severity} `{words}`, got {row:#}"
    );
    if ["warning", "error"].contains(&severity) {
        assert!(row["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{id} names no fix");
    }
}

async fn asked(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/v1/admin/doctor{query}"), Some(ADMIN_TOKEN)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// A server with everything that doctor asks for, as far as a test has it.
async fn well(test: &testkit::TestDb) -> (Server, watch::Watch) {
    let server = Server::start_as(test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
    let watching = watch::start(&server.app);
    let db = server.app.shop.db.clone();
    for _ in 0..400 {
        let seen = db.read("test.results", ops::results::latest).await.unwrap();
        if seen.len() == shop::checks().len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    (server, watching)
}

async fn sends(server: &Server, id: &str, secret: &str) -> u16 {
    let body = event(id).to_string().into_bytes();
    let signature = sign(&body, &Secret::new(secret).unwrap(), now());
    answered(server.webhook_request(body).header("Stripe-Signature", signature)).await.status
}

/// A mail server that says this to whoever signs in; its port.
async fn a_mail_server(verdict: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reading, mut writing) = stream.into_split();
                let mut lines = tokio::io::BufReader::new(reading).lines();
                writing.write_all(b"220 post\r\n").await.ok()?;
                while let Some(line) = lines.next_line().await.ok()? {
                    let said = match line.split(' ').next().unwrap_or_default() {
                        "EHLO" => "250-post\r\n250 AUTH PLAIN",
                        "AUTH" => verdict,
                        _ => "250 fine",
                    };
                    writing.write_all(format!("{said}\r\n").as_bytes()).await.ok()?;
                }
                Some(())
            });
        }
    });
    port
}

async fn do_sql(server: &Server, sql: &'static str) {
    server.app.shop.db.write("test.sql", move |tx| tx.execute(sql, &[])).await.unwrap();
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_shop_that_is_well_has_no_errors_and_names_everything_it_looked_at(test: TestDb) {
        let (server, _watch) = well(&test).await;
        assert_eq!(sends(&server, "evt_first", SECRET).await, 200);
        let report = asked(&server, "").await;
        // A server that was started for tests only may keep nothing; doctor says so.
        let for_tests = |row: &Value| row["id"] == "database.durable" && row["seen"].as_str().unwrap().contains("fsync=off");
        let rows = report["data"].as_array().unwrap();
        let errors: Vec<&Value> =
            rows.iter().filter(|row| row["severity"] == "error" && !for_tests(row)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        for probe in makegood::doctor::PROBES {
            row(&report, probe.id);
        }
        says(&report, "database.migrated", "ok", "have run");
        says(&report, "queue.workers", "ok", "at work");
        says(&report, "stripe.account", "ok", "acct_");
        says(&report, "webhook.endpoint", "ok", "leads here");
        says(&report, "webhook.secret", "ok", "matches a secret that counts");
        says(&report, "stripe.permissions", "ok", "may do what is needed");
        says(&report, "storage.disk", "ok", "the disk `local` answers");
        says(&report, "stream.films", "info", "not configured");
        says(&report, "content.prices", "warning", "have no Stripe price");

        let prelaunch = asked(&server, "?prelaunch=true").await;
        let numbers: std::collections::BTreeSet<u64> =
            prelaunch["data"].as_array().unwrap().iter().filter_map(|row| row["prelaunch"].as_u64()).collect();
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let security = asked(&server, "?security=true").await;
        row(&security, "webhook.reachable");
        assert!(security["data"].as_array().unwrap().iter().all(|row| row["id"] != "mail.server"));

        // Nothing was made at Stripe by trying what the key may do.
        assert_eq!(server.count("SELECT COUNT(*) FROM orders").await, 0);
        let viewer = server.token(Role::Viewer).await;
        assert_eq!(server.get("/api/v1/admin/doctor", Some(&viewer)).await.status, 200);
        let app = server.token(Role::App).await;
        assert_eq!(server.get("/api/v1/admin/doctor", Some(&app)).await.status, 403);
        server.stop().await;
    }

    async fn what_is_not_well_is_named_with_what_mends_it(test: TestDb) {
        let (server, _watch) = well(&test).await;

        // A stranger, or a secret that was rolled at Stripe and not here.
        assert_eq!(sends(&server, "evt_wrong", "whsec_not_ours").await, 401);
        let report = asked(&server, "?security=true").await;
        says(&report, "webhook.secret", "error", "matched no secret");
        assert_eq!(sends(&server, "evt_right", SECRET).await, 200);
        let report = asked(&server, "?security=true").await;
        says(&report, "webhook.secret", "info", "later ones did match");

        // The endpoint at Stripe: deaf, then disabled, then gone.
        let id = server.stripe.with(|account, _| account.endpoints().next().unwrap().0.to_owned());
        let hook = |form: String, method: &'static str| {
            let (stripe, id) = (server.stripe.clone(), id.clone());
            let path = format!("/v1/webhook_endpoints/{id}");
            let request = match method {
                "DELETE" => sandbox::ApiRequest::delete(&path),
                _ => sandbox::ApiRequest::post(&path, &form),
            };
            stripe.with(|account, cx| assert_eq!(account.handle(&request, cx).status, 200));
        };
        for (form, method, words) in [
            ("enabled_events[0]=checkout.session.completed", "POST", "not told of"),
            ("disabled=true", "POST", "is disabled"),
            ("", "DELETE", "no endpoint leads to"),
        ] {
            hook(form.to_owned(), method);
            let report = asked(&server, "?prelaunch=true").await;
            let rows = report["data"].as_array().unwrap();
            let told = rows.iter().any(|row| row["id"] == "webhook.endpoint" && row["severity"] == "error"
                && row["seen"].as_str().unwrap().contains(words));
            assert!(told, "{words}: {rows:#?}");
        }

        // Rows: a job that has given up, an index that somebody dropped.
        do_sql(&server, "DROP INDEX \"PaymentIntentIndex\"").await;
        let report = asked(&server, "").await;
        says(&report, "database.indexes", "warning", "[orders-index-warning]");
        assert!(row(&report, "database.indexes")["seen"].as_str().unwrap().contains("PaymentIntentIndex"));
        assert!(report["findings"].as_u64().unwrap() >= 2);
        server.stop().await;
    }

    /// Everything is configured, and nothing of it works.
    async fn what_a_shop_cannot_deliver_with_is_named_before_a_buyer_finds_it(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        // Files where folders should be: nothing can be put there, whoever runs the test.
        std::fs::write(folder.path().join("files"), "").unwrap();
        std::fs::write(folder.path().join("media"), "").unwrap();
        let post = a_mail_server("535 5.7.8 no").await;
        let environment = vec![
            ("DATA_DIR", folder.path().display().to_string()),
            ("MAIL_HOST", "127.0.0.1".into()),
            ("MAIL_PORT", post.to_string()),
            ("MAIL_USERNAME", "shop".into()),
            ("MAIL_PASSWORD", "Planted".into()),
            ("MAIL_FROM_ADDRESS", "shop@shop.example".into()),
            ("BUYER_JWKS_URL", "http://127.0.0.1:9/keys?key=Planted".into()),
            ("BUYER_JWT_ISSUER", "https://id.example".into()),
            ("BUYER_JWT_AUDIENCE", "shop".into()),
        ];
        let wish = |environment| Wish { environment, ..Wish::default() };
        let server = Server::start_as(&test, wish(environment.clone())).await;
        let report = asked(&server, "").await;
        says(&report, "storage.disk", "error", "refuses us");
        says(&report, "storage.media", "error", "refuses us");
        says(&report, "mail.server", "error", "signing in");
        says(&report, "buyers.sign_in", "error", "cannot be read");
        assert!(!report.to_string().contains("Planted"), "{report:#}");
        server.stop().await;

        let right = a_mail_server("235 2.7.0 yes").await;
        let port = vec![("MAIL_PORT", right.to_string())];
        let server = Server::start_as(&test, wish([environment.clone(), port].concat())).await;
        says(&asked(&server, "").await, "mail.server", "ok", "takes mails");
        server.stop().await;
    }

    /// A host may be left over from a time when mails were sent.
    async fn a_mailer_that_sends_nothing_asks_no_server_and_is_a_finding_where_money_is_real(test: TestDb) {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        nobody.set_nonblocking(true).unwrap();
        for (mailer, words) in [("log", "into the log"), ("none", "not sent")] {
            for (key, severity) in [("sk_test_of_the_doors", "info"), ("sk_live_of_the_doors", "warning")] {
                let environment = vec![
                    ("STRIPE_SECRET", key.to_owned()),
                    ("MAIL_MAILER", mailer.to_owned()),
                    ("MAIL_HOST", "127.0.0.1".to_owned()),
                    ("MAIL_PORT", nobody.local_addr().unwrap().port().to_string()),
                ];
                // Nobody answers there; a live key goes over https only.
                let stripe = Some("https://127.0.0.1:9".to_owned());
                let server = Server::start_as(&test, Wish { environment, stripe, ..Wish::default() }).await;
                says(&asked(&server, "").await, "mail.server", severity, words);
                server.stop().await;
            }
        }
        assert_eq!(nobody.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    async fn a_price_that_is_another_at_stripe_is_named(test: TestDb) {
        let (server, _watch) = well(&test).await;
        let make = |form: &str| {
            let request = sandbox::ApiRequest::post("/v1/prices", form);
            let made = server.stripe.with(|account, cx| account.handle(&request, cx).body);
            made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
        };
        let wrong = make("currency=usd&unit_amount=1&product_data[name]=x");
        let sql: &'static str = Box::leak(
            format!("UPDATE prices SET stripe_price_id = '{wrong}' WHERE product_id = 'rust-course' AND currency = 'usd'")
                .into_boxed_str(),
        );
        do_sql(&server, sql).await;
        let report = asked(&server, "?content=true").await;
        says(&report, "content.prices_at_stripe", "error", "1 usd at Stripe");
        do_sql(&server, "UPDATE prices SET stripe_price_id = 'price_of_nobody' WHERE product_id = 'rust-course'").await;
        let report = asked(&server, "?content=true").await;
        says(&report, "content.prices_at_stripe", "error", "Stripe has no price price_of_nobody");
        server.stop().await;
    }

    /// Without a server: what can be seen from here is seen, the exit code is 3, and the document for others holds neither
    /// a secret nor a buyer.
    async fn it_looks_without_a_server_and_writes_a_bundle_without_secrets_or_buyers(test: TestDb) {
        let stage = Stage::on(&test)
            .with("STRIPE_SECRET", "sk_test_PlantedKey")
            .with("STRIPE_WEBHOOK_SECRET_FILE", "hook")
            .with("STRIPE_API_BASE", "http://127.0.0.1:9")
            .with("APP_URL", "http://127.0.0.1:9")
            .with("ADMIN_TOKEN", "PlantedPlantedPlanted")
            .with("MAIL_FROM_ADDRESS", "planted@example.com")
            .with("BUYER_JWKS_URL", "http://127.0.0.1:9/keys?key=Planted")
            .with("BUYER_JWT_ISSUER", "https://id.example")
            .with("BUYER_JWT_AUDIENCE", "shop")
            .with("DB_POOL_MAX", "4");
        stage.file("hook", "whsec_Planted");
        let made = stage.type_in("customers create prf_01890000000070008000000000000001 planted-buyer@example.com --reason test --yes");
        assert_eq!(made.code, 0, "{made:#?}");
        #[cfg(unix)]
        std::fs::set_permissions(stage.folder().join("hook"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let said = stage.type_in("doctor --json --bundle support.json").ends(3);
        let report = said.json();
        says(&report, "database.migrated", "ok", "have run");
        says(&report, "queue.workers", "warning", "no worker has ever run");
        says(&report, "webhook.reachable", "error", "nothing answers");
        says(&report, "stripe.account", "warning", "could not be asked");
        says(&report, "secrets.admin_token", "warning", "can be guessed");
        #[cfg(unix)]
        says(&report, "secrets.files", "error", "everybody on this machine reads it");
        let bundle = std::fs::read_to_string(stage.folder().join("support.json")).unwrap();
        let parsed: Value = serde_json::from_str(&bundle).unwrap();
        assert_eq!(parsed["versions"]["makegood"], env!("CARGO_PKG_VERSION"));
        assert!(parsed["database"]["migrations"].as_array().unwrap().len() > 10);
        for text in [&bundle, &said.out, &said.err] {
            assert!(!text.to_lowercase().contains("planted"), "{text}");
        }
        // An old document is not written over.
        assert_eq!(stage.type_in("doctor --bundle support.json").code, 2);
        let people = stage.type_in("doctor --security").ends(3);
        assert!(people.out.contains("fix:") && people.out.contains("chmod 600"), "{}", people.out);
    }
}

/// Each wrong address of a database: the variable, what is wrong and what is expected are named, and nothing is opened.
#[test]
fn a_database_url_that_start_up_refuses_is_explained_without_opening_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = format!("shop:Planted@127.0.0.1:{port}/shop");
    for (url, words) in [
        (format!("\"postgres://{place}\""), "quotes"),
        (format!("'postgres://{place}'"), "quotes"),
        (format!(" postgres://{place}"), "space"),
        (format!("postgres://{place}\n"), "line break"),
        (format!("mongodb://{place}"), "Invalid scheme"),
        (format!("mysql://{place}"), "Invalid scheme"),
        (format!("postgress://{place}"), "Invalid scheme"),
        ("postgres://<user>:<password>@<host>/<name>".to_owned(), "placeholder"),
        ("${DATABASE_URL}".to_owned(), "placeholder"),
        (String::new(), "is empty"),
    ] {
        let stage = Stage::bare().with("DATABASE_URL", url.clone());
        let said = stage.type_in("doctor --json").ends(3);
        let report = said.json();
        let told = row(&report, "config.database");
        let seen = told["seen"].as_str().unwrap();
        assert!(seen.starts_with("Bootstrap failed: DATABASE_URL"), "{url}: {seen}");
        assert!(seen.contains(words), "{url}: expected `{words}` in {seen}");
        assert!(told["expected"].as_str().unwrap().contains("postgres://"), "{told}");
        assert!(!said.out.contains("Planted") && !said.err.contains("Planted"), "{said:?}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{url} was opened");
        assert_eq!(std::fs::read_dir(stage.folder()).unwrap().count(), 0, "{url}: something was made");
    }
}

/// The runbook of a program that does not start cannot ask for one that does.
#[test]
fn the_runbook_of_a_wrong_database_goes_its_loop_without_one() {
    let stage = Stage::bare().with("DATABASE_URL", "mongodb+srv://shop:Planted@cluster.example/shop");
    let found = stage.type_in("runbook detect bootstrap-db-uri --json").ends(3).json();
    assert_eq!(found["data"][0]["subject"], "config.database", "{found}");
    let explained = stage.type_in("runbook explain bootstrap-db-uri all --json").ends(0).json();
    assert_eq!(explained["cause"], "address_wrong", "{explained}");
    assert!(explained["because"].as_str().unwrap().contains("Invalid scheme"), "{explained}");
    stage.type_in("runbook verify bootstrap-db-uri config.database").ends(3);
    let preview = stage.type_in("runbook preview bootstrap-db-uri all").ends(8);
    assert!(preview.err.contains("Set it right") && !preview.err.contains("Planted"), "{preview:?}");
    let reply = stage.type_in("runbook reply bootstrap-db-uri all").ends(0);
    assert!(reply.out.contains("your order arrives by itself"), "{reply:?}");
    stage.type_in("runbook explain bootstrap-db-uri no.such.thing").ends(5);
    assert_eq!(std::fs::read_dir(stage.folder()).unwrap().count(), 0, "something was made");
    let right = Stage::bare();
    right.type_in("runbook verify bootstrap-db-uri all").ends(0);
    // What only a server knows is not called well from here without a word.
    let pool = right.type_in("runbook explain db-pool-exhausted all --json").ends(0).json();
    let because = pool["because"].as_str().unwrap();
    assert!(because.contains("not looked at: database.pool: only a running server"), "{because}");
    assert_eq!(std::fs::read_dir(right.folder()).unwrap().count(), 0, "a database was made");
}

#[test]
fn a_mongo_uri_is_explained_and_a_database_that_is_not_there_is_not_made() {
    let stage = Stage::bare().with("MONGO_URI", "mongodb://shop:Planted@db/shop");
    let said = stage.type_in("doctor --json").ends(3);
    says(&said.json(), "config.other_database", "warning", "MONGO_URI");
    says(&said.json(), "database.reachable", "info", "there is no database at");
    assert!(!said.out.contains("Planted"));
    assert_eq!(std::fs::read_dir(stage.folder()).unwrap().count(), 0);
}
