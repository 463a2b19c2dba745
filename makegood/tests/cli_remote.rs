//! The same command line through a running server: the same words, the same exit codes.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use cli_stage::{Stage, url};
use testkit::{TestDb, World};

const ADMIN: &str = "an-admin-token-for-tests";

/// A server that goes away with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A server on this database, and the commands that go through it.
fn serve(test: &TestDb) -> (Server, Stage, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Stage::on(test)
        .with("LISTEN", format!("127.0.0.1:{port}"))
        .with("ADMIN_TOKEN", ADMIN)
        .with("STRIPE_SECRET", "sk_test_0123456789abcdef")
        .with("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef")
        .with("STRIPE_API_BASE", "http://127.0.0.1:1");
    let child = server.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (child, address) = (Server(child), format!("http://127.0.0.1:{port}"));
    let remote = Stage::bare().with("MAKEGOOD_URL", &address).with("MAKEGOOD_TOKEN", ADMIN);
    let began = Instant::now();
    while remote.type_in("health --ready").code != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the server is not ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, remote, address)
}

/// A command that goes on until somebody ends it.
struct Tail {
    process: Server,
    lines: Mutex<Receiver<String>>,
}

impl Tail {
    fn start(stage: &Stage, line: &str) -> Tail {
        let mut command = stage.command(&line.split(' ').collect::<Vec<_>>());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (out, (said, lines)) = (BufReader::new(child.stdout.take().unwrap()), mpsc::channel());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Tail { process: Server(child), lines: Mutex::new(lines) }
    }

    fn read(&self) -> String {
        self.lines.lock().unwrap().recv_timeout(Duration::from_secs(30)).unwrap()
    }

    fn next(&self) -> serde_json::Value {
        serde_json::from_str(&self.read()).unwrap()
    }

