//! A disk that is full, that fails, and that is cut off in the middle of a sync. strace(1) answers the system calls of a
//! running node in its place. Only SQLite's disk is a node's own; PostgreSQL looks after its own.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::Engine;
use testkit::databases::runtime;

use crate::books;
use crate::node::Node;
use crate::people::Crowd;
use crate::stage::{MUGS, Stage};

/// How long anything may take that takes no time on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// System calls with which SQLite makes a commit last.
const SYNC: &str = "fsync,fdatasync";

/// Trouble that a node has with its disk, until it is dropped.
struct Trouble(Child);

impl Trouble {
    /// From now on `calls` of the node end as `how` says, in strace's words.
    async fn begin(node: &Node, calls: &str, how: &str) -> Trouble {
        let id = node.id().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:{how}"), "-p", &id]);
        let child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace starts");
        let began = Instant::now();
        while !is_traced(&id) {
            assert!(began.elapsed() < PATIENCE, "strace does not take hold of the node");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Trouble(child)
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        // Asked to end, it lets the node go; killed, it might take it along.
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// Whether all threads of a process are held; one that is gone is not.
fn is_traced(id: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else { return false };
    let held = |thread: std::io::Result<std::fs::DirEntry>| {
        let status = thread.and_then(|thread| std::fs::read_to_string(thread.path().join("status")));
        status.is_ok_and(|text| {
            text.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        })
    };
    threads.into_iter().all(held)
}

/// Whether processes can be traced here; a line on stderr says when not.
fn can_trace() -> bool {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if probe.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(std::env::var_os("MAKEGOOD_REQUIRE_STRACE").is_none(), "strace does not work here");
    eprintln!("not run: strace is not here or may not trace (Debian's package strace)");
    false
}

/// A shop on SQLite with a running node and people who buy.
async fn open() -> Option<(Arc<Stage>, Node, Crowd)> {
    if !can_trace() {
        return None;
    }
    let stage = Stage::with_catalog(Engine::Sqlite).await?;
    let profile = stage.profile(&stage.db().await, "ada@example.com").await;
    let mut node = stage.node();
    stage.send_webhooks_to(&node);
    node.start().await;
    let stage = Arc::new(stage);
    let crowd = Crowd::gather(&stage, &[node.url.clone()], vec![profile], 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    Some((stage, node, crowd))
}

/// Everybody leaves; then the books are compared.
async fn close(stage: &Stage, node: &Node, crowd: Crowd) {
    let promised = crowd.leave().await;
    let db = stage.db().await;
    let took = books::drained(stage, &db, books::LEASES_END).await;
    books::agree(stage, &db, &[("MUG", MUGS)]).await;
    let (code, report) = node.run_json(&["check", "--json"]);
    assert_eq!((code, &report["findings"]), (Some(0), &0.into()), "{report:#}");
    books::nothing_acknowledged_is_lost(&db, &promised).await;
    let (paid, acknowledged) = (promised.paid(), promised.acknowledged().len());
    // Otherwise the test has shown nothing.
    assert!(paid >= 5 && acknowledged >= 20, "{paid} paid, {acknowledged} acknowledged");
    eprintln!("{paid} orders paid, {acknowledged} events acknowledged, 0 lost; all was done after {took:?}");
}

async fn becomes(node: &mut Node, status: u16) {
    let began = Instant::now();
    while node.get_status("/readyz").await != Some(status) {
        node.must_run();
        assert!(began.elapsed() < PATIENCE, "not {status} after {PATIENCE:?}: {}", node.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nobody has to restart anything: what could not be stored was refused, and Stripe sends it again.
#[test]
fn a_node_whose_disk_is_full_refuses_and_goes_on_by_itself_when_there_is_room() {
    runtime().block_on(async {
        let Some((stage, mut node, crowd)) = open().await else { return };
        for _ in 0..3 {
            let full = Trouble::begin(&node, "pwrite64", "error=ENOSPC").await;
            becomes(&mut node, 503).await;
            assert!(node.said().contains("COMMIT found the disk full"), "{}", node.said());
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(full);
            becomes(&mut node, 200).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        node.must_run();
        close(&stage, &node, crowd).await;
    });
}

/// A commit whose sync failed may last or not: the node acknowledges nothing more and ends with a sentence, so that it is
/// started anew and reads the log.
#[test]
fn a_node_whose_disk_fails_under_a_commit_ends_and_loses_nothing() {
    runtime().block_on(async {
        let Some((stage, mut node, crowd)) = open().await else { return };
        for n in [1, 2, 5] {
            let trouble = Trouble::begin(&node, SYNC, &format!("error=EIO:when={n}")).await;
            let end = node.ended(PATIENCE).await;
            drop(trouble);
            assert_eq!(end.code(), Some(1), "{end}: {}", node.said());
            assert!(node.said().contains("the disk failed under a commit"), "{}", node.said());
            node.start().await;
        }
        close(&stage, &node, crowd).await;
    });
}

/// The kills of `kills.rs` come at any moment; these come at the moments that matter most.
#[test]
fn a_node_that_dies_in_any_of_its_syncs_loses_nothing() {
    runtime().block_on(async {
        let Some((stage, mut node, crowd)) = open().await else { return };
        for n in 1..=12 {
            let trouble = Trouble::begin(&node, SYNC, &format!("signal=KILL:when={n}")).await;
            let end = node.ended(PATIENCE).await;
            drop(trouble);
            assert_eq!(end.code(), None, "{end}");
            node.start().await;
        }
        close(&stage, &node, crowd).await;
    });
}
