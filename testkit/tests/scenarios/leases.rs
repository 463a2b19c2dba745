//! What a worker has in hands is its own until its lease ends, and from then on nothing it does with it counts.

use std::pin::Pin;

use jobs::{Claimed, Fate, NewJob};
use kernel::{Duration, Timestamp};
use shop::checkout::Started;
use stripe::Call;
use testkit::World;

const VISA: &str = "4242424242424242";
/// How long a worker may take for its events.
const LEASE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Lets a worker take the events that are due, and no more: it does not hear that it has them until it is polled again.
async fn stands_still<F: Future>(world: &World, work: F) -> Pin<Box<F>> {
    let held = "SELECT CAST(SUM(fence) AS bigint) FROM stripe_events";
    let before = world.count(held).await;
    let mut work = Box::pin(work);
    assert!(futures_util::poll!(&mut work).is_pending(), "a worker waits for its claim");
    while world.count(held).await == before {
        tokio::task::yield_now().await;
    }
    work
}

async fn deliver(world: &World) {
    testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
}

/// When the events that are not processed yet are due, the soonest first.
async fn due(world: &World) -> Vec<Timestamp> {
    let sql = "SELECT next_attempt_at FROM stripe_events WHERE status IN ('received', 'retry') ORDER BY 1";
    let rows = world
        .shop
        .db
        .read("test", move |tx| tx.query(sql, &[])?.iter().map(|row| row.get("next_attempt_at")).collect());
    rows.await.unwrap()
}

async fn refunded_in_the_dashboard(world: &World, started: &Started) {
    let intent = world.order(started.order).await.payment_intent.unwrap();
    let call = Call::post("/v1/refunds", "dashboard".to_owned()).with("payment_intent", intent);
    world.shop.stripe.call(call).await.unwrap();
}

async fn claim(db: &db::Db, now: Timestamp) -> Vec<Claimed> {
    db.write("test", move |tx| jobs::claim(tx, now, 10, LEASE)).await.unwrap()
}

/// The one job as it stands: its status, when it is due, how often it was claimed, its fence, and what went wrong.
type Standing = (String, Timestamp, i64, i64, Option<String>);

async fn the_job(world: &World) -> Standing {
    let sql = "SELECT status, run_at, attempts, fence, last_error FROM jobs WHERE kind = 'test'";
    let row = world.shop.db.read("test", move |tx| {
        let row = tx.query_opt(sql, &[])?.expect("the job is there");
        let (status, run_at, attempts) = (row.get("status")?, row.get("run_at")?, row.get("attempts")?);
        Ok((status, run_at, attempts, row.get("fence")?, row.get("last_error")?))
    });
    row.await.unwrap()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn events_that_a_worker_holds_are_nobody_elses_until_its_lease_ends(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        deliver(&world).await;
        let events = world.count("SELECT COUNT(*) FROM stripe_events").await;
        let other = world.another_node().await;
        let still = stands_still(&world, world.shop.work_events()).await;
        assert_eq!(other.work_events().await.unwrap().claimed, 0);
        world.advance(LEASE - SECOND);
        assert_eq!(other.work_events().await.unwrap().claimed, 0, "a second is left");
        assert_eq!(world.order(started.order).await.state.status(), "pending");
        world.advance(SECOND);
        assert_eq!(other.work_events().await.unwrap().claimed as i64, events);
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        // The first goes on, and finds that nothing is its own any more.
        let late = still.await.unwrap();
        assert_eq!((late.claimed as i64, late.ended.len()), (events, 0), "{late:?}");
        let settled = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'stripe_webhook_processed'";
        let ours = "SELECT COUNT(*) FROM stripe_events WHERE order_id IS NOT NULL";
        assert_eq!(world.count(settled).await, world.count(ours).await);
        world.close().await;
    }

    /// Stripe is asked before it may be believed, and whoever asks holds the event for longer; but only whoever holds it.
    async fn a_worker_whose_lease_has_ended_prolongs_nothing(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        refunded_in_the_dashboard(&world, &started).await;
        deliver(&world).await;
        let other = world.another_node().await;
        let first = stands_still(&world, world.shop.work_events()).await;
        world.advance(LEASE);
        let second = stands_still(&world, other.work_events()).await;
        let until = due(&world).await;
        assert!(!until.is_empty() && until.iter().all(|at| *at == world.shop.now() + LEASE), "{until:?}");
        let late = first.await.unwrap();
        assert_eq!(late.ended.len(), 0, "{late:?}");
        assert_eq!(due(&world).await, until, "the second holds them, for as long as it did");
        // The second dies, and its own lease is all that is waited for.
        drop(second);
        world.advance(LEASE);
        assert!(world.shop.work_events().await.unwrap().claimed > 0);
        assert_eq!(world.order(started.order).await.state.status(), "refunded");
        world.close().await;
    }

    async fn a_job_that_a_worker_holds_is_nobody_elses_and_its_end_counts_only_until_then(test: TestDb) {
        let world = World::open(test).await;
        let cx = world.shop.cx();
        let work = NewJob { kind: "test", key: None, payload: serde_json::json!({}), run_at: cx.now };
        let begun = cx.clone();
        world.shop.db.write("test", move |tx| jobs::enqueue(tx, &begun, vec![work.clone()])).await.unwrap();
        let other = world.test.again().await;
        let first = claim(&world.shop.db, cx.now).await;
        assert_eq!((first.len(), first[0].attempts), (1, 1));
        assert_eq!(claim(&other, cx.now).await.len(), 0);
        assert_eq!(claim(&other, cx.now + LEASE - SECOND).await.len(), 0, "a second is left");
        let second = claim(&other, cx.now + LEASE).await;
        assert_eq!((second.len(), second[0].id, second[0].attempts), (1, first[0].id, 2));
        let held = the_job(&world).await;
        assert_eq!((held.0.as_str(), held.1), ("queued", cx.now + LEASE + LEASE));
        for fate in [Fate::Done, Fate::Later(cx.now), Fate::Failed("too late".into())] {
            let (late, at, told) = (first[0].clone(), cx.clone(), format!("{fate:?}"));
            world.shop.db.write("test", move |tx| jobs::end(tx, &at, &late, &fate)).await.unwrap();
            assert_eq!(the_job(&world).await, held, "whoever holds it no more says {told}");
        }
        let done = second[0].clone();
        other.write("test", move |tx| jobs::finish(tx, &done)).await.unwrap();
        world.close().await;
    }
}
