//! Our key at Stripe is wrong, or may not do everything: that is said in words that name what to do, nothing is lost, and a
//! mended key is enough to go on.

use std::sync::Arc;

use kernel::Duration;
use sandbox::{Fault, Trouble};
use serde_json::json;
use shop::Shop;
use shop::orders::{PaymentStatus, State};
use shop::refunds::RefundStatus;
use stripe::client::answered;
use stripe::{Call, CallError, KeyFault};
use testkit::World;

use crate::doubles::{Meddled, shop_with};

const VISA: &str = "4242424242424242";

/// The shop with a key that Stripe answers so wherever the path begins so.
fn with_key(world: &World, status: u16, path: &'static str) -> Shop {
    let body = json!({ "error": { "type": "invalid_request_error", "message": "no" } });
    shop_with(
        world,
        Meddled::before(world, move |call| match call.path.starts_with(path) {
            true => answered(call, status, body.clone(), None, None).map(drop),
            false => Ok(()),
        }),
    )
}

/// Without any.
fn without_key(world: &World) -> Shop {
    shop_with(world, Meddled::before(world, |_| Err(CallError::Key(KeyFault::Missing))))
}

async fn work(shop: &Shop) {
    while shop.work_events().await.unwrap().claimed + shop.work_jobs(20).await.unwrap() > 0 {}
}

/// Refunded in the dashboard before anything was heard of the payment: the event names no order.
async fn refund_of_a_payment_unheard_of(world: &World) -> (shop::ids::ProfileId, shop::ids::OrderId) {
    let ada = world.buyer("ada@example.com").await;
    let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
    world.account().inject(Fault::new(Trouble::Drop));
    world.pay(&started, VISA);
    world.account().clear_faults();
    let session = world.shop.stripe.call(stripe::checkout::retrieve_session(&started.session)).await.unwrap();
    let call = Call::post("/v1/refunds", "early")
        .with("payment_intent", session["payment_intent"].as_str().unwrap());
    world.account().inject(Fault::new(Trouble::Drop).on_event("charge.refunded"));
    world.shop.stripe.call(call).await.unwrap();
    world.account().clear_faults();
    (ada, started.order)
}

