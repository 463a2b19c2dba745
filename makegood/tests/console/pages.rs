//! Every page of the console: who may see it, that it is there for everything the registries define, that it answers with
//! data and without, that it wears what every answer wears, and that what comes from outside stays text.

use std::collections::BTreeSet;

use axum::http::Method;
use makegood::http::console::faces::{FACES, Face, Need};
use makegood::http::console::{POLICY, ROOMS};
use ops::Role;
use sandbox::Payment;
use serde_json::{Value, json};
use testkit::on_both_engines;

use crate::browser::{Browser, PASSWORD, encoded, user};
use crate::doors::{ADMIN_TOKEN, Answer, Server, Wish};

pub const ROLES: [Role; 5] = [Role::Viewer, Role::Support, Role::Finance, Role::Operator, Role::Admin];
const NO_ORDER: &str = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
/// What somebody may write who wants to be more than text.
const EVIL: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</textarea><svg onload=alert(1)>",
    "{{ 7 * 7 }}${7*7}<%= 7 %>",
    "\u{202e}<b>javascript:alert(1)</b>",
];

#[test]
fn every_operation_view_and_task_has_a_page_and_no_name_has_two() {
    let names: Vec<&str> = FACES.iter().map(|face| face.name).collect();
    let defined = shop::OPERATIONS
        .iter()
        .map(|def| def.name)
        .chain(shop::VIEWS.iter().map(|def| def.name))
        .chain(shop::TASKS.iter().map(|def| def.name));
    let missing: Vec<&str> = defined.filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let paths: BTreeSet<&str> = FACES.iter().map(|face| face.path).collect();
    assert_eq!(paths.len(), FACES.len(), "two pages stand at one path");
}

#[test]
fn every_list_is_reached_from_the_rooms_and_every_room_is_a_page() {
    let rooms: Vec<&str> = ROOMS.iter().map(|(_, _, path, _)| *path).collect();
    for view in shop::VIEWS.iter().filter(|view| view.name.ends_with(".list")) {
        let path = format!("/_/{}", view.resource());
        assert!(rooms.contains(&path.as_str()), "{} is in no room", view.name);
    }
    for room in rooms {
        assert!(FACES.iter().any(|face| face.path == room), "{room} is no page");
    }
}

#[test]
fn whoever_may_do_something_is_whom_the_definition_names() {
    for def in shop::OPERATIONS {
        let face = FACES.iter().find(|face| face.name == def.name).unwrap();
        assert_eq!(face.need, Need::Role(def.role.max(Role::Viewer)), "{}", def.name);
    }
    let open: Vec<&str> =
        FACES.iter().filter(|face| face.need == Need::Nothing).map(|face| face.name).collect();
    assert_eq!(open, ["asset", "sign-in", "welcome"]);
}

fn path(face: &Face) -> String {
    let id = match face.name {
        "asset" => "console.css",
        "checks.show" => "orders_in_review",
        _ => NO_ORDER,
    };
    face.path
        .replace("{id}", id)
        .replace("{name}", id)
        .replace("{link}", "none")
        .replace("{*rest}", "nowhere/at/all")
}

