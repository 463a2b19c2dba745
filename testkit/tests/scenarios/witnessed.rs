//! What the shop does by itself stands in the audit log as what people do: once, with who or what caused it.

use kernel::Duration;
use sandbox::{DisputeStep, Fault, NewDispute, Trouble};
use serde_json::json;
use shop::ids::OrderId;
use testkit::World;

const VISA: &str = "4242424242424242";

/// What happened, to what, and why.
type Written = Vec<(String, String, String)>;

/// What the audit log says of an order, the webhooks left out, in the order of the alphabet.
async fn written(world: &World, order: OrderId) -> Written {
    let sql = "SELECT event_type, subject_id, COALESCE(reason, '') AS reason FROM audit_logs
               WHERE order_id = $1 AND event_type <> 'stripe_webhook_processed'";
    let read = world.shop.db.read("test", move |tx| {
        let rows = tx.query(sql, &[order.into()])?;
        rows.iter()
            .map(|row| Ok((row.get("event_type")?, row.get("subject_id")?, row.get("reason")?)))
            .collect()
    });
    let mut all: Written = read.await.unwrap();
    all.sort();
    all
}

fn expected(entries: &[(&str, &str, &str)]) -> Written {
    let owned = |(what, subject, why): &(&str, &str, &str)| {
        ((*what).to_owned(), (*subject).to_owned(), (*why).to_owned())
    };
    let mut all: Written = entries.iter().map(owned).collect();
    all.sort();
    all
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn whatever_gives_access_or_takes_it_writes_one_audit_entry_for_each_thing(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1), ("free-course", 1)]).await.unwrap();
        let order = started.order.to_string();
        let mut all = vec![("checkout_started", order.as_str(), "")];
        assert_eq!(written(&world, started.order).await, expected(&all));
        // Two events tell of each change: the second changes nothing, and nothing is written of it.
        world.account().inject(Fault::new(Trouble::Twin));
        world.pay(&started, VISA);
        world.settle().await;
        let each = |what, why| [(what, "free-course", why), (what, "rust-course", why)];
        all.extend(each("entitlement_granted", "order confirmed"));
        assert_eq!(written(&world, started.order).await, expected(&all));
        let cx = world.stripe.cx();
        let dispute = world.account().open_dispute(&started.session, &NewDispute::default(), &cx).unwrap();
        world.settle().await;
        all.extend(each("entitlement_suspended", "the payment is disputed"));
        assert_eq!(written(&world, started.order).await, expected(&all));
        world.account().move_dispute(&dispute, DisputeStep::Win, &cx).unwrap();
        world.advance(Duration::from_secs(3600));
        world.settle().await;
        all.extend(each("entitlement_restored", "no dispute is open any more"));
        assert_eq!(written(&world, started.order).await, expected(&all));
        world.operate("refunds.create", json!({ "order": started.order })).await.unwrap();
        world.settle().await;
        // What the refund itself writes is another room's.
        let taken = written(&world, started.order).await.into_iter().filter(|(what, ..)| what == "entitlement_revoked");
        assert_eq!(taken.collect::<Written>(), expected(&each("entitlement_revoked", "the money went back")));
        world.close().await;
    }

    /// No event tells of it: a job has asked Stripe.
    async fn whatever_the_shop_learns_by_asking_and_does_writes_one_audit_entry(test: TestDb) {
        let world = World::open(test).await;
        for silent in ["checkout.session.*", "payment_intent.*", "charge.*"] {
            world.account().inject(Fault::new(Trouble::NotGenerated).on_event(silent));
        }
        let paid = world.check_out(&[("mug", 1)]).await.unwrap();
        let left = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&paid, VISA);
        world.advance(Duration::from_secs(40 * 60));
        world.settle().await;
        assert_eq!(world.order(paid.order).await.state.status(), "confirmed");
        assert_eq!(world.order(left.order).await.state.status(), "cancelled");
        for (started, told) in [(&paid, "order_settled"), (&left, "order_cancelled")] {
            let order = started.order.to_string();
            let all = [("checkout_started", order.as_str(), ""), (told, order.as_str(), "")];
            assert_eq!(written(&world, started.order).await, expected(&all));
        }
        world.close().await;
    }

    async fn an_order_that_the_shop_gives_up_by_itself_writes_one_audit_entry(test: TestDb) {
        let world = World::open(test).await;
        // Our clock is behind Stripe's: the session would end in its past.
        world.account().advance_clock(Duration::from_secs(2 * 3600));
        world.check_out(&[("mug", 1)]).await.unwrap_err();
        let orders = world.view("orders.list", json!({ "status": "cancelled" })).await.unwrap();
        let order: OrderId = orders["data"][0]["id"].as_str().unwrap().parse().unwrap();
        let id = order.to_string();
        let both = [("checkout_started", id.as_str(), ""), ("order_cancelled", id.as_str(), "")];
        assert_eq!(written(&world, order).await, expected(&both));
        let by_whom = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'order_cancelled' AND actor = 'checkout'
                       AND actor_type = 'system'";
        assert_eq!(world.count(by_whom).await, 1);
        world.close().await;
    }
}
