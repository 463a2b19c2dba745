//! Three days in which no webhook arrives and no worker runs, while people go on buying, banks dispute and somebody refunds
//! in the dashboard. Then the shop starts, and everything becomes right without a person.
//!
//! `OUTAGE_EVENTS=N` makes it larger or smaller; 10,000 events otherwise.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::join_all;
use kernel::{Duration, Seeded};
use sandbox::{
    ChargeState, DisputeStatus, DisputeStep, Fault, Later, NewDispute, NewRefund, Payment, Reach, Trouble,
};
use serde_json::json;
use shop::checkout::Started;
use shop::ids::ProfileId;
use shop::orders::Order;
use testkit::World;

const HOURS: u64 = 72;
const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";

fn wanted() -> usize {
    let named = std::env::var("OUTAGE_EVENTS").ok();
    named.map_or(10_000, |number| number.parse().expect("OUTAGE_EVENTS is a number"))
}

/// A purchase and who made it.
struct Purchase {
    started: Started,
    buyer: Option<ProfileId>,
    product: &'static str,
}

/// One in ten webhooks is never sent, others come twice, late, or as two events; and none of them arrives.
fn trouble(world: &World) {
    let mut account = world.account();
    account.inject(Fault::new(Trouble::Drop).with_probability(0.1));
    account.inject(Fault::new(Trouble::Duplicate { copies: 1 }).with_probability(0.2));
    account.inject(Fault::new(Trouble::Reorder { within_seconds: 3600 }).with_probability(0.5));
    account.inject(Fault::new(Trouble::Twin).with_probability(0.05));
}

/// Whoever comes within one round: most pay, some are declined, some go away, some pay by a debit that takes a day.
async fn sell(world: &World, buyers: &[ProfileId], chance: &Seeded, sold: &mut Vec<Purchase>) {
    let asked = (0..16).map(|_| {
        let product = if chance.below(2) == 0 { "rust-course" } else { "poster" };
        let buyer = buyers.get(chance.below(buyers.len() as u64 * 2) as usize).copied();
        async move {
            let items = [(product, 1)];
            let started = match buyer {
                Some(buyer) => world.check_out_for(buyer, &items).await,
                None => world.check_out(&items).await,
            };
            Purchase { started: started.unwrap(), buyer, product }
        }
    });
    for purchase in join_all(asked.collect::<Vec<_>>()).await {
        let session = &purchase.started;
        match chance.below(20) {
            0 => {}
            1 => drop(world.pay(session, DECLINED)),
            2 => {
                world.pay(session, DECLINED);
                world.pay(session, VISA);
            }
            n @ (3 | 4) => {
                let outcome = if n == 3 { Later::Succeeds } else { Later::Fails };
                let settles_after = Some(Duration::from_secs(24 * 3600));
                world.pay_with(session, Payment { settles_after, ..Payment::by_bank_debit(outcome) });
            }
            _ => drop(world.pay(session, VISA)),
        }
        sold.push(purchase);
    }
}

/// In the dashboard some of what was sold before is refunded; banks open disputes, and decide about those that are open.
fn give_back(world: &World, sold: &[Purchase], chance: &Seeded) {
    let cx = world.stripe.cx();
    for _ in 0..2 {
        let purchase = &sold[chance.below(sold.len() as u64) as usize];
        let session = &purchase.started.session;
        let mut account = world.account();
        // What was not paid, or went back before, is refused.
        match chance.below(3) {
            0 | 1 => drop(account.refund_in_dashboard(session, &NewRefund::default(), &cx)),
            _ => drop(account.open_dispute(session, &NewDispute::because("fraudulent"), &cx)),
        }
    }
    decide(world, chance, 2);
}

/// Banks decide about one in `one_in` of the disputes that are open.
fn decide(world: &World, chance: &Seeded, one_in: u64) {
    let cx = world.stripe.cx();
    let open: Vec<String> = {
        let account = world.account();
        account.disputes().iter().filter(|d| !d.status.is_closed()).map(|d| d.id.clone()).collect()
    };
    for dispute in open {
        if chance.below(one_in) == 0 {
            let step = if chance.below(2) == 0 { DisputeStep::Win } else { DisputeStep::Lose };
            drop(world.account().move_dispute(&dispute, step, &cx));
        }
    }
}

/// What Stripe's objects say of a purchase, whatever its events said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    Unpaid,
    Paid,
    GoneBack,
}

fn truth(world: &World, purchase: &Purchase) -> Truth {
    let account = world.account();
    let session = account.session_facts(&purchase.started.session).unwrap();
    let charges = session.payment_intent.map(|intent| account.charges_of(intent)).unwrap_or_default();
    let Some(charge) = charges.iter().find(|c| c.captured && c.state == ChargeState::Succeeded) else {
        return Truth::Unpaid;
    };
    let lost = |d: &sandbox::Dispute| d.charge == charge.id && d.status == DisputeStatus::Lost;
    match charge.refundable() == 0 || account.disputes().iter().any(lost) {
        true => Truth::GoneBack,
        false => Truth::Paid,
    }
}

