//! The client against a server that misbehaves on purpose.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use kernel::{Duration, Seeded};
use stripe::client::Retries;
use stripe::{API_VERSION, ApiKey, Call, CallError, HttpStripe, KeyFault, Stripe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REFUSED: &str = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such x",
    "param":"id"}}"#;

/// What the server does with one request, in turn; the last goes on for ever.
#[derive(Clone)]
enum Turn {
    /// Reads the request and hangs up.
    HangUp,
    /// Answers with this status, these header lines and this body.
    Answer(u16, &'static str, &'static str),
    /// Promises more than it sends.
    CutOff,
}

/// A server for one test and all the requests that it saw.
struct Server {
    base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(turns: &[Turn]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, turns.to_vec(), seen.clone()));
        Server { base, seen }
    }

    fn client(&self) -> HttpStripe {
        client(&self.base)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, turns: Vec<Turn>, seen: Arc<Mutex<Vec<String>>>) {
    let mut turns = turns.into_iter().peekable();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        seen.lock().unwrap().push(request);
        let turn = turns.peek().cloned().unwrap();
        turns.next_if(|_| true);
        if turns.peek().is_none() {
            turns = vec![turn.clone()].into_iter().peekable();
        }
        answer(&mut stream, turn).await;
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap();
        request.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse().unwrap() {
            return text;
        }
    }
}

