//! A real process: SIGHUP, and a refresh that is asked for elsewhere on the same database.

#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stripe::{Secret, sign};
use testkit::{TestDb, on_both_engines};

use crate::cli_stage::Stage;
use crate::doors::{event, now};
use crate::until;

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Node {
    serving: Serving,
    stage: Stage,
    url: String,
    http: reqwest::Client,
}

impl Node {
    async fn start(test: &TestDb) -> Node {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let stage = Stage::on(test)
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("STRIPE_SECRET", "sk_test_process")
            .with("STRIPE_API_BASE", "http://127.0.0.1:9")
            .with("STRIPE_EVENTS", "push")
            .with("STRIPE_WEBHOOK_SECRET_FILE", "hook")
            .with("DB_POOL_MAX", "4");
        stage.file("hook", "whsec_first");
        let serving = stage.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (serving, url) = (Serving(serving), format!("http://127.0.0.1:{port}"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let node = Node { serving, stage, url, http };
        until("it is ready", async || {
            let asked = node.http.get(format!("{}/readyz", node.url)).send().await;
            asked.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        node
    }

    /// So many times a secret was read again, and another value came to count.
    async fn changed(&self) -> String {
        let text = self.http.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("secret_refetch_total{outcome=\"changed\"}"));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    }

    async fn takes(&self, secret: &str) -> u16 {
        let body = event("evt_1").to_string().into_bytes();
        let signature = sign(&body, &Secret::new(secret).unwrap(), now());
        let request = self.http.post(format!("{}/webhooks/stripe", self.url)).body(body);
        request.header("Stripe-Signature", signature).send().await.unwrap().status().as_u16()
    }
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// The hang-up does not end the server, and what lies in the file counts afterwards. A refresh that a command asks for
    /// on the same database does the same, and stands in the audit log with its reason.
    async fn sighup_and_a_refresh_from_the_command_line_reach_a_running_server(test: TestDb) {
        let mut node = Node::start(&test).await;
        node.stage.file("hook", "whsec_second");
        let id = node.serving.0.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        until("the hang-up was heard", async || node.changed().await == "1").await;
        assert_eq!((node.takes("whsec_second").await, node.takes("whsec_first").await), (200, 200));
        assert!(node.serving.0.try_wait().unwrap().is_none(), "a hang-up does not end it");

        node.stage.file("hook", "whsec_third");
        node.stage.run(&["secrets", "refresh", "--reason", "rolled at Stripe"]).ends(0);
        tokio::time::sleep(Duration::from_millis(10)).await;
        until("the refresh was heard", async || node.changed().await == "2").await;
        assert_eq!((node.takes("whsec_third").await, node.takes("whsec_other").await), (200, 401));
        let log = node.stage.run(&["audit", "list", "--json", "--type", "secrets_refreshed"]).ends(0).json();
        assert_eq!(log["data"][0]["reason"], "rolled at Stripe", "{log}");
    }
}