    /// Ctrl-C, which has to end it as interrupted.
    fn interrupt(&mut self) {
        let child = &mut self.process.0;
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_command_says_the_same_here_and_through_a_server(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let local = Stage::bare().with("DATABASE_URL", url(&world.test));
        let (_server, remote, _) = serve(&world.test);
        let id = started.order;
        for line in [
            format!("orders show {id} --json"),
            format!("orders explain {id} --json"),
            format!("orders timeline {id} --json"),
            format!("orders timeline {id} --limit 2"),
            format!("find {id}"),
            format!("case {id}"),
            "find buyer@example.com --json".to_owned(),
            format!("orders explain {id}"),
            "orders list --status lost --json".into(),
            "orders list --limit 1 --json".into(),
            "orders list --json=lines".into(),
            "inventory list".into(),
            "events list --json".into(),
            "audit list --limit 3 --json".into(),
            "check".into(),
            "check --json".into(),
            format!("orders show {} --json", id.to_string().replace("ord_0", "ord_f")),
            "inventory adjust MUG -99 --dry-run".into(),
            "inventory adjust GONE 1 --dry-run".into(),
            format!("orders ship {id} --yes --reason x --plan plan_0 --json"),
        ] {
            let (here, there) = (local.type_in(&line), remote.type_in(&line));
            assert_eq!((here.code, &here.out), (there.code, &there.out), "{line}\n{here:?}\n{there:?}");
            if here.code != 0 && line.contains("--json") {
                assert_eq!(here.problem()["code"], there.problem()["code"], "{line}");
            }
        }
    }

    async fn a_change_through_a_server_is_planned_applied_and_bears_the_tokens_name(test: TestDb) {
        let world = World::open(test).await;
        let (_server, remote, address) = serve(&world.test);
        let preview = remote.type_in("inventory adjust MUG 2 --dry-run --json").ends(0).json();
        assert_eq!((preview["status"].as_str(), preview["plan"][0]["to"].as_str()), (Some("previewed"), Some("7")));
        let plan = preview["plan_id"].as_str().unwrap().to_owned();
        let receipt = remote.type_in(&format!("inventory adjust MUG 2 --yes --reason found --plan {plan}")).ends(0);
        assert!(receipt.out.contains("5 → 7"), "{receipt:?}");
        remote.type_in(&format!("inventory adjust MUG 2 --yes --reason found --plan {plan}")).ends(6);
        let file = remote.file("shop.toml", testkit::world::CATALOG);
        let import = remote.run(&["catalog", "import", &file, "--yes", "--reason", "x", "--json"]).ends(0);
        assert_eq!(import.json()["status"], "already", "{import:?}");

        let made = remote.type_in("tokens create support --role viewer --reason desk").ends(0);
        let token = remote.file("token", &made.out);
        let desk = Stage::bare();
        let path = remote.folder().join(token).display().to_string();
        let desk_says = |line: &str| desk.type_in(&format!("{line} --server {address} --token-file {path}"));
        assert_eq!(desk_says("whoami").ends(0).out, "support, viewer, test money\n");
        desk_says("inventory list").ends(0);
        desk_says("inventory adjust MUG 1 --yes --reason x").ends(4);
        desk_says("tokens list").ends(4);
        desk.type_in(&format!("orders list --server {address} --token-file {path}x")).ends(2);
        let two = Stage::bare().with("MAKEGOOD_TOKEN", "mg_first\nmg_second");
        let said = two.type_in(&format!("orders list --server {address}")).ends(2);
        assert!(said.err.contains("MAKEGOOD_TOKEN holds more than a token"), "{said:?}");
        let file = two.file("tokens", "mg_first\nmg_second\n");
        let said = two.type_in(&format!("orders list --server {address} --token-file {file}")).ends(2);
        assert!(said.err.contains("the file tokens holds more than a token"), "{said:?}");
        let stranger = Stage::bare().with("MAKEGOOD_TOKEN", "mg_nobody");
        stranger.type_in(&format!("orders list --server {address}")).ends(4);
    }

    async fn whoever_follows_events_sees_each_that_comes_until_ctrl_c(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let local = Stage::bare().with("DATABASE_URL", url(&world.test));
        let (_server, remote, _) = serve(&world.test);
        let known = local.type_in("events list --json=lines").ends(0).out.lines().count();
        assert!(known > 1, "{known}");
        let mut tails: Vec<Tail> =
            [&local, &remote].map(|stage| Tail::start(stage, "events tail --last 1 --json=lines")).into();
        for tail in &mut tails {
            let first = tail.next();
            assert_eq!(first["status"], "processed", "{first}");
        }
        let foreign = serde_json::json!({ "id": "cus_1", "object": "customer", "metadata": {} });
        let id = world.account().emit_event("customer.created", &foreign, &world.stripe.cx());
        world.settle().await;
        for tail in &mut tails {
            let mut row = tail.next();
            assert_eq!(row["id"], id.as_str(), "only what is new: {row}");
            while row["status"] == "received" {
                row = tail.next();
            }
            assert_eq!((row["id"].as_str(), row["status"].as_str()), (Some(id.as_str()), Some("ignored")));
            tail.interrupt();
        }
        let tail = Tail::start(&local, "events tail --last 100 --type customer.created");
        assert!(tail.read().contains(&id), "as a line for people");
        local.type_in("events tail --status lost").ends(2);
        Stage::bare().type_in("events tail --server http://127.0.0.1:1").ends(4);
    }

    async fn the_whole_audit_log_goes_out_a_line_for_each_entry_here_and_through_a_server(test: TestDb) {
        let world = World::open(test).await;
        let cx = world.shop.cx();
        let entry = |n: u32| ops::audit::Entry::new("drilled", ops::Actor::operator("ada"), "order", n);
        let many = (0..230).map(entry).collect::<Vec<_>>();
        world.shop.db.write("test", move |tx| ops::audit::record(tx, &cx, many.clone())).await.unwrap();
        let all = usize::try_from(world.count("SELECT COUNT(*) FROM audit_logs").await).unwrap();
        let local = Stage::bare().with("DATABASE_URL", url(&world.test));
        let (_server, remote, _) = serve(&world.test);
        let here = local.type_in("audit export").ends(0);
        let ids: std::collections::BTreeSet<String> = here.out.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(all > 230 && ids.len() == all && here.out.lines().count() == all, "{} of {all}", ids.len());
        assert!(here.err.contains(&format!("{all} entries")), "{}", here.err);
        let newest = local.type_in("audit list --limit 1 --json=lines").ends(0).out;
        let id = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["id"].clone();
        assert_eq!(id(here.out.lines().next().unwrap()), id(&newest), "the newest first");
        let there = remote.type_in("audit export --type drilled").ends(0);
        assert_eq!(there.out.lines().count(), 230);
        // Its clock is the machine's; what was written here is of another day.
        assert_eq!(local.type_in("audit export --since 1h").ends(0).out, "");
        assert_eq!(local.type_in("audit export --since 2026-01-01").ends(0).out, here.out);
        local.type_in("audit export --since tomorrow").ends(2);
    }

    /// A script's variable that was never set.
    async fn an_id_that_is_empty_is_a_mistake_of_whoever_typed_it(test: TestDb) {
        let world = World::open(test).await;
        let local = Stage::on(&world.test);
        let (_server, remote, _) = serve(&world.test);
        for stage in [&local, &remote] {
            for (line, name) in [
                (vec!["case", ""], "EMAIL|ID is empty"),
                (vec!["orders", "explain", " "], "ORDER is empty"),
                (vec!["events", "replay", "", "--yes", "--reason", "x"], "EVENT is empty"),
                (vec!["runbook", "explain", "", "MUG"], "RUNBOOK is empty"),
            ] {
                let said = stage.run(&line).ends(2);
                assert!(said.err.contains(name), "{line:?}: {said:?}");
            }
        }
    }
}
