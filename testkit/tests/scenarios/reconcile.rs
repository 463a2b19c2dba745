//! What is known here is compared with Stripe's objects, of any age: what differs is found, told with its cause, and mended
//! where that is safe.

use std::sync::Arc;

use kernel::{Cx, Duration, Error};
use ops::{Actor, By, Done, Role, RowJson};
use sandbox::{
    DisputeStatus, DisputeStep, Fault, Later, NewDispute, NewRefund, Payment, RefundStatus, ReviewClosed,
    ReviewOpened, Sandbox, Trouble,
};
use serde_json::{Value, json};
use shop::ids::{OrderId, ProfileId};
use shop::orders::{PaymentStatus, State};
use shop::reconcile::{Scope, Wish};
use stripe::{Answer, Call};
use testkit::World;
use testkit::stripe_double::SandboxStripe;

const VISA: &str = "4242424242424242";
const DAY: u64 = 24 * 3600;

/// A course, paid and handed over.
async fn bought(world: &World, profile: ProfileId) -> OrderId {
    let started = world.check_out_for(profile, &[("rust-course", 1)]).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

/// Something happens at Stripe, and no event of it is ever made.
fn unheard<T>(world: &World, happens: impl FnOnce(&mut Sandbox, &Cx) -> T) -> T {
    let cx = world.stripe.cx();
    let mut account = world.account();
    account.inject(Fault::new(Trouble::NotGenerated));
    let made = happens(&mut account, &cx);
    account.clear_faults();
    made
}

async fn intent(world: &World, order: OrderId) -> String {
    world.order(order).await.payment_intent.unwrap()
}

/// So long that whatever has happened should have been heard of.
fn later(world: &World) {
    world.advance(Duration::from_secs(3600));
}

/// Days pass, with all the work that is done in them.
async fn days(world: &World, days: u64) {
    for _ in 0..days {
        world.advance(Duration::from_secs(DAY));
        world.settle().await;
    }
}

async fn reconcile(world: &World, input: Value) -> Done {
    world.task("reconcile", input).await.unwrap()
}

async fn refused(world: &World, input: Value) -> Error {
    world.task("reconcile", input).await.unwrap_err()
}

async fn look(world: &World) -> Done {
    reconcile(world, json!({})).await
}

async fn apply(world: &World) -> Done {
    reconcile(world, json!({ "apply": true })).await
}

/// What was found: causes and subjects, and whether it was mended.
fn found(done: &Done) -> Vec<(String, String, bool)> {
    let rows = done.answer["data"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| (text(&row["cause"]), text(&row["subject"]), row["applied"].as_bool().unwrap())).collect()
}

pub fn causes(done: &Done) -> Vec<String> {
    let mut causes: Vec<String> = found(done).into_iter().map(|(cause, ..)| cause).collect();
    causes.sort();
    causes
}

/// Finds nothing, and has looked at everything.
fn assert_healthy(done: &Done) {
    assert_eq!(found(done), [], "{:#}", done.answer);
    assert_eq!((done.findings, &done.answer["complete"]), (Some(0), &json!(true)));
}

/// Every row of the shop as it is, to the last instant.
pub async fn rows(world: &World) -> String {
    const TABLES: [&str; 14] = [
        "orders",
        "order_lines",
        "order_timeline",
        "order_reviews",
        "payment_facts",
        "refunds",
        "entitlements",
        "entitlement_grants",
        "inventory",
        "inventory_reservations",
        "inventory_ledger",
        "checkouts",
        "jobs",
        "audit_logs",
    ];
    let read = world.shop.db.read("rows", |tx| {
        let mut all = Vec::new();
        for table in TABLES {
            for row in tx.query(&format!("SELECT * FROM {table}"), &[])? {
                all.push(format!("{table} {}", Value::from(&RowJson(&row))));
            }
        }
        all.sort();
        Ok(all.join("\n"))
    });
    read.await.unwrap()
}

/// Looks (and changes nothing), applies (and finds the same), and looks again: nothing is left, nothing more is changed.
async fn heals(world: &World, expected: &[(&str, &str)]) {
    let before = rows(world).await;
    let seen = look(world).await;
    assert_eq!(rows(world).await, before, "looking changes nothing");
    let mut subjects = found(&seen);
    subjects.sort();
    let mut expected: Vec<(String, String, bool)> =
        expected.iter().map(|(cause, subject)| ((*cause).into(), (*subject).into(), false)).collect();
    expected.sort();
    assert_eq!(subjects, expected, "{:#}", seen.answer);
    assert_eq!(seen.findings, Some(expected.len() as u64));
    for row in seen.answer["data"].as_array().unwrap() {
        assert_eq!(row["safe"], true, "{row:#}");
        assert!(row["command"].as_str().unwrap().starts_with("makegood reconcile --only "), "{row:#}");
        assert!(!row["plan"].as_array().unwrap().is_empty(), "{row:#}");
    }
    let mended = apply(world).await;
    assert!(found(&mended).iter().all(|(_, _, applied)| *applied), "{:#}", mended.answer);
    assert_eq!(mended.findings, Some(0));
    stays(world).await;
}

/// A second run finds nothing and changes nothing.
async fn stays(world: &World) {
    let before = rows(world).await;
    assert_healthy(&apply(world).await);
    assert_eq!(rows(world).await, before, "the second run changes nothing");
}

/// Begins a run; somebody else goes on with it in the middle.
async fn overtaken(world: &World) {
    let first = world.task("reconcile", json!({}));
    let mut first = std::pin::pin!(first);
    while world.count("SELECT COUNT(*) FROM reconciliation_stages").await == 0 {
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_healthy(&look(world).await);
    assert_eq!(first.await.unwrap_err().code(), "reconcile_taken_over");
}

/// Stripe as a restricted key finds it.
struct MayNotRead {
    stripe: Arc<SandboxStripe>,
    path: &'static str,
}

impl stripe::Stripe for MayNotRead {
    fn call(&self, call: Call) -> Answer<'_> {
        if !call.path.starts_with(self.path) {
            return self.stripe.call(call);
        }
        let message = "The provided key does not have the required permissions".to_owned();
        let body = json!({ "error": { "message": message } });
        Box::pin(async move { stripe::client::answered(&call, 403, body, None, None) })
    }
}

/// Of another system on the same account.
async fn pay_elsewhere(world: &World, order_id: Option<&str>) -> String {
    let mut call = Call::post("/v1/payment_intents", format!("elsewhere-{order_id:?}"))
        .with("amount", 700)
        .with("currency", "usd")
        .with("payment_method", "pm_card_visa")
        .with("confirm", true)
        .with("return_url", "https://elsewhere.invalid");
    if let Some(order_id) = order_id {
        call = call.with("metadata[orderId]", order_id);
    }
    world.shop.stripe.call(call).await.unwrap()["id"].as_str().unwrap().to_owned()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_moment_that_is_none_and_an_object_that_is_none_are_refused_by_name(test: TestDb) {
        let world = World::open(test).await;
        let wrong = refused(&world, json!({ "from": "yesterday" })).await.to_string();
        assert!(wrong.contains("`yesterday` is no moment in the past"), "{wrong}");
        let wrong = refused(&world, json!({ "only": "evt_1" })).await.to_string();
        assert!(wrong.contains("`evt_1` is neither an order"), "{wrong}");
        let unknown: OrderId = world.shop.cx().id();
        assert_eq!(refused(&world, json!({ "only": unknown })).await.code(), "not_found");
        assert_eq!(refused(&world, json!({ "area": "everything" })).await.code(), "invalid_input");
        assert_eq!(world.count("SELECT COUNT(*) FROM reconciliations WHERE status = 'running'").await, 0);
        world.close().await;
    }

    async fn a_healthy_shop_has_nothing_to_find_and_nothing_is_changed(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        // Everything that a shop goes through, all of it heard of.
        let refunded = world.check_out_for(ada, &[("mug", 1)]).await.unwrap();
        world.pay(&refunded, VISA);
        world.settle().await;
        world.operate("refunds.create", json!({ "order": refunded.order })).await.unwrap();
        let partly = world.check_out(&[("poster", 2)]).await.unwrap();
        world.pay(&partly, VISA);
        let cx = world.stripe.cx();
        world.account().refund_in_dashboard(&partly.session, &NewRefund::of(100), &cx).unwrap();
        let disputed = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&disputed, VISA);
        world.account().open_dispute(&disputed.session, &NewDispute::default(), &cx).unwrap();
        let asked = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay(&asked, VISA);
        world.account().open_dispute(&asked.session, &NewDispute::inquiry(), &cx).unwrap();
        let warned = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay(&warned, VISA);
        world.account().warn_of_fraud(&warned.session, "made_with_stolen_card", &cx).unwrap();
        let reviewed = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay(&reviewed, VISA);
        world.account().open_review(&reviewed.session, ReviewOpened::Rule, &cx).unwrap();
        let strange = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().collect_instead(&strange.session, 150, "usd").unwrap();
        world.pay(&strange, VISA);
        let declined = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&declined, "4000000000000002");
        let debit = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay_with(&debit, Payment::by_bank_debit(Later::Succeeds));
        let refusing = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay_with(&refusing, Payment::by_bank_debit(Later::Fails));
        let free = world.check_out_for(ada, &[("free-course", 1)]).await.unwrap();
        world.pay(&free, VISA);
        let given_up = world.check_out(&[("poster", 1)]).await.unwrap();
        world.operate("orders.cancel", json!({ "order": given_up.order })).await.unwrap();
        world.check_out(&[("poster", 1)]).await.unwrap();
        world.settle().await;
        for _ in 0..3 {
            later(&world);
            world.settle().await;
            let before = rows(&world).await;
            assert_healthy(&look(&world).await);
            assert_healthy(&apply(&world).await);
            assert_eq!(rows(&world).await, before, "the first run changes nothing");
        }
        world.close_with(&["orders_in_review", "refund_partial", "dispute_needs_response"]).await;
    }

    async fn a_payment_that_nobody_was_told_of_is_learned_from_the_payment(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1), ("mug", 1)]).await.unwrap();
        unheard(&world, |account, cx| account.pay(&started.session, &Payment::by_card(VISA), cx).unwrap());
        assert_healthy(&look(&world).await);
        world.advance(Duration::from_secs(600));
        let paid = world.account().session_facts(&started.session).unwrap().payment_intent.unwrap().to_owned();
        let found = look(&world).await.answer["data"][0].clone();
        let text = found["text"].as_str().unwrap();
        for part in ["64.00 usd came by pi_", " UTC from buyer@example.com, for order ord_", "which is pending here"] {
            assert!(text.contains(part), "{part} is not in {found}");
        }
        assert_eq!(found["evidence"]["payment"], paid.as_str());
        assert_eq!(found["evidence"]["email"], "buyer@example.com");
        assert_eq!(found["runbook"], "paid-no-access");
        heals(&world, &[("payment_not_known_here", &paid)]).await;
        assert!(world.may_use(ada, "rust-course").await);
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        let told = world.timeline(started.order).await;
        let entry = told.iter().find(|entry| entry.kind == "payment_succeeded").unwrap();
        assert_eq!((entry.actor.as_str(), entry.actor_type.as_str()), ("reconcile", "system"));
        world.close().await;
    }

    /// Events are gone after thirty days; the objects are not.
    async fn a_payment_of_long_ago_reopens_an_order_that_was_given_up(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.operate("orders.cancel", json!({ "order": started.order })).await.unwrap();
        unheard(&world, |account, cx| account.pay(&started.session, &Payment::by_card(VISA), cx).unwrap());
        world.advance(Duration::from_secs(90 * DAY));
        assert_eq!(causes(&look(&world).await), ["payment_not_known_here"]);
        assert_eq!(apply(&world).await.findings, Some(0));
        assert!(world.may_use(ada, "rust-course").await);
        stays(&world).await;
        world.close().await;
    }

    async fn a_wrong_amount_is_not_made_right_by_a_comparison(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().collect_instead(&started.session, 150, "usd").unwrap();
        unheard(&world, |account, cx| account.pay(&started.session, &Payment::by_card(VISA), cx).unwrap());
        later(&world);
        assert_eq!(causes(&apply(&world).await), ["payment_not_known_here", "session_not_known_here"]);
        assert_eq!(world.order(started.order).await.state.status(), "paid");
        assert!(world.order(started.order).await.open_review().is_some());
        stays(&world).await;
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_session_that_has_expired_lets_its_order_go(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 2)]).await.unwrap();
        let call = stripe::checkout::expire_session(&started.session);
        world.account().inject(Fault::new(Trouble::NotGenerated));
        world.shop.stripe.call(call).await.unwrap();
        world.account().clear_faults();
        world.advance(Duration::from_secs(600));
        heals(&world, &[("session_expired_unnoticed", &started.session)]).await;
        assert_eq!(world.order(started.order).await.state.status(), "cancelled");
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    async fn a_bank_debit_that_failed_unheard_lets_its_order_go(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay_with(&started, Payment::by_bank_debit(Later::Fails));
        world.settle().await;
        assert_eq!(world.order(started.order).await.payment_status, PaymentStatus::Processing);
        world.account().inject(Fault::new(Trouble::NotGenerated));
        world.advance(Duration::from_secs(5 * DAY));
        world.account().clear_faults();
        assert_eq!(causes(&look(&world).await), ["payment_moved_unnoticed"]);
        assert_eq!(apply(&world).await.findings, Some(0));
        assert_eq!(world.order(started.order).await.state.status(), "cancelled");
        stays(&world).await;
        world.close().await;
    }

    async fn a_refund_that_nobody_was_told_of_takes_back_what_was_bought(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let paid = intent(&world, order).await;
        let refund = unheard(&world, |account, cx| {
            account.refund_in_dashboard(&paid, &NewRefund::default(), cx).unwrap()
        });
        world.advance(Duration::from_secs(45 * DAY));
        heals(&world, &[("refund_not_known_here", &refund)]).await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn a_refund_that_failed_unheard_gives_back_what_was_taken(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let (paid, cx) = (intent(&world, order).await, world.stripe.cx());
        let refund = world.account().refund_in_dashboard(&paid, &NewRefund::default(), &cx).unwrap();
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        unheard(&world, |account, cx| account.turn_refund(&refund, RefundStatus::Failed, cx).unwrap());
        later(&world);
        heals(&world, &[("refund_failed_unnoticed", &refund)]).await;
        assert!(world.may_use(ada, "rust-course").await);
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::Paid);
        world.close().await;
    }

    async fn a_refund_that_moved_on_without_any_change_is_shown_as_it_is(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let (paid, cx) = (intent(&world, order).await, world.stripe.cx());
        let pending = NewRefund { status: Some(RefundStatus::Pending), ..NewRefund::default() };
        let refund = world.account().refund_in_dashboard(&paid, &pending, &cx).unwrap();
        world.settle().await;
        unheard(&world, |account, cx| account.turn_refund(&refund, RefundStatus::Succeeded, cx).unwrap());
        later(&world);
        heals(&world, &[("refund_moved_unnoticed", &refund)]).await;
        world.close().await;
    }

    /// The answer was lost, the job that would have looked was thrown away, and no event came.
    async fn a_refund_that_was_asked_for_here_is_found_at_stripe(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.account().inject(Fault::new(Trouble::NotGenerated));
        world.account().inject(Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/refunds"));
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        world.settle().await;
        world.account().clear_faults();
        let throw_away = |tx: &mut db::Tx<'_>| tx.execute("DELETE FROM jobs WHERE kind = 'refunds.send'", &[]);
        assert_eq!(world.shop.db.write("test", throw_away).await.unwrap(), 1);
        later(&world);
        let refund = world.account().refunds()[0].id.clone();
        heals(&world, &[("refund_not_known_here", &refund)]).await;
        let ours = world.shop.db.read("refunds", move |tx| shop::refunds::of_order(tx, order)).await.unwrap();
        assert_eq!(ours[0].status, shop::refunds::RefundStatus::Succeeded);
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        world.close().await;
    }

    async fn a_dispute_that_nobody_was_told_of_suspends_what_was_bought(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let paid = intent(&world, order).await;
        let dispute = unheard(&world, |account, cx| {
            account.open_dispute(&paid, &NewDispute::because("product_not_received"), cx).unwrap()
        });
        later(&world);
        heals(&world, &[("dispute_not_known_here", &dispute)]).await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::Disputed);
        let shown = world.view("disputes.list", json!({})).await.unwrap();
        assert_eq!(shown["data"][0]["id"], json!(dispute), "{shown:#}");
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn a_warning_and_a_review_that_nobody_was_told_of_stop_what_is_not_shipped(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let paid = intent(&world, started.order).await;
        let (warning, review) = unheard(&world, |account, cx| {
            let warning = account.warn_of_fraud(&paid, "made_with_stolen_card", cx).unwrap();
            (warning, account.open_review(&paid, ReviewOpened::Manual, cx).unwrap())
        });
        later(&world);
        heals(&world, &[("warning_not_known_here", &warning), ("review_not_known_here", &review)]).await;
        let shipped = world.operate("orders.ship", json!({ "order": started.order })).await;
        assert_eq!(shipped.unwrap_err().code(), "refused_by_guard");
        // Stripe lists only what is open, so what was closed is asked for by its id.
        unheard(&world, |account, cx| account.close_review(&review, ReviewClosed::Approved, cx).unwrap());
        later(&world);
        heals(&world, &[("review_closed_unnoticed", &review)]).await;
        let open: Vec<_> = world.order(started.order).await.reviews.into_iter().filter(|r| r.is_open()).collect();
        assert_eq!(open.len(), 1, "the warning is still a person's business: {open:?}");
        world.close_with(&["orders_in_review"]).await;
    }

    /// antiwork/gumroad#6852: one closing event was missed for each of 695 disputes, and events older than thirty days
    /// cannot be had. The objects say how each ended. A dispute that is open there stays open here: no verdict is inferred,
    /// however long its deadline has passed.
    async fn disputes_whose_end_was_missed_long_ago_end_as_their_objects_say(test: TestDb) {
        let world = World::open(test).await;
        let (mut orders, mut disputes) = (Vec::new(), Vec::new());
        let fates = [Some(DisputeStep::Win), Some(DisputeStep::Lose), None];
        for (n, fate) in fates.into_iter().cycle().take(9).enumerate() {
            let buyer = world.buyer(&format!("buyer{n}@example.com")).await;
            let order = bought(&world, buyer).await;
            let (paid, cx) = (intent(&world, order).await, world.stripe.cx());
            let dispute = world.account().open_dispute(&paid, &NewDispute::default(), &cx).unwrap();
            orders.push((order, buyer, fate));
            disputes.push((dispute, fate));
        }
        world.settle().await;
        days(&world, 2).await;
        for (dispute, fate) in &disputes {
            if let Some(step) = fate {
                unheard(&world, |account, cx| account.move_dispute(dispute, *step, cx).unwrap());
            }
        }
        days(&world, 40).await;
        for (_, buyer, _) in &orders {
            assert!(!world.may_use(*buyer, "rust-course").await, "stuck");
        }
        let ended: Vec<(&str, &str)> = disputes
            .iter()
            .filter(|(_, fate)| fate.is_some())
            .map(|(dispute, _)| ("dispute_verdict_missed", dispute.as_str()))
            .collect();
        heals(&world, &ended).await;
        for (order, buyer, fate) in &orders {
            let (after, may_use) = (world.order(*order).await, world.may_use(*buyer, "rust-course").await);
            let stands = (after.state.status(), after.payment_status, may_use);
            let expected = match fate {
                Some(DisputeStep::Win) => ("completed", PaymentStatus::Paid, true),
                Some(_) => ("refunded", PaymentStatus::Disputed, false),
                None => ("completed", PaymentStatus::Disputed, false),
            };
            assert_eq!(stands, expected);
        }
        world.close_with(&["dispute_needs_response"]).await;
    }

    /// antiwork/gumroad#6833: 905 disputes were recorded both won and lost. Here the object has one state, and it is the
    /// only one that stands.
    async fn of_a_dispute_that_was_told_won_and_lost_one_verdict_stands(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let (paid, cx) = (intent(&world, order).await, world.stripe.cx());
        let dispute = world.account().open_dispute(&paid, &NewDispute::default(), &cx).unwrap();
        world.settle().await;
        unheard(&world, |account, cx| account.move_dispute(&dispute, DisputeStep::Lose, cx).unwrap());
        // Stripe cannot be asked, and two events contradict each other.
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/disputes"));
        let mut told = world.account().dispute(&dispute).map(|dispute| dispute.charge.clone()).map(|charge| {
            json!({ "id": dispute, "object": "dispute", "charge": charge, "payment_intent": paid, "amount": 4900,
                    "currency": "usd", "status": "won", "reason": "fraudulent" })
        }).unwrap();
        for status in ["lost", "won"] {
            world.advance(Duration::from_secs(60));
            told["status"] = status.into();
            let cx = world.stripe.cx();
            world.account().emit_event("charge.dispute.closed", &told, &cx);
        }
        world.hear().await;
        assert_eq!(world.order(order).await.payment_status, PaymentStatus::Paid, "told won, for now");
        world.account().clear_faults();
        later(&world);
        assert_eq!(causes(&reconcile(&world, json!({ "area": "disputes" })).await), ["dispute_verdict_missed"]);
        assert_eq!(reconcile(&world, json!({ "area": "disputes", "apply": true })).await.findings, Some(0));
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }), "lost, as Stripe says");
        assert!(!world.may_use(ada, "rust-course").await);
        world.settle().await;
        stays(&world).await;
        let facts = world.count("SELECT COUNT(*) FROM payment_facts WHERE kind = 'dispute' AND state = 'lost'").await;
        assert_eq!(facts, 1);
        world.close().await;
    }

    /// antiwork/gumroad#5394: 1,364 buyers were locked out though their disputes were won long ago, or were mere inquiries.
    async fn buyers_are_not_locked_out_by_disputes_that_were_won_or_by_inquiries(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bea) = (world.buyer("ada@example.com").await, world.buyer("bea@example.com").await);
        let (won, asked) = (bought(&world, ada).await, bought(&world, bea).await);
        let (paid, questioned, cx) = (intent(&world, won).await, intent(&world, asked).await, world.stripe.cx());
        let dispute = world.account().open_dispute(&paid, &NewDispute::default(), &cx).unwrap();
        let inquiry = world.account().open_dispute(&questioned, &NewDispute::inquiry(), &cx).unwrap();
        world.settle().await;
        assert!(!world.may_use(ada, "rust-course").await);
        assert!(world.may_use(bea, "rust-course").await, "an inquiry suspends nothing");
        unheard(&world, |account, cx| {
            account.move_dispute(&dispute, DisputeStep::Win, cx).unwrap();
            account.move_dispute(&inquiry, DisputeStep::CloseInquiry, cx).unwrap();
        });
        days(&world, 120).await;
        let expected = [("dispute_verdict_missed", dispute.as_str()), ("dispute_verdict_missed", inquiry.as_str())];
        heals(&world, &expected).await;
        assert!(world.may_use(ada, "rust-course").await && world.may_use(bea, "rust-course").await);
        let locked = world.count("SELECT COUNT(*) FROM entitlement_grants WHERE status <> 'active'").await;
        assert_eq!(locked, 0);
        let story = world.story(asked).await;
        assert!(!story.iter().any(|kind| kind == "dispute_won" || kind == "dispute_lost"), "{story:?}");
        world.close().await;
    }

    /// A late win after a loss, an escalated inquiry, a dispute that was open and is looked at: no verdict, no guess.
    async fn a_dispute_that_moved_without_a_verdict_stays_open(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let (paid, cx) = (intent(&world, order).await, world.stripe.cx());
        let dispute = world.account().open_dispute(&paid, &NewDispute::inquiry(), &cx).unwrap();
        world.settle().await;
        unheard(&world, |account, cx| account.move_dispute(&dispute, DisputeStep::Escalate, cx).unwrap());
        later(&world);
        heals(&world, &[("dispute_moved_unnoticed", &dispute)]).await;
        assert!(!world.may_use(ada, "rust-course").await);
        unheard(&world, |account, cx| account.move_dispute(&dispute, DisputeStep::Review, cx).unwrap());
        later(&world);
        heals(&world, &[("dispute_moved_unnoticed", &dispute)]).await;
        assert!(!world.may_use(ada, "rust-course").await, "nobody has decided");
        unheard(&world, |account, cx| account.move_dispute(&dispute, DisputeStep::Lose, cx).unwrap());
        later(&world);
        heals(&world, &[("dispute_verdict_missed", &dispute)]).await;
        assert!(matches!(world.order(order).await.state, State::Refunded { .. }));
        unheard(&world, |account, cx| account.move_dispute(&dispute, DisputeStep::Win, cx).unwrap());
        later(&world);
        heals(&world, &[("dispute_verdict_missed", &dispute)]).await;
        assert!(world.may_use(ada, "rust-course").await, "won late");
        let known = world.account().dispute(&dispute).unwrap().status;
        assert_eq!(known, DisputeStatus::Won);
        world.close().await;
    }

    /// Another system sells on the same account; its payments are counted and nothing else.
    async fn what_is_none_of_ours_is_only_counted(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        let foreign = pay_elsewhere(&world, None).await;
        let cx = world.stripe.cx();
        world.account().open_dispute(&foreign, &NewDispute::default(), &cx).unwrap();
        world.settle().await;
        later(&world);
        let seen = look(&world).await;
        assert_healthy(&seen);
        assert_eq!(seen.answer["foreign"], 2, "{:#}", seen.answer);
        world.close().await;
    }

    /// Money that names an order of another environment, or of a database that was lost: nothing is guessed.
    async fn money_for_an_order_that_is_not_here_is_left_to_a_person(test: TestDb) {
        let world = World::open(test).await;
        let gone: OrderId = world.shop.cx().id();
        let paid = pay_elsewhere(&world, Some(&gone.to_string())).await;
        world.settle().await;
        later(&world);
        for done in [look(&world).await, apply(&world).await, apply(&world).await] {
            assert_eq!(found(&done), [("money_without_order".to_owned(), paid.clone(), false)]);
            assert_eq!(done.findings, Some(1));
            let row = &done.answer["data"][0];
            assert_eq!((&row["safe"], &row["mend"]), (&json!(false), &json!(null)));
            assert_eq!(row["text"], json!(format!("7.00 usd came by {paid} for `{gone}`, and no such order is here")));
        }
        // Somebody gave the money back, so nobody has to look any more.
        let cx = world.stripe.cx();
        world.account().refund_in_dashboard(&paid, &NewRefund::default(), &cx).unwrap();
        world.settle().await;
        later(&world);
        assert_healthy(&look(&world).await);
        world.close_with(&["events_unmatched"]).await;
    }

    /// As with a key of another account: an order waits for a session that Stripe does not have.
    async fn an_order_that_waits_for_what_stripe_does_not_have_is_told(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.account().reset();
        world.advance(Duration::from_secs(600));
        for done in [look(&world).await, apply(&world).await] {
            assert_eq!(found(&done), [("not_at_stripe".to_owned(), started.session.clone(), false)]);
        }
        assert_eq!(world.order(started.order).await.state.status(), "pending", "nothing is guessed");
    }

    /// What was known was never acted on: an older version, a hand in the database.
    async fn an_order_that_is_not_what_is_known_of_it_is_settled(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let undo = |tx: &mut db::Tx<'_>| {
            tx.execute("UPDATE orders SET status = 'pending', payment_status = 'unpaid', paid_amount = NULL,
                webhook_processed_at = NULL, confirmed_at = NULL, completed_at = NULL", &[])?;
            tx.execute("DELETE FROM order_timeline WHERE type IN ('confirmed', 'completed')", &[])?;
            tx.execute("DELETE FROM entitlement_grants", &[])?;
            tx.execute("UPDATE entitlements SET status = 'revoked'", &[])
        };
        world.shop.db.write("test", undo).await.unwrap();
        later(&world);
        heals(&world, &[("not_settled", &order.to_string())]).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// While there is no stock there is nothing to be done, and nothing is done again and again.
    async fn an_order_that_waits_for_stock_is_left_to_wait(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.operate("orders.cancel", json!({ "order": started.order })).await.unwrap();
        world.operate("inventory.adjust", json!({ "sku": "MUG", "change": -5 })).await.unwrap();
        world.settle().await;
        later(&world);
        let before = rows(&world).await;
        for done in [apply(&world).await, apply(&world).await] {
            assert_eq!(found(&done), [("room_disagrees".to_owned(), started.order.to_string(), false)]);
            let row = &done.answer["data"][0];
            assert_eq!((&row["safe"], &row["evidence"]["check"]), (&json!(false), &json!("paid_not_confirmed")));
        }
        assert_eq!(rows(&world).await, before);
        // The bell that tells of new stock was missed.
        let stock = |tx: &mut db::Tx<'_>| {
            tx.execute("UPDATE inventory SET stock_count = 5 WHERE sku = 'MUG'", &[])
        };
        world.shop.db.write("test", stock).await.unwrap();
        let done = reconcile(&world, json!({ "area": "orders", "apply": true })).await;
        assert_eq!(found(&done), [("not_settled".to_owned(), started.order.to_string(), true)]);
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        world.close_with(&["stock_differs_from_ledger"]).await;
    }

    /// A check has found it, and what mends it is safe only for a person who has looked.
    async fn what_only_a_person_may_mend_stays_a_finding_with_its_command(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        let drift = |tx: &mut db::Tx<'_>| tx.execute("UPDATE inventory SET stock_count = 7 WHERE sku = 'MUG'", &[]);
        world.shop.db.write("test", drift).await.unwrap();
        for input in [json!({ "area": "inventory" }), json!({ "area": "inventory", "apply": true })] {
            let done = reconcile(&world, input).await;
            assert_eq!(found(&done), [("room_disagrees".to_owned(), "MUG".to_owned(), false)]);
            let row = &done.answer["data"][0];
            assert_eq!((&row["safe"], &row["evidence"]["check"]), (&json!(false), &json!("stock_differs_from_ledger")));
            assert_eq!(row["mend"]["operation"], "inventory.recount");
        }
        assert_healthy(&reconcile(&world, json!({ "area": "entitlements", "apply": true })).await);
        world.close_with(&["stock_differs_from_ledger"]).await;
    }

    /// Stripe limits our rate in the middle: the run says how far it came, and the next one goes on there.
    async fn a_run_that_was_stopped_goes_on_where_it_was(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let paid = intent(&world, order).await;
        let warning = unheard(&world, |account, cx| account.warn_of_fraud(&paid, "misc", cx).unwrap());
        later(&world);
        world.account().inject(Fault::new(Trouble::RateLimit).times(1).on_request("GET", "/v1/checkout/sessions"));
        let first = look(&world).await;
        assert_eq!(causes(&first), ["not_finished", "warning_not_known_here"]);
        assert_eq!((first.findings, &first.answer["complete"]), (Some(2), &json!(false)));
        let run = first.answer["reconciliation"].clone();
        let shown = world.view("reconciliations.show", json!({ "reconciliation": run })).await.unwrap();
        assert_eq!(shown["status"], "stopped");
        assert!(shown["stopped_by"].as_str().unwrap().contains("429"), "{shown:#}");
        // A fault without effect counts the calls.
        world.account().inject(Fault::new(Trouble::Slow { seconds: 0 }).times(99).on_request("GET", "/v1/radar/early_fraud_warnings"));
        let second = look(&world).await;
        assert_eq!(second.answer["reconciliation"], run, "the same run");
        assert_eq!(found(&second), [("warning_not_known_here".to_owned(), warning, false)], "what was found stays");
        assert_eq!(second.answer["complete"], true);
        let calls = 99 - world.account().faults()[0].count.unwrap();
        world.account().clear_faults();
        assert_eq!(calls, 0, "what was compared is not read again");
        let anew = look(&world).await;
        assert_ne!(anew.answer["reconciliation"], run, "a finished run is not gone on with");
        let all = world.view("reconciliations.list", json!({})).await.unwrap();
        assert_eq!(all["data"].as_array().unwrap().len(), 2);
        let listed = world.view("reconciliations.findings", json!({ "reconciliation": run })).await.unwrap();
        assert_eq!(listed["data"][0]["cause"], "warning_not_known_here");
        world.close().await;
    }

    /// Lists hold a hundred objects a page. What is ours is the oldest of all, so it stands on the last one; and the rate is
    /// limited on the way there.
    async fn hundreds_are_compared_page_by_page_from_where_it_stopped(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let paid = intent(&world, order).await;
        let refund = unheard(&world, |account, cx| {
            account.refund_in_dashboard(&paid, &NewRefund::default(), cx).unwrap()
        });
        world.advance(Duration::from_secs(60));
        for n in 0..350 {
            let mut foreign = Call::post("/v1/payment_intents", format!("elsewhere-{n}"));
            foreign = foreign.with("amount", 700 + n).with("currency", "usd");
            world.shop.stripe.call(foreign).await.unwrap();
        }
        later(&world);
        let list = "/v1/payment_intents";
        world.account().inject(Fault::new(Trouble::Slow { seconds: 0 }).times(2).on_request("GET", list));
        world.account().inject(Fault::new(Trouble::RateLimit).times(1).on_request("GET", list));
        let stopped = reconcile(&world, json!({ "area": "payments" })).await;
        assert_eq!((causes(&stopped), &stopped.answer["looked_at"]), (vec!["not_finished".to_owned()], &json!(200)));
        let done = reconcile(&world, json!({ "area": "payments" })).await;
        assert_eq!(found(&done), [("refund_not_known_here".to_owned(), refund, false)]);
        assert_eq!((&done.answer["looked_at"], &done.answer["foreign"]), (&json!(352), &json!(350)));
        assert_eq!(apply(&world).await.findings, Some(0));
        assert!(!world.may_use(ada, "rust-course").await);
        stays(&world).await;
        world.close().await;
    }

    /// Its process died between two steps. Whoever asks for the same goes on with it; whoever says so begins anew.
    async fn a_run_that_was_cut_off_goes_on_or_is_begun_anew(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        later(&world);
        let cut_off = async |calls: usize| {
            let asked = world.task("reconcile", json!({}));
            let mut asked = std::pin::pin!(asked);
            // Polled until it has made some steps, and then dropped where it stands.
            for _ in 0..2000 {
                let done = futures_util::poll!(asked.as_mut()).is_ready();
                assert!(!done, "it was to be cut off");
                tokio::time::sleep(Duration::from_millis(1)).await;
                if world.count("SELECT COUNT(*) FROM reconciliation_stages").await >= calls as i64 {
                    return;
                }
            }
            panic!("no steps were made");
        };
        cut_off(3).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM reconciliations WHERE status = 'running'").await, 1);
        let done = look(&world).await;
        assert_healthy(&done);
        assert_eq!(world.count("SELECT COUNT(*) FROM reconciliations").await, 1, "the same run, to its end");
        cut_off(3).await;
        // What applies is another thing than what looks.
        assert_healthy(&apply(&world).await);
        assert_healthy(&reconcile(&world, json!({ "from_start": true })).await);
        assert_eq!(world.count("SELECT COUNT(*) FROM reconciliations").await, 4);
        // A day later too much is new.
        cut_off(3).await;
        world.advance(Duration::from_secs(25 * 3600));
        world.settle().await;
        assert_healthy(&look(&world).await);
        assert_eq!(world.count("SELECT COUNT(*) FROM reconciliations WHERE status = 'finished'").await, 4);
        world.close().await;
    }

    /// Two people start it at once: the later one goes on with it, the earlier one is told.
    async fn of_two_processes_with_one_run_only_the_later_one_goes_on(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        later(&world);
        overtaken(&world).await;
        world.close().await;
    }

    /// A restricted key may read some objects and not others.
    async fn a_key_that_may_not_read_disputes_is_said_aloud(test: TestDb) {
        let world = World::open(test).await;
        let settings = world.shop.settings.clone();
        let narrow = Arc::new(MayNotRead { stripe: world.stripe.clone(), path: "/v1/disputes" });
        let db = world.test.again().await;
        let shop = shop::Shop::new(db, narrow, settings, world.clock.clone(), kernel::Seeded::new(9));
        let by = By { actor: Actor::operator("ada"), role: Role::Admin, reason: None, request_id: None };
        let wish = Wish { scope: Scope::Disputes, ..Wish::default() };
        let refused = shop::reconcile::reconcile(&shop, wish, &by, &()).await.unwrap_err();
        assert_eq!(refused.code(), "stripe_permission_missing");
        assert!(refused.told().contains("lacks Disputes: Read, so GET /v1/disputes"), "{}", refused.told());
        let shown = world.view("reconciliations.list", json!({})).await.unwrap();
        assert_eq!(shown["data"][0]["status"], "stopped");
        assert!(shown["data"][0]["stopped_by"].as_str().unwrap().contains("403"), "{shown:#}");
        assert_healthy(&reconcile(&world, json!({ "area": "disputes" })).await);
        world.close().await;
    }

    /// The key is of another account now: what a run has seen last is not there.
    async fn a_place_that_stripe_does_not_know_is_said_and_left_by_beginning_anew(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        later(&world);
        world.account().inject(Fault::new(Trouble::RateLimit).times(1).on_request("GET", "/v1/payment_intents"));
        assert_eq!(causes(&reconcile(&world, json!({ "area": "payments" })).await), ["not_finished"]);
        let elsewhere = |tx: &mut db::Tx<'_>| tx.execute(
            "INSERT INTO reconciliation_stages (reconciliation_id, stage, place, looked_at, strange, young, done)
             SELECT id, 'payment_intents', 'pi_of_another_account', 100, 0, 0, $1 FROM reconciliations", &[false.into()]);
        world.shop.db.write("test", elsewhere).await.unwrap();
        assert_eq!(refused(&world, json!({ "area": "payments" })).await.code(), "reconcile_place_lost");
        assert_healthy(&reconcile(&world, json!({ "area": "payments", "from_start": true })).await);
        world.close().await;
    }

    /// Prefer single orders to bulk edits: one order, or one object, is compared by itself.
    async fn one_order_or_one_object_is_compared_by_itself(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bea) = (world.buyer("ada@example.com").await, world.buyer("bea@example.com").await);
        let (one, other) = (bought(&world, ada).await, bought(&world, bea).await);
        let refunds = unheard(&world, |account, cx| {
            let all: Vec<String> = account.charges().iter().map(|charge| charge.id.clone()).collect();
            let refund = |charge: &String| account.refund_in_dashboard(charge, &NewRefund::default(), cx).unwrap();
            all.iter().map(refund).collect::<Vec<_>>()
        });
        // By order: everything about it, at once, however young.
        let done = reconcile(&world, json!({ "only": one, "apply": true })).await;
        assert_eq!(done.findings, Some(0));
        assert_eq!(done.answer["looked_at"], 3, "its session, its payment, and the order itself");
        assert_eq!(causes(&done), ["refund_not_known_here"]);
        assert!(!world.may_use(ada, "rust-course").await);
        assert!(world.may_use(bea, "rust-course").await, "the other is not touched");
        // By the refund, which names nothing but its payment.
        let left = refunds.iter().find(|id| !done.answer["data"].to_string().contains(*id)).unwrap();
        let seen = reconcile(&world, json!({ "only": left })).await;
        assert_eq!(found(&seen), [("refund_not_known_here".to_owned(), left.clone(), false)]);
        assert_eq!(seen.answer["data"][0]["order"], json!(other));
        assert_eq!(reconcile(&world, json!({ "only": left, "apply": true })).await.findings, Some(0));
        assert!(!world.may_use(bea, "rust-course").await);
        // By session, by payment intent: nothing is left to say.
        let (session, paid) = (world.order(one).await.session.unwrap(), intent(&world, one).await);
        for id in [session, paid] {
            let done = reconcile(&world, json!({ "only": id })).await;
            assert_eq!(done.answer["looked_at"], 1);
            assert_healthy(&done);
        }
        later(&world);
        stays(&world).await;
        world.close().await;
    }

    /// Only what is young is listed; what is old and open here is asked for by its id.
    async fn what_is_older_than_the_bound_is_asked_for_when_it_is_open_here(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bea) = (world.buyer("ada@example.com").await, world.buyer("bea@example.com").await);
        let (old, unknown) = (bought(&world, ada).await, bought(&world, bea).await);
        let (paid, other, cx) = (intent(&world, old).await, intent(&world, unknown).await, world.stripe.cx());
        let dispute = world.account().open_dispute(&paid, &NewDispute::default(), &cx).unwrap();
        world.settle().await;
        let missed = unheard(&world, |account, cx| {
            account.move_dispute(&dispute, DisputeStep::Win, cx).unwrap();
            account.refund_in_dashboard(&other, &NewRefund::default(), cx).unwrap()
        });
        world.advance(Duration::from_secs(60 * DAY));
        let young = reconcile(&world, json!({ "from": "30d", "apply": true })).await;
        assert_eq!(found(&young), [("dispute_verdict_missed".to_owned(), dispute, true)]);
        assert!(world.may_use(ada, "rust-course").await);
        let whole = apply(&world).await;
        assert_eq!(found(&whole), [("refund_not_known_here".to_owned(), missed, true)]);
        stays(&world).await;
        world.close().await;
    }
}
