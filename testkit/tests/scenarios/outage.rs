//! Stripe's events when no webhook brings them: fetched from its list, alone or beside webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel::{Duration, Timestamp};
use sandbox::{DisputeStep, Fault, NewDispute, NewRefund, Reach, Trouble};
use serde_json::{Value, json};
use shop::checkout::Started;
use shop::inbox::backfill::{Backfilled, UNDER_WAY, Wanted, backfill};
use stripe::CallError;
use testkit::World;

use crate::doubles::{Gate, Meddled, shop_as, shop_with};

const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// From now on no webhook arrives.
fn endpoint(world: &World, reach: Reach) {
    let cx = world.stripe.cx();
    world.account().set_reach(None, reach, &cx).unwrap();
}

/// What the schedule does.
async fn read_list(world: &World) -> Backfilled {
    world.shop.backfill().await.unwrap().expect("nobody else reads")
}

/// The schedule reads the list and workers process it; no webhook comes and no job is done.
async fn catch_up(world: &World) -> Backfilled {
    let done = read_list(world).await;
    world.process().await;
    done
}

async fn status(world: &World, started: &Started) -> &'static str {
    world.order(started.order).await.state.status()
}

/// How many events Stripe has made of the types that we act on.
fn handled(world: &World) -> u64 {
    let account = world.account();
    let ours = |kind: &str| stripe::facts::handled().any(|handled| handled == kind);
    account.events().iter().filter(|event| ours(&event.kind)).count() as u64
}

