//! Banks take money back: for now, for good, or not at all; and issuers and Radar warn.

use kernel::Duration;
use sandbox::{DisputeStep, Fault, NewDispute, NewRefund, ReviewClosed, ReviewOpened, Trouble};
use serde_json::json;
use shop::checkout::Started;
use shop::ids::ProfileId;
use shop::orders::{Dispute, PaymentStatus, ReviewKind, State};
use testkit::World;

const VISA: &str = "4242424242424242";

async fn bought(world: &World, profile: ProfileId, items: &[(&str, i64)]) -> Started {
    let started = world.check_out_for(profile, items).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started
}

fn dispute(world: &World, started: &Started, dispute: NewDispute) -> String {
    let cx = world.stripe.cx();
    world.account().open_dispute(&started.session, &dispute, &cx).unwrap()
}

fn step(world: &World, dispute: &str, step: DisputeStep) {
    let cx = world.stripe.cx();
    world.account().move_dispute(dispute, step, &cx).unwrap();
}

async fn an_hour_later(world: &World) {
    world.advance(Duration::from_secs(3600));
    world.settle().await;
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn an_inquiry_suspends_nothing(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let inquiry = dispute(&world, &started, NewDispute::inquiry());
        world.settle().await;
        assert!(world.may_use(ada, "rust-course").await);
        let order = world.order(started.order).await;
        assert_eq!((order.dispute, order.payment_status), (None, PaymentStatus::Paid));
        // It becomes a dispute, and that one does.
        step(&world, &inquiry, DisputeStep::Escalate);
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        step(&world, &inquiry, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn a_dispute_suspends_and_a_win_restores_exactly_what_was_suspended(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bob) = (world.buyer("ada@example.com").await, world.buyer("bob@example.com").await);
        let both = bought(&world, ada, &[("rust-course", 1), ("free-course", 1)]).await;
        bought(&world, bob, &[("rust-course", 1)]).await;
        let revoked = json!({ "user": ada, "course": "free-course" });
        world.operate("entitlements.revoke", revoked).await.unwrap();
        let dispute = dispute(&world, &both, NewDispute::default());
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert!(world.may_use(bob, "rust-course").await, "another buyer has nothing to do with it");
        assert_eq!(world.order(both.order).await.payment_status, PaymentStatus::Disputed);
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        assert!(!world.may_use(ada, "free-course").await, "what an operator revoked stays revoked");
        assert_eq!(world.order(both.order).await.dispute, None);
        world.close().await;
    }

    async fn what_an_operator_revokes_while_it_is_suspended_is_not_restored(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let dispute = dispute(&world, &started, NewDispute::default());
        world.settle().await;
        world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// Two orders grant the same course; one bank's dispute takes nothing from what the other order gives.
    async fn a_disputed_order_does_not_take_what_another_order_grants(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let first = bought(&world, ada, &[("rust-course", 1)]).await;
        bought(&world, ada, &[("rust-course", 1)]).await;
        let dispute = dispute(&world, &first, NewDispute::default());
        step(&world, &dispute, DisputeStep::Lose);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn nothing_is_shipped_while_a_bank_decides(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("mug", 1)]).await;
        let dispute = dispute(&world, &started, NewDispute::default());
        world.settle().await;
        let shipped = world.operate("orders.ship", json!({ "order": started.order })).await;
        assert_eq!(shipped.unwrap_err().code(), "refused_by_guard");
        let refunded = world.operate("refunds.create", json!({ "order": started.order })).await;
        assert_eq!(refunded.unwrap_err().code(), "payment_disputed", "that would pay twice");
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        world.operate("orders.ship", json!({ "order": started.order })).await.unwrap();
        world.close().await;
    }

    async fn an_order_is_not_marked_as_refunded_while_a_bank_decides(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let dispute = dispute(&world, &started, NewDispute::default());
        world.settle().await;
        let marked = world.operate("refunds.mark", json!({ "order": started.order })).await.unwrap_err();
        assert_eq!(marked.code(), "refused_by_guard");
        assert!(marked.to_string().contains("no_open_dispute"), "{marked}");
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await, "the win gives again what no mark has taken");
        world.close().await;
    }

    /// The mark says that the money went back; the bank sends it in fact, and a refund would be the second time.
    async fn what_is_marked_as_refunded_is_not_refunded_once_a_bank_has_the_money(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let marked = json!({ "order": started.order });
        world.operate("refunds.mark", marked.clone()).await.unwrap();
        let dispute = dispute(&world, &started, NewDispute::default());
        an_hour_later(&world).await;
        let refused = world.operate("refunds.create", marked.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "payment_disputed");
        let not_made = |found: &[ops::Finding]| found.iter().any(|f| f.check == "refund_marked_not_made");
        assert!(!not_made(&world.findings().await), "a refund is nothing to be offered");
        step(&world, &dispute, DisputeStep::Lose);
        an_hour_later(&world).await;
        let refused = world.operate("refunds.create", marked).await.unwrap_err();
        assert_eq!(refused.code(), "dispute_lost");
        assert!(refused.to_string().contains("the bank has paid the buyer"), "{refused}");
        assert!(!not_made(&world.findings().await));
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(not_made(&world.findings().await), "the money is ours again, and the buyer has nothing");
        world.close_with(&["refund_marked_not_made"]).await;
    }

    async fn a_lost_dispute_takes_back_for_good_and_a_late_win_gives_again(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1), ("mug", 2)]).await;
        let dispute = dispute(&world, &started, NewDispute::default());
        step(&world, &dispute, DisputeStep::Lose);
        an_hour_later(&world).await;
        let order = world.order(started.order).await;
        assert!(matches!(order.state, State::Refunded { .. }));
        assert_eq!((order.payment_status, order.dispute), (PaymentStatus::Disputed, Some(Dispute::Lost)));
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (5, 5));
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        let order = world.order(started.order).await;
        assert!(matches!(order.state, State::Confirmed { .. }));
        assert_eq!((order.payment_status, order.dispute), (PaymentStatus::Paid, None));
        assert!(world.may_use(ada, "rust-course").await);
        assert_eq!(world.stock("MUG").await, (3, 3));
        world.close().await;
    }

    /// An appeal of a lost dispute is no verdict: what was taken back stays so until it is won.
    async fn an_appeal_gives_nothing_back_by_itself(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let dispute = dispute(&world, &started, NewDispute::default());
        step(&world, &dispute, DisputeStep::Lose);
        step(&world, &dispute, DisputeStep::Appeal);
        an_hour_later(&world).await;
        assert!(!world.may_use(ada, "rust-course").await);
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// `created` may already be lost, and `closed` may come first: what counts is the object as it is.
    async fn events_of_a_dispute_in_the_wrong_order_end_as_the_object_says(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        world.account().inject(Fault::new(Trouble::Delay { seconds: 7200 }).on_event("charge.dispute.created"));
        world.account().inject(Fault::new(Trouble::Duplicate { copies: 2 }));
        let dispute = dispute(&world, &started, NewDispute::default());
        step(&world, &dispute, DisputeStep::Lose);
        step(&world, &dispute, DisputeStep::Win);
        for _ in 0..4 {
            an_hour_later(&world).await;
        }
        assert!(world.may_use(ada, "rust-course").await, "lost, then won late: won");
        world.close().await;
    }

    async fn of_several_disputes_of_one_charge_each_counts(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        let first = dispute(&world, &started, NewDispute::default().over(1000));
        let second = dispute(&world, &started, NewDispute::default().over(2000));
        step(&world, &first, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(!world.may_use(ada, "rust-course").await, "the second is still open");
        step(&world, &second, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// A dispute carries no metadata and may be heard of before its payment; Stripe knows whose it is.
    async fn a_dispute_that_is_heard_of_before_its_payment_is_not_lost(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.account().inject(Fault::new(Trouble::Delay { seconds: 7200 }));
        world.pay(&started, VISA);
        world.account().clear_faults();
        let dispute = dispute(&world, &started, NewDispute::default());
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        for _ in 0..3 {
            an_hour_later(&world).await;
        }
        assert!(!world.may_use(ada, "rust-course").await);
        step(&world, &dispute, DisputeStep::Win);
        an_hour_later(&world).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn the_dispute_of_another_system_is_none_of_ours(test: TestDb) {
        let world = World::open(test).await;
        let form = "mode=payment&success_url=https://other.example/&line_items[0][quantity]=1\
            &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=100\
            &line_items[0][price_data][product_data][name]=Other";
        let cx = world.stripe.cx();
        let made = world.account().handle(&sandbox::ApiRequest::post("/v1/checkout/sessions", form), &cx);
        let session = made.body["id"].as_str().unwrap().to_owned();
        world.account().pay(&session, &sandbox::Payment::by_card(VISA), &cx).unwrap();
        world.account().open_dispute(&session, &NewDispute::default(), &cx).unwrap();
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM stripe_events WHERE type = 'charge.dispute.created' AND status = 'ignored'").await, 1);
        world.close().await;
    }

    /// While Stripe cannot be asked the verdict is not inferred from what is known: the strongest word that was told stands in,
    /// marked as provisional, until the object was seen.
    async fn a_verdict_that_was_only_told_is_provisional(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/disputes"));
        let dispute = dispute(&world, &started, NewDispute::default());
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert!(world.count("SELECT COUNT(*) FROM payment_facts WHERE provisional").await > 0);
        step(&world, &dispute, DisputeStep::Win);
        world.settle().await;
        assert!(world.may_use(ada, "rust-course").await);
        world.account().clear_faults();
        an_hour_later(&world).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM payment_facts WHERE provisional").await, 0);
        world.close().await;
    }

    async fn a_warning_holds_shipping_until_a_person_has_looked(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("mug", 1)]).await;
        let cx = world.stripe.cx();
        world.account().warn_of_fraud(&started.session, "made_with_stolen_card", &cx).unwrap();
        world.settle().await;
        let order = world.order(started.order).await;
        assert_eq!(order.open_review().unwrap().kind, ReviewKind::EarlyFraudWarning);
        let shipped = world.operate("orders.ship", json!({ "order": started.order })).await;
        assert_eq!(shipped.unwrap_err().code(), "refused_by_guard");
        world.operate("orders.review.clear", json!({ "order": started.order })).await.unwrap();
        world.operate("orders.ship", json!({ "order": started.order })).await.unwrap();
        let cleared = world.timeline(started.order).await.into_iter().find(|e| e.kind == "review_cleared").unwrap();
        assert_eq!((cleared.actor.as_str(), cleared.actor_type.as_str()), ("ada", "operator"));
        world.close().await;
    }

    /// What Stripe warns of may come before or after the payment; both end alike.
    async fn a_warning_before_the_payment_was_heard_of_ends_alike(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("mug", 1)]).await.unwrap();
        world.account().inject(Fault::new(Trouble::Delay { seconds: 7200 }));
        world.pay(&started, VISA);
        world.account().clear_faults();
        let cx = world.stripe.cx();
        world.account().warn_of_fraud(&started.session, "misc", &cx).unwrap();
        for _ in 0..4 {
            an_hour_later(&world).await;
        }
        let order = world.order(started.order).await;
        assert!(matches!(order.state, State::Confirmed { .. }));
        assert!(order.open_review().is_some());
        world.close_with(&["orders_in_review"]).await;
    }

    async fn flags_of_several_kinds_are_independent(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("mug", 1)]).await;
        let cx = world.stripe.cx();
        world.account().warn_of_fraud(&started.session, "misc", &cx).unwrap();
        world.operate("orders.review.flag", json!({ "order": started.order })).await.unwrap();
        world.settle().await;
        let clear = json!({ "order": started.order, "kind": "operator" });
        world.operate("orders.review.clear", clear).await.unwrap();
        let order = world.order(started.order).await;
        assert_eq!(order.open_review().unwrap().kind, ReviewKind::EarlyFraudWarning);
        assert!(world.count("SELECT COUNT(*) FROM orders WHERE requires_review AND review_reason = 'early_fraud_warning'").await == 1);
        world.operate("orders.review.clear", json!({ "order": started.order })).await.unwrap();
        assert!(world.order(started.order).await.open_review().is_none());
        world.close().await;
    }

    async fn a_review_that_a_person_at_stripe_approves_is_cleared_by_stripe(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("mug", 1)]).await;
        let cx = world.stripe.cx();
        let review = world.account().open_review(&started.session, ReviewOpened::Rule, &cx).unwrap();
        world.settle().await;
        assert_eq!(world.order(started.order).await.open_review().unwrap().kind, ReviewKind::RadarReview);
        world.account().close_review(&review, ReviewClosed::Approved, &cx).unwrap();
        an_hour_later(&world).await;
        let order = world.order(started.order).await;
        assert!(order.open_review().is_none());
        assert!(world.story(started.order).await.contains(&"review_cleared".to_owned()));
        world.close().await;
    }

    /// Radar and an operator look at different things: what Stripe approves says nothing about an operator's doubt.
    async fn an_operators_flag_beside_radars_holds_after_radar_has_approved(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("mug", 1)]).await;
        let cx = world.stripe.cx();
        let review = world.account().open_review(&started.session, ReviewOpened::Rule, &cx).unwrap();
        world.settle().await;
        let flag = json!({ "order": started.order });
        let flagged = world.operate("orders.review.flag", flag.clone()).await.unwrap();
        assert_eq!(flagged.status, ops::Status::Applied, "Radar's flag is not the operator's");
        let again = world.operate("orders.review.flag", flag.clone()).await.unwrap();
        assert_eq!(again.status, ops::Status::Already);
        world.account().close_review(&review, ReviewClosed::Approved, &cx).unwrap();
        an_hour_later(&world).await;
        assert_eq!(world.order(started.order).await.open_review().unwrap().kind, ReviewKind::Operator);
        let shipped = world.operate("orders.ship", flag.clone()).await.unwrap_err();
        assert!(shipped.to_string().contains("not_under_review"), "{shipped}");
        world.operate("orders.review.clear", flag.clone()).await.unwrap();
        let reopened = world.operate("orders.review.flag", flag).await.unwrap();
        assert_eq!(reopened.status, ops::Status::Applied, "a cleared one may be opened again");
        world.close_with(&["orders_in_review"]).await;
    }

    /// A refund of the money makes whatever the bank says about it meaningless for the goods: they are gone back.
    async fn a_refund_after_an_inquiry_takes_back_once(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = bought(&world, ada, &[("rust-course", 1)]).await;
        dispute(&world, &started, NewDispute::inquiry());
        world.settle().await;
        let cx = world.stripe.cx();
        world.account().refund_in_dashboard(&started.session, &NewRefund::default(), &cx).unwrap();
        an_hour_later(&world).await;
        assert!(matches!(world.order(started.order).await.state, State::Refunded { .. }));
        assert_eq!(world.story(started.order).await.iter().filter(|kind| *kind == "refund_full").count(), 1);
        world.close_with(&["dispute_needs_response"]).await;
    }

    /// The deadline is Stripe's, not seven days; and sometimes there is none.
    async fn a_deadline_is_shown_where_stripe_says_one(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let with = bought(&world, ada, &[("rust-course", 1)]).await;
        let without = bought(&world, ada, &[("rust-course", 1)]).await;
        dispute(&world, &with, NewDispute::default().due_in_days(Some(9)));
        dispute(&world, &without, NewDispute::default().due_in_days(None));
        world.settle().await;
        let due: Vec<bool> = {
            let mut due = Vec::new();
            for order in [with.order, without.order] {
                let entries = world.timeline(order).await;
                let opened = entries.into_iter().find(|entry| entry.kind == "dispute_opened").unwrap();
                due.push(opened.meta["due_by"].is_string());
            }
            due
        };
        assert_eq!(due, [true, false]);
        world.close_with(&["dispute_needs_response"]).await;
    }
}
