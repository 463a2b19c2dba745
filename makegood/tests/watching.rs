//! The rules and the dashboard, held against `promtool`: each alert fires where it should and is silent below.
//!
//! `promtool` is of Debian's package `prometheus`; `MAKEGOOD_PROMTOOL` or the path names it. Without one these tests say
//! on stderr that they were not run, and fail when `MAKEGOOD_REQUIRE_PROMTOOL=1` demands them.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;
mod doors;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cli_stage::Stage;
use doors::{ADMIN_TOKEN, Server};
use makegood::cli::tree;
use makegood::http::console::faces::FACES;
use makegood::http::routes::ROUTES;
use makegood::watching::alerts::{RECORDINGS, alerts, of_check, rules};
use makegood::watching::dashboard::{PANELS, dashboard};
use makegood::watching::yaml;
use serde_json::{Value, json};
use testkit::World;
use testkit::stripe_data::say;

fn promtool() -> Option<PathBuf> {
    let named = std::env::var_os("MAKEGOOD_PROMTOOL").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = named.into_iter().chain(std::env::split_paths(&path).map(|place| place.join("promtool")));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        let required = std::env::var("MAKEGOOD_REQUIRE_PROMTOOL").is_ok_and(|value| value == "1");
        assert!(!required, "MAKEGOOD_REQUIRE_PROMTOOL=1, and there is no promtool");
        say(
            "not run: what promtool says of the rules, the dashboard and the metrics; it is in the package prometheus",
        );
    }
    found
}

