//! The webhook over real HTTP: every verdict, slow and broken senders, copies.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use doors::{OLD_SECRET, SECRET, Server, Wish, answered, event, now, raw, signature};
use kernel::Duration;
use makegood::http::Patience;
use makegood::serve::Limits;
use stripe::{Secret, sign};
use testkit::on_both_engines;

const EVENTS: &str = "SELECT COUNT(*) FROM stripe_events";

/// What it is, its signature header, its body; the status and code that it gets.
type Case = (&'static str, Option<String>, Vec<u8>, u16, &'static str);

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_signed_event_is_stored_before_it_is_acknowledged(test: TestDb) {
        let server = Server::start(&test).await;
        let answer = server.webhook(event("evt_1").to_string()).await;
        assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("stored")));
        assert_eq!(server.count("SELECT COUNT(*) FROM stripe_events WHERE stripe_event_id = 'evt_1'").await, 1);
        let again = server.webhook(event("evt_1").to_string()).await;
        assert_eq!((again.status, again.body["status"].as_str()), (200, Some("duplicate")));
        assert_eq!(server.count(EVENTS).await, 1);
        assert!(answer.header("x-request-id").starts_with("req_"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(server.metric("webhook_events_total{status=\"received\"}").await, 1.0);
        assert_eq!(server.metric("webhook_events_total{status=\"duplicate\"}").await, 1.0);
        server.stop().await;
    }

    /// Each wrong request by itself: its status, its code, and nothing stored.
    async fn every_wrong_request_gets_its_own_answer_and_stores_nothing(test: TestDb) {
        let server = Server::start(&test).await;
        let body = event("evt_wrong").to_string().into_bytes();
        let secret = Secret::new(SECRET).unwrap();
        let other = Secret::new("whsec_of_someone_else").unwrap();
        let late = sign(&body, &secret, now() - Duration::from_secs(400));
        let cases: Vec<Case> = vec![
            ("no header", None, body.clone(), 400, "signature_missing"),
            ("an empty header", Some(String::new()), body.clone(), 400, "signature_missing"),
            ("an empty body", Some(signature(b"")), Vec::new(), 400, "signature_missing"),
            ("a malformed header", Some("test".into()), body.clone(), 401, "signature_invalid"),
            ("another secret", Some(sign(&body, &other, now())), body.clone(), 401, "signature_invalid"),
            ("another body", Some(signature(b"{}")), body.clone(), 401, "signature_invalid"),
            ("too old", Some(late), body.clone(), 401, "signature_invalid"),
            ("no event", Some(signature(b"{}")), b"{}".to_vec(), 400, "not_an_event"),
            ("no JSON", Some(signature(b"hello")), b"hello".to_vec(), 400, "not_an_event"),
            ("no UTF-8", Some(signature(b"\xff\xfe{}")), b"\xff\xfe{}".to_vec(), 400, "not_an_event"),
        ];
        for (case, header, body, status, code) in cases {
            let mut request = server.webhook_request(body);
            if let Some(header) = header {
                request = request.header("Stripe-Signature", header);
            }
            let answer = answered(request).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{case}: {}", answer.text);
            assert_eq!(answer.header("content-type"), "application/problem+json", "{case}");
            assert_eq!(answer.body["instance"], "/webhooks/stripe", "{case}");
        }
        assert_eq!(server.count(EVENTS).await, 0);
        assert_eq!(server.metric("webhook_rejected_total{reason=\"signature_missing\"}").await, 3.0);
        assert_eq!(server.metric("webhook_rejected_total{reason=\"signature_wrong\"}").await, 4.0);
        assert_eq!(server.metric("webhook_rejected_total{reason=\"not_an_event\"}").await, 3.0);
        server.stop().await;
    }

    async fn other_methods_are_told_which_one_is_allowed(test: TestDb) {
        let server = Server::start(&test).await;
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answer = answered(server.http.request(method, format!("{}/webhooks/stripe", server.url))).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
        }
        server.stop().await;
    }

    async fn both_secrets_of_a_roll_count_on_both_paths(test: TestDb) {
        let server = Server::start(&test).await;
        for (id, secret, path) in
            [("evt_old", OLD_SECRET, "/webhooks/stripe"), ("evt_new", SECRET, "/dev/webhooks/stripe")]
        {
            let body = event(id).to_string().into_bytes();
            let header = sign(&body, &Secret::new(secret).unwrap(), now());
            let request = server.http.post(format!("{}{path}", server.url)).body(body);
            assert_eq!(answered(request.header("Stripe-Signature", header)).await.status, 200);
        }
        assert_eq!(server.count(EVENTS).await, 2);
        server.stop().await;
    }

    async fn a_mebibyte_is_taken_and_a_byte_more_is_not(test: TestDb) {
        let server = Server::start(&test).await;
        let sized = |size: usize| {
            let mut event = event("evt_large");
            event["data"]["object"]["padding"] = "".into();
            let missing = size - event.to_string().len();
            event["data"]["object"]["padding"] = "x".repeat(missing).into();
            event.to_string().into_bytes()
        };
        let (fits, too_large) = (sized(1024 * 1024), sized(1024 * 1024 + 1));
        assert_eq!(server.webhook(too_large.clone()).await.status, 413);
        // Announced in the head alone: refused before anything of the body has come.
        let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=0\r\n";
        let announced = format!("{head}content-length: 1048577\r\n\r\n");
        let answer = raw(&server.address, announced.as_bytes(), Duration::from_secs(2)).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        // Not announced at all.
        let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for part in too_large.chunks(60_000) {
            chunked.extend(format!("{:x}\r\n", part.len()).bytes());
            chunked.extend_from_slice(part);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let answer = raw(&server.address, &chunked, Duration::from_secs(2)).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert_eq!(server.count(EVENTS).await, 0);
        assert_eq!(server.webhook(fits).await.status, 200);
        server.stop().await;
    }

    async fn who_sends_slowly_is_not_waited_for(test: TestDb) {
        let limits = Limits { head: Duration::from_millis(300), ..Wish::default().limits };
        let patience = Patience { idle: Duration::from_millis(300), whole: Duration::from_secs(1) };
        let server = Server::start_as(&test, Wish { limits, patience, ..Wish::default() }).await;
        let begun = tokio::time::Instant::now();
        // The head never ends: the connection is closed.
        let answer = raw(&server.address, b"POST /webhooks/stripe HTTP/1.1\r\nhost:", Duration::from_secs(5)).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        // Nothing is ever said.
        assert_eq!(raw(&server.address, b"", Duration::from_secs(5)).await, "");
        // The body never comes.
        let head = b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=0\r\ncontent-length: 9\r\n\r\n{";
        let answer = raw(&server.address, head, Duration::from_secs(5)).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert_eq!(server.metric("webhook_rejected_total{reason=\"incomplete\"}").await, 1.0);
        // Nobody else had to wait, and the server still takes events.
        assert_eq!(server.webhook(event("evt_after").to_string()).await.status, 200);
        server.stop().await;
    }

    async fn connections_beyond_the_cap_are_turned_away(test: TestDb) {
        let limits = Limits { per_address: 3, ..Wish::default().limits };
        let server = Server::start_as(&test, Wish { limits, ..Wish::default() }).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(tokio::net::TcpStream::connect(&server.address).await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert_eq!(raw(&server.address, request, Duration::from_secs(2)).await, "");
        drop(held);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = raw(&server.address, request, Duration::from_secs(2)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(server.app.metrics.connections_refused.get(), 1);
        server.stop().await;
    }

    async fn one_event_sent_64_times_at_once_has_one_effect(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await;
        let body = event("evt_64").to_string();
        let all = (0..64).map(|_| server.webhook(body.clone()));
        let answers = futures_util::future::join_all(all).await;
        let stored = answers.iter().filter(|answer| answer.body["status"] == "stored").count();
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(stored, 1);
        assert_eq!(server.count(EVENTS).await, 1);
        wait_for(|| server.count("SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored'"), 1).await;
        // It is counted a moment after its commit.
        let ignored = || server.app.metrics.webhook_events.get("ignored") as i64;
        wait_for(|| std::future::ready(ignored()), 1).await;
        assert_eq!(server.app.metrics.webhook_events.get("duplicate"), 63);
        server.stop().await;
    }

    async fn what_cannot_be_stored_is_not_acknowledged(test: TestDb) {
        let server = Server::start(&test).await;
        let moved = server.app.shop.db.write("test.move", |tx| {
            tx.execute("DROP VIEW webhook_events", &[])?;
            tx.execute("ALTER TABLE stripe_events RENAME TO elsewhere", &[])
        });
        moved.await.unwrap();
        let answer = server.webhook(event("evt_lost").to_string()).await;
        assert_eq!((answer.status, answer.code()), (503, "busy"));
        assert_eq!(answer.header("retry-after"), "5");
        let back = |tx: &mut db::Tx<'_>| tx.execute("ALTER TABLE elsewhere RENAME TO stripe_events", &[]);
        server.app.shop.db.write("test.move", back).await.unwrap();
        assert_eq!(server.webhook(event("evt_lost").to_string()).await.body["status"], "stored");
        server.stop().await;
    }

    async fn an_event_of_the_other_mode_is_kept_and_ignored(test: TestDb) {
        let server = Server::start(&test).await;
        let mut live = event("evt_live");
        live["livemode"] = true.into();
        assert_eq!(server.webhook(live.to_string()).await.status, 200);
        assert_eq!(server.count("SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored'").await, 1);
        assert_eq!(server.metric("webhook_events_total{status=\"ignored\"}").await, 1.0);
        server.stop().await;
    }

    /// What was asked before the stop is answered; what comes afterwards finds no one.
    async fn a_stop_lets_requests_end_and_takes_no_new_ones(test: TestDb) {
        let server = Server::start(&test).await;
        let body = event("evt_last").to_string();
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: {}\r\ncontent-length: {}\r\n\r\n",
            signature(body.as_bytes()), body.len()
        );
        let mut slow = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut slow, head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (address, db) = (server.address.clone(), server.app.shop.db.clone());
        let stopping = tokio::spawn(server.stop());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens any more");
        tokio::io::AsyncWriteExt::write_all(&mut slow, body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut slow, &mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stopping.await.unwrap();
        assert_eq!(db.read("test", |tx| tx.count(EVENTS, &[])).await.unwrap(), 1);
    }
}

async fn wait_for<F: Future<Output = i64>>(mut ask: impl FnMut() -> F, wanted: i64) {
    for _ in 0..200 {
        if ask().await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never became {wanted}");
}
