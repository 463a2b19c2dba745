//! Any permutation, any duplicates, any crash between transactions of the events of a random set of purchases ends in
//! the same state; then every check is content, and a replay of everything changes nothing.

use std::rc::Rc;

use kernel::{Duration, Seeded};
use proptest::prelude::*;
use sandbox::{
    Authentication, Delivery, DisputeStep, Later, NewDispute, NewRefund, PayOutcome, Payment, RefundStatus,
    ReviewClosed, ReviewOpened, Visit,
};
use shop::checkout::{Basket, Item};
use testkit::sim::{Scene, Swarm, now, rest};
use testkit::stripe_double::deliver;

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Paid,
    DeclinedThenPaid,
    AskedByTheBank,
    BankAgreesLater,
    BankRefusesLater,
    Expired,
    DeclinedThenExpired,
    WrongPrice(i64),
    Taxed(i64, i64),
    Refunded,
    RefundedInPart(i64),
    RefundedAndItFailed,
    WarnedOf,
    Approved,
    Inquired,
    Disputed,
    DisputeWon,
    DisputeLost,
    DisputeWonLate,
    DisputedTwice,
}

#[derive(Debug, Clone)]
struct Purchase {
    items: Vec<&'static str>,
    profile: Option<usize>,
    /// Bought at a Payment Link: the order is made when somebody hears of it.
    link: bool,
    how: How,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Paid),
        1 => Just(How::DeclinedThenPaid),
        1 => Just(How::AskedByTheBank),
        1 => Just(How::BankAgreesLater),
        1 => Just(How::BankRefusesLater),
        1 => Just(How::Expired),
        1 => Just(How::DeclinedThenExpired),
        1 => (1..9_000_i64).prop_map(How::WrongPrice),
        1 => (0..900_i64, 0..900_i64).prop_map(|(tax, shipping)| How::Taxed(tax, shipping)),
        4 => money_back(),
    ]
}

fn money_back() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Refunded),
        (1..400_i64).prop_map(How::RefundedInPart),
        Just(How::RefundedAndItFailed),
        Just(How::WarnedOf),
        Just(How::Approved),
        Just(How::Inquired),
        Just(How::Disputed),
        Just(How::DisputeWon),
        Just(How::DisputeLost),
        Just(How::DisputeWonLate),
        Just(How::DisputedTwice),
    ]
}

fn purchase() -> impl Strategy<Value = Purchase> {
    let items = prop_oneof![
        Just(vec!["course"]),
        Just(vec!["gift"]),
        Just(vec!["book"]),
        Just(vec!["course", "mug"]),
        Just(vec!["course", "workshop", "book", "mug"]),
    ];
    let link = prop::bool::weighted(0.3);
    (items, prop::option::of(0..4_usize), link, how()).prop_map(|(items, profile, link, how)| Purchase {
        items,
        profile,
        link,
        how,
    })
}

/// The shop sells, the buyers do what they do, three days pass; and Stripe has delivered nothing yet.
fn sold(purchases: &[Purchase]) -> Rc<Scene> {
    let scene = Scene::new(7, Swarm::calm(), false);
    for purchase in purchases {
        if purchase.link {
            let sold: Vec<(&str, i64)> = purchase.items.iter().map(|product| (*product, 1)).collect();
            let session = scene.open_link(&sold, false, &Visit::default());
            pay(&scene, &session, purchase.how);
            scene.advance(Duration::from_secs(1));
            continue;
        }
        let item = |product: &&str| Item { product: (*product).into(), quantity: 1 };
        let basket = Basket {
            items: purchase.items.iter().map(item).collect(),
            currency: None,
            email: None,
            profile_id: purchase.profile.map(|n| scene.profiles[n]),
            success_url: None,
            cancel_url: None,
        };
        let shop = scene.nodes[0].shop();
        let started = now(shop.starter.start(&shop, basket)).unwrap();
        pay(&scene, &started.session, purchase.how);
        scene.advance(Duration::from_secs(1));
    }
    scene.advance(Duration::from_secs(3 * 24 * 3600));
    scene.stripe().tick(&scene.cx());
    scene
}

