//! Nodes that read Stripe's list of events: instead of webhooks, and after they were away.

use std::time::{Duration, Instant};

use db::Db;

use crate::books;
use crate::node::Node;
use crate::people::{basket, must_check_out, send_webhook, unheard_of};
use crate::stage::{Stage, on_both_engines};

/// Far more than a reading every ten seconds needs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn sold(stage: &Stage, node: &Node, count: usize) {
    for _ in 0..count {
        let begun = must_check_out(&stage.http, &node.url, &basket(&[("rust-course", 1)], None)).await;
        stage.pay(&begun.session);
    }
}

/// Waits until so many orders are completed; says how long that took.
async fn completed(db: &Db, count: i64) -> Duration {
    let began = Instant::now();
    while books::count(db, "SELECT COUNT(*) FROM orders WHERE status = 'completed'").await < count {
        assert!(began.elapsed() < PATIENCE, "not all of {count} orders are completed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

on_both_engines! {
    /// No endpoint is registered at Stripe, and none is configured here.
    async fn a_node_without_any_endpoint_reads_the_list(stage: Stage) {
        let mut node = stage.node().with("STRIPE_EVENTS", "pull").without("STRIPE_WEBHOOK_SECRET");
        node.start().await;
        sold(&stage, &node, 3).await;
        let took = completed(&stage.db().await, 3).await;
        eprintln!("{:?}: bought and completed without a webhook after {took:?}", stage.engine);
        // Nobody could verify what comes to the endpoint, so nothing is taken there.
        assert_eq!(send_webhook(&stage.http, &node.url, &unheard_of(1).to_string()).await, Some(401));
    }

    /// Stripe's webhooks find nobody; what they said is read as soon as the node is back.
    async fn a_node_that_was_away_reads_what_it_missed_when_it_starts(stage: Stage) {
        let mut node = stage.node().with("STRIPE_EVENTS", "both");
        node.start().await;
        // The next reading comes in five minutes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        sold(&stage, &node, 3).await;
        node.kill();
        node.start().await;
        let db = stage.db().await;
        let took = completed(&db, 3).await;
        assert!(took < Duration::from_secs(10), "{took:?}");
        let signed = "SELECT COUNT(*) FROM stripe_events WHERE signature <> ''";
        assert_eq!(books::count(&db, signed).await, 0, "no webhook has come");
    }

    /// The endpoint was down and nothing reads the list by itself. A person does, while the node runs.
    async fn a_person_fetches_what_is_missing_from_the_command_line(stage: Stage) {
        let mut node = stage.node();
        node.start().await;
        sold(&stage, &node, 2).await;
        let why = ["--reason", "the endpoint was down", "--json"];
        let refused = node.run(&["events", "backfill", "--since", "next week", "--json"]);
        assert_eq!(refused.0, Some(2), "{refused:?}");
        // What is younger than its webhook may be is no gap.
        let (code, gaps) = node.run_json(&["events", "gaps", "--json"]);
        assert_eq!((code, gaps["findings"].as_u64(), gaps["young"].as_u64()), (Some(0), Some(0), Some(6)), "{gaps}");
        let (code, done) = node.run_json(&[&["events", "backfill", "--since", "1h"], &why[..]].concat());
        assert_eq!((code, done["stored"].as_u64(), done["unreadable"].as_u64()), (Some(0), Some(6), Some(0)), "{done}");
        let db = stage.db().await;
        completed(&db, 2).await;
        let (code, again) = node.run_json(&[&["events", "backfill", "--since", "1h"], &why[..]].concat());
        assert_eq!((code, again["stored"].as_u64(), again["known"].as_u64()), (Some(0), Some(0), Some(6)), "{again}");
        let (code, done) = node.run_json(&[&["orders", "cleanup-failed", "--yes"], &why[..]].concat());
        assert_eq!((code, done["cancelled"].as_u64(), done["looked_at"].as_u64()), (Some(0), Some(0), Some(0)), "{done}");
        let audited = "SELECT COUNT(*) FROM audit_logs
                       WHERE event_type IN ('events_backfilled', 'failed_payments_cleaned_up')";
        assert_eq!(books::count(&db, audited).await, 3);
    }
}
