//! `makegood dev` as the real binary: the script on both engines, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use db::TxResult;
use kernel::{Cx, Seeded, Timestamp};
use shop::catalog;
use shop::import::CatalogFile;
use testkit::databases::{Engine, TestDb};

fn makegood(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_makegood"));
    command.arg("dev").args(args).current_dir(folder).stdin(Stdio::null());
    for name in ["DATABASE_URL", "APP_URL", "LISTEN", "DATA_DIR"] {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn is_all_well((code, out, err): (Option<i32>, String, String)) {
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(out.contains("All is as it must be"), "{out}");
    assert!(!out.contains('✗') && !out.contains('\u{1b}'), "{out}");
    for (number, step) in [
        (1, "Ada buys a course"),
        (2, "A card is declined, the next one is not"),
        (3, "Two notebooks are bought, and shipped"),
        (4, "Stripe delivers an event twice"),
        (5, "An operator replays the same event"),
        (6, "A checkout that nobody pays"),
        (7, "makegood orders explain ord_"),
        (8, "makegood check:"),
    ] {
        assert!(out.contains(&format!("\n {number:>2}  {step}")), "no step {number} in {out}");
    }
}

#[test]
fn a_folder_that_somebody_else_made_is_refused_even_with_reset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("photos")).unwrap();
    std::fs::write(folder.path().join("photos/cat.jpg"), "a cat").unwrap();
    let mut command = makegood(folder.path(), &["--script", "--reset", "--data-dir", "photos"]);
    let (code, _, err) = run(&mut command);
    assert_ne!(code, Some(0));
    assert!(err.contains("did not make") && err.contains("--data-dir"), "{err}");
    assert_eq!(std::fs::read_to_string(folder.path().join("photos/cat.jpg")).unwrap(), "a cat");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&mut makegood(folder.path(), &["--no-open", "--listen", &address]));
    assert_ne!(code, Some(0));
    assert!(err.contains(&address) && err.contains("makegood dev --listen 127.0.0.1:"), "{err}");
    assert!(!folder.path().join("makegood-data").exists(), "nothing is made before the port is ours");
}

#[tokio::test]
async fn a_database_in_which_somebody_keeps_a_shop_is_refused() {
    let Some(database) = TestDb::migrated(Engine::Postgres, shop::MIGRATIONS).await else { return };
    let db::Target::Postgres(url) = &database.target else { panic!("not PostgreSQL") };
    let cx = Cx::new(Timestamp::from_seconds(1_790_000_000), Seeded::new(1));
    let file = "[[product]]\nid = 'real'\nkind = 'course'\nname = 'Real'\n\
                price = [{ currency = 'usd', amount = 100 }]";
    let product = CatalogFile::parse(file).unwrap().products.remove(0);
    let written = database.db.write("test.shop", move |tx| {
        catalog::save_product(tx, &cx, &product.product())?;
        product.prices().try_for_each(|price| catalog::save_price(tx, &cx, &price))
    });
    written.await.safe_to_repeat().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = run(makegood(folder.path(), &["--script", "--reset"]).env("DATABASE_URL", url));
    assert_ne!(code, Some(0));
    assert!(err.contains("did not make") && err.contains("unset DATABASE_URL"), "{err}");
}

/// A shop to play with may be told to read Stripe's list only, as a real one.
#[test]
fn how_events_come_may_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = run(makegood(folder.path(), &["--script"]).env("STRIPE_EVENTS", "sometimes"));
    assert_ne!(code, Some(0));
    assert!(err.contains("STRIPE_EVENTS"), "{err}");
}

#[test]
fn the_first_ten_minutes_end_well_on_sqlite_and_a_second_time_on_what_they_left() {
    let folder = tempfile::tempdir().unwrap();
    is_all_well(run(&mut makegood(folder.path(), &["--script", "--reset"])));
    assert!(folder.path().join("makegood-data/makegood.db").is_file());
    is_all_well(run(&mut makegood(folder.path(), &["--script", "first-ten-minutes"])));
    is_all_well(run(&mut makegood(folder.path(), &["--script", "--reset"])));
}

#[tokio::test]
async fn the_first_ten_minutes_end_well_on_postgresql_and_a_second_time_on_what_they_left() {
    let Some(database) = TestDb::open(Engine::Postgres).await else { return };
    let db::Target::Postgres(url) = &database.target else { panic!("not PostgreSQL") };
    let folder = tempfile::tempdir().unwrap();
    for args in [["--script", "--reset"].as_slice(), &["--script"]] {
        is_all_well(run(makegood(folder.path(), args).env("DATABASE_URL", url)));
    }
    assert!(!folder.path().join("makegood-data/makegood.db").exists());
}

/// A shop that runs until it is dropped.
struct Shop {
    process: std::process::Child,
    banner: Vec<String>,
}

