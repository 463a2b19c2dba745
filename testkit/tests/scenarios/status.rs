//! The one screen that says how the shop is.

use kernel::Duration;
use ops::Done;
use serde_json::{Value, json};
use testkit::World;
use testkit::stripe_double::deliver_due;

async fn status(world: &World) -> Done {
    world.task("status", json!({})).await.unwrap()
}

async fn watch(world: &World) {
    shop::office::watch::watch(&world.shop).await.unwrap();
}

fn found(done: &Done) -> Vec<(&str, i64, i64)> {
    let row = |row: &'_ Value| (row["open"].as_i64().unwrap(), row["snoozed"].as_i64().unwrap());
    let rows = done.answer["found"].as_array().unwrap().iter();
    rows.map(|found| (found["check"].as_str().unwrap(), row(found).0, row(found).1)).collect()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_shop_that_is_well_says_so_before_and_after_its_first_round_of_checks(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..2 {
            let done = status(&world).await;
            assert_eq!((done.findings, found(&done)), (Some(0), vec![]));
            assert_eq!(done.answer["migrations_missing"], 0);
            assert_eq!(done.answer["checked_at"], json!(world.shop.now()));
            watch(&world).await;
        }
        world.close().await;
    }

    async fn what_waits_is_counted_with_its_age(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let heard = world.shop.now();
        world.advance(Duration::from_secs(10));
        let answer = status(&world).await.answer;
        let waiting = answer["events_waiting"].as_i64().unwrap();
        assert!(waiting > 0 && answer["oldest_event_at"] == json!(heard), "{answer}");
        assert!(answer["last_webhook_at"] == json!(heard) && answer["jobs_queued"].as_i64() > Some(0), "{answer}");
        world.settle().await;
        let answer = status(&world).await.answer;
        assert_eq!((&answer["events_waiting"], &answer["oldest_event_at"]), (&json!(0), &Value::Null));
        world.close().await;
    }

    async fn what_is_found_counts_until_it_is_put_off_and_what_is_stopped_is_named(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        world.operate("orders.review.flag", json!({ "order": started.order })).await.unwrap();
        world.operate("refunds.disable", json!({})).await.unwrap();
        watch(&world).await;
        let done = status(&world).await;
        assert_eq!(done.findings, Some(2));
        assert_eq!(found(&done), [("orders_in_review", 1, 0), ("switched_off", 1, 0)]);
        let [review, _] = done.answer["found"].as_array().unwrap().as_slice() else { panic!("{done:?}") };
        assert!(review["oldest"].is_string() && review["runbook"] == "review-hold", "{review}");
        let [off] = done.answer["switched_off"].as_array().unwrap().as_slice() else { panic!("{done:?}") };
        assert_eq!((&off["name"], &off["reason"]), (&json!("refunds"), &json!("a test says so")));

        let finding = format!("orders_in_review:{}", started.order);
        let until = world.shop.now() + Duration::from_secs(3_600);
        world.operate("findings.snooze", json!({ "finding": finding, "until": until })).await.unwrap();
        let done = status(&world).await;
        assert_eq!((done.findings, found(&done)), (Some(1), vec![("orders_in_review", 0, 1), ("switched_off", 1, 0)]));
        world.operate("refunds.enable", json!({})).await.unwrap();
        world.close_with(&["orders_in_review"]).await;
    }
}
