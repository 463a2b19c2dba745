//! What happens between two steps: somebody begins something, or time passes, or a node dies.

use std::collections::BTreeSet;
use std::rc::Rc;

use kernel::{Duration, Error};
use sandbox::{ApiRequest, Authentication, Later, PayOutcome, Payment, Visit};
use shop::checkout::{self, Basket, Item, Started};
use shop::ids::OrderId;

use super::scene::{COURSES, THINGS};
use super::{Scene, invariants, money_back, operators, post, quiet};

/// So many things may be under way at once.
const MOST_UNDER_WAY: usize = 12;
/// After so many steps the cheap invariants are checked.
const GLANCE: u64 = 64;

/// The whole run: so many steps in trouble, then peace.
pub(super) fn play(scene: &Rc<Scene>, steps: u64) {
    let mut next_glance = GLANCE;
    while scene.steps() < steps && !scene.failed() {
        let busy = scene.under_way();
        let begins = busy == 0 || (busy < MOST_UNDER_WAY && scene.chance.below(5) == 0);
        if begins || !scene.step() {
            something_happens(scene);
        }
        if scene.steps() >= next_glance {
            next_glance = scene.steps() + GLANCE;
            invariants::glance(scene);
        }
    }
    if !scene.failed() {
        quiet::rest(scene);
    }
}

/// How likely something is, beside the others, and what it is.
type Chance = (u64, fn(&Rc<Scene>));

fn something_happens(scene: &Rc<Scene>) {
    let swarm = &scene.swarm;
    let table: [Chance; 14] = [
        (220, |scene| on_a_node(scene, work_events)),
        (110, |scene| on_a_node(scene, work_jobs)),
        (15, |scene| on_a_node(scene, sweep)),
        (10, |scene| on_a_node(scene, clean_up)),
        (swarm.reads, |scene| on_a_node(scene, read_list)),
        (300, |scene| on_a_node(scene, post::bring)),
        (60, |scene| on_a_node(scene, buy)),
        (20, |scene| on_a_node(scene, look_again)),
        (150, pay),
        (120, pass_time),
        (swarm.money_back, money_back::act),
        (swarm.operators, |scene| on_a_node(scene, operators::act)),
        (swarm.crash, die),
        (swarm.pause, pause),
    ];
    let all: u64 = table.iter().map(|(weight, _)| weight).sum();
    let mut dice = scene.chance.below(all);
    for (weight, act) in table {
        match dice.checked_sub(weight) {
            Some(rest) => dice = rest,
            None => return act(scene),
        }
    }
}

/// On any node that is up.
fn on_a_node(scene: &Rc<Scene>, act: fn(&Rc<Scene>, usize)) {
    let node = scene.chance.below(scene.nodes.len() as u64) as usize;
    if scene.nodes[node].down_until.get() <= kernel::Clock::now(&*scene.clock) {
        act(scene, node);
    }
}

fn work_events(scene: &Rc<Scene>, node: usize) {
    // A node may have two workers; a third would only claim nothing.
    if scene.busy_with(node, "events") >= 2 {
        return;
    }
    let own = scene.clone();
    scene.spawn(node, "events", async move {
        match own.nodes[node].shop().work_events().await {
            Ok(done) if done.claimed > 0 => own.note(format!("node {node} processed {done:?}")),
            Ok(_) => {}
            Err(error) => told(&own, "work_events", &error),
        }
    });
}

fn work_jobs(scene: &Rc<Scene>, node: usize) {
    if scene.busy_with(node, "jobs") >= 2 {
        return;
    }
    let (own, most) = (scene.clone(), 1 + scene.chance.below(4) as i64);
    scene.spawn(node, "jobs", async move {
        match own.nodes[node].shop().work_jobs(most).await {
            Ok(done) if done > 0 => own.note(format!("node {node} did {done} jobs")),
            Ok(_) => {}
            Err(error) => told(&own, "work_jobs", &error),
        }
    });
}

fn sweep(scene: &Rc<Scene>, node: usize) {
    let own = scene.clone();
    scene.spawn(node, "sweep", async move {
        if let Err(error) = own.nodes[node].shop().sweep().await {
            told(&own, "sweep", &error);
        }
    });
}

/// The schedule looks at orders that nobody paid for.
fn clean_up(scene: &Rc<Scene>, node: usize) {
    let own = scene.clone();
    scene.spawn(node, "cleanup", async move {
        match own.nodes[node].shop().clean_up().await {
            Ok(done) if done.looked_at > 0 => own.note(format!("node {node} cleaned up {done:?}")),
            Ok(_) => {}
            Err(error) => told(&own, "cleanup", &error),
        }
    });
}

/// The schedule reads Stripe's list of events.
fn read_list(scene: &Rc<Scene>, node: usize) {
    let own = scene.clone();
    scene.spawn(node, "backfill", async move {
        match own.nodes[node].shop().backfill().await {
            Ok(Some(done)) if done.stored > 0 => own.note(format!("node {node} read {done:?}")),
            Ok(_) => {}
            Err(error) => told(&own, "backfill", &error),
        }
    });
}

