//! A payment becomes what was bought, exactly once.

use kernel::Duration;
use sandbox::{Fault, Later, PayOutcome, Payment, Trouble};
use shop::orders::{PaymentStatus, State, WaitsFor};
use stripe::Call;
use testkit::World;

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// The second copy of everything finds nothing to do.
    async fn a_redelivered_payment_hands_over_once(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        world.account().inject(Fault::new(Trouble::Duplicate { copies: 3 }));
        let started = world.check_out_for(ada, &[("rust-course", 1), ("mug", 2)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM entitlement_grants").await, 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM inventory_ledger WHERE reason = 'sale'").await, 1);
        assert_eq!(world.stock("MUG").await, (3, 3));
        world.close().await;
    }

    /// Two Event objects with different ids tell of one change, as Stripe sometimes does.
    async fn two_events_of_one_change_hand_over_once(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::Twin));
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!(world.stock("MUG").await, (4, 4));
        assert_eq!(world.count("SELECT COUNT(*) FROM order_timeline WHERE type = 'confirmed'").await, 1);
        world.close().await;
    }

    async fn a_wrong_amount_is_held_for_a_person_and_never_retried(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().collect_instead(&started.session, 150, "usd").unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Review });
        assert_eq!(order.open_review().unwrap().detail, "Stripe received 1.50 usd, the order expects 15.00 usd");
        let attempts = world.count("SELECT CAST(MAX(attempts) AS bigint) FROM stripe_events").await;
        assert_eq!(attempts, 1, "nothing is retried");
        // Settling by hand does not get past the guard.
        let refused = world.operate("orders.confirm", serde_json::json!({ "order": started.order })).await;
        assert_eq!(refused.unwrap_err().code(), "refused_by_guard");
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_cleared_review_lets_the_order_go_on_and_replays_do_not_bring_it_back(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.account().collect_instead(&started.session, 4800, "usd").unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        world.operate("orders.review.clear", serde_json::json!({ "order": started.order })).await.unwrap();
        assert!(world.may_use(ada, "rust-course").await);
        let events = world.view("events.list", serde_json::json!({ "limit": 100 })).await.unwrap();
        for event in events["data"].as_array().unwrap() {
            world.operate("events.replay", serde_json::json!({ "event": event["id"] })).await.unwrap();
        }
        assert_eq!(world.order(started.order).await.state.status(), "completed");
        let story = world.story(started.order).await;
        assert_eq!(story.iter().filter(|kind| *kind == "review_cleared").count(), 1, "{story:?}");
        world.close().await;
    }

    async fn a_declined_card_leaves_the_order_pending_and_a_second_try_pays_it(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        assert!(matches!(world.pay(&started, "4000000000000002"), PayOutcome::Declined { .. }));
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!((order.state.clone(), order.payment_status), (State::Pending, PaymentStatus::Failed));
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!((order.state.status(), order.payment_status), ("confirmed", PaymentStatus::Paid));
        world.close().await;
    }

    /// Days may pass: what is set aside stays set aside until the bank has decided.
    async fn a_bank_debit_keeps_its_stock_until_it_is_decided(test: TestDb) {
        let world = World::open(test).await;
        for (outcome, status, left) in [(Later::Succeeds, "confirmed", 4), (Later::Fails, "cancelled", 4)] {
            let started = world.check_out(&[("mug", 1)]).await.unwrap();
            let three_days = Duration::from_secs(3 * 24 * 3600);
            world.pay_with(&started, Payment { settles_after: Some(three_days), ..Payment::by_bank_debit(outcome) });
            world.settle().await;
            let order = world.order(started.order).await;
            assert_eq!((order.state, order.payment_status), (State::Pending, PaymentStatus::Processing));
            world.advance(Duration::from_secs(2 * 24 * 3600));
            world.settle().await;
            assert_eq!(world.order(started.order).await.state, State::Pending);
            world.advance(Duration::from_secs(2 * 24 * 3600));
            world.settle().await;
            assert_eq!(world.order(started.order).await.state.status(), status);
            assert_eq!(world.stock("MUG").await, (left, left));
        }
        world.close().await;
    }

    async fn nothing_to_pay_is_paid_by_nobody_and_still_handed_over(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("free-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "completed");
        assert!(world.may_use(ada, "free-course").await);
        world.close().await;
    }

    async fn tax_and_shipping_that_stripe_adds_are_accounted_for(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().set_adjustment(&started.session, 120, 500).unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.state.status(), "confirmed");
        assert_eq!((order.amounts.tax, order.amounts.shipping, order.paid_amount), (120, 500, Some(2120)));
        world.close().await;
    }

    /// Only the session explains the amount; when its event never comes, Stripe is asked.
    async fn a_missed_session_event_is_healed_by_asking_stripe(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().set_adjustment(&started.session, 120, 0).unwrap();
        world.account().inject(Fault::new(Trouble::Drop).on_event("checkout.session.completed"));
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Breakdown });
        world.advance(Duration::from_secs(60));
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        world.close().await;
    }

    /// Money of another sum came beside a page that expired unused, or is still open: no breakdown explains it.
    async fn a_wrong_sum_that_no_session_explains_is_held_for_a_person(test: TestDb) {
        let world = World::open(test).await;
        for expired in [true, false] {
            let started = world.check_out(&[("mug", 1)]).await.unwrap();
            if expired {
                world.shop.stripe.call(stripe::checkout::expire_session(&started.session)).await.unwrap();
            }
            let beside = Call::post("/v1/payment_intents", format!("beside-{}", started.order))
                .with("amount", 2000)
                .with("currency", "usd")
                .with("payment_method", "pm_card_visa")
                .with("confirm", true)
                .with("return_url", "https://shop.invalid")
                .with("metadata[orderId]", started.order);
            world.shop.stripe.call(beside).await.unwrap();
            world.settle().await;
            if !expired {
                let order = world.order(started.order).await;
                assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Breakdown });
                let settled = world.operate("orders.confirm", serde_json::json!({ "order": started.order }));
                assert!(!settled.await.unwrap().is_verified(), "it still waits");
                world.advance(Duration::from_secs(60));
                world.settle().await;
            }
            let order = world.order(started.order).await;
            assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Review }, "expired: {expired}");
            let review = order.open_review().unwrap();
            assert_eq!(review.detail, "Stripe received 20.00 usd, the order expects 15.00 usd");
            let page = world.shop.stripe.call(stripe::checkout::retrieve_session(&started.session)).await;
            assert_eq!(page.unwrap()["status"], "expired", "nobody pays there once more");
            world.operate("orders.review.clear", serde_json::json!({ "order": started.order })).await.unwrap();
            assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        }
        world.close().await;
    }

    async fn a_payment_after_cancellation_reopens_the_order(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        // The operator is faster than the webhook.
        world.operate("orders.cancel", serde_json::json!({ "order": started.order })).await.unwrap();
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        assert_eq!(world.stock("MUG").await, (4, 4));
        assert!(world.story(started.order).await.contains(&"reopened".to_owned()));
        world.close().await;
    }

    async fn stock_that_ran_out_holds_a_paid_order_until_stock_comes(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.operate("orders.cancel", serde_json::json!({ "order": started.order })).await.unwrap();
        world.operate("inventory.adjust", serde_json::json!({ "sku": "MUG", "change": -5 })).await.unwrap();
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Stock });
        world.operate("inventory.adjust", serde_json::json!({ "sku": "MUG", "change": 3 })).await.unwrap();
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        assert_eq!(world.stock("MUG").await, (2, 2));
        world.close().await;
    }

    async fn two_nodes_confirm_one_order(test: TestDb) {
        let world = World::open(test).await;
        let other = world.another_node().await;
        let orders = 30;
        for _ in 0..orders {
            let started = world.check_out(&[("poster", 1)]).await.unwrap();
            world.pay(&started, "4242424242424242");
        }
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let (here, there) = tokio::join!(world.shop.work_events(), other.work_events());
        here.unwrap();
        there.unwrap();
        drop(other);
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status = 'confirmed'").await, orders);
        assert_eq!(world.stock("POSTER").await, (100 - orders, 100 - orders));
        world.close().await;
    }
}
