//! The sandbox behind a real listener, and a shop that writes down the webhooks it gets.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use kernel::{Clock, Seeded, Timestamp};
use sandbox::http::{Shared, deliver_forever, router};
use sandbox::{Sandbox, Settings};
use tokio::net::TcpListener;

/// The machine's clock; the official packages compare signatures with it.
struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the official packages compare with the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(since.as_micros() as i64)
    }
}

pub struct Webhook {
    pub signature: String,
    pub body: Bytes,
}

pub struct Server {
    pub url: String,
    /// Where the shop takes webhooks.
    pub hooks: String,
    pub shared: Arc<Shared>,
    pub received: Arc<Mutex<Vec<Webhook>>>,
    pub http: reqwest::Client,
}

impl Server {
    pub async fn start() -> Self {
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings =
            Settings { public_url: url.clone(), retry_after_seconds: vec![1], ..Settings::default() };
        let shared = Shared::new(Sandbox::new(settings), Arc::new(MachineClock), Seeded::new(1));
        let app = Router::new().nest("/sandbox/stripe", router(shared.clone())).merge(router(shared.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        tokio::spawn(deliver_forever(shared.clone(), http.clone(), std::future::pending()));
        let (hooks, received) = listen_for_webhooks().await;
        Server { url, hooks, shared, received, http }
    }

    pub async fn post(&self, path: &str, form: &str) -> (u16, serde_json::Value) {
        let request = self.http.post(format!("{}{path}", self.url)).body(form.to_owned());
        answer(request.header("Authorization", "Bearer sk_test_123")).await
    }

    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        answer(self.http.get(format!("{}{path}", self.url)).header("Authorization", "Bearer sk_test_123"))
            .await
    }

    pub async fn control(&self, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        answer(self.http.post(format!("{}/control/{path}", self.url)).json(&body)).await
    }

    pub async fn webhooks(&self, at_least: usize) -> Vec<serde_json::Value> {
        for _ in 0..200 {
            let bodies: Vec<_> = self
                .received
                .lock()
                .unwrap()
                .iter()
                .map(|hook| serde_json::from_slice(&hook.body).unwrap())
                .collect();
            if bodies.len() >= at_least {
                return bodies;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("fewer than {at_least} webhooks came");
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, serde_json::Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
}

async fn listen_for_webhooks() -> (String, Arc<Mutex<Vec<Webhook>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let seen = received.clone();
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(Webhook { signature, body });
        StatusCode::OK
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let app = Router::new().route("/hooks", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}