/// What promtool says; it must be content.
fn content(arguments: &[&str], input: &str) {
    let Some(program) = promtool() else { return };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

const APP: &str = "https://shop.example";

fn rules_file(folder: &std::path::Path) -> String {
    let file = folder.join("rules.yml");
    std::fs::write(&file, yaml(&rules(APP, "https://grafana.example/d/makegood"))).unwrap();
    file.display().to_string()
}

/// What was seen, and whether the alert fires then.
struct Case {
    alert: String,
    at: &'static str,
    series: Vec<(String, String)>,
    fires: bool,
}

fn case(alert: &str, fires: bool, at: &'static str, series: &[(&str, &str)]) -> Case {
    let series = series.iter().map(|(name, values)| ((*name).to_owned(), (*values).to_owned())).collect();
    Case { alert: format!("Makegood{alert}"), at, series, fires }
}

const RECEIVED: &str = "webhook_events_total{status=\"received\"}";
const ERROR: &str = "webhook_events_total{status=\"error\"}";
const RETRY: &str = "webhook_events_total{status=\"retry\"}";
const REFUNDS: &str = "refund_operations_total{status=\"success\"}";
const INVOICES: &str = "invoice_issue_total{status=\"failure\"}";
const LEAKED: &str = "coupon_reservations_leaked";

fn cases() -> Vec<Case> {
    let (on, off) = (true, false);
    let mut all = vec![
        // More than 2 % for 10 minutes.
        case("WebhookFailures", on, "25m", &[(RECEIVED, "0+1000x60"), (ERROR, "0+21x60")]),
        case("WebhookFailures", off, "8m", &[(RECEIVED, "0+1000x60"), (ERROR, "0+21x60")]),
        case("WebhookFailures", off, "60m", &[(RECEIVED, "0+1000x60"), (ERROR, "0+19x60")]),
        // The first failure of a counter that was at zero is an increase, and is over after a while.
        case("WebhookFailures", off, "60m", &[(RECEIVED, "0+1000x60"), (ERROR, "0x20 500x40")]),
        // More than 20 within 10 minutes.
        case("WebhookRetries", on, "15m", &[(RETRY, "0+3x30")]),
        case("WebhookRetries", off, "30m", &[(RETRY, "0+2x30")]),
        case("WebhookRetries", on, "12m", &[(RETRY, "0x10 21x20")]),
        // More than 5 a minute for 10 minutes, however many succeed.
        case(
            "CheckoutFailures",
            on,
            "25m",
            &[("checkout_requests_total", "0+9000x60"), ("checkout_failures_total", "0+6x60")],
        ),
        case(
            "CheckoutFailures",
            off,
            "60m",
            &[("checkout_requests_total", "0+9000x60"), ("checkout_failures_total", "0+4x60")],
        ),
        // Or more than 2 % of the requests.
        case(
            "CheckoutFailures",
            on,
            "25m",
            &[("checkout_requests_total", "0+100x60"), ("checkout_failures_total", "0+3x60")],
        ),
        case(
            "CheckoutFailures",
            off,
            "60m",
            &[("checkout_requests_total", "0+100x60"), ("checkout_failures_total", "0+1x60")],
        ),
        // More than 5 within 15 minutes.
        case("InvoiceFailures", on, "12m", &[(INVOICES, "0x10 6x20")]),
        case("InvoiceFailures", off, "60m", &[(INVOICES, "0x10 5x60")]),
        // Any, for 10 minutes; two nodes say the same.
        case(
            "StuckPaidOrders",
            on,
            "12m",
            &[
                ("orders_paid_unconfirmed{instance=\"a\"}", "1x30"),
                ("orders_paid_unconfirmed{instance=\"b\"}", "1x30"),
            ],
        ),
        case("StuckPaidOrders", off, "9m", &[("orders_paid_unconfirmed", "1x30")]),
        case("StuckPaidOrders", off, "30m", &[("orders_paid_unconfirmed", "0x60")]),
        // Getting more for 30 minutes, not once.
        case("CouponLeak", on, "55m", &[(LEAKED, "0+1x90")]),
        case("CouponLeak", off, "25m", &[(LEAKED, "0+1x90")]),
        case("CouponLeak", off, "60m", &[(LEAKED, "5x90")]),
        case("CouponLeak", off, "60m", &[(LEAKED, "0x20 5x90")]),
        // Three times what a day's average quarter of an hour saw, for 15 minutes.
        case("RefundSpike", on, "1475m", &[(REFUNDS, "0+1x1440 1441+4x60")]),
        case("RefundSpike", off, "1475m", &[(REFUNDS, "0+1x1440 1441+2x60")]),
        // A shop without a yesterday: one in a quarter of an hour is what is usual.
        case("RefundSpike", on, "40m", &[(REFUNDS, "0+1x60")]),
        case("RefundSpike", off, "40m", &[(REFUNDS, "0x5 3x60")]),
        // One that is refused calls somebody; that others wait is no reason to.
        case("DbPoolExhausted", on, "12m", &[("db_pool_refused_total", "0x10 1x20")]),
        case(
            "DbPoolExhausted",
            off,
            "30m",
            &[("db_pool_refused_total", "7x30"), ("db_pool_waiting", "90x30")],
        ),
        case("SecretsTroubled", on, "6m", &[("secrets_troubled", "1x10")]),
        case("SecretsTroubled", off, "9m", &[("secrets_troubled", "1 1 1 0x10")]),
        case(
            "ChecksStale",
            on,
            "40m",
            &[("check_age_seconds{check=\"a\"}", "0+60x60"), ("check_age_seconds{check=\"b\"}", "0x60")],
        ),
        case("ChecksStale", off, "40m", &[("check_age_seconds{check=\"a\"}", "1800x60")]),
        // A node that has just started does not know better than the others.
        case(
            "ChecksStale",
            off,
            "40m",
            &[
                ("check_age_seconds{check=\"a\",instance=\"a\"}", "0+60x60"),
                ("check_age_seconds{check=\"a\",instance=\"b\"}", "20x60"),
            ],
        ),
        case(
            "DatabaseDown",
            on,
            "4m",
            &[("db_up{instance=\"a\"}", "0x10"), ("db_up{instance=\"b\"}", "1x10")],
        ),
        case("DatabaseDown", on, "4m", &[("db_up", "1x10"), ("db_healthy", "0x10")]),
        case("DatabaseDown", off, "10m", &[("db_up", "1x10"), ("db_healthy", "1x10")]),
        case("Absent", on, "6m", &[("something_else", "0x10")]),
        case("Absent", off, "10m", &[("db_up", "1x10")]),
    ];
    for check in shop::checks() {
        let (name, gauge) = (of_check(check.name), format!("check_findings{{check=\"{}\"}}", check.name));
        let other = "check_findings{check=\"another\"}".to_owned();
        let found = vec![(gauge.clone(), "0 0 1x20".to_owned())];
        let gone = vec![(gauge, "0 0 1 0x20".to_owned()), (other, "1x20".to_owned())];
        all.push(Case { alert: name.clone(), at: "6m", series: found, fires: true });
        all.push(Case { alert: name, at: "6m", series: gone, fires: false });
    }
    all
}

/// The rules as they are, and what is expected of one of them.
fn test_of(case: &Case, rules: &Value) -> Value {
    let groups = rules["groups"].as_array().unwrap().iter();
    let rule = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .find(|rule| rule["alert"] == case.alert.as_str());
    let rule = rule.unwrap_or_else(|| panic!("there is no alert {}", case.alert));
    let expected = match case.fires {
        true => json!([{ "exp_labels": rule["labels"], "exp_annotations": rule["annotations"] }]),
        false => json!([]),
    };
    let series: Vec<Value> =
        case.series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    json!({
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{ "eval_time": case.at, "alertname": case.alert, "exp_alerts": expected }],
    })
}