impl Shop {
    fn start(folder: &Path, listen: &str) -> Shop {
        Shop::of(makegood(folder, &["--no-open", "--listen", listen]))
    }
    fn of(mut command: Command) -> Shop {
        let process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut shop = Shop { process, banner: Vec::new() };
        let output = BufReader::new(shop.process.stdout.take().unwrap());
        for line in output.lines().map(Result::unwrap) {
            let over = line.contains("makegood dev --reset begins anew");
            shop.banner.push(line);
            if over {
                return shop;
            }
        }
        panic!("the shop did not start: {:?}", shop.banner);
    }
    fn says(&self, label: &str) -> Option<String> {
        let line = self.banner.iter().find(|line| line.trim_start().starts_with(label))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    }
}

impl Drop for Shop {
    /// As a power cut ends it.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whoever has said by the environment where it is finds it there, from another terminal too.
#[test]
fn the_environment_says_where_the_shop_is_and_commands_beside_it_know() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = makegood(folder.path(), &["--no-open"]);
    command.env("LISTEN", &free).env("DATA_DIR", "elsewhere");
    let shop = Shop::of(command);
    assert_eq!(shop.says("Shop"), Some(format!("http://{free}")));
    assert!(folder.path().join("elsewhere/makegood.db").is_file());
    assert!(!folder.path().join("makegood-data").exists());
    let beside = |line: &str, more: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_makegood"));
        command.args(line.split(' ')).current_dir(folder.path()).stdin(Stdio::null()).env_clear();
        command.env("DATA_DIR", "elsewhere").envs(more.iter().copied());
        let (code, out, err) = run(&mut command);
        assert_eq!(code, Some(0), "{line}: {out}\n{err}");
        out
    };
    let invited = beside("users invite vic --role support --reason colleague --yes --json", &[]);
    assert!(invited.contains(&format!("http://{free}/_/welcome/")), "{invited}");
    assert!(beside("alerts export", &[]).contains(&format!("http://{free}/_/runbooks/")));
    beside("health", &[]);
    let explained = beside("runbook explain webhook-downtime all", &[]);
    assert!(!explained.contains("STRIPE_SECRET"), "{explained}");
    // Its sandbox is found too, and a fault is told there with every field that it has.
    beside("sandbox fault reorder --within-seconds 3 --event charge.* --count 2 --probability 0.5", &[]);
    beside("sandbox fault stored_500 --execute --method POST --path /v1/refunds", &[]);
    let state = beside("sandbox state", &[]);
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["faults"][0]["within_seconds"], 3);
    assert_eq!(state["faults"][1]["execute"], true);
    // What was said otherwise comes first, and no key of another account goes to the sandbox.
    let shown = beside(
        "config show --json",
        &[("APP_URL", "https://shop.example"), ("STRIPE_SECRET", "sk_test_another")],
    );
    assert!(shown.contains("https://shop.example") && !shown.contains("http://127.0.0.1:"), "{shown}");
}

async fn form(http: &reqwest::Client, url: &str, fields: &str) -> (u16, String) {
    let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(fields.to_owned()).send().await.unwrap();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), to.unwrap_or_default())
}

#[tokio::test]
async fn a_checkout_goes_on_after_the_shop_was_killed_and_started_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    // The shop that is killed takes its connections along.
    let http = http.pool_max_idle_per_host(0).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();

    let first = Shop::start(folder.path(), &free);
    let (shop, sandbox) = (first.says("Shop").unwrap(), first.says("Stripe").unwrap());
    assert_eq!(sandbox, format!("http://{free}/sandbox/v1"), "the address that is the same at each start");
    let sandbox = sandbox.trim_end_matches("/v1");
    assert_eq!(shop, format!("http://{free}"));
    assert!(first.says("Token").unwrap().starts_with("mg_"), "{:?}", first.banner);
    assert!(http.get(format!("{sandbox}/control/state")).send().await.unwrap().status().is_success());
    let basket = "email=ada%40example.com&currency=usd&pieces.rust-course=1";
    let (status, pay_at) = form(&http, &format!("{shop}/checkout"), basket).await;
    assert_eq!(status, 303);
    assert!(pay_at.starts_with(&format!("{shop}/sandbox/checkout/cs_test_")), "{pay_at}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    drop(first);

    let second = Shop::start(folder.path(), &free);
    assert_eq!(second.says("Token"), None, "a token is shown once: {:?}", second.banner);
    let card = "action=pay&method=card&number=4242424242424242&email=ada%40example.com&name=Ada&country=GB";
    let (status, thanks) = form(&http, &pay_at, card).await;
    assert_eq!(status, 303);
    for _ in 0..200 {
        let page = http.get(&thanks).send().await.unwrap().text().await.unwrap();
        if page.contains("Unlocked") && page.contains("Thank you, it is yours") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the course was not handed over");
}