fn pay(scene: &Scene, session: &str, how: How) {
    let cx = scene.cx();
    let card = |number| scene.stripe().pay(session, &Payment::by_card(number), &cx).unwrap();
    let (good, refused) = ("4242424242424242", "4000000000000002");
    match how {
        How::Expired => {}
        How::DeclinedThenExpired => drop(card(refused)),
        How::Paid => drop(card(good)),
        How::DeclinedThenPaid => {
            card(refused);
            if scene.stripe().session_facts(session).unwrap().status == "open" {
                card(good);
            }
        }
        How::AskedByTheBank => {
            if let PayOutcome::NeedsAuthentication { token } = card("4000002760003184") {
                scene.stripe().authenticate(session, &token, Authentication::Complete, &cx).unwrap();
            }
        }
        How::BankAgreesLater | How::BankRefusesLater => {
            let later = if how == How::BankAgreesLater { Later::Succeeds } else { Later::Fails };
            scene.stripe().pay(session, &Payment::by_bank_debit(later), &cx).unwrap();
        }
        How::WrongPrice(amount) => {
            scene.stripe().reprice(session, amount).unwrap();
            card(good);
        }
        How::Taxed(tax, shipping) => {
            scene.stripe().set_adjustment(session, tax, shipping).unwrap();
            card(good);
        }
        back => {
            card(good);
            scene.advance(Duration::from_secs(60));
            // What costs nothing cannot go back.
            if scene.stripe().session_facts(session).unwrap().amount_total > 0 {
                goes_back(scene, session, back);
            }
        }
    }
}

/// Each step has an event of its own, and they are told in any order.
fn goes_back(scene: &Scene, session: &str, how: How) {
    let cx = scene.cx();
    let refund = |refund: NewRefund| scene.stripe().refund_in_dashboard(session, &refund, &cx).unwrap();
    let dispute = |dispute: NewDispute| scene.stripe().open_dispute(session, &dispute, &cx).unwrap();
    let step = |dispute: &str, step| {
        scene.stripe().move_dispute(dispute, step, &cx).unwrap();
        scene.advance(Duration::from_secs(60));
    };
    match how {
        How::Refunded => drop(refund(NewRefund::default())),
        How::RefundedInPart(amount) => drop(refund(NewRefund::of(amount))),
        How::RefundedAndItFailed => {
            let refund = refund(NewRefund::default());
            scene.stripe().turn_refund(&refund, RefundStatus::Failed, &cx).unwrap();
        }
        How::WarnedOf => drop(scene.stripe().warn_of_fraud(session, "misc", &cx).unwrap()),
        How::Approved => {
            let review = scene.stripe().open_review(session, ReviewOpened::Rule, &cx).unwrap();
            scene.stripe().close_review(&review, ReviewClosed::Approved, &cx).unwrap();
        }
        How::Inquired => drop(dispute(NewDispute::inquiry())),
        How::Disputed => drop(dispute(NewDispute::default())),
        How::DisputeWon => step(&dispute(NewDispute::default()), DisputeStep::Win),
        How::DisputeLost => step(&dispute(NewDispute::default()), DisputeStep::Lose),
        How::DisputeWonLate => {
            let dispute = dispute(NewDispute::default());
            step(&dispute, DisputeStep::Lose);
            step(&dispute, DisputeStep::Win);
        }
        How::DisputedTwice => {
            step(&dispute(NewDispute::default().over(1)), DisputeStep::Win);
            dispute(NewDispute::default().over(2));
        }
        other => panic!("{other:?} sends nothing back"),
    }
}

/// Delivers every event at least once in an order that `chance` decides, while workers begin, die in the middle, and
/// begin again.
fn deliver_in_disorder(scene: &Scene, chance: &Seeded) {
    let mut events: Vec<Delivery> = scene.stripe().due_deliveries(&scene.cx());
    let twice: Vec<Delivery> = events.iter().filter(|_| chance.below(3) == 0).cloned().collect();
    events.extend(twice);
    for at in (1..events.len()).rev() {
        events.swap(at, chance.below(at as u64 + 1) as usize);
    }
    for event in events {
        let node = chance.below(2) as usize;
        let status = now(deliver(&scene.nodes[node].shop(), &event, &scene.secrets));
        assert!(status == 200 || status == 401, "{status}");
        while chance.below(2) == 0 {
            work_and_perhaps_die(scene, chance, node);
        }
        let cx = scene.cx();
        scene.stripe().delivery_result(event.id, None, &cx);
    }
}

