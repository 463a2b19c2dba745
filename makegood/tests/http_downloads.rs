//! Files and films over real HTTP: every answer in its order, redirects and JSON, and the operator's side.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use doors::{ADMIN_TOKEN, Server, Wish};
use ops::Role;
use serde_json::{Value, json};
use shop::content::ContentFile;
use testkit::on_both_engines;

const ADA: &str = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
const BOB: &str = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f71";
const CONTENT: &str = r#"
[[course]]
id = "rust-course"
[[course.module]]
id = "basics"
title = "Basics"
[[course.module.lesson]]
id = "hello"
title = "Hello"
stream_video_id = "film-1"
[[course.resource]]
id = "slides"
title = "Slides"
object_key = "rust/slides.pdf"
"#;

struct Stage {
    server: Server,
    app: String,
    resource: String,
    lesson: String,
}

impl Stage {
    async fn set(test: &testkit::TestDb) -> Stage {
        let server =
            Server::start_as(test, Wish { in_memory: true, ..Wish::default() }).await.with_catalog().await;
        let app = server.token(Role::App).await;
        for (id, email) in [(ADA, "ada@example.com"), (BOB, "bob@example.com")] {
            let made = json!({ "id": id, "email": email, "reason": "signed up" });
            assert_eq!(server.post("/api/v1/admin/customers/create", Some(&app), &made).await.status, 200);
        }
        let content = ContentFile::parse("content.toml", CONTENT).unwrap();
        let body = json!({ "content": content, "reason": "a course is ready" });
        let done = server.post("/api/v1/admin/courses/import", Some(ADMIN_TOKEN), &body).await;
        assert_eq!((done.status, done.body["changed"].as_u64()), (200, Some(1)), "{}", done.text);
        server.disk.lay("rust/slides.pdf", 5);
        server.streams.lay("film-1");
        let gift = json!({ "user": ADA, "course": "rust-course", "reason": "a gift" });
        let given = server.post("/api/v1/admin/entitlements/grant", Some(ADMIN_TOKEN), &gift).await;
        assert_eq!(given.status, 200, "{}", given.text);
        let shown = server.get("/api/v1/admin/courses/rust-course", Some(ADMIN_TOKEN)).await.body;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (resource, lesson) =
            (text(&shown["resources"][0]["id"]), text(&shown["modules"][0]["lessons"][0]["id"]));
        Stage { server, app, resource, lesson }
    }

    fn file(&self, user: &str) -> String {
        format!("/api/v1/entitlements/rust-course/download/{}?user_id={user}", self.resource)
    }

    /// Status and code.
    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let answer = self.server.get(path, token).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn throw(&self, verb: &str) {
        let body = json!({ "reason": "a file leaked" });
        let path = format!("/api/v1/admin/downloads/{verb}");
        assert_eq!(self.server.post(&path, Some(ADMIN_TOKEN), &body).await.status, 200);
    }
}

fn said(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn every_answer_comes_in_its_order(test: TestDb) {
        let stage = Stage::set(&test).await;
        let (app, ada, bob) = (stage.app.clone(), stage.file(ADA), stage.file(BOB));
        let order = format!("/api/v1/orders/ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70/download/{}?user_id={ADA}", stage.resource);
        stage.throw("disable").await;
        for token in [None, Some(app.as_str()), Some("no-token-of-ours-at-all")] {
            assert_eq!(stage.get(&ada, token).await, said(403, "downloads_disabled"), "{token:?}");
        }
        stage.throw("enable").await;
        assert_eq!(stage.get(&ada, None).await, said(401, "unauthenticated"));
        assert_eq!(stage.get(&ada, Some("no-token-of-ours-at-all")).await, said(401, "unauthenticated"));
        assert_eq!(stage.get(&bob, Some(&app)).await, said(403, "no_entitlement"));
        assert_eq!(stage.get(&order, Some(&app)).await, said(403, "no_entitlement"));
        let nothing = format!("/api/v1/entitlements/rust-course/download/../../etc?user_id={ADA}");
        assert_eq!(stage.get(&nothing, Some(&app)).await.0, 404);
        let unknown = format!("/api/v1/entitlements/rust-course/download/slides?user_id={ADA}");
        assert_eq!(stage.get(&unknown, Some(&app)).await, said(404, "not_found"));
        stage.server.disk.lose("rust/slides.pdf");
        assert_eq!(stage.get(&ada, Some(&app)).await, said(404, "object_missing"));
        stage.server.disk.silence(true);
        let busy = stage.server.get(&ada, Some(&app)).await;
        assert_eq!((busy.status, busy.code()), (503, "busy"));
        assert!(!busy.text.contains("silent"), "what the disk said is for the log: {}", busy.text);
        stage.server.disk.silence(false);
        stage.server.disk.lay("rust/slides.pdf", 5);
        assert_eq!(stage.get(&ada, Some(&app)).await, said(302, ""));
        let path = stage.file("").replace("?user_id=", "");
        assert_eq!(stage.get(&path, Some(&app)).await, said(422, "invalid_input"));
        stage.server.stop().await;
    }

    async fn a_link_comes_as_a_redirect_or_as_json_and_is_written_down_without_itself(test: TestDb) {
        let stage = Stage::set(&test).await;
        let answer = stage.server.http.get(format!("{}{}", stage.server.url, stage.file(ADA)))
            .bearer_auth(&stage.app).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let to = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(to.starts_with("memory:rust/slides.pdf?name=slides.pdf&expires="), "{to}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let film = format!("{}/api/v1/lessons/{}/stream?user_id={ADA}", stage.server.url, stage.lesson);
        let answer = stage.server.http.get(film).bearer_auth(&stage.app).header("accept", "application/json").send();
        let shown: Value = serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!((shown["object"].as_str(), shown["kind"].as_str()), (Some("download"), Some("film")));
        assert_eq!(shown["url"], "https://player.invalid/film-1/iframe");
        let content = format!("/api/v1/entitlements/rust-course/content?user_id={ADA}");
        let shown = stage.server.get(&content, Some(&stage.app)).await;
        assert_eq!(shown.body["modules"][0]["lessons"][0]["has_film"], true, "{}", shown.text);
        assert!(!shown.text.contains("rust/slides.pdf") && !shown.text.contains("film-1"), "{}", shown.text);
        assert_eq!(stage.get(&content.replace(ADA, BOB), Some(&stage.app)).await, said(403, "no_entitlement"));
        let link = json!({ "user": ADA, "reason": "the link in the mail was old" });
        let path = format!("/api/v1/admin/downloads/{}/link", stage.resource);
        let made = stage.server.post(&path, Some(ADMIN_TOKEN), &link).await;
        assert!(made.text.contains("memory:rust/slides.pdf"), "{}", made.text);
        let log = stage.server.get("/api/v1/admin/downloads/log", Some(ADMIN_TOKEN)).await;
        assert_eq!(log.body["data"].as_array().unwrap().len(), 3, "{}", log.text);
        let audit = stage.server.get("/api/v1/admin/audit-logs?limit=100", Some(ADMIN_TOKEN)).await;
        assert!(!audit.text.contains("memory:") && audit.text.contains("download_link_made"), "{}", audit.text);
        stage.server.stop().await;
    }
}
