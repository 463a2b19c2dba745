//! How a node starts, and with which words it does not.

use std::time::Duration;

use testkit::Engine;
use testkit::databases::runtime;

use crate::books;
use crate::node::Node;
use crate::people::send_webhook;
use crate::stage::Stage;

/// An empty database is made into a shop's, and the log says that it is connected.
#[test]
fn a_node_on_an_empty_database_is_ready() {
    runtime().block_on(async {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let Some(stage) = Stage::empty(engine).await else { continue };
            let mut node = stage.node();
            let took = node.start().await;
            assert!(node.said().contains("[db] connected"), "{}", node.said());
            assert_eq!(node.get_status("/health").await, Some(200));
            let tables = books::count(&stage.db().await, "SELECT COUNT(*) FROM orders").await;
            assert_eq!(tables, 0);
            eprintln!("{engine:?}: an empty database was ready after {took:?}");
        }
    });
}

/// Whoever has set it wrong reads what is wrong and what is expected, and nobody reads the password.
#[test]
fn a_wrong_database_url_stops_with_a_sentence() {
    for (url, sentence) in [
        ("CHANGE_ME", "is still a placeholder"),
        ("<your database>", "is still a placeholder"),
        ("postgres://shop:${DB_PASSWORD}@db/shop", "is still a placeholder"),
        ("\"postgres://shop:s3cret@db/shop\"", "is wrapped in quotes"),
        (" postgres://shop:s3cret@db/shop", "has spaces or line breaks around it"),
        ("postgres://shop:s3cret@db/shop\n", "has spaces or line breaks around it"),
        (
            "mongodb://shop:s3cret@db/shop",
            "Invalid scheme, expected connection string to start with \"postgres://\"",
        ),
        ("mysql://shop:s3cret@db/shop", "Invalid scheme, expected connection string to start with"),
        ("sqlite:", "names no file"),
        ("postgres://shop:s3cret@127.0.0.1:1/shop", "Database connection failed"),
        ("postgres://shop:s3cret@db:port/shop", "Bootstrap failed: DATABASE_URL has a port that is none"),
        ("postgres://", "Bootstrap failed: DATABASE_URL names no host"),
        ("postgres://user:s3cret@host/name", "Bootstrap failed: DATABASE_URL is still a placeholder"),
        ("postgres://shop:s3cret@db", "Bootstrap failed: DATABASE_URL names no database"),
        ("postgres://shop:s3cret@s3cret@db/shop", "Bootstrap failed: DATABASE_URL has more than one @"),
        ("postgres://shop:s3cret@db/shop?foo=1", "Bootstrap failed: DATABASE_URL has the option `foo`"),
        (
            "postgres://shop:s3cret@db/shop?target_session_attrs=primary",
            "expected any, read-write or read-only",
        ),
        ("sqlite::memory:", "Bootstrap failed: DATABASE_URL names no file"),
        (
            "sqlite:/proc/nowhere/shop.db",
            "Bootstrap failed: DATABASE_URL: the folder /proc/nowhere cannot be made",
        ),
    ] {
        let said = stops_with_words(|node| node.with("DATABASE_URL", url));
        assert!(said.contains("Bootstrap failed: "), "{url:?}: {said}");
        assert!(said.contains("DATABASE_URL") && said.contains(sentence), "{url:?}: {said}");
        assert!(!said.contains("s3cret"), "{url:?}: {said}");
        assert!(!said.contains("panicked"), "{url:?}: {said}");
    }
}

type Settings = Vec<(&'static str, String)>;

/// A database that is there and does not take the address is no matter of trying again: the setting is named, and what mends it.
#[test]
fn a_database_that_does_not_take_us_is_a_wrong_setting() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "a letter, and no database, which is longer than the head of a file of SQLite has to be to be read "
            .repeat(9),
    )
    .unwrap();
    let file = file.path().display().to_string();
    let in_file = format!("{file}/data");
    let mut cases: Vec<(Settings, &str, &str)> = vec![
        (
            vec![("DATABASE_URL", format!("sqlite:{file}"))],
            "DATABASE_URL: ",
            "cannot be opened: file is not a database",
        ),
        (vec![("DATABASE_URL", "sqlite:/".into())], "DATABASE_URL: ", "cannot be opened"),
        (
            vec![
                ("DATABASE_URL", String::new()),
                ("DB_CONNECTION", "sqlite".into()),
                ("DB_DATABASE", file.clone()),
            ],
            "DB_DATABASE: ",
            "cannot be opened",
        ),
        (
            vec![("DATABASE_URL", String::new()), ("DB_CONNECTION", "sqlite".into()), ("DATA_DIR", in_file)],
            "DATA_DIR: ",
            "cannot be made",
        ),
    ];
    if let Some(server) = testkit::databases::postgres() {
        let place = server.trim_start_matches("postgres://");
        let (user, host) = place.split_once('@').unwrap_or(("postgres", place));
        let host = host.split('/').next().unwrap();
        let (name, port) = host.split_once(':').unwrap_or((host, "5432"));
        let parts = |user: &str, database: &str| -> Settings {
            vec![
                ("DATABASE_URL", String::new()),
                ("DB_CONNECTION", "pgsql".into()),
                ("DB_HOST", name.to_owned()),
                ("DB_PORT", port.to_owned()),
                ("DB_USERNAME", user.to_owned()),
                ("DB_DATABASE", database.to_owned()),
            ]
        };
        let url = |rest: &str| vec![("DATABASE_URL", format!("postgres://{user}@{host}/{rest}"))];
        cases.extend([
            (url("no_such_database"), "DATABASE_URL: ", "3D000"),
            (url("postgres?sslmode=require"), "DATABASE_URL: ", "expected a server with TLS"),
            (parts(user, "no_such_database"), "DB_DATABASE: ", "3D000"),
            (parts("no_such_role", "postgres"), "DB_USERNAME: ", "expected a role that may connect"),
        ]);
    }
    for (settings, variable, seen) in cases {
        let (status, said) = stops(|node| {
            settings.iter().fold(node, |node, (name, value)| match value.as_str() {
                "" => node.without(name),
                value => node.with(name, value),
            })
        });
        assert_eq!(status, Some(2), "{settings:?}: {said}");
        assert!(said.starts_with(&format!("Bootstrap failed: {variable}")), "{settings:?}: {said}");
        assert!(said.contains(seen) && said.contains("\nfix: "), "{settings:?}: {said}");
        assert!(!said.contains("WARN") && !said.contains("busy"), "{settings:?}: {said}");
    }
}

