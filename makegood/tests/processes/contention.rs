//! Many at once want the same thing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::Engine;
use tokio::task::JoinSet;

use crate::books;
use crate::people::{Asked, Begun, basket, check_out, must_check_out, send_webhook};
use crate::stage::{PRINTS, Stage, on_both_engines};

const BUYERS: usize = 1_000;
const AT_ONCE: usize = 64;

on_both_engines! {
    /// Not one more, because that would be a promise that nobody can keep; and not one fewer. A node lets its checkouts
    /// write one after the other; on PostgreSQL those of two nodes meet at the row.
    async fn a_thousand_buyers_over_http_get_exactly_a_hundred_pieces(stage: Stage) {
        let mut nodes = vec![stage.node()];
        if stage.engine == Engine::Postgres {
            nodes.push(stage.node());
        }
        stage.send_webhooks_to(&nodes[0]);
        for node in &mut nodes {
            node.start().await;
        }
        let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
        let stage = Arc::new(stage);

        let began = Instant::now();
        let answers = all_at_once(&stage, &urls).await;
        let took = began.elapsed();
        let mut begun = Vec::new();
        for answer in answers {
            match answer {
                Asked::Begun(one) => begun.push(one),
                Asked::Refused(409, body) => assert_eq!(body["code"], "out_of_stock", "{body}"),
                other => panic!("neither sold nor sold out: {other:?}"),
            }
        }
        assert_eq!(begun.len() as i64, PRINTS);
        let db = stage.db().await;
        books::agree(&stage, &db, &[("PRINT", PRINTS)]).await;
        let reserved = "SELECT reserved_count FROM inventory WHERE sku = 'PRINT'";
        assert_eq!(books::count(&db, reserved).await, PRINTS);

        for one in &begun {
            stage.pay(&one.session);
        }
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        books::agree(&stage, &db, &[("PRINT", PRINTS)]).await;
        assert_eq!(books::count(&db, "SELECT stock_count FROM inventory WHERE sku = 'PRINT'").await, 0);
        let confirmed = "SELECT COUNT(*) FROM orders WHERE status = 'confirmed'";
        assert_eq!(books::count(&db, confirmed).await, PRINTS);
        eprintln!("{:?}: {BUYERS} buyers over {AT_ONCE} connections were answered in {took:?}", stage.engine);
    }

    /// Stripe may send an event twice at once; a proxy that retries may do worse.
    async fn one_event_id_sent_64_times_at_once_has_one_effect(stage: Stage) {
        let mut node = stage.node();
        node.start().await;
        let Begun { session, .. } =
            must_check_out(&stage.http, &node.url, &basket(&[("rust-course", 1), ("mug", 1)], None)).await;
        stage.pay(&session);
        let completed = event_of_type(&stage, "checkout.session.completed");

        let mut senders = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (http, url, body) = (stage.http.clone(), node.url.clone(), completed.to_string());
            senders.spawn(async move { send_webhook(&http, &url, &body).await });
        }
        for status in senders.join_all().await {
            assert_eq!(status, Some(200));
        }
        let db = stage.db().await;
        books::drained(&stage, &db, Duration::from_secs(60)).await;
        books::agree(&stage, &db, &[]).await;
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM stripe_events WHERE status = 'processed'").await, 1);
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM orders WHERE status = 'confirmed'").await, 1);
        for (status, times) in [("received", 1.0), ("duplicate", 63.0), ("processed", 1.0)] {
            let name = format!("webhook_events_total{{status=\"{status}\"}}");
            assert_eq!(node.metric(&name).await, times, "{name}");
        }
    }
}

async fn all_at_once(stage: &Arc<Stage>, nodes: &[String]) -> Vec<Asked> {
    let mut buyers = JoinSet::new();
    for n in 0..AT_ONCE {
        let (stage, node) = (stage.clone(), nodes[n % nodes.len()].clone());
        let times = BUYERS / AT_ONCE + usize::from(n < BUYERS % AT_ONCE);
        buyers.spawn(async move {
            let wanted = basket(&[("print", 1)], None);
            let mut answers = Vec::new();
            for _ in 0..times {
                answers.push(check_out(&stage.http, &node, &wanted).await);
            }
            answers
        });
    }
    let answers: Vec<Asked> = buyers.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), BUYERS);
    answers
}

fn event_of_type(stage: &Stage, kind: &str) -> Value {
    stage.stripe.with(|account, _| {
        let mut events = account.events().iter().map(|event| event.to_json());
        events.rfind(|event| event["type"] == kind).expect("such an event")
    })
}
