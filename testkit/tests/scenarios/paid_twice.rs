//! An order that two payments paid. One of them goes back: the order goes on with the one that is left. Both go back: it is
//! refunded. By whom, and in whatever order it is heard of, it ends the same.

use sandbox::{Fault, Trouble};
use serde_json::{Value, json};
use shop::checkout::Started;
use shop::ids::{OrderId, ProfileId};
use shop::inbox::Incoming;
use shop::orders::{PaymentStatus, State};
use shop::refunds::RefundStatus;
use stripe::Call;
use stripe::lookup::{Delivery, EventQuery, Start, list_events};
use testkit::World;

const VISA: &str = "4242424242424242";
const TOTAL: i64 = 4900;

/// The buyer pays on the page, and once more by a link that names the same order; gives both payments.
async fn pay_twice(world: &World, buyer: ProfileId) -> (OrderId, [String; 2]) {
    let started = world.check_out_for(buyer, &[("rust-course", 1)]).await.unwrap();
    world.pay(&started, VISA);
    let session = world.shop.stripe.call(stripe::checkout::retrieve_session(&started.session)).await.unwrap();
    let again = Call::post("/v1/payment_intents", format!("again-{}", started.order))
        .with("amount", TOTAL)
        .with("currency", "usd")
        .with("payment_method", "pm_card_visa")
        .with("confirm", true)
        .with("return_url", "https://shop.invalid")
        .with("metadata[orderId]", started.order);
    let again = world.shop.stripe.call(again).await.unwrap();
    let ids = [&session["payment_intent"], &again["id"]].map(|id| id.as_str().unwrap().to_owned());
    (started.order, ids)
}

/// The same, heard of and settled.
async fn paid_twice(world: &World) -> (ProfileId, OrderId, [String; 2]) {
    let ada = world.buyer("ada@example.com").await;
    let (order, intents) = pay_twice(world, ada).await;
    world.settle().await;
    let after = world.order(order).await;
    assert!(matches!(after.state, State::Completed { .. }), "{after:?}");
    assert_eq!(after.open_review().unwrap().kind.as_str(), "paid_twice");
    (ada, order, intents)
}

async fn in_the_dashboard(world: &World, intent: &str) {
    let call = Call::post("/v1/refunds", format!("dashboard-{intent}")).with("payment_intent", intent);
    world.shop.stripe.call(call).await.unwrap();
}

async fn by_operation(world: &World, order: OrderId) -> Result<(), kernel::Error> {
    world.operate("refunds.create", json!({ "order": order })).await.map(drop)
}

/// What went back of each payment, as Stripe has it.
async fn gone_back(world: &World, intents: &[String; 2]) -> [i64; 2] {
    let mut sums = [0; 2];
    for (sum, intent) in sums.iter_mut().zip(intents) {
        let list = world.shop.stripe.call(stripe::refunds::list_refunds(intent)).await.unwrap();
        *sum = list["data"].as_array().unwrap().iter().map(|refund| refund["amount"].as_i64().unwrap()).sum();
    }
    sums
}

/// The order goes on with the payment that is left.
async fn goes_on(world: &World, buyer: ProfileId, order: OrderId, with: &str) {
    let after = world.order(order).await;
    assert!(matches!(after.state, State::Completed { .. }), "{after:?}");
    assert_eq!((after.payment_status, after.refunded_amount), (PaymentStatus::Paid, 0), "{after:?}");
    assert_eq!(after.payment_intent.as_deref(), Some(with));
    assert!(world.may_use(buyer, "rust-course").await);
}

async fn is_refunded(world: &World, buyer: ProfileId, order: OrderId, intents: &[String; 2]) {
    let after = world.order(order).await;
    assert!(matches!(after.state, State::Refunded { .. }), "{after:?}");
    assert_eq!((after.payment_status, after.refunded_amount), (PaymentStatus::Refunded, TOTAL), "{after:?}");
    assert!(!world.may_use(buyer, "rust-course").await);
    assert_eq!(gone_back(world, intents).await, [TOTAL, TOTAL], "each once");
    let third = by_operation(world, order).await.unwrap_err();
    assert!(["refund_exists", "already_refunded"].contains(&third.code()), "{third}");
}

/// Events as Stripe lists them, the oldest first, that name one of these.
async fn events_about(world: &World, named: &[String]) -> Vec<Value> {
    let query = EventQuery { types: Vec::new(), since: None, delivery: Delivery::Any, from: Start::Newest };
    let list = world.shop.stripe.call(list_events(query)).await.unwrap();
    let ours = |event: &&Value| named.iter().any(|id| event.to_string().contains(id));
    let mut all: Vec<Value> = list["data"].as_array().unwrap().iter().filter(ours).cloned().collect();
    all.reverse();
    all
}