/// A server that is away may be back: the service manager tries again.
#[test]
fn a_database_that_is_away_may_be_tried_again() {
    let (status, said) = stops(|node| node.with("DATABASE_URL", "postgres://shop@127.0.0.1:1/shop"));
    assert_eq!(status, Some(10), "{said}");
    assert!(said.contains("\nBootstrap failed: DATABASE_URL: Database connection failed: "), "{said}");
}

/// A server that cannot verify a signature would have to refuse every webhook: better it does not start.
#[test]
fn without_what_serving_needs_it_stops_and_names_it() {
    for name in ["STRIPE_SECRET", "STRIPE_WEBHOOK_SECRET"] {
        let said = stops_with_words(|node| node.without(name));
        assert!(said.contains(name) && said.contains("is not set"), "{said}");
    }
    for (name, value, sentence) in [
        ("STRIPE_WEBHOOK_SECRET", "sk_test_s3cret", "whsec_"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_s3cret ", "spaces"),
        ("STRIPE_WEBHOOK_SECRET", "\"whsec_s3cret\"", "is wrapped in quotes"),
        ("STRIPE_SECRET", "pk_test_s3cret", "publishable"),
        ("STRIPE_SECRET", "sk_test_xxxxx", "is still a placeholder"),
        ("STRIPE_SECRET", "\"sk_test_s3cret\"", "is wrapped in quotes"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_4242,whsec_xxxx", "is still a placeholder"),
        ("DB_PASSWORD", "${DB_PASSWORD}", "is still a placeholder"),
        ("LISTEN", "everywhere", "127.0.0.1:3001"),
        ("WORKERS", "many", "whole number"),
    ] {
        let said = stops_with_words(|node| node.with(name, value));
        assert!(said.contains(name) && said.contains(sentence), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

/// Two on one port: the second says which setting and which address.
#[test]
fn an_address_in_use_stops_with_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = stops_with_words(|node| node.with("LISTEN", &address));
    assert!(said.contains("LISTEN") && said.contains(&address), "{said}");
}

/// Whoever reads its log may die; the shop does not.
#[test]
fn a_node_whose_log_nobody_reads_any_more_goes_on() {
    runtime().block_on(async {
        let stage = Stage::with_catalog(Engine::Sqlite).await.expect("a place for SQLite");
        let mut node = stage.node().with("RUST_LOG", "debug");
        // Nobody has ever read, and later nobody reads any more.
        for lines in [0, 3] {
            let mut reader =
                node.spawn_into(std::process::Command::new("head").arg("-n").arg(lines.to_string()));
            node.becomes_ready().await;
            for _ in 0..20 {
                let answer = send_webhook(&stage.http, &node.url, "{}").await;
                assert_eq!(answer, Some(400));
            }
            node.must_run();
            node.terminate();
            assert_eq!(node.ended(Duration::from_secs(30)).await.code(), Some(0));
            reader.wait().unwrap();
        }
    });
}

/// Starts a node that does not stay; gives all that it wrote.
fn stops_with_words(change: impl FnOnce(Node) -> Node) -> String {
    let (status, said) = stops(change);
    assert!(matches!(status, Some(code) if code != 0), "{status:?}: {said}");
    said
}

/// The same with the exit code.
fn stops(change: impl FnOnce(Node) -> Node) -> (Option<i32>, String) {
    runtime().block_on(async {
        let stage = Stage::empty(Engine::Sqlite).await.expect("a place for SQLite");
        let mut node = change(stage.node());
        node.spawn();
        let status = node.ended(Duration::from_secs(30)).await;
        (status.code(), node.said())
    })
}