async fn reading(world: &World, column: &'static str) -> Option<Timestamp> {
    let sql = format!("SELECT {column} AS at FROM event_readings WHERE name = 'schedule'");
    world.shop.db.read("test", move |tx| tx.query_one(&sql, &[])?.get("at")).await.unwrap()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_no_moment_in_the_past_is_refused(test: TestDb) {
        let world = World::open(test).await;
        for since in ["tomorrow", "-3h", "2099-01-01"] {
            for task in ["events.backfill", "events.gaps"] {
                let refused = world.task(task, json!({ "since": since })).await.unwrap_err();
                assert_eq!(refused.code(), "invalid_input", "{task} {since}");
                assert!(refused.to_string().contains(since), "{refused}");
            }
        }
        world.close().await;
    }

    /// Stripe refuses: the key may not read events, say. What is wrong is kept, and found after an hour.
    async fn a_list_that_cannot_be_read_is_found_and_forgotten_when_it_can(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::RateLimit).on_request("GET", "/v1/events"));
        let limited = world.shop.backfill().await.unwrap_err();
        assert_eq!(limited.code(), "busy", "{limited}");
        world.advance(seconds(HOUR - MINUTE));
        assert_eq!(world.shop.backfill().await.unwrap_err().code(), "busy");
        assert_eq!(world.findings().await.len(), 0);
        world.advance(seconds(2 * MINUTE));
        let found = world.findings().await;
        assert_eq!(found.iter().map(|f| (f.check, f.subject.as_str())).collect::<Vec<_>>(), [("events_not_read", "schedule")]);
        assert!(found[0].text.contains("limits our rate"), "{found:?}");
        world.account().clear_faults();
        // Whoever has read it: it can be read.
        world.task("events.backfill", json!({ "since": "1h" })).await.unwrap();
        world.close().await;
    }

    /// Whoever only looked has nothing to look up, and what was not looked at is about nothing that could be explained.
    async fn while_stripe_does_not_answer_runbooks_say_so_and_to_look_again(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::TimeoutBeforeExecuting));
        for (task, input) in [
            ("runbooks.detect", json!({ "runbook": "webhook-downtime" })),
            ("runbooks.explain", json!({ "runbook": "webhook-downtime", "subject": "all" })),
        ] {
            let error = world.task(task, input).await.unwrap_err();
            assert_eq!(error.code(), "busy", "{task}: {error}");
            assert!(error.to_string().contains("Stripe does not answer"), "{error}");
        }
        for runbook in ["missed-refund", "dispute", "stuck-paid-orders", "stale-payments", "paid-no-access"] {
            let found = world.task("runbooks.detect", json!({ "runbook": runbook })).await.unwrap().shown();
            let rows = found["data"].as_array().unwrap();
            assert!(!rows.is_empty(), "{runbook}: nobody shall believe that all is well");
            for row in rows {
                assert_eq!((&row["source"], &row["subject"]), (&json!("not_finished"), &json!(null)), "{row}");
                assert_eq!(row["command"], format!("makegood runbook detect {runbook}"), "{row}");
            }
        }
        world.account().clear_faults();
        world.close().await;
    }

    /// A connection that breaks in the middle; the reading that comes next goes on there, and reads no page twice.
    async fn a_reading_that_is_cut_off_goes_on_where_it_was(test: TestDb) {
        let world = World::open(test).await;
        endpoint(&world, Reach::Down);
        for _ in 0..45 {
            let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
            world.pay(&started, VISA);
            world.advance(seconds(20));
        }
        let all = world.account().events().len() as u64;
        assert!((200..300).contains(&all), "{all} events are three pages");
        // The first page arrives, the second does not.
        let left = AtomicU64::new(1);
        let broken = Meddled::before(&world, move |call| match left.fetch_sub(1, Ordering::SeqCst) {
            1 => Ok(()),
            _ => Err(CallError::lost(call, "the connection broke".into())),
        });
        let cut_off = shop_with(&world, broken);
        assert_eq!(cut_off.backfill().await.unwrap_err().code(), "busy", "nothing is unknown of a read");
        let first = world.count("SELECT COUNT(*) FROM stripe_events").await as u64;
        assert!(first > 0);
        // Meanwhile it goes on selling.
        world.advance(seconds(10 * MINUTE));
        let late = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&late, VISA);
        let lost = Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("GET", "/v1/events");
        world.account().inject(lost);
        world.shop.backfill().await.unwrap_err();
        let oldest_first = Arc::new(AtomicBool::new(false));
        let seen = oldest_first.clone();
        let watched = Meddled::before(&world, move |call| {
            let goes_on = call.params.iter().any(|(name, _)| name == "starting_after");
            seen.fetch_or(goes_on, Ordering::SeqCst);
            if seen.load(Ordering::SeqCst) { Ok(()) } else { Err(CallError::NotSent("read from the beginning".into())) }
        });
        assert!(shop_with(&world, watched).backfill().await.is_ok(), "it goes on where it was");
        world.process().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM stripe_events").await as u64, handled(&world));
        assert_eq!(status(&world, &late).await, "confirmed");
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status <> 'completed'").await, 1);
        endpoint(&world, Reach::Up);
        world.close().await;
    }

    /// Two nodes have the same schedule; one of them reads.
    async fn one_reads_at_a_time_and_who_dies_is_followed(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        let gate = Gate::new(&world);
        let slow = shop_with(&world, gate.clone());
        let reading = tokio::spawn(async move { slow.backfill().await });
        gate.came.notified().await;
        assert_eq!(world.shop.backfill().await.unwrap(), None);
        let refused = world.task("events.backfill", json!({})).await.unwrap_err();
        assert_eq!(refused.code(), UNDER_WAY);
        // What a person asks for has a place of its own.
        world.task("events.backfill", json!({ "since": "1h" })).await.unwrap();
        // The other is thought to be dead, and its place is taken; when it wakes it stores nothing more.
        world.advance(seconds(151));
        assert_eq!(read_list(&world).await.known, handled(&world));
        gate.open.notify_one();
        assert_eq!(reading.await.unwrap().unwrap_err().code(), "busy");
        world.close().await;
    }

    async fn a_day_without_an_endpoint_is_made_good_by_a_backfill_alone(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        endpoint(&world, Reach::Down);
        let paid = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&paid, VISA);
        let shipped = world.check_out(&[("mug", 2)]).await.unwrap();
        world.pay(&shipped, VISA);
        let refunded = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&refunded, VISA);
        let disputed = world.check_out(&[("poster", 1)]).await.unwrap();
        world.pay(&disputed, VISA);
        let failed = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&failed, DECLINED);
        world.advance(seconds(2 * HOUR));
        let cx = world.stripe.cx();
        world.account().refund_in_dashboard(&refunded.session, &NewRefund::default(), &cx).unwrap();
        let dispute = world.account().open_dispute(&disputed.session, &NewDispute::because("fraudulent"), &cx).unwrap();
        world.advance(seconds(22 * HOUR));
        let cx = world.stripe.cx();
        world.account().move_dispute(&dispute, DisputeStep::Lose, &cx).unwrap();
        for started in [&paid, &shipped, &refunded, &disputed, &failed] {
            assert_eq!(status(&world, started).await, "pending");
        }

        let gaps = world.task("events.gaps", json!({ "since": "2d" })).await.unwrap();
        assert_eq!(gaps.findings, Some(handled(&world) - 1), "the dispute's end is younger than its webhook may be");
        assert_eq!(gaps.answer["young"], 1);
        assert_eq!(gaps.answer["fix"], "makegood events backfill --since 2d");
        assert_eq!(gaps.answer["by_type"]["checkout.session.completed"], 4);

        let done = catch_up(&world).await;
        assert_eq!((done.stored, done.known, done.unreadable), (handled(&world), 0, 0));
        assert_eq!(done.read, done.stored + done.other);
        assert_eq!(status(&world, &paid).await, "completed");
        assert!(world.may_use(ada, "rust-course").await);
        assert_eq!(status(&world, &shipped).await, "confirmed");
        assert_eq!(status(&world, &refunded).await, "refunded");
        assert_eq!(status(&world, &disputed).await, "refunded", "the bank has decided for the buyer");
        assert_eq!(status(&world, &failed).await, "cancelled");
        assert_eq!(world.stock("MUG").await, (3, 3));
        assert_eq!(world.stock("POSTER").await, (100, 100), "it was not shipped");
        assert_eq!(world.task("events.gaps", json!({})).await.unwrap().findings, Some(0));
        endpoint(&world, Reach::Up);
        world.close().await;
    }

    /// The fetched event bears no signature, and says so.
    async fn an_event_that_was_fetched_says_so(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.hear().await;
        endpoint(&world, Reach::Down);
        let other = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&other, VISA);
        catch_up(&world).await;
        for (started, source, note) in [
            (&started, "webhook", Value::Null),
            (&other, "backfill", json!("fetched from Stripe's list of events, so it carries no signature")),
        ] {
            let of_order = world.view("events.list", json!({ "order": started.order })).await.unwrap();
            assert!(of_order["data"].as_array().unwrap().len() >= 3, "{of_order}");
            for event in of_order["data"].as_array().unwrap() {
                let shown = world.view("events.show", json!({ "event": event["id"] })).await.unwrap();
                assert_eq!((shown["source"].as_str(), &shown["note"]), (Some(source), &note));
                assert_eq!(shown["payload"]["id"], event["id"]);
            }
        }
        endpoint(&world, Reach::Up);
        world.close().await;
    }

    async fn events_that_are_never_delivered_are_found_by_the_schedule(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::Drop));
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.hear().await;
        assert_eq!(status(&world, &started).await, "pending");
        catch_up(&world).await;
        assert_eq!(status(&world, &started).await, "confirmed");
        world.close().await;
    }

    /// The second copy is no second event, whichever way it came first, and whatever version it is written in.
    async fn an_event_that_is_pushed_and_pulled_is_one_event(test: TestDb) {
        let world = World::open(test).await;
        let (first, second) = (world.check_out(&[("mug", 1)]).await.unwrap(), world.check_out(&[("mug", 1)]).await.unwrap());
        world.pay(&first, VISA);
        world.hear().await;
        world.pay(&second, VISA);
        let done = catch_up(&world).await;
        assert_eq!((done.stored * 2, done.known * 2), (handled(&world), handled(&world)));
        let stored = world.count("SELECT COUNT(*) FROM stripe_events").await;
        let audited = world.count("SELECT COUNT(*) FROM audit_logs").await;
        world.hear().await;
        // The endpoint hears of types that the backfill leaves out; of the others nothing is new.
        let others = world.count("SELECT COUNT(*) FROM stripe_events WHERE status = 'ignored'").await;
        assert_eq!(stored + others / 2, world.count("SELECT COUNT(*) FROM stripe_events").await);
        assert_eq!(audited, world.count("SELECT COUNT(*) FROM audit_logs").await);
        // The list shows events in the account's version, whatever the endpoint's is.
        let written_otherwise = world.account().events().iter().find(|e| e.kind == "charge.succeeded").unwrap().body()
            .replace("2026-10-28.endive", "2022-11-15");
        let event = shop::inbox::Incoming::read(written_otherwise, "t=1,v1=ab", world.shop.now()).unwrap();
        assert_eq!(event.api_version.as_deref(), Some("2022-11-15"));
        assert_eq!(world.shop.receiver.receive(event).await.unwrap(), shop::inbox::Receipt::Duplicate);
        assert_eq!(world.stock("MUG").await, (3, 3));
        world.close().await;
    }

    /// No endpoint is registered at all: everything comes from the list.
    async fn a_shop_without_any_endpoint_lives_on_the_list(test: TestDb) {
        let world = World::open(test).await;
        let ids: Vec<String> = world.account().endpoints().map(|(id, _)| id.to_owned()).collect();
        for id in ids {
            let path = format!("/v1/webhook_endpoints/{id}");
            let call = stripe::Call { method: stripe::Method::Delete, ..stripe::Call::get(path) };
            world.shop.stripe.call(call).await.unwrap();
        }
        let mut sold = Vec::new();
        for round in 0..30 {
            if round % 3 == 0 {
                let started = world.check_out(&[("poster", 1)]).await.unwrap();
                world.pay(&started, VISA);
                sold.push(started);
            }
            world.advance(seconds(10));
            world.shop.backfill().await.unwrap();
            world.work().await;
        }
        for started in &sold {
            assert_eq!(status(&world, started).await, "confirmed");
        }
        assert_eq!(world.stock("POSTER").await, (90, 90));
        world.close().await;
    }

    /// A page of the list costs a request. While nothing happens each reading asks for one.
    async fn the_schedule_reads_little_and_now_and_then_an_hour_back(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..30 {
            let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
            world.pay(&started, VISA);
            world.advance(seconds(MINUTE));
            world.hear().await;
        }
        let all = world.account().events().len() as u64;
        assert_eq!(read_list(&world).await.read, all, "the first reading goes back to the first order");
        world.advance(seconds(10));
        let short = read_list(&world).await.read;
        assert!(short < all / 5, "{short} of {all}");
        world.advance(seconds(3 * MINUTE));
        assert_eq!(read_list(&world).await.read, all, "an hour back");
        world.close().await;
    }

    /// An event whose time lies before the newest one that is known, and which shows itself only now.
    async fn an_event_that_appears_late_is_seen_by_a_look_back(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        let hidden = Arc::new(AtomicBool::new(true));
        let hides = hidden.clone();
        let shop = shop_with(&world, Meddled::after(&world, move |_, list| {
            let events = list["data"].as_array_mut().unwrap();
            events.retain(|event| !hides.load(Ordering::SeqCst) || event["type"] != "charge.succeeded");
        }));
        shop.backfill().await.unwrap();
        world.process().await;
        assert_eq!(status(&world, &started).await, "confirmed");
        let of_kind = "SELECT COUNT(*) FROM stripe_events WHERE type = 'charge.succeeded'";
        assert_eq!(world.count(of_kind).await, 0);
        world.advance(seconds(20 * MINUTE));
        let cx = world.stripe.cx();
        world.account().emit_event("customer.created", &json!({ "id": "cus_1", "object": "customer" }), &cx);
        hidden.store(false, Ordering::SeqCst);
        assert_eq!(shop.backfill().await.unwrap().unwrap().stored, 1);
        assert_eq!(world.count(of_kind).await, 1);
        world.close().await;
    }

    /// Stripe shows events for thirty days. What was missed before is not in its list any more, and that is said.
    async fn an_outage_of_more_than_thirty_days_is_said_aloud(test: TestDb) {
        let world = World::open(test).await;
        let before = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&before, VISA);
        world.hear().await;
        read_list(&world).await;
        endpoint(&world, Reach::Down);
        world.advance(seconds(HOUR));
        let missed = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&missed, VISA);
        world.advance(seconds(27 * DAY));
        let gaps = world.task("events.gaps", json!({ "since": "28d" })).await.unwrap();
        let warning = gaps.answer["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.contains("leave its list on") && gaps.findings.unwrap() > 0, "{warning}");
        world.advance(seconds(4 * DAY));

        let done = catch_up(&world).await;
        assert_eq!((done.stored, status(&world, &missed).await), (0, "pending"));
        assert!(done.warnings[0].contains("`makegood reconcile`"), "{:?}", done.warnings);
        let by_hand = world.task("events.backfill", json!({ "since": "40d" })).await.unwrap();
        assert!(by_hand.answer["warnings"][0].as_str().unwrap().contains("none from before"), "{:?}", by_hand.answer);
        // Afterwards the list is read again, so there is nothing to warn of.
        assert!(catch_up(&world).await.warnings.is_empty());
        // What the events had said the session still says: the job that closes it asks.
        endpoint(&world, Reach::Up);
        world.work().await;
        assert_eq!(status(&world, &missed).await, "completed");
        world.close().await;
    }

    /// A quiet month is no outage: there were no events, but the list was read.
    async fn a_month_without_events_is_nothing_to_warn_of(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        for _ in 0..35 {
            world.settle().await;
            assert!(read_list(&world).await.warnings.is_empty());
            world.advance(seconds(DAY));
        }
        world.close().await;
    }

    /// Its place in the list has left the list meanwhile: then it begins anew.
    async fn a_place_in_the_list_that_is_gone_is_no_place(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, VISA);
        let since = world.shop.now() - seconds(HOUR);
        world.shop.db.write("test", move |tx| tx.execute(
            "INSERT INTO event_readings (name, since, began_at, older_than) VALUES ('schedule', $1, $1, 'evt_gone')",
            &[(since - seconds(DAY)).into()],
        )).await.unwrap();
        assert_eq!(catch_up(&world).await.stored, handled(&world));
        assert_eq!(status(&world, &started).await, "confirmed");
        world.close().await;
    }

    /// Of what a reading by hand has not seen, nothing is taken for seen.
    async fn a_reading_by_hand_does_not_move_the_schedules_place(test: TestDb) {
        let world = World::open(test).await;
        let old = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&old, VISA);
        world.advance(seconds(DAY));
        let new = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&new, VISA);
        let by_hand = world.task("events.backfill", json!({ "since": "1h" })).await.unwrap();
        assert_eq!(by_hand.answer["stored"], by_hand.answer["processed"]);
        assert_eq!((status(&world, &old).await, status(&world, &new).await), ("pending", "completed"));
        assert_eq!(world.count("SELECT COUNT(*) FROM event_readings WHERE name = 'schedule'").await, 0);
        catch_up(&world).await;
        assert_eq!(status(&world, &old).await, "completed");
        assert!(reading(&world, "finished_at").await.is_some());
        assert_eq!(reading(&world, "since").await, None);
        world.close().await;
    }

    /// Test money in a live shop: kept, and of no effect, by whichever way it came.
    async fn fetched_events_of_the_other_mode_are_ignored(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        let live = shop::Settings { livemode: true, ..world.shop.settings.clone() };
        let shop = shop_as(&world, world.stripe.clone(), live);
        let done = backfill(&shop, Wanted::New, &()).await.unwrap();
        assert_eq!(done.stored, handled(&world));
        assert_eq!(world.count("SELECT COUNT(*) FROM stripe_events WHERE status <> 'ignored'").await, 0);
        world.process().await;
        assert_eq!(status(&world, &started).await, "pending");
        world.settle().await;
        world.advance(seconds(HOUR));
        world.settle().await;
        world.close().await;
    }
}
