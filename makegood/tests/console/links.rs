//! Every link of every page leads somewhere, for each role: what a page shows to somebody, they may open.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::http::Method;
use mail::Mailbox;
use makegood::http::console::faces::{FACES, Face, Need};
use ops::Role;
use sandbox::{NewDispute, Payment};
use serde_json::{Value, json};
use testkit::on_both_engines;

use crate::browser::{Browser, encoded, user};
use crate::doors::{ADMIN_TOKEN, Server, Wish};
use crate::pages::{ROLES, bought};

/// As long as an email may be at a checkout.
fn long_email() -> String {
    let label = "d".repeat(62);
    format!("{}@{label}.{label}.{label}.{label}.ex", "e".repeat(64))
}

/// A shop in which something of every kind has happened.
async fn filled(test: &testkit::TestDb) -> Server {
    let wish = Wish {
        workers: true,
        in_memory: true,
        mailbox: Some(Arc::new(Mailbox::default())),
        ..Wish::default()
    };
    let server = Server::start_as(test, wish).await.with_catalog().await;
    let (mug, course) = (bought(&server, "mug").await, bought(&server, "rust-course").await);
    operate(&server, &format!("orders/{mug}/review/flag"), json!({})).await;
    operate(&server, "refunds/create", json!({ "order": course })).await;
    let disputed = bought(&server, "mug").await;
    let order = server.get(&format!("/api/v1/admin/orders/{disputed}"), Some(ADMIN_TOKEN)).await.body;
    let intent = order["stripe_payment_intent_id"].as_str().unwrap().to_owned();
    server
        .stripe
        .with(|account, cx| account.open_dispute(&intent, &NewDispute::because("fraudulent"), cx))
        .unwrap();
    let declined = started(&server, &long_email()).await;
    server
        .stripe
        .with(|account, cx| account.pay(&declined, &Payment::by_card("4000000000000002"), cx))
        .unwrap();
    let profile = uuid::Uuid::from_u128(7).to_string();
    operate(&server, "customers/create", json!({ "id": profile, "email": long_email() })).await;
    operate(&server, "inventory/MUG/adjust", json!({ "change": 5 })).await;
    operate(&server, "downloads/disable", json!({})).await;
    let drilled = json!({ "runbook": "review-hold", "on": "SQLite" });
    operate(&server, "drills/record", drilled).await;
    operate(&server, "events/backfill", json!({})).await;
    operate(&server, "reconcile", json!({ "apply": true })).await;
    user(&server.app, "ada", Role::Viewer).await;
    let declined = "SELECT COUNT(*) FROM stripe_events WHERE type = 'charge.failed' AND status <> 'received'";
    while server.count(declined).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    shop::office::watch::watch(&server.app.shop).await.unwrap();
    server
}

async fn operate(server: &Server, path: &str, mut body: Value) {
    body["reason"] = "a filled shop".into();
    let answer = server.post(&format!("/api/v1/admin/{path}"), Some(ADMIN_TOKEN), &body).await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
}

/// The session of a purchase that was begun.
async fn started(server: &Server, email: &str) -> String {
    let basket = json!({ "items": [{ "product": "mug", "quantity": 1 }], "email": email });
    let started = server.post("/api/v1/checkout/sessions", None, &basket).await.body;
    started["id"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned()
}

/// A way to somewhere within this server, and where it was found.
struct Way {
    to: String,
    from: String,
}

fn ways(from: &str, page: &str) -> Vec<Way> {
    let places = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let places = places.filter(|place| place.starts_with('/') && !place.starts_with("/_/assets/"));
    let plain =
        |place: &str| place.split('#').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&");
    places.map(|place| Way { to: plain(place), from: from.to_owned() }).collect()
}

/// Every page that needs nothing but to be opened by this role.
fn open_to(role: Role) -> Vec<Way> {
    let may = |face: &&Face| matches!(face.need, Need::Role(least) if least <= role);
    let plain = |face: &&Face| face.methods().contains(&Method::GET) && !face.path.contains('{');
    let faces = FACES.iter().filter(may).filter(plain);
    faces.map(|face| Way { to: face.path.into(), from: "nowhere".into() }).collect()
}

/// Follows every link of every page; gives how many there are, and those that lead nowhere.
async fn follow(browser: &mut Browser<'_>, role: Role) -> (usize, Vec<String>) {
    let mut ahead: VecDeque<Way> = open_to(role).into();
    let mut known: BTreeSet<String> = ahead.iter().map(|way| way.to.clone()).collect();
    let mut dead = Vec::new();
    while let Some(way) = ahead.pop_front() {
        let answer = browser.get(&way.to).await;
        let is_there = match answer.status {
            200 => true,
            303 => {
                answer.header("location").starts_with("/_/") && !answer.header("location").contains("sign-in")
            }
            // It is there, and would not do now what it is for.
            409 => true,
            _ => false,
        };
        if !is_there {
            dead.push(format!("{} {} from {}", answer.status, way.to, way.from));
        }
        // On a phone a row is a card, where each cell says what it is.
        let (cells, named) = ("<td", "<td data-title=\"");
        assert_eq!(answer.text.matches(cells).count(), answer.text.matches(named).count(), "{}", way.to);
        let mut next = if way.to.starts_with("/_/") { ways(&way.to, &answer.text) } else { Vec::new() };
        let moved = Some(answer.header("location").to_owned()).filter(|place| !place.is_empty());
        next.extend(moved.map(|to| Way { to, from: way.to.clone() }));
        ahead.extend(next.into_iter().filter(|way| known.insert(way.to.clone())));
    }
    (known.len(), dead)
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn every_link_of_every_page_leads_somewhere_for_each_role(test: TestDb) {
        let server = filled(&test).await;
        for role in ROLES {
            let mut browser = Browser::with_role(&server, role).await;
            let (seen, dead) = follow(&mut browser, role).await;
            assert!(seen > 150, "{role:?} saw only {seen} pages");
            assert!(dead.is_empty(), "{role:?}: {} of {seen}\n{}", dead.len(), dead.join("\n"));
        }
        let case = format!("/_/people/{}", encoded(&long_email()));
        let mut viewer = Browser::with_role(&server, Role::Viewer).await;
        assert_eq!(viewer.get(&case).await.status, 200, "as long as it may be at a checkout");
        server.stop().await;
    }
}
