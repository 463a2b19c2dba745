//! What the simulation and the confluence property have found, told as short stories. A seed shows a defect only as
//! long as the simulation draws the same; these stay.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::rc::Rc;

use sandbox::Payment;
use serde_json::json;
use shop::checkout::{Basket, Item, Started};
use testkit::sim::{Scene, Swarm, now, rest};
use testkit::stripe_double::deliver;

fn buy(scene: &Scene, product: &str) -> Started {
    let items = vec![Item { product: product.into(), quantity: 1 }];
    let (email, profile_id) = (Some("guest@example.com".into()), None);
    let basket = Basket { items, currency: None, email, profile_id, success_url: None, cancel_url: None };
    let shop = scene.nodes[0].shop();
    now(shop.starter.start(&shop, basket)).unwrap()
}

fn pay(scene: &Scene, started: &Started) {
    let cx = scene.cx();
    scene.stripe().pay(&started.session, &Payment::by_card("4242424242424242"), &cx).unwrap();
}

/// Delivers what Stripe has to say, of one type or all, and works it off.
fn hear(scene: &Scene, kind: Option<&str>) {
    let due = scene.stripe().due_deliveries(&scene.cx());
    let shop = scene.nodes[0].shop();
    for delivery in due {
        let wanted = kind.is_none_or(|kind| kind == delivery.kind);
        let status = wanted.then(|| now(deliver(&shop, &delivery, &scene.secrets)));
        scene.stripe().delivery_result(delivery.id, status, &scene.cx());
    }
    now(shop.work_events()).unwrap();
}

fn status(scene: &Scene, started: &Started) -> String {
    let id = started.order;
    let order = scene.look(move |tx| shop::orders::find(tx, id)).unwrap();
    format!("{} {:?}", order.state.status(), order.open_review().map(|review| review.kind.as_str()))
}

fn shop_with(stock: u64) -> Rc<Scene> {
    Scene::new(1, Swarm { stock, ..Swarm::calm() }, false)
}

#[test]
fn stock_that_one_order_gives_back_goes_to_the_one_that_waits_for_it() {
    let scene = shop_with(1);
    let first = buy(&scene, "book");
    let held = scene.look(move |tx| shop::inventory::reservations_of(tx, first.order));
    scene.operate("reservations.release", json!({ "reservation": held[0].id })).unwrap();
    let second = buy(&scene, "book");
    pay(&scene, &first);
    hear(&scene, None);
    assert_eq!(status(&scene, &first), "paid None");
    scene.operate("orders.cancel", json!({ "order": second.order })).unwrap();
    rest(&scene).unwrap();
    assert_eq!(status(&scene, &first), "confirmed None");
    assert_eq!(status(&scene, &second), "cancelled None");
}

#[test]
fn money_that_contradicts_its_session_is_shown_to_a_person_whichever_is_heard_first() {
    for (first, expected) in
        [("checkout.session.completed", "completed"), ("payment_intent.succeeded", "paid")]
    {
        let scene = shop_with(1);
        let started = buy(&scene, "course");
        scene.stripe().collect_instead(&started.session, 1, "usd").unwrap();
        pay(&scene, &started);
        hear(&scene, Some(first));
        rest(&scene).unwrap();
        assert_eq!(
            status(&scene, &started),
            format!("{expected} Some(\"amount_mismatch\")"),
            "{first} first"
        );
    }
}
