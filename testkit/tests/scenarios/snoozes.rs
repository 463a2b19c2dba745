//! Findings that are put off: folded where people look, counted where nobody may overlook them.

use kernel::{Duration, Error};
use ops::{Status, results};
use serde_json::{Value, json};
use shop::checkout::Started;
use shop::ids::OrderId;
use testkit::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An order that waits for a person, and the id of that finding.
async fn flagged(world: &World) -> (Started, String) {
    let started = world.check_out(&[("poster", 1)]).await.unwrap();
    world.pay(&started, "4242424242424242");
    world.settle().await;
    flag(world, started.order).await;
    let finding = format!("orders_in_review:{}", started.order);
    (started, finding)
}

async fn flag(world: &World, order: OrderId) {
    world.operate("orders.review.flag", json!({ "order": order })).await.unwrap();
}

async fn listed(world: &World, status: &str) -> Vec<Value> {
    let list =
        world.view("findings.list", json!({ "check": "orders_in_review", "status": status })).await.unwrap();
    list["data"].as_array().unwrap().clone()
}

async fn snooze(world: &World, finding: &str, days: u32) -> Result<ops::Receipt, Error> {
    let until = world.shop.now() + DAY * days;
    world.operate("findings.snooze", json!({ "finding": finding, "until": until })).await
}

async fn watch(world: &World) {
    shop::office::watch::watch(&world.shop).await.unwrap();
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_cannot_be_put_off_is_refused(test: TestDb) {
        let world = World::open(test).await;
        for unknown in ["orders_in_review:ord_1", "no_such_check:x", "x"] {
            assert_eq!(snooze(&world, unknown, 1).await.unwrap_err().code(), "not_found", "{unknown}");
        }
        let (started, finding) = flagged(&world).await;
        assert_eq!(snooze(&world, &finding, 31).await.unwrap_err().code(), "invalid_input", "too long");
        assert_eq!(snooze(&world, &finding, 0).await.unwrap_err().code(), "invalid_input", "over already");
        for until in ["tomorrow", "2026-13-01", ""] {
            let asked = json!({ "finding": finding, "until": until });
            assert_eq!(world.operate("findings.snooze", asked).await.unwrap_err().code(), "invalid_input");
        }
        assert_eq!(listed(&world, "open").await.len(), 1);
        let wrong = world.view("findings.list", json!({ "status": "closed" })).await.unwrap_err();
        assert_eq!(wrong.code(), "invalid_input");
        world.operate("orders.review.clear", json!({ "order": started.order, "kind": "operator" })).await.unwrap();
        world.operate("orders.ship", json!({ "order": started.order })).await.unwrap();
        world.close().await;
    }

    async fn a_finding_that_is_put_off_is_counted_on_and_says_until_when_by_whom_and_why(test: TestDb) {
        let world = World::open(test).await;
        let (_, finding) = flagged(&world).await;
        let done = snooze(&world, &finding, 7).await.unwrap();
        assert!(done.is_verified() && done.status == Status::Applied, "{done:?}");
        assert_eq!(listed(&world, "open").await.len(), 0);
        let put_off = listed(&world, "snoozed").await;
        assert_eq!(put_off[0]["id"], finding.as_str());
        assert_eq!(put_off[0]["snoozed_by"], "ada");
        assert_eq!(put_off[0]["snoozed_because"], "a test says so");
        let shown = world.view("findings.show", json!({ "finding": finding })).await.unwrap();
        assert_eq!(shown["status"], "snoozed");
        // The check, its gauge and its alert know nothing of it.
        assert_eq!(world.findings().await.len(), 1);
        watch(&world).await;
        let kept = world.shop.db.read("test", results::latest).await.unwrap();
        assert_eq!(kept.iter().find(|result| result.check == "orders_in_review").unwrap().count, 1);
        assert_eq!(listed(&world, "snoozed").await.len(), 1, "a round of the checks leaves it");
        assert_eq!(
            world.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'finding_snoozed'").await,
            1
        );

        let woken = world.operate("findings.wake", json!({ "finding": finding })).await.unwrap();
        assert!(woken.is_verified());
        assert_eq!(listed(&world, "open").await.len(), 1);
        let again = world.operate("findings.wake", json!({ "finding": finding })).await.unwrap();
        assert_eq!(again.status, Status::Already);
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_finding_comes_back_when_its_time_is_over(test: TestDb) {
        let world = World::open(test).await;
        let (_, finding) = flagged(&world).await;
        snooze(&world, &finding, 7).await.unwrap();
        world.advance(DAY * 7 - Duration::from_secs(1));
        assert_eq!(listed(&world, "snoozed").await.len(), 1);
        world.advance(Duration::from_secs(1));
        assert_eq!(listed(&world, "open").await.len(), 1);
        watch(&world).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM finding_snoozes").await, 0, "and it is forgotten");
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_finding_that_was_gone_and_comes_again_is_new(test: TestDb) {
        let world = World::open(test).await;
        let (started, finding) = flagged(&world).await;
        snooze(&world, &finding, 7).await.unwrap();
        world.operate("orders.review.clear", json!({ "order": started.order, "kind": "operator" })).await.unwrap();
        assert_eq!(listed(&world, "snoozed").await.len(), 0);
        world.advance(Duration::from_secs(60));
        watch(&world).await;
        flag(&world, started.order).await;
        assert_eq!(listed(&world, "open").await.len(), 1, "the same words, another time");
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_finding_that_says_something_else_is_another_one(test: TestDb) {
        let world = World::open(test).await;
        let (started, finding) = flagged(&world).await;
        snooze(&world, &finding, 7).await.unwrap();
        let cx = world.stripe.cx();
        world.account().warn_of_fraud(&started.session, "misc", &cx).unwrap();
        world.settle().await;
        let open = listed(&world, "open").await;
        assert_eq!(open.len(), 1, "one thing, with all that is said of it: {open:?}");
        assert_eq!(open[0]["mends"].as_array().unwrap().len(), 2);
        watch(&world).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM finding_snoozes").await, 0);
        world.close_with(&["orders_in_review"]).await;
    }
}
