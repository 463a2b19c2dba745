//! The command line as scripts meet it: the real binary, on both databases. Wrong input first, the sunny day last.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;

use std::process::Stdio;

use cli_stage::{Stage, said};
use testkit::World;

const NOBODY: &str = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
const CATALOG: &str = r#"
[[product]]
id = "rust-course"
kind = "course"
name = "Rust from the ground up"
price = [{ currency = "usd", amount = 4900 }]

[[product]]
id = "mug"
kind = "physical"
name = "A mug"
sku = "MUG"
stock = 5
price = [{ currency = "usd", amount = 1500 }]
"#;

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_not_there_and_what_is_no_id_end_differently(test: TestDb) {
        let stage = Stage::on(&test);
        let gone = stage.run(&["orders", "show", NOBODY]).ends(5);
        assert!(gone.out.is_empty() && gone.err.contains(NOBODY), "{gone:?}");
        let wrong = stage.type_in("orders show ord_1").ends(2);
        assert!(wrong.err.contains("ord_ and 32 hex digits"), "{wrong:?}");
        stage.type_in("events replay evt_nobody --dry-run").ends(5);
        stage.type_in("orders list --status lost").ends(2);
    }

    async fn what_the_sandbox_cannot_preview_or_lacks_a_length_is_refused_before_it_is_asked(test: TestDb) {
        let stage = Stage::on(&test);
        for line in ["sandbox clock 1h --dry-run", "sandbox fault drop --dry-run", "sandbox event evt_1 --dry-run"] {
            let refused = stage.type_in(&format!("{line} --at http://127.0.0.1:1")).ends(2);
            assert!(refused.err.contains("nothing was sent"), "{refused:?}");
        }
        let endless = stage.type_in("sandbox fault delay --at http://127.0.0.1:1").ends(2);
        assert!(endless.err.contains("delay needs --seconds"), "{endless:?}");
    }

    async fn the_status_of_a_shop_fits_on_one_screen_and_ends_with_3_when_something_is_found(test: TestDb) {
        let stage = Stage::on(&test).with("STRIPE_SECRET", "sk_test_0123456789abcdef").with("LISTEN", "127.0.0.1:1");
        let well = stage.type_in("status").ends(0).out;
        for line in ["mode                 TEST", "server               none runs at 127.0.0.1:1", "findings             0"] {
            assert!(well.contains(line), "{line}: {well}");
        }
        assert!(well.lines().count() < 24, "{well}");
        stage.run(&["refunds", "disable", "--yes", "--reason", "the bank asked"]).ends(0);
        let found = stage.type_in("status").ends(3).out;
        assert!(found.contains("the bank asked") && found.contains("downloads-kill-switch"), "{found}");
        assert_eq!(stage.type_in("status --json").ends(3).json()["findings"], 1);
    }

    async fn with_json_a_failure_is_a_problem_document_on_stderr(test: TestDb) {
        let stage = Stage::on(&test).with("APP_URL", "https://shop.example");
        for (line, code, name) in [
            (format!("orders show {NOBODY} --json"), 5, "not_found"),
            ("orders show ord_1 --json".to_owned(), 2, "usage"),
            ("orders lst --json".to_owned(), 2, "usage"),
            (format!("orders ship {NOBODY} --json"), 2, "flag_required"),
            (format!("orders ship {NOBODY} --json --yes"), 2, "reason_required"),
        ] {
            let said = stage.type_in(&line).ends(code);
            let problem = said.problem();
            assert_eq!((problem["code"].as_str(), problem["exit_code"].as_i64()), (Some(name), Some(code.into())), "{line}");
            let page = problem["type"].as_str().unwrap().strip_suffix(&format!("/docs/errors/{name}"));
            assert_eq!(page, Some("https://shop.example"), "{line}");
            stage.type_in(&format!("explain-error {name}")).ends(0);
            assert!(said.out.is_empty() && !problem["detail"].as_str().unwrap().is_empty(), "{said:?}");
        }
    }

    /// Of another shop it is not known where its pages are until it has answered.
    async fn a_failure_about_another_shop_names_no_page_of_this_one(test: TestDb) {
        let stage = Stage::on(&test).with("APP_URL", "https://shop.example");
        for line in ["orders list --json --server http://127.0.0.1:9", "orders lst --json --server http://127.0.0.1:9"] {
            let problem = stage.type_in(line);
            let problem = problem.problem();
            let code = problem["code"].as_str().unwrap();
            assert_eq!(problem["type"], format!("/docs/errors/{code}"), "{line}");
        }
    }

    /// The same rule at every door: what the API would refuse is not stored here either.
    async fn a_reason_is_something_to_be_read_and_not_endless(test: TestDb) {
        let stage = Stage::on(&test);
        let file = stage.file("shop.toml", CATALOG);
        stage.run(&["catalog", "import", &file, "--yes", "--reason", "opening"]).ends(0);
        let long = "x".repeat(2_001);
        for (reason, code) in [("\u{200b}\u{3164}", "reason_required"), (" \t", "reason_required"), (&*long, "invalid_input")] {
            for line in [
                &["inventory", "adjust", "MUG", "1"][..],
                &["users", "invite", "vic", "--role", "support"],
                &["tokens", "create", "till", "--role", "viewer"],
            ] {
                let refused = stage.run(&[line, &["--yes", "--json", "--reason", reason]].concat()).ends(2);
                assert_eq!(refused.problem()["code"], code, "{line:?}");
            }
        }
        stage.run(&["inventory", "adjust", "MUG", "1", "--yes", "--reason", &"x".repeat(2_000)]).ends(0);
    }

    async fn with_json_a_result_is_json_and_by_lines_each_is_one(test: TestDb) {
        let stage = Stage::on(&test);
        let keys = stage.type_in("config env --json").ends(0).json();
        assert!(keys["data"].as_array().unwrap().iter().any(|key| key["key"] == "APP_URL"), "{keys}");
        for line in ["alerts export", "dashboards export", "openapi", "config env"] {
            let said = stage.type_in(&format!("{line} --json=lines")).ends(0);
            for one in said.out.lines() {
                serde_json::from_str::<serde_json::Value>(one).unwrap_or_else(|e| panic!("{line}: {e}: {one}"));
            }
        }
        let file = stage.file("shop.toml", CATALOG);
        stage.run(&["catalog", "import", &file, "--yes", "--reason", "opening"]).ends(0);
        let verified = stage.type_in("audit verify --json=lines").ends(0);
        let last: serde_json::Value = serde_json::from_str(verified.out.lines().last().unwrap()).unwrap();
        assert!(last["verified"].as_u64().unwrap() > 0 && last["head"].as_str().unwrap().len() == 64, "{last}");
        // PostgreSQL could not keep it.
        let nul = stage.file("nul.toml", &CATALOG.replace("A mug", "A \\u0000mug"));
        let refused = stage.run(&["catalog", "import", &nul, "--yes", "--json", "--reason", "x"]).ends(2);
        assert!(refused.problem()["detail"].as_str().unwrap().contains("NUL"), "{refused:?}");
    }

    async fn a_change_that_nobody_can_be_asked_about_names_the_flag_it_needs(test: TestDb) {
        let stage = Stage::on(&test);
        let file = stage.file("shop.toml", CATALOG);
        let asked = stage.run(&["catalog", "import", &file]).ends(2);
        assert!(asked.err.contains("--yes") && asked.err.contains("--dry-run"), "{asked:?}");
        let why = stage.run(&["catalog", "import", &file, "--yes"]).ends(2);
        assert!(why.err.contains("--reason"), "{why:?}");
        let blank = stage.run(&["catalog", "import", &file, "--yes", "--reason", "  "]).ends(2);
        assert!(blank.err.contains("--reason"), "{blank:?}");
        assert_eq!(stage.type_in("products list --json").ends(0).json()["data"], serde_json::json!([]));
    }

    async fn a_catalog_that_makes_no_sense_is_refused_with_its_place(test: TestDb) {
        let stage = Stage::on(&test);
        let wrong = stage.file("wrong.toml", &CATALOG.replace("sku = \"MUG\"", "sku = \"MUG\"\nsize = 3"));
        let said = stage.run(&["catalog", "import", &wrong, "--dry-run"]).ends(2);
        assert!(said.err.contains("wrong.toml") && said.err.contains("size"), "{said:?}");
        let none = stage.run(&["catalog", "import", "nowhere.toml", "--dry-run"]).ends(2);
        assert!(none.err.contains("nowhere.toml: there is no such file\nfix: ") && !none.err.contains("os error"), "{none:?}");
        let dear = stage.file("dear.toml", &CATALOG.replace("amount = 1500", "amount = 100000000"));
        let said = stage.run(&["catalog", "import", &dear, "--dry-run"]).ends(2);
        let place = "dear.toml: /product/1/price: mug: 100000000 minor units; expected 0 to 99999999 (the product begins in line 8)";
        assert!(said.err.contains(place) && said.err.contains("\nfix: mend the file"), "{said:?}");
        // The line was well, and the file is named once.
        assert!(!said.err.contains("--help") && said.err.matches("dear.toml").count() == 1, "{said:?}");
        let told = stage.run(&["catalog", "import", &dear, "--dry-run", "--json"]).ends(2).problem();
        assert_eq!(told["code"], "invalid_input", "{told}");
    }

    async fn an_import_is_previewed_applied_verified_and_then_already_so(test: TestDb) {
        let stage = Stage::on(&test);
        let file = stage.file("shop.toml", CATALOG);
        let import = |more: &[&str]| stage.run(&[&["catalog", "import", &file], more].concat());
        let preview = import(&["--dry-run", "--json"]).ends(0).json();
        assert_eq!((preview["status"].as_str(), preview["plan"].as_array().map(Vec::len)), (Some("previewed"), Some(5)));
        let text = import(&["--dry-run"]).ends(0);
        assert!(text.out.contains("stock MUG") && text.out.contains("none → 5 pieces"), "{text:?}");
        assert!(stage.type_in("products list").ends(0).out.is_empty(), "a preview changes nothing");

        let stale = import(&["--yes", "--reason", "first", "--plan", "plan_0"]).ends(6);
        assert!(stale.err.contains("plan_0"), "{stale:?}");
        let plan = preview["plan_id"].as_str().unwrap();
        let receipt = import(&["--yes", "--reason", "first", "--plan", plan, "--json"]).ends(0).json();
        assert_eq!((receipt["status"].as_str(), receipt["verified"].as_bool()), (Some("applied"), Some(true)));

        let again = import(&["--yes", "--reason", "again", "--json"]).ends(0).json();
        assert_eq!((again["status"].as_str(), &again["audit_id"]), (Some("already"), &serde_json::Value::Null));
        let products = stage.type_in("products list").ends(0);
        assert!(products.out.lines().next().unwrap().starts_with("id"), "{products:?}");
        assert!(products.out.contains("rust-course") && products.out.contains("49.00 usd"), "{products:?}");
        assert_eq!(stage.type_in("catalog list").out, products.out);
        let audit = stage.type_in("audit list --type catalog_imported --json").ends(0).json();
        assert_eq!(audit["data"].as_array().unwrap().len(), 1, "{audit}");
        assert_eq!((audit["data"][0]["reason"].as_str(), audit["data"][0]["actor_type"].as_str()), (Some("first"), Some("operator")));
        let entry = audit["data"][0]["id"].as_str().unwrap();
        let shown = stage.type_in(&format!("audit show {entry}")).ends(0);
        assert!(shown.out.contains("catalog.import") && shown.out.contains("first"), "{shown:?}");
        assert!(stage.type_in(&format!("find {entry}")).ends(0).out.contains(&format!("makegood audit show {entry}")));
    }

    async fn what_is_kept_as_json_is_shown_as_json_on_both_engines(test: TestDb) {
        let world = World::open(test).await;
        world.check_out(&[("mug", 1)]).await.unwrap();
        let stage = Stage::on(&world.test);
        for (line, field) in [("jobs list --json", "payload"), ("audit list --json", "data")] {
            let rows = stage.type_in(line).ends(0).json()["data"].as_array().unwrap().clone();
            assert!(!rows.is_empty() && rows.iter().all(|row| row[field].is_object()), "{line}: {rows:?}");
        }
    }

    async fn a_page_that_cannot_be_ends_differently_from_the_last_one(test: TestDb) {
        let stage = Stage::on(&test);
        for limit in ["0", "101", "-1", "many"] {
            let said = stage.type_in(&format!("orders list --limit={limit}")).ends(2);
            assert!(limit == "many" || said.err.contains("1..=100"), "{said:?}");
        }
        stage.type_in("orders list --limit 100").ends(0);
        for line in ["orders list", "events list", "products list", "audit list", "runs list"] {
            stage.type_in(&format!("{line} --starting-after 0199f3a2-7b3c-7d2e-8f1a-2b3c4d5e6f70")).ends(5);
        }
        stage.type_in("orders list --starting-after ord_1").ends(2);
    }

    async fn a_guard_that_does_not_hold_refuses_in_a_preview_too(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        for flags in ["--dry-run", "--yes --reason x"] {
            let said = stage.type_in(&format!("inventory adjust MUG -9 {flags}")).ends(8);
            assert!(said.err.contains("enough_is_left") && said.err.contains("-4 would be left"), "{said:?}");
            assert!(format!("{}{}", said.out, said.err).contains("✗"), "{said:?}");
        }
        assert_eq!(world.stock("MUG").await, (5, 5));
        let receipt = stage.type_in("inventory adjust MUG -2 --yes --reason broken").ends(0);
        assert!(receipt.out.contains("5 → 3") && receipt.out.contains("✓"), "{receipt:?}");
        assert_eq!(world.stock("MUG").await, (3, 3));
    }

    async fn an_event_that_fails_again_was_replayed_but_not_verified(test: TestDb) {
        let world = World::open(test).await;
        let broken = serde_json::json!({
            "id": "pi_broken", "object": "payment_intent", "amount": 700, "amount_received": 700, "status": "succeeded",
            "metadata": {},
        });
        let cx = world.stripe.cx();
        let id = world.account().emit_event("payment_intent.succeeded", &broken, &cx);
        world.settle().await;
        let stage = Stage::on(&world.test);
        let said = stage.type_in(&format!("events replay {id} --yes --reason again --json")).ends(9);
        assert_eq!(said.json()["verified"], false, "{said:?}");
        let check = stage.type_in("check --json").ends(3).json();
        let found = check["data"].as_array().unwrap().iter().find(|check| check["name"] == "events_not_finalized").unwrap();
        assert_eq!(found["findings"][0]["subject"], id.as_str(), "{check}");
        let text = stage.type_in("check").ends(3);
        assert!(text.out.contains(&format!("mend: makegood events replay {id}")), "{text:?}");
    }

    async fn a_bought_mug_is_reviewed_shipped_and_explained(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 2)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let (stage, id) = (Stage::on(&world.test), started.order.to_string());
        let list = stage.type_in("orders list").ends(0);
        assert!(list.out.contains(&id) && list.out.contains("30.00 usd"), "{list:?}");
        let lines = stage.type_in("orders list --json=lines").ends(0);
        assert_eq!(lines.out.lines().count(), 1, "{lines:?}");

        stage.type_in(&format!("orders review flag {id} --yes --reason odd")).ends(0);
        stage.type_in(&format!("orders ship {id} --yes --reason x")).ends(8);
        stage.type_in("check").ends(3);
        stage.type_in(&format!("orders review clear {id} --yes --reason looked")).ends(0);
        stage.type_in("check").ends(0);
        let receipt = stage.type_in(&format!("orders ship {id} --tracking RR1 --yes --reason sent")).ends(0);
        assert!(receipt.out.contains("confirmed → completed") && receipt.out.contains("aud_"), "{receipt:?}");

        let story = stage.type_in(&format!("orders explain {id}")).ends(0);
        let at = |text: &str| story.out.find(text).unwrap_or_else(|| panic!("no `{text}` in {}", story.out));
        let order = ["order created", "payment succeeded", "confirmed", "because: odd", "because: sent", "Next: "];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{}", story.out);
        assert!(story.out.contains("payment_intent.succeeded received, processed"), "{}", story.out);
        let shown = stage.type_in(&format!("orders show {id}")).ends(0);
        assert!(shown.out.contains("total amount") && shown.out.contains("30.00 usd"), "{shown:?}");
    }

    async fn old_commands_do_what_the_regular_ones_do(test: TestDb) {
        let world = World::open(test).await;
        let buyer = world.buyer("ada@example.com").await;
        let started = world.check_out_for(buyer, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let (stage, order) = (Stage::on(&world.test), started.order);
        let known = stage.type_in("invoices:retry-stuck").ends(2);
        assert!(known.err.contains("invoices:retry-stuck") && !known.err.contains("unrecognized"), "{known:?}");

        let event = stage.type_in("events list --type checkout.session.completed --json").json()["data"][0]["id"].clone();
        let replay = format!("videocourses:stripe-reprocess {} --yes --reason again", event.as_str().unwrap());
        stage.type_in(&replay).ends(0);
        let revoke = format!("videocourses:entitlement-revoke {buyer} rust-course --yes --reason x");
        stage.type_in(&format!("artisan {revoke}")).ends(0);
        assert!(!world.may_use(buyer, "rust-course").await);

        let artisan = stage.folder().join("artisan");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_makegood"), &artisan).unwrap();
        let grant = format!("videocourses:entitlement-grant {buyer} rust-course {order} --yes --reason x");
        said(&mut stage.command_of(&artisan, &grant.split(' ').collect::<Vec<_>>())).ends(0);
        assert!(world.may_use(buyer, "rust-course").await);
        let check = stage.type_in(&format!("entitlements check {buyer} rust-course --json")).ends(0).json();
        assert_eq!(check["active"], true, "{check}");
    }

    async fn a_reservation_is_confirmed_by_its_uuid_in_the_old_words(test: TestDb) {
        let world = World::open(test).await;
        world.check_out(&[("mug", 1)]).await.unwrap();
        let stage = Stage::on(&world.test);
        let shown = stage.type_in("reservations list --json").ends(0).json()["data"][0]["id"].as_str().unwrap().to_owned();
        let plain = shown.parse::<shop::ids::ReservationId>().unwrap().uuid().to_string();
        let call = format!("confirm('{plain}')");
        let receipt = stage.run(&["InventoryService", &call, "--yes", "--reason", "x"]).ends(0);
        assert!(receipt.out.contains("reserved → confirmed"), "{receipt:?}");
        let again = stage.run(&["InventoryService:confirm", &plain, "--yes", "--reason", "x", "--json"]).ends(0);
        assert_eq!(again.json()["status"], "already");
    }

    async fn a_token_is_printed_once_and_its_making_is_in_the_audit_log(test: TestDb) {
        let stage = Stage::on(&test);
        stage.type_in("tokens create ci --role app").ends(2);
        stage.type_in("tokens create ci --role king --reason x").ends(2);
        let made = stage.type_in("tokens create ci --role app --days 3 --reason deploys").ends(0);
        let token = made.out.trim();
        assert!(token.starts_with("mg_") && !made.err.contains(token), "{made:?}");
        let listed = stage.type_in("tokens list").ends(0);
        assert!(listed.out.contains("ci") && !listed.out.contains(token), "{listed:?}");
        let audit = stage.type_in("audit list --type token_created --json").json();
        assert_eq!(audit["data"][0]["reason"], "deploys", "{audit}");
        assert!(!audit.to_string().contains(token));
    }

    async fn the_schema_is_reported_and_brought_up_to_date(test: TestDb) {
        let stage = Stage::on(&test);
        let status = stage.type_in("db status --json").ends(0).json();
        assert_eq!(status["missing"], 0, "{status}");
        assert!(!status.to_string().contains("postgres@"), "{status}");
        stage.type_in("db migrate").ends(2);
        assert!(stage.type_in("db migrate --yes").ends(0).out.contains("nothing to run"));
    }
}

