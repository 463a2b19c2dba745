//! A stand-in for AWS Secrets Manager: versions and stages as AWS has them, and every request kept for those who check it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use makegood::secrets::watch::{self, Watch};
use serde_json::{Value, json};
use testkit::{TestDb, on_both_engines};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::doors::{Server, Wish, event, now};
use crate::{came_of, listed, refreshed};

pub const ACCESS_KEY: &str = "AKIDOFTHETESTS";
pub const ACCESS_SECRET: &str = "a/secret+access+key+of+the+tests";

/// What came in.
#[derive(Clone)]
pub struct Came {
    pub headers: HeaderMap,
    pub body: String,
}

#[derive(Default)]
struct Inside {
    /// All versions, the newest last.
    secrets: Mutex<BTreeMap<String, Vec<String>>>,
    came: Mutex<Vec<Came>>,
    /// What it answers instead.
    trouble: Mutex<Option<(u16, Value)>>,
    pause: Mutex<Duration>,
}

pub struct Fake {
    pub url: String,
    inside: Arc<Inside>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub async fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inside = Arc::new(Inside::default());
        let router = Router::new().route("/", post(answer)).with_state(inside.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Fake { url, inside, task }
    }

    /// A new version; the one before becomes AWSPREVIOUS.
    pub fn put(&self, id: &str, text: &str) {
        self.inside.secrets.lock().unwrap().entry(id.to_owned()).or_default().push(text.to_owned());
    }

    pub fn fails(&self, status: u16, body: Value) {
        *self.inside.trouble.lock().unwrap() = Some((status, body));
    }
    pub fn works_again(&self) {
        *self.inside.trouble.lock().unwrap() = None;
    }
    pub fn takes(&self, pause: Duration) {
        *self.inside.pause.lock().unwrap() = pause;
    }

    pub fn came(&self) -> Vec<Came> {
        self.inside.came.lock().unwrap().clone()
    }

