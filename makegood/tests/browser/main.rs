//! People in the demo shop, and operators in the console, in a real Chromium. The stories stand in `shop.mjs` and
//! `console.mjs`; here the tools are found, the shop is
//! started as the real binary, and the browser is let in.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Where Node finds what it needs; it stays between runs.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser")
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| {
        if !output.status.success() {
            eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    })
}

fn found(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn browser() -> Option<PathBuf> {
    BROWSERS.iter().find_map(|name| found(name))
}

/// The browser, with the packages installed; else what is missing.
fn tools() -> Result<PathBuf, String> {
    if browser().is_none() && in_ci() {
        runs(Command::new("apt-get").args(["install", "-y", "--no-install-recommends", "chromium"]));
    }
    let browser = browser().ok_or("no Chromium (Debian: apt-get install chromium)")?;
    if found("node").is_none() || found("npm").is_none() {
        return Err("no node and npm (Debian: apt-get install nodejs npm)".into());
    }
    let done = modules().join(PACKAGES.join("+"));
    std::fs::create_dir_all(modules()).unwrap();
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(modules()).args(PACKAGES);
    if !done.exists() && !runs(&mut install) {
        return Err(format!("{} could not be installed by npm", PACKAGES.join(" and ")));
    }
    std::fs::write(done, "").unwrap();
    Ok(browser)
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// The shop as a person starts it.
struct Shop {
    process: Child,
    address: String,
    /// Of the operator `dev`, in the console.
    password: String,
    token: String,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_makegood"))
            .args(["dev", "--no-open", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("shop"))
            .env_remove("DATABASE_URL")
            .env_remove("APP_URL")
            // A link to a file ends while somebody waits for it.
            .env("DOWNLOAD_TTL_SECONDS", "10")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut banner = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = |label: &str| {
            let line =
                banner.find(|line| line.as_ref().is_ok_and(|line| line.trim_start().starts_with(label)));
            let line = line.expect("the shop did not start").unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<String>>()
        };
        let (address, console, token) = (said("Shop")[1].clone(), said("Console"), said("Token")[1].clone());
        // Console  http://…/_/  sign in as dev with PASSWORD
        let password = console.last().unwrap().clone();
        Shop { process, address, password, token, _folder: folder }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The packages are installed by one of the tests that run at once.
static INSTALLING: Mutex<()> = Mutex::new(());

#[test]
fn people_buy_in_a_real_browser() {
    tell("shop.mjs", |shop| vec![shop.address.clone(), shop.token.clone()]);
}

#[test]
fn operators_work_in_a_real_browser() {
    tell("console.mjs", |shop| vec![shop.address.clone(), shop.token.clone(), shop.password.clone()]);
}

/// Runs the stories of one script in a shop of their own.
fn tell(stories: &str, arguments: impl Fn(&Shop) -> Vec<String>) {
    let tools = {
        let _one_at_a_time = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        tools()
    };
    let browser = match tools {
        Ok(browser) => browser,
        Err(missing) => {
            assert!(!in_ci(), "{missing}");
            println!("not run: {stories} in a real browser, because there is {missing}");
            return;
        }
    };
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    // Node looks for packages beside the script, so the script goes to where they are.
    let script = modules().join(stories);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    std::fs::copy(folder.join(stories), &script).unwrap();
    let shop = Shop::start();
    let told = Command::new("node")
        .arg(script)
        .args(arguments(&shop))
        .args([&shots, &browser])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    println!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("screenshots: {}", shots.display());
    assert!(told.status.success(), "a story did not end as it must");
}
