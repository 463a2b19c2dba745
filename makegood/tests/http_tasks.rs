//! The doors of tasks, with tasks of the test's own: what is asked by whom and how, what is written down, what survives a
//! client, a crash and a stop.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use db::TxResult;
use doors::{ADMIN_TOKEN, Answer, Server, Wish};
use kernel::{Duration, Error, Refusal};
use makegood::app::App;
use makegood::http::error_pages::ErrorPage;
use makegood::http::routes::{Route, mount, of_tasks};
use ops::audit::{self, Entry};
use ops::runs::{self, Begun, SILENCE, Seen};
use ops::{Actor, By, Changing, Done, Effect, Progress, Risk, Role, Running, Task, TaskDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop::Shop;
use testkit::{TestDb, on_both_engines};

/// Count to a number; each step leaves a mark where it is applied
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
struct Count {
    /// How far
    #[schemars(range(min = 0))]
    to: u64,
    /// Milliseconds for each step
    #[arg(long, default_value_t = 0)]
    #[serde(default)]
    pause: u64,
    /// Leave marks
    #[arg(long)]
    #[serde(default)]
    apply: bool,
    /// How to end
    #[arg(long)]
    #[serde(default)]
    end: Option<String>,
}

/// How many steps were taken, by the word under which.
static LOOKED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

impl Count {
    async fn count(&self, shop: &Shop, by: &By, progress: &dyn Progress) -> kernel::Result<Done> {
        for step in 0..self.to {
            progress.at(step, Some(self.to), "steps");
            tokio::time::sleep(Duration::from_millis(self.pause)).await;
            if self.apply {
                mark(shop, by).await?;
            }
            *LOOKED.lock().unwrap().entry(self.end.clone().unwrap_or_default()).or_default() += 1;
        }
        progress.at(self.to, Some(self.to), "steps");
        match self.end.as_deref() {
            Some("down") => Err(Error::Busy("Stripe cannot be reached".into())),
            Some("refused") => Err(Refusal::new("out_of_stock", "none is left").fix("wait").into()),
            Some("bug") => Err(Error::bug("the secret of the house")),
            Some("panic") => panic!("on purpose"),
            _ => Ok(Done::list((0..self.to).map(|n| json!({ "n": n })).collect()).findings(self.to)),
        }
    }
}

async fn mark(shop: &Shop, by: &By) -> kernel::Result<()> {
    let (cx, actor) = (shop.cx(), by.actor.clone());
    let marked = shop.db.write("test.mark", move |tx| {
        audit::record(tx, &cx, vec![Entry::new("counted_one", actor.clone(), "test", "x")])
    });
    marked.await.safe_to_repeat().map(drop)
}

impl Task<Shop> for Count {
    const NAME: &'static str = "probes.count";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["n"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect =
        Effect::Either(Changing { audit: "counted", risk: Risk::Safe, role: Role::Operator });

    fn changes(&self) -> bool {
        self.apply
    }
    fn preview(self) -> Option<Self> {
        Some(Count { apply: false, ..self })
    }
    fn run<'a>(&'a self, on: &'a Shop, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(self.count(on, by, progress))
    }
}

/// Look at one thing
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
struct Look {
    /// Which
    thing: String,
}

impl Task<Shop> for Look {
    const NAME: &'static str = "probe";
    const SUBJECT: Option<&'static str> = Some("thing");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, _: &'a Shop, _: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(async { Ok(Done::new(json!({ "object": "thing", "id": self.thing }))) })
    }
}

/// Do what nobody can foresee
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
struct Leap {}

impl Task<Shop> for Leap {
    const NAME: &'static str = "probes.leap";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Changes(Changing { audit: "leapt", risk: Risk::Final, role: Role::Admin });

    fn run<'a>(&'a self, on: &'a Shop, by: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            mark(on, by).await?;
            Ok(Done::new(json!({ "object": "leap", "far": 3 })))
        })
    }
}

const TASKS: &[TaskDef<Shop>] = &[TaskDef::of::<Count>(), TaskDef::of::<Look>(), TaskDef::of::<Leap>()];
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| of_tasks(TASKS).collect());

const COUNT: &str = "/api/v1/admin/probes/count";
const LEAP: &str = "/api/v1/admin/probes/leap";

