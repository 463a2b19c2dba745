//! Secrets that change while the server runs: over real HTTP, from files and from a Secrets Manager, with real processes.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

#[path = "../doors/mod.rs"]
mod doors;

#[path = "../cli_stage/mod.rs"]
mod cli_stage;

mod api_key;
mod manager;
mod official;
mod planted;
mod process;
mod rolls;
mod strangers;

use std::path::{Path, PathBuf};

use doors::{Server, Wish};
use makegood::secrets::watch::{self, Watch};
use serde_json::Value;
use testkit::TestDb;

/// A secret in a file of its own.
pub struct Lies {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Lies {
    /// It, with this text.
    pub fn with(name: &'static str, text: &str) -> Lies {
        let lies = Lies { folder: tempfile::tempdir().unwrap(), name };
        lies.write(text);
        lies
    }
    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }
    /// As editors and operators write: another file takes its place at once.
    pub fn write(&self, text: &str) {
        let beside = self.folder.path().join("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, self.path()).unwrap();
    }
    /// The same, for a setting.
    pub fn shown(&self) -> String {
        shown(&self.path())
    }
}

/// A path as a text.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A server whose signing secret lies in this file, and its watch.
pub async fn served(test: &TestDb, hook: &Lies, more: Vec<(&'static str, String)>) -> (Server, Watch) {
    let mut environment =
        vec![("STRIPE_WEBHOOK_SECRET", String::new()), ("STRIPE_WEBHOOK_SECRET_FILE", hook.shown())];
    environment.extend(more);
    let server = Server::start_as(test, Wish { environment, newest_key: true, ..Wish::default() }).await;
    let watch = watch::start(&server.app);
    (server, watch)
}

/// The rows of `secrets list` about one secret.
pub async fn listed(server: &Server, name: &str) -> Vec<Value> {
    let answer = server.get("/api/v1/admin/secrets", Some(doors::ADMIN_TOKEN)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let rows = answer.body["data"].as_array().unwrap().clone();
    rows.into_iter().filter(|row| row["name"] == name).collect()
}

/// `secrets refresh`, through the API.
pub async fn refreshed(server: &Server) -> Value {
    let body = serde_json::json!({ "reason": "a roll" });
    let answer = server.post("/api/v1/admin/secrets/refresh", Some(doors::ADMIN_TOKEN), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// What a refresh came to for one secret.
pub fn came_of(answer: &Value, name: &str) -> Value {
    let rows = answer["data"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {answer}")).clone()
}

/// Waits until `is_so`.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("it never came to be that {what}");
}
