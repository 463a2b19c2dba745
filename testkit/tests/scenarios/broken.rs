//! What a stranger broke once, told so that it stays mended.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use kernel::{Cx, Seeded};
use ops::{Actor, By, Mode, Role, Runner};
use stripe::{Call, Stripe};
use testkit::World;
use testkit::stripe_double::SandboxStripe;

/// Stripe makes the session, and before its answer is here an operator has cancelled the order.
struct CancelledMeanwhile {
    stripe: Arc<SandboxStripe>,
    db: db::Db,
    now: Cx,
}

impl Stripe for CancelledMeanwhile {
    fn call(&self, call: Call) -> stripe::client::Answer<'_> {
        let order =
            call.params.iter().find(|(name, _)| name == "metadata[orderId]").map(|(_, id)| id.clone());
        Box::pin(async move {
            let answer = self.stripe.call(call).await;
            let cancel = shop::OPERATIONS.iter().find(|def| def.name == "orders.cancel").unwrap();
            let by = By {
                actor: Actor::operator("ada"),
                role: Role::Admin,
                reason: Some("a test says so".into()),
                request_id: None,
            };
            let (runner, mode) = (Runner { db: self.db.clone() }, Mode::Apply { plan_id: None });
            runner
                .run(cancel, serde_json::json!({ "order": order }), mode, by, self.now.clone())
                .await
                .unwrap();
            answer
        })
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// A guest often types the email only on Stripe's page; by it the purchase is claimed later.
    async fn a_guests_email_is_kept_from_the_payment_page(test: TestDb) {
        let world = World::open(test).await;
        let basket = shop::checkout::Basket { email: None, ..testkit::world::basket(&[("rust-course", 1)]) };
        let started = world.shop.starter.start(&world.shop, basket).await.unwrap();
        let payment = sandbox::Payment { email: "late@example.com".into(), ..sandbox::Payment::by_card("4242424242424242") };
        world.pay_with(&started, payment);
        world.settle().await;
        assert_eq!(world.order(started.order).await.email.as_deref(), Some("late@example.com"));
        world.close().await;
    }

    /// Whoever gave an email at the checkout keeps it, whatever is typed on Stripe's page.
    async fn the_email_of_the_checkout_is_not_overwritten(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!(world.order(started.order).await.email.as_deref(), Some("buyer@example.com"));
        world.close().await;
    }