#[test]
fn each_alert_fires_at_its_threshold_and_is_silent_below() {
    let cases = cases();
    for alert in alerts() {
        for fires in [true, false] {
            let has = cases.iter().any(|case| case.alert == alert.name && case.fires == fires);
            assert!(has, "{} has no case in which it is {}", alert.name, if fires { "on" } else { "silent" });
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = rules_file(folder.path());
    content(&["check", "rules", "--lint-fatal", &file], "");
    let rules = rules(APP, "https://grafana.example/d/makegood");
    let mut tests: Vec<Value> = cases.iter().map(|case| test_of(case, &rules)).collect();
    tests.push(json!({
        "interval": "1m",
        "input_series": [
            { "series": format!("http_request_duration_seconds_bucket{{le=\"0.1\"}}"), "values": "0+90x10" },
            { "series": format!("http_request_duration_seconds_bucket{{le=\"0.2\"}}"), "values": "0+100x10" },
            { "series": format!("http_request_duration_seconds_bucket{{le=\"+Inf\"}}"), "values": "0+100x10" },
            { "series": "webhook_events_total{status=\"error\",instance=\"a\"}", "values": "0+1x10" },
        ],
        "promql_expr_test": [
            { "expr": "round(http_request_duration_p95 * 1000)", "eval_time": "8m",
              "exp_samples": [{ "labels": "{}", "value": 150 }] },
            { "expr": "webhook_failures_total", "eval_time": "8m",
              "exp_samples": [{ "labels": "webhook_failures_total{instance=\"a\"}", "value": 8 }] },
        ],
    }));
    let document = json!({ "rule_files": [file], "evaluation_interval": "1m", "tests": tests });
    let tests = folder.path().join("tests.yml");
    std::fs::write(&tests, yaml(&document)).unwrap();
    content(&["test", "rules", &tests.display().to_string()], "");
}

#[test]
fn every_series_of_the_dashboard_can_be_asked_and_each_panel_has_an_id_of_its_own() {
    let all = dashboard();
    assert!(all["schemaVersion"].as_i64().unwrap() >= 30 && !all["uid"].as_str().unwrap().is_empty());
    assert_eq!(all["templating"]["list"][0]["type"], "datasource");
    let panels = all["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    let places: BTreeSet<String> = panels.iter().map(|panel| panel["gridPos"].to_string()).collect();
    assert_eq!((ids.len(), places.len()), (panels.len(), panels.len()));
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(n, target)| {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            json!({ "record": format!("panel:{n}"), "expr": target["expr"] })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yml");
    std::fs::write(&file, yaml(&json!({ "groups": [{ "name": "panels", "rules": rules }] }))).unwrap();
    content(&["check", "rules", &file.display().to_string()], "");
}

/// Names of series in an expression: words before a brace, a bracket, a parenthesis' end or a sign.
fn series_in(expr: &str) -> BTreeSet<String> {
    let outside: String = expr.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let words =
        outside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.contains('_'));
    words.filter(|word| !["histogram_quantile", "clamp_min"].contains(word)).map(str::to_owned).collect()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn the_metrics_are_as_prometheus_wants_them_and_hold_all_that_is_asked_for(test: TestDb) {
        let server = Server::start(&test).await;
        let text = server.get("/metrics", None).await.text;
        content(&["check", "metrics"], &text);
        let there = |series: &str| text.lines().any(|line| line.split(['{', ' ']).next() == Some(series));
        let asked = alerts().into_iter().map(|alert| alert.expr).chain(RECORDINGS.iter().map(|rule| rule.expr.to_owned()));
        let asked = asked.chain(PANELS.iter().flat_map(|panel| panel.series.iter().map(|(expr, _)| (*expr).to_owned())));
        for expr in asked {
            let missing: Vec<String> = series_in(&expr).into_iter().filter(|series| !there(series)).collect();
            assert!(missing.is_empty(), "{missing:?} of {expr} is not at /metrics");
        }
        // Each label that an alert asks for is there from the start.
        for alert in alerts() {
            for (at, _) in alert.expr.match_indices('{') {
                let name: String = alert.expr[..at].chars().rev().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let name: String = name.chars().rev().collect();
                let labels = &alert.expr[at..=at + alert.expr[at..].find('}').unwrap()];
                assert!(text.contains(&format!("{name}{labels} 0\n")), "{name}{labels} is not at /metrics");
            }
        }
        let shown = server.get("/api/v1/admin/alerts", Some(ADMIN_TOKEN)).await;
        assert_eq!((shown.status, shown.body["groups"][1]["name"].as_str()), (200, Some("makegood")), "{}", shown.text);
        let tested = server.get("/api/v1/admin/alerts/test", Some(ADMIN_TOKEN)).await;
        assert_eq!((tested.status, &tested.body["firing"]), (200, &json!(0)), "{}", tested.text);
        assert_eq!(tested.body["data"].as_array().unwrap().len(), alerts().len());
        let board = server.get("/api/v1/admin/dashboards", Some(ADMIN_TOKEN)).await;
        assert_eq!(board.body["uid"], "makegood");
        server.stop().await;
    }

    async fn a_test_says_which_alerts_would_fire_and_by_its_exit_code_that_one_would(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        let quiet = stage.type_in("alerts test").ends(0);
        assert!(quiet.out.contains("0 would fire") && quiet.out.contains("MakegoodWebhookFailures"), "{quiet:?}");
        let sql = "UPDATE inventory SET stock_count = stock_count + 3 WHERE sku = 'MUG'";
        world.shop.db.write("test", move |tx| tx.execute(sql, &[])).await.unwrap();
        let told = stage.type_in("alerts test --json").ends(3).json();
        let state = |name: &str| {
            told["data"].as_array().unwrap().iter().find(|row| row["alert"] == name).unwrap()["state"].clone()
        };
        assert_eq!(told["firing"], 1, "{told}");
        assert_eq!(state("MakegoodCheckStockDiffersFromLedger"), "firing");
        assert_eq!(state("MakegoodStuckPaidOrders"), "silent");
        assert_eq!(state("MakegoodRefundSpike"), "unknown", "one look does not know what was counted before");
        assert_eq!(state("MakegoodChecksStale"), "unknown", "no server has run them");
        // What a server's round has found counts; that of this world is months old, by its own clock.
        world.shop.seal().await.unwrap();
        shop::office::watch::watch(&world.shop).await.unwrap();
        let stale = stage.type_in("alerts test --json").ends(3).json();
        let stale = stale["data"].as_array().unwrap().iter().find(|row| row["alert"] == "MakegoodChecksStale").unwrap().clone();
        assert_eq!(stale["state"], "firing", "{stale}");
        let drifted = stage.type_in("alerts test").ends(3);
        assert!(drifted.out.contains("makegood runbook detect inventory-drift"), "{drifted:?}");

        stage.type_in("check stock_differs_from_ledger").ends(3);
        let one = stage.type_in("check reserved_differs_from_reservations --json").ends(0).json();
        assert_eq!(one["data"].as_array().unwrap().len(), 1, "{one}");
        stage.type_in("check no_such_check").ends(5);
        let server = Server::start(&world.test).await;
        let path = "/api/v1/admin/checks?only=stock_differs_from_ledger";
        let only = server.get(path, Some(ADMIN_TOKEN)).await;
        assert_eq!((only.body["data"].as_array().unwrap().len(), &only.body["findings"]), (1, &json!(1)));
        assert_eq!(server.get("/api/v1/admin/checks?only=x", Some(ADMIN_TOKEN)).await.status, 404);
        assert_eq!(server.get("/api/v1/admin/checks?name=x", Some(ADMIN_TOKEN)).await.status, 422);
        let remote = Stage::bare().with("MAKEGOOD_URL", server.url.clone()).with("MAKEGOOD_TOKEN", ADMIN_TOKEN);
        let far = tokio::task::spawn_blocking(move || {
            remote.type_in("check stock_differs_from_ledger reserved_differs_from_reservations --json").ends(3);
            remote.type_in("alerts test --json").ends(3)
        });
        assert_eq!(far.await.unwrap().json()["firing"], 2);
        server.stop().await;
    }
}

#[test]
fn the_rules_are_printed_or_written_to_a_file_with_the_address_of_this_shop() {
    let stage = Stage::bare().with("APP_URL", APP);
    let printed = stage.type_in("alerts export").ends(0).out;
    assert!(printed.contains("alert: MakegoodWebhookFailures"), "{printed}");
    assert!(printed.contains("runbook_url: \"https://shop.example/_/runbooks/webhook-failed\""), "{printed}");
    let said =
        stage.type_in("alerts export --out rules.yml --dashboard https://grafana.example/d/makegood").ends(0);
    assert!(said.out.is_empty() && said.err.contains("rules.yml"), "{said:?}");
    let written = std::fs::read_to_string(stage.folder().join("rules.yml")).unwrap();
    assert!(written.contains("dashboard_url: \"https://grafana.example/d/makegood\""), "{written}");
    content(&["check", "rules", &stage.folder().join("rules.yml").display().to_string()], "");
    let board = stage.type_in("dashboards export").ends(0).json();
    assert_eq!(board, dashboard());
    stage.type_in("dashboards export --out nowhere/at/all.json").ends(2);
}

/// Whoever is woken gets a page that is there and a command that runs.
#[test]
fn every_alert_leads_to_a_page_and_a_command_that_exist() {
    let written = rules(APP, "https://grafana.example/d/makegood");
    let rules =
        written["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let mut seen = 0;
    for rule in rules.filter(|rule| rule["alert"].is_string()) {
        seen += 1;
        let text =
            |name: &str| rule["annotations"][name].as_str().unwrap_or_else(|| panic!("{name} of {rule}"));
        let path = text("runbook_url").strip_prefix(APP).unwrap().split('?').next().unwrap();
        let thing = match path.strip_prefix("/_/").unwrap_or_default().split_once('/') {
            Some(("runbooks", id)) => shop::runbooks::find(id).is_ok(),
            Some(("checks", name)) => shop::checks().iter().any(|check| check.name == name),
            _ => FACES.iter().any(|face| face.path == path) || ROUTES.iter().any(|route| route.path == path),
        };
        assert!(thing, "{path} of {rule} is no page");
        let command = text("runbook_command");
        assert!(command.starts_with("makegood "), "{command}");
        let read = tree::command().try_get_matches_from(command.split(' '));
        assert!(read.is_ok(), "{command}: {:?}", read.err());
        for word in ["summary", "description", "dashboard_url"] {
            assert!(!text(word).is_empty());
        }
    }
    assert_eq!(seen, alerts().len());
}

/// `ACCEPT=1` writes the table anew.
#[test]
fn the_table_of_alerts_in_the_document_is_that_of_the_code() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("|---|---|---|\n").unwrap();
    let (_, after) = rest.split_once("\nThere is one more").unwrap();
    let thresholds = alerts().into_iter().filter(|alert| !alert.expr.contains("{check="));
    let rows: String = thresholds
        .map(|alert| {
            let wait = if alert.wait == "0m" { String::new() } else { format!(", for {}", alert.wait) };
            format!("| {} | {}{wait} | {} |\n", alert.name, alert.summary, alert.severity.as_str())
        })
        .collect();
    let expected = format!("{before}|---|---|---|\n{rows}\nThere is one more{after}");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, expected).unwrap();
        return;
    }
    assert!(text == expected, "docs/alerts.md is not what the code says; ACCEPT=1 writes it");
}
