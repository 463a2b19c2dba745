//! Ten thousand requests that no honest client sends, on each engine: malformed, oversized, wrongly signed, with the wrong
//! method, not UTF-8, deeply nested. Nothing panics, nothing is answered with a 5xx, nothing is stored.
//!
//! The requests follow from one seed, which a failure names with the request itself.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use doors::{ADMIN_TOKEN, Server, Wish, event, signature};
use kernel::{Duration, Seeded};
use makegood::http::Patience;
use makegood::http::routes::{Access, ROUTES, Route};
use makegood::serve::Limits;
use serde_json::Value;
use testkit::on_both_engines;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUESTS: usize = 10_000;
const SENDERS: usize = 8;
const SEED: u64 = 20_260_101;

static PANICS: AtomicUsize = AtomicUsize::new(0);

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn ten_thousand_bad_requests_do_no_harm(test: TestDb) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
        let patience = Patience { idle: Duration::from_millis(200), whole: Duration::from_millis(400) };
        let limits = Limits { head: Duration::from_millis(400), ..Wish::default().limits };
        let server = Server::start_as(&test, Wish { patience, limits, ..Wish::default() }).await;
        let server = Arc::new(server.with_catalog().await);
        let kept = everything(&server).await;
        let senders = (0..SENDERS).map(|sender| tokio::spawn(send_many(server.clone(), sender)));
        let seen: Vec<Seen> = futures_util::future::join_all(senders).await.into_iter().map(Result::unwrap).collect();
        let sum = |pick: fn(&Seen) -> usize| seen.iter().map(pick).sum::<usize>();
        assert!(sum(|seen| seen.sent) >= REQUESTS);
        assert!(sum(|seen| seen.answered) * 10 > sum(|seen| seen.sent) * 8, "most are answered, not dropped");
        let statuses: BTreeSet<u16> = seen.iter().flat_map(|seen| seen.statuses.iter().copied()).collect();
        let reached = [400, 401, 404, 405, 408, 413, 415, 422, 429, 431];
        assert!(reached.iter().all(|status| statuses.contains(status)), "the requests reach only {statuses:?}");
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
        assert_eq!(everything(&server).await, kept, "something was stored");
        assert_eq!(server.get("/health", None).await.status, 200);
        assert_eq!(server.webhook(event("evt_good").to_string()).await.body["status"], "stored");
        Arc::into_inner(server).expect("nobody else holds it").stop().await;
    }
}

/// Rows in every table where a request could have left something. Keys of requests are kept for a while by design.
async fn everything(server: &Server) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM stripe_events",
        "SELECT COUNT(*) FROM orders",
        "SELECT COUNT(*) FROM checkouts",
        "SELECT COUNT(*) FROM inventory_reservations",
        "SELECT COUNT(*) FROM inventory_ledger",
        "SELECT COUNT(*) FROM entitlements",
        "SELECT COUNT(*) FROM profiles",
        "SELECT COUNT(*) FROM products",
        "SELECT COUNT(*) FROM api_tokens",
        "SELECT COUNT(*) FROM audit_logs",
        "SELECT COUNT(*) FROM jobs",
    ] {
        counts.push(server.count(sql).await);
    }
    counts
}

#[derive(Default)]
struct Seen {
    sent: usize,
    answered: usize,
    statuses: BTreeSet<u16>,
}

async fn send_many(server: Arc<Server>, sender: usize) -> Seen {
    let chance = Seeded::new(SEED + sender as u64);
    let mut wire = Wire { address: server.address.clone(), stream: None };
    let mut seen = Seen::default();
    for _ in 0..REQUESTS.div_ceil(SENDERS) {
        let bad = bad_request(&chance);
        seen.sent += 1;
        let status = wire.send(&bad).await;
        seen.answered += usize::from(status.is_some());
        if let Some(status) = status {
            seen.statuses.insert(status);
            let shown = String::from_utf8_lossy(&bad.bytes[..bad.bytes.len().min(400)]).into_owned();
            assert!((400..500).contains(&status), "{status} for {} (seed {SEED}): {shown}", bad.kind);
        }
    }
    seen
}

/// One request, and whether its connection can be used again.
struct Bad {
    kind: &'static str,
    bytes: Vec<u8>,
    whole: bool,
}

fn bad_request(chance: &Seeded) -> Bad {
    match chance.below(12) {
        0 => broken_http(chance),
        1 | 2 => bad_webhook(chance),
        3 => wrong_method(chance),
        4 => bad_path(chance),
        5 => no_token(chance),
        6 => bad_header(chance),
        7 => unfinished(chance),
        _ => bad_body(chance),
    }
}

fn pick<'a, T: ?Sized>(chance: &Seeded, from: &[&'a T]) -> &'a T {
    from[chance.below(from.len() as u64) as usize]
}

fn noise(chance: &Seeded, most: u64) -> Vec<u8> {
    (0..chance.below(most) + 1).map(|_| chance.below(256) as u8).collect()
}

