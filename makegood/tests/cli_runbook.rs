//! The runbooks at the doors: exit codes, statuses, roles and plans are the same for a person, a script and a program.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;
mod doors;

use cli_stage::Stage;
use db::TxResult;
use doors::{ADMIN_TOKEN, Server};
use ops::Role;
use serde_json::{Value, json};
use testkit::World;

const PATH: &str = "/api/v1/admin/runbooks/inventory-drift";

/// A hand in the database has made mugs of nothing.
async fn drifted(world: &World) {
    let sql = "UPDATE inventory SET stock_count = stock_count + 3 WHERE sku = 'MUG'";
    world.shop.db.write("test", move |tx| tx.execute(sql, &[]).map(drop)).await.must_be_looked_up().unwrap();
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_script_goes_the_whole_loop_by_exit_codes(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        stage.type_in("runbook detect inventory-drift").ends(0);
        drifted(&world).await;
        let list = stage.type_in("runbook list --json").ends(0).json();
        let row = list["data"].as_array().unwrap().iter().find(|row| row["id"] == "inventory-drift").unwrap().clone();
        assert_eq!(row["findings"], 1, "{row}");
        let found = stage.type_in("runbook detect inventory-drift --json").ends(3).json();
        assert_eq!((&found["findings"], &found["data"][0]["subject"]), (&json!(1), &json!("MUG")), "{found}");
        let checked = stage.type_in("check").ends(3);
        assert!(checked.out.contains("why: makegood runbook explain inventory-drift MUG"), "{checked:?}");
        let explained = stage.type_in("runbook explain inventory-drift MUG").ends(0);
        let first = explained.out.lines().next().unwrap();
        assert_eq!(first, "✗ changed_past_the_ledger — the counter of MUG says 8, its ledger sums to 5");
        let reply = stage.type_in("runbook reply inventory-drift MUG").ends(0);
        assert!(reply.out.starts_with("We are counting"), "{reply:?}");
        stage.type_in("runbook verify inventory-drift MUG").ends(3);

        let uncounted = stage.type_in("runbook preview inventory-drift MUG").ends(2);
        assert!(uncounted.err.contains("--with NAME=VALUE"), "{uncounted:?}");
        let apply = "runbook apply inventory-drift MUG --with pieces=7";
        stage.type_in(apply).ends(2);
        stage.type_in(&format!("{apply} --yes")).ends(2);
        let plan = stage.type_in(&format!("{apply} --dry-run --json")).ends(0).json()["plan_id"].as_str().unwrap().to_owned();
        let same = stage.type_in("runbook preview inventory-drift MUG --with pieces=7 --json").ends(0).json();
        assert_eq!(same["plan_id"], plan.as_str());
        stage.type_in(&format!("{apply} --yes --reason counted --plan plan_of_yesterday")).ends(6);
        stage.type_in("inventory adjust MUG 1 --yes --reason found").ends(9);
        stage.type_in(&format!("{apply} --yes --reason counted --plan {plan}")).ends(6);
        let done = stage.type_in(&format!("{apply} --yes --reason counted")).ends(0);
        assert!(done.out.contains("✓ inventory.recount applied"), "{done:?}");
        stage.type_in("runbook verify inventory-drift MUG").ends(0);
        stage.type_in("runbook detect inventory-drift").ends(0);
        stage.type_in(&format!("{apply} --yes --reason counted")).ends(0);
        assert_eq!(world.stock("MUG").await, (7, 7));
        assert_eq!(world.findings().await.len(), 0);
    }

    /// One order that is well says nothing of the others.
    async fn of_a_buyer_with_several_orders_each_is_looked_at(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        let buyer = world.buyer("ada@example.com").await;
        let mut orders = Vec::new();
        for _ in 0..3 {
            let started = world.check_out_for(buyer, &[("mug", 1)]).await.unwrap();
            world.pay(&started, "4242424242424242");
            world.settle().await;
            orders.push(started.order.to_string());
        }
        let explain = |runbook: &str, subject: &str| stage.type_in(&format!("runbook explain {runbook} {subject} --json"));
        assert_eq!(explain("review-hold", "ada@example.com").ends(0).json()["cause"], "no_flag");
        stage.type_in(&format!("orders review flag {} --yes --reason fraud", orders[0])).ends(0);
        let held = explain("review-hold", "ada@example.com").ends(0).json();
        assert_eq!((&held["cause"], &held["order"]), (&json!("operator"), &json!(orders[0])), "{held}");
        stage.type_in("runbook verify review-hold ada@example.com").ends(3);
        stage.type_in(&format!("orders review flag {} --yes --reason fraud", orders[1])).ends(0);
        let which = explain("review-hold", "ada@example.com").ends(2);
        assert!(which.err.contains(&orders[0]) && which.err.contains(&orders[1]) && !which.err.contains(&orders[2]), "{which:?}");
        // Money never goes back for an order that nobody has named.
        let which = stage.type_in("runbook apply refund-downgrade ada@example.com --yes --reason asked").ends(2);
        assert!(orders.iter().all(|order| which.err.contains(order)), "{which:?}");
        for order in &orders[..2] {
            stage.type_in(&format!("orders review clear {order} --kind operator --yes --reason fine")).ends(0);
        }
        stage.type_in("runbook verify review-hold ada@example.com").ends(0);
        world.close().await;
    }

    /// Nothing is well of what was not looked at.
    async fn a_subject_of_another_kind_is_refused_and_not_called_well(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        let buyer = world.buyer("ada@example.com").await;
        let started = world.check_out_for(buyer, &[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = started.order.to_string();
        for runbook in ["downloads-kill-switch", "secret-rotation", "media-upload-signature", "media-upload-401", "webhook-failed"] {
            for verb in ["explain", "verify", "preview", "reply"] {
                let said = stage.type_in(&format!("runbook {verb} {runbook} {order}"));
                assert!([2, 5].contains(&said.code), "{runbook} {verb}: {said:?}");
            }
        }
        // The pieces of an order are in the books of its stock.
        stage.type_in(&format!("runbook verify inventory-drift {order}")).ends(0);
        drifted(&world).await;
        stage.type_in(&format!("runbook verify inventory-drift {order}")).ends(3);
    }

    async fn what_is_not_there_ends_with_5_and_what_nothing_mends_with_8(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        stage.type_in("runbook show no-such-runbook").ends(5);
        stage.type_in("runbook explain inventory-drift NOTHING").ends(5);
        stage.type_in("runbook explain review-hold ord_1").ends(2);
        let nothing = stage.type_in("runbook preview paid-no-access nobody@example.com").ends(8);
        assert!(nothing.err.contains("no_such_purchase") && nothing.err.contains("runbook reply"), "{nothing:?}");
        let page = stage.type_in("runbook show stuck-paid-orders").ends(0);
        assert!(page.out.contains("seed 004") && page.out.contains("waits_for_stock"), "{page:?}");
        stage.type_in("runbook drill no-such-runbook").ends(5);
        stage.type_in("runbook drill").ends(2);
    }

    async fn of_a_drill_the_configured_shop_keeps_how_it_went_and_nothing_else(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test).with("TMPDIR", std::env::temp_dir().display().to_string());
        let before = world.count("SELECT COUNT(*) FROM audit_logs").await;
        let never = stage.type_in("runbook show review-hold --json").ends(0).json();
        assert!(never["last_drill"].is_null(), "{never}");
        let drilled = stage.type_in("runbook drill review-hold").ends(0);
        assert!(drilled.out.contains("✓ verify holds") && !drilled.out.contains('✗'), "{drilled:?}");
        let told = stage.type_in("runbook drill review-hold --json").ends(0).json();
        assert_eq!(told["data"][0]["ok"], true, "{told}");
        let kept = world.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'runbook_drilled'").await;
        assert_eq!(kept, 2);
        assert_eq!(world.count("SELECT COUNT(*) FROM audit_logs").await, before + kept, "and no other entry");
        assert_eq!(world.count("SELECT COUNT(*) FROM orders").await, 0);
        let quiet = stage.type_in("runbook drill review-hold --no-record").ends(0);
        assert!(quiet.err.is_empty(), "{quiet:?}");
        let history = stage.type_in("runbook history review-hold --json").ends(0).json();
        let drills = history["data"].as_array().unwrap();
        assert_eq!(drills.len(), 2, "{history}");
        let last = &drills[0];
        assert_eq!((&last["status"], &last["on"], &last["failure"]), (&json!("passed"), &json!("SQLite"), &Value::Null));
        assert!(last["steps"].as_i64().unwrap() > 10 && last["version"] == env!("CARGO_PKG_VERSION"), "{last}");
        stage.type_in("runbook history no-such-runbook").ends(5);

        let practised = ["runbook", "record", "review-hold", "--failure", "nobody knew the password",
            "--reason", "a practice", "--yes"];
        stage.run(&practised).ends(0);
        let shown = stage.type_in("runbook show review-hold --json").ends(0).json();
        assert_eq!(shown["last_drill"]["failure"], "nobody knew the password");
        assert_eq!(shown["last_drill"]["on"], "a practice by hand");
        assert_eq!(stage.type_in("runbook history --limit 1 --json").ends(0).json()["has_more"], true);
    }

    async fn a_drill_on_a_machine_without_a_shop_makes_none(test: TestDb) {
        let stage = Stage::bare().with("TMPDIR", std::env::temp_dir().display().to_string());
        let drilled = stage.type_in("runbook drill review-hold").ends(0);
        assert!(drilled.err.contains("not written down: "), "{drilled:?}");
        assert_eq!(std::fs::read_dir(stage.folder()).unwrap().count(), 0);
        drop(test);
    }

    async fn a_drill_is_written_down_by_the_server_that_is_asked(test: TestDb) {
        let world = World::open(test).await;
        let server = Server::start(&world.test).await;
        let url = server.url.clone();
        let drill = |token: String| {
            let stage = Stage::bare().with("TMPDIR", std::env::temp_dir().display().to_string())
                .with("MAKEGOOD_URL", url.clone()).with("MAKEGOOD_TOKEN", token);
            tokio::task::spawn_blocking(move || stage.type_in("runbook drill review-hold").ends(0))
        };
        let refused = drill(server.token(Role::Viewer).await).await.unwrap();
        assert!(refused.err.contains("not written down: "), "{refused:?}");
        let written = drill(ADMIN_TOKEN.into()).await.unwrap();
        assert!(written.err.contains("written down: makegood runbook history"), "{written:?}");
        assert_eq!(world.count("SELECT COUNT(*) FROM drills WHERE passed").await, 1);
        server.stop().await;
    }

    async fn each_role_does_over_http_what_it_may_and_a_plan_that_nobody_saw_is_refused(test: TestDb) {
        let world = World::open(test).await;
        drifted(&world).await;
        let server = Server::start(&world.test).await;
        let (viewer, support) = (server.token(Role::Viewer).await, server.token(Role::Support).await);
        assert_eq!(server.get("/api/v1/admin/runbooks", None).await.status, 401);
        let list = server.get("/api/v1/admin/runbooks", Some(&viewer)).await;
        assert_eq!(list.body["data"].as_array().unwrap().len(), shop::RUNBOOKS.len(), "{}", list.text);
        assert_eq!(server.get(PATH, Some(&viewer)).await.body["causes"].as_array().unwrap().len(), 4);
        for verb in ["detect", "explain?subject=MUG", "reply?subject=MUG", "verify?subject=MUG"] {
            assert_eq!(server.get(&format!("{PATH}/{verb}"), Some(&viewer)).await.status, 403, "{verb}");
            assert_eq!(server.get(&format!("{PATH}/{verb}"), Some(&support)).await.status, 200, "{verb}");
        }
        let preview = format!("{PATH}/preview?subject=MUG&with=pieces%3D7");
        assert_eq!(server.get(&preview, Some(&support)).await.code(), "forbidden", "the operation's own role counts");
        let planned = server.get(&preview, Some(ADMIN_TOKEN)).await;
        assert_eq!((planned.status, &planned.body["status"]), (200, &json!("previewed")), "{}", planned.text);

        let path = format!("{PATH}/apply");
        let body = |plan: &Value| json!({ "subject": "MUG", "with": "pieces=7", "plan_id": plan, "reason": "counted" });
        let (good, wrong) = (body(&planned.body["plan_id"]), body(&json!("plan_of_yesterday")));
        assert_eq!(server.post(&path, Some(&support), &good).await.status, 403);
        let silent = server.post(&path, Some(ADMIN_TOKEN), &json!({ "subject": "MUG", "with": "pieces=7" })).await;
        assert_eq!(silent.code(), "reason_required", "{}", silent.text);
        let stale = server.post(&path, Some(ADMIN_TOKEN), &wrong).await;
        assert_eq!((stale.status, stale.code()), (409, "stale_plan"), "{}", stale.text);
        let done = server.post(&path, Some(ADMIN_TOKEN), &good).await;
        assert_eq!((done.status, &done.body["verified"]), (200, &json!(true)), "{}", done.text);
        assert_eq!(done.body["plan_id"], planned.body["plan_id"]);
        let kept = server.get("/api/v1/admin/audit-logs?limit=5", Some(ADMIN_TOKEN)).await;
        let kept: Vec<(&str, &str)> = kept.body["data"].as_array().unwrap().iter()
            .map(|row| (row["event_type"].as_str().unwrap(), row["reason"].as_str().unwrap_or_default())).collect();
        for event in ["stock_recounted", "runbook_applied"] {
            assert!(kept.contains(&(event, "counted")), "{kept:?}");
        }
        let path = "/api/v1/admin/audit-logs?type=runbook_applied";
        let listed = server.get(path, Some(ADMIN_TOKEN)).await.body["data"].as_array().unwrap().clone();
        let ended: Vec<&str> = listed.iter().map(|row| row["status"].as_str().unwrap()).collect();
        // The plan of yesterday, and before it support, who may not recount.
        assert_eq!(ended, ["done", "failed", "failed"], "what was refused is told apart: {listed:?}");
        let entry = server.get(&format!("/api/v1/admin/audit-logs/{}", listed[1]["id"].as_str().unwrap()), Some(ADMIN_TOKEN)).await;
        assert_eq!((&entry.body["status"], &entry.body["data"]["error"]["code"]), (&json!("failed"), &json!("stale_plan")));
    }

    async fn through_a_server_the_same_plan_is_shown_and_applied(test: TestDb) {
        let world = World::open(test).await;
        drifted(&world).await;
        let server = Server::start(&world.test).await;
        let stage = Stage::bare().with("MAKEGOOD_URL", server.url.clone()).with("MAKEGOOD_TOKEN", ADMIN_TOKEN);
        let said = tokio::task::spawn_blocking(move || {
            stage.type_in("runbook detect inventory-drift").ends(3);
            let apply = "runbook apply inventory-drift MUG --with pieces=7 --yes --reason counted";
            stage.type_in(&format!("{apply} --plan plan_of_yesterday")).ends(6);
            let done = stage.type_in(apply).ends(0);
            stage.type_in("runbook verify inventory-drift MUG").ends(0);
            done
        });
        let done = said.await.unwrap();
        assert!(done.out.contains("✓ inventory.recount applied"), "{done:?}");
        assert_eq!(world.stock("MUG").await, (7, 7));
        server.stop().await;
    }

    async fn a_problem_names_the_runbook_that_explains_it(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        let server = Server::start(&world.test).await;
        let ship = format!("/api/v1/admin/orders/{}/ship", started.order);
        let refused = server.post(&ship, Some(ADMIN_TOKEN), &json!({ "reason": "x" })).await;
        let page = makegood::http::error_pages::ErrorPage::find(refused.code()).unwrap();
        assert_eq!(refused.body["runbook"].as_str(), page.runbook, "{}", refused.text);
        let released = json!({ "sku": "MUG", "change": -9, "reason": "x" });
        let stale = server.post("/webhooks/stripe", None, &released).await;
        assert_eq!((stale.code(), &stale.body["runbook"]), ("signature_missing", &json!("webhook-failed")), "{}", stale.text);
        let gone = server.get("/api/v1/admin/orders/ord_1", Some(ADMIN_TOKEN)).await;
        assert!(gone.body["runbook"].is_null(), "{}", gone.text);
    }
}
