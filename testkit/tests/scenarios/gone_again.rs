//! Money that came and went back before anything of it was heard: whoever asks Stripe for the payment hears of both at once,
//! and hands nothing over.

use kernel::{Cx, Duration};
use sandbox::{DisputeStep, Fault, NewDispute, NewRefund, Sandbox, Trouble};
use serde_json::json;
use shop::checkout::Started;
use shop::ids::ProfileId;
use shop::orders::State;
use testkit::World;

const VISA: &str = "4242424242424242";

/// How the money goes back.
#[derive(Clone, Copy)]
enum Goes {
    Refunded,
    DisputeLost,
}

/// A course and a mug are paid, the money goes back, and no event of it is ever made.
async fn unheard(world: &World, buyer: ProfileId, goes: Goes) -> Started {
    let started = world.check_out_for(buyer, &[("rust-course", 1), ("mug", 1)]).await.unwrap();
    world.account().inject(Fault::new(Trouble::NotGenerated));
    world.pay(&started, VISA);
    let cx: Cx = world.stripe.cx();
    let mut account = world.account();
    let of = &started.session;
    match goes {
        Goes::Refunded => drop(account.refund_in_dashboard(of, &NewRefund::default(), &cx).unwrap()),
        Goes::DisputeLost => lose(&mut account, of, &cx),
    }
    account.clear_faults();
    drop(account);
    started
}

fn lose(account: &mut Sandbox, of: &str, cx: &Cx) {
    let dispute = account.open_dispute(of, &NewDispute::default(), cx).unwrap();
    account.move_dispute(&dispute, DisputeStep::Lose, cx).unwrap();
}

/// Nothing was handed over, not even for a moment.
async fn assert_nothing_was_given(world: &World, started: &Started, buyer: ProfileId) {
    let order = world.order(started.order).await;
    assert!(matches!(order.state, State::Refunded { .. }), "{:?}", order.state);
    assert!(!world.may_use(buyer, "rust-course").await);
    assert_eq!(world.stock("MUG").await, (5, 5));
    let story = world.story(started.order).await;
    assert!(!story.iter().any(|kind| kind == "confirmed"), "{story:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM entitlement_grants").await, 0);
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_case_does_not_say_that_stripe_has_money_that_went_back(test: TestDb) {
        let world = World::open(test).await;
        let buyer = world.buyer("ada@example.com").await;
        let started = unheard(&world, buyer, Goes::Refunded).await;
        let told = world.task("case", json!({ "who": started.order })).await.unwrap().answer;
        assert_eq!(told["place"], "event_not_received", "{told}");
        assert!(told["verdict"].as_str().unwrap().contains("and it went back"), "{told}");
        let refund = world.account().refunds()[0].id.clone();
        let told = world.task("case", json!({ "who": refund })).await.unwrap().answer;
        assert_eq!((&told["place"], &told["order"]), (&json!("event_not_received"), &json!(started.order)), "{told}");
    }

    async fn what_is_known_nowhere_is_not_found_and_no_finding(test: TestDb) {
        let world = World::open(test).await;
        for nothing in ["re_nope", "cs_test_nope", "pi_nope", "dp_nope"] {
            let refused = world.task("reconcile", json!({ "only": nothing })).await.unwrap_err();
            assert_eq!(refused.code(), "not_found", "{nothing}");
        }
    }

    async fn a_comparison_of_one_order_hands_over_nothing_whose_money_is_gone(test: TestDb) {
        let world = World::open(test).await;
        for goes in [Goes::Refunded, Goes::DisputeLost] {
            let buyer = world.buyer("ada@example.com").await;
            let started = unheard(&world, buyer, goes).await;
            let only = json!({ "only": started.order, "apply": true });
            let first = world.task("reconcile", only.clone()).await.unwrap();
            assert_nothing_was_given(&world, &started, buyer).await;
            assert!(first.answer["data"].as_array().unwrap().iter().all(|row| row["applied"] == true), "{:#}", first.answer);
            assert_eq!(world.task("reconcile", only).await.unwrap().findings, Some(0), "a second run changes nothing");
        }
    }

    async fn a_comparison_by_the_session_or_of_all_payments_hears_of_the_dispute_as_well(test: TestDb) {
        let world = World::open(test).await;
        for by_session in [true, false] {
            let buyer = world.buyer("ada@example.com").await;
            let started = unheard(&world, buyer, Goes::DisputeLost).await;
            world.advance(Duration::from_secs(600));
            let input = match by_session {
                true => json!({ "only": started.session, "apply": true }),
                false => json!({ "area": "payments", "apply": true }),
            };
            world.task("reconcile", input).await.unwrap();
            assert_nothing_was_given(&world, &started, buyer).await;
        }
    }

    async fn cleaning_up_confirms_no_payment_that_is_gone_again(test: TestDb) {
        let world = World::open(test).await;
        for goes in [Goes::Refunded, Goes::DisputeLost] {
            let buyer = world.buyer("ada@example.com").await;
            let started = unheard(&world, buyer, goes).await;
            world.advance(Duration::from_secs(3 * 3600));
            world.task("orders.cleanup-failed", json!({ "preview": false })).await.unwrap();
            assert_nothing_was_given(&world, &started, buyer).await;
        }
    }
}
