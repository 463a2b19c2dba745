//! Payment Links: sessions that this shop did not open become orders, once each, by the prices that are mapped.

use kernel::{Duration, Error};
use sandbox::{ApiRequest, Fault, Later, NewRefund, Payment, Trouble, Visit};
use serde_json::{Value, json};
use shop::ids::OrderId;
use shop::orders::{Order, PaymentStatus, ReviewKind, State, WaitsFor};
use testkit::World;

const VISA: &str = "4242424242424242";

/// Does this at Stripe, and says what came of it.
fn at_stripe(world: &World, path: &str, form: &str) -> Value {
    let cx = world.stripe.cx();
    let answer = world.account().handle(&ApiRequest::post(path, form), &cx);
    assert_eq!(answer.status, 200, "{path}: {:#}", answer.body);
    answer.body
}

/// A price at Stripe.
fn price(world: &World, amount: i64) -> String {
    let form = format!("currency=usd&unit_amount={amount}&product_data[name]=Something");
    at_stripe(world, "/v1/prices", &form)["id"].as_str().unwrap().to_owned()
}

async fn map(world: &World, ours: &str, stripe: &str) {
    let input = json!({ "price": ours, "stripe_price": stripe });
    world.operate("prices.map", input).await.unwrap();
    world.settle().await;
}

/// A price at Stripe that stands for ours, with the same amount.
async fn mapped(world: &World, ours: &str, amount: i64) -> String {
    let stripe = price(world, amount);
    map(world, ours, &stripe).await;
    stripe
}

/// A Payment Link that sells these prices.
fn link_with(world: &World, lines: &[(&str, i64)], more: &str) -> String {
    let mut form = String::new();
    for (at, (price, quantity)) in lines.iter().enumerate() {
        form.push_str(&format!("line_items[{at}][price]={price}&line_items[{at}][quantity]={quantity}&"));
    }
    at_stripe(world, "/v1/payment_links", &format!("{form}{more}"))["id"].as_str().unwrap().to_owned()
}

/// Somebody opens the link.
fn visit(world: &World, link: &str, visit: &Visit) -> String {
    let cx = world.stripe.cx();
    world.account().open_link(link, visit, &cx).unwrap()
}

fn pay(world: &World, session: &str, payment: &Payment) {
    let cx = world.stripe.cx();
    world.account().pay(session, payment, &cx).unwrap();
}

/// Somebody opens a link that sells these prices, and pays.
fn bought(world: &World, lines: &[(&str, i64)]) -> String {
    let session = visit(world, &link_with(world, lines, ""), &Visit::default());
    pay(world, &session, &Payment::by_card(VISA));
    session
}

async fn order_of(world: &World, session: &str) -> Option<Order> {
    let session = session.to_owned();
    world.shop.db.read("order", move |tx| shop::orders::find_by_session(tx, &session)).await.unwrap()
}

async fn made(world: &World, session: &str) -> Order {
    order_of(world, session).await.expect("an order was made")
}

async fn orders(world: &World) -> i64 {
    world.count("SELECT COUNT(*) FROM orders").await
}

fn holder(order: OrderId) -> String {
    format!("order:{}", order.uuid())
}

async fn active(world: &World, order: OrderId) -> i64 {
    let holder = holder(order);
    world
        .shop
        .db
        .read("active", move |tx| {
            tx.count(
                "SELECT COUNT(*) FROM entitlements WHERE holder = $1 AND status = 'active'",
                &[holder.clone().into()],
            )
        })
        .await
        .unwrap()
}