    /// Stock comes back not only by an operator's hand: a checkout that nobody pays gives its pieces back too.
    async fn an_order_that_waits_for_stock_gets_what_another_gives_back(test: TestDb) {
        let world = World::open(test).await;
        let late = world.check_out(&[("mug", 5)]).await.unwrap();
        world.operate("orders.cancel", serde_json::json!({ "order": late.order })).await.unwrap();
        let other = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&late, "4242424242424242");
        world.settle().await;
        assert_eq!(world.order(late.order).await.state.status(), "paid", "four of five are left");
        world.operate("orders.cancel", serde_json::json!({ "order": other.order })).await.unwrap();
        world.settle().await;
        assert_eq!(world.order(late.order).await.state.status(), "confirmed");
        world.close().await;
    }

    /// Letting one reservation go is that and no more: what its order has in other stocks stays.
    async fn letting_one_reservation_go_leaves_the_others_of_its_order(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1), ("poster", 2)]).await.unwrap();
        let order = started.order;
        let held = world.shop.db.read("test", move |tx| shop::inventory::reservations_of(tx, order)).await.unwrap();
        let id = |sku: &str| held.iter().find(|r| r.sku == sku).unwrap().id;
        world.operate("reservations.confirm", serde_json::json!({ "reservation": id("MUG") })).await.unwrap();
        world.operate("reservations.release", serde_json::json!({ "reservation": id("POSTER") })).await.unwrap();
        assert_eq!(world.stock("POSTER").await, (100, 100));
        assert_eq!(world.stock("MUG").await, (4, 4), "the mug was sold by hand and stays sold");
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!((world.stock("MUG").await, world.stock("POSTER").await), ((4, 4), (98, 98)));
        world.close().await;
    }

    /// A flag that came after the look is not cleared by the look.
    async fn a_review_that_was_not_seen_is_not_cleared(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.operate("orders.review.flag", serde_json::json!({ "order": started.order })).await.unwrap();
        let definition = shop::OPERATIONS.iter().find(|def| def.name == "orders.review.clear").unwrap();
        let runner = ops::Runner { db: world.shop.db.clone() };
        let by = ops::By { actor: ops::Actor::operator("ada"), role: ops::Role::Admin,
            reason: Some("looked at it".into()), request_id: None };
        let input = serde_json::json!({ "order": started.order });
        let seen = runner.run(definition, input.clone(), ops::Mode::Preview, by.clone(), world.shop.cx()).await.unwrap();
        world.account().collect_instead(&started.session, 1, "usd").unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let mode = ops::Mode::Apply { plan_id: Some(seen.plan_id) };
        let refused = runner.run(definition, input, mode, by, world.shop.cx()).await.unwrap_err();
        assert_eq!(refused.code(), "stale_plan");
        assert_eq!(world.order(started.order).await.state.status(), "paid");
        world.close_with(&["orders_in_review"]).await;
    }

    async fn stock_beyond_all_measure_is_refused_and_not_an_internal_error(test: TestDb) {
        let world = World::open(test).await;
        for change in [i64::MAX, i64::MIN, 5_000_000_000_000_000_000] {
            let input = serde_json::json!({ "sku": "MUG", "change": change });
            let refused = world.operate("inventory.adjust", input).await.unwrap_err();
            assert_eq!(refused.code(), "refused_by_guard", "{refused}");
        }
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    /// An operator cancels while Stripe is being asked for the page: the page does not live on, and nobody gets it.
    async fn a_page_that_came_for_a_cancelled_order_is_closed_at_once(test: TestDb) {
        let world = World::open(test).await;
        let stripe = Arc::new(CancelledMeanwhile { stripe: world.stripe.clone(), db: world.shop.db.clone(),
            now: world.shop.cx() });
        let settings = world.shop.settings.clone();
        let shop = shop::Shop::new(world.shop.db.clone(), stripe, settings, world.clock.clone(), Seeded::new(11));
        let refused = shop.starter.start(&shop, testkit::world::basket(&[("mug", 1)])).await.unwrap_err();
        assert_eq!(refused.code(), "checkout_over", "{refused}");
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM jobs").await, 0, "nothing waits for a page that nobody may use");
        assert_eq!(world.count("SELECT COUNT(*) FROM payment_facts WHERE CAST(fact AS text) LIKE '%expired%'").await, 1);
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    /// No page is asked for when the order was cancelled before.
    async fn a_cancelled_order_gets_no_page(test: TestDb) {
        let world = World::open(test).await;
        let order = world.shop.starter.place(&world.shop, testkit::world::basket(&[("mug", 1)])).await.unwrap().order;
        world.operate("orders.cancel", serde_json::json!({ "order": order })).await.unwrap();
        let refused = shop::checkout::open(&world.shop, order).await.unwrap_err();
        assert_eq!(refused.code(), "checkout_over");
        assert_eq!(world.account().sessions().count(), 0, "Stripe is not even asked");
        world.close().await;
    }

    /// A job that has given up, and the same work asked for anew meanwhile: one job is enough.
    async fn a_failed_job_whose_work_is_queued_again_is_retried_as_that_one(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.shop.db.write("test", |tx| {
            tx.execute("UPDATE jobs SET status = 'failed', last_error = 'x' WHERE kind = 'checkout.close'", &[]).map(drop)
        }).await.unwrap();
        world.operate("orders.cancel", serde_json::json!({ "order": started.order })).await.unwrap();
        let failed = world.view("jobs.list", serde_json::json!({ "status": "failed" })).await.unwrap();
        let job = failed["data"][0]["id"].clone();
        let receipt = world.operate("jobs.retry", serde_json::json!({ "job": job })).await.unwrap();
        assert!(receipt.is_verified(), "{receipt:?}");
        world.close().await;
    }

    /// A revocation and a hand-over of the same thing at the same moment: one comes after the other.
    async fn a_revocation_beside_a_hand_over_leaves_grants_and_entitlement_in_agreement(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let first = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&first, "4242424242424242");
        world.settle().await;
        let (handed_over, wait) = sync_channel::<()>(1);
        let other = world.another_node().await;
        let cx = world.shop.cx();
        let second = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        // As the second order's settlement does it, held open until the revocation has begun.
        let granting = tokio::spawn(async move {
            other.db.write("test.hand_over", move |tx| {
                let handover = shop::entitlements::Handover { order: second.order,
                    holder: shop::entitlements::Holder::Profile(ada), product: "rust-course".into(),
                    cause: ops::Actor::system("test") };
                shop::entitlements::hand_over(tx, &cx, &[handover])?;
                handed_over.try_send(()).ok();
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }).await.unwrap();
        });
        tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
        world.operate("entitlements.revoke", serde_json::json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        granting.await.unwrap();
        let differ = world.findings().await.into_iter().filter(|f| f.check == "entitlement_without_grant").count();
        assert_eq!(differ, 0, "the entitlement says what its grants say");
        world.close().await;
    }
}