async fn answer(stream: &mut TcpStream, turn: Turn) {
    let text = match turn {
        Turn::HangUp => return,
        Turn::CutOff => "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\":".to_owned(),
        Turn::Answer(status, headers, body) => format!(
            "HTTP/1.1 {status} X\r\nrequest-id: req_7\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.ok();
}

fn client(base: &str) -> HttpStripe {
    let soon =
        Retries { first: Duration::from_millis(1), longest: Duration::from_millis(2), ..Retries::default() };
    HttpStripe::new(base, &ApiKey::new("sk_test_x").unwrap(), Seeded::new(1)).unwrap().with_retries(soon)
}

fn refund() -> Call {
    Call::post("/v1/refunds", "refund_ord_1")
        .with("payment_intent", "pi_1")
        .with("metadata[orderId]", "ord 1")
}

#[tokio::test]
async fn a_call_is_written_as_stripe_wants_it() {
    let server = Server::start(&[Turn::Answer(200, "", r#"{"id":"re_1"}"#)]).await;
    assert_eq!(server.client().call(refund()).await.unwrap()["id"], "re_1");
    let list = Call::get("/v1/events").with("types[]", "charge.*").with("limit", 2);
    server.client().call(list).await.unwrap();
    let seen = server.seen();
    assert!(seen[0].starts_with("POST /v1/refunds HTTP/1.1\r\n"), "{}", seen[0]);
    for line in [
        "authorization: Bearer sk_test_x",
        &format!("stripe-version: {API_VERSION}"),
        "idempotency-key: refund_ord_1",
        "content-type: application/x-www-form-urlencoded",
    ] {
        assert!(seen[0].contains(&format!("\r\n{line}\r\n")), "{line} is not in {}", seen[0]);
    }
    assert!(seen[0].ends_with("\r\n\r\npayment_intent=pi_1&metadata[orderId]=ord%201"), "{}", seen[0]);
    assert!(seen[1].starts_with("GET /v1/events?types[]=charge.%2A&limit=2 HTTP/1.1\r\n"), "{}", seen[1]);
    assert!(!seen[1].contains("idempotency-key"));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_unknown_after_three_tries_with_one_key() {
    let server = Server::start(&[Turn::HangUp]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| request.contains("idempotency-key: refund_ord_1\r\n")));
}

#[tokio::test]
async fn a_retry_under_the_same_key_finds_the_answer_that_was_lost() {
    let server =
        Server::start(&[Turn::HangUp, Turn::CutOff, Turn::Answer(200, "", r#"{"id":"re_1"}"#)]).await;
    assert_eq!(server.client().call(refund()).await.unwrap()["id"], "re_1");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| *request == seen[0]));
}

#[tokio::test]
async fn a_post_without_a_key_is_never_sent_twice() {
    let server = Server::start(&[Turn::HangUp]).await;
    let call = Call { idempotency_key: None, ..refund() };
    assert!(matches!(server.client().call(call).await, Err(CallError::Unknown(_))));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_cut_off_leaves_the_outcome_unknown() {
    let server = Server::start(&[Turn::CutOff]).await;
    let error = server.client().call(Call { idempotency_key: None, ..refund() }).await.unwrap_err();
    assert!(matches!(&error, CallError::Unknown(why) if why.contains("cut off")), "{error:?}");
}

/// Whoever only reads has nothing to look up: they ask again.
#[tokio::test]
async fn of_a_read_nothing_is_unknown() {
    let list = || Call::get("/v1/events");
    for turn in [Turn::HangUp, Turn::CutOff, Turn::Answer(500, "", "{}"), Turn::Answer(200, "", "<html>")] {
        let server = Server::start(&[turn]).await;
        let error = server.client().call(list()).await.unwrap_err();
        assert!(matches!(error, CallError::Unanswered(_)), "{error:?}");
        assert!(error.to_string().starts_with("Stripe does not answer"), "{error}");
        assert_eq!(kernel::Error::from(error).code(), "busy");
    }
    let server = Server::start(&[Turn::HangUp, Turn::Answer(429, "", "{}")]).await;
    assert!(matches!(server.client().call(list()).await, Err(CallError::RateLimited { .. })));
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&base).call(refund()).await.unwrap_err();
    assert!(matches!(&error, CallError::NotSent(why) if why.contains("no connection")), "{error:?}");
}

#[tokio::test]
async fn a_rate_limit_says_how_long_and_is_not_retried() {
    let server = Server::start(&[Turn::Answer(429, "retry-after: 7\r\n", "{}")]).await;
    match server.client().call(refund()).await.unwrap_err() {
        CallError::RateLimited { retry_after, error } => {
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
            assert_eq!(error.request_id.as_deref(), Some("req_7"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_carries_stripes_code_and_is_not_retried() {
    let server = Server::start(&[Turn::Answer(400, "", REFUSED)]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Stripe refused: 400 type=invalid_request_error code=resource_missing param=id: No such x (req_7)"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_stored_failure_is_unknown_and_stripes_word_stops_the_retries() {
    let server = Server::start(&[Turn::Answer(500, "stripe-should-retry: false\r\n", "<html>")]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Unknown(why) if why.contains("500") && why.contains("req_7")),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_conflict_over_the_key_is_unknown_and_another_conflict_a_refusal() {
    let in_use = r#"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use","message":"busy"}}"#;
    let server = Server::start(&[Turn::Answer(409, "", in_use)]).await;
    assert!(matches!(server.client().call(refund()).await, Err(CallError::Unknown(_))));
    assert_eq!(server.seen().len(), 3);
    let server = Server::start(&[Turn::Answer(409, "", REFUSED)]).await;
    assert!(matches!(server.client().call(refund()).await, Err(CallError::Refused(_))));
}

/// Such an answer is about us, not about what was asked for; to ask again at once changes nothing.
#[tokio::test]
async fn a_key_that_is_not_taken_or_may_not_do_this_is_no_refusal_of_the_request() {
    let narrow = r#"{"error":{"type":"invalid_request_error","message":"Having the 'rak_charge_write' permission would allow this"}}"#;
    let server = Server::start(&[Turn::Answer(403, "", narrow)]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    let CallError::Key(KeyFault::Lacks { endpoint, permission, .. }) = &error else { panic!("{error:?}") };
    assert_eq!((endpoint.as_str(), permission.as_str()), ("POST /v1/refunds", "rak_charge_write"));
    assert_eq!(server.seen().len(), 1);
    let server = Server::start(&[Turn::Answer(401, "", "<html>")]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    assert!(matches!(error, CallError::Key(KeyFault::NotTaken(_))), "{error:?}");
    // After a lost answer it says nothing about the attempt before.
    let server = Server::start(&[Turn::HangUp, Turn::Answer(403, "", narrow)]).await;
    assert!(matches!(server.client().call(refund()).await, Err(CallError::Unknown(_))));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_unknown_and_a_redirect_is_not_followed() {
    let server = Server::start(&[Turn::Answer(200, "", "<html>")]).await;
    assert!(matches!(server.client().call(refund()).await, Err(CallError::Unknown(_))));
    let server = Server::start(&[Turn::Answer(302, "location: http://127.0.0.1:1/\r\n", "")]).await;
    let error = server.client().call(refund()).await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(error) if error.status == 302), "{error:?}");
}