fn is_right(order: &Order, truth: Truth) -> bool {
    match truth {
        Truth::Unpaid => order.state.status() == "cancelled",
        Truth::Paid => order.is_handed_over() && order.dispute.is_none() && order.open_review().is_none(),
        Truth::GoneBack => order.state.status() == "refunded",
    }
}

async fn everything_is_as_stripe_says(world: &World, sold: &[Purchase]) -> BTreeMap<Truth, usize> {
    let mut counts = BTreeMap::new();
    let (mut access, mut posters) = (BTreeMap::<ProfileId, bool>::new(), 0);
    for purchase in sold {
        let (truth, order) = (truth(world, purchase), world.order(purchase.started.order).await);
        assert!(is_right(&order, truth), "{truth:?}, but {order:#?}");
        *counts.entry(truth).or_default() += 1;
        let paid = truth == Truth::Paid;
        posters += i64::from(paid && purchase.product == "poster");
        if let (Some(buyer), "rust-course") = (purchase.buyer, purchase.product) {
            *access.entry(buyer).or_default() |= paid;
        }
    }
    for (buyer, paid) in access {
        assert_eq!(world.may_use(buyer, "rust-course").await, paid, "{buyer}");
    }
    let left = 1_000_000 - posters;
    assert_eq!(world.stock("POSTER").await, (left, left), "each poster was sold once, and comes back once");
    counts
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn three_days_without_webhooks_are_made_good_without_a_person(test: TestDb) {
        let engine = test.engine;
        let world = World::open(test).await;
        world.operate("inventory.adjust", json!({ "sku": "POSTER", "change": 1_000_000 - 100 })).await.unwrap();
        let mut buyers = Vec::new();
        for n in 0..40 {
            buyers.push(world.buyer(&format!("buyer{n}@example.com")).await);
        }
        world.work().await;
        let (chance, wanted) = (Seeded::new(72), wanted());
        trouble(&world);
        world.account().set_reach(None, Reach::Down, &world.stripe.cx()).unwrap();

        let (began, mut sold, mut minutes) = (Instant::now(), Vec::new(), 0);
        // Five events for a purchase, and some more for what comes after.
        let rounds = (wanted / (16 * 5)).max(1) as u64;
        let pause = HOURS * 60 / rounds;
        while world.account().events().len() < wanted {
            sell(&world, &buyers, &chance, &mut sold).await;
            give_back(&world, &sold, &chance);
            world.advance(Duration::from_secs(pause * 60));
            minutes += pause;
        }
        world.advance(Duration::from_secs((HOURS * 60).saturating_sub(minutes) * 60 + 25 * 3600));
        // Whatever is still open is decided before the lights go on.
        decide(&world, &chance, 1);
        let events = world.account().events().len();
        let waiting = world.count("SELECT COUNT(*) FROM orders WHERE status <> 'pending'").await;
        assert_eq!(waiting, 0, "the shop has heard of nothing");
        eprintln!("{engine:?}: {} purchases, {events} events in {:?}", sold.len(), began.elapsed());

        // The lights go on: the list is read, events and jobs are worked on, and webhooks come again.
        let began = Instant::now();
        world.account().set_reach(None, Reach::Up, &world.stripe.cx()).unwrap();
        let read = world.shop.backfill().await.unwrap().unwrap();
        let stored = began.elapsed();
        world.process().await;
        let processed = began.elapsed();
        let per_second = read.stored as f64 / processed.as_secs_f64();
        eprintln!(
            "{engine:?}: {} events read and {} stored after {stored:?}, processed after {processed:?}: {per_second:.0} a second",
            read.read, read.stored
        );
        assert_eq!(read.read as usize, events);
        let counts = everything_is_as_stripe_says(&world, &sold).await;
        eprintln!("{engine:?}: {counts:?}");
        assert_eq!(counts.len(), 3, "of each kind there are some: {counts:?}");

        // What Stripe sends again, twice and late, changes nothing; nor do the jobs.
        world.account().clear_faults();
        world.settle().await;
        for _ in 0..3 {
            world.advance(Duration::from_secs(24 * 3600));
            world.settle().await;
            assert_eq!(world.shop.backfill().await.unwrap().unwrap().stored, 0);
            world.shop.clean_up().await.unwrap();
        }
        assert_eq!(everything_is_as_stripe_says(&world, &sold).await, counts);
        let compared = world.task("reconcile", json!({})).await.unwrap();
        assert_eq!(compared.findings, Some(0), "{}", compared.answer);
        world.close().await;
    }
}
