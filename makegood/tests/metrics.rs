//! The counters that come from the rows count what happened, whichever process did it; and the doors count what they refuse.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod doors;

use db::PoolState;
use doors::{ADMIN_TOKEN, Server};
use kernel::Duration;
use makegood::metrics::Metrics;
use sandbox::{Fault, Trouble};
use serde_json::json;
use shop::ids::OrderId;
use testkit::World;

const VISA: &str = "4242424242424242";

async fn bought(world: &World) -> OrderId {
    let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

/// What Prometheus would read two minutes later.
async fn scraped(world: &World, metrics: &Metrics) -> String {
    world.clock.advance(Duration::from_secs(120));
    metrics.refresh(&world.shop.db, world.shop.now()).await;
    metrics.text(PoolState::default(), db::Health::Well, world.shop.now())
}

fn has(text: &str, line: &str) {
    assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn refunds_are_counted_by_what_became_of_them(test: TestDb) {
        let world = World::open(test).await;
        let (first, second, third) = (bought(&world).await, bought(&world).await, bought(&world).await);
        let metrics = Metrics::new(world.shop.now());
        world.operate("refunds.create", json!({ "order": first })).await.unwrap();
        world.settle().await;
        world.account().inject(Fault::new(Trouble::TimeoutBeforeExecuting).on_request("POST", "/v1/refunds").times(1));
        world.operate("refunds.create", json!({ "order": second })).await.unwrap();
        world.work().await;
        let text = scraped(&world, &metrics).await;
        for (status, count) in [("requested", 2), ("success", 1), ("failed", 0), ("unknown", 1), ("duplicate", 0)] {
            has(&text, &format!("refund_operations_total{{status=\"{status}\"}} {count}"));
        }
        has(&text, "refund_full_total 1");
        for _ in 0..3 {
            world.advance(Duration::from_secs(3600));
            world.settle().await;
        }
        // Somebody has refunded it in the dashboard meanwhile: ours does not come about.
        let intent = world.order(third).await.payment_intent.unwrap();
        world.account().inject(Fault::new(Trouble::Drop).times(10));
        world.shop.stripe.call(stripe::refunds::create_refund(&intent, &[], "in-the-dashboard")).await.unwrap();
        world.operate("refunds.create", json!({ "order": third })).await.unwrap();
        world.work().await;
        let text = scraped(&world, &metrics).await;
        for (status, count) in [("requested", 3), ("success", 2), ("failed", 1), ("unknown", 1)] {
            has(&text, &format!("refund_operations_total{{status=\"{status}\"}} {count}"));
        }
        has(&text, "refund_full_total 3");
        let again = scraped(&world, &metrics).await;
        has(&again, "refund_operations_total{status=\"success\"} 2");
    }

    async fn a_second_request_is_refused_and_counted_and_a_preview_is_not(test: TestDb) {
        let world = World::open(test).await;
        let order = bought(&world).await;
        let server = Server::start(&world.test).await;
        let path = "/api/v1/admin/refunds/create";
        let wish = json!({ "order": order, "reason": "sorry" });
        assert_eq!(server.post(path, Some(ADMIN_TOKEN), &wish).await.status, 200);
        let preview = server.post(path, Some(ADMIN_TOKEN), &json!({ "order": order, "dry_run": true })).await;
        assert_eq!(preview.status, 409, "{}", preview.text);
        has(&server.get("/metrics", None).await.text, "refund_operations_total{status=\"duplicate\"} 0");
        let second = server.post(path, Some(ADMIN_TOKEN), &wish).await;
        assert_eq!((second.status, second.code()), (409, "refund_exists"), "{}", second.text);
        has(&server.get("/metrics", None).await.text, "refund_operations_total{status=\"duplicate\"} 1");
        server.stop().await;
    }

    /// Refunded orders need nobody any more.
    async fn the_gauge_of_reviews_counts_what_a_person_has_to_look_at(test: TestDb) {
        let world = World::open(test).await;
        let order = bought(&world).await;
        let metrics = Metrics::new(world.shop.now());
        world.operate("orders.review.flag", json!({ "order": order })).await.unwrap();
        has(&scraped(&world, &metrics).await, "orders_requires_review 1");
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        world.settle().await;
        has(&scraped(&world, &metrics).await, "orders_requires_review 0");
    }
}