testkit::on_both_engines! {
    async fn a_database_that_is_not_migrated_says_what_to_run(test: TestDb) {
        let stage = Stage::on(&test).with("AUTO_MIGRATE", "false");
        let said = stage.type_in("orders list").ends(1);
        assert!(said.err.contains("fix: makegood db migrate"), "{said:?}");
        stage.type_in("db status").ends(3);
        assert!(stage.type_in("db migrate --dry-run").ends(0).out.contains("would run"));
        stage.type_in("db status").ends(3);
        stage.type_in("db migrate --yes").ends(0);
        stage.type_in("db status").ends(0);
        stage.type_in("orders list").ends(0);
    }
}

#[test]
fn a_wrong_database_url_says_what_is_wrong_before_anything_is_opened() {
    for (url, part) in [
        (
            "mongodb://u:secret@h/db",
            "Bootstrap failed: DATABASE_URL: Invalid scheme, expected connection string to start with",
        ),
        ("\"postgres://u:secret@h/db\"", "Bootstrap failed: DATABASE_URL is wrapped in quotes"),
    ] {
        let stage = Stage::bare().with("DATABASE_URL", url);
        let said = stage.type_in("orders list").ends(2);
        assert!(said.err.contains(part) && !said.err.contains("secret"), "{said:?}");
        let problem = part.trim_start_matches("Bootstrap failed: ");
        let check = stage.type_in("config check").ends(3);
        assert!(check.out.contains(problem), "{check:?}");
    }
}