/// What every page wears.
fn is_dressed(answer: &Answer, what: &str) {
    assert_eq!(answer.header("content-security-policy"), POLICY, "{what}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    if !what.contains("/assets/") {
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    }
    assert!(answer.header("x-request-id").starts_with("req_"), "{what}");
    let inline = [" style=", "<script", "<style", " onclick", "javascript:"];
    for word in inline.iter().filter(|_| answer.header("content-type").starts_with("text/html")) {
        assert!(!answer.text.contains(word), "{what} holds {word}");
    }
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// The whole table: each page with each role and with nobody, looked at and sent to.
    async fn each_page_is_open_to_its_roles_and_to_no_one_else(test: TestDb) {
        let server = Server::start(&test).await;
        let mut people = Vec::new();
        for role in ROLES {
            people.push((role, Browser::with_role(&server, role).await));
        }
        for face in FACES.iter() {
            let Need::Role(least) = face.need else { continue };
            let path = path(face);
            let mut nobody = Browser::new(&server);
            for method in face.methods() {
                let answer = match *method {
                    Method::GET => nobody.get(&path).await,
                    _ => nobody.post(&path, &[("csrf", "x")]).await,
                };
                let refused = if *method == Method::GET { 303 } else { 401 };
                assert_eq!(answer.status, refused, "{method} {path} by nobody: {}", answer.text);
                is_dressed(&answer, &path);
                for (role, browser) in people.iter_mut().filter(|_| face.name != "sign-out") {
                    let answer = match *method {
                        Method::GET => browser.get(&path).await,
                        _ => browser.post(&path, &[("do", "look")]).await,
                    };
                    let what = format!("{method} {path} as {role:?}: {}", answer.text);
                    assert_eq!(answer.status == 403, *role < least, "{what}");
                    assert!(answer.status < 500 && answer.status != 401 && answer.status != 400, "{what}");
                    is_dressed(&answer, &path);
                }
            }
            let other = if face.methods().contains(&Method::POST) { None } else { Some(people[4].1.post(&path, &[("x", "y")]).await) };
            if let Some(answer) = other {
                assert_eq!(answer.status, 405, "{path}: {}", answer.text);
            }
        }
        server.stop().await;
    }

    async fn every_form_is_refused_without_our_word_and_from_elsewhere(test: TestDb) {
        let server = Server::start(&test).await;
        let mut admin = Browser::with_role(&server, Role::Admin).await;
        let word = admin.word.clone();
        let before = server.count("SELECT COUNT(*) FROM audit_logs").await;
        for face in FACES.iter().filter(|face| face.methods().contains(&Method::POST) && face.need != Need::Nothing) {
            let path = path(face);
            admin.site = "same-origin";
            for forged in ["", "0000", &word[1..]] {
                let answer = admin.post(&path, &[("csrf", forged), ("do", "apply"), ("reason", "x")]).await;
                assert_eq!(answer.status, 403, "{path}: {}", answer.text);
            }
            for site in ["cross-site", "same-site", "none"] {
                admin.site = site;
                let answer = admin.post(&path, &[("csrf", &word), ("do", "apply"), ("reason", "x")]).await;
                assert_eq!(answer.status, 403, "{path} from {site}");
                assert!(answer.text.contains("form_refused"), "{path}");
            }
        }
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs").await, before, "nothing was done");
        server.stop().await;
    }

    async fn every_list_answers_without_data_and_says_what_to_do(test: TestDb) {
        let server = Server::start(&test).await;
        let mut admin = Browser::with_role(&server, Role::Admin).await;
        for face in FACES.iter().filter(|face| face.methods().contains(&Method::GET) && !face.path.contains('{')) {
            if face.name == "sign-in" {
                continue;
            }
            let answer = admin.get(face.path).await;
            assert_eq!(answer.status, 200, "{}: {}", face.path, answer.text);
            assert_eq!(answer.text.matches("<h1").count(), 1, "{}", face.path);
        }
        for path in ["/_/orders", "/_/events", "/_/jobs", "/_/products"] {
            let page = admin.get(path).await.text;
            assert!(page.contains("Nothing here.") && !page.contains("<tbody>"), "{page}");
        }
        assert!(admin.get("/_/").await.text.contains("All is as it must be."));
        assert!(admin.get("/_/orders?status=paid").await.text.contains("Nothing matches."));
        let wrong = admin.get("/_/orders?status=lost").await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text.contains("expected pending"), "{}", wrong.text);
        assert_eq!(admin.get("/_/orders?colour=red").await.status, 422);
        assert_eq!(admin.get("/_/orders?starting_after=nonsense").await.status, 422);
        assert_eq!(admin.get("/_/nowhere").await.status, 404);
        server.stop().await;
    }

    /// What nobody has looked at lately is no good news.
    async fn checks_that_nobody_runs_any_more_are_not_called_well(test: TestDb) {
        let server = Server::start(&test).await;
        let mut admin = Browser::with_role(&server, Role::Admin).await;
        server.app.shop.watch().await.unwrap();
        assert!(admin.get("/_/").await.text.contains("All is as it must be."));
        let at = server.app.shop.now() - std::time::Duration::from_secs(12 * 60);
        let sql = "UPDATE check_results SET checked_at = $1";
        test.db.write("test", move |tx| tx.execute(sql, &[at.into()])).await.unwrap();
        let home = admin.get("/_/").await.text;
        assert!(home.contains("have not run for a while") && !home.contains("All is as it must be."), "{home}");
        assert!(admin.get("/_/checks").await.text.contains("held, and was not run since"));
        server.stop().await;
    }

    async fn an_order_is_found_explained_and_changed_with_one_plan(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let order = bought(&server, "mug").await;
        let mut op = Browser::with_role(&server, Role::Operator).await;
        let found = op.get(&format!("/_/search?q={order}")).await;
        assert_eq!((found.status, found.header("location")), (303, format!("/_/orders/{order}").as_str()));
        let page = op.get(&format!("/_/orders/{order}")).await.text;
        for word in ["confirmed", "Stripe received", "Payment succeeded", "What comes next", "checkout.session.completed"] {
            assert!(page.contains(word), "{word} is not in {page}");
        }
        let (_, comes) = page.split_once("What comes next").unwrap();
        let (comes, _) = comes.split_once("</section>").unwrap();
        assert!(comes.contains(&format!("<code>makegood orders ship {order} --reason WHY</code>")), "{comes}");
        assert!(comes.contains(&format!("href=\"/_/orders/{order}/ship\"")), "the button stands beside it: {comes}");
        let noted = "<dt>As the order expects</dt><dd>yes</dd>";
        assert!(page.contains(noted) && page.contains("<dt>Payment intent</dt><dd><a href=\"/_/search?q=pi_"), "{page}");
        assert!(!page.contains("paymentIntentId") && !page.contains("agrees true"), "{page}");
        let (offered, refused) = page.split_once("What does not go now").unwrap();
        assert!(offered.contains(&format!("href=\"/_/orders/{order}/ship\"")), "{page}");
        assert!(offered.contains("/_/refunds/create?order="), "{page}");
        for (way, why) in [("cancel", "order is pending does not hold: it is confirmed"), ("mend", "nothing would change")] {
            let way = format!("href=\"/_/orders/{order}/{way}\"");
            assert!(!offered.contains(&way) && refused.contains(&way) && refused.contains(why), "{way}: {page}");
        }
        let case = op.get(&format!("/_/people/{order}")).await;
        assert_eq!(case.status, 200, "{}", case.text);
        assert!(case.text.contains("Evidence"), "{}", case.text);

        let ship = format!("/_/orders/{order}/ship");
        let preview = op.get(&ship).await;
        assert_eq!(preview.status, 200);
        let guard = "<span title=\"order_is_confirmed\">order is confirmed</span>";
        assert!(preview.text.contains("What would change") && preview.text.contains(guard), "{}", preview.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'order_shipped'").await, 0);
        let plan = hidden(&preview.text, "plan_id");
        assert!(preview.text.contains(&format!("makegood orders ship {order} --reason WHY")), "{}", preview.text);
        assert!(preview.text.contains("curl -X POST") && preview.text.contains("/ship"));

        let without = op.post(&ship, &[("do", "apply"), ("plan_id", &plan), ("reason", " ")]).await;
        assert_eq!(without.status, 422);
        assert!(without.text.contains("Say why"), "{}", without.text);
        let no_plan = op.post(&ship, &[("do", "apply"), ("reason", "the parcel left")]).await;
        assert!(no_plan.text.contains("What would change"), "{}", no_plan.text);
        let other = [("do", "apply"), ("plan_id", &plan), ("reason", "the parcel left"), ("tracking", "X1")];
        let stale = op.post(&ship, &other).await;
        assert_eq!(stale.status, 409, "{}", stale.text);
        assert!(stale.text.contains("has changed since you looked"), "{}", stale.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'order_shipped'").await, 0);
        let newer = hidden(&stale.text, "plan_id");
        assert_ne!(newer, plan);
        let applied = [("do", "apply"), ("plan_id", &newer), ("reason", "the parcel left"), ("tracking", "X1")];
        let done = op.post(&ship, &applied).await;
        assert_eq!(done.status, 200, "{}", done.text);
        assert!(done.text.contains("Done, and read back.") && done.text.contains("aud_"), "{}", done.text);
        let again = op.post(&ship, &applied).await;
        assert_eq!(again.status, 409, "a second click does nothing: {}", again.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'order_shipped'").await, 1);
        let log = op.get("/_/audit-logs").await.text;
        assert!(log.contains("the parcel left") && log.contains(">operator<"), "{log}");
        let (_, rest) = done.text.split_once("href=\"/_/audit-logs/aud_").unwrap();
        let entry = format!("/_/audit-logs/aud_{}", rest.split('"').next().unwrap());
        assert!(log.contains(&format!("href=\"{entry}\"")), "{log}");
        let shown = op.get(&entry).await.text;
        for word in ["order_shipped", "the parcel left", "orders.ship", "X1", "req_"] {
            assert!(shown.contains(word), "{word} is not in {shown}");
        }
        let found = op.get(&format!("/_/search?q={}", &entry["/_/audit-logs/".len()..])).await;
        assert_eq!((found.status, found.header("location")), (303, entry.as_str()));
        let refused = op.get(&format!("/_/orders/{order}/cancel")).await;
        assert_eq!(refused.status, 409);
        assert!(refused.text.contains("does not hold") && !refused.text.contains("Apply exactly this"));

        let mut viewer = Browser::with_role(&server, Role::Viewer).await;
        let page = viewer.get(&format!("/_/orders/{order}")).await.text;
        assert!(!page.contains("/ship\"") && !page.contains("/_/refunds/create"), "a viewer sees no button");
        for event in server.get(&format!("/api/v1/admin/events?order={order}"), Some(ADMIN_TOKEN)).await.body["data"].as_array().unwrap() {
            let event = event["id"].as_str().unwrap();
            let page = viewer.get(&format!("/_/events/{event}")).await;
            assert_eq!(page.status, 200);
            assert!(page.text.contains("Payload as it came") && page.text.contains("&quot;livemode&quot;") || page.text.contains("&#34;livemode&#34;"), "{}", page.text);
        }
        server.stop().await;
    }

    async fn every_page_answers_with_data_and_what_comes_from_outside_stays_text(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let order = bought(&server, "mug").await;
        let mut admin = Browser::with_role(&server, Role::Admin).await;
        for (number, evil) in EVIL.iter().enumerate() {
            let profile = uuid::Uuid::from_u128(number as u128 + 1).to_string();
            // What is left of it in an email; the name has it all.
            let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '@');
            let email = format!("a{number}@x{}", evil.replace(strange, ""));
            let made = json!({ "id": profile, "email": email, "name": evil, "reason": evil });
            let made = server.post("/api/v1/admin/customers/create", Some(ADMIN_TOKEN), &made).await;
            assert_eq!(made.status, 200, "{}", made.text);
            let flag = server.post(&format!("/api/v1/admin/orders/{order}/review/flag"), Some(ADMIN_TOKEN), &json!({ "reason": evil })).await;
            assert!(flag.status < 500, "{}", flag.text);
            let token = json!({ "name": evil, "role": "viewer", "reason": evil });
            assert_eq!(server.post("/api/v1/admin/tokens", Some(ADMIN_TOKEN), &token).await.status, 201);
            for path in [
                format!("/_/search?q={}", encoded(evil)),
                format!("/_/people/{}", encoded(evil).replace("%2F", "_")),
                format!("/_/orders?seller={}", encoded(evil)),
                format!("/_/inventory/{}/adjust?change=1", encoded(evil).replace("%2F", "_")),
                format!("/_/orders/{order}/ship?tracking={}", encoded(evil)),
                format!("/_/reconcile?only={}", encoded(evil)),
                format!("/_/sign-in?next={}", encoded(evil)),
                format!("/_/{}", encoded(evil).replace("%2F", "_")),
            ] {
                is_tame(&admin.get(&path).await, &path);
            }
            let made = [("name", *evil), ("role", "viewer"), ("reason", evil), ("days", evil)];
            is_tame(&admin.post("/_/users/invite", &made).await, "an invitation");
            is_tame(&admin.post("/_/tokens/create", &made).await, "a token");
            let path = format!("/_/orders/{order}/ship");
            is_tame(&admin.post(&path, &[("do", "apply"), ("plan_id", evil), ("reason", evil), ("tracking", evil)]).await, &path);
        }
        let event = json!({
            "id": "evt_evil_one_of_many", "object": "event", "api_version": "2026-10-28.endive", "created": crate::doors::now().seconds(),
            "livemode": false, "type": EVIL[0], "pending_webhooks": 1,
            "data": { "object": { "id": EVIL[1], "object": "thing", "evil": EVIL } },
        });
        assert_eq!(server.webhook(event.to_string()).await.status, 200);
        for face in FACES.iter().filter(|face| face.methods().contains(&Method::GET) && face.need != Need::Nothing) {
            let id = match face.name {
                name if name.starts_with("orders.") => order.as_str(),
                "events.show" | "events.replay" => "evt_evil_one_of_many",
                _ => NO_ORDER,
            };
            let path = if face.path.contains("{id}") { face.path.replace("{id}", id) } else { path(face) };
            let answer = admin.get(&path).await;
            assert!(matches!(answer.status, 200 | 404 | 409 | 422), "{path}: {}", answer.text);
            is_tame(&answer, &path);
        }
        let names = admin.get("/_/customers").await.text;
        assert!(names.contains("&#60;script&#62;") || names.contains("&lt;script&gt;"), "{names}");
        server.stop().await;
    }

    async fn a_task_is_looked_at_and_run_and_its_run_has_a_page(test: TestDb) {
        let server = Server::start(&test).await.with_catalog().await;
        let mut op = Browser::with_role(&server, Role::Operator).await;
        op.get("/_/events/backfill").await;
        let silent = op.post("/_/events/backfill", &[("do", "change")]).await;
        assert_eq!(silent.status, 422, "{}", silent.text);
        let run = op.post("/_/events/backfill", &[("do", "change"), ("reason", "the endpoint was down")]).await;
        assert_eq!(run.status, 303, "{}", run.text);
        let place = run.header("location").to_owned();
        assert!(place.starts_with("/_/runs/run_"), "{place}");
        let page = op.get(&place).await;
        assert!(page.text.contains("the endpoint was down"), "{}", page.text);
        let looked = op.post("/_/events/gaps", &[("do", "look"), ("since", "1d")]).await;
        assert_eq!(looked.status, 200, "{}", looked.text);
        assert!(looked.text.contains("Nothing was found"), "{}", looked.text);
        let mut viewer = Browser::with_role(&server, Role::Viewer).await;
        viewer.get("/_/reconcile").await;
        let refused = viewer.post("/_/reconcile", &[("do", "change"), ("apply", "true"), ("reason", "x")]).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        server.stop().await;
    }

    async fn a_finding_that_is_put_off_is_folded_on_the_home_page_and_counted_by_its_gauge(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let order = bought(&server, "mug").await;
        let why = json!({ "reason": "a letter from the bank" });
        server.post(&format!("/api/v1/admin/orders/{order}/review/flag"), Some(ADMIN_TOKEN), &why).await;
        let round = async || {
            // Where the workers have just looked, the next round would be a minute later.
            server.app.shop.db.write("test", |tx| tx.execute("DELETE FROM check_results", &[])).await.unwrap();
            while server.count("SELECT COUNT(*) FROM check_results WHERE name = 'orders_in_review' AND findings_count = 1").await == 0 {
                shop::office::watch::watch(&server.app.shop).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        round().await;
        let mut support = Browser::with_role(&server, Role::Support).await;
        let check = support.get("/_/checks/orders_in_review").await.text;
        assert!(check.contains(&order) && !check.contains("/snooze\""), "support puts nothing off: {check}");
        let mut op = Browser::with_role(&server, Role::Operator).await;
        let home = op.get("/_/").await.text;
        assert!(home.contains("1 check finds something.") && !home.contains("snoozed"), "{home}");
        let way = format!("/_/findings/orders_in_review%3A{order}/snooze");
        assert!(op.get("/_/checks/orders_in_review").await.text.contains(&format!("href=\"{way}\"")));
        let until = (crate::doors::now() + kernel::Duration::from_secs(3 * 86_400)).to_string();
        let planned = op.post(&way, &[("until", &until)]).await;
        assert_eq!(planned.status, 200, "{}", planned.text);
        let plan = hidden(&planned.text, "plan_id");
        let fields = [("do", "apply"), ("until", &*until), ("plan_id", &*plan), ("reason", "Bo asks <the> bank")];
        let done = op.post(&way, &fields).await;
        assert!(done.text.contains("Done, and read back."), "{}", done.text);
        round().await;
        for browser in [&mut op, &mut support] {
            let home = browser.get("/_/").await.text;
            assert!(home.contains("Nothing is found but what was put off."), "{home}");
            assert!(home.contains("1 finding is snoozed, orders of"), "{home}");
            let said = format!("snoozed until {}", &until[..10]);
            assert!(home.contains(&said) && home.contains("because Bo asks &#60;the&#62; bank"), "{home}");
        }
        let list = op.get("/_/findings?status=snoozed").await.text;
        assert!(list.contains(&order) && list.contains(">snoozed<"), "{list}");
        let check = op.get("/_/checks/orders_in_review").await.text;
        assert!(check.contains("Bo asks") && check.contains("/wake\""), "{check}");
        while !server.get("/metrics", None).await.text.contains("check_findings{check=\"orders_in_review\"} 1") {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        server.stop().await;
    }

    async fn a_runbook_is_explained_previewed_and_applied_with_its_plan(test: TestDb) {
        let server = Server::start_as(&test, Wish { workers: true, ..Wish::default() }).await.with_catalog().await;
        let order = bought(&server, "mug").await;
        let why = json!({ "reason": "a letter from the bank" });
        let flagged = server.post(&format!("/api/v1/admin/orders/{order}/review/flag"), Some(ADMIN_TOKEN), &why).await;
        assert_eq!(flagged.status, 200, "{}", flagged.text);
        let mut finance = Browser::with_role(&server, Role::Finance).await;
        assert!(finance.get("/_/runbooks/review-hold").await.text.contains("It was not drilled yet"));
        let drilled = json!({ "runbook": "review-hold", "on": "SQLite", "failure": "verify <holds>", "reason": "a drill" });
        assert_eq!(server.post("/api/v1/admin/drills/record", Some(ADMIN_TOKEN), &drilled).await.status, 200);
        let page = finance.get("/_/runbooks/review-hold").await;
        assert!(page.text.contains(">failed<") && page.text.contains("verify &#60;holds&#62;"), "{}", page.text);
        assert!(finance.get("/_/runbooks").await.text.contains(">never<"));
        assert!(page.text.contains(&order) && page.text.contains("What may be the cause"), "{}", page.text);
        let explained = finance.get(&format!("/_/runbooks/review-hold?subject={order}")).await;
        assert_eq!(explained.status, 200, "{}", explained.text);
        assert!(explained.text.contains("Cause: ") && explained.text.contains("What to tell the customer"), "{}", explained.text);
        let plan = hidden(&explained.text, "plan_id");
        let apply = "/_/runbooks/review-hold/apply";
        let silent = finance.post(apply, &[("subject", &order), ("plan_id", &plan), ("reason", "")]).await;
        assert_eq!(silent.status, 422, "{}", silent.text);
        let stale = finance.post(apply, &[("subject", &order), ("plan_id", "plan_of_yesterday"), ("reason", "x")]).await;
        assert_eq!(stale.status, 409, "{}", stale.text);
        assert!(stale.text.contains("has changed since you looked"), "{}", stale.text);
        let log = finance.get("/_/audit-logs?type=runbook_applied").await.text;
        assert!(log.contains("<span class=\"badge bad\">failed</span>"), "what was refused is told apart: {log}");
        let fields = [("subject", order.as_str()), ("plan_id", &plan), ("reason", "the bank was wrong")];
        let done = finance.post(apply, &fields).await;
        assert_eq!(done.status, 200, "{}", done.text);
        assert!(done.text.contains("Done, and read back."), "{}", done.text);
        assert!(finance.get("/_/reviews").await.text.contains("Nothing found."));
        let mut viewer = Browser::with_role(&server, Role::Viewer).await;
        assert_eq!(viewer.get("/_/runbooks/review-hold").await.status, 200);
        assert_eq!(viewer.get(&format!("/_/runbooks/review-hold?subject={order}")).await.status, 403);
        for runbook in shop::RUNBOOKS {
            let page = viewer.get(&format!("/_/runbooks/{}", runbook.id)).await;
            assert_eq!(page.status, 200, "{}: {}", runbook.id, page.text);
            is_dressed(&page, runbook.id);
        }
        server.stop().await;
    }

    async fn a_person_ends_their_own_sessions_and_no_other(test: TestDb) {
        let server = Server::start(&test).await;
        user(&server.app, "ada", Role::Viewer).await;
        user(&server.app, "bob", Role::Admin).await;
        let (mut here, mut there, mut bob) = (Browser::new(&server), Browser::new(&server), Browser::new(&server));
        for (browser, name) in [(&mut here, "ada"), (&mut there, "ada"), (&mut bob, "bob")] {
            assert_eq!(browser.sign_in(name, PASSWORD).await.status, 303);
        }
        let settings = here.get("/_/settings").await.text;
        assert!(settings.contains("this one") && !settings.contains("STRIPE_SECRET"), "{settings}");
        let (_, rest) = settings.split_once("/_/settings/sessions/").unwrap();
        let end = format!("/_/settings/sessions/{}", rest.split('"').next().unwrap());
        bob.get("/_/settings").await;
        assert_eq!(bob.post(&end, &[]).await.status, 404, "bob has no such session");
        assert_eq!(there.get("/_/").await.status, 200);
        assert_eq!(here.post(&end, &[]).await.status, 303);
        assert_eq!(there.get("/_/").await.status, 303);
        assert_eq!(here.get("/_/").await.status, 200);
        let shown = bob.get("/_/settings").await.text;
        assert!(shown.contains("STRIPE_SECRET") && !shown.contains("sk_test_of_the_doors") && !shown.contains(ADMIN_TOKEN));
        server.stop().await;
    }
}

/// No tag and no attribute of theirs.
fn is_tame(answer: &Answer, what: &str) {
    if !answer.header("content-type").starts_with("text/html") {
        return;
    }
    for evil in ["<script", "<img", "<svg onload", "' onmouseover='", "<b>javascript"] {
        assert!(!answer.text.contains(evil), "{what}: {evil} in {}", answer.text);
    }
}

fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// The id of an order that was paid and confirmed.
pub async fn bought(server: &Server, product: &str) -> String {
    let basket = json!({ "items": [{ "product": product, "quantity": 1 }], "email": "buyer@example.com" });
    let started: Value = server.post("/api/v1/checkout/sessions", None, &basket).await.body;
    let session = started["id"].as_str().unwrap_or_else(|| panic!("{started}"));
    server
        .stripe
        .with(|account, cx| account.pay(session, &Payment::by_card("4242424242424242"), cx))
        .unwrap();
    let order = started["order_id"].as_str().unwrap().to_owned();
    let mut last = Value::Null;
    for _ in 0..500 {
        last = server.get(&format!("/api/v1/admin/orders/{order}"), Some(ADMIN_TOKEN)).await.body;
        let events = server.get(&format!("/api/v1/admin/events?order={order}"), Some(ADMIN_TOKEN)).await.body;
        // The first event that proves the payment confirms; the others come a little later.
        let all_are_in = events["data"].as_array().is_some_and(|events| events.len() >= 3);
        if all_are_in && matches!(last["status"].as_str(), Some("confirmed" | "completed")) {
            return order;
        }
        tokio::time::sleep(kernel::Duration::from_millis(20)).await;
    }
    panic!("never confirmed: {last}");
}