/// Where the event of this type about this object stands.
async fn event(world: &World, kind: &str, object: &str) -> Value {
    let list = world.view("events.list", json!({ "limit": 100 })).await.unwrap();
    let all = list["data"].as_array().unwrap().clone();
    all.into_iter().find(|e| e["type"] == kind && e["object_id"] == object).expect("the event")
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_a_link_sells_becomes_a_guests_order_and_is_handed_over(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let session = bought(&world, &[(&course, 1)]);
        world.settle().await;
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.payment_status), ("completed", PaymentStatus::Paid));
        assert_eq!((order.profile, order.email.as_deref()), (None, Some("buyer@example.com")));
        assert_eq!((order.amounts.total().minor, order.paid_amount), (4900, Some(4900)));
        assert_eq!(active(&world, order.id).await, 1);
        assert_eq!(orders(&world).await, 1);
        let said = world.story(order.id).await;
        assert_eq!(said, ["order_created", "made_of_session", "payment_succeeded", "confirmed", "completed"]);
        // By whatever a person has in hand.
        let email = "buyer@example.com".to_owned();
        for key in [session.clone(), order.payment_intent.clone().unwrap(), email] {
            let found = world.view("search", json!({ "q": key })).await.unwrap();
            let rows = found["data"].as_array().unwrap();
            assert!(rows.iter().any(|row| row["id"] == order.id.to_string()), "{key}: {found}");
            let case = world.task("case", json!({ "who": key })).await.unwrap().answer;
            assert_eq!(case["order"], order.id.to_string(), "{key}: {case}");
        }
        world.close().await;
    }

    /// Each event twice, and the ones about the payment before the session is known.
    async fn duplicates_and_any_order_make_one_order_and_no_event_is_left_behind(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let session = bought(&world, &[(&course, 1)]);
        let cx = world.stripe.cx();
        let mut due = world.account().due_deliveries(&cx);
        due.sort_by_key(|delivery| String::from_utf8_lossy(&delivery.body).contains("checkout.session.completed"));
        for delivery in due.iter().chain(&due) {
            assert_eq!(testkit::stripe_double::deliver(&world.shop, delivery, &world.secrets).await, 200);
            world.process().await;
            world.account().delivery_result(delivery.id, Some(200), &cx);
        }
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), orders(&world).await), ("completed", 1));
        let intent = order.payment_intent.unwrap();
        assert_eq!(event(&world, "payment_intent.succeeded", &intent).await["status"], "ignored");
        world.settle().await;
        let heard = event(&world, "payment_intent.succeeded", &intent).await;
        assert_eq!((&heard["status"], &heard["order_id"]), (&json!("processed"), &json!(order.id)));
        world.close().await;
    }

    async fn two_workers_at_once_make_one_order(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let mut sessions = Vec::new();
        for _ in 0..6 {
            sessions.push(bought(&world, &[(&course, 1)]));
        }
        // Every event of each session under a second id: two workers hold one sale each.
        let cx = world.stripe.cx();
        let told: Vec<Value> = world.account().events().iter().map(|event| event.to_json())
            .filter(|event| event["type"] == "checkout.session.completed").collect();
        for event in &told {
            world.account().emit_event("checkout.session.async_payment_succeeded", &event["data"]["object"], &cx);
        }
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        let other = world.another_node().await;
        let (mut ours, mut theirs) = (true, true);
        while ours || theirs {
            let (a, b) = side_by_side(world.shop.work_events(), other.work_events()).await;
            (ours, theirs) = (a.unwrap().claimed > 0, b.unwrap().claimed > 0);
        }
        world.settle().await;
        assert_eq!(orders(&world).await, 6);
        for session in &sessions {
            assert_eq!(made(&world, session).await.state.status(), "completed");
        }
        world.close().await;
    }

    /// The worker dies between its question at Stripe and its transaction, and after it.
    async fn a_crash_between_transactions_changes_nothing(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        for polls in 1..14 {
            let session = bought(&world, &[(&course, 1)]);
            testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
            dies_after(polls, world.shop.work_events()).await;
            world.advance(Duration::from_secs(400));
            world.settle().await;
            assert_eq!(made(&world, &session).await.state.status(), "completed", "after {polls} polls");
        }
        assert_eq!(orders(&world).await, 13);
        world.close().await;
    }

    async fn an_unmapped_price_beside_a_mapped_one_waits_and_is_found_until_it_is_mapped(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let poster = price(&world, 900);
        let session = bought(&world, &[(&course, 1), (&poster, 2)]);
        world.settle().await;
        assert!(order_of(&world, &session).await.is_none());
        let waits = event(&world, "checkout.session.completed", &session).await;
        assert_eq!((&waits["status"], &waits["last_error_kind"]), (&json!("unmatched"), &json!("price_not_mapped")));
        assert_eq!(waits["last_error"], format!("price_not_mapped {poster}"));
        world.advance(Duration::from_secs(1));
        let found = world.findings().await;
        assert_eq!(found.iter().map(|f| f.check).collect::<Vec<_>>(), ["prices_not_mapped"], "{found:#?}");
        for key in [session.as_str(), "BUYER@example.com", waits["id"].as_str().unwrap()] {
            let case = world.task("case", json!({ "who": key })).await.unwrap().answer;
            assert!(case["note"].as_str().unwrap().contains(&poster), "{key}: {case}");
            let found = world.view("search", json!({ "q": key })).await.unwrap();
            assert!(found["data"].as_array().unwrap().iter().any(|row| row["id"] == waits["id"]), "{key}: {found}");
        }
        let mend = found[0].mend.as_ref().unwrap();
        assert_eq!((mend.operation, &mend.input["stripe_price"]), ("prices.map", &json!(poster)));
        map(&world, "poster-usd", &poster).await;
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.lines.len()), ("confirmed", 2));
        assert_eq!((order.amounts.subtotal, order.paid_amount), (6700, Some(6700)));
        world.close().await;
    }

    /// Another system's link on the same account stays what it was; one that says that it is ours does not.
    async fn a_link_in_which_nothing_is_ours_is_ignored_unless_the_seller_says_that_it_is_ours(test: TestDb) {
        let world = World::open(test).await;
        let (foreign, ours) = (price(&world, 4900), price(&world, 4900));
        let session = bought(&world, &[(&foreign, 1)]);
        let meant = visit(&world, &link_with(&world, &[(&ours, 1)], "metadata[makegood]=yes"), &Visit::default());
        pay(&world, &meant, &Payment::by_card(VISA));
        world.settle().await;
        assert_eq!(event(&world, "checkout.session.completed", &session).await["status"], "ignored");
        assert_eq!(event(&world, "checkout.session.completed", &meant).await["status"], "unmatched");
        assert_eq!(orders(&world).await, 0);
        // Mapped later, both are ours: money is never lost by what was not known once.
        map(&world, "rust-course-usd", &ours).await;
        assert_eq!(made(&world, &meant).await.state.status(), "completed");
        assert!(order_of(&world, &session).await.is_none());
        map(&world, "rust-course-usd", &foreign).await;
        assert_eq!(made(&world, &session).await.state.status(), "completed");
        world.close().await;
    }

    /// An old price, a price of the buyer's own choice: whatever was paid is not what the shop asks.
    async fn an_amount_that_is_not_the_mapped_prices_is_held_for_review(test: TestDb) {
        let world = World::open(test).await;
        let cheap = mapped(&world, "rust-course-usd", 490).await;
        let session = bought(&world, &[(&cheap, 1)]);
        world.settle().await;
        let order = made(&world, &session).await;
        assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Review });
        assert_eq!(order.reviews[0].kind, ReviewKind::AmountMismatch);
        assert_eq!((order.amounts.total().minor, order.paid_amount), (4900, Some(490)));
        assert_eq!(active(&world, order.id).await, 0);
        world.operate("events.replay", json!({ "event": event(&world, "checkout.session.completed", &session).await["id"] })).await.unwrap();
        world.settle().await;
        assert_eq!(world.order(order.id).await.state, State::Paid { waits_for: WaitsFor::Review });
        world.operate("orders.review.clear", json!({ "order": order.id })).await.unwrap();
        assert_eq!(world.order(order.id).await.state.status(), "completed");
        world.close().await;
    }

    async fn quantities_are_counted_and_may_be_chosen_by_the_buyer(test: TestDb) {
        let world = World::open(test).await;
        let poster = mapped(&world, "poster-usd", 900).await;
        let more = "line_items[0][adjustable_quantity][enabled]=true";
        let link = link_with(&world, &[(&poster, 1)], more);
        let session = visit(&world, &link, &Visit { quantity: Some(3), ..Visit::default() });
        pay(&world, &session, &Payment::by_card(VISA));
        world.settle().await;
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.lines[0].quantity, order.paid_amount), ("confirmed", 3, Some(2700)));
        assert_eq!(world.stock("POSTER").await, (97, 97));
        world.operate("orders.ship", json!({ "order": order.id })).await.unwrap();
        world.close().await;
    }

    async fn a_session_of_several_pages_of_lines_is_read_whole(test: TestDb) {
        let world = World::open(test).await;
        let poster = mapped(&world, "poster-usd", 900).await;
        let mut lines = vec![(poster.as_str(), 1); 19];
        let strange = price(&world, 900);
        lines.push((&strange, 1));
        let session = bought(&world, &lines);
        world.settle().await;
        assert!(order_of(&world, &session).await.is_none(), "the strange line is on the second page");
        map(&world, "mug-usd", &strange).await;
        let order = made(&world, &session).await;
        assert_eq!((order.lines.len(), order.paid_amount), (20, Some(18_000)));
        assert_eq!(order.state, State::Paid { waits_for: WaitsFor::Review }, "a mug costs more than was paid");
        world.operate("orders.review.clear", json!({ "order": order.id })).await.unwrap();
        world.operate("orders.ship", json!({ "order": order.id })).await.unwrap();
        world.close().await;
    }

    async fn discount_and_tax_are_named_each_by_itself(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        at_stripe(&world, "/v1/coupons", "id=TEN&percent_off=10&duration=once");
        at_stripe(&world, "/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=TEN&code=SPRING");
        let link = link_with(&world, &[(&course, 1)], "allow_promotion_codes=true");
        let session = visit(&world, &link, &Visit::default());
        let cx = world.stripe.cx();
        world.account().apply_promotion_code(&session, "SPRING", &cx).unwrap();
        world.account().set_adjustment(&session, 300, 500).unwrap();
        pay(&world, &session, &Payment::by_card(VISA));
        world.settle().await;
        let order = made(&world, &session).await;
        let a = &order.amounts;
        assert_eq!((a.subtotal, a.discount, a.tax, a.shipping, a.total().minor), (4900, 490, 300, 500, 5210));
        assert_eq!((order.state.status(), order.paid_amount), ("completed", Some(5210)));
        world.close().await;
    }

    /// A code that takes everything off: nothing is to be paid, and no payment is ever made.
    async fn what_costs_nothing_is_handed_over_too(test: TestDb) {
        let world = World::open(test).await;
        let free = mapped(&world, "free-course-usd", 0).await;
        let session = bought(&world, &[(&free, 1)]);
        world.settle().await;
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.payment_intent), ("completed", None));
        world.close().await;
    }

    async fn stock_is_taken_at_payment_and_what_is_not_there_is_waited_for(test: TestDb) {
        let world = World::open(test).await;
        let mug = mapped(&world, "mug-usd", 1500).await;
        let (first, second) = (bought(&world, &[(&mug, 4)]), bought(&world, &[(&mug, 2)]));
        world.settle().await;
        let (first, second) = (made(&world, &first).await, made(&world, &second).await);
        let mut states = [first.state.clone(), second.state.clone()].map(|state| state.status().to_owned());
        states.sort();
        assert_eq!(states, ["confirmed", "paid"]);
        let waits = if first.state.status() == "paid" { first.id } else { second.id };
        assert_eq!(world.order(waits).await.state, State::Paid { waits_for: WaitsFor::Stock });
        world.operate("inventory.adjust", json!({ "sku": "MUG", "change": 5 })).await.unwrap();
        world.settle().await;
        for order in [first.id, second.id] {
            world.operate("orders.ship", json!({ "order": order })).await.unwrap();
        }
        world.close().await;
    }

    /// Who hears last that somebody has bought hears first that the money went back.
    async fn a_refund_before_the_order_was_made_hands_nothing_over(test: TestDb) {
        let world = World::open(test).await;
        let (course, mug) = (mapped(&world, "rust-course-usd", 4900).await, mapped(&world, "mug-usd", 1500).await);
        let session = bought(&world, &[(&course, 1), (&mug, 1)]);
        let cx = world.stripe.cx();
        let mut due = world.account().due_deliveries(&cx);
        world.account().refund_in_dashboard(&session, &NewRefund::default(), &cx).unwrap();
        due.sort_by_key(|delivery| String::from_utf8_lossy(&delivery.body).contains("checkout.session.completed"));
        let late = due.pop().unwrap();
        world.account().delivery_result(late.id, None, &cx);
        for delivery in &due {
            testkit::stripe_double::deliver(&world.shop, delivery, &world.secrets).await;
            world.account().delivery_result(delivery.id, Some(200), &cx);
        }
        world.settle().await;
        assert_eq!(orders(&world).await, 0);
        testkit::stripe_double::deliver(&world.shop, &late, &world.secrets).await;
        world.settle().await;
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.payment_status), ("refunded", PaymentStatus::Refunded));
        assert_eq!((active(&world, order.id).await, world.stock("MUG").await), (0, (5, 5)));
        assert!(!world.story(order.id).await.contains(&"confirmed".to_owned()));
        world.close().await;
    }

    async fn a_refund_and_a_dispute_of_a_links_order_find_it(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let (refunded, disputed) = (bought(&world, &[(&course, 1)]), bought(&world, &[(&course, 1)]));
        world.settle().await;
        let (refunded, disputed) = (made(&world, &refunded).await.id, made(&world, &disputed).await);
        world.operate("refunds.create", json!({ "order": refunded })).await.unwrap();
        let cx = world.stripe.cx();
        world.account().open_dispute(disputed.session.as_deref().unwrap(), &sandbox::NewDispute::default(), &cx).unwrap();
        world.settle().await;
        assert_eq!(world.order(refunded).await.state.status(), "refunded");
        assert!(world.order(disputed.id).await.is_suspended());
        assert_eq!((active(&world, refunded).await, active(&world, disputed.id).await), (0, 0));
        world.close_with(&["dispute_needs_response"]).await;
    }

    /// A bank takes days: the order waits, reserves nothing, and ends as the bank decides.
    async fn a_bank_debit_makes_a_pending_order_that_ends_as_the_bank_says(test: TestDb) {
        let world = World::open(test).await;
        let mug = mapped(&world, "mug-usd", 1500).await;
        let mut ends = Vec::new();
        for later in [Later::Succeeds, Later::Fails] {
            let session = visit(&world, &link_with(&world, &[(&mug, 1)], ""), &Visit::default());
            let debit = Payment { settles_after: Some(Duration::from_secs(3 * 3600)), ..Payment::by_bank_debit(later) };
            pay(&world, &session, &debit);
            world.settle().await;
            let order = made(&world, &session).await;
            assert_eq!((order.state, order.payment_status), (State::Pending, PaymentStatus::Processing));
            assert_eq!(world.stock("MUG").await.1, 5 - ends.len() as i64);
            world.advance(Duration::from_secs(4 * 3600));
            world.settle().await;
            ends.push(world.order(order.id).await);
        }
        assert_eq!(ends.iter().map(|order| order.state.status()).collect::<Vec<_>>(), ["confirmed", "cancelled"]);
        world.operate("orders.ship", json!({ "order": ends[0].id })).await.unwrap();
        world.close().await;
    }

    async fn a_session_that_nobody_pays_makes_no_order(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let session = visit(&world, &link_with(&world, &[(&course, 1)], ""), &Visit::default());
        pay(&world, &session, &Payment::by_card("4000000000000002"));
        world.advance(Duration::from_secs(25 * 3600));
        world.settle().await;
        assert_eq!(event(&world, "checkout.session.expired", &session).await["status"], "ignored");
        let done = world.task("reconcile", json!({ "apply": true })).await.unwrap();
        assert_eq!((done.findings, orders(&world).await), (Some(0), 0), "{:#}", done.answer);
        world.close().await;
    }

    /// What a buyer types into the address of a link is nobody's proof.
    async fn what_is_typed_into_a_links_address_binds_to_nobody(test: TestDb) {
        let world = World::open(test).await;
        let victim = world.buyer("victim@example.com").await;
        let theirs = world.check_out_for(victim, &[("rust-course", 1)]).await.unwrap();
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let profile = format!("metadata[profileId]={}", victim.uuid());
        let link = link_with(&world, &[(&course, 1)], &profile);
        for typed in [theirs.order.to_string(), victim.to_string(), victim.uuid().to_string()] {
            let typed = Visit { client_reference_id: Some(typed), ..Visit::default() };
            let session = visit(&world, &link, &typed);
            pay(&world, &session, &Payment::by_card(VISA));
            world.settle().await;
            let order = made(&world, &session).await;
            assert_eq!((order.profile, order.state.status()), (None, "completed"));
            assert_ne!(order.id, theirs.order);
        }
        let untouched = world.order(theirs.order).await;
        assert_eq!((untouched.state, untouched.reviews.len()), (State::Pending, 0));
        assert!(!world.may_use(victim, "rust-course").await);
        world.close().await;
    }

    async fn an_event_that_never_came_is_made_good_by_a_comparison(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        world.account().inject(Fault::new(Trouble::NotGenerated));
        let session = bought(&world, &[(&course, 1)]);
        let strange = bought(&world, &[(&course, 1), (&price(&world, 700), 1)]);
        world.account().clear_faults();
        world.advance(Duration::from_secs(3600));
        world.settle().await;
        assert_eq!(orders(&world).await, 0);
        let case = world.task("case", json!({ "who": session })).await.unwrap().answer;
        assert!(case["note"].as_str().unwrap().contains("makegood reconcile --only"), "{case}");
        let seen = world.task("reconcile", json!({ "area": "payments" })).await.unwrap();
        let causes: Vec<&str> = seen.answer["data"].as_array().unwrap().iter().map(|f| f["cause"].as_str().unwrap()).collect();
        assert_eq!(causes.len(), 2, "{:#}", seen.answer);
        assert!(causes.contains(&"sale_not_known_here") && causes.contains(&"price_not_mapped"), "{causes:?}");
        assert_eq!(orders(&world).await, 0, "looking changes nothing");
        let done = world.task("reconcile", json!({ "area": "payments", "apply": true })).await.unwrap();
        assert_eq!(done.findings, Some(1), "{:#}", done.answer);
        let order = made(&world, &session).await;
        assert_eq!((order.state.status(), order.paid_amount), ("completed", Some(4900)));
        assert!(order_of(&world, &strange).await.is_none());
        let again = world.task("reconcile", json!({ "apply": true, "from_start": true })).await.unwrap();
        assert_eq!((again.findings, orders(&world).await), (Some(1), 1), "{:#}", again.answer);
        world.close().await;
    }

    async fn without_webhooks_the_list_of_events_brings_it(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        world.account().inject(Fault::new(Trouble::Drop));
        let session = bought(&world, &[(&course, 1)]);
        world.settle().await;
        assert!(order_of(&world, &session).await.is_none());
        world.advance(Duration::from_secs(60));
        assert!(world.shop.backfill().await.unwrap().unwrap().stored > 0);
        world.account().clear_faults();
        world.settle().await;
        assert_eq!(made(&world, &session).await.state.status(), "completed");
        world.close().await;
    }

    /// While Stripe cannot be asked what was sold, the event waits, and nothing is guessed.
    async fn while_stripe_cannot_be_asked_the_sale_waits(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let session = bought(&world, &[(&course, 1)]);
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/checkout/sessions/"));
        world.settle().await;
        let waits = event(&world, "checkout.session.completed", &session).await;
        assert_eq!((&waits["status"], &waits["last_error_kind"]), (&json!("retry"), &json!("stripe_unreachable")));
        world.account().clear_faults();
        world.advance(Duration::from_secs(120));
        world.settle().await;
        assert_eq!(made(&world, &session).await.state.status(), "completed");
        world.close().await;
    }

    /// Sold without a link, by the seller's own code: known by its prices all the same.
    async fn a_session_of_the_sellers_own_code_becomes_an_order_when_all_of_it_is_mapped(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let form = format!("mode=payment&success_url=https://a.test/&line_items[0][price]={course}&line_items[0][quantity]=1");
        let session = at_stripe(&world, "/v1/checkout/sessions", &form)["id"].as_str().unwrap().to_owned();
        pay(&world, &session, &Payment::by_card(VISA));
        world.settle().await;
        assert_eq!(made(&world, &session).await.state.status(), "completed");
        world.close().await;
    }

    async fn a_price_at_stripe_stands_for_one_price_and_a_file_may_say_which(test: TestDb) {
        let world = World::open(test).await;
        let course = mapped(&world, "rust-course-usd", 4900).await;
        let refused = world.operate("prices.map", json!({ "price": "mug-usd", "stripe_price": course })).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        let unknown = world.operate("prices.map", json!({ "price": "none-usd", "stripe_price": "price_1" })).await;
        assert!(matches!(unknown, Err(Error::NotFound { .. })), "{unknown:?}");
        let bad = world.operate("prices.map", json!({ "price": "mug-usd", "stripe_price": "price 1%" })).await;
        assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
        let file = |course: Option<&str>, mug: Option<&str>| json!({ "catalog": { "product": [
            { "id": "rust-course", "kind": "course", "name": "Rust from the ground up",
              "price": [{ "currency": "usd", "amount": 4900, "stripe_price_id": course }] },
            { "id": "mug", "kind": "physical", "name": "A mug", "sku": "MUG",
              "price": [{ "currency": "usd", "amount": 1500, "stripe_price_id": mug }] } ] } });
        // What a file does not name stays.
        let plan = world.operate("catalog.import", file(None, None)).await.unwrap();
        assert!(plan.plan.is_already(), "{plan:?}");
        let taken = world.operate("catalog.import", file(None, Some(&course))).await;
        assert!(matches!(taken, Err(Error::Refused(_))), "{taken:?}");
        let other = price(&world, 1500);
        world.operate("catalog.import", file(Some(&course), Some(&other))).await.unwrap();
        // Two change places.
        world.operate("catalog.import", file(Some(&other), Some(&course))).await.unwrap();
        let listed = world.view("products.list", json!({})).await.unwrap();
        let of = |id: &str| listed["data"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap()["stripe_price_id"].clone();
        assert_eq!((of("rust-course"), of("mug")), (json!(other), json!(course)));
        world.operate("prices.unmap", json!({ "price": "mug-usd" })).await.unwrap();
        world.operate("prices.map", json!({ "price": "poster-usd", "stripe_price": course })).await.unwrap();
        world.settle().await;
        world.close().await;
    }
}

/// Two futures side by side.
async fn side_by_side<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    futures_util::future::join(a, b).await
}

/// The worker dies after so many polls of its future.
async fn dies_after<T>(polls: usize, work: impl Future<Output = T>) {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        work.as_mut().poll(context).map(drop)
    })
    .await;
}