#[test]
fn a_database_or_server_that_is_down_may_be_tried_again_later() {
    let stage = Stage::bare().with("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/x");
    let said = stage.type_in("orders list").ends(10);
    assert!(said.err.contains("Bootstrap failed") && !said.err.contains("secret"), "{said:?}");
    let remote = Stage::bare().with("MAKEGOOD_TOKEN", "mg_x");
    remote.type_in("orders list --server http://127.0.0.1:1").ends(10);
    remote.type_in("health --server http://127.0.0.1:1").ends(10);
    let alone = remote.type_in("sandbox clock 5m --at http://127.0.0.1:1").ends(10);
    assert!(alone.err.contains("fix: start one with makegood dev, name its folder by DATA_DIR"), "{alone:?}");
    let without = Stage::bare().type_in("orders list --server http://127.0.0.1:1").ends(4);
    assert!(without.err.contains("MAKEGOOD_TOKEN"), "{without:?}");
    remote.type_in("orders list --server nonsense").ends(2);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let stage = Stage::bare();
    let mut child =
        stage.command(&["completion", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("not run: this system has no /dev/full");
        return;
    };
    let ended = Stage::bare().command(&["version"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

#[test]
fn colour_is_a_choice_and_never_carries_meaning() {
    let painted = |stage: Stage, line: &str| stage.type_in(line).err.contains('\u{1b}');
    let line = "orders list --server http://127.0.0.1:1";
    assert!(!painted(Stage::bare(), line), "nobody watches");
    assert!(painted(Stage::bare().with("CLICOLOR_FORCE", "1"), line));
    assert!(!painted(Stage::bare().with("CLICOLOR_FORCE", "1").with("NO_COLOR", "1"), line));
    assert!(!painted(Stage::bare().with("CLICOLOR_FORCE", "1"), &format!("{line} --color=never")));
    assert!(painted(Stage::bare().with("NO_COLOR", "1"), &format!("{line} --color always")));
}

#[test]
fn secrets_of_the_configuration_are_never_shown() {
    let stage = Stage::bare()
        .with("DATABASE_URL", "postgres://u:pass-word@h/x")
        .with("STRIPE_SECRET", "sk_test_0123456789abcdef")
        .with("ADMIN_TOKEN", "a-very-secret-token");
    for line in ["config show", "config show --all", "config show --json", "config check", "config env"] {
        let said = stage.type_in(line);
        let all = format!("{}{}", said.out, said.err);
        for secret in ["pass-word", "0123456789abcdef", "a-very-secret-token"] {
            assert!(!all.contains(secret), "{line}: {all}");
        }
    }
    let shown = stage.type_in("config show").ends(0);
    assert!(shown.out.contains("STRIPE_SECRET") && shown.out.contains("environment"), "{shown:?}");
}

/// Opening a pipe waits for ever, and a file of a terabyte fits nowhere.
#[cfg(unix)]
#[test]
fn what_is_no_file_or_too_long_is_refused_before_it_is_read() {
    let stage = Stage::bare();
    let made = std::process::Command::new("mkfifo").arg(stage.folder().join("pipe.toml")).status().unwrap();
    assert!(made.success());
    std::fs::File::create(stage.folder().join("long.toml")).unwrap().set_len(1 << 40).unwrap();
    std::fs::write(stage.folder().join("latin.csv"), b"course\nStra\xdfe\n").unwrap();
    for command in ["courses import", "catalog import", "media add"] {
        for (file, words) in [("pipe.toml", "it is no file"), ("long.toml", "1099511627776 bytes; at most")] {
            let said = stage.type_in(&format!("{command} {file} --dry-run")).ends(2);
            assert!(said.err.contains(words) && said.err.contains(file), "{command} {file}: {said:?}");
        }
    }
    let said = stage.type_in("courses import latin.csv --dry-run").ends(2);
    assert!(said.err.contains("latin.csv: it is not UTF-8"), "{said:?}");
}

/// What cannot be asked is refused before a database is made for it.
#[test]
fn what_is_refused_for_want_of_a_flag_leaves_no_database_behind() {
    let stage = Stage::bare();
    let file = stage.file("shop.toml", CATALOG);
    for line in [format!("catalog import {file} --no-input"), format!("courses import {file} --no-input")] {
        stage.type_in(&line).ends(2);
        assert!(!stage.folder().join("data").exists(), "{line}");
    }
}

#[test]
fn a_line_that_cannot_be_followed_is_told_like_any_other_failure() {
    let stage = Stage::bare();
    for (line, seen, command) in [
        ("orders show ord_zzz", "`ord_zzz` is not the id of an order", "makegood orders show"),
        ("orders list --limit 0", "0 is not in 1..=100", "makegood orders list"),
        ("orders list --limt 3", "--limit", "makegood orders list"),
        ("orders review clear", "<ORDER>", "makegood orders review clear"),
        ("orders bogus", "'bogus'", "makegood orders"),
        ("bogus", "'bogus'", "makegood"),
    ] {
        let said = stage.type_in(line).ends(2);
        assert!(said.out.is_empty() && said.err.starts_with("The command cannot be followed: "), "{said:?}");
        let fix = format!("\nfix: {command} --help says what it takes\nmore: makegood explain-error usage\n");
        assert!(said.err.contains(seen) && said.err.ends_with(&fix), "{line}: {said:?}");
        let problem = stage.type_in(&format!("{line} --json")).ends(2).problem();
        assert_eq!(
            (problem["code"].as_str(), problem["exit_code"].as_u64()),
            (Some("usage"), Some(2)),
            "{problem}"
        );
        let told = |name: &str| problem[name].as_str().unwrap().to_owned();
        assert!(told("detail").contains(seen) && told("hint").starts_with(command), "{problem}");
        assert!(!told("detail").contains("For more information"), "{problem}");
    }
    assert!(stage.type_in("orders").ends(2).err.contains("Usage: makegood orders"), "its help");
}

#[test]
fn the_manual_has_a_page_for_every_command_with_what_each_takes() {
    let stage = Stage::bare();
    let page = stage.type_in("man").ends(0).out;
    assert!(page.starts_with(".") || page.contains(".TH makegood 1"), "{page}");
    assert!(page.contains(r"makegood\-orders(1)") && page.contains("Never ask anything"), "{page}");
    stage.type_in("man --dir share/man1").ends(0);
    let read = |name: &str| std::fs::read_to_string(stage.folder().join("share/man1").join(name)).unwrap();
    for leaf in makegood::cli::tree::leaves() {
        let page = read(&format!("makegood-{}.1", leaf.path.join("-")));
        assert!(page.contains(".SH SYNOPSIS") && page.contains("makegood 0."), "{}", leaf.words());
    }
    assert!(read("makegood-orders-ship.1").contains("tracking"));
    stage.file("taken", "");
    let said = stage.type_in("man --dir taken").ends(1);
    assert!(said.err.contains("taken") && said.err.contains("fix:"), "{said:?}");
}

#[test]
fn help_needs_no_database_and_goes_to_stdout() {
    let stage = Stage::bare().with("DATABASE_URL", "nonsense");
    for line in
        ["--help", "orders --help", "orders ship -h", "--version", "version", "explain-error stale_plan"]
    {
        let said = stage.type_in(line).ends(0);
        assert!(!said.out.is_empty() && said.err.is_empty(), "{line}: {said:?}");
    }
    stage.type_in("explain-error nonsense").ends(5);
    let bare = stage.run(&[]).ends(2);
    assert!(bare.err.contains("makegood dev"), "{bare:?}");
    let near = stage.type_in("oders list").ends(2);
    assert!(near.err.contains("orders"), "{near:?}");
}
