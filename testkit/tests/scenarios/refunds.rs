//! Money goes back: asked for here, or in Stripe's dashboard; once, and with everything that was bought.

use kernel::Duration;
use sandbox::{Fault, Trouble};
use serde_json::json;
use shop::ids::OrderId;
use shop::orders::{PaymentStatus, State};
use shop::refunds::RefundStatus;
use stripe::Call;
use testkit::World;

const VISA: &str = "4242424242424242";

/// A course and two mugs, paid and confirmed.
async fn bought(world: &World, profile: shop::ids::ProfileId) -> OrderId {
    let started = world.check_out_for(profile, &[("rust-course", 1), ("mug", 2)]).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

/// As a person does it in Stripe's dashboard: nothing on it says whose it is, but the payment.
async fn refund_in_the_dashboard(world: &World, order: OrderId, amount: Option<i64>) -> serde_json::Value {
    let intent = world.order(order).await.payment_intent.unwrap();
    let call = Call::post("/v1/refunds", format!("dashboard-{order}-{amount:?}-{}", world.shop.now()))
        .with("payment_intent", intent)
        .with_some("amount", amount);
    world.shop.stripe.call(call).await.unwrap()
}

async fn refund(world: &World, order: OrderId) -> Result<ops::Receipt, kernel::Error> {
    world.operate("refunds.create", json!({ "order": order })).await
}

async fn refunds(world: &World, order: OrderId) -> Vec<(RefundStatus, i64)> {
    let found = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap();
    found.into_iter().map(|refund| (refund.status, refund.generation)).collect()
}

/// What Stripe has refunded of the order, in how many pieces.
async fn at_stripe(world: &World, order: OrderId) -> (usize, i64) {
    let intent = world.order(order).await.payment_intent.unwrap();
    let list = world.shop.stripe.call(stripe::refunds::list_refunds(&intent)).await.unwrap();
    let all = list["data"].as_array().unwrap();
    (all.len(), all.iter().map(|refund| refund["amount"].as_i64().unwrap()).sum())
}

async fn hours(world: &World, hours: u64) {
    for _ in 0..hours {
        world.advance(Duration::from_secs(3600));
        world.settle().await;
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_refund_takes_back_each_good_by_its_shelf(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        assert_eq!(world.stock("MUG").await, (3, 3));
        refund(&world, order).await.unwrap();
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::RefundPending);
        world.settle().await;
        let after = world.order(order).await;
        assert!(matches!(after.state, State::Refunded { .. }));
        assert_eq!((after.payment_status, after.refunded_amount), (PaymentStatus::Refunded, 4900 + 2 * 1500));
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (5, 5));
        assert_eq!(world.count("SELECT COUNT(*) FROM inventory_ledger WHERE reason = 'return'").await, 1);
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 1)]);
        let story = world.story(order).await;
        assert_eq!(story.iter().filter(|kind| *kind == "refund_full").count(), 1);
        world.close().await;
    }

    async fn what_is_shipped_stays_with_the_buyer(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.operate("orders.ship", json!({ "order": order })).await.unwrap();
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (3, 3), "the mugs are gone");
        world.close().await;
    }

    async fn a_second_refund_is_refused_and_nothing_is_shipped_meanwhile(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund(&world, order).await.unwrap();
        assert_eq!(refund(&world, order).await.unwrap_err().code(), "refund_exists");
        let shipped = world.operate("orders.ship", json!({ "order": order })).await;
        assert_eq!(shipped.unwrap_err().code(), "refused_by_guard");
        world.settle().await;
        assert_eq!(refund(&world, order).await.unwrap_err().code(), "refund_exists");
        assert_eq!(at_stripe(&world, order).await.0, 1);
        world.close().await;
    }

    async fn what_was_not_paid_cannot_be_refunded(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        assert_eq!(refund(&world, started.order).await.unwrap_err().code(), "nothing_paid");
        world.close().await;
    }

    async fn a_lost_answer_is_looked_up_and_never_sent_twice(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Drop));
        world.account().inject(Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Unknown, 1)], "nobody knows, and it says so");
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::RefundPending);
        hours(&world, 1).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 1)]);
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    /// Stripe repeats even a stored error for as long as it keeps the key: then only another key helps, and only when Stripe
    /// says that it has no such refund.
    async fn a_stored_error_is_got_past_under_a_new_key_once_stripe_says_it_has_nothing(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Stored500 { execute: false }).times(1).on_request("POST", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        hours(&world, 3).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 2)]);
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    /// While nobody knew what had become of ours, a part went back by hand: Stripe sends the rest, and the books say so.
    async fn what_is_written_down_is_what_stripe_sends_and_not_what_was_asked_for_first(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Stored500 { execute: false }).times(1).on_request("POST", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Unknown, 1)]);
        refund_in_the_dashboard(&world, order, Some(1000)).await;
        hours(&world, 3).await;
        let ours = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap().remove(0);
        assert_eq!((ours.status, ours.amount.minor, ours.last_error), (RefundStatus::Succeeded, 6900, None));
        assert_eq!(at_stripe(&world, order).await, (2, 7900));
        world.close().await;
    }

    async fn a_stored_error_of_a_refund_that_was_carried_out_is_found_and_not_repeated(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Stored500 { execute: true }).times(1).on_request("POST", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        hours(&world, 2).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 1)]);
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    async fn a_rate_limit_leaves_it_unknown_until_stripe_was_asked(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::RateLimit).times(1).on_request("POST", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Unknown, 1)]);
        hours(&world, 1).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 1)]);
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    /// Two days without a word from Stripe: the key is worn out, and protects nothing any more.
    async fn a_key_older_than_a_day_is_not_relied_on(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::TimeoutBeforeExecuting).times(1).on_request("POST", "/v1/refunds"));
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/refunds"));
        refund(&world, order).await.unwrap();
        hours(&world, 30).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Unknown, 1)], "not knowing is no reason to send");
        world.account().clear_faults();
        hours(&world, 4).await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Succeeded, 2)]);
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    async fn a_refund_in_the_dashboard_finds_its_order_by_the_payment(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund_in_the_dashboard(&world, order, None).await;
        world.settle().await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (5, 5));
        assert_eq!(refund(&world, order).await.unwrap_err().code(), "already_refunded");
        world.close().await;
    }

    async fn somebody_else_was_faster_in_the_dashboard(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Delay { seconds: 3600 }));
        refund_in_the_dashboard(&world, order, None).await;
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert_eq!(refunds(&world, order).await, [(RefundStatus::Failed, 1)]);
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }), "learned from the payment itself");
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        world.close().await;
    }

    async fn a_partial_refund_changes_nothing_and_is_shown(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund_in_the_dashboard(&world, order, Some(500)).await;
        world.settle().await;
        let after = world.order(order).await;
        assert!(matches!(after.state, State::Confirmed { .. }));
        assert_eq!((after.refunded_amount, after.payment_status), (500, PaymentStatus::Paid));
        assert!(world.may_use(ada, "rust-course").await);
        assert!(world.story(order).await.contains(&"refund_partial_ignored".to_owned()));
        // What is left is still the buyer's to get back in full.
        refund(&world, order).await.unwrap();
        world.settle().await;
        assert_eq!(at_stripe(&world, order).await, (2, 7900));
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        world.close().await;
    }

    async fn partial_refunds_that_add_up_are_a_full_one(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund_in_the_dashboard(&world, order, Some(4000)).await;
        world.settle().await;
        assert!(world.may_use(ada, "rust-course").await);
        refund_in_the_dashboard(&world, order, Some(3900)).await;
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.order(order).await.refunded_amount, 7900);
        world.close().await;
    }

    /// The events of a refund name neither order nor buyer, and may come before those of the payment.
    async fn a_refund_that_is_heard_of_before_its_payment_ends_the_same(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1), ("mug", 2)]).await.unwrap();
        world.account().inject(Fault::new(Trouble::Delay { seconds: 7200 }));
        world.pay(&started, VISA);
        world.account().clear_faults();
        let session = world.shop.stripe.call(stripe::checkout::retrieve_session(&started.session)).await.unwrap();
        let paid = session["payment_intent"].as_str().unwrap();
        let call = Call::post("/v1/refunds", "early").with("payment_intent", paid);
        world.shop.stripe.call(call).await.unwrap();
        world.settle().await;
        assert!(matches!(world.order(started.order).await.state, State::Refunded { .. }));
        hours(&world, 3).await;
        assert!(matches!(world.order(started.order).await.state, State::Refunded { .. }));
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    /// The payload stands in while Stripe cannot be asked, and is known to be provisional until it can.
    async fn while_stripe_cannot_be_asked_the_event_is_believed_for_now(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund_in_the_dashboard(&world, order, None).await;
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/charges"));
        world.settle().await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        assert!(world.count("SELECT COUNT(*) FROM payment_facts WHERE provisional").await > 0);
        world.account().clear_faults();
        hours(&world, 2).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM payment_facts WHERE provisional").await, 0);
        world.close().await;
    }

    async fn many_events_on_one_charge_are_one_fetch(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::Duplicate { copies: 2 }));
        world.account().inject(Fault::new(Trouble::Twin));
        for amount in [100, 200, 300] {
            refund_in_the_dashboard(&world, order, Some(amount)).await;
        }
        // A fault without effect counts the calls.
        world.account().clear_faults();
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let many = 1000;
        world.account().inject(Fault::new(Trouble::Slow { seconds: 0 }).times(many).on_request("GET", "/v1/charges"));
        assert!(world.shop.work_events().await.unwrap().claimed >= 6);
        assert_eq!(world.account().faults()[0].count, Some(many - 1), "one call");
        assert_eq!(world.order(order).await.refunded_amount, 600);
        assert_eq!(world.count("SELECT COUNT(*) FROM payment_facts WHERE provisional").await, 0);
        world.account().clear_faults();
        world.close_with(&["refund_partial"]).await;
    }

    /// An order that Stripe refunded so long ago that nothing tells of it any more.
    async fn a_refund_of_long_ago_is_marked_by_hand_and_no_replay_brings_it_back(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().set_reach(None, sandbox::Reach::Down, &world.stripe.cx()).unwrap();
        refund_in_the_dashboard(&world, order, None).await;
        world.operate("refunds.mark", json!({ "order": order })).await.unwrap();
        assert!(!world.may_use(ada, "rust-course").await);
        let entry = world.timeline(order).await.into_iter().find(|entry| entry.kind == "refund_full").unwrap();
        assert_eq!(entry.meta["manual"], true);
        let event = world.view("events.list", json!({})).await.unwrap()["data"][0]["id"].clone();
        world.operate("events.replay", json!({ "event": event })).await.unwrap();
        hours(&world, 1).await;
        let after = world.order(order).await;
        assert!(matches!(after.state, State::Refunded { .. }));
        assert_eq!(after.refunded_amount, 7900, "Stripe was asked, and says the same");
        assert_eq!(refund(&world, order).await.unwrap_err().code(), "already_refunded");
        world.account().set_reach(None, sandbox::Reach::Up, &world.stripe.cx()).unwrap();
        world.close().await;
    }

    /// The mark takes the goods back; the buyer would be left with nothing.
    async fn what_is_marked_as_refunded_and_never_was_is_found_and_can_be_refunded(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.operate("refunds.mark", json!({ "order": order })).await.unwrap();
        hours(&world, 1).await;
        let found = world.findings().await;
        let found = found.iter().find(|finding| finding.check == "refund_marked_not_made").expect("it is found");
        assert!(found.text.contains("0.00 usd of 79.00 usd"), "{}", found.text);
        let mend = found.mend.clone().unwrap();
        world.operate(mend.operation, mend.input).await.unwrap();
        assert_eq!(refund(&world, order).await.unwrap_err().code(), "refund_exists");
        world.settle().await;
        assert_eq!(at_stripe(&world, order).await, (1, 7900));
        let after = world.order(order).await;
        assert_eq!((after.payment_status, after.refunded_amount), (PaymentStatus::Refunded, 7900));
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (5, 5), "the goods went back once");
        world.close().await;
    }

    /// A grant by hand on behalf of an order goes where the order's money goes; a gift stays.
    async fn what_an_operator_gave_on_behalf_of_an_order_goes_back_with_its_money_and_a_gift_stays(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bob) = (world.buyer("ada@example.com").await, world.buyer("bob@example.com").await);
        let order = bought(&world, ada).await;
        let give = |user, order: Option<OrderId>| json!({ "user": user, "course": "rust-course", "order": order });
        let twice = world.operate("entitlements.grant", give(ada, Some(order))).await.unwrap();
        assert_eq!(twice.status, ops::Status::Already, "the order gives it already");
        world.operate("entitlements.grant", give(bob, Some(order))).await.unwrap();
        let gift = world.operate("entitlements.grant", give(ada, None)).await.unwrap();
        assert_eq!(gift.status, ops::Status::Applied, "a second reason is not swallowed");
        assert_eq!(world.operate("entitlements.grant", give(ada, None)).await.unwrap().status, ops::Status::Already);
        let back = refund_in_the_dashboard(&world, order, None).await;
        world.settle().await;
        assert!(!world.may_use(bob, "rust-course").await, "the money is with the buyer again");
        assert!(world.may_use(ada, "rust-course").await, "a gift has nothing to do with money");
        let refused = world.operate("entitlements.grant", give(bob, Some(order))).await.unwrap_err();
        assert!(refused.to_string().contains("order_gives_access"), "{refused}");
        let cx = world.stripe.cx();
        world.account().turn_refund(back["id"].as_str().unwrap(), sandbox::RefundStatus::Failed, &cx).unwrap();
        hours(&world, 1).await;
        assert!(world.may_use(bob, "rust-course").await, "the money is ours again");
        world.close().await;
    }

    async fn access_is_given_on_behalf_of_an_order_only_where_that_order_sells_it_and_is_paid(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let (course, mug) = (world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap(),
            world.check_out_for(ada, &[("mug", 1)]).await.unwrap());
        let never = OrderId::from_uuid(uuid::Uuid::from_u128(7));
        let refused = [(never, "order_exists"), (mug.order, "order_sells_it"), (course.order, "order_gives_access")];
        for (order, guard) in refused {
            let grant = json!({ "user": ada, "course": "rust-course", "order": order });
            let refused = world.operate("entitlements.grant", grant).await.unwrap_err();
            assert_eq!(refused.code(), "refused_by_guard");
            assert!(refused.to_string().contains(guard), "{guard}: {refused}");
        }
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// What an operator takes away while the money is with the buyer is not given back when the refund fails.
    async fn what_is_revoked_after_a_refund_stays_revoked_when_the_refund_fails(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let back = refund_in_the_dashboard(&world, order, None).await;
        world.settle().await;
        let revoked = world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await;
        assert_eq!(revoked.unwrap().status, ops::Status::Applied);
        let cx = world.stripe.cx();
        let id = back["id"].as_str().unwrap();
        world.account().turn_refund(id, sandbox::RefundStatus::Failed, &cx).unwrap();
        hours(&world, 1).await;
        assert!(matches!(world.order(order).await.state, State::Confirmed { .. }), "the order has its money again");
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }
}