    /// The settings that lead here.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SECRETS_AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("SECRETS_AWS_SECRET_ACCESS_KEY", ACCESS_SECRET.into()),
            ("SECRETS_AWS_REGION", "ap-southeast-1".into()),
            ("SECRETS_AWS_ENDPOINT", self.url.clone()),
        ]
    }

    /// A server whose secrets lie here.
    pub async fn served(&self, test: &TestDb, places: &[(&'static str, &str)]) -> (Server, Watch) {
        let mut environment = self.environment();
        for (key, id) in places {
            environment.push((key, (*id).to_owned()));
            // What the doors set by themselves.
            let plain = if *key == "STRIPE_SECRET_ARN" { "STRIPE_SECRET" } else { "STRIPE_WEBHOOK_SECRET" };
            environment.push((plain, String::new()));
        }
        let server = Server::start_as(test, Wish { environment, newest_key: true, ..Wish::default() }).await;
        let watch = watch::start(&server.app);
        (server, watch)
    }
}

async fn answer(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    inside.came.lock().unwrap().push(Came { headers: headers.clone(), body: body.clone() });
    let pause = *inside.pause.lock().unwrap();
    tokio::time::sleep(pause).await;
    let is_ours = headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        && headers["content-type"] == "application/x-amz-json-1.1"
        && headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKID");
    assert!(is_ours, "{headers:?}");
    if let Some((status, body)) = inside.trouble.lock().unwrap().clone() {
        return (StatusCode::from_u16(status).unwrap(), body.to_string());
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let secrets = inside.secrets.lock().unwrap();
    let versions = secrets.get(asked["SecretId"].as_str().unwrap()).map(Vec::as_slice).unwrap_or_default();
    let stage = asked["VersionStage"].as_str().unwrap();
    let back = if stage == "AWSPREVIOUS" { 2 } else { 1 };
    match versions.len().checked_sub(back).and_then(|at| versions.get(at)) {
        Some(text) => {
            let answer = json!({ "ARN": "arn:aws:secretsmanager:ap-southeast-1:1:secret:x-AbCdEf", "Name": asked["SecretId"],
                "VersionId": "v", "SecretString": text, "VersionStages": [stage], "CreatedDate": 1795215139.123 });
            (StatusCode::OK, answer.to_string())
        }
        None => {
            let told = json!({ "__type": "ResourceNotFoundException",
                "message": "Secrets Manager can't find the specified secret." });
            (StatusCode::BAD_REQUEST, told.to_string())
        }
    }
}

const HOOK: (&str, &str) = ("STRIPE_WEBHOOK_SECRET_ARN", "shop/hook");

on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// Nobody has asked for it: a signature that matches nothing is enough, and the same request is answered with 200.
    async fn the_first_webhook_with_a_new_secret_fetches_it_from_the_manager(test: TestDb) {
        let fake = Fake::start().await;
        fake.put("shop/hook", "whsec_first");
        let (server, _watch) = fake.served(&test, &[HOOK]).await;
        fake.put("shop/hook", r#"{"webhookSecret":"whsec_second"}"#);
        let asked = fake.came().len();
        for (id, by) in [("evt_new", "whsec_second"), ("evt_old", "whsec_first")] {
            let body = event(id).to_string().into_bytes();
            let signature = stripe::sign(&body, &stripe::Secret::new(by).unwrap(), now());
            let request = server.webhook_request(body).header("Stripe-Signature", signature);
            assert_eq!(crate::doors::answered(request).await.status, 200, "{by}");
        }
        assert_eq!(fake.came().len() - asked, 2, "the newest version and the one before, once each");
        let rows = listed(&server, "STRIPE_WEBHOOK_SECRET").await;
        assert_eq!((rows[0]["counts_as"].as_str(), rows[1]["counts_as"].as_str()), (Some("current"), Some("previous")));
        assert_eq!(rows[0]["source"], "AWS Secrets Manager shop/hook");
        crate::until("the audit log has the change", async || {
            server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'secret_changed'").await == 1
        }).await;
        server.stop().await;
    }

    /// The version before was a slip, and the next one is too.
    async fn a_version_that_is_no_secret_neither_counts_nor_stops_the_start(test: TestDb) {
        let fake = Fake::start().await;
        fake.put("shop/hook", "\"whsec_slip\"");
        fake.put("shop/hook", "whsec_first");
        let (server, _watch) = fake.served(&test, &[HOOK]).await;
        assert_eq!(listed(&server, "STRIPE_WEBHOOK_SECRET").await.len(), 1);
        fake.put("shop/hook", "[\"whsec_slip\"]");
        assert_eq!(came_of(&refreshed(&server).await, "STRIPE_WEBHOOK_SECRET")["outcome"], "refused");
        let rows = listed(&server, "STRIPE_WEBHOOK_SECRET").await;
        assert_eq!((rows.len(), &rows[0]["fingerprint"]), (1, &json!(stripe::Secret::new("whsec_first").unwrap().fingerprint())));
        assert!(rows[0]["trouble"].is_string(), "{rows:?}");
        server.stop().await;
    }

    async fn a_manager_that_refuses_or_is_away_leaves_the_last_good_value(test: TestDb) {
        let fake = Fake::start().await;
        fake.put("shop/hook", "whsec_first");
        let (server, _watch) = fake.served(&test, &[HOOK]).await;
        for (status, body, told) in [
            (400, json!({ "__type": "AccessDeniedException", "Message": "no" }), "AccessDeniedException"),
            (400, json!({ "__type": "DecryptionFailure", "message": "KMS" }), "DecryptionFailure"),
            (400, json!({ "__type": "ResourceNotFoundException", "message": "" }), "knows no such secret"),
            (503, json!({ "__type": "InternalServiceError", "message": "later" }), "cannot be reached"),
            (200, json!({ "SecretBinary": "aGk=" }), "not binary"),
        ] {
            fake.fails(status, body);
            let answer = refreshed(&server).await;
            assert!(came_of(&answer, "STRIPE_WEBHOOK_SECRET")["trouble"].as_str().unwrap().contains(told), "{answer}");
            let body = event("evt_1").to_string().into_bytes();
            let signature = stripe::sign(&body, &stripe::Secret::new("whsec_first").unwrap(), now());
            let request = server.webhook_request(body).header("Stripe-Signature", signature);
            assert_eq!(crate::doors::answered(request).await.status, 200);
        }
        fake.works_again();
        assert_eq!(came_of(&refreshed(&server).await, "STRIPE_WEBHOOK_SECRET")["outcome"], "same");
        server.stop().await;
    }
}
