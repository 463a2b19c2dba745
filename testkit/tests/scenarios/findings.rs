//! What the checks about money that went back find, each made to fire once, and the operation that mends it.

use db::TxResult;
use kernel::{Duration, Timestamp};
use ops::{Actor, Finding};
use serde_json::{Value, json};
use shop::ids::{OrderId, ProfileId};
use shop::orders::{Amounts, Draft, Learned, Line, State};
use stripe::{Call, DisputeFact, DisputeState, DisputeStatus, Fact, RefundFact, RefundStatus, Seen, Source};
use testkit::World;

const VISA: &str = "4242424242424242";
const DAY: u64 = 24 * 3600;

/// A course, paid and handed over.
/// Fetched then, in answer to a question with a number of its own.
fn fetched(at: kernel::Timestamp) -> Source {
    Source::Fetched(stripe::Asked { ticket: at.micros(), at })
}

async fn bought(world: &World, profile: ProfileId) -> OrderId {
    paid(world, profile, &[("rust-course", 1)]).await
}

async fn paid(world: &World, profile: ProfileId, items: &[(&str, i64)]) -> OrderId {
    let started = world.check_out_for(profile, items).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

/// The order learns this, as if Stripe had just been asked.
async fn learn(world: &World, order: OrderId, fact: Fact) {
    let cx = world.shop.cx();
    let learned = move || vec![Learned { order, fact: fact.clone(), cause: Actor::system("test") }];
    world.shop.db.write("test", move |tx| shop::orders::learn(tx, &cx, learned()).map(drop)).await.unwrap();
}

async fn disputed(world: &World, order: OrderId, status: DisputeStatus, due_by: Option<Timestamp>) {
    let payment_intent = world.order(order).await.payment_intent;
    let state = DisputeState { status, amount: 4900, due_by, reason: Some("fraudulent".into()) };
    let fact = DisputeFact {
        id: "dp_1".into(),
        charge: None,
        payment_intent,
        currency: "usd".parse().unwrap(),
        state: Seen::new(state, fetched(world.shop.now())),
    };
    learn(world, order, Fact::Dispute(fact)).await;
}

async fn refund(world: &World, order: OrderId, amount: i64, source: fn(Timestamp) -> Source) {
    let payment_intent = world.order(order).await.payment_intent;
    let fact = RefundFact {
        id: "re_1".into(),
        charge: None,
        payment_intent,
        amount,
        currency: "usd".parse().unwrap(),
        ours: None,
        status: Seen::new(RefundStatus::Succeeded, source(world.shop.now())),
    };
    learn(world, order, Fact::Refund(fact)).await;
}

/// Past every room and every rule: what a hand in the database does.
async fn by_hand(world: &World, sql: &'static str) {
    world.shop.db.write("test", move |tx| tx.execute(sql, &[]).map(drop)).await.unwrap();
}

/// Orders as they were brought in from another shop: paid and delivered there, their payment known to their timeline only.
fn legacy(tx: &mut db::Tx<'_>, cx: &kernel::Cx, count: usize) -> kernel::Result<()> {
    let amounts =
        Amounts { currency: "usd".parse().unwrap(), subtotal: 900, discount: 0, tax: 0, shipping: 0 };
    let poster = Line {
        product_id: "poster".into(),
        kind: shop::catalog::ProductKind::Physical,
        name: "A poster".into(),
        sku: None,
        quantity: 1,
        unit_amount: 900,
    };
    let draft = |_| Draft {
        id: cx.id(),
        profile: None,
        email: None,
        amounts: amounts.clone(),
        lines: vec![poster.clone()],
    };
    let drafts: Vec<Draft> = (0..count).map(draft).collect();
    let paid = |draft: &Draft| {
        let meta = json!({ "paymentIntentId": format!("pi_{}", draft.id.uuid().simple()) });
        vec![
            cx.uuid().into(),
            draft.id.into(),
            "payment_succeeded".into(),
            cx.now.into(),
            "import".into(),
            "system".into(),
            db::Value::Json(meta.to_string()),
        ]
    };
    let entries: Vec<Vec<db::Value>> = drafts.iter().map(paid).collect();
    shop::orders::place(tx, cx, drafts)?;
    tx.insert_many(
        "INSERT INTO order_timeline (id, order_id, type, at, actor, actor_type, meta)",
        "",
        &entries,
    )?;
    tx.execute(
        "UPDATE orders SET status = 'completed', payment_status = 'paid', paid_amount = 900, webhook_processed_at = $1,
           confirmed_at = $1, completed_at = $1, shipped_at = $1",
        &[cx.now.into()],
    )
    .map(drop)
}

async fn found(world: &World, check: &str) -> Vec<Finding> {
    world.findings().await.into_iter().filter(|finding| finding.check == check).collect()
}

/// The one finding of this check.
async fn only(world: &World, check: &str) -> Finding {
    let mut all = found(world, check).await;
    assert_eq!(all.len(), 1, "{check}: {:#?}", world.findings().await);
    all.remove(0)
}

/// Does what the finding says; it must mend it.
async fn mend(world: &World, check: &str) {
    let mend = only(world, check).await.mend.expect("the finding says what mends it");
    let receipt = world.operate(mend.operation, mend.input).await.unwrap();
    assert!(receipt.is_verified(), "{receipt:?}");
    assert_eq!(found(world, check).await.len(), 0, "{check} is mended");
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_refund_in_part_changes_nothing_and_is_found(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund(&world, order, 500, fetched).await;
        let finding = only(&world, "refund_partial").await;
        assert_eq!(finding.subject, order.to_string());
        assert!(finding.text.contains("5.00 usd of 49.00 usd"), "{}", finding.text);
        assert_eq!(finding.severity, ops::Severity::Ticket);
        assert!(world.may_use(ada, "rust-course").await);
        assert_eq!(world.view("orders.show", json!({ "order": order })).await.unwrap()["refunded_amount"], 500);
        world.close_with(&["refund_partial"]).await;
    }

    async fn a_dispute_that_was_lost_over_a_part_leaves_a_rest_that_is_found(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let payment_intent = world.order(order).await.payment_intent;
        let lost = |amount| DisputeFact {
            id: "dp_1".into(), charge: None, payment_intent: payment_intent.clone(), currency: "usd".parse().unwrap(),
            state: Seen::new(DisputeState { status: DisputeStatus::Lost, amount, due_by: None, reason: None }, fetched(world.shop.now())),
        };
        learn(&world, order, Fact::Dispute(lost(2000))).await;
        assert!(!world.may_use(ada, "rust-course").await, "everything was taken back");
        let finding = only(&world, "dispute_lost_in_part").await;
        assert_eq!((finding.subject.as_str(), finding.mend.is_none()), (order.to_string().as_str(), true));
        for part in ["20.00 usd of 49.00 usd", "29.00 usd are still here"] {
            assert!(finding.text.contains(part), "{}", finding.text);
        }
        let refused = world.operate("refunds.create", json!({ "order": order })).await.unwrap_err();
        assert_eq!(refused.code(), "dispute_lost");
        assert!(refused.to_string().contains("20.00 usd of 49.00 usd; 29.00 usd are still here"), "{refused}");
        let about = json!({ "runbook": "dispute", "subject": order });
        assert_eq!(world.task("runbooks.explain", about.clone()).await.unwrap().answer["cause"], "lost_in_part");
        // Somebody sends the rest in Stripe's dashboard.
        refund(&world, order, 2900, fetched).await;
        assert_eq!(found(&world, "dispute_lost_in_part").await.len(), 0);
        assert_eq!(world.task("runbooks.explain", about).await.unwrap().answer["cause"], "lost");
        let whole = world.buyer("eve@example.com").await;
        let other = bought(&world, whole).await;
        let intent = world.order(other).await.payment_intent;
        learn(&world, other, Fact::Dispute(DisputeFact { id: "dp_2".into(), payment_intent: intent, ..lost(4900) })).await;
        let refused = world.operate("refunds.create", json!({ "order": other })).await.unwrap_err();
        assert!(refused.to_string().contains("was lost (dispute_lost)"), "{refused}");
        world.close().await;
    }

    /// Between the plan and what it leads to, a bank may have asked.
    async fn an_order_that_a_bank_asks_about_meanwhile_is_not_marked_as_refunded(test: TestDb) {
        let world = World::open(test).await;
        let order = bought(&world, world.buyer("ada@example.com").await).await;
        disputed(&world, order, DisputeStatus::NeedsResponse, None).await;
        let planned = world.operate("refunds.mark", json!({ "order": order })).await.unwrap_err();
        assert_eq!(planned.code(), "refused_by_guard");
        let cx = world.shop.cx();
        let marked = world.shop.db.write("test", move |tx| {
            shop::orders::mark_refunded(tx, &cx, order, &Actor::operator("ada"))
        });
        let refused: Result<(), kernel::Error> = marked.await.must_be_looked_up();
        assert_eq!(refused.unwrap_err().code(), "payment_disputed");
        assert!(world.order(order).await.refund_marked_at.is_none());
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn a_dispute_that_waits_for_an_answer_is_found_with_its_deadline_and_the_nearest_stands_first(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let due = world.shop.now() + Duration::from_secs(7 * DAY);
        disputed(&world, order, DisputeStatus::NeedsResponse, Some(due)).await;
        let finding = only(&world, "dispute_needs_response").await;
        assert_eq!(finding.subject, "dp_1");
        assert!(finding.text.contains(&format!("due by {}", due.in_words())), "{}", finding.text);
        assert!(finding.text.contains("49.00 usd") && finding.text.contains(&order.to_string()), "{}", finding.text);
        world.advance(Duration::from_secs(6 * DAY));
        assert!(only(&world, "dispute_needs_response").await.text.contains("in 24 hours"));
        world.advance(Duration::from_secs(2 * DAY));
        assert!(only(&world, "dispute_needs_response").await.text.contains("was due by"));

        let other = bought(&world, world.buyer("eve@example.com").await).await;
        let intent = world.order(other).await.payment_intent;
        let soon = world.shop.now() + Duration::from_secs(DAY);
        let state = |status, due_by| DisputeState { status, amount: 4900, due_by, reason: None };
        for (id, due_by) in [("dp_2", None), ("dp_0", Some(soon))] {
            let state = Seen::new(state(DisputeStatus::WarningNeedsResponse, due_by), fetched(world.shop.now()));
            learn(&world, other, Fact::Dispute(DisputeFact { id: id.into(), charge: None,
                payment_intent: intent.clone(), currency: "usd".parse().unwrap(), state })).await;
        }
        let order_of = |all: Vec<Finding>| all.into_iter().map(|f| f.subject).collect::<Vec<_>>();
        assert_eq!(order_of(found(&world, "dispute_needs_response").await), ["dp_1", "dp_0", "dp_2"]);
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn a_dispute_that_is_over_is_not_found(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let due = Some(world.shop.now() + Duration::from_secs(7 * DAY));
        disputed(&world, order, DisputeStatus::NeedsResponse, due).await;
        assert!(!world.may_use(ada, "rust-course").await);
        world.advance(Duration::from_secs(1));
        disputed(&world, order, DisputeStatus::Won, due).await;
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn access_that_does_not_follow_its_dispute_is_found_and_mended_both_ways(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        by_hand(&world, "UPDATE entitlement_grants SET status = 'suspended'").await;
        by_hand(&world, "UPDATE entitlements SET status = 'revoked'").await;
        let finding = only(&world, "grant_not_as_disputed").await;
        assert!(finding.text.contains("is suspended, and no dispute is open"), "{}", finding.text);
        mend(&world, "grant_not_as_disputed").await;
        assert!(world.may_use(ada, "rust-course").await);

        disputed(&world, order, DisputeStatus::UnderReview, None).await;
        assert_eq!(found(&world, "grant_not_as_disputed").await.len(), 0, "it is suspended, and so it must be");
        by_hand(&world, "UPDATE entitlement_grants SET status = 'active'").await;
        by_hand(&world, "UPDATE entitlements SET status = 'active'").await;
        assert!(only(&world, "grant_not_as_disputed").await.text.contains("is active, and a dispute is open"));
        assert_eq!(found(&world, "grant_without_order").await.len(), 1, "an order in dispute brings no access");
        mend(&world, "grant_not_as_disputed").await;
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    async fn access_that_a_refunded_order_left_behind_is_found_and_taken_back(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        refund(&world, order, 4900, fetched).await;
        assert_eq!(world.findings().await.len(), 0, "a refunded order lacks no grant: {:#?}", world.findings().await);
        by_hand(&world, "UPDATE entitlement_grants SET status = 'active'").await;
        by_hand(&world, "UPDATE entitlements SET status = 'active'").await;
        mend(&world, "grant_without_order").await;
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// What a good order never sold was perhaps given for a reason: a person looks, nothing is taken by itself.
    async fn access_that_a_good_order_never_sold_is_found_and_left_to_a_person(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        by_hand(&world, "UPDATE entitlements SET product_id = 'free-course'").await;
        assert!(only(&world, "grant_without_order").await.mend.is_none());
        world.close_with(&["grant_without_order", "order_without_grant"]).await;
    }

    async fn a_paid_order_without_its_access_is_found_and_mended_for_guests_too(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada).await;
        by_hand(&world, "DELETE FROM entitlement_grants").await;
        by_hand(&world, "DELETE FROM entitlements").await;
        mend(&world, "order_without_grant").await;
        assert!(world.may_use(ada, "rust-course").await);
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        by_hand(&world, "DELETE FROM entitlement_grants WHERE order_id = (SELECT id FROM orders ORDER BY id DESC LIMIT 1)").await;
        by_hand(&world, "UPDATE entitlements SET status = 'revoked' WHERE profile_id IS NULL").await;
        mend(&world, "order_without_grant").await;
        world.close().await;
    }

    /// An operator's word is not undone by mending.
    async fn what_an_operator_has_revoked_stays_revoked_when_its_order_is_mended(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        let receipt = world.operate("orders.mend", json!({ "order": order })).await.unwrap();
        assert_eq!(receipt.status, ops::Status::Already, "{receipt:?}");
        assert!(!world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// To take it away for good would be to finish what a slip began.
    async fn access_that_was_taken_past_its_grants_is_found_and_comes_back(test: TestDb) {
        let world = World::open(test).await;
        let (ada, bob) = (world.buyer("ada@example.com").await, world.buyer("bob@example.com").await);
        bought(&world, ada).await;
        world.operate("entitlements.grant", json!({ "user": bob, "course": "rust-course" })).await.unwrap();
        for (who, mends) in [(ada, "orders.mend"), (bob, "entitlements.grant")] {
            by_hand(&world, "UPDATE entitlements SET status = 'active'").await;
            world.shop.db.write("test", move |tx| {
                tx.execute("UPDATE entitlements SET status = 'revoked' WHERE profile_id = $1", &[who.into()]).map(drop)
            }).await.unwrap();
            assert!(!world.may_use(who, "rust-course").await);
            assert_eq!(only(&world, "entitlement_without_grant").await.mend.unwrap().operation, mends);
            mend(&world, "entitlement_without_grant").await;
            assert!(world.may_use(who, "rust-course").await);
        }
        world.close().await;
    }

    async fn pieces_that_a_refund_left_out_of_the_stock_are_found_and_returned_once(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = paid(&world, ada, &[("mug", 2)]).await;
        by_hand(&world, "UPDATE orders SET status = 'refunded', refunded_at = updated_at, payment_status = 'refunded',
            refund_marked_at = updated_at").await;
        let finding = only(&world, "refunded_stock_out").await;
        assert!(finding.text.contains("2 × MUG"), "{}", finding.text);
        assert_eq!(world.stock("MUG").await, (3, 3));
        mend(&world, "refunded_stock_out").await;
        assert_eq!(world.stock("MUG").await, (5, 5));
        let again = world.operate("orders.mend", json!({ "order": order })).await.unwrap();
        assert_eq!((again.status, world.stock("MUG").await), (ops::Status::Already, (5, 5)));
        world.close_with(&["refund_marked_not_made"]).await;
    }

    async fn what_is_shipped_is_not_missed_in_the_stock(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = paid(&world, ada, &[("mug", 2)]).await;
        world.operate("orders.ship", json!({ "order": order })).await.unwrap();
        world.operate("refunds.mark", json!({ "order": order })).await.unwrap();
        assert_eq!(world.stock("MUG").await, (3, 3));
        world.close_with(&["refund_marked_not_made"]).await;
    }

    async fn what_only_an_event_has_told_for_ten_minutes_is_found_and_fetched(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let intent = world.order(order).await.payment_intent.unwrap();
        let call = stripe::refunds::create_refund(&intent, &[], "in-the-dashboard");
        let made = world.shop.stripe.call(call).await.unwrap();
        let told = RefundFact { id: made["id"].as_str().unwrap().into(), charge: None, payment_intent: Some(intent),
            amount: 4900, currency: "usd".parse().unwrap(), ours: None,
            status: Seen::new(RefundStatus::Succeeded, Source::Told(world.shop.now())) };
        learn(&world, order, Fact::Refund(told)).await;
        assert_eq!(found(&world, "facts_provisional").await.len(), 0, "Stripe is asked within a minute");
        let shown = world.view("orders.show", json!({ "order": order })).await.unwrap();
        assert_eq!(shown["money_back"]["refunds"][0]["provisional"], true, "{shown}");
        world.advance(Duration::from_secs(11 * 60));
        let finding = only(&world, "facts_provisional").await;
        assert_eq!(finding.subject, order.to_string());
        assert!(finding.text.contains("refund re_"), "{}", finding.text);
        let mend = finding.mend.unwrap();
        let receipt = world.operate(mend.operation, mend.input.clone()).await.unwrap();
        assert!(receipt.plan.changes.iter().any(|change| change.to == "fetched from Stripe"), "{receipt:?}");
        let again = world.operate(mend.operation, mend.input).await.unwrap();
        assert_eq!(again.status, ops::Status::Already, "it was asked for: {again:?}");
        world.settle().await;
        assert_eq!(found(&world, "facts_provisional").await.len(), 0);
        world.close().await;
    }

    async fn a_refunded_order_waits_for_nobody_and_each_flag_is_found_by_itself(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        world.operate("orders.review.flag", json!({ "order": order })).await.unwrap();
        let warning = stripe::WarningFact { id: "issfr_1".into(), charge: None,
            payment_intent: world.order(order).await.payment_intent, fraud_type: Some("made_with_stolen_card".into()) };
        learn(&world, order, Fact::Warning(warning)).await;
        let flags = found(&world, "orders_in_review").await;
        let inputs: Vec<Value> = flags.into_iter().map(|flag| flag.mend.unwrap().input["kind"].clone()).collect();
        assert_eq!(inputs, ["early_fraud_warning", "operator"]);
        let counts = world.shop.db.read("test", shop::orders::counts).await.unwrap();
        assert_eq!(counts.requires_review, 1);
        refund(&world, order, 4900, fetched).await;
        assert_eq!(found(&world, "orders_in_review").await.len(), 0);
        let counts = world.shop.db.read("test", shop::orders::counts).await.unwrap();
        assert_eq!(counts.requires_review, 0, "the gauge says the same");
        world.close().await;
    }

    /// What was cleared was the second payment; nobody has looked at the third.
    async fn a_third_payment_opens_the_flag_again_that_a_person_had_cleared(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada).await;
        let pay_again = async |id: &str| {
            let intent = stripe::IntentFact { id: id.into(), amount: 4900, currency: "usd".parse().unwrap(), received: Some(4900),
                processing: false, failed: None, canceled: None, latest_charge: None, customer: None };
            learn(&world, order, Fact::Intent(intent)).await;
        };
        pay_again("pi_second").await;
        assert!(only(&world, "orders_in_review").await.text.contains("pi_second"));
        mend(&world, "orders_in_review").await;
        pay_again("pi_second").await;
        assert_eq!(found(&world, "orders_in_review").await.len(), 0, "what was looked at needs no second look");
        pay_again("pi_third").await;
        let flag = only(&world, "orders_in_review").await;
        assert!(flag.text.contains("pi_second and by pi_third"), "{}", flag.text);
        assert_eq!(flag.mend.unwrap().input["kind"], "paid_twice");
        let story = world.story(order).await;
        assert_eq!(story.iter().filter(|kind| *kind == "review_opened").count(), 2, "{story:?}");
        world.close_with(&["orders_in_review"]).await;
    }

    /// Seed: backfilling `stripePaymentIntentId` for legacy orders from their timelines.
    async fn old_orders_learn_their_payment_intent_from_their_timeline(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let (first, second) = (bought(&world, ada).await, bought(&world, ada).await);
        let nothing = world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        assert_eq!(nothing.status, ops::Status::Already);
        let intents = [world.order(first).await.payment_intent, world.order(second).await.payment_intent];
        by_hand(&world, "UPDATE orders SET stripe_payment_intent_id = NULL").await;
        assert_eq!(found(&world, "payment_intent_unknown").await.len(), 2);
        let receipt = world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        assert_eq!((receipt.plan.changes.len(), receipt.is_verified()), (2, true), "{receipt:?}");
        assert!(receipt.plan.changes[0].what.contains(&first.to_string()), "one change for each order: {receipt:?}");
        assert_eq!([world.order(first).await.payment_intent, world.order(second).await.payment_intent], intents);
        assert!(world.story(first).await.contains(&"payment_intent_backfilled".to_owned()));
        assert_eq!(found(&world, "payment_intent_unknown").await.len(), 0);
        world.close().await;
    }

    /// What a person looks through and one transaction writes is bounded; what is left is said, and taken by the next run.
    /// A refund and a dispute of payments that nobody here knew: they were heard of before the orders learned whose they are.
    async fn what_was_ignored_about_an_old_orders_payment_is_looked_at_again(test: TestDb) {
        let world = World::open(test).await;
        let pay = |n: i64, description: &'static str| {
            Call::post("/v1/payment_intents", format!("old-shop-{n}"))
                .with("amount", 900)
                .with("currency", "usd")
                .with("payment_method", "pm_card_visa")
                .with("confirm", true)
                .with("return_url", "https://old.invalid")
                .with("description", description)
        };
        let mut intents = Vec::new();
        for n in 0..3 {
            let paid = world.shop.stripe.call(pay(n, "the old shop")).await.unwrap();
            intents.push(paid["id"].as_str().unwrap().to_owned());
        }
        let cx = world.shop.cx();
        world.shop.db.write("test", move |tx| legacy(tx, &cx, 2)).await.unwrap();
        let orders = world.view("orders.list", json!({})).await.unwrap();
        let orders: Vec<OrderId> =
            orders["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect();
        for (order, intent) in orders.iter().copied().zip(intents.clone()) {
            world.shop.db.write("test", move |tx| {
                let meta = json!({ "paymentIntentId": intent });
                tx.execute("UPDATE order_timeline SET meta = $1 WHERE order_id = $2 AND type = 'payment_succeeded'",
                    &[meta.into(), order.into()]).map(drop)
            }).await.unwrap();
        }
        let (cx, refunded, disputed) = (world.stripe.cx(), intents[0].clone(), intents[1].clone());
        for stranger in [&refunded, &intents[2]] {
            let call = Call::post("/v1/refunds", format!("dashboard-{stranger}")).with("payment_intent", stranger);
            world.shop.stripe.call(call).await.unwrap();
        }
        world.account().open_dispute(&disputed, &sandbox::NewDispute::default(), &cx).unwrap();
        world.settle().await;
        let ignored = "SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored' AND last_error_kind IS NULL";
        let all = world.count(ignored).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM stripe_events WHERE status <> 'ignored'").await, 0);
        assert!(all >= 10, "payments, charges, refunds, a dispute: {all}");
        world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        world.settle().await;
        assert!(matches!(world.order(orders[0]).await.state, State::Refunded { .. }));
        assert_eq!(world.order(orders[1]).await.dispute, Some(shop::orders::Dispute::Open));
        let stranger = intents[2].clone();
        let theirs = world.shop.db.read("test", move |tx| {
            let sql = "SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored' AND attempts = 1 AND payment_intent = $1";
            tx.count(sql, &[stranger.clone().into()])
        });
        assert_eq!((theirs.await.unwrap(), world.count(ignored).await), (4, 4), "another's are not looked at again");
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn old_orders_are_backfilled_five_hundred_at_a_time_until_none_is_left(test: TestDb) {
        let world = World::open(test).await;
        let cx = world.shop.cx();
        world.shop.db.write("test", move |tx| legacy(tx, &cx, 501)).await.unwrap();
        let first = world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        assert_eq!((first.plan.changes.len(), first.is_verified()), (500, false), "{:?}", first.verify);
        assert_eq!(first.verify[0].seen, "1; run it again");
        let second = world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        assert_eq!((second.plan.changes.len(), second.is_verified()), (1, true));
        let unknown = world.count("SELECT COUNT(*) FROM orders WHERE stripe_payment_intent_id IS NULL").await;
        assert_eq!(unknown, 0);
        world.close().await;
    }

    async fn a_payment_that_two_old_orders_claim_is_left_to_a_person(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let (first, second) = (bought(&world, ada).await, bought(&world, ada).await);
        let (own, other) = (world.order(first).await.payment_intent.unwrap(), world.order(second).await.payment_intent.unwrap());
        world.shop.db.write("test", move |tx| {
            tx.execute("UPDATE orders SET stripe_payment_intent_id = NULL WHERE id = $1", &[first.into()])?;
            let meta = json!({ "paymentIntentId": other });
            tx.execute("UPDATE order_timeline SET meta = $1 WHERE order_id = $2 AND type = 'payment_succeeded'",
                &[meta.into(), first.into()]).map(drop)
        }).await.unwrap();
        let receipt = world.operate("orders.backfill-payment-intents", json!({})).await.unwrap();
        assert_eq!(receipt.status, ops::Status::Already, "{receipt:?}");
        assert!(receipt.verify.iter().any(|proof| proof.seen.contains(&second.to_string())), "{receipt:?}");
        assert_eq!(world.order(first).await.payment_intent, None);
        let meta = json!({ "paymentIntentId": own });
        world.shop.db.write("test", move |tx| {
            tx.execute("UPDATE order_timeline SET meta = $1 WHERE order_id = $2 AND type = 'payment_succeeded'",
                &[meta.clone().into(), first.into()]).map(drop)
        }).await.unwrap();
        mend(&world, "payment_intent_unknown").await;
        world.close().await;
    }
}

/// What the checks and look-ups of this issue ask for, and the index that must answer.
const ASKED: [(&str, &str); 15] = [
    (
        "stripe_events_ignored",
        "UPDATE stripe_events SET status = 'received', next_attempt_at = '2026-01-01'
         WHERE status = 'ignored' AND payment_intent IS NOT NULL AND payment_intent IN ('pi_1', 'pi_2')",
    ),
    (
        "payment_facts_late",
        "SELECT order_id FROM payment_facts
         WHERE kind IN ('refund', 'dispute', 'radar.early_fraud_warning', 'review') AND kind = 'dispute'",
    ),
    (
        "payment_facts_provisional",
        "SELECT order_id FROM payment_facts WHERE provisional AND updated_at < '2026-01-01'",
    ),
    (
        "orders_refunded_in_part",
        "SELECT id FROM orders WHERE refunded_amount > 0 AND status <> 'refunded' ORDER BY updated_at LIMIT 200",
    ),
    (
        "StatusIndex",
        "SELECT id FROM orders WHERE status = 'completed' ORDER BY created_at DESC, id DESC LIMIT 20",
    ),
    (
        "UserIndex",
        "SELECT id FROM orders WHERE profile_id = '01890a5d-ac96-774b-bcce-b302099a8057' AND (created_at, id) <
           ((SELECT created_at FROM orders WHERE id = '01890a5d-ac96-774b-bcce-b302099a8057'),
            '01890a5d-ac96-774b-bcce-b302099a8057') ORDER BY created_at DESC, id DESC LIMIT 20",
    ),
    (
        "orders_refund_marked",
        "SELECT id FROM orders WHERE refund_marked_at IS NOT NULL AND refund_marked_at < '2026-01-01'
           AND stripe_payment_intent_id IS NOT NULL AND refunded_amount < paid_amount ORDER BY refund_marked_at LIMIT 200",
    ),
    (
        "orders_disputed",
        "SELECT o.id, e.product_id, o.updated_at FROM orders o
         CROSS JOIN entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
         WHERE g.order_id = o.id AND g.status = 'active'
           AND o.dispute_status IS NOT NULL AND o.dispute_status = 'open'
           AND o.status NOT IN ('pending', 'paid', 'cancelled', 'refunded') ORDER BY o.updated_at LIMIT 200",
    ),
    (
        "entitlement_grants_suspended",
        "SELECT g.order_id AS id, e.product_id, g.updated_at FROM entitlement_grants g
         JOIN entitlements e ON e.id = g.entitlement_id
         LEFT JOIN orders o ON o.id = g.order_id AND o.dispute_status = 'open' AND o.status IN ('confirmed', 'completed')
         WHERE g.status = 'suspended' AND g.order_id IS NOT NULL AND o.id IS NULL ORDER BY g.updated_at LIMIT 200",
    ),
    (
        "StatusIndex",
        "SELECT o.id, r.sku, r.quantity, o.updated_at FROM orders o
         JOIN inventory_reservations r ON r.order_id = o.id AND r.status = 'confirmed'
         WHERE o.status = 'refunded' AND o.shipped_at IS NULL ORDER BY o.id LIMIT 200",
    ),
    (
        "stripe_events_object",
        "SELECT stripe_event_id FROM stripe_events WHERE status IN ('received', 'retry', 'error', 'unmatched')
           AND object_id IN ('pi_1', 'cs_1') ORDER BY received_at LIMIT 50",
    ),
    (
        "orders_without_intent",
        "SELECT o.id FROM orders o CROSS JOIN order_timeline t
         WHERE COALESCE(o.stripe_payment_intent_id, '') = '' AND o.status NOT IN ('pending', 'cancelled')
           AND t.order_id = o.id AND t.type = 'payment_succeeded'",
    ),
    (
        "orders_email_folded",
        "SELECT id FROM orders WHERE email IS NOT NULL AND lower(email) = lower('A@b.c')",
    ),
    ("profiles_email_folded", "SELECT id FROM profiles WHERE lower(email) = lower('A@b.c')"),
    (
        "refunds_updated",
        "SELECT status FROM refunds WHERE updated_at >= '2026-01-01' AND updated_at < '2026-01-02'",
    ),
];

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// Each of them runs every minute, or while somebody waits: none may read a whole table.
    async fn what_is_asked_often_is_answered_by_an_index(test: TestDb) {
        for (index, sql) in ASKED {
            let plan = test.db.read("test", move |tx| {
                let explain = match tx.dialect() {
                    db::Dialect::Sqlite => format!("EXPLAIN QUERY PLAN {sql}"),
                    // An empty table is read whole by any planner that may.
                    db::Dialect::Postgres => {
                        tx.execute("SET LOCAL enable_seqscan = off", &[])?;
                        format!("EXPLAIN {sql}")
                    }
                };
                let column = if tx.dialect() == db::Dialect::Sqlite { "detail" } else { "QUERY PLAN" };
                tx.query(&explain, &[])?.iter().map(|row| row.get::<String>(column)).collect::<Result<Vec<_>, _>>()
            });
            let plan = plan.await.unwrap().join("\n");
            assert!(plan.contains(index), "{index} does not answer {sql}\n{plan}");
        }
    }
}
