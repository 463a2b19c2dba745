//! An event that cannot be settled: ever more patience, an end of patience, and nobody else waits for it.

use kernel::Duration;
use serde_json::json;
use shop::ids::OrderId;
use shop::inbox::{EventStatus, StoredEvent};
use testkit::World;

/// After so many attempts an event waits for a person.
const ATTEMPTS: i64 = 12;
const HOUR: Duration = Duration::from_secs(3600);

/// Stripe tells that this order was paid.
fn paid(world: &World, intent: &str, order: OrderId) -> String {
    let cx = world.stripe.cx();
    let intent = json!({
        "id": intent, "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
        "status": "succeeded", "metadata": { "orderId": order },
    });
    world.account().emit_event("payment_intent.succeeded", &intent, &cx)
}

async fn event(world: &World, id: &str) -> StoredEvent {
    let id = id.to_owned();
    world.shop.db.read("test", move |tx| shop::inbox::find(tx, &id)).await.unwrap().unwrap()
}

/// The goods of an order become a kind that nobody knows, so that it cannot be read; or what they were.
async fn kind_of_goods(world: &World, order: OrderId, kind: &'static str) {
    let sql = "UPDATE order_lines SET kind = $1 WHERE order_id = $2";
    world.shop.db.write("test", move |tx| tx.execute(sql, &[kind.into(), order.into()])).await.unwrap();
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn an_event_that_fails_again_and_again_is_tried_ever_more_rarely_and_then_waits_for_a_person(test: TestDb) {
        let world = World::open(test).await;
        let good = world.check_out(&[("mug", 1)]).await.unwrap();
        let bad = world.check_out(&[("mug", 1)]).await.unwrap();
        kind_of_goods(&world, bad.order, "spell").await;
        let (neighbour, failing) = (paid(&world, "pi_good", good.order), paid(&world, "pi_bad", bad.order));
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        for attempt in 1..=ATTEMPTS {
            let done = world.shop.work_events().await.unwrap();
            assert_eq!(done.claimed, if attempt == 1 { 2 } else { 1 }, "attempt {attempt}");
            assert_eq!(event(&world, &neighbour).await.status, EventStatus::Processed, "it waits for no bad one");
            assert_eq!(world.order(good.order).await.state.status(), "confirmed");
            let now = event(&world, &failing).await;
            assert_eq!(now.attempts, attempt);
            assert!(now.last_error.as_deref().unwrap().contains("spell"), "{now:?}");
            assert_eq!(world.shop.work_events().await.unwrap().claimed, 0, "not at once, after attempt {attempt}");
            if attempt == ATTEMPTS {
                assert_eq!((now.status, now.next_attempt_at), (EventStatus::Error, None));
                break;
            }
            assert_eq!(now.status, EventStatus::Retry);
            // Between half and the whole of a pause that doubles, up to an hour.
            let whole = Duration::from_secs(1 << attempt).min(HOUR);
            let pause = now.next_attempt_at.unwrap().since(world.shop.now());
            assert!(pause >= whole / 2 && pause <= whole, "a pause of {pause:?} after attempt {attempt}");
            world.advance(pause);
        }
        world.advance(HOUR * 24);
        assert_eq!(world.shop.work_events().await.unwrap().claimed, 0, "nobody tries it any more");
        let found = world.findings().await;
        let told: Vec<&str> = found.iter().filter(|f| f.subject == failing).map(|f| f.check).collect();
        assert_eq!(told, ["events_not_finalized"], "{found:?}");
        // A person finds the cause, and has it processed again.
        kind_of_goods(&world, bad.order, "physical").await;
        world.operate("events.replay", json!({ "event": failing })).await.unwrap();
        assert_eq!(event(&world, &failing).await.status, EventStatus::Processed);
        assert_eq!(world.order(bad.order).await.state.status(), "confirmed");
        world.close().await;
    }
}
