//! The official `stripe` packages of Python and npm drive the sandbox as they are.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod server;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use server::{Server, Webhook};

const PYTHON_PACKAGE: &str = "stripe==16.1.0";
/// Of the last line that wrote `True` and `False`.
const OLD_PYTHON_PACKAGE: &str = "stripe==11.3.0";
const NPM_PACKAGE: &str = "stripe@23.1.0";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Where the packages stay between runs.
fn cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn runs(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        if !output.status.success() {
            eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    })
}

/// The Python with this package installed, in a folder of its own; `None` when it cannot be had.
fn python(folder: &str, package: &str) -> Option<PathBuf> {
    let (folder, python) = (cache(folder), cache(folder).join("bin/python"));
    let done = folder.join(package);
    let installed = done.exists()
        || (runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && runs(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))
            && std::fs::write(done, "").is_ok());
    installed.then_some(python)
}

/// The folder in which Node finds the package; `None` when it cannot be had.
fn node() -> Option<PathBuf> {
    let folder = cache("node");
    let done = folder.join(NPM_PACKAGE);
    std::fs::create_dir_all(&folder).unwrap();
    let installed = done.exists()
        || (runs(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&folder)
                .arg(NPM_PACKAGE),
        ) && std::fs::write(done, "").is_ok());
    installed.then_some(folder)
}

/// Where nothing can be installed, a developer is told; in CI it is a failure.
fn not_run(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} could not be installed");
    println!("not run: {what} could not be installed, so it has not driven the sandbox");
}

/// Runs a script against a fresh sandbox, then lets it check every webhook that came.
async fn drive(mut command: Command) {
    let server = Server::start().await;
    command.args([&server.url, &server.hooks]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (first, mut output) = tokio::task::spawn_blocking(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        (line, output)
    })
    .await
    .unwrap();
    let paid: Value = serde_json::from_str(&first).expect("the script failed; its reason stands above");
    assert!(paid["session"].as_str().unwrap().starts_with("cs_test_"));
    server.webhooks(8).await;
    let told = |webhook: &Webhook| {
        let body = std::str::from_utf8(&webhook.body).unwrap();
        json!({ "body": body, "signature": webhook.signature }).to_string()
    };
    // More may come while the script looks at these.
    let came: Vec<String> = server.received.lock().unwrap().iter().map(told).collect();
    for webhook in &came {
        writeln!(input, "{webhook}").unwrap();
    }
    drop(input);
    let kinds: Vec<String> = std::iter::from_fn(|| read_line(&mut output)).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(kinds.len(), came.len());
    assert!(kinds.iter().any(|kind| kind == "checkout.session.completed"), "{kinds:?}");
}

fn read_line(output: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    (output.read_line(&mut line).unwrap() > 0).then(|| line.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_package_drives_the_sandbox_unpatched() {
    drive_with_python("python", PYTHON_PACKAGE, "drive.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_python_package_drives_the_sandbox_unpatched() {
    drive_with_python("old-python", OLD_PYTHON_PACKAGE, "drive_old.py").await;
}

async fn drive_with_python(folder: &'static str, package: &'static str, script: &str) {
    let installed = tokio::task::spawn_blocking(|| python(folder, package)).await.unwrap();
    let Some(python) = installed else { return not_run(package) };
    let mut command = Command::new(python);
    command.arg(scripts().join(script));
    drive(command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_npm_package_drives_the_sandbox_unpatched() {
    let Some(folder) = tokio::task::spawn_blocking(node).await.unwrap() else {
        return not_run("the npm package");
    };
    // Node looks for packages beside the script, so the script goes to where they are.
    let script = folder.join("drive.mjs");
    std::fs::copy(scripts().join("drive.mjs"), &script).unwrap();
    let mut command = Command::new("node");
    command.arg(script);
    drive(command).await;
}
