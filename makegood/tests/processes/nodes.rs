//! Two nodes on one PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::Engine;
use tokio::task::JoinSet;

use crate::books;
use crate::people::{basket, must_check_out, send_webhook};
use crate::stage::{MUGS, Stage, run_on};

const ORDERS: usize = 500;
const PROCESSED: &str = "webhook_events_total{status=\"processed\"}";

/// Both do a part, nobody does anything twice, and when one dies the other does the rest.
#[test]
fn two_nodes_on_one_postgresql_share_the_work() {
    run_on(Engine::Postgres, |stage| async move {
        let (mut one, mut other) = (stage.node(), stage.node());
        // Every event reaches both, so each has to find out that the other has it.
        stage.send_webhooks_to(&one);
        stage.send_webhooks_to(&other);
        one.start().await;
        other.start().await;
        let stage = Arc::new(stage);

        buy(&stage, &[one.url.clone(), other.url.clone()], ORDERS / 2).await;
        let db = stage.db().await;
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        let shares = [one.metric(PROCESSED).await, other.metric(PROCESSED).await];
        assert!(shares.iter().all(|share| *share >= 1.0), "both have processed events: {shares:?}");
        let processed =
            books::count(&db, "SELECT COUNT(*) FROM stripe_events WHERE status = 'processed'").await;
        assert_eq!(shares.iter().sum::<f64>(), processed as f64, "each event was processed by one");

        // One dies in the middle of the other half.
        let ordering = tokio::spawn(buy_from(stage.clone(), other.url.clone(), ORDERS / 2));
        let before = one.metric(PROCESSED).await;
        while one.metric(PROCESSED).await < before + 20.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        one.kill();
        ordering.await.unwrap();
        forget_endpoint(&stage, &one.url);
        let took = books::drained(&stage, &db, books::LEASES_END).await;
        books::agree(&stage, &db, &[("MUG", MUGS)]).await;
        let confirmed = "SELECT COUNT(*) FROM orders WHERE status IN ('confirmed', 'completed')";
        assert_eq!(books::count(&db, confirmed).await, ORDERS as i64);
        other.must_run();
        eprintln!(
            "{} orders; shares of {processed} events: {shares:?}; after one was killed the other had done all in {took:?}",
            ORDERS
        );
    });
}

/// The node that stores rings a bell that the other hears: it need not wait for its next look.
#[test]
fn an_event_stored_by_one_node_wakes_the_other_at_once() {
    run_on(Engine::Postgres, |stage| async move {
        let (mut stores, mut works) = (stage.node().with("WORKERS", "0"), stage.node().with("WORKERS", "1"));
        stores.start().await;
        works.start().await;
        let db = stage.db().await;
        let mut waits = Vec::new();
        for n in 0..21 {
            // Not in step with the looks of the other.
            tokio::time::sleep(Duration::from_millis(130)).await;
            let body = crate::people::unheard_of(n).to_string();
            assert_eq!(send_webhook(&stage.http, &stores.url, &body).await, Some(200));
            let stored = Instant::now();
            let done = "SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored'";
            while books::count(&db, done).await <= n as i64 {
                assert!(stored.elapsed() < Duration::from_secs(10), "nobody works: {}", works.said());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            waits.push(stored.elapsed());
        }
        waits.sort_unstable();
        eprintln!("from stored here to done there: median {:?}, longest {:?}", waits[10], waits[20]);
        // Looking once a second would take half a second in the middle.
        assert!(waits[10] < Duration::from_millis(250), "{waits:?}");
        assert_eq!(stores.metric(PROCESSED).await + stores.metric(IGNORED).await, 0.0);
        assert_eq!(works.metric(IGNORED).await, 21.0);
    });
}

const IGNORED: &str = "webhook_events_total{status=\"ignored\"}";

async fn buy(stage: &Arc<Stage>, nodes: &[String], orders: usize) {
    let mut buyers = JoinSet::new();
    for node in nodes {
        buyers.spawn(buy_from(stage.clone(), node.clone(), orders / nodes.len()));
    }
    while let Some(done) = buyers.join_next().await {
        done.unwrap();
    }
}

async fn buy_from(stage: Arc<Stage>, node: String, orders: usize) {
    let wanted = basket(&[("rust-course", 1), ("mug", 1)], None);
    for _ in 0..orders {
        let begun = must_check_out(&stage.http, &node, &wanted).await;
        stage.pay(&begun.session);
    }
}

/// Stripe stops sending to a node that will not come back.
fn forget_endpoint(stage: &Stage, node: &str) {
    stage.stripe.with(|account, cx| {
        let gone: Vec<String> = account
            .endpoints()
            .filter(|(_, url)| url.starts_with(node))
            .map(|(id, _)| id.to_owned())
            .collect();
        for id in gone {
            let request = sandbox::ApiRequest::delete(&format!("/v1/webhook_endpoints/{id}"));
            assert_eq!(account.handle(&request, cx).status, 200);
        }
    });
}
