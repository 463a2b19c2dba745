//! PostgreSQL goes away under a node and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::databases::{Server, runtime};

use crate::books;
use crate::node::Node;
use crate::people::{Crowd, send_webhook, unheard_of};
use crate::stage::{MUGS, Stage};

/// While the database is away nothing is acknowledged, and the node says so; afterwards it goes on by itself.
#[test]
fn postgres_goes_away_and_comes_back() {
    let Some(server) = Server::start() else { return };
    runtime().block_on(async {
        let stage = Stage::on_server(&server).await;
        let profiles = vec![stage.profile(&stage.db().await, "ada@example.com").await];
        let mut node = stage.node();
        stage.send_webhooks_to(&node);
        node.start().await;
        let stage = Arc::new(stage);
        let crowd = Crowd::gather(&stage, &[node.url.clone()], profiles, 6);

        for (n, how) in ["fast", "immediate"].into_iter().enumerate() {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            server.stop(how);
            is_honest_about_it(&stage, &node, n as u64 * 1_000).await;
            server.up();
            let back = ready_again(&node).await;
            node.must_run();
            eprintln!("stopped ({how}) and started: ready again {back:?} after the server");
        }

        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let promised = crowd.leave().await;
        let db = stage.db().await;
        books::drained(&stage, &db, books::LEASES_END).await;
        books::agree(&stage, &db, &[("MUG", MUGS)]).await;
        books::nothing_acknowledged_is_lost(&db, &promised).await;
        assert!(promised.paid() >= 10, "{} paid", promised.paid());
    });
}

async fn is_honest_about_it(stage: &Stage, node: &Node, first: u64) {
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(4) {
        let body = unheard_of(1_000_000 + first + sent).to_string();
        assert_eq!(send_webhook(&stage.http, &node.url, &body).await, Some(503));
        assert_eq!(node.get_status("/readyz").await, Some(503));
        assert_eq!(node.get_status("/livez").await, Some(200));
        sent += 1;
    }
    assert!(sent > 0);
    let told: Value =
        stage.http.get(format!("{}/readyz", node.url)).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["switches"]["checkout"], "unknown", "{told}");
}

async fn ready_again(node: &Node) -> Duration {
    let began = Instant::now();
    while node.get_status("/readyz").await != Some(200) {
        assert!(began.elapsed() < Duration::from_secs(60), "not ready again: {}", node.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}