/// A path for a route: with an id that exists, one that does not, or none at all.
fn path(chance: &Seeded, route: &Route) -> String {
    let ids = [
        "x",
        "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70",
        "MUG",
        "%00",
        "%ff%fe",
        "..",
        "%2e%2e%2f",
        "evt_%F0%9F%A6%80",
    ];
    route.path.replace("{id}", pick(chance, &ids))
}

fn a_post(chance: &Seeded) -> &'static Route {
    let posts: Vec<&Route> = ROUTES.iter().filter(|route| route.method == "POST").collect();
    posts[chance.below(posts.len() as u64) as usize]
}

fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn admin() -> String {
    format!("authorization: Bearer {ADMIN_TOKEN}\r\ncontent-type: application/json\r\n")
}

/// What is no HTTP at all, or no HTTP that anyone should take.
fn broken_http(chance: &Seeded) -> Bad {
    let bytes = match chance.below(8) {
        0 => [noise(chance, 200), b"\r\n\r\n".to_vec()].concat(),
        1 => b"GET\r\n\r\n".to_vec(),
        2 => b"POST /webhooks/stripe HTTP/9.9\r\n\r\n".to_vec(),
        3 => format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000)).into_bytes(),
        4 => format!("GET /health HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(500)).into_bytes(),
        5 => b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n".to_vec(),
        6 => b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!".to_vec(),
        _ => b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=0\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n".to_vec(),
    };
    Bad { kind: "broken HTTP", bytes, whole: false }
}

fn bad_webhook(chance: &Seeded) -> Bad {
    let good = event("evt_bad").to_string().into_bytes();
    let body = match chance.below(9) {
        0 => Vec::new(),
        1 => noise(chance, 300),
        2 => b"{}".to_vec(),
        3 => [b"{\"id\":\"evt_1\",\"object\":\"event\",\"data\":".to_vec(), nested(chance)].concat(),
        4 => good[..chance.below(good.len() as u64) as usize].to_vec(),
        5 => vec![b'x'; 1024 * 1024 + 1],
        6 => {
            String::from_utf8(good).unwrap().replace("\"livemode\":false", "\"livemode\":\"no\"").into_bytes()
        }
        7 => String::from_utf8(good).unwrap().replace("evt_bad", "evt\\u0000").into_bytes(),
        _ => [&[0xef, 0xbb, 0xbf], good.as_slice()].concat(),
    };
    // Signed or not, none of them is an event.
    let header = match chance.below(6) {
        0 => String::new(),
        1 => "stripe-signature: \r\n".into(),
        2 => "stripe-signature: test\r\n".into(),
        3 => format!("stripe-signature: t={},v1={:064x}\r\n", chance.next(), chance.next()),
        4 => format!("stripe-signature: t=1,{}\r\n", "v1=00,".repeat(100)),
        _ => format!("stripe-signature: {}\r\n", signature(&body)),
    };
    let whole = body.len() < 1024 * 1024;
    Bad { kind: "webhook", bytes: request("POST", "/webhooks/stripe", &header, &body), whole }
}

fn wrong_method(chance: &Seeded) -> Bad {
    let route = &ROUTES[chance.below(ROUTES.len() as u64) as usize];
    // An id in the path may name another route's literal word; these are free of that.
    let path = route.path.replace("{id}", "x");
    let method = pick(chance, &["PUT", "DELETE", "PATCH", "TRACE", "BREW", "PROPFIND"]);
    Bad { kind: "method", bytes: request(method, &path, &admin(), b""), whole: true }
}

fn bad_path(chance: &Seeded) -> Bad {
    let known = ROUTES[chance.below(ROUTES.len() as u64) as usize].path;
    let path = match chance.below(7) {
        0 => format!("{known}/nothing/here"),
        1 => format!("/{:x}", chance.next()),
        2 => "/..%2f..%2fetc/passwd".into(),
        3 => "//".into(),
        4 => format!(
            "/api/v1/admin/orders?{}",
            pick(chance, &["limit=x", "a=b", "status=%ff", "status=%00", "limit=1&limit=1"])
        ),
        5 => "/api/v1/admin/orders/%ff%fe%fd".into(),
        _ => format!("/api/v1/admin/events/{}", "e".repeat(300)),
    };
    Bad { kind: "path", bytes: request("GET", &path, &admin(), b""), whole: true }
}

fn no_token(chance: &Seeded) -> Bad {
    let guarded: Vec<&Route> =
        ROUTES.iter().filter(|route| matches!(route.access, Access::Role(_))).collect();
    let route = guarded[chance.below(guarded.len() as u64) as usize];
    let headers = match chance.below(5) {
        0 => String::new(),
        1 => "authorization: Basic YWRtaW46YWRtaW4=\r\n".into(),
        2 => "authorization: Bearer\r\n".into(),
        3 => "authorization: Bearer \r\n".into(),
        _ => format!("authorization: Bearer mg_{:064x}\r\n", chance.next()),
    };
    let path = route.path.replace("{id}", "x");
    Bad { kind: "token", bytes: request(route.method.as_str(), &path, &headers, b"{}"), whole: true }
}