fn beside(app: &Arc<App>) -> Router {
    mount(app, ROUTES.iter())
}

async fn server(test: &TestDb) -> Server {
    Server::start_as(test, Wish { beside, ..Wish::default() }).await
}

async fn marks(server: &Server) -> i64 {
    server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'counted_one'").await
}

/// The entries of runs in the audit log, oldest first: type, reason and data.
async fn entries(server: &Server) -> Vec<(String, Option<String>, Value)> {
    let rows = server.app.shop.db.read("test.entries", |tx| {
        let sql = "SELECT event_type, reason, data FROM audit_logs WHERE subject_type = 'run' ORDER BY id";
        tx.query(sql, &[])?
            .iter()
            .map(|row| Ok((row.get("event_type")?, row.get("reason")?, row.get("data")?)))
            .collect()
    });
    rows.await.unwrap()
}

async fn runs_kept(server: &Server) -> i64 {
    server.count("SELECT COUNT(*) FROM task_runs").await
}

/// Asks for a run until it has ended.
async fn ended(server: &Server, id: &str) -> Value {
    for _ in 0..200 {
        let run = server.get(&format!("/api/v1/admin/runs/{id}"), Some(ADMIN_TOKEN)).await;
        assert_eq!(run.status, 200, "{}", run.text);
        if run.body["status"] != "running" {
            return run.body;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} does not end");
}

async fn only_run(server: &Server) -> String {
    let list = server.get("/api/v1/admin/runs", Some(ADMIN_TOKEN)).await;
    let data = list.body["data"].as_array().unwrap().clone();
    assert_eq!(data.len(), 1, "{}", list.text);
    data[0]["id"].as_str().unwrap().to_owned()
}

async fn impatient(server: &Server, body: &Value, key: Option<&str>) -> Answer {
    let mut headers = vec![("Prefer", "respond-async, wait=0")];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    server.post_with(COUNT, Some(ADMIN_TOKEN), body, &headers).await
}

fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_wrong_is_refused_before_anything_begins(test: TestDb) {
        let server = server(&test).await;
        let (viewer, operator) = (server.token(Role::Viewer).await, server.token(Role::Operator).await);
        is_problem(&server.get(COUNT, Some(&viewer)).await, 422, "invalid_input");
        for query in ["to=many", "to=-1", "to=1&apply=perhaps", "to=1&reason=x", "to=1&to=2"] {
            is_problem(&server.get(&format!("{COUNT}?{query}"), Some(&viewer)).await, 422, "invalid_input");
        }
        // A GET changes nothing, whatever it says.
        let get = server.get(&format!("{COUNT}?to=1&apply=true"), Some(&operator)).await;
        is_problem(&get, 405, "method_not_allowed");
        assert_eq!(get.header("allow"), "POST");
        is_problem(&server.get(LEAP, Some(ADMIN_TOKEN)).await, 405, "method_not_allowed");
        is_problem(&server.get(&format!("{COUNT}?to=1"), None).await, 401, "unauthenticated");
        let change = json!({ "to": 1, "apply": true, "reason": "tests" });
        is_problem(&server.post(COUNT, Some(&viewer), &change).await, 403, "forbidden");
        is_problem(&server.post(LEAP, Some(&operator), &json!({ "reason": "x" })).await, 403, "forbidden");
        is_problem(&server.get("/api/v1/admin/probe/x", Some(&viewer)).await, 403, "forbidden");
        for reason in [json!(null), json!(" ")] {
            let unexplained = json!({ "to": 1, "apply": true, "reason": reason });
            is_problem(&server.post(COUNT, Some(&operator), &unexplained).await, 422, "reason_required");
        }
        let planned = json!({ "to": 1, "apply": true, "reason": "x", "plan_id": "plan_1" });
        is_problem(&server.post(COUNT, Some(&operator), &planned).await, 422, "invalid_input");
        is_problem(&server.post(LEAP, Some(ADMIN_TOKEN), &json!({ "dry_run": true })).await, 422, "no_preview");
        is_problem(&server.get("/api/v1/admin/runs/run_0199f3a27b3c7d2e8f1a2b3c4d5e6f70", Some(&viewer)).await, 404, "not_found");
        assert_eq!((marks(&server).await, runs_kept(&server).await), (0, 0));
        server.stop().await;
    }

    async fn what_only_looks_leaves_no_trace(test: TestDb) {
        let server = server(&test).await;
        let viewer = server.token(Role::Viewer).await;
        let counted = server.get(&format!("{COUNT}?to=2"), Some(&viewer)).await;
        assert_eq!((counted.status, &counted.body["findings"]), (200, &json!(2)), "{}", counted.text);
        assert_eq!(counted.body["data"], json!([{ "n": 0 }, { "n": 1 }]));
        let one = server.get("/api/v1/admin/probe/a%20b", Some(ADMIN_TOKEN)).await;
        assert_eq!(one.body, json!({ "object": "thing", "id": "a b" }));
        let dry = json!({ "to": 2, "apply": true, "dry_run": true });
        let dry = server.post(COUNT, Some(ADMIN_TOKEN), &dry).await;
        assert_eq!((dry.status, &dry.body), (200, &counted.body), "{}", dry.text);
        assert_eq!((marks(&server).await, runs_kept(&server).await), (0, 0));
        assert!(entries(&server).await.is_empty());
        server.stop().await;
    }

    async fn what_changes_is_written_down_and_audited_once(test: TestDb) {
        let server = server(&test).await;
        let operator = server.token(Role::Operator).await;
        let done = server.post(COUNT, Some(&operator), &json!({ "to": 2, "apply": true, "reason": "why not" })).await;
        assert_eq!((done.status, &done.body["findings"]), (200, &json!(2)), "{}", done.text);
        assert_eq!(marks(&server).await, 2);
        let [(kind, reason, data)] = entries(&server).await.try_into().unwrap();
        assert_eq!((kind.as_str(), reason.as_deref()), ("counted", Some("why not")));
        assert_eq!(data["summary"], json!({ "object": "list", "has_more": false, "findings": 2 }), "no rows");
        assert_eq!((&data["input"]["to"], &data["status"], &data["done"]), (&json!(2), &json!("done"), &json!(2)));
        let run = ended(&server, &only_run(&server).await).await;
        assert_eq!((&run["status"], &run["answer"], &run["actor"]), (&json!("done"), &done.body, &json!("operator")));
        assert_eq!((&run["done"], &run["total"], &run["changes"]), (&json!(2), &json!(2), &json!(true)));
        server.stop().await;
    }

    async fn what_takes_longer_is_asked_for_by_its_run(test: TestDb) {
        let server = server(&test).await;
        for (apply, status) in [(true, "done"), (false, "done")] {
            let body = json!({ "to": 30, "pause": 100, "apply": apply, "reason": "tests" });
            let answer = impatient(&server, &body, None).await;
            assert_eq!((answer.status, answer.body["object"].as_str()), (202, Some("run")), "{}", answer.text);
            assert_eq!(answer.body["status"], "running");
            let id = answer.body["id"].as_str().unwrap();
            assert_eq!(answer.header("location"), format!("/api/v1/admin/runs/{id}"));
            // It says how far it is, before it ends.
            let mut seen = 0;
            for _ in 0..40 {
                let run = server.get(&format!("/api/v1/admin/runs/{id}"), Some(ADMIN_TOKEN)).await.body;
                if run["status"] == "running" && run["done"].as_i64() > Some(0) {
                    assert_eq!((&run["total"], &run["what"]), (&json!(30), &json!("steps")));
                    seen += 1;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(seen > 0, "nobody heard of it");
            let run = ended(&server, id).await;
            assert_eq!((&run["status"], &run["answer"]["findings"]), (&json!(status), &json!(30)));
        }
        assert_eq!((marks(&server).await, entries(&server).await.len()), (30, 1));
        server.stop().await;
    }

    async fn a_client_that_goes_away_ends_a_look_and_no_change(test: TestDb) {
        let server = server(&test).await;
        let slow = json!({ "to": 6, "pause": 100, "apply": true, "reason": "tests" });
        let gone = server.http.post(format!("{}{COUNT}", server.url)).bearer_auth(ADMIN_TOKEN).json(&slow);
        gone.timeout(Duration::from_millis(200)).send().await.unwrap_err();
        let run = ended(&server, &only_run(&server).await).await;
        assert_eq!((&run["status"], marks(&server).await), (&json!("done"), 6));
        let word = format!("away-from-{}", server.address);
        let look = server.http.get(format!("{}{COUNT}?to=10&pause=100&end={word}", server.url));
        look.bearer_auth(ADMIN_TOKEN).timeout(Duration::from_millis(350)).send().await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let steps = LOOKED.lock().unwrap().get(&word).copied();
        assert!(steps.is_some_and(|steps| steps < 8), "{steps:?}: it was cut off");
        assert_eq!(runs_kept(&server).await, 1);
        server.stop().await;
    }

    async fn one_key_is_one_run_however_often_it_is_asked_for(test: TestDb) {
        let server = server(&test).await;
        let body = json!({ "to": 8, "pause": 100, "apply": true, "reason": "tests" });
        let first = impatient(&server, &body, Some("k")).await;
        let second = impatient(&server, &body, Some("k")).await;
        assert_eq!((first.status, second.status), (202, 202), "{} {}", first.text, second.text);
        assert_eq!(first.body["id"], second.body["id"]);
        // Who waits for it gets its answer, and so does everyone after.
        let key = [("Idempotency-Key", "k")];
        let third = server.post_with(COUNT, Some(ADMIN_TOKEN), &body, &key).await;
        assert_eq!((third.status, &third.body["findings"]), (200, &json!(8)), "{}", third.text);
        let fourth = impatient(&server, &body, Some("k")).await;
        assert_eq!((fourth.status, fourth.header("idempotency-hit"), &fourth.text), (200, "true", &third.text));
        let other = json!({ "to": 9, "apply": true, "reason": "tests" });
        is_problem(&impatient(&server, &other, Some("k")).await, 422, "idempotency_key_reused");
        assert_eq!((marks(&server).await, entries(&server).await.len(), runs_kept(&server).await), (8, 1, 1));
        server.stop().await;
    }

    async fn a_run_that_fails_says_why_to_whoever_asks(test: TestDb) {
        let server = server(&test).await;
        for (end, status, code) in [
            ("down", 503, "busy"), ("refused", 409, "out_of_stock"), ("bug", 500, "internal_error"), ("panic", 500, "internal_error"),
        ] {
            let look = server.get(&format!("{COUNT}?to=1&end={end}"), Some(ADMIN_TOKEN)).await;
            is_problem(&look, status, code);
            let body = json!({ "to": 1, "apply": true, "end": end, "reason": end });
            let change = server.post(COUNT, Some(ADMIN_TOKEN), &body).await;
            is_problem(&change, status, code);
            assert!(!change.text.contains("secret"), "{}", change.text);
            let list = server.get("/api/v1/admin/runs?limit=1&status=failed", Some(ADMIN_TOKEN)).await;
            let run = &list.body["data"][0];
            assert_eq!((&run["error"]["code"], &run["reason"]), (&json!(code), &json!(end)));
            assert!(!run.to_string().contains("secret"), "{run}");
            let (kind, reason, data) = entries(&server).await.pop().unwrap();
            assert_eq!((kind.as_str(), reason.as_deref(), &data["error"]["code"]), ("counted", Some(end), &json!(code)));
        }
        assert_eq!((entries(&server).await.len(), runs_kept(&server).await), (4, 4));
        server.stop().await;
    }

    /// What may succeed later is begun again under the same key; what a rule refused stays refused.
    async fn a_key_leads_to_a_new_run_only_where_that_may_help(test: TestDb) {
        let server = server(&test).await;
        for (end, key, runs) in [("refused", "r", 1), ("down", "d", 3)] {
            let body = json!({ "to": 1, "pause": 100, "apply": true, "end": end, "reason": "tests" });
            let begun = impatient(&server, &body, Some(key)).await;
            assert_eq!(begun.status, 202, "{}", begun.text);
            ended(&server, begun.body["id"].as_str().unwrap()).await;
            let again = server.post_with(COUNT, Some(ADMIN_TOKEN), &body, &[("Idempotency-Key", key)]).await;
            assert!(again.status == 409 || again.status == 503, "{}", again.text);
            assert_eq!(runs_kept(&server).await, runs, "{end}");
        }
        server.stop().await;
    }

    async fn a_run_that_is_cut_off_says_so_and_may_be_begun_again(test: TestDb) {
        let first = server(&test).await;
        let body = json!({ "to": 5, "pause": 200, "apply": true, "reason": "tests" });
        let begun = impatient(&first, &body, Some("k")).await;
        let id = begun.body["id"].as_str().unwrap().to_owned();
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.app.tasks.stop(Duration::from_secs(5)).await;
        let run = ended(&first, &id).await;
        assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("interrupted")));
        let done = marks(&first).await;
        assert!((1..5).contains(&done), "{done}");
        first.stop().await;
        let second = server(&test).await;
        let again = second.post_with(COUNT, Some(ADMIN_TOKEN), &body, &[("Idempotency-Key", "k")]).await;
        assert_eq!((again.status, &again.body["findings"]), (200, &json!(5)), "{}", again.text);
        assert_eq!((marks(&second).await, entries(&second).await.len()), (done + 5, 2));
        second.stop().await;
    }

    /// The process dies: its run is closed by whoever notices, once, with its entry in the audit log.
    async fn a_run_whose_process_died_is_closed_once(test: TestDb) {
        let server = server(&test).await;
        let cx = server.app.shop.cx();
        let by = By { actor: Actor::operator("kim"), role: Role::Admin, reason: Some("tests".into()), request_id: None };
        let begun = |task, audit, ago| Begun {
            id: cx.id(), task, input: json!({}), by: by.clone(), audit, started_at: cx.now - ago,
        };
        let dead = [
            begun("probes.dead", Some("counted"), SILENCE * 2), begun("probes.look", None, SILENCE * 2),
        ];
        let alive = begun("probes.alive", Some("counted"), SILENCE / 2);
        let all: Vec<Begun> = dead.iter().cloned().chain([alive.clone()]).collect();
        server.app.shop.db.write("test.begin", move |tx| all.iter().try_for_each(|run| runs::begin(tx, run, None))).await.unwrap();
        // Whoever begins another, and whoever sweeps: the first closes it.
        let next = server.post(LEAP, Some(ADMIN_TOKEN), &json!({ "reason": "next" })).await;
        assert_eq!((next.status, &next.body["far"]), (200, &json!(3)), "{}", next.text);
        makegood::worker::sweep(&server.app).await.unwrap();
        for run in &dead {
            let run = ended(&server, &run.id.to_string()).await;
            assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("interrupted")));
        }
        let [(_, reason, data), (_, after, _)] = entries(&server).await.try_into().unwrap();
        assert_eq!((reason.as_deref(), &data["task"]), (Some("tests"), &json!("probes.dead")));
        assert_eq!(after.as_deref(), Some("next"));
        // One that was taken for dead and comes back changes nothing any more.
        let (late, at) = (dead[0].id, cx.clone());
        let end = move |tx: &mut db::Tx<'_>| runs::end(tx, &at, late, &Seen::default(), &Ok(Done::new(json!({}))));
        server.app.shop.db.write("test.end", end).await.unwrap();
        assert_eq!(entries(&server).await.len(), 2);
        let still = server.get(&format!("/api/v1/admin/runs/{}", alive.id), Some(ADMIN_TOKEN)).await;
        assert_eq!(still.body["status"], "running");
        // Long afterwards it is let go of; the audit log keeps it.
        let later = cx.at(cx.now + runs::KEPT + SILENCE);
        server.app.shop.db.write("test.tidy", move |tx| runs::tidy(tx, &later)).await.unwrap();
        assert_eq!((runs_kept(&server).await, entries(&server).await.len()), (1, 3));
        server.stop().await;
    }
}

#[test]
fn a_tasks_words_are_its_route() {
    let seen: Vec<(String, &str, &str)> =
        ROUTES.iter().map(|route| (route.method.to_string(), route.path, route.name)).collect();
    let expected = [
        ("GET", COUNT, "probes.count"),
        ("POST", COUNT, "probes.count.change"),
        ("GET", "/api/v1/admin/probe/{id}", "probe"),
        ("POST", LEAP, "probes.leap"),
    ];
    assert_eq!(seen, expected.map(|(method, path, name)| (method.to_owned(), path, name)));
    assert!(["interrupted", "no_preview"].iter().all(|code| ErrorPage::find(code).is_some()));
}
