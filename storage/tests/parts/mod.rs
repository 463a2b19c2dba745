//! What several tests need: the other sides' own libraries, a plain client, and reading of dates and URLs.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const PACKAGES: [&str; 3] = ["boto3==1.44.8", "moto[s3,server]==5.2.5", "cloudinary==1.46.3"];

/// The Python with the other sides' libraries; `None` when it cannot be had. They stay between runs.
pub fn python() -> Option<PathBuf> {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-outside");
    let python = folder.join("bin/python");
    let done = folder.join(PACKAGES.concat().replace(['[', ']', ','], "-"));
    let installed = done.exists()
        || (runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && runs(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))
            && std::fs::write(done, "").is_ok());
    installed.then_some(python)
}

fn runs(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Where nothing can be installed, a developer is told; in CI it is a failure.
pub fn not_run(what: &str, so: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} could not be installed");
    testkit::stripe_data::say(&format!("not run: {what} could not be installed, so {so}"));
}

/// What a script in `clients` answers.
pub fn ask(python: &Path, script: &str, input: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed; its reason stands above");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A client for this machine.
pub fn http() -> reqwest::Client {
    let patience = outbound::Patience {
        connect: std::time::Duration::from_secs(10),
        total: std::time::Duration::from_secs(60),
    };
    outbound::client(outbound::Scheme::Http, patience).unwrap()
}

/// The order of a query is the client's business; its signature is over the sorted one.
pub fn sorted(url: &str) -> (String, Vec<String>) {
    let (path, query) = url.split_once('?').unwrap();
    let mut pairs: Vec<String> = query.split('&').map(str::to_owned).collect();
    pairs.sort();
    (path.to_owned(), pairs)
}

pub fn decoded(path: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://x/?p={}", path.replace('+', "%2B"))).unwrap();
    url.query_pairs().next().unwrap().1.into_owned()
}

pub fn amz_date(text: &str) -> jiff::Timestamp {
    let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap();
    format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..])
        .parse()
        .unwrap()
}

/// The machine's time: other sides have clocks of their own.
#[allow(clippy::disallowed_methods, reason = "another program's clock is the machine's")]
pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}