fn told(scene: &Scene, during: &str, error: &Error) {
    scene.note(format!("{during}: {error}"));
    scene.must_be_no_bug(during, error);
}

fn buy(scene: &Rc<Scene>, node: usize) {
    if scene.chance.below(40) == 0 {
        return somebody_elses(scene);
    }
    if scene.count("SELECT COUNT(*) FROM orders") >= scene.swarm.orders as i64 {
        return;
    }
    if scene.chance.below(4) == 0 {
        return by_link(scene);
    }
    let (own, basket) = (scene.clone(), basket(scene));
    scene.spawn(node, "buyer", async move {
        let shop = own.nodes[node].shop();
        let what: Vec<String> =
            basket.items.iter().map(|i| format!("{}×{}", i.quantity, i.product)).collect();
        match shop.starter.start(&shop, basket).await {
            Ok(started) => {
                own.note(format!("{} of {what:?} pays at {}", started.order, started.session));
                the_buyer_can_rely_on_it(&own, &started);
            }
            Err(error) => told(&own, "checkout", &error),
        }
    });
}

/// Somebody opens a Payment Link of ours. Now and then it sells something else too; and what stands in its address is typed
/// by whoever likes to.
fn by_link(scene: &Rc<Scene>) {
    let basket = basket(scene);
    let products: Vec<(&str, i64)> =
        basket.items.iter().map(|item| (item.product.as_str(), item.quantity)).collect();
    let typed = any_order(scene).filter(|_| scene.chance.below(3) == 0).map(|order| order.to_string());
    let visit = Visit { client_reference_id: typed, ..Visit::default() };
    let strange = scene.chance.below(12) == 0;
    let session = scene.open_link(&products, strange, &visit);
    scene.note(format!("somebody opens a link that sells {products:?} at {session}; strange: {strange}"));
}

/// I-19: a checkout that was answered is written down, order and session.
fn the_buyer_can_rely_on_it(scene: &Scene, started: &Started) {
    let order = started.order;
    let kept = scene.look(move |tx| shop::orders::find(tx, order)).and_then(|order| order.session);
    if kept.as_ref() != Some(&started.session) {
        scene.fail(format!("I-19: {order} was answered with {}, and {kept:?} is kept", started.session));
    }
}

fn basket(scene: &Scene) -> Basket {
    let chance = &scene.chance;
    let mut products: Vec<&str> = Vec::new();
    for product in COURSES.iter().chain(&THINGS) {
        if chance.below(3) == 0 {
            products.push(product);
        }
    }
    if products.is_empty() {
        products.push(THINGS[chance.below(2) as usize]);
    }
    let items = products.iter().map(|product| Item {
        product: (*product).into(),
        quantity: if THINGS.contains(product) { 1 + chance.below(2) as i64 } else { 1 },
    });
    let items = items.collect();
    let buyer = chance.below(scene.profiles.len() as u64 + 2) as usize;
    let profile_id = scene.profiles.get(buyer).copied();
    let email = profile_id.is_none().then(|| "guest@example.com".to_owned());
    Basket { items, currency: None, email, profile_id, success_url: None, cancel_url: None }
}

/// A buyer comes back to the page of an order.
fn look_again(scene: &Rc<Scene>, node: usize) {
    let Some(order) = any_order(scene) else { return };
    let own = scene.clone();
    scene.spawn(node, "buyer", async move {
        let shop = own.nodes[node].shop();
        match checkout::open(&shop, order).await {
            Ok(_) => {}
            Err(error) => told(&own, "checkout again", &error),
        }
    });
}

/// Any of the newest orders.
pub(super) fn any_order(scene: &Scene) -> Option<OrderId> {
    let orders: Vec<OrderId> = scene.look(|tx| {
        let rows = tx.query("SELECT id FROM orders ORDER BY id DESC LIMIT 24", &[])?;
        rows.iter().map(|row| row.get("id")).collect()
    });
    orders.get(scene.chance.below(orders.len() as u64) as usize).copied()
}

/// Another system sells on the same account; some of what it sells names an order that is not here.
fn somebody_elses(scene: &Rc<Scene>) {
    let mut form = "mode=payment&success_url=https://other.example/&line_items[0][quantity]=1\
        &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=100\
        &line_items[0][price_data][product_data][name]=Other"
        .to_owned();
    if scene.chance.below(2) == 0 {
        let stranger: OrderId = scene.cx().id();
        form.push_str(&format!("&metadata[orderId]={stranger}"));
    }
    let cx = scene.account.cx();
    let mut account = scene.stripe();
    let made = account.handle(&ApiRequest::post("/v1/checkout/sessions", &form), &cx);
    let session = made.body["id"].as_str().unwrap_or_default().to_owned();
    let paid = account.pay(&session, &Payment::by_card("4242424242424242"), &cx);
    drop(account);
    scene.note(format!("another system sells at {session}: {paid:?}"));
}

