//! One `makegood serve`: a process that is started, asked, stopped and killed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary that this repository builds.
pub const MAKEGOOD: &str = env!("CARGO_BIN_EXE_makegood");

/// How long a node may take until it is ready. Far more than it takes: this is for machines under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, running or not. Its configuration stays the same from one start to the next.
pub struct Node {
    /// Where it listens.
    pub url: String,
    folder: PathBuf,
    log: PathBuf,
    environment: BTreeMap<String, String>,
    child: Option<Child>,
}

impl Node {
    /// A node that is not started.
    pub fn new(folder: PathBuf, port: u16, environment: BTreeMap<String, String>) -> Node {
        let log = folder.join(format!("node-{port}.log"));
        Node { url: format!("http://127.0.0.1:{port}"), folder, log, environment, child: None }
    }

    /// The same with another setting.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Node {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// The same without a setting.
    pub fn without(mut self, name: &str) -> Node {
        self.environment.remove(name);
        self
    }

    /// Starts the process and does not wait for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the node runs already");
        let mut command = self.command(&["serve"]);
        command.stdout(self.log_file()).stderr(self.log_file());
        self.child = Some(command.spawn().expect("the node starts"));
    }

    /// Starts the process, with `reader` at the other end of what it writes.
    pub fn spawn_into(&mut self, reader: &mut Command) -> Child {
        let mut reader =
            reader.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the reader starts");
        let pipe = reader.stdin.take().expect("a pipe");
        let mut command = self.command(&["serve"]);
        command.stdout(self.log_file()).stderr(pipe);
        self.child = Some(command.spawn().expect("the node starts"));
        reader
    }

    /// Starts the process and waits until it is ready; says how long that took.
    pub async fn start(&mut self) -> Duration {
        self.spawn();
        self.becomes_ready().await
    }

    /// Waits until it is ready; says how long that took.
    pub async fn becomes_ready(&mut self) -> Duration {
        let began = Instant::now();
        while self.get_status("/readyz").await != Some(200) {
            self.must_run();
            assert!(began.elapsed() < PATIENCE, "not ready after {PATIENCE:?}: {}", self.said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    /// `kill -9`: no word of farewell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it is gone");
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("a running node").id()
    }

    /// Asks the process to end, as a service manager does.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill(1)");
        assert!(sent.success());
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            let child = self.child.as_mut().expect("a running node");
            if let Some(status) = child.try_wait().expect("its state") {
                self.child = None;
                return status;
            }
            assert!(began.elapsed() < patience, "still there after {patience:?}: {}", self.said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What this node answers to a look at a page; `None` without an answer.
    pub async fn get_status(&self, path: &str) -> Option<u16> {
        // A connection of its own each time: a pooled one could belong to the process before.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().ok()?;
        let answer = http.get(format!("{}{path}", self.url)).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// The value of one line of its metrics, like `webhook_events_total{status="processed"}`; 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = reqwest::get(format!("{}/metrics", self.url)).await.expect("an answer");
        let text = text.text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Runs another command of the binary with this node's configuration; gives exit code, stdout and stderr.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(arguments).stdin(Stdio::null()).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// The same, when stdout is JSON.
    pub fn run_json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, out, err) = self.run(arguments);
        let value = serde_json::from_str(&out);
        (code, value.unwrap_or_else(|error| panic!("{arguments:?}: {error} in {out}\n{err}")))
    }

    /// Everything that it has written, since its first start.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Fails when the process has ended.
    pub fn must_run(&mut self) {
        let child = self.child.as_mut().expect("a running node");
        if let Some(status) = child.try_wait().expect("its state") {
            panic!("the node has ended with {status}: {}", self.said());
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MAKEGOOD);
        // In the folder of the test: a configuration file of the repository must not be read.
        command.args(arguments).env_clear().envs(&self.environment).current_dir(&self.folder);
        command.stdin(Stdio::null());
        command
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the last that {} said:\n{last}", self.url);
        }
    }
}
