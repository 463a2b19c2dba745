//! Commands that talk to Stripe and may take long: the real binary, with a Stripe that answers, one that is away, and one
//! that takes the call and says nothing.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cli_stage::{Said, Stage};
use kernel::{Clock, FixedClock};
use makegood::clock::{OsEntropy, SystemClock};
use sandbox::http::{Shared, router};
use sandbox::{ApiRequest, Payment, Sandbox, Settings};
use testkit::TestDb;

const ADMIN: &str = "an-admin-token-for-tests";
const AWAY: &str = "http://127.0.0.1:1";

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Stripe that takes every call and answers none.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut calls = Vec::new();
        listener.incoming().for_each(|call| calls.push(call));
    });
    format!("http://{address}")
}

/// A Stripe at which two people bought something an hour ago, and told nobody.
fn with_two_purchases() -> String {
    let clock = FixedClock::new(SystemClock.now() - Duration::from_secs(3_600));
    let stripe = Shared::new(Sandbox::new(Settings::default()), clock.clone(), Arc::new(OsEntropy));
    for _ in 0..2 {
        stripe.with(|account, cx| {
            let form = "mode=payment&success_url=https://shop.test/thanks&customer_email=buyer@example.com\
                        &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=4900\
                        &line_items[0][price_data][product_data][name]=Tea&line_items[0][quantity]=1";
            let session = account.handle(&ApiRequest::post("/v1/checkout/sessions", form), cx).body;
            account.pay(session["id"].as_str().unwrap(), &Payment::by_card("4242424242424242"), cx).unwrap();
        });
    }
    clock.advance(Duration::from_secs(3_600));
    let address = format!("127.0.0.1:{}", port());
    let bound = address.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(bound).await.unwrap();
            axum::serve(listener, router(stripe)).await.unwrap();
        });
    });
    format!("http://{address}")
}

/// Commands on this database with this Stripe.
fn stage(test: &TestDb, stripe: &str) -> Stage {
    Stage::on(test)
        .with("STRIPE_SECRET", "sk_test_0123456789abcdef")
        .with("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef")
        .with("STRIPE_API_BASE", stripe)
}

/// A process that goes away with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Running {
    fn start(stage: &Stage, line: &str) -> Running {
        let mut command = stage.command(&line.split(' ').collect::<Vec<_>>());
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Presses Ctrl-C, and waits for what it says.
    fn interrupted(mut self) -> Said {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let begun = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(15), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = String::new();
            pipe.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let out = read(self.0.stdout.as_mut().map(|pipe| pipe as _));
        let err = read(self.0.stderr.as_mut().map(|pipe| pipe as _));
        Said { code: self.0.wait().unwrap().code().expect("it ends by itself"), out, err }
    }
}