fn work_and_perhaps_die(scene: &Scene, chance: &Seeded, node: usize) {
    let shop = scene.nodes[node].shop();
    let polls = chance.below(12);
    match chance.below(4) {
        0 => drop(polled(polls, shop.work_jobs(2))),
        1 => drop(now(shop.work_events())),
        _ => drop(polled(polls, shop.work_events())),
    }
    scene.nodes[node].restart();
    if chance.below(3) == 0 {
        scene.advance(Duration::from_secs(chance.below(240)));
    }
}

/// Polls so often at most; then the future is dropped where it stands.
fn polled<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    })
}

/// Who hears first that the money went back never hands over; who hears it last takes back. Both end with the same: nothing.
/// So of a refunded order it does not count what was given and returned.
fn what_counts(state: &str) -> String {
    let parsed = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap_or_default();
    let refunded: Vec<String> = state
        .lines()
        .map(parsed)
        .filter(|row| row["status"] == "refunded" && row["total_amount"].is_i64())
        .filter_map(|row| row["id"].as_str().map(str::to_owned))
        .collect();
    let of_refunded = |row: &serde_json::Value| {
        let holder = row["holder"].as_str().and_then(|holder| holder.strip_prefix("order:"));
        let order = row["order_id"].as_str().or(holder);
        order.is_some_and(|order| refunded.iter().any(|refunded| refunded == order))
    };
    let counts = |line: &&str| {
        let row = parsed(line);
        let handed_over = matches!(row["type"].as_str(), Some("confirmed" | "completed"));
        let went_back = matches!(row["status"].as_str(), Some("returned" | "revoked"));
        !(of_refunded(&row) && (handed_over || went_back))
            && !(row["product_id"].is_string() && row["status"] == "revoked" && row["order_id"].is_null())
    };
    state.lines().filter(counts).map(|line| format!("{line}\n")).collect()
}

/// The lines that differ.
fn difference(expected: &str, got: &str) -> String {
    let without = |text: &str, other: &str| {
        let lines = text.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("  {line}\n")).collect::<String>()
    };
    format!("expected\n{}but it is\n{}", without(expected, got), without(got, expected))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_with_any_crash_ends_in_the_same_state(
        purchases in prop::collection::vec(purchase(), 1..6),
        disorders in prop::collection::vec(any::<u64>(), 3),
    ) {
        let expected = what_counts(&rest(&sold(&purchases)).map_err(TestCaseError::fail)?);
        for disorder in disorders {
            let scene = sold(&purchases);
            deliver_in_disorder(&scene, &Seeded::new(disorder));
            let got = what_counts(&rest(&scene).map_err(TestCaseError::fail)?);
            prop_assert!(expected == got, "disorder {disorder}: {}", difference(&expected, &got));
        }
    }
}

#[test]
fn the_story_that_is_told_in_disorder_is_not_empty() {
    let all = [
        How::Paid,
        How::BankAgreesLater,
        How::Expired,
        How::WrongPrice(1),
        How::Taxed(5, 7),
        How::Refunded,
        How::DisputeLost,
    ];
    let purchases = all.into_iter().map(|how| Purchase {
        items: vec!["course", "book"],
        profile: None,
        link: false,
        how,
    });
    let of_links = purchases.clone().map(|purchase| Purchase { link: true, ..purchase });
    let purchases: Vec<Purchase> = purchases.chain(of_links).collect();
    let scene = sold(&purchases);
    assert!(scene.stripe().events().len() > 20);
    let state = rest(&scene).unwrap();
    for status in ["confirmed", "cancelled", "paid", "refunded"] {
        assert!(state.contains(&format!("\"status\":\"{status}\"")), "no order is {status}:\n{state}");
    }
}
