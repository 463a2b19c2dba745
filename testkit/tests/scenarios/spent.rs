//! A plan that was applied is spent: whoever applies it again, or at the same moment, changes nothing and is not told that
//! they did.

use db::TxResult;
use ops::{Actor, By, Mode, Receipt, Role, Runner, Status};
use serde_json::{Value, json};
use testkit::World;

const VISA: &str = "4242424242424242";

/// Operations of which a sound shop has nothing to do; what they find to do is made by hand in the tests of their own.
const NOTHING_TO_DO: [&str; 2] = ["orders.confirm", "orders.backfill-payment-intents"];

fn ada() -> By {
    let reason = Some("a test says so".into());
    By { actor: Actor::operator("ada"), role: Role::Admin, reason, request_id: None }
}

async fn run(world: &World, name: &str, input: &Value, mode: Mode) -> Result<Receipt, kernel::Error> {
    let definition = shop::OPERATIONS.iter().find(|def| def.name == name).expect("a known operation");
    let runner = Runner { db: world.shop.db.clone() };
    runner.run(definition, input.clone(), mode, ada(), world.shop.cx()).await
}

/// Previews, and applies that plan six times at once and once more: how many were told that they applied it.
async fn applied(world: &World, name: &'static str, input: &Value) -> Vec<String> {
    let plan = run(world, name, input, Mode::Preview).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(!plan.plan.is_already(), "{name} has something to do: {plan:?}");
    let audited = "SELECT COUNT(*) FROM audit_logs";
    let before = world.count(audited).await;
    let mode = Mode::Apply { plan_id: Some(plan.plan_id) };
    let once = || run(world, name, input, mode.clone());
    let (a, b, c, d, e, f) = tokio::join!(once(), once(), once(), once(), once(), once());
    let mut told = Vec::new();
    for result in [a, b, c, d, e, f, once().await] {
        match result {
            Ok(receipt) => {
                assert!(receipt.is_verified(), "{name}: {receipt:?}");
                told.push(format!("{:?}", receipt.status));
            }
            Err(error) => told.push(error.code().to_owned()),
        }
    }
    assert_eq!(
        told.iter().filter(|word| *word == &format!("{:?}", Status::Applied)).count(),
        1,
        "{name}: {told:?}"
    );
    // The second look finds the plan stale, or that there is nothing left to do, or that it may not be done twice.
    let last = told.last().unwrap().as_str();
    let spent = ["stale_plan", "Already", "refused_by_guard", "not_found", "refund_exists"];
    assert!(spent.contains(&last), "{name}: {told:?}");
    let entries = world.count(audited).await - before;
    assert!(entries >= 1, "{name}: {told:?}");
    told
}

async fn by_hand(world: &World, sql: &'static str) {
    world.shop.db.write("test", move |tx| tx.execute(sql, &[]).map(drop)).await.safe_to_repeat().unwrap();
}

async fn bought(world: &World, items: &[(&str, i64)]) -> Value {
    let started = world.check_out(items).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    json!(started.order)
}

