//! Rolling the signing secret of the webhook: nothing that Stripe signs with the newest or the one before is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stripe::{Secret, sign};
use testkit::on_both_engines;
use tokio::sync::watch;

use crate::doors::{Server, Wish, answered, event, now};
use crate::manager::Fake;
use crate::{Lies, came_of, listed, refreshed, served, until};

const ROLLS: usize = 20;
const SENDERS: usize = 6;

/// The newest signing secret at Stripe and the one before it.
type AtStripe = (String, String);

/// Sends events as Stripe does, signed with one or the other, and again after an answer that is not 200.
async fn send(
    server: Arc<Server>,
    sender: usize,
    at_stripe: watch::Receiver<AtStripe>,
    over: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
) -> Vec<String> {
    let mut sent = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = format!("evt_{sender}_{}", sent.len());
        let body = event(&id).to_string().into_bytes();
        loop {
            let (newest, before) = at_stripe.borrow().clone();
            let by = if (sent.len() + sender).is_multiple_of(2) { newest } else { before };
            let signature = sign(&body, &Secret::new(by).unwrap(), now());
            let request = server.webhook_request(body.clone()).header("Stripe-Signature", signature);
            let answer = answered(request).await;
            match answer.status {
                200 => break,
                401 => refused.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}: {}", answer.text),
            };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent.push(id);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sent
}

