//! Very many refunds while Stripe loses answers, keeps errors, limits and is away, and while workers die in the middle: at most
//! one refund each, and in the end exactly one.
//!
//! Runs in optimised code only, like the simulation.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use futures_util::future::join_all;
use kernel::{Duration, Seeded};
use sandbox::{Fault, Trouble};
use serde_json::json;
use shop::checkout::Started;
use shop::ids::OrderId;
use testkit::World;
use testkit::stripe_double::deliver;

const REFUNDS: usize = 10_000;
/// What is asked for at the same moment.
const AT_ONCE: usize = 200;
const WORKERS: usize = 6;

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn ten_thousand_refunds_in_a_storm_are_one_each(test: TestDb) {
        let world = World::open(test).await;
        let orders = sold(&world).await;
        for chunk in orders.chunks(AT_ONCE) {
            let ask = chunk.iter().map(|order| world.operate("refunds.create", json!({ "order": order })));
            join_all(ask).await.into_iter().for_each(|asked| drop(asked.unwrap()));
        }
        the_storm(&world);
        let chance = Seeded::new(11);
        for _ in 0..30 {
            work_and_die(&world, &chance).await;
            at_most_one_each(&world);
            world.advance(Duration::from_secs(90 + chance.below(600)));
        }
        world.account().clear_faults();
        for _ in 0..60 {
            if world.count("SELECT COUNT(*) FROM refunds WHERE status <> 'succeeded'").await == 0 {
                break;
            }
            work(&world).await;
            world.advance(Duration::from_secs(900));
        }
        bring_events(&world).await;
        let each = at_most_one_each(&world);
        assert_eq!(each.len(), REFUNDS, "and each of them is there");
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status <> 'refunded'").await, 0);
        let findings = world.findings().await;
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

/// Ten thousand courses, bought and paid, without any trouble.
async fn sold(world: &World) -> Vec<OrderId> {
    let mut orders = Vec::with_capacity(REFUNDS);
    for begin in (0..REFUNDS).step_by(AT_ONCE) {
        let many = AT_ONCE.min(REFUNDS - begin);
        let baskets = (0..many).map(|_| world.check_out(&[("rust-course", 1)]));
        let started: Vec<Started> = join_all(baskets).await.into_iter().map(Result::unwrap).collect();
        for one in &started {
            world.pay(one, "4242424242424242");
        }
        orders.extend(started.into_iter().map(|one| one.order));
        bring_events(world).await;
    }
    orders
}

/// Webhooks arrive together, as they do.
async fn bring_events(world: &World) {
    loop {
        let due = world.account().due_deliveries(&world.stripe.cx());
        if due.is_empty() {
            break;
        }
        for chunk in due.chunks(AT_ONCE) {
            let handed = chunk.iter().map(|delivery| deliver(&world.shop, delivery, &world.secrets));
            let statuses = join_all(handed).await;
            for (delivery, status) in chunk.iter().zip(statuses) {
                let cx = world.stripe.cx();
                world.account().delivery_result(delivery.id, Some(status), &cx);
            }
        }
    }
    while world.shop.work_events().await.unwrap().claimed > 0 {}
}

/// Of ten calls about refunds four go wrong, each in another way.
fn the_storm(world: &World) {
    let often = |trouble, rate| Fault::new(trouble).with_probability(rate);
    let mut account = world.account();
    for (trouble, rate) in [
        (Trouble::TimeoutAfterExecuting, 0.15),
        (Trouble::TimeoutBeforeExecuting, 0.08),
        (Trouble::Stored500 { execute: true }, 0.06),
        (Trouble::Stored500 { execute: false }, 0.06),
        (Trouble::RateLimit, 0.05),
        (Trouble::InFlight, 0.03),
    ] {
        account.inject(often(trouble, rate).on_request("POST", "/v1/refunds"));
    }
    account.inject(often(Trouble::Unavailable, 0.1).on_request("GET", "/v1/refunds"));
}

/// Workers that stand still for ever at any moment of what they do.
async fn work_and_die(world: &World, chance: &Seeded) {
    let workers = (0..WORKERS).map(|_| {
        let patience = Duration::from_micros(200 + chance.below(60_000));
        async move {
            // What was being done is dropped where it stands.
            let _ = tokio::time::timeout(patience, work_some(world)).await;
        }
    });
    join_all(workers).await;
}

async fn work_some(world: &World) {
    while world.shop.work_jobs(20).await.unwrap() > 0 {}
}

async fn work(world: &World) {
    join_all((0..WORKERS).map(|_| work_some(world))).await;
}

/// What Stripe has refunded, by payment: never twice, and never under two of our ids.
fn at_most_one_each(world: &World) -> BTreeMap<String, usize> {
    let mut each = BTreeMap::new();
    for refund in world.account().refunds() {
        *each.entry(refund.payment_intent.clone()).or_insert(0) += 1;
    }
    let twice = each.iter().find(|(_, count)| **count > 1);
    assert_eq!(twice, None, "a buyer was paid twice");
    each
}
