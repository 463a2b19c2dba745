//! What a person has in hand leads to the order; and why somebody has no access, in one line.

use kernel::Duration;
use sandbox::{DisputeStep, Fault, NewDispute, Payment, Trouble};
use serde_json::{Value, json};
use shop::ids::{OrderId, ProfileId};
use shop::orders::State;
use stripe::Call;
use testkit::World;

const VISA: &str = "4242424242424242";

async fn bought(world: &World, profile: ProfileId, items: &[(&str, i64)]) -> OrderId {
    let started = world.check_out_for(profile, items).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

async fn find(world: &World, text: &str) -> Vec<Value> {
    let found = world.view("search", json!({ "q": text })).await.unwrap();
    found["data"].as_array().unwrap().clone()
}

/// Kinds and ids of what is found.
async fn kinds(world: &World, text: &str) -> Vec<(String, String)> {
    let text_of = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    find(world, text).await.iter().map(|row| (text_of(row, "kind"), text_of(row, "id"))).collect()
}

/// What a case says, and whether its exit code would be 0.
async fn case(world: &World, who: &str) -> (Value, bool) {
    let done = world.task("case", json!({ "who": who })).await.unwrap();
    assert_eq!(done.findings == Some(0), done.answer["access"] == true, "{done:?}");
    let fine = done.findings == Some(0);
    (done.answer, fine)
}

/// The place that a case names.
async fn place(world: &World, who: &str) -> String {
    case(world, who).await.0["place"].as_str().unwrap().to_owned()
}

/// Does what the case offers; afterwards there must be access.
async fn mend(world: &World, who: &str) {
    let (told, _) = case(world, who).await;
    let (name, input) = (told["mend"]["operation"].as_str().unwrap(), told["mend"]["input"].clone());
    if shop::TASKS.iter().any(|task| task.name == name) {
        world.task(name, input).await.unwrap();
    } else {
        let receipt = world.operate(name, input).await.unwrap();
        assert!(receipt.is_verified(), "{receipt:?}");
    }
    world.work().await;
    let (told, fine) = case(world, who).await;
    assert!(fine, "{told}");
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// Nothing is shipped while all the money is on its way back, so it is not "to be shipped".
    async fn an_order_whose_refund_is_under_way_is_not_called_fine(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, &[("mug", 1)]).await;
        assert!(case(&world, "ada@example.com").await.1, "it is to be shipped");
        world.account().inject(Fault::new(Trouble::Unavailable).on_request("POST", "/v1/refunds"));
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        world.settle().await;
        let (told, fine) = case(&world, "ada@example.com").await;
        assert_eq!((fine, told["place"].as_str()), (false, Some("waits_for_refund")), "{told:#}");
        assert!(told["verdict"].as_str().unwrap().contains("no access: waits for its refund"), "{told:#}");
        world.account().clear_faults();
        world.advance(Duration::from_secs(7200));
        world.settle().await;
        assert_eq!(place(&world, "ada@example.com").await, "refunded");
        world.close().await;
    }

    async fn what_is_nowhere_is_not_found_and_says_where_it_was_looked_for(test: TestDb) {
        let world = World::open(test).await;
        let nobody = world.shop.cx().id::<shop::ids::OrderKind>().to_string();
        for (text, tried) in [("pi_nobody", "payment intent"), ("evt_nobody", "events"), ("re_nobody", "refunds"),
                              ("nobody@example.com", "profiles and orders"), (nobody.as_str(), "orders by their id"),
                              ("req_nobody", "by their request"), ("cus_1", "it is neither an email nor the id of an event (evt_)"), ("zzz", "which are what is looked among")] {
            let error = world.view("search", json!({ "q": text })).await.unwrap_err();
            assert_eq!(error.code(), "not_found", "{text}: {error}");
            assert!(error.to_string().contains(tried), "{text}: {error}");
            assert_eq!(world.view("orders.explain", json!({ "order": text })).await.unwrap_err().code(), "not_found");
        }
        let told = case(&world, "zzz").await.0["verdict"].to_string();
        assert!(told.contains("known for zzz; it is neither an email nor the id of"), "{told}");
        for text in ["", "ord_1", "rfd_zz"] {
            let error = world.view("search", json!({ "q": text })).await.unwrap_err();
            assert_eq!(error.code(), "invalid_input", "{text}: {error}");
        }
        world.close().await;
    }

    async fn everything_that_belongs_to_an_order_leads_to_it(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("Ada@Example.com").await;
        let order = bought(&world, ada, &[("rust-course", 1), ("mug", 1)]).await;
        let stands = world.order(order).await;
        let intent = stands.payment_intent.clone().unwrap();
        let cx = world.stripe.cx();
        let dispute = world.account().open_dispute(&intent, &NewDispute::because("fraudulent"), &cx).unwrap();
        world.settle().await;
        let charge = world.account().charges_of(&intent)[0].id.clone();
        let held = world.shop.db.read("test", move |tx| shop::inventory::reservations_of(tx, order)).await.unwrap();
        let granted = world.shop.db.read("test", move |tx| shop::entitlements::of_order(tx, order)).await.unwrap();
        let events = world.view("events.list", json!({ "order": order })).await.unwrap();
        let event = events["data"][0]["id"].as_str().unwrap().to_owned();
        for (kind, id) in [
            ("event", event), ("session", stands.session.clone().unwrap()), ("payment_intent", intent.clone()),
            ("charge", charge), ("dispute", dispute), ("reservation", held[0].id.to_string()),
            ("entitlement", granted[0].id.to_string()),
        ] {
            assert_eq!(kinds(&world, &id).await, [(kind.to_owned(), id.clone()), ("order".to_owned(), order.to_string())]);
            let told = world.view("orders.explain", json!({ "order": id })).await.unwrap();
            assert_eq!((&told["object"], &told["order"]["id"]), (&json!("explanation"), &json!(order)), "{id}");
        }
        for text in ["ada@example.com", "ADA@EXAMPLE.COM", &ada.to_string(), &ada.uuid().to_string()] {
            let found = kinds(&world, text).await;
            let kinds: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(kinds, ["profile", "entitlement", "order"], "{text}");
        }
        assert_eq!(kinds(&world, &order.uuid().to_string()).await, [("order".to_owned(), order.to_string())]);
        let page = format!("https://dashboard.stripe.com/test/payments/{intent}");
        assert_eq!(kinds(&world, &page).await[0], ("payment_intent".to_owned(), intent));
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn what_no_order_has_learnt_is_found_by_the_events_that_told_of_it(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4000000000000002");
        world.settle().await;
        let events = world.view("events.list", json!({})).await.unwrap();
        let failed = events["data"].as_array().unwrap().iter().find(|event| event["type"] == "charge.failed").unwrap();
        let (event, charge) = (failed["id"].as_str().unwrap(), failed["object_id"].as_str().unwrap());
        let found = kinds(&world, charge).await;
        assert_eq!(found[0], ("event".to_owned(), event.to_owned()), "{found:?}");
        world.close().await;
    }

    async fn mails_entries_requests_names_and_goods_are_found_as_well(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, &[("mug", 1)]).await;
        world.operate("orders.review.flag", json!({ "order": order })).await.unwrap();
        world.task("reconcile", json!({})).await.unwrap();
        let first = async |view: &str| world.view(view, json!({})).await.unwrap()["data"][0].clone();
        let cx = world.shop.cx();
        let token = world.shop.db.write("test", move |tx| {
            ops::users::invite(tx, &cx, "Ada", Some(ops::Role::Viewer), &ops::Actor::operator("tests"))?;
            let mut entry = ops::audit::Entry::new("order_noted", ops::Actor::operator("tests"), "order", order).order(order);
            entry.request_id = Some("req_1".into());
            ops::audit::record(tx, &cx, vec![entry])?;
            ops::create_token(tx, &cx, "shop", ops::Role::App, None)
        });
        let token = token.await.unwrap().0.to_string();
        let (mail, compared) = (first("mails.list").await, first("reconciliations.list").await);
        let (entry, id) = (first("audit-logs.list").await, |row: &Value| row["id"].as_str().unwrap().to_owned());
        let pair = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
        let its_order = pair("order", &order.to_string());
        for (text, kind, found, leads) in [
            (id(&mail), "mail", id(&mail), true),
            (id(&entry), "audit_entry", id(&entry), true),
            ("req_1".into(), "audit_entry", id(&entry), true),
            (id(&compared), "reconciliation", id(&compared), false),
            (token.clone(), "token", token, false),
            ("ADA".into(), "user", "ada".into(), false),
            ("mug".into(), "product", "mug".into(), false),
            ("MUG".into(), "stock", "MUG".into(), false),
        ] {
            let expected: Vec<_> = [pair(kind, &found)].into_iter().chain(leads.then(|| its_order.clone())).collect();
            assert_eq!(kinds(&world, &text).await, expected, "{text}");
        }
        // Who users are and what tokens may do, admins see; whoever searches may be anybody.
        for text in ["ada", &id(&entry)[4..]] {
            let found = find(&world, text).await;
            assert!(!found.is_empty() && !found[0].to_string().contains("viewer"), "{found:?}");
        }
        world.close_with(&["orders_in_review"]).await;
    }

    async fn a_refund_is_found_by_its_id_here_and_by_its_id_at_stripe(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, &[("rust-course", 1)]).await;
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        let queued = world.view("jobs.list", json!({})).await.unwrap();
        let job = queued["data"].as_array().unwrap().iter().find(|job| job["kind"] == "refunds.send").unwrap();
        let found = find(&world, job["id"].as_str().unwrap()).await;
        assert_eq!(found[0]["kind"], "job", "{found:?}");
        world.settle().await;
        let refund = world.shop.db.read("test", move |tx| shop::refunds::latest_of_order(tx, order)).await.unwrap().unwrap();
        let ours = ("refund".to_owned(), refund.id.to_string());
        let theirs = ("refund".to_owned(), refund.stripe_refund.clone().unwrap());
        let the_order = ("order".to_owned(), order.to_string());
        assert_eq!(kinds(&world, &refund.id.to_string()).await, [ours.clone(), the_order.clone()]);
        assert_eq!(kinds(&world, &theirs.1).await, [theirs, ours, the_order]);
        world.close().await;
    }

    /// Two orders of one buyer: which one is meant is for the person to say.
    async fn what_leads_to_several_orders_lists_them(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let (first, second) = (bought(&world, ada, &[("rust-course", 1)]).await, bought(&world, ada, &[("mug", 1)]).await);
        let told = world.view("orders.explain", json!({ "order": "ada@example.com" })).await.unwrap();
        assert_eq!(told["object"], "list");
        let ids: Vec<&str> = told["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [second.to_string(), first.to_string()]);
        world.close().await;
    }

    async fn an_event_that_waits_is_found_by_the_object_it_is_about(test: TestDb) {
        let world = World::open(test).await;
        let broken = json!({ "id": "pi_broken", "object": "payment_intent", "status": "succeeded", "metadata": {} });
        let cx = world.stripe.cx();
        let event = world.account().emit_event("payment_intent.succeeded", &broken, &cx);
        world.settle().await;
        let found = find(&world, "pi_broken").await;
        assert_eq!((found[0]["id"].as_str(), found[0]["status"].as_str()), (Some(event.as_str()), Some("error")));
        assert_eq!(found[0]["command"], format!("makegood events replay {event}"));
        assert_eq!(world.findings().await.len(), 0);
        world.close_with(&["events_not_finalized"]).await;
    }

    async fn a_stranger_has_bought_nothing(test: TestDb) {
        let world = World::open(test).await;
        world.buyer("ada@example.com").await;
        for who in ["ada@example.com", "nobody@example.com", "pi_nobody", "evt_nobody", "prf_00000000000070008000000000000001"] {
            let (told, fine) = case(&world, who).await;
            assert_eq!((told["place"].as_str(), fine), (Some("no_such_purchase"), false), "{told}");
            assert!(told["verdict"].as_str().unwrap().starts_with("no access: no such purchase"), "{told}");
        }
        let (told, _) = case(&world, "pi_nobody").await;
        assert!(told["verdict"].as_str().unwrap().contains("Stripe does not have it either"), "{told}");
        assert_eq!(world.task("case", json!({ "who": "ord_1" })).await.unwrap_err().code(), "invalid_input");
        world.close().await;
    }

    async fn a_buyer_who_has_not_paid_is_told_where_to_pay(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        let (told, fine) = case(&world, "ada@example.com").await;
        assert_eq!((told["place"].as_str(), fine), (Some("not_paid"), false));
        assert!(told["verdict"].as_str().unwrap().contains(&started.url), "{told}");
        assert!(told["evidence"].as_array().unwrap().iter().any(|row| row["kind"] == "stripe"), "Stripe was asked: {told}");
        world.pay_with(&started, Payment { settles_after: Some(Duration::from_secs(9 * 3600)),
            ..Payment::by_bank_debit(sandbox::Later::Succeeds) });
        world.settle().await;
        assert!(case(&world, "ada@example.com").await.0["verdict"].as_str().unwrap().contains("the bank decides"));
        world.advance(Duration::from_secs(10 * 3600));
        world.settle().await;
        assert!(case(&world, "ada@example.com").await.1);
        world.close().await;
    }

    /// The endpoint was down and Stripe has given up: only Stripe itself knows.
    async fn a_payment_of_which_no_event_came_is_seen_at_stripe_and_mended(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.account().inject(Fault::new(Trouble::Drop).times(100));
        world.pay(&started, VISA);
        world.settle().await;
        assert_eq!(world.order(started.order).await.state, State::Pending);
        for who in ["ada@example.com", &started.order.to_string(), &started.session, &ada.to_string()] {
            let (told, _) = case(&world, who).await;
            assert_eq!(told["place"], "event_not_received", "{told}");
            assert!(told["verdict"].as_str().unwrap().contains("Stripe has 49.00 usd"), "{told}");
        }
        // The payment itself was never heard of here: Stripe says whose it is.
        let session = world.shop.stripe.call(stripe::checkout::retrieve_session(&started.session)).await.unwrap();
        let intent = match &session["payment_intent"] { Value::String(id) => id.clone(), intent => intent["id"].as_str().unwrap().to_owned() };
        let (told, _) = case(&world, &intent).await;
        assert_eq!((&told["place"], &told["order"]), (&json!("event_not_received"), &json!(started.order)), "{told}");
        let event = world.account().events().iter().find(|event| event.kind.starts_with("checkout")).unwrap().id.clone();
        let (told, _) = case(&world, &event).await;
        assert_eq!(told["place"], "event_not_received", "{told}");
        mend(&world, "ada@example.com").await;
        world.close().await;
    }

    async fn when_stripe_cannot_be_asked_the_case_says_so(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.account().inject(Fault::new(Trouble::RateLimit).on_request("GET", "/v1/checkout/sessions").times(1));
        let (told, _) = case(&world, "ada@example.com").await;
        assert_eq!(told["place"], "not_paid");
        assert!(told["verdict"].as_str().unwrap().contains("Stripe could not be asked"), "{told}");
        world.close().await;
    }

    async fn an_event_that_failed_is_named_and_replayed(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        testkit::stripe_double::deliver_due(&world.shop, &world.stripe, &world.secrets).await;
        world.shop.db.write("test", |tx| tx.execute("UPDATE stripe_events SET status = 'error', attempts = 12,
            last_error = 'the disk was full', last_error_kind = 'internal_error'", &[]).map(drop)).await.unwrap();
        let (told, _) = case(&world, "ada@example.com").await;
        assert_eq!(told["place"], "event_failed", "{told}");
        assert!(told["verdict"].as_str().unwrap().contains("the disk was full"), "{told}");
        mend(&world, "ada@example.com").await;
        let events = world.view("events.list", json!({ "status": "error" })).await.unwrap();
        for event in events["data"].as_array().unwrap() {
            world.operate("events.replay", json!({ "event": event["id"] })).await.unwrap();
        }
        world.close().await;
    }

    async fn a_wrong_sum_is_under_review_and_a_person_lets_it_go(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.account().collect_instead(&started.session, 4800, "usd").unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        assert_eq!(place(&world, &started.session).await, "under_review");
        mend(&world, "ada@example.com").await;
        world.close().await;
    }

    async fn money_that_went_back_and_money_that_a_bank_wants_back_are_told_apart(test: TestDb) {
        let world = World::open(test).await;
        let (ada, eve) = (world.buyer("ada@example.com").await, world.buyer("eve@example.com").await);
        let refunded = bought(&world, ada, &[("rust-course", 1)]).await;
        world.operate("refunds.create", json!({ "order": refunded })).await.unwrap();
        world.settle().await;
        assert_eq!(place(&world, "ada@example.com").await, "refunded");
        let order = bought(&world, eve, &[("rust-course", 1)]).await;
        let intent = world.order(order).await.payment_intent.unwrap();
        let cx = world.stripe.cx();
        let dispute = world.account().open_dispute(&intent, &NewDispute::because("fraudulent").due_in_days(Some(7)), &cx).unwrap();
        world.settle().await;
        let (told, _) = case(&world, "eve@example.com").await;
        assert_eq!(told["place"], "disputed");
        assert!(told["verdict"].as_str().unwrap().contains("an answer is due by"), "{told}");
        let shown = world.view("disputes.show", told["mend"]["input"].clone()).await.unwrap();
        assert_eq!((shown["id"].as_str(), shown["days_left"].as_i64()), (Some(dispute.as_str()), Some(7)), "{shown}");
        assert!(shown["next"].as_str().unwrap().contains("Send evidence"), "{shown}");
        let cx = world.stripe.cx();
        world.account().move_dispute(&dispute, DisputeStep::Lose, &cx).unwrap();
        world.advance(Duration::from_secs(1));
        world.settle().await;
        let (told, _) = case(&world, "eve@example.com").await;
        assert_eq!(told["place"], "disputed", "{told}");
        assert!(told["verdict"].as_str().unwrap().contains("taken back by the buyer's bank"), "{told}");
        world.close().await;
    }

    async fn a_guest_who_made_an_account_later_is_told_apart_from_a_stranger_and_gets_it(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        assert_eq!(place(&world, "buyer@example.com").await, "not_claimed");
        world.buyer("Buyer@example.com").await;
        assert_eq!(place(&world, "buyer@example.com").await, "not_claimed", "anybody may have made it");
        let proved: shop::ids::ProfileId = world.shop.cx().id();
        let made = json!({ "id": proved, "email": "Buyer@example.com", "email_proved": true });
        world.operate("customers.create", made).await.unwrap();
        assert_eq!(shop::claims::claim_all(&world.shop, proved).await.unwrap(), 1);
        assert_eq!(place(&world, "buyer@example.com").await, "has_access", "the other account is nobody's to fear");
        world.close().await;
    }

    async fn what_a_guest_bought_is_given_by_hand_to_one_person_and_then_it_is_said_so(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1), ("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let order = started.order;
        assert_eq!(place(&world, &order.to_string()).await, "not_claimed");
        let (ada, eve) = (world.buyer("ada@example.com").await, world.buyer("eve@example.com").await);
        let grant = |user, course: &str| json!({ "user": user, "course": course, "order": order });
        let parcel = world.operate("entitlements.grant", grant(ada, "mug")).await.unwrap_err();
        assert_eq!(parcel.code(), "refused_by_guard", "a mug is sent, and not held");
        assert!(parcel.to_string().contains("product_gives_access"), "{parcel}");
        world.operate("entitlements.grant", grant(ada, "rust-course")).await.unwrap();
        let told = case(&world, &order.to_string()).await.0;
        let goods = told["goods"].as_array().unwrap();
        let course = goods.iter().find(|good| good["product"] == "rust-course").unwrap();
        assert_eq!(course["place"], "has_access", "{told}");
        assert!(course["says"].as_str().unwrap().contains(&ada.to_string()), "{told}");
        let twice = world.operate("entitlements.grant", grant(eve, "rust-course")).await.unwrap_err();
        assert!(twice.to_string().contains("nobody_else_has_it"), "{twice}");
        let same = world.operate("entitlements.grant", grant(ada, "rust-course")).await.unwrap();
        assert_eq!(same.status, ops::Status::Already);
        // Given to the wrong one: taken back first, then given to the right one.
        world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        world.operate("entitlements.grant", grant(eve, "rust-course")).await.unwrap();
        assert!(world.may_use(eve, "rust-course").await && !world.may_use(ada, "rust-course").await);
        world.operate("orders.ship", json!({ "order": order })).await.unwrap();
        world.close().await;
    }

    async fn what_another_account_with_the_same_email_bought_is_named(test: TestDb) {
        let world = World::open(test).await;
        let (work, home) = (world.buyer("ada@example.com").await, world.buyer("ada@example.com").await);
        bought(&world, work, &[("rust-course", 1)]).await;
        assert!(case(&world, &work.to_string()).await.1, "whoever bought it has it");
        let (told, _) = case(&world, &home.to_string()).await;
        assert_eq!(told["place"], "wrong_account", "{told}");
        assert!(told["verdict"].as_str().unwrap().contains(&work.to_string()), "{told}");
        mend(&world, "ada@example.com").await;
        world.close().await;
    }

    async fn what_an_operator_took_away_is_said_and_what_was_bought_and_shipped_is_fine(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada, &[("rust-course", 1)]).await;
        assert_eq!(place(&world, "ada@example.com").await, "has_access");
        world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        assert_eq!(place(&world, "ada@example.com").await, "access_removed");
        mend(&world, "ada@example.com").await;
        let eve = world.buyer("eve@example.com").await;
        let order = bought(&world, eve, &[("mug", 1)]).await;
        assert!(case(&world, &order.to_string()).await.1);
        world.operate("orders.ship", json!({ "order": order })).await.unwrap();
        assert!(case(&world, "eve@example.com").await.0["verdict"].as_str().unwrap().contains("was shipped"));
        world.close().await;
    }

    /// Only one of two courses is asked about.
    async fn a_case_may_be_about_one_product(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada, &[("rust-course", 1)]).await;
        world.check_out_for(ada, &[("free-course", 1)]).await.unwrap();
        assert_eq!(place(&world, "ada@example.com").await, "not_paid");
        for (course, place) in [("rust-course", "has_access"), ("free-course", "not_paid"), ("mug", "no_such_purchase")] {
            let done = world.task("case", json!({ "who": "ada@example.com", "course": course })).await.unwrap();
            assert_eq!(done.answer["place"], place, "{done:?}");
        }
        world.close().await;
    }

    async fn disputes_are_listed_with_what_is_left_of_their_time(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let none = world.view("disputes.list", json!({})).await.unwrap();
        assert_eq!(none["data"], json!([]));
        assert_eq!(world.view("disputes.list", json!({ "status": "lots" })).await.unwrap_err().code(), "invalid_input");
        assert_eq!(world.view("disputes.show", json!({ "dispute": "dp_0" })).await.unwrap_err().code(), "not_found");
        assert_eq!(world.view("disputes.list", json!({ "starting_after": "dp_0" })).await.unwrap_err().code(), "not_found");
        let mut disputes = Vec::new();
        for days in [3, 20] {
            let order = bought(&world, ada, &[("rust-course", 1)]).await;
            let intent = world.order(order).await.payment_intent.unwrap();
            assert_eq!(world.view("disputes.show", json!({ "dispute": intent })).await.unwrap_err().code(), "not_found");
            let cx = world.stripe.cx();
            let new = NewDispute::because("product_not_received").due_in_days(Some(days));
            disputes.push(world.account().open_dispute(&intent, &new, &cx).unwrap());
            world.advance(Duration::from_secs(1));
            world.settle().await;
        }
        let list = world.view("disputes.list", json!({ "waiting": true })).await.unwrap();
        let shown: Vec<(&str, i64)> = list["data"].as_array().unwrap().iter()
            .map(|row| (row["id"].as_str().unwrap(), row["days_left"].as_i64().unwrap())).collect();
        assert_eq!(shown, [(disputes[1].as_str(), 20), (disputes[0].as_str(), 3)], "{list}");
        let page = world.view("disputes.list", json!({ "limit": 1 })).await.unwrap();
        assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(disputes[1]), &json!(true)));
        let rest = world.view("disputes.list", json!({ "limit": 1, "starting_after": disputes[1] })).await.unwrap();
        assert_eq!((&rest["data"][0]["id"], &rest["has_more"]), (&json!(disputes[0]), &json!(false)));
        let cx = world.stripe.cx();
        world.account().move_dispute(&disputes[0], DisputeStep::Win, &cx).unwrap();
        world.advance(Duration::from_secs(1));
        world.settle().await;
        let won = world.view("disputes.list", json!({ "status": "won" })).await.unwrap();
        assert_eq!((won["data"][0]["id"].as_str(), &won["data"][0]["days_left"]), (Some(disputes[0].as_str()), &Value::Null));
        world.close_with(&["dispute_needs_response"]).await;
    }

    async fn an_order_tells_what_went_back_what_may_and_what_comes_next(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, &[("rust-course", 1), ("mug", 1)]).await;
        let intent = world.order(order).await.payment_intent.unwrap();
        let part = Call::post("/v1/refunds", "part").with("payment_intent", intent.clone()).with("amount", 500);
        world.shop.stripe.call(part).await.unwrap();
        world.operate("orders.review.flag", json!({ "order": order })).await.unwrap();
        let cx = world.stripe.cx();
        world.account().open_dispute(&intent, &NewDispute::because("fraudulent").due_in_days(Some(7)), &cx).unwrap();
        world.settle().await;
        let told = world.view("orders.explain", json!({ "order": order })).await.unwrap();
        let steps: Vec<&str> = told["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
        for (step, words) in ["Send evidence", "review clear", "a refund in part changes nothing", "It is not shipped"].iter().enumerate() {
            assert!(steps[step].contains(words), "{words} in {steps:#?}");
        }
        assert_eq!(told["money_back"]["disputes"][0]["days_left"], 7, "{}", told["money_back"]);
        assert_eq!(told["money_back"]["refunds"][0]["amount"], 500);
        assert_eq!(told["grants"][0]["status"], "suspended");
        assert_eq!((&told["order"]["suspended"], &told["order"]["dispute_status"]), (&json!(true), &json!("open")));
        let shown = world.view("orders.show", json!({ "order": order })).await.unwrap();
        assert_eq!((&shown["grants"][0]["status"], &shown["refunded_amount"]), (&json!("suspended"), &json!(500)));
        world.close_with(&["orders_in_review", "refund_partial", "dispute_needs_response"]).await;
    }

    async fn a_refund_that_is_on_its_way_says_what_becomes_of_it(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, &[("mug", 1)]).await;
        let next = async || world.view("orders.explain", json!({ "order": order })).await.unwrap()["next"].as_str().unwrap().to_owned();
        assert!(next().await.contains("makegood orders ship"));
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        let said = next().await;
        assert!(said.contains("the job refunds.send sends it") && said.contains("It is not shipped"), "{said}");
        world.settle().await;
        assert!(next().await.contains("should the money come back"), "{}", next().await);
        world.close().await;
    }
}
