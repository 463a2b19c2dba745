//! Events in every state that an event can end in.

use kernel::Duration;
use sandbox::{Fault, Trouble};
use testkit::World;

async fn status_of(world: &World, id: &str) -> String {
    let event = world.view("events.show", serde_json::json!({ "event": id })).await.unwrap();
    event["status"].as_str().unwrap().to_owned()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_not_ours_is_kept_and_ignored(test: TestDb) {
        let world = World::open(test).await;
        let foreign = serde_json::json!({
            "id": "pi_foreign", "object": "payment_intent", "amount": 700, "amount_received": 700, "currency": "usd",
            "status": "succeeded", "metadata": { "shop": "another" },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &foreign, &cx);
        let customer = serde_json::json!({ "id": "cus_1", "object": "customer" });
        let other = world.account().emit_event("customer.created", &customer, &cx);
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "ignored");
        assert_eq!(status_of(&world, &other).await, "ignored");
        world.close().await;
    }

    /// The first would stop PostgreSQL, the others every reader of JSON.
    async fn what_stands_beside_the_needed_fields_stops_no_payment_and_nothing_that_is_only_kept(test: TestDb) {
        let world = World::open(test).await;
        for silent in ["checkout.session.completed", "payment_intent.succeeded", "charge.succeeded"] {
            world.account().inject(Fault::new(Trouble::Drop).on_event(silent));
        }
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        let completed = |event: &&sandbox::Event| event.kind == "checkout.session.completed";
        let told = world.account().events().iter().find(completed).unwrap().body().to_string();
        assert!(told.contains(r#""metadata": {"#));
        let paid = told.replace(r#""metadata": {"#, r#""metadata": {"note":"a\u0000b","#);
        let kept = r#"{"id":"evt_kept","object":"event","type":"customer.created","created":1790000000,"livemode":false,"data":{"object":ODD}}"#;
        let half = kept.replace("ODD", r#"{"id":"cus_1","name":"\ud800"}"#);
        let huge = kept.replace("evt_kept", "evt_huge").replace("ODD", r#"{"id":"cus_1","balance":1e999}"#);
        for payload in [paid, half, huge] {
            let event = shop::inbox::Incoming::read(payload, "t=1,v1=ab", world.shop.now()).unwrap();
            world.shop.receiver.receive(event).await.unwrap();
        }
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM stripe_events WHERE status = 'error'").await, 0);
        for kept in ["evt_kept", "evt_huge"] {
            assert_eq!(status_of(&world, kept).await, "ignored");
        }
        assert_eq!(world.order(started.order).await.state.status(), "completed");
        world.close().await;
    }

    /// The goods are gone; a person has to know.
    async fn a_sum_that_is_contradicted_after_the_goods_were_handed_over_opens_a_review(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::Drop).on_event("checkout.session.completed"));
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.hear().await;
        let order = world.order(started.order).await;
        assert_eq!((order.state.status(), order.open_review()), ("completed", None));
        let completed = |event: &&sandbox::Event| event.kind == "checkout.session.completed";
        let told = world.account().events().iter().find(completed).unwrap().body().to_string();
        let cheaper = told.replace(r#""amount_discount": 0"#, r#""amount_discount": 500"#);
        assert_ne!(cheaper, told);
        let event = shop::inbox::Incoming::read(cheaper, "t=1,v1=ab", world.shop.now()).unwrap();
        assert_eq!(world.shop.receiver.receive(event).await.unwrap(), shop::inbox::Receipt::Stored);
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.state.status(), "completed");
        let open: Vec<&str> = order.reviews.iter().filter(|r| r.is_open()).map(|r| r.kind.as_str()).collect();
        assert_eq!(open, ["amount_mismatch"]);
        world.close_with(&["orders_in_review"]).await;
    }

    async fn an_event_without_a_needed_field_is_an_error_that_names_it(test: TestDb) {
        let world = World::open(test).await;
        let broken = serde_json::json!({
            "id": "pi_broken", "object": "payment_intent", "amount": 700, "amount_received": 700, "status": "succeeded",
            "metadata": {},
        });
        let cx = world.stripe.cx();
        let id = world.account().emit_event("payment_intent.succeeded", &broken, &cx);
        world.settle().await;
        let event = world.view("events.show", serde_json::json!({ "event": id })).await.unwrap();
        assert_eq!(event["status"], "error");
        assert!(event["last_error"].as_str().unwrap().contains("currency"), "{event}");
        world.close_with(&["events_not_finalized"]).await;
    }

    /// Its own entry in the audit log for each, and nothing is done twice.
    async fn events_that_match_are_processed_again_and_only_they(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..2 {
            let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
            world.pay(&started, "4242424242424242");
        }
        world.settle().await;
        let rows = |all: &serde_json::Value| all["data"].as_array().map_or(0, Vec::len);
        let wanted = serde_json::json!({ "status": "processed", "type": "charge.succeeded", "preview": true });
        let seen = world.task("events.replay-matching", wanted).await.unwrap().answer;
        assert_eq!((rows(&seen), seen["matching"].as_u64()), (2, Some(2)), "{seen:#}");
        let told = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'stripe_event_reprocessed'";
        assert_eq!(world.count(told).await, 0, "it was only looked at");
        let granted = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'entitlement_granted'";
        let before = world.count(granted).await;
        let wanted = serde_json::json!({ "type": "charge.succeeded", "most": 1 });
        let done = world.task("events.replay-matching", wanted).await.unwrap().answer;
        assert_eq!((done["replayed"].as_u64(), done["left"].as_u64()), (Some(1), Some(1)), "{done:#}");
        assert_eq!(done["ended"]["processed"], 1, "{done:#}");
        let last = done["fix"].as_str().unwrap().split(' ').nth(4).unwrap().to_owned();
        let on = serde_json::json!({ "type": "charge.succeeded", "after": last });
        let rest = world.task("events.replay-matching", on).await.unwrap().answer;
        assert_eq!((rest["replayed"].as_u64(), rest["left"].as_u64()), (Some(1), Some(0)), "{rest:#}");
        assert!(rest.get("fix").is_none(), "{rest:#}");
        assert_eq!((world.count(told).await, world.count(granted).await), (2, before));
        world.advance(Duration::from_secs(25 * 3600));
        let late = world.task("events.replay-matching", serde_json::json!({})).await.unwrap().answer;
        assert_eq!(late["replayed"], 0, "nothing came within the last day: {late:#}");
        for (field, odd) in [("status", "bought"), ("since", "tomorrow"), ("most", "0")] {
            let odd = odd.parse::<u64>().map_or(serde_json::json!(odd), |number| number.into());
            let refused = world.task("events.replay-matching", serde_json::json!({ (field): odd })).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_input", "{field}: {refused}");
        }
        world.settle().await;
        world.close().await;
    }

    /// What an operator has decided stands until somebody replays the event.
    async fn an_event_that_is_nothing_of_ours_is_ignored_by_whoever_says_so(test: TestDb) {
        let world = World::open(test).await;
        let strange: shop::ids::OrderId = world.shop.cx().id();
        let other = serde_json::json!({
            "id": "pi_other", "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": strange },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &other, &cx);
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let asked = serde_json::json!({ "event": event });
        let early = world.operate("events.ignore", asked.clone()).await.unwrap_err();
        assert_eq!(early.code(), "refused_by_guard", "it was not even tried");
        assert_eq!(world.operate("events.ignore", serde_json::json!({ "event": "evt_none" })).await.unwrap_err().code(), "not_found");
        world.settle().await;
        world.advance(Duration::from_secs(1));
        assert_eq!(world.findings().await.len(), 1);
        let done = world.operate("events.ignore", asked.clone()).await.unwrap();
        assert!(done.is_verified() && done.audit_id.is_some());
        assert_eq!(status_of(&world, &event).await, "ignored");
        let shown = world.view("events.show", asked.clone()).await.unwrap();
        assert_eq!((shown["last_error_kind"].as_str(), shown["last_error"].as_str()),
            (Some("ignored_by_operator"), Some("ada: a test says so")));
        assert_eq!(world.findings().await.len(), 0);
        assert_eq!(world.shop.sweep().await.unwrap(), 0, "nobody looks at it again");
        assert_eq!(world.operate("events.ignore", asked.clone()).await.unwrap().status, ops::Status::Already);
        world.operate("events.replay", asked).await.unwrap();
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "unmatched", "a replay brings it back");
        world.close_with(&["events_unmatched"]).await;
    }

    async fn what_was_acted_on_is_not_ignored(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let events = world.view("events.list", serde_json::json!({ "status": "processed" })).await.unwrap();
        let asked = serde_json::json!({ "event": events["data"][0]["id"] });
        assert_eq!(world.operate("events.ignore", asked).await.unwrap_err().code(), "refused_by_guard");
        world.close().await;
    }

    /// What cannot be read is asked of Stripe; only when nothing of it is missing here any more is the event set aside.
    async fn an_event_without_a_needed_field_is_mended_in_two_steps_and_verified(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        // None of Stripe's own events comes.
        world.account().inject(Fault::new(Trouble::NotGenerated));
        world.pay(&started, "4242424242424242");
        world.account().clear_faults();
        let intent = world.account().session_facts(&started.session).unwrap().payment_intent.unwrap().to_owned();
        let broken = serde_json::json!({
            "id": intent, "object": "payment_intent", "amount": 4900, "amount_received": 4900, "status": "succeeded",
            "metadata": { "orderId": started.order },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &broken, &cx);
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "error");
        assert_eq!(world.order(started.order).await.state.status(), "pending");
        let about = serde_json::json!({ "runbook": "webhook-failed", "subject": event });
        for (cause, mend) in [("field_missing", "reconcile"), ("nothing_in_it", "events.ignore")] {
            let explained = world.task("runbooks.explain", about.clone()).await.unwrap().answer;
            assert_eq!((&explained["cause"], &explained["mend"]["operation"]), (&cause.into(), &mend.into()), "{explained}");
            assert_ne!(world.task("runbooks.verify", about.clone()).await.unwrap().findings, Some(0), "{cause}");
            let planned = world.task("runbooks.preview", about.clone()).await.unwrap().answer;
            let mut apply = about.clone();
            apply["plan_id"] = planned["plan_id"].clone();
            world.task("runbooks.apply", apply).await.unwrap();
            world.settle().await;
            assert_eq!(world.order(started.order).await.state.status(), "completed");
        }
        let verified = world.task("runbooks.verify", about).await.unwrap();
        assert_eq!((verified.findings, &verified.answer["cause"]), (Some(0), &"finished".into()), "{:?}", verified.answer);
        world.close().await;
    }

    /// A restored backup, or events that overtake the order: nothing is dropped.
    async fn our_metadata_on_an_unknown_order_waits_until_the_order_appears(test: TestDb) {
        let world = World::open(test).await;
        let order: shop::ids::OrderId = world.shop.cx().id();
        let early = serde_json::json!({
            "id": "pi_early", "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": order },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &early, &cx);
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "unmatched");
        assert_eq!(world.shop.sweep().await.unwrap(), 0);
        let at = world.shop.cx();
        world.shop.db.write("test", move |tx| {
            let amounts = shop::orders::Amounts {
                currency: "usd".parse().unwrap(), subtotal: 1500, discount: 0, tax: 0, shipping: 0 };
            let line = shop::orders::Line { product_id: "rust-course".into(), kind: shop::catalog::ProductKind::Course,
                name: "Rust".into(), sku: None, quantity: 1, unit_amount: 1500 };
            let draft = shop::orders::Draft { id: order, profile: None, email: None, amounts, lines: vec![line] };
            shop::orders::place(tx, &at, vec![draft])
        }).await.unwrap();
        assert_eq!(world.shop.sweep().await.unwrap(), 1);
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "processed");
        assert_eq!(world.order(order).await.state.status(), "completed");
        world.close().await;
    }

    /// Another environment on the same account leaves many that nobody here will ever match; the one that can be has its turn.
    async fn however_many_events_are_unmatched_each_is_looked_at_again(test: TestDb) {
        let world = World::open(test).await;
        let strangers: shop::ids::OrderId = world.shop.cx().id();
        let other = serde_json::json!({
            "id": "pi_other", "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": strangers },
        });
        let cx = world.stripe.cx();
        world.account().emit_event("payment_intent.succeeded", &other, &cx);
        world.settle().await;
        world.shop.db.write("test", |tx| tx.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600)
             INSERT INTO stripe_events (stripe_event_id, type, created, livemode, object_id, payload, signature, status,
               attempts, fence, next_attempt_at, received_at)
             SELECT 'evt_copy_' || n.i, e.type, e.created, e.livemode, e.object_id, e.payload, e.signature, e.status, 0, 0,
               e.next_attempt_at, e.received_at FROM n CROSS JOIN stripe_events e WHERE e.status = 'unmatched'", &[])).await.unwrap();
        let ours: shop::ids::OrderId = world.shop.cx().id();
        world.advance(Duration::from_secs(60));
        let late = serde_json::json!({
            "id": "pi_late", "object": "payment_intent", "amount": 4900, "amount_received": 4900, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": ours },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &late, &cx);
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "unmatched");
        let at = world.shop.cx();
        world.shop.db.write("test", move |tx| {
            let amounts = shop::orders::Amounts {
                currency: "usd".parse().unwrap(), subtotal: 4900, discount: 0, tax: 0, shipping: 0 };
            let line = shop::orders::Line { product_id: "rust-course".into(), kind: shop::catalog::ProductKind::Course,
                name: "Rust".into(), sku: None, quantity: 1, unit_amount: 4900 };
            let draft = shop::orders::Draft { id: ours, profile: None, email: None, amounts, lines: vec![line] };
            shop::orders::place(tx, &at, vec![draft])
        }).await.unwrap();
        assert_eq!(world.shop.sweep().await.unwrap(), 0, "one look reads two thousand");
        assert_eq!(world.shop.sweep().await.unwrap(), 1, "the next goes on behind them");
        world.settle().await;
        assert_eq!(status_of(&world, &event).await, "processed");
        assert_eq!(world.shop.sweep().await.unwrap(), 0, "and then it begins anew");
        world.close_with(&["events_unmatched"]).await;
    }

    /// A worker that dies with events in its hands: the lease brings them back.
    async fn events_of_a_dead_worker_are_taken_over(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let leased = world.shop.now() + Duration::from_secs(60);
        world.shop.db.write("test", move |tx| tx.execute(
            "UPDATE stripe_events SET next_attempt_at = $1, fence = fence + 1, attempts = attempts + 1", &[leased.into()]
        )).await.unwrap();
        assert_eq!(world.work().await, 0);
        world.advance(Duration::from_secs(61));
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        world.close().await;
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// Metadata can be edited in Stripe's dashboard; the money came once.
    async fn one_payment_never_pays_for_two_orders(test: TestDb) {
        let world = World::open(test).await;
        let first = world.check_out(&[("mug", 1)]).await.unwrap();
        let second = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&first, "4242424242424242");
        world.settle().await;
        let intent = world.order(first.order).await.payment_intent.unwrap();
        let edited = serde_json::json!({
            "id": intent, "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": second.order },
        });
        let cx = world.stripe.cx();
        world.account().emit_event("payment_intent.succeeded", &edited, &cx);
        // Two at once, of which neither was seen before.
        let fresh = |order: shop::ids::OrderId| serde_json::json!({
            "id": "pi_fresh", "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": order },
        });
        let (third, fourth) = (world.check_out(&[("mug", 1)]).await.unwrap(), world.check_out(&[("mug", 1)]).await.unwrap());
        world.account().emit_event("payment_intent.succeeded", &fresh(third.order), &cx);
        world.account().emit_event("payment_intent.succeeded", &fresh(fourth.order), &cx);
        world.settle().await;
        let confirmed = "SELECT COUNT(*) FROM orders WHERE status = 'confirmed'";
        assert_eq!(world.count(confirmed).await, 2);
        assert_eq!(world.order(first.order).await.state.status(), "confirmed");
        assert_eq!(world.order(second.order).await.state.status(), "pending");
        world.close().await;
    }
}