fn bad_header(chance: &Seeded) -> Bad {
    let header = match chance.below(4) {
        0 => "content-type: text/plain\r\n".to_owned(),
        1 => format!("idempotency-key: {}\r\n", "k".repeat(300)),
        2 => "idempotency-key: \r\n".to_owned(),
        _ => "content-type: application/x-www-form-urlencoded\r\n".to_owned(),
    };
    let headers = format!("authorization: Bearer {ADMIN_TOKEN}\r\n{header}");
    let path = "/api/v1/admin/orders/ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70/cancel";
    Bad { kind: "header", bytes: request("POST", path, &headers, b"{\"reason\":\"r\"}"), whole: true }
}

/// A body that is announced and does not come, or ends too soon.
fn unfinished(chance: &Seeded) -> Bad {
    // Each of these waits for the patience of the server; a few are enough.
    if chance.below(20) != 0 {
        return bad_body(chance);
    }
    let path = pick(chance, &["/webhooks/stripe", "/api/v1/checkout/sessions"]);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=0\r\ncontent-length: 99\r\n\r\n{{"
    );
    Bad { kind: "unfinished", bytes: head.into_bytes(), whole: false }
}

fn bad_body(chance: &Seeded) -> Bad {
    let route = a_post(chance);
    let body = match chance.below(10) {
        0 => noise(chance, 500),
        1 => nested(chance),
        2 => b"\xff\xfe{}".to_vec(),
        3 => vec![b' '; 300_000],
        4 => pick(
            chance,
            &["null", "[]", "\"x\"", "1e999", "{\"a\":", "{\"a\":1,}", "{\"a\":1}{", "\u{feff}{}"],
        )
        .into(),
        _ => senseless(chance).to_string().into_bytes(),
    };
    let whole = body.len() < 256 * 1024;
    Bad {
        kind: route.name,
        bytes: request(route.method.as_str(), &path(chance, route), &admin(), &body),
        whole,
    }
}

fn nested(chance: &Seeded) -> Vec<u8> {
    let depth = 100 + chance.below(100_000) as usize;
    let mut text = pick(chance, &["[", "{\"a\":"]).repeat(depth).into_bytes();
    text.truncate(250_000);
    text
}

/// The fields that routes know, with values that make no sense. It never holds a whole wish: no reason is ever given.
fn senseless(chance: &Seeded) -> Value {
    const FIELDS: [&str; 20] = [
        "items",
        "product",
        "quantity",
        "currency",
        "email",
        "profile_id",
        "user",
        "course",
        "order",
        "event",
        "sku",
        "change",
        "reservation",
        "job",
        "token",
        "catalog",
        "id",
        "name",
        "role",
        "expires_at",
    ];
    let mut fields = serde_json::Map::new();
    for _ in 0..chance.below(5) + 1 {
        fields.insert(pick(chance, &FIELDS).to_owned(), anything(chance, 3));
    }
    if chance.below(3) == 0 {
        fields.insert(
            "items".into(),
            serde_json::json!([{ "product": anything(chance, 1), "quantity": anything(chance, 1) }]),
        );
    }
    Value::Object(fields)
}

fn anything(chance: &Seeded, deep: u32) -> Value {
    match chance.below(if deep == 0 { 12 } else { 14 }) {
        0 => Value::Null,
        1 => true.into(),
        2 => (-1).into(),
        3 => i64::MAX.into(),
        4 => u64::MAX.into(),
        5 => 1.5.into(),
        6 => "".into(),
        7 => "\0".into(),
        8 => "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".into(),
        9 => "x".repeat(chance.below(5_000) as usize).into(),
        10 => "'; DROP TABLE orders; --".into(),
        11 => "\u{202e}\u{1f980}\u{fffd}".into(),
        12 => (0..chance.below(4)).map(|_| anything(chance, deep - 1)).collect(),
        _ => Value::Object([("a".to_owned(), anything(chance, deep - 1))].into_iter().collect()),
    }
}

/// A connection that is used again as long as requests are whole.
struct Wire {
    address: String,
    stream: Option<TcpStream>,
}

impl Wire {
    /// The status of the answer; `None` when the server closed without one.
    async fn send(&mut self, bad: &Bad) -> Option<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.address).await.unwrap(),
        };
        // The server may answer and close before it has taken all of a large body.
        let sent = stream.write_all(&bad.bytes).await.is_ok();
        let answer = tokio::time::timeout(Duration::from_secs(10), answer(&mut stream)).await;
        let (status, open) = answer.unwrap_or_else(|_| panic!("no end of an answer to {}", bad.kind))?;
        if sent && open && bad.whole {
            self.stream = Some(stream);
        }
        Some(status)
    }
}

/// Reads one answer: its status, and whether the connection stays open.
async fn answer(stream: &mut TcpStream) -> Option<(u16, bool)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => read.extend_from_slice(&part[..length]),
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut missing = length.unwrap_or(0_usize).saturating_sub(read.len() - end);
    while missing > 0 {
        let mut part = vec![0; missing.min(4096)];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return Some((status, false)),
            Ok(length) => missing -= length,
        }
    }
    Some((status, !head.contains("connection: close")))
}
