//! Orders that nobody paid for are given up, once Stripe was asked; what was paid in between is confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{Duration, Error};
use ops::Actor;
use sandbox::{ApiRequest, Fault, Later, PayOutcome, Payment, Trouble};
use serde_json::{Value, json};
use shop::Shop;
use shop::checkout::{Cleaned, Pace, Started, clean_up};
use shop::ids::OrderId;
use shop::orders::{PaymentStatus, State};
use stripe::{Call, CallError, Stripe};
use testkit::World;

use crate::doubles::{Meddled, shop_as};

const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The shop of this world with another Stripe; a failed payment is given up after ten minutes, when the page is still open.
fn impatient(world: &World, stripe: Arc<dyn Stripe>) -> Shop {
    let settings = shop::Settings { cleanup_after: seconds(10 * MINUTE), ..world.shop.settings.clone() };
    shop_as(world, stripe, settings)
}

async fn by_hand(shop: &Shop) -> Result<Cleaned, Error> {
    clean_up(shop, Pace::Hand, &Actor::operator("ada"), &()).await
}

fn cleaned(looked_at: u64, cancelled: u64, paid_after_all: u64, left: u64) -> Cleaned {
    Cleaned { looked_at, cancelled, paid_after_all, left, stopped: None }
}

async fn status(world: &World, order: OrderId) -> (&'static str, &'static str) {
    let order = world.order(order).await;
    (order.state.status(), order.payment_status.as_str())
}

/// A checkout whose first payment was declined, eleven minutes ago; its page is open.
async fn declined(world: &World) -> Started {
    let started = world.check_out(&[("mug", 1)]).await.unwrap();
    world.pay(&started, DECLINED);
    world.hear().await;
    world.advance(seconds(11 * MINUTE));
    assert_eq!(status(world, started.order).await, ("pending", "failed"));
    started
}

fn at_stripe(world: &World, session: &str) -> (&'static str, &'static str) {
    let account = world.account();
    let seen = account.session_facts(session).unwrap();
    (seen.status, seen.payment_status)
}

/// A pending order that another way of paying belongs to: no page, only an intent that names it.
async fn with_an_intent(world: &World, more: &str) -> (OrderId, String) {
    let order: OrderId = world.shop.cx().id();
    let cx = world.shop.cx();
    world
        .shop
        .db
        .write("test", move |tx| {
            let amounts = shop::orders::Amounts {
                currency: "usd".parse().unwrap(),
                subtotal: 4900,
                discount: 0,
                tax: 0,
                shipping: 0,
            };
            let line = shop::orders::Line {
                product_id: "rust-course".into(),
                kind: shop::catalog::ProductKind::Course,
                name: "Rust".into(),
                sku: None,
                quantity: 1,
                unit_amount: 4900,
            };
            let draft =
                shop::orders::Draft { id: order, profile: None, email: None, amounts, lines: vec![line] };
            shop::orders::place(tx, &cx, vec![draft])
        })
        .await
        .unwrap();
    let form = format!("amount=4900&currency=usd&metadata[orderId]={order}&{more}");
    let cx = world.stripe.cx();
    let made = world.account().handle(&ApiRequest::post("/v1/payment_intents", &form), &cx);
    let id = made.body["id"].as_str().or(made.body["error"]["payment_intent"]["id"].as_str());
    let intent = id.unwrap_or_else(|| panic!("{}", made.body)).to_owned();
    (order, intent)
}

async fn intent_at_stripe(world: &World, intent: &str) -> String {
    let seen = world.shop.stripe.call(stripe::lookup::retrieve_payment_intent(intent)).await.unwrap();
    seen["status"].as_str().unwrap().to_owned()
}

