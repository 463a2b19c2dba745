//! A node is killed again and again while people buy and webhooks come in.

use std::sync::Arc;
use std::time::Duration;

use kernel::Seeded;

use crate::books;
use crate::people::Crowd;
use crate::stage::{MUGS, Stage, on_both_engines};

const KILLS: u64 = 20;

on_both_engines! {
    /// What was answered with 200 is there, what was paid is handed over, and nothing twice: whenever the node dies.
    /// `MAKEGOOD_SEED` repeats a run, as far as a machine repeats itself.
    async fn nothing_acknowledged_is_lost_when_a_node_is_killed_twenty_times(stage: Stage) {
        let seed = std::env::var("MAKEGOOD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let chance = Seeded::new(seed);
        let profiles = two_profiles(&stage).await;
        let mut node = stage.node();
        stage.send_webhooks_to(&node);
        let stage = Arc::new(stage);
        let crowd = Crowd::gather(&stage, &[node.url.clone()], profiles, seed);

        let mut slowest = Duration::ZERO;
        for n in 0..KILLS {
            // Every fifth time it is killed while it starts.
            if n % 5 == 4 {
                node.spawn();
                tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
            } else {
                slowest = slowest.max(node.start().await);
                tokio::time::sleep(Duration::from_millis(50 + chance.below(900))).await;
                node.must_run();
            }
            node.kill();
        }
        slowest = slowest.max(node.start().await);
        let promised = crowd.leave().await;

        let db = stage.db().await;
        let took = books::drained(&stage, &db, books::LEASES_END).await;
        books::agree(&stage, &db, &[("MUG", MUGS)]).await;
        let (code, report) = node.run_json(&["check", "--json"]);
        assert_eq!((code, &report["findings"]), (Some(0), &0.into()), "{report:#}");
        books::nothing_acknowledged_is_lost(&db, &promised).await;
        let (paid, acknowledged) = (promised.paid(), promised.acknowledged().len());
        // Otherwise the test has shown nothing.
        assert!(paid >= 20 && acknowledged >= 20, "{paid} paid, {acknowledged} acknowledged");
        let stored = books::count(&db, "SELECT COUNT(*) FROM stripe_events").await;
        let again = books::count(&db, "SELECT COUNT(*) FROM stripe_events WHERE attempts > 1").await;
        let cut_off = books::count(&db, "SELECT COUNT(*) FROM checkouts WHERE state = 'creating'").await;
        eprintln!(
            "{:?}, seed {seed}: {KILLS} kills, {paid} orders paid, {stored} events stored, {acknowledged} acknowledged \
             to others than Stripe, 0 lost; {again} events and {cut_off} checkouts were under way when their node died; \
             ready again after {slowest:?} at most; all was done {took:?} after the last start",
            stage.engine,
        );
    }
}

async fn two_profiles(stage: &Stage) -> Vec<String> {
    let db = stage.db().await;
    vec![stage.profile(&db, "ada@example.com").await, stage.profile(&db, "bob@example.com").await]
}