/// Waits for the only run on this database.
fn the_run(stage: &Stage) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let runs = stage.type_in("runs list --json").ends(0).json();
        if let [run] = runs["data"].as_array().unwrap().as_slice() {
            return run.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{runs}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server with this Stripe, and the commands that go through it.
fn served(test: &TestDb, stripe: &str) -> (Running, Stage) {
    let address = format!("127.0.0.1:{}", port());
    let server = stage(test, stripe).with("LISTEN", &address).with("ADMIN_TOKEN", ADMIN).with("WORKERS", "0");
    let child = server.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let child = Running(child);
    let remote =
        Stage::bare().with("MAKEGOOD_URL", format!("http://{address}")).with("MAKEGOOD_TOKEN", ADMIN);
    let begun = Instant::now();
    while remote.type_in("health --ready").code != 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server is not ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, remote)
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_the_flags_do_not_say_is_asked_for_and_nothing_begins(test: TestDb) {
        let stage = stage(&test, AWAY);
        let why = stage.type_in("events backfill").ends(2);
        assert!(why.err.contains("--reason"), "{why:?}");
        let plan = stage.type_in("events backfill --reason x --plan plan_1").ends(2);
        assert!(plan.err.contains("--dry-run"), "{plan:?}");
        let wrong = stage.type_in("events gaps --since yesterday-ish --json").ends(2);
        assert_eq!(wrong.problem()["code"], "invalid_input", "{wrong:?}");
        let dry = stage.type_in("events backfill --dry-run --json").ends(2);
        assert_eq!(dry.problem()["code"], "no_preview", "{dry:?}");
        assert!(stage.type_in("runs list").ends(0).out.is_empty());
        stage.type_in("runs show run_0199f3a27b3c7d2e8f1a2b3c4d5e6f70").ends(5);
    }

    /// The runbook's own word for it prints the count that it speaks of.
    async fn an_old_runbooks_command_leads_to_the_task(test: TestDb) {
        let stage = stage(&test, AWAY);
        let asked = stage.type_in("CleanupFailedPaymentsFunction --reason x --json");
        let said = stage.type_in("CleanupFailedPaymentsFunction --reason x --yes --json").ends(0);
        assert_eq!(said.json()["cancelled"], 0, "{said:?} {asked:?}");
        assert!(asked.code == 0 || asked.err.contains("--yes"), "{asked:?}");
        assert_eq!(stage.type_in("runs list --task orders.cleanup-failed --json").json()["data"][0]["status"], "done");
    }

    async fn a_stripe_that_is_away_ends_with_10_here_and_through_a_server(test: TestDb) {
        let local = stage(&test, AWAY);
        let (_server, remote) = served(&test, AWAY);
        for (line, runs) in [("events gaps --json", 0), ("events backfill --reason x --json", 1)] {
            let (here, there) = (local.type_in(line).ends(10), remote.type_in(line).ends(10));
            assert_eq!(here.problem()["code"], there.problem()["code"], "{here:?} {there:?}");
            assert!(here.out.is_empty() && there.out.is_empty(), "{here:?} {there:?}");
            let kept = local.type_in("runs list --status failed --json").ends(0).json();
            assert_eq!(kept["data"].as_array().unwrap().len(), runs * 2, "{kept}");
        }
        let audit = local.type_in("audit list --type events_backfilled --json").ends(0).json();
        assert_eq!(audit["data"].as_array().unwrap().len(), 2, "{audit}");
        assert_eq!(audit["data"][0]["data"]["error"]["code"], "busy", "{audit}");
    }

    async fn ctrl_c_ends_with_130_and_writes_down_that_it_was_cut_off(test: TestDb) {
        let stage = stage(&test, &silent());
        let backfill = Running::start(&stage, "events backfill --reason tests");
        assert_eq!(the_run(&stage)["status"], "running");
        let said = backfill.interrupted();
        assert_eq!((said.code, said.out.as_str()), (130, ""), "{said:?}");
        assert!(said.err.contains("stays done"), "{said:?}");
        let run = the_run(&stage);
        assert_eq!((&run["status"], &run["error"]["code"]), (&"failed".into(), &"interrupted".into()), "{run}");
        stage.type_in("check").ends(0);
        let gaps = Running::start(&stage, "events gaps --json");
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(gaps.interrupted().code, 130);
    }

    /// Whoever stops waiting does not stop the server.
    async fn ctrl_c_through_a_server_only_ends_the_waiting(test: TestDb) {
        let (server, remote) = served(&test, &silent());
        let backfill = Running::start(&remote, "events backfill --reason tests");
        let id = the_run(&remote)["id"].as_str().unwrap().to_owned();
        std::thread::sleep(Duration::from_secs(4));
        let said = backfill.interrupted();
        assert_eq!(said.code, 130, "{said:?}");
        assert!(said.err.contains(&format!("makegood runs show {id}")), "{said:?}");
        assert_eq!(remote.type_in(&format!("runs show {id} --json")).ends(0).json()["status"], "running");
        // The server itself says so when it is told to stop.
        assert!(Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap().success());
        let begun = Instant::now();
        let local = stage(&test, AWAY);
        while the_run(&local)["status"] == "running" {
            assert!(begun.elapsed() < Duration::from_secs(30), "nobody closed it");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(the_run(&local)["error"]["code"], "interrupted");
    }

    async fn a_log_gets_a_line_now_and_then_and_who_wants_silence_gets_it(test: TestDb) {
        let stage = stage(&test, &silent());
        let all: Vec<_> =
            ["", " -q", " --json"].map(|flags| Running::start(&stage, &format!("events gaps{flags}"))).into();
        std::thread::sleep(Duration::from_millis(11_500));
        let said: Vec<Said> = all.into_iter().map(Running::interrupted).collect();
        assert!(said.iter().all(|said| said.code == 130 && said.out.is_empty()), "{said:?}");
        let progress = |said: &Said| said.err.lines().filter(|line| line.ends_with(" s)")).count();
        assert_eq!(said.iter().map(progress).collect::<Vec<_>>(), [2, 0, 0], "{said:?}");
        assert!(!said[0].err.contains('\r') && !said[0].err.contains('\u{1b}'), "{said:?}");
    }

    async fn a_connection_that_holds_a_transaction_is_cut_and_ours_are_not(test: TestDb) {
        let stage = Stage::on(&test);
        let pool = stage.type_in("db pool --json").ends(0).json();
        assert_eq!((&pool["data"][0]["object"], pool["data"].as_array().unwrap().len()), (&"pool".into(), 1), "{pool}");
        let db::Target::Postgres(url) = &test.target else {
            let none = stage.type_in("db cut --idle-minutes 0 --yes --reason tests --json").ends(0).json();
            assert_eq!(none["data"], serde_json::json!([]));
            return;
        };
        let mark = if url.contains('?') { '&' } else { '?' };
        let other = db::Target::Postgres(format!("{url}{mark}application_name=reports"));
        let other = db::Db::open(&other, db::Limits::default()).await.unwrap();
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (mut told, ran) = (Some(told), Arc::new(AtomicU32::new(0)));
        let count = ran.clone();
        let held = tokio::spawn(async move {
            let hold = move |tx: &mut db::Tx<'_>| {
                count.fetch_add(1, Ordering::SeqCst);
                tx.execute("UPDATE inventory SET stock_count = stock_count", &[])?;
                // Until the test is done with it.
                if let Some(told) = told.take() {
                    told.recv().ok();
                }
                tx.count("SELECT count(*) FROM inventory", &[])
            };
            other.write("test.hold", hold).await
        });
        let find = |list: &serde_json::Value| {
            let rows = list["data"].as_array().unwrap().clone();
            let is_it = |row: &serde_json::Value| {
                row["who"].as_str().is_some_and(|who| who.starts_with("reports")) && row["state"] == "idle in transaction"
            };
            rows.into_iter().find(is_it)
        };
        let mut row = None;
        for _ in 0..100 {
            row = find(&stage.type_in("db pool --json").ends(0).json());
            if row.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(row.is_some(), "it never showed");
        // A minute is allowed.
        assert!(find(&stage.type_in("db cut --preview --json").ends(0).json()).is_none());
        let would = stage.type_in("db cut --idle-minutes 0 --preview --json").ends(0).json();
        assert_eq!(find(&would).unwrap()["plan"][0]["to"], "cut", "{would}");
        stage.type_in("db cut --idle-minutes 0 --yes").ends(2);
        let cut = stage.type_in("db cut --idle-minutes 0 --yes --reason tests --json").ends(0).json();
        assert!(find(&cut).is_some(), "{cut}");
        tell.send(()).unwrap();
        // What was cut is undone; this program goes on with another connection.
        assert!(held.await.unwrap().is_ok());
        assert_eq!(ran.load(Ordering::SeqCst), 2);
        test.db.read("test", |tx| tx.count("SELECT count(*) FROM orders", &[])).await.unwrap();
        let audited = stage.type_in("audit list --json").ends(0).json();
        let kinds: Vec<_> = audited["data"].as_array().unwrap().iter().map(|row| row["event_type"].clone()).collect();
        assert!(kinds.contains(&"connections_cut".into()), "{audited}");
    }

    async fn findings_end_with_3_and_look_the_same_here_and_through_a_server(test: TestDb) {
        let stripe = with_two_purchases();
        let local = stage(&test, &stripe);
        let (_server, remote) = served(&test, &stripe);
        for line in ["events gaps", "events gaps --since 2h --json=lines"] {
            let (here, there) = (local.type_in(line).ends(3), remote.type_in(line).ends(3));
            // Ages differ by the second that lies between the two.
            let ids = |said: &Said| -> Vec<String> {
                let words = said.out.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                words.filter(|word| word.starts_with("evt_")).map(str::to_owned).collect()
            };
            assert_eq!((ids(&here), here.out.lines().count()), (ids(&there), there.out.lines().count()), "{here:?} {there:?}");
            assert!(here.out.contains("evt_") && there.out.contains("evt_"), "{here:?} {there:?}");
        }
        let gaps = local.type_in("events gaps --json").ends(3).json();
        let missing = gaps["findings"].as_u64().unwrap();
        assert!(missing >= 4, "{gaps}");
        let done = remote.type_in("events backfill --since 2h --reason tests --json").ends(0).json();
        assert_eq!(done["object"], "backfill", "{done}");
        let none = local.type_in("events gaps").ends(0);
        assert!(none.err.contains("nothing found"), "{none:?}");
        // Once more changes nothing, and says so in the same shape.
        let again = local.type_in("events backfill --since 2h --reason again --json").ends(0).json();
        let shape = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(shape(&again), shape(&done));
        let runs = local.type_in("runs list --task events.backfill --json").ends(0).json();
        assert_eq!(runs["data"].as_array().unwrap().len(), 2, "{runs}");
        assert_eq!(runs["data"][0]["reason"], "again");
        let text = remote.type_in(&format!("runs show {}", runs["data"][1]["id"].as_str().unwrap())).ends(0);
        assert!(text.out.contains("events.backfill") && text.out.contains("answer"), "{text:?}");
    }
}