/// Twenty rolls while senders send; `keep` puts the new secret where the server reads it. Gives how many events were sent
/// and how many requests were refused on the way.
async fn under_load(server: Server, keep: impl AsyncFn(&Arc<Server>, &str, &str)) -> (usize, u64) {
    let (server, over, refused) = (Arc::new(server), Arc::new(AtomicBool::new(false)), Arc::default());
    let (roll, at_stripe) = watch::channel(("whsec_roll_0".to_owned(), "whsec_roll_0".to_owned()));
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let refused = Arc::clone(&refused);
        senders.push(tokio::spawn(send(server.clone(), sender, at_stripe.clone(), over.clone(), refused)));
    }
    for number in 1..=ROLLS {
        let (newest, before) = (format!("whsec_roll_{number}"), format!("whsec_roll_{}", number - 1));
        tokio::time::sleep(Duration::from_millis(40)).await;
        keep(&server, &newest, &before).await;
        let fingerprint = Secret::new(newest.as_str()).unwrap().fingerprint();
        roll.send_replace((newest, before));
        // A value that is replaced before anybody has used or read it was never there for the server.
        until("the newest secret counts", async || {
            listed(&server, "STRIPE_WEBHOOK_SECRET").await[0]["fingerprint"] == fingerprint
        })
        .await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    over.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    let stored = server.count("SELECT COUNT(*) FROM stripe_events").await;
    assert_eq!(stored as usize, sent.len(), "every event is there once");
    assert!(sent.len() > ROLLS * SENDERS, "there was load: {}", sent.len());
    let refused = refused.load(Ordering::Relaxed);
    Arc::into_inner(server).unwrap().stop().await;
    (sent.len(), refused)
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// No request is refused, not even one: the file is looked at the moment a signature matches nothing.
    async fn twenty_rolls_in_a_file_under_load_refuse_no_webhook(test: TestDb) {
        let hook = Lies::with("hook", "whsec_roll_0");
        let (server, _watch) = served(&test, &hook, Vec::new()).await;
        let keep = async |_: &Arc<Server>, newest: &str, _: &str| {
            // Each form that a file may have, in turn.
            hook.write(&match newest.len() % 2 {
                0 => format!("{newest}\n"),
                _ => format!("{{\"webhookSecret\":\"{newest}\"}}"),
            });
        };
        let (sent, refused) = under_load(server, keep).await;
        println!("{ROLLS} rolls in a file: {sent} events, {refused} refused");
        assert_eq!(refused, 0);
    }

    /// What Secrets Manager holds is fetched when an operator says so; what was refused before that, Stripe sends again.
    async fn twenty_rolls_in_secrets_manager_under_load_lose_no_webhook(test: TestDb) {
        let fake = Fake::start().await;
        fake.put("shop/hook", r#"{"webhookSecret":"whsec_roll_0"}"#);
        let (server, _watch) = fake.served(&test, &[("STRIPE_WEBHOOK_SECRET_ARN", "shop/hook")]).await;
        let keep = async |server: &Arc<Server>, newest: &str, _: &str| {
            fake.put("shop/hook", &format!("{{\"webhookSecret\":\"{newest}\"}}"));
            refreshed(server).await;
        };
        let (sent, refused) = under_load(server, keep).await;
        println!("{ROLLS} rolls in Secrets Manager: {sent} events, {refused} refused");
        assert_eq!(refused, 0, "the secret was refreshed before Stripe used it");
    }

    async fn two_secrets_with_a_comma_count_and_the_list_says_which_matched_last(test: TestDb) {
        let hook = Lies::with("hook", "whsec_a_one,whsec_a_two");
        let (server, _watch) = served(&test, &hook, Vec::new()).await;
        let rows = listed(&server, "STRIPE_WEBHOOK_SECRET").await;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row["matched_at"].is_null()));
        for (id, by, status) in [("evt_1", "whsec_a_two", 200), ("evt_2", "whsec_a_three", 401)] {
            let body = event(id).to_string().into_bytes();
            let signature = sign(&body, &Secret::new(by).unwrap(), now());
            let answer = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
            assert_eq!(answer.status, status, "{by}");
        }
        let rows = listed(&server, "STRIPE_WEBHOOK_SECRET").await;
        assert!(rows[0]["matched_at"].is_null() && !rows[1]["matched_at"].is_null(), "{rows:?}");
        assert_eq!(rows[1]["fingerprint"], Secret::new("whsec_a_two").unwrap().fingerprint());
        server.stop().await;
    }

    /// A secret that leaked must not count for another day.
    async fn without_an_overlap_the_old_secret_ends_at_once(test: TestDb) {
        let hook = Lies::with("hook", "whsec_old");
        let (server, _watch) = served(&test, &hook, vec![("STRIPE_WEBHOOK_OVERLAP_MINUTES", "0".into())]).await;
        hook.write("whsec_new");
        refreshed(&server).await;
        for (by, status) in [("whsec_old", 401), ("whsec_new", 200)] {
            let body = event("evt_1").to_string().into_bytes();
            let signature = sign(&body, &Secret::new(by).unwrap(), now());
            let answer = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
            assert_eq!(answer.status, status, "{by}");
        }
        server.stop().await;
    }

    /// It was remembered at the door a moment ago.
    async fn an_admins_token_that_was_rolled_counts_no_longer(test: TestDb) {
        let (one, two) = ("the-first-one-of-two-tokens", "the-other-one-of-two-tokens");
        let token = Lies::with("token", one);
        let environment = vec![("ADMIN_TOKEN", String::new()), ("ADMIN_TOKEN_FILE", token.shown())];
        let server = Server::start_as(&test, Wish { environment, newest_key: true, ..Wish::default() }).await;
        let who = async |token: &str| server.get("/api/v1/admin/secrets", Some(token)).await.status;
        assert_eq!((who(one).await, who(two).await), (200, 401));
        token.write(two);
        let body = serde_json::json!({ "reason": "a roll" });
        assert_eq!(server.post("/api/v1/admin/secrets/refresh", Some(one), &body).await.status, 200);
        assert_eq!((who(one).await, who(two).await), (401, 200));
        server.stop().await;
    }

    /// Half a file, an empty one, none at all: the last good value counts, and everything says so.
    async fn what_cannot_be_read_again_leaves_the_last_good_value_and_is_told(test: TestDb) {
        let hook = Lies::with("hook", "whsec_good");
        let (server, _watch) = served(&test, &hook, Vec::new()).await;
        for (text, told) in [
            ("", "blank"),
            ("{\"webhookSecret\":", "begins like JSON"),
            ("sk_test_by_mistake", "is an API key"),
            (" whsec_with_a_space", "spaces"),
            ("\"whsec_by_mistake\"", "is wrapped in quotes"),
            ("[\"whsec_by_mistake\"]", "without quotes"),
            ("\u{feff}whsec_by_mistake", "invisible mark"),
            ("STRIPE_WEBHOOK_SECRET=whsec_by_mistake", "a name"),
            ("whsec_by_mistake\nwhsec_by_mistake_2", "a comma between"),
        ] {
            hook.write(text);
            let answer = refreshed(&server).await;
            let row = came_of(&answer, "STRIPE_WEBHOOK_SECRET");
            assert!(row["trouble"].as_str().unwrap().contains(told), "{text}: {answer}");
            assert!(!answer.to_string().contains("by_mistake") && !answer.to_string().contains("with_a_space"));
            let body = event("evt_1").to_string().into_bytes();
            let signature = sign(&body, &Secret::new("whsec_good").unwrap(), now());
            let answer = answered(server.webhook_request(body).header("Stripe-Signature", signature)).await;
            assert_eq!(answer.status, 200, "{text}");
            assert_eq!(server.metric("secrets_troubled").await, 1.0, "{text}");
        }
        std::fs::remove_file(hook.path()).unwrap();
        let answer = refreshed(&server).await;
        assert_eq!((came_of(&answer, "STRIPE_WEBHOOK_SECRET")["outcome"].as_str(), &answer["findings"]), (Some("failed"), &1.into()));
        assert!(listed(&server, "STRIPE_WEBHOOK_SECRET").await[0]["trouble"].is_string());
        hook.write("whsec_good");
        assert_eq!(came_of(&refreshed(&server).await, "STRIPE_WEBHOOK_SECRET")["outcome"], "same");
        assert_eq!(server.metric("secrets_troubled").await, 0.0);
        server.stop().await;
    }
}