const FAILED: &str = "confirm=true&payment_method=pm_card_chargeDeclined&return_url=https://shop.invalid/";

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_younger_than_the_threshold_is_not_looked_at(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, DECLINED);
        world.hear().await;
        world.advance(seconds(9 * MINUTE));
        let nobody = Meddled::before(&world, |_| Err(CallError::NotSent("nobody is to be asked".into())));
        assert_eq!(by_hand(&impatient(&world, nobody)).await.unwrap(), cleaned(0, 0, 0, 0));
        assert_eq!(world.task("orders.cleanup-failed", json!({})).await.unwrap().answer["looked_at"], 0);
        world.close().await;
    }

    /// While its stock is set aside and nobody has failed to pay, a buyer may take their time.
    async fn a_page_on_which_nobody_has_failed_is_open_until_its_reservation_ends(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        let shop = impatient(&world, world.stripe.clone());
        world.advance(seconds(29 * MINUTE));
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(0, 0, 0, 0));
        world.advance(seconds(MINUTE));
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(1, 1, 0, 0));
        assert_eq!(at_stripe(&world, &started.session), ("expired", "unpaid"));
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    async fn a_failed_payment_is_given_up_and_its_page_expired_never_its_intent(test: TestDb) {
        let world = World::open(test).await;
        let started = declined(&world).await;
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = asked.clone();
        let watched = Meddled::before(&world, move |call| {
            heard.lock().unwrap().push(format!("{:?} {}", call.method, call.path));
            Ok(())
        });
        assert_eq!(by_hand(&impatient(&world, watched)).await.unwrap(), cleaned(1, 1, 0, 0));
        let session = format!("/v1/checkout/sessions/{}", started.session);
        assert_eq!(*asked.lock().unwrap(), [format!("Get {session}"), format!("Post {session}/expire")]);
        assert_eq!(at_stripe(&world, &started.session), ("expired", "unpaid"));
        assert_eq!(status(&world, started.order).await, ("cancelled", "failed"));
        assert_eq!(world.stock("MUG").await, (5, 5));
        let ended = world.timeline(started.order).await.into_iter().find(|entry| entry.kind == "cancelled").unwrap();
        assert_eq!((ended.actor.as_str(), &ended.meta["reason"]), ("ada", &json!("session_expired")));
        world.close().await;
    }

    /// What would be done is asked of Stripe, and nothing is done.
    async fn a_preview_says_what_would_be_done_and_does_nothing(test: TestDb) {
        let world = World::open(test).await;
        let failed = declined(&world).await;
        let paid = declined(&world).await;
        world.pay(&paid, VISA);
        let (intent, _) = with_an_intent(&world, FAILED).await;
        let (unknown, _) = with_an_intent(&world, "description=nobody has told of it").await;
        world.hear().await;
        world.advance(seconds(49 * MINUTE));
        // The declined one that was paid is heard of only by Stripe.
        let before = world.count("SELECT COUNT(*) FROM order_timeline").await;
        let preview = world.task("orders.cleanup-failed", json!({ "preview": true })).await.unwrap();
        let rows = preview.answer["data"].as_array().unwrap();
        let would = |order: OrderId| {
            let row = rows.iter().find(|row| row["id"] == order.to_string());
            row.map(|row| (row["at_stripe"].as_str().unwrap(), row["would"].as_str().unwrap()))
        };
        assert_eq!(would(failed.order), Some(("a page that has expired", "cancel it")));
        assert_eq!(would(paid.order), None, "it was heard of");
        assert_eq!(would(intent), None, "it is younger");
        assert_eq!(before, world.count("SELECT COUNT(*) FROM order_timeline").await);
        assert_eq!(world.count("SELECT COUNT(*) FROM payment_looks").await, 0);
        world.advance(seconds(12 * MINUTE));
        let preview = world.task("orders.cleanup-failed", json!({ "preview": true })).await.unwrap();
        let rows = preview.answer["data"].as_array().unwrap();
        let texts: Vec<&str> = rows.iter().map(|row| row["would"].as_str().unwrap()).collect();
        assert_eq!(texts, ["cancel it", "cancel the payment intent, then it", "leave it"]);
        let done = world.task("orders.cleanup-failed", json!({})).await.unwrap().answer;
        assert_eq!(done, json!({ "object": "cleanup", "looked_at": 3, "cancelled": 2, "paid_after_all": 0, "left": 1 }));
        assert_eq!(status(&world, unknown).await, ("pending", "unpaid"));
        world.close().await;
    }

    /// The webhook has not come; Stripe is asked and says that it was paid.
    async fn an_order_that_was_paid_in_between_is_confirmed_never_cancelled(test: TestDb) {
        let world = World::open(test).await;
        let started = declined(&world).await;
        world.pay(&started, VISA);
        assert_eq!(by_hand(&impatient(&world, world.stripe.clone())).await.unwrap(), cleaned(1, 0, 1, 0));
        assert_eq!(status(&world, started.order).await, ("confirmed", "paid"));
        assert_eq!(world.stock("MUG").await, (4, 4));
        world.close().await;
    }

    /// The buyer pays in the moment between the look and the end of the page: Stripe refuses to expire it.
    async fn a_payment_that_wins_the_race_is_confirmed(test: TestDb) {
        let world = World::open(test).await;
        let started = declined(&world).await;
        let (account, session) = (world.stripe.clone(), started.session.clone());
        let racing = Meddled::after(&world, move |call: &Call, _: &mut Value| {
            if call.path.ends_with(&session) && account.account().session_facts(&session).unwrap().status == "open" {
                let cx = account.cx();
                let paid = account.account().pay(&session, &Payment::by_card(VISA), &cx);
                assert!(matches!(paid, Ok(PayOutcome::Paid { .. })), "{paid:?}");
            }
        });
        assert_eq!(by_hand(&impatient(&world, racing)).await.unwrap(), cleaned(1, 0, 1, 0));
        assert_eq!(status(&world, started.order).await, ("confirmed", "paid"));
        assert_eq!(at_stripe(&world, &started.session), ("complete", "paid"));
        world.close().await;
    }

    /// The page was expired and nobody knows: nothing is cancelled until it is asked for again.
    async fn when_the_answer_is_lost_the_order_is_left_until_stripe_is_asked_again(test: TestDb) {
        let world = World::open(test).await;
        let started = declined(&world).await;
        let shop = impatient(&world, world.stripe.clone());
        let path = format!("/v1/checkout/sessions/{}/expire", started.session);
        for trouble in [Trouble::TimeoutAfterExecuting, Trouble::TimeoutBeforeExecuting] {
            world.account().inject(Fault::new(trouble).times(1).on_request("POST", &path));
        }
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(1, 0, 0, 1));
        assert_eq!(status(&world, started.order).await, ("pending", "failed"));
        assert_eq!(world.stock("MUG").await, (5, 4));
        // The schedule does not ask again at once.
        world.advance(seconds(9 * MINUTE));
        assert_eq!(shop.clean_up().await.unwrap(), cleaned(0, 0, 0, 0));
        world.advance(seconds(MINUTE));
        assert_eq!(shop.clean_up().await.unwrap(), cleaned(1, 1, 0, 0));
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.account().clear_faults();
        world.close().await;
    }

    /// Stripe asks to slow down: what was done is told, what is left is left, and nobody is asked any more.
    async fn a_limit_of_stripes_ends_the_round(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..3 {
            let started = world.check_out(&[("mug", 1)]).await.unwrap();
            world.pay(&started, DECLINED);
        }
        world.hear().await;
        world.advance(seconds(11 * MINUTE));
        let limited = |after: u64| {
            let calls = AtomicU64::new(0);
            let error = stripe::ApiError { status: 429, ..stripe::ApiError::default() };
            impatient(&world, Meddled::before(&world, move |_| match calls.fetch_add(1, Ordering::SeqCst) {
                n if n < after => Ok(()),
                n if n == after => Err(CallError::RateLimited { retry_after: None, error: error.clone() }),
                n => panic!("asked {n} times"),
            }))
        };
        assert_eq!(by_hand(&limited(0)).await.unwrap_err().code(), "busy");
        let done = by_hand(&limited(2)).await.unwrap();
        assert_eq!((done.looked_at, done.cancelled, done.left), (2, 1, 1));
        assert!(done.stopped.unwrap().contains("429"));
        // An order that cannot be looked at does not keep the others from it.
        let lost = AtomicU64::new(0);
        let broken = Meddled::before(&world, move |call| match lost.fetch_add(1, Ordering::SeqCst) {
            0 => Err(CallError::lost(call, "the connection broke".into())),
            _ => Ok(()),
        });
        assert_eq!(by_hand(&impatient(&world, broken)).await.unwrap(), cleaned(2, 1, 0, 1));
        world.close().await;
    }

    /// Two nodes clean up at the same time: each order is asked about once.
    async fn two_nodes_share_the_work(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..5 {
            let started = world.check_out(&[("mug", 1)]).await.unwrap();
            world.pay(&started, DECLINED);
        }
        world.hear().await;
        world.advance(seconds(11 * MINUTE));
        let (one, other) = (impatient(&world, world.stripe.clone()), impatient(&world, world.stripe.clone()));
        let (one, other) = tokio::join!(one.clean_up(), other.clean_up());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.looked_at + other.looked_at, 5, "{one:?} {other:?}");
        assert_eq!(one.cancelled + other.cancelled, 5);
        world.close().await;
    }

    /// A bank debit takes days. It is left, however old the order is, and its stock with it.
    async fn a_bank_debit_that_is_under_way_is_left(test: TestDb) {
        let world = World::open(test).await;
        let heard = world.check_out(&[("mug", 1)]).await.unwrap();
        let settles_after = Some(seconds(5 * DAY));
        let debit = || Payment { settles_after, ..Payment::by_bank_debit(Later::Succeeds) };
        world.pay_with(&heard, debit());
        world.hear().await;
        let unheard = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay_with(&unheard, debit());
        world.advance(seconds(31 * MINUTE));
        let shop = impatient(&world, world.stripe.clone());
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(2, 0, 0, 2));
        for started in [&heard, &unheard] {
            assert_eq!(status(&world, started.order).await, ("pending", "processing"));
        }
        world.advance(seconds(3 * DAY));
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(2, 0, 0, 2));
        assert_eq!(world.stock("MUG").await, (5, 3));
        world.advance(seconds(3 * DAY));
        world.settle().await;
        assert_eq!(status(&world, heard.order).await, ("confirmed", "paid"));
        assert_eq!(status(&world, unheard.order).await, ("confirmed", "paid"));
        world.close().await;
    }

    /// Very rarely Stripe makes no event. The bank has decided, and only the payment itself says so: it is asked daily.
    async fn a_bank_debit_whose_verdict_never_arrives_is_asked_about_daily(test: TestDb) {
        let world = World::open(test).await;
        let mut sold = Vec::new();
        for outcome in [Later::Fails, Later::Succeeds] {
            let started = world.check_out(&[("mug", 1)]).await.unwrap();
            world.pay_with(&started, Payment { settles_after: Some(seconds(5 * DAY)), ..Payment::by_bank_debit(outcome) });
            sold.push(started);
        }
        world.settle().await;
        world.account().inject(Fault::new(Trouble::NotGenerated));
        let mut asked = Vec::new();
        for _ in 0..7 {
            world.advance(seconds(DAY));
            world.settle().await;
            asked.push(world.shop.clean_up().await.unwrap().looked_at);
            // Once a day, however often the schedule comes.
            assert_eq!(world.shop.clean_up().await.unwrap().cancelled, 0);
        }
        assert_eq!(asked, [2, 2, 2, 2, 2, 0, 0]);
        assert_eq!(status(&world, sold[0].order).await, ("cancelled", "failed"));
        assert_eq!(status(&world, sold[1].order).await, ("confirmed", "paid"));
        let reason = match world.order(sold[0].order).await.state {
            State::Cancelled { reason, .. } => reason.as_str(),
            _ => "not cancelled",
        };
        assert_eq!(reason, "payment_failed");
        assert_eq!(world.stock("MUG").await, (4, 4));
        world.account().clear_faults();
        world.close().await;
    }

    /// A card that was declined before the debit is no failed debit.
    async fn a_debit_after_a_declined_card_is_not_taken_for_failed(test: TestDb) {
        let world = World::open(test).await;
        let started = declined(&world).await;
        world.pay_with(&started, Payment { settles_after: Some(seconds(5 * DAY)), ..Payment::by_bank_debit(Later::Succeeds) });
        let shop = impatient(&world, world.stripe.clone());
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(1, 0, 0, 1));
        assert_eq!(world.order(started.order).await.payment_status, PaymentStatus::Processing);
        world.advance(seconds(6 * DAY));
        world.settle().await;
        assert_eq!(status(&world, started.order).await, ("confirmed", "paid"));
        world.close().await;
    }

    async fn an_intent_without_a_page_is_cancelled(test: TestDb) {
        let world = World::open(test).await;
        let (failed, open) = with_an_intent(&world, FAILED).await;
        let (paid, succeeded) = with_an_intent(&world, FAILED).await;
        let (held, capturable) = with_an_intent(&world, &format!("capture_method=manual&{FAILED}")).await;
        world.hear().await;
        // Two of them were paid at the second attempt, and nobody has told.
        for intent in [&succeeded, &capturable] {
            let path = format!("/v1/payment_intents/{intent}/confirm");
            let cx = world.stripe.cx();
            let form = "payment_method=pm_card_visa&return_url=https://shop.invalid/";
            let answer = world.account().handle(&ApiRequest::post(&path, form), &cx);
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        world.advance(seconds(11 * MINUTE));
        let shop = impatient(&world, world.stripe.clone());
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(3, 1, 1, 1));
        assert_eq!(intent_at_stripe(&world, &open).await, "canceled");
        assert_eq!(status(&world, failed).await, ("cancelled", "failed"));
        assert_eq!(status(&world, paid).await, ("completed", "paid"));
        assert_eq!(status(&world, held).await, ("pending", "failed"));
        assert_eq!(intent_at_stripe(&world, &capturable).await, "requires_capture");
        world.close().await;
    }

    /// The buyer of an app pays between the look and the cancellation: Stripe refuses, and is asked once more.
    async fn an_intent_that_is_paid_before_it_is_cancelled_is_confirmed(test: TestDb) {
        let world = World::open(test).await;
        let (order, intent) = with_an_intent(&world, FAILED).await;
        world.hear().await;
        world.advance(seconds(31 * MINUTE));
        let (account, raced) = (world.stripe.clone(), intent.clone());
        let racing = Meddled::after(&world, move |call: &Call, seen: &mut Value| {
            if call.path.ends_with(&raced) && seen["status"] == "requires_payment_method" {
                let path = format!("/v1/payment_intents/{raced}/confirm");
                let form = "payment_method=pm_card_visa&return_url=https://shop.invalid/";
                let cx = account.cx();
                account.account().handle(&ApiRequest::post(&path, form), &cx);
            }
        });
        assert_eq!(by_hand(&impatient(&world, racing)).await.unwrap(), cleaned(1, 0, 1, 0));
        assert_eq!(status(&world, order).await, ("completed", "paid"));
        world.close().await;
    }

    /// Nobody knows whether Stripe made a page: it is given up when such a page must be over.
    async fn a_page_that_perhaps_exists_is_waited_for(test: TestDb) {
        let world = World::open(test).await;
        let order = world.shop.starter.place(&world.shop, testkit::world::basket(&[("mug", 1)])).await.unwrap().order;
        let shop = impatient(&world, world.stripe.clone());
        world.advance(seconds(30 * MINUTE));
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(1, 0, 0, 1));
        world.advance(seconds(3 * MINUTE));
        assert_eq!(by_hand(&shop).await.unwrap(), cleaned(1, 1, 0, 0));
        assert_eq!(status(&world, order).await, ("cancelled", "unpaid"));
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    /// The job that closes a checkout has given up; the schedule finds what it left.
    async fn what_a_lost_job_left_is_found_by_the_schedule(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.shop.db.write("test", |tx| tx.execute("DELETE FROM jobs", &[])).await.unwrap();
        world.advance(seconds(2 * 60 * MINUTE));
        assert_eq!(world.stock("MUG").await, (5, 4));
        assert_eq!(world.shop.clean_up().await.unwrap(), cleaned(1, 1, 0, 0));
        assert_eq!(status(&world, started.order).await, ("cancelled", "unpaid"));
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }
}