async fn first(world: &World, view: &str, input: Value) -> Value {
    world.view(view, input).await.unwrap()["data"][0]["id"].clone()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_plan_is_applied_once_whatever_the_operation(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let mut tried: Vec<&str> = Vec::new();
        macro_rules! spend {
            ($name:literal, $input:expr) => {{
                let input = $input;
                applied(&world, $name, &input).await;
                tried.push($name);
            }};
        }
        let profile: shop::ids::ProfileId = world.shop.cx().id();
        spend!("customers.create", json!({ "id": profile, "email": "ada@example.com" }));
        let catalog = shop::import::CatalogFile::parse(crate::content::CATALOG).unwrap();
        spend!("catalog.import", json!({ "catalog": catalog }));
        spend!("prices.map", json!({ "price": "mug-usd", "stripe_price": "price_mug" }));
        spend!("prices.unmap", json!({ "price": "mug-usd" }));
        world.task("courses.import", crate::content::content(crate::content::CONTENT)).await.unwrap();
        spend!("courses.unpublish", json!({ "course": "rust-course" }));
        spend!("courses.publish", json!({ "course": "rust-course" }));
        let content = world.view("courses.show", json!({ "course": "font" })).await.unwrap();
        let file = content["resources"][0]["id"].clone();
        spend!("resources.relocate", json!({ "resource": file, "object_key": "font/new.otf" }));
        for way in ["checkout", "downloads", "refunds"] {
            let (off, on) = match way {
                "checkout" => ("checkout.disable", "checkout.enable"),
                "downloads" => ("downloads.disable", "downloads.enable"),
                _ => ("refunds.disable", "refunds.enable"),
            };
            for name in [off, on] {
                applied(&world, name, &json!({})).await;
                tried.push(name);
            }
        }

        let guests = bought(&world, &[("rust-course", 1), ("mug", 1)]).await;
        // Asked for while the mail with the first link is written, and while the link that was asked for is not made.
        spend!("claims.resend", json!({ "order": guests }));
        applied(&world, "claims.resend", &json!({ "order": guests })).await;
        world.settle().await;
        let letters = world.count("SELECT COUNT(*) FROM mails WHERE kind = 'claim_link'").await;
        assert_eq!(letters, 2, "each link that was asked for was sent, and no other");
        spend!("events.replay", json!({ "event": first(&world, "events.list", json!({})).await }));
        world.settle().await;
        spend!("orders.review.flag", json!({ "order": guests }));
        let finding = format!("orders_in_review:{}", guests.as_str().unwrap());
        let until = world.shop.now() + kernel::Duration::from_secs(3600);
        spend!("findings.snooze", json!({ "finding": finding, "until": until }));
        spend!("findings.wake", json!({ "finding": finding }));
        spend!("orders.review.clear", json!({ "order": guests }));
        spend!("orders.note", json!({ "order": guests, "text": "wants to be called first" }));
        spend!("orders.ship", json!({ "order": guests }));
        by_hand(&world, "UPDATE entitlement_grants SET status = 'suspended'").await;
        spend!("orders.mend", json!({ "order": guests }));
        spend!("refunds.create", json!({ "order": guests }));
        world.settle().await;

        spend!("entitlements.grant", json!({ "user": profile, "course": "rust-course" }));
        spend!("entitlements.revoke", json!({ "user": profile, "course": "rust-course" }));
        let mug = bought(&world, &[("poster", 1)]).await;
        spend!("refunds.mark", json!({ "order": mug }));
        world.settle().await;
        by_hand(&world, "UPDATE mails SET status = 'failed', sent_at = NULL, has_secret = false").await;
        spend!("mails.resend", json!({ "mail": first(&world, "mails.list", json!({})).await }));
        by_hand(&world, "DELETE FROM mails WHERE status = 'failed'").await;
        world.settle().await;

        spend!("inventory.adjust", json!({ "sku": "MUG", "change": 2 }));
        spend!("inventory.recount", json!({ "sku": "MUG", "pieces": 9 }));
        for name in ["reservations.confirm", "reservations.release"] {
            world.check_out(&[("poster", 1)]).await.unwrap();
            let held = first(&world, "reservations.list", json!({ "status": "reserved" })).await;
            applied(&world, name, &json!({ "reservation": held })).await;
            tried.push(name);
        }
        let given_up = world.check_out(&[("poster", 1)]).await.unwrap();
        spend!("orders.cancel", json!({ "order": given_up.order }));
        world.settle().await;

        for name in ["jobs.retry", "jobs.discard"] {
            let cx = world.shop.cx();
            let job = jobs::NewJob { kind: "test.nothing", key: None, payload: json!({}), run_at: cx.now };
            world.shop.db.write("test", move |tx| jobs::enqueue(tx, &cx, vec![job.clone()])).await.safe_to_repeat().unwrap();
            by_hand(&world, "UPDATE jobs SET status = 'failed', last_error = 'x' WHERE kind = 'test.nothing'").await;
            applied(&world, name, &json!({ "job": first(&world, "jobs.list", json!({ "status": "failed" })).await })).await;
            tried.push(name);
            by_hand(&world, "DELETE FROM jobs WHERE kind = 'test.nothing'").await;
        }
        let cx = world.shop.cx();
        let later = jobs::NewJob { kind: "test.nothing", key: None, payload: json!({}), run_at: cx.now + kernel::Duration::from_secs(3600) };
        world.shop.db.write("test", move |tx| jobs::enqueue(tx, &cx, vec![later.clone()])).await.safe_to_repeat().unwrap();
        let jobs = world.view("jobs.list", json!({ "status": "queued", "limit": 100 })).await.unwrap();
        let job = jobs["data"].as_array().unwrap().iter().find(|job| job["kind"] == "test.nothing").unwrap()["id"].clone();
        spend!("jobs.run", json!({ "job": job }));
        by_hand(&world, "DELETE FROM jobs WHERE kind = 'test.nothing'").await;

        let cx = world.shop.cx();
        world.shop.db.write("test", move |tx| {
            ops::create_token(tx, &cx, "a till", Role::App, None)?;
            for name in ["vic", "wim"] {
                ops::users::invite(tx, &cx, name, Some(Role::Admin), &Actor::operator("ada"))?;
            }
            Ok(())
        }).await.safe_to_repeat().unwrap();
        spend!("tokens.revoke", json!({ "token": first(&world, "tokens.list", json!({})).await }));
        spend!("users.role", json!({ "name": "vic", "role": "viewer" }));
        spend!("users.disable", json!({ "name": "vic" }));
        spend!("users.enable", json!({ "name": "vic" }));
        spend!("drills.record", json!({ "runbook": "stuck-paid-orders" }));

        let other = json!({
            "id": "pi_other", "object": "payment_intent", "amount": 1500, "amount_received": 1500, "currency": "usd",
            "status": "succeeded", "metadata": { "orderId": world.shop.cx().id::<shop::ids::OrderKind>() },
        });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &other, &cx);
        world.settle().await;
        spend!("events.ignore", json!({ "event": event }));

        let mut all: Vec<&str> = shop::OPERATIONS.iter().map(|def| def.name).collect();
        tried.extend(NOTHING_TO_DO);
        all.sort_unstable();
        tried.sort_unstable();
        assert_eq!(tried, all, "every operation is tried here");
    }
}