/// A buyer does something on an open payment page.
fn pay(scene: &Rc<Scene>) {
    if scene.chance.below(3) == 0 && come_back_from_the_bank(scene) {
        return;
    }
    let open = open_sessions(scene);
    let Some(session) = open.get(scene.chance.below(open.len() as u64) as usize) else { return };
    if scene.chance.below(1000) < scene.swarm.tampered {
        tamper(scene, session);
    }
    let payment = payment(scene);
    let cx = scene.account.cx();
    let outcome = scene.stripe().pay(session, &payment, &cx);
    scene.note(format!("buyer at {session} by {:?}: {outcome:?}", payment.method));
    if let Ok(PayOutcome::NeedsAuthentication { token }) = outcome {
        scene.book.borrow_mut().at_the_bank.push((session.clone(), token));
    }
}

/// The newest pages on which somebody can pay; or, when buyers are late, those whose order holds nothing any more.
fn open_sessions(scene: &Scene) -> Vec<String> {
    let open: Vec<String> = {
        let mut account = scene.stripe();
        account.tick(&scene.account.cx());
        let sessions = account.sessions().rev().take(24);
        sessions.filter(|session| session.status == "open").map(|session| session.id.to_owned()).collect()
    };
    if scene.chance.below(1000) >= scene.swarm.late_buyer {
        return open;
    }
    let empty: BTreeSet<String> = scene.look(|tx| {
        let sql = "SELECT o.stripe_checkout_session_id AS id FROM orders o WHERE o.status IN ('pending', 'cancelled')
                   AND o.stripe_checkout_session_id IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM inventory_reservations r WHERE r.order_id = o.id AND r.status = 'reserved')";
        tx.query(sql, &[])?.iter().map(|row| row.get("id")).collect()
    });
    let late: Vec<String> = open.iter().filter(|session| empty.contains(*session)).cloned().collect();
    if late.is_empty() { open } else { late }
}

fn payment(scene: &Scene) -> Payment {
    match scene.chance.below(10) {
        0..5 => Payment::by_card("4242424242424242"),
        5 => Payment::by_card("4000000000000002"),
        6 => Payment::by_card("4000000000009995"),
        7 => Payment::by_card("4000002760003184"),
        n => {
            let outcome = if n == 8 { Later::Succeeds } else { Later::Fails };
            let minutes = scene.chance.below(scene.swarm.debit_minutes);
            let settles_after = Some(Duration::from_secs(minutes * 60 + 1));
            Payment { settles_after, ..Payment::by_bank_debit(outcome) }
        }
    }
}

fn come_back_from_the_bank(scene: &Scene) -> bool {
    let Some((session, token)) = scene.book.borrow_mut().at_the_bank.pop() else { return false };
    let how = if scene.chance.below(3) == 0 { Authentication::Fail } else { Authentication::Complete };
    let cx = scene.account.cx();
    let outcome = scene.stripe().authenticate(&session, &token, how, &cx);
    scene.note(format!("buyer of {session} is back from the bank: {outcome:?}"));
    true
}

/// Stripe adds tax and shipping, which is right; or has another price or collects another sum, which is not.
fn tamper(scene: &Scene, session: &str) {
    let chance = &scene.chance;
    let (amount, currency) = (1 + chance.below(9000) as i64, ["usd", "usd", "eur"][chance.below(3) as usize]);
    let mut account = scene.stripe();
    let done = match chance.below(3) {
        0 => account.set_adjustment(session, chance.below(900) as i64, chance.below(900) as i64),
        1 => account.reprice(session, amount),
        _ => account.collect_instead(session, amount, currency),
    };
    drop(account);
    scene.note(format!("{session} is tampered with: {done:?}"));
}

fn pass_time(scene: &Rc<Scene>) {
    let chance = &scene.chance;
    let by = match chance.below(100) {
        0..70 => Duration::from_millis(10 + chance.below(2_000)),
        70..92 => Duration::from_secs(5 + chance.below(90)),
        92..99 => Duration::from_secs(120 + chance.below(1_200)),
        _ => Duration::from_secs(3_600 + chance.below(3 * 3_600)),
    };
    scene.advance(by);
    scene.note(format!("{by:?} pass"));
    if scene.swarm.skew_seconds > 0 && chance.below(10) == 0 {
        set_a_clock(scene);
    }
}

fn set_a_clock(scene: &Scene) {
    let node = scene.chance.below(scene.nodes.len() as u64) as usize;
    let most = scene.swarm.skew_seconds * 1_000_000;
    let ahead = scene.chance.below(2 * most) as i64 - most as i64;
    scene.nodes[node].clock.set(ahead);
    scene.note(format!("the clock of node {node} is wrong by {ahead} µs"));
}

fn die(scene: &Rc<Scene>) {
    let node = scene.chance.below(scene.nodes.len() as u64) as usize;
    scene.crash(node);
    if scene.chance.below(3) == 0 {
        let seconds = scene.chance.below(600);
        scene.nodes[node].down_until.set(kernel::Clock::now(&*scene.clock) + Duration::from_secs(seconds));
    }
}

fn pause(scene: &Rc<Scene>) {
    let until = kernel::Clock::now(&*scene.clock) + Duration::from_secs(30 + scene.chance.below(400));
    if let Some(task) = scene.pause_any(until) {
        scene.note(format!("{task} stands still until {until}"));
    }
}