async fn errors(world: &World) -> Vec<(String, String, String)> {
    let events = world.view("events.list", json!({})).await.unwrap();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = events["data"].as_array().unwrap().iter();
    rows.map(|row| (text(row, "status"), text(row, "last_error_kind"), text(row, "last_error"))).collect()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// It does not read as an outage, is not asked about for ever, and is replayed once the key is mended.
    async fn an_event_whose_object_the_key_may_not_read_names_the_permission_and_is_given_up(test: TestDb) {
        let world = World::open(test).await;
        let (_, order) = refund_of_a_payment_unheard_of(&world).await;
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let narrow = with_key(&world, 403, "/v1/charges");
        work(&narrow).await;
        let [(status, kind, text)] = errors(&world).await.try_into().unwrap();
        assert_eq!((status.as_str(), kind.as_str()), ("retry", "stripe_permission_missing"), "{text}");
        for said in ["Charges and Refunds: Read", "GET /v1/charges/ch_", "STRIPE_SECRET", "fix: "] {
            assert!(text.contains(said), "{said}: {text}");
        }
        world.advance(Duration::from_secs(601));
        assert_eq!(world.findings().await[0].check, "events_not_finalized", "soon enough to be of use");
        for _ in 0..24 {
            world.advance(Duration::from_secs(1800));
            // No job is done: the one that ends the checkout would learn of the payment by another way.
            narrow.work_events().await.unwrap();
        }
        let [(status, kind, _)] = errors(&world).await.try_into().unwrap();
        assert_eq!((status.as_str(), kind.as_str()), ("error", "stripe_permission_missing"), "it needs a person");
        let event = world.view("events.list", json!({})).await.unwrap()["data"][0]["id"].clone();
        world.operate("events.replay", json!({ "event": event })).await.unwrap();
        world.settle().await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        world.close().await;
    }

    /// A key that is mended soon needs nobody's replay.
    async fn a_key_that_is_not_taken_for_some_minutes_loses_nothing(test: TestDb) {
        let world = World::open(test).await;
        let (_, order) = refund_of_a_payment_unheard_of(&world).await;
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        work(&with_key(&world, 401, "/")).await;
        let [(status, kind, text)] = errors(&world).await.try_into().unwrap();
        assert_eq!((status.as_str(), kind.as_str()), ("retry", "stripe_key_not_taken"), "{text}");
        world.advance(Duration::from_secs(600));
        world.settle().await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        world.close().await;
    }

    /// Where the order is known the payload stands in, and the job that asks Stripe parks with the same words.
    async fn an_event_of_a_known_order_is_believed_and_the_question_parks(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let intent = world.order(started.order).await.payment_intent.unwrap();
        world.shop.stripe.call(Call::post("/v1/refunds", "dashboard").with("payment_intent", intent)).await.unwrap();
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let narrow = with_key(&world, 403, "/v1/charges");
        for _ in 0..24 {
            work(&narrow).await;
            world.advance(Duration::from_secs(1800));
        }
        assert!(matches!(world.order(started.order).await.state, State::Refunded { .. }));
        let jobs = world.view("jobs.list", json!({ "status": "failed" })).await.unwrap();
        let job = &jobs["data"][0];
        assert!(job["last_error"].as_str().unwrap().contains("fix: give the key Charges and Refunds: Read"), "{job:#}");
        world.operate("jobs.retry", json!({ "job": job["id"] })).await.unwrap();
        world.close().await;
    }

    /// What the key may not do says nothing about the refund: it is looked up, and sent once the key is mended.
    async fn a_refund_that_the_key_may_not_send_is_never_taken_for_failed(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let order = started.order;
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        for (status, code) in [(403, "stripe_permission_missing"), (401, "stripe_key_not_taken")] {
            let narrow = with_key(&world, status, "/v1/refunds");
            for _ in 0..3 {
                work(&narrow).await;
                world.advance(Duration::from_secs(3601));
            }
            let all = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap();
            assert_eq!((all.len(), all[0].status), (1, RefundStatus::Unknown));
            let why = all[0].last_error.clone().unwrap();
            assert!(why.contains(code) && why.contains("STRIPE_SECRET") && why.contains("fix: "), "{why}");
            assert_eq!(world.order(order).await.payment_status, PaymentStatus::RefundPending);
            let told = world.view("orders.explain", json!({ "order": order })).await.unwrap();
            assert!(told["next"].to_string().contains(code), "{:#}", told["next"]);
        }
        assert_eq!(world.findings().await[0].check, "refund_unsettled");
        world.settle().await;
        let all = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap();
        assert_eq!((all.len(), all[0].status), (1, RefundStatus::Succeeded));
        let intent = world.order(order).await.payment_intent.unwrap();
        let list = world.shop.stripe.call(stripe::refunds::list_refunds(&intent)).await.unwrap();
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        world.close().await;
    }

    /// The answer to the first question was lost, so a page may be there: a key that fails then gives nothing back.
    async fn a_key_that_fails_after_a_lost_answer_gives_no_stock_back(test: TestDb) {
        let world = World::open(test).await;
        let lost = Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/checkout/sessions");
        world.account().inject(lost);
        world.check_out(&[("mug", 1)]).await.unwrap_err();
        world.advance(Duration::from_secs(150));
        let rolled = with_key(&world, 401, "/");
        work(&rolled).await;
        assert_eq!(world.stock("MUG").await, (5, 4));
        world.advance(Duration::from_secs(60));
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM checkouts WHERE state = 'open'").await, 1);
        assert_eq!(world.account().sessions().count(), 1);
        world.close().await;
    }

    /// Nothing was carried out at Stripe, so an outage does not sell the shop out; after it everybody can buy.
    async fn a_stripe_that_is_not_reached_gives_the_stock_back_at_once(test: TestDb) {
        let world = World::open(test).await;
        let away = Meddled::before(&world, |_| Err(CallError::NotSent("no such host".into())));
        let shops = [shop_with(&world, away), with_key(&world, 429, "/v1/checkout")];
        for shop in shops.iter().cycle().take(12) {
            let error = shop.starter.start(shop, testkit::world::basket(&[("mug", 1)])).await.unwrap_err();
            assert_eq!(error.code(), "stripe_unreachable", "{error}");
            assert_eq!(world.stock("MUG").await, (5, 5));
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM checkouts WHERE state = 'failed'").await, 12);
        world.check_out(&[("mug", 5)]).await.unwrap();
        world.close().await;
    }

    async fn a_checkout_that_no_key_opens_is_told_by_name_and_gives_its_stock_back_at_once(test: TestDb) {
        let world = World::open(test).await;
        let basket = || testkit::world::basket(&[("mug", 1)]);
        let shops = [
            (with_key(&world, 403, "/v1/checkout"), "stripe_permission_missing"),
            (with_key(&world, 401, "/"), "stripe_key_not_taken"),
            (without_key(&world), "stripe_key_missing"),
        ];
        for (shop, code) in &shops {
            let error = shop.starter.start(shop, basket()).await.unwrap_err();
            assert_eq!(error.code(), *code, "{error}");
            assert!(error.told().contains("STRIPE_SECRET") && error.told().contains("fix: "), "{}", error.told());
            assert_eq!(world.stock("MUG").await, (5, 5));
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'").await, 3);
        world.close().await;
    }

    /// Commands that have to ask Stripe end with what the key lacks, and not with "try again in a moment".
    async fn a_command_that_the_key_does_not_suffice_for_says_so(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4000000000000002");
        world.hear().await;
        world.advance(Duration::from_secs(7200));
        for (name, input) in [
            ("orders.cleanup-failed", json!({})),
            ("orders.cleanup-failed", json!({ "preview": true })),
            ("events.backfill", json!({ "since": "1h" })),
            ("events.gaps", json!({})),
            ("reconcile", json!({})),
            ("reconcile", json!({ "only": started.order })),
        ] {
            for (shop, code) in [
                (with_key(&world, 403, "/"), "stripe_permission_missing"),
                (with_key(&world, 401, "/"), "stripe_key_not_taken"),
                (without_key(&world), "stripe_key_missing"),
            ] {
                let error = task(Arc::new(shop), name, input.clone()).await;
                assert_eq!(error.code(), code, "{name}: {error}");
                world.advance(Duration::from_secs(1));
            }
        }
        world.task("events.backfill", json!({ "since": "1h" })).await.unwrap();
        world.close().await;
    }
}

async fn task(shop: Arc<Shop>, name: &str, input: serde_json::Value) -> kernel::Error {
    let definition = shop::TASKS.iter().find(|def| def.name == name).unwrap();
    let by = ops::By {
        actor: ops::Actor::operator("ada"),
        role: ops::Role::Admin,
        reason: Some("a test says so".into()),
        request_id: None,
    };
    definition.read(input).unwrap().run(&shop, &by, &()).await.unwrap_err()
}
