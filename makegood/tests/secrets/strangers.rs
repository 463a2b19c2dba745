//! Who sends signatures that match nothing must not make the server work, wait, or ask others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stripe::{Secret, sign};
use testkit::on_both_engines;

use crate::doors::{answered, event, now};
use crate::manager::Fake;

on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// A flood asks Secrets Manager a few times and no more, and while the manager hangs nobody waits longer than two
    /// seconds, nor does a webhook that is signed rightly wait at all.
    async fn a_flood_of_wrong_signatures_asks_the_manager_a_few_times_and_holds_nobody_up(test: TestDb) {
        let fake = Fake::start().await;
        fake.put("shop/hook", "whsec_ours");
        let (server, _watch) = fake.served(&test, &[("STRIPE_WEBHOOK_SECRET_ARN", "shop/hook")]).await;
        let asked = fake.came().len();
        fake.takes(Duration::from_secs(8));
        let server = Arc::new(server);
        let wrong = Arc::new(Secret::new("whsec_of_a_stranger").unwrap());
        let flood = |count: usize| {
            let (server, wrong) = (server.clone(), wrong.clone());
            (0..count).map(move |at| {
                let (server, wrong) = (server.clone(), wrong.clone());
                tokio::spawn(async move {
                    let body = event(&format!("evt_wrong_{at}")).to_string().into_bytes();
                    let signature = sign(&body, &wrong, now());
                    let began = Instant::now();
                    let answer = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
                    (answer.status, began.elapsed())
                })
            }).collect::<Vec<_>>()
        };
        let strangers = flood(300);
        let body = event("evt_right").to_string().into_bytes();
        let signature = sign(&body, &Secret::new("whsec_ours").unwrap(), now());
        let began = Instant::now();
        let right = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
        assert_eq!(right.status, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        for stranger in strangers {
            let (status, took) = stranger.await.unwrap();
            assert_eq!(status, 401);
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        fake.takes(Duration::ZERO);
        for stranger in flood(300) {
            assert_eq!(stranger.await.unwrap().0, 401);
        }
        let more = fake.came().len() - asked;
        assert!((1..=6).contains(&more), "three times at most, each for two versions: {more}");
        assert_eq!(server.metric("webhook_rejected_total{reason=\"signature_wrong\"}").await, 600.0);
        Arc::into_inner(server).unwrap().stop().await;
    }
}
