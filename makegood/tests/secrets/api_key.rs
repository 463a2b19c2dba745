//! Rolling the API key: the newest is used, and one that is not this shop's is refused.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use stripe::{ApiKey, Call};
use testkit::{TestDb, on_both_engines};
use tokio::net::TcpListener;

use crate::doors::{Server, Wish};
use crate::{Lies, came_of, listed, refreshed, until};

/// A Stripe that knows keys by the account they belong to.
#[derive(Clone, Default)]
struct Accounts(Arc<Mutex<Vec<(String, &'static str)>>>);

impl Accounts {
    fn takes(&self, key: &str, account: &'static str) {
        self.0.lock().unwrap().push((key.to_owned(), account));
    }
    fn deletes(&self, key: &str) {
        self.0.lock().unwrap().retain(|(known, _)| known != key);
    }
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/account", get(account)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

async fn account(State(accounts): State<Accounts>, headers: HeaderMap) -> (StatusCode, String) {
    let given = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let known = accounts.0.lock().unwrap().iter().find(|(key, _)| *key == given).map(|(_, account)| *account);
    match known {
        Some(account) if given.starts_with("rk_") => {
            let message = format!(
                "The provided key 'rk_test_***' does not have the required permissions for this endpoint on account \
                 '{account}'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue."
            );
            (
                StatusCode::FORBIDDEN,
                json!({ "error": { "type": "invalid_request_error", "message": message } }).to_string(),
            )
        }
        Some(account) => (StatusCode::OK, json!({ "id": account, "object": "account" }).to_string()),
        None => {
            let told = json!({ "error": { "type": "invalid_request_error", "message": "Invalid API Key provided" } });
            (StatusCode::UNAUTHORIZED, told.to_string())
        }
    }
}

async fn a_server(test: &TestDb, key: &Lies, stripe: String) -> (Server, makegood::secrets::watch::Watch) {
    let environment = vec![("STRIPE_SECRET", String::new()), ("STRIPE_SECRET_FILE", key.shown())];
    let wish = Wish { environment, stripe: Some(stripe), newest_key: true, ..Wish::default() };
    let server = Server::start_as(test, wish).await;
    let watch = makegood::secrets::watch::start(&server.app);
    until("the account is known", async || server.app.secrets.account().is_some()).await;
    (server, watch)
}

/// The account that the shop's own client asks with.
async fn asked_as(server: &Server) -> Value {
    server
        .app
        .shop
        .stripe
        .call(Call::get("/v1/account"))
        .await
        .map_or(Value::Null, |found| found["id"].clone())
}

async fn in_use(server: &Server) -> String {
    let rows = listed(server, "STRIPE_SECRET").await;
    rows[0]["fingerprint"].as_str().unwrap().to_owned()
}

fn fingerprint(key: &str) -> String {
    ApiKey::new(key).unwrap().fingerprint()
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn the_newest_key_is_used_and_one_of_another_shop_never_is(test: TestDb) {
        let accounts = Accounts::default();
        for (key, account) in [("sk_test_one", "acct_1"), ("sk_test_two", "acct_1"), ("rk_test_three", "acct_1"),
            ("sk_test_strange", "acct_2"), ("rk_test_strange", "acct_2"), ("sk_live_one", "acct_1")] {
            accounts.takes(key, account);
        }
        let key = Lies::with("key", "{\"secretKey\":\"sk_test_one\"}");
        let (server, _watch) = a_server(&test, &key, accounts.start().await).await;
        assert_eq!(server.app.secrets.account().as_deref(), Some("acct_1"));

        key.write("{\"secretKey\":\"sk_test_two\"}");
        assert_eq!(came_of(&refreshed(&server).await, "STRIPE_SECRET")["outcome"], "changed");
        assert_eq!((asked_as(&server).await, in_use(&server).await), ("acct_1".into(), fingerprint("sk_test_two")));

        for (wrong, told) in [
            ("sk_test_strange", "another account"),
            ("rk_test_strange", "another account"),
            ("sk_live_one", "change of mode"),
            ("sk_test_unknown", "not taken"),
            ("pk_test_two", "publishable"),
        ] {
            key.write(wrong);
            let row = came_of(&refreshed(&server).await, "STRIPE_SECRET");
            assert_eq!(row["outcome"], "refused", "{wrong}");
            assert!(row["trouble"].as_str().unwrap().contains(told), "{wrong}: {row}");
            assert_eq!(in_use(&server).await, fingerprint("sk_test_two"), "{wrong}");
            assert_eq!(asked_as(&server).await, "acct_1", "{wrong}");
        }

        // A restricted key may not ask for its account; Stripe's refusal names it.
        key.write("rk_test_three");
        assert_eq!(came_of(&refreshed(&server).await, "STRIPE_SECRET")["outcome"], "changed");
        assert_eq!(in_use(&server).await, fingerprint("rk_test_three"));
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'secrets_refreshed'").await, 7);
        server.stop().await;
    }

    /// Stripe ended the old key before anybody told us; the call is made once more with the new one.
    async fn a_call_whose_key_was_deleted_is_made_again_with_the_one_that_lies_there_now(test: TestDb) {
        let accounts = Accounts::default();
        accounts.takes("sk_test_one", "acct_1");
        accounts.takes("sk_test_two", "acct_1");
        let key = Lies::with("key", "sk_test_one");
        let (server, watch) = a_server(&test, &key, accounts.start().await).await;
        drop(watch);
        accounts.deletes("sk_test_one");
        assert_eq!(asked_as(&server).await, Value::Null);
        key.write("sk_test_two");
        assert_eq!(asked_as(&server).await, "acct_1");
        server.stop().await;
    }
}
