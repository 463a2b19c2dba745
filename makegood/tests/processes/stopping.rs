//! A node is asked to end, and ends well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox::{Fault, Trouble};
use tokio::task::JoinSet;

use crate::books;
use crate::people::{Asked, Crowd, basket, check_out};
use crate::stage::{MUGS, Stage, on_both_engines};

/// Checkouts whose answer is on its way when the signal comes.
const UNDER_WAY: usize = 16;
/// How long a node takes at most for what is under way: twenty seconds for requests, then as long for workers.
const DEADLINE: Duration = Duration::from_secs(40);

on_both_engines! {
    /// Requests that are under way are answered, new ones are turned away, and the next node finds everything.
    async fn a_term_signal_drains(stage: Stage) {
        let mut node = stage.node();
        stage.send_webhooks_to(&node);
        node.start().await;
        let profiles = vec![stage.profile(&stage.db().await, "ada@example.com").await];
        let stage = Arc::new(stage);
        let crowd = Crowd::gather(&stage, &[node.url.clone()], profiles, 7);
        tokio::time::sleep(Duration::from_millis(700)).await;

        stage.stripe.with(|account, _| account.inject(slow_checkouts()));
        let waiting = start_checkouts(&stage, &node.url).await;
        let told = Instant::now();
        node.terminate();
        let answers = waiting.join_all().await;
        let status = node.ended(DEADLINE).await;
        let took = told.elapsed();
        assert!(status.success(), "{status}: {}", node.said());
        let begun: Vec<_> = answers
            .into_iter()
            .map(|answer| match answer {
                Asked::Begun(begun) => begun,
                other => panic!("was under way and is not answered: {other:?}"),
            })
            .collect();
        assert_eq!(begun.len(), UNDER_WAY);
        assert_eq!(node.get_status("/livez").await, None, "nobody listens any more");

        stage.stripe.with(|account, _| account.clear_faults());
        begun.iter().for_each(|one| stage.pay(&one.session));
        node.start().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let promised = crowd.leave().await;
        let db = stage.db().await;
        // Nobody was killed, so no lease has to run out first.
        let drained = books::drained(&stage, &db, Duration::from_secs(30)).await;
        books::agree(&stage, &db, &[("MUG", MUGS)]).await;
        books::nothing_acknowledged_is_lost(&db, &promised).await;
        eprintln!("{:?}: ended {took:?} after the signal; drained in {drained:?}", stage.engine);
    }
}

fn slow_checkouts() -> Fault {
    Fault {
        trouble: Trouble::Slow { seconds: 2 },
        method: Some("POST".into()),
        path: Some("/v1/checkout/sessions".into()),
        event: None,
        count: None,
        probability: 1.0,
    }
}

/// Begins checkouts, and comes back when Stripe has been asked for each of them.
async fn start_checkouts(stage: &Arc<Stage>, node: &str) -> JoinSet<Asked> {
    let before = sessions(stage);
    let mut waiting = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let (stage, node) = (stage.clone(), node.to_owned());
        waiting.spawn(async move { check_out(&stage.http, &node, &basket(&[("mug", 1)], None)).await });
    }
    let began = Instant::now();
    // The crowd's four buyers may be among those that Stripe has heard.
    while sessions(stage) < before + UNDER_WAY + 4 && began.elapsed() < Duration::from_millis(1_200) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waiting
}

fn sessions(stage: &Stage) -> usize {
    stage.stripe.with(|account, _| account.sessions().count())
}