async fn hear(world: &World, event: &Value) {
    let incoming = Incoming::read(event.to_string(), "", world.shop.now()).unwrap();
    world.shop.receiver.receive(incoming).await.unwrap();
    world.work().await;
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// The events of the payments themselves never come.
    async fn a_second_payment_that_only_its_session_tells_of_is_flagged_and_goes_back(test: TestDb) {
        let world = World::open(test).await;
        for silent in ["payment_intent.succeeded", "charge.succeeded"] {
            world.account().inject(Fault::new(Trouble::Drop).on_event(silent));
        }
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let again = Call::post("/v1/checkout/sessions", "again")
            .with("mode", "payment")
            .with("success_url", "https://shop.invalid")
            .with("line_items[0][price_data][currency]", "usd")
            .with("line_items[0][price_data][unit_amount]", TOTAL)
            .with("line_items[0][price_data][product_data][name]", "Once more")
            .with("line_items[0][quantity]", 1)
            .with("metadata[orderId]", started.order);
        let again = world.shop.stripe.call(again).await.unwrap();
        let again = Started { session: again["id"].as_str().unwrap().into(), ..started };
        world.pay(&again, VISA);
        world.settle().await;
        let after = world.order(again.order).await;
        assert!(matches!(after.state, State::Completed { .. }), "{after:?}");
        assert_eq!(after.open_review().unwrap().kind.as_str(), "paid_twice");
        let first = after.payment_intent.unwrap();
        by_operation(&world, again.order).await.unwrap();
        world.settle().await;
        let left = world.order(again.order).await.payment_intent.unwrap();
        assert_ne!(left, first);
        goes_on(&world, ada, again.order, &left).await;
        by_operation(&world, again.order).await.unwrap();
        world.settle().await;
        is_refunded(&world, ada, again.order, &[first, left]).await;
        world.account().clear_faults();
        world.close().await;
    }

    async fn each_payment_goes_back_by_an_operation_of_its_own(test: TestDb) {
        let world = World::open(test).await;
        let (ada, order, intents) = paid_twice(&world).await;
        let first = world.order(order).await.payment_intent.unwrap();
        let second = intents.iter().find(|id| **id != first).unwrap();
        by_operation(&world, order).await.unwrap();
        assert_eq!(by_operation(&world, order).await.unwrap_err().code(), "refund_exists", "of this payment once");
        world.settle().await;
        goes_on(&world, ada, order, second).await;
        by_operation(&world, order).await.unwrap();
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::RefundPending);
        world.settle().await;
        is_refunded(&world, ada, order, &intents).await;
        assert_eq!(world.story(order).await.iter().filter(|kind| *kind == "refund_full").count(), 1);
        let all = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap();
        let all: Vec<_> = all.iter().map(|refund| (refund.status, refund.generation)).collect();
        assert_eq!(all, [(RefundStatus::Succeeded, 1), (RefundStatus::Succeeded, 2)]);
        world.close().await;
    }

    /// The one that counts, or the other: Stripe's dashboard does not ask which.
    async fn one_in_the_dashboard_and_the_other_by_operation(test: TestDb) {
        let world = World::open(test).await;
        let (ada, order, intents) = paid_twice(&world).await;
        let bea = world.buyer("bea@example.com").await;
        let (other, others) = pay_twice(&world, bea).await;
        world.settle().await;
        for (buyer, order, intents, back) in [(ada, order, intents, 0), (bea, other, others, 1)] {
            in_the_dashboard(&world, &intents[back]).await;
            world.settle().await;
            goes_on(&world, buyer, order, &intents[1 - back]).await;
            by_operation(&world, order).await.unwrap();
            world.settle().await;
            is_refunded(&world, buyer, order, &intents).await;
        }
        world.close().await;
    }

    async fn one_by_operation_and_the_other_in_the_dashboard(test: TestDb) {
        let world = World::open(test).await;
        let (ada, order, intents) = paid_twice(&world).await;
        by_operation(&world, order).await.unwrap();
        world.settle().await;
        let left = world.order(order).await.payment_intent.unwrap();
        goes_on(&world, ada, order, &left).await;
        in_the_dashboard(&world, &left).await;
        world.settle().await;
        is_refunded(&world, ada, order, &intents).await;
        world.close().await;
    }

    /// The answer to the refund is lost, and its event tells first; or the other payment goes back while ours is under way.
    async fn an_answer_that_is_lost_leaves_the_order_with_the_other_payment(test: TestDb) {
        let world = World::open(test).await;
        let (ada, order, intents) = paid_twice(&world).await;
        let lost = || Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/refunds");
        world.account().inject(lost());
        by_operation(&world, order).await.unwrap();
        world.settle().await;
        let left = world.order(order).await.payment_intent.unwrap();
        goes_on(&world, ada, order, &left).await;
        world.account().inject(Fault::new(Trouble::Unavailable).times(1).on_request("POST", "/v1/refunds"));
        by_operation(&world, order).await.unwrap();
        world.work().await;
        in_the_dashboard(&world, &left).await;
        world.advance(kernel::Duration::from_secs(3 * 3600));
        world.settle().await;
        is_refunded(&world, ada, order, &intents).await;
        world.close().await;
    }

    /// Everything was missed, and is heard of in another order each time, with one payment back and then with both.
    async fn whatever_is_heard_of_first_the_order_stands_by_the_payments_that_are_left(test: TestDb) {
        let world = World::open(test).await;
        let mut turn = 0;
        loop {
            world.account().inject(Fault::new(Trouble::Drop));
            let buyer = world.buyer(&format!("buyer{turn}@example.com")).await;
            let (order, intents) = pay_twice(&world, buyer).await;
            let back = turn % 2;
            in_the_dashboard(&world, &intents[back]).await;
            let named = [intents.as_slice(), &[order.to_string()]].concat();
            let heard = events_about(&world, &named).await;
            let mut events = heard.clone();
            events.rotate_left(turn / 2 % heard.len());
            if turn % 4 < 2 {
                events.reverse();
            }
            for event in &events {
                hear(&world, event).await;
            }
            goes_on(&world, buyer, order, &intents[1 - back]).await;
            in_the_dashboard(&world, &intents[1 - back]).await;
            let mut events = events_about(&world, &named).await;
            events.retain(|event| !heard.contains(event));
            let first = turn % events.len();
            events.rotate_left(first);
            for event in events.iter().chain(&heard) {
                hear(&world, event).await;
            }
            is_refunded(&world, buyer, order, &intents).await;
            turn += 1;
            if turn == 2 * heard.len() {
                break;
            }
        }
        world.account().clear_faults();
        world.close().await;
    }
}
