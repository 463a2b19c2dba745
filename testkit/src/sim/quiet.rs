//! The faults stop, everything drains, and then all must be well: paid orders are handed over or wait for a stated
//! reason, no queue holds anything, every check is content. And a replay of everything changes nothing.

use std::collections::BTreeMap;
use std::rc::Rc;

use kernel::{Clock, Duration, Result, Timestamp};
use ops::{Actor, By, Role};
use sandbox::{ApiRequest, ChargeState};
use serde_json::json;
use shop::ids::OrderId;
use shop::orders::{Order, PaymentStatus, ReviewKind, State, WaitsFor};
use shop::reconcile::{Wish, reconcile};

use super::operators::failed_jobs;
use super::{Scene, dump, invariants, post};
use crate::stripe_double::deliver;

/// So often something may be due before we say that it never ends.
const PATIENCE: usize = 5_000;
/// Clocks differ; what is due on the right one is not yet due on one that is late.
const CLOCKS: Duration = Duration::from_secs(40);

/// Peace: drains, looks at everything, replays everything, looks again.
pub(super) fn rest(scene: &Rc<Scene>) {
    scene.note("the faults stop".into());
    for node in &scene.nodes {
        node.chaos.end();
        node.down_until.set(scene.clock.now());
    }
    scene.stripe().clear_faults();
    scene.finish();
    // What a node that died was reading is free again after a while.
    scene.advance(Duration::from_secs(600));
    drain(scene);
    the_schedule(scene);
    drain(scene);
    if scene.failed() {
        return;
    }
    all_is_well(scene);
    let before = scene.look(dump);
    replay_everything(scene);
    drain(scene);
    let after = scene.look(dump);
    if before != after {
        scene.fail(format!("I-14: a replay of everything changed {}", difference(&before, &after)));
    }
    if !scene.failed() {
        all_is_well(scene);
    }
    if !scene.failed() {
        compared_with_stripe(scene, &after);
    }
}

/// Everything was heard of in the end, so no object at Stripe has anything to say that is not known here; and what is allowed
/// to change things finds nothing to change.
fn compared_with_stripe(scene: &Rc<Scene>, before: &str) {
    let shop = scene.nodes[0].shop();
    let by = By {
        actor: Actor::system("rest"),
        role: Role::Admin,
        reason: Some("all is quiet".into()),
        request_id: None,
    };
    let wish = Wish { apply: true, ..Wish::default() };
    let outcome = match scene.drive(reconcile(&shop, wish, &by, &())) {
        Ok(outcome) => outcome,
        Err(error) => return scene.fail(format!("I-22: a comparison without any fault: {error}")),
    };
    // What only a person can mend (an order that waits for stock, money for an order of elsewhere) is no news from Stripe.
    let news = outcome.findings.iter().find(|finding| finding["safe"] == true || outcome.stopped.is_some());
    if let Some(finding) = news {
        return scene.fail(format!("I-22: a comparison found {finding}"));
    }
    let after = scene.look(dump);
    if before != after {
        scene.fail(format!("I-22: a comparison changed {}", difference(before, &after)));
    }
}

/// The first line that differs.
fn difference(before: &str, after: &str) -> String {
    let missing = before.lines().find(|line| !after.contains(line)).unwrap_or_default();
    let new = after.lines().find(|line| !before.contains(line)).unwrap_or_default();
    format!("\n  {missing}\nto\n  {new}")
}

/// Works until nothing is due any more, turning the clock to whatever comes next.
pub(super) fn drain(scene: &Rc<Scene>) {
    let mut retried = 0;
    for round in 0..PATIENCE {
        if scene.failed() {
            return;
        }
        if work(scene, round % scene.nodes.len()) > 0 {
            continue;
        }
        match next_due(scene) {
            Some(at) => {
                let pause = at.since(scene.clock.now()) + CLOCKS;
                scene.advance(pause);
            }
            None if retried < 3 && retry_failed_jobs(scene) => retried += 1,
            None if read_list(scene, round % scene.nodes.len()) => {}
            None => return,
        }
    }
    scene.fail(format!("I-20: it does not drain: {}", waiting(scene)));
}

/// What runs by itself every few minutes.
fn the_schedule(scene: &Scene) {
    let shop = scene.nodes[0].shop();
    told(scene, scene.drive(shop.backfill()).map(drop));
    told(scene, scene.drive(shop.clean_up()).map(drop));
}

fn work(scene: &Rc<Scene>, node: usize) -> usize {
    let shop = scene.nodes[node].shop();
    let delivered = deliver_all(scene, node);
    let events = told(scene, scene.drive(shop.work_events()).map(|done| done.claimed));
    let jobs = told(scene, scene.drive(shop.work_jobs(8)));
    let rematched = told(scene, scene.drive(shop.sweep())) as usize;
    delivered + events + jobs + rematched
}

fn told<T: Default>(scene: &Scene, result: Result<T>) -> T {
    result.unwrap_or_else(|error| {
        scene.fail(format!("without any fault: {error}"));
        T::default()
    })
}

fn deliver_all(scene: &Rc<Scene>, node: usize) -> usize {
    post::collect(scene);
    let due = std::mem::take(&mut scene.book.borrow_mut().post);
    let shop = scene.nodes[node].shop();
    for delivery in &due {
        let status = scene.drive(deliver(&shop, delivery, &scene.secrets));
        scene.note(format!("{} {} at node {node}: {status}", delivery.kind, delivery.event));
        let cx = scene.account.cx();
        scene.stripe().delivery_result(delivery.id, Some(status), &cx);
    }
    due.len()
}

fn next_due(scene: &Scene) -> Option<Timestamp> {
    let here: Vec<Option<Timestamp>> = scene.look(|tx| {
        [
            "SELECT MIN(run_at) AS at FROM jobs WHERE status = 'queued'",
            "SELECT MIN(next_attempt_at) AS at FROM stripe_events WHERE status IN ('received', 'retry')",
        ]
        .into_iter()
        .map(|sql| tx.query_one(sql, &[])?.get("at"))
        .collect()
    });
    let at_stripe = scene.stripe().next_due();
    here.into_iter().chain([at_stripe]).flatten().min()
}

/// A person tries again what has given up while Stripe was not to be reached.
fn retry_failed_jobs(scene: &Scene) -> bool {
    let failed = failed_jobs(scene);
    for job in &failed {
        told(scene, scene.operate("jobs.retry", json!({ "job": job })).map(drop));
    }
    !failed.is_empty()
}

/// What no webhook brings is in Stripe's list: webhooks that were never sent, or that Stripe has given up after three days.
/// Says whether anything was found, or somebody who died is still thought to read.
fn read_list(scene: &Rc<Scene>, node: usize) -> bool {
    let shop = scene.nodes[node].shop();
    match told(scene, scene.drive(shop.backfill()).map(Some)) {
        Some(Some(done)) => done.stored > 0,
        Some(None) => {
            scene.advance(Duration::from_secs(30));
            true
        }
        None => false,
    }
}

fn waiting(scene: &Scene) -> String {
    scene.look(|tx| {
        let jobs = tx.query("SELECT kind || ' at ' || run_at AS what FROM jobs LIMIT 3", &[])?;
        let events = tx.query(
            "SELECT type || ' ' || status || ' at ' || next_attempt_at AS what FROM stripe_events
             WHERE status IN ('received', 'retry') LIMIT 3",
            &[],
        )?;
        let all: Result<Vec<String>> = jobs.iter().chain(&events).map(|row| row.get("what")).collect();
        Ok(format!("{:?}", all?))
    })
}

/// Of other types only some webhooks may have come.
fn is_handled(kind: &str) -> bool {
    stripe::facts::handled().any(|handled| handled == kind)
}

/// Since when anything may be ours, in seconds; what another system sold before is not looked for.
fn first_order(scene: &Scene) -> i64 {
    scene.look(shop::orders::ours_since).map_or(i64::MAX, Timestamp::seconds)
}

fn replay_everything(scene: &Rc<Scene>) {
    let first = first_order(scene);
    let mut events: Vec<String> = {
        let account = scene.stripe();
        let handled =
            account.events().iter().filter(|event| is_handled(&event.kind) && event.created >= first);
        handled.map(|event| event.id.clone()).collect()
    };
    for at in (1..events.len()).rev() {
        events.swap(at, scene.chance.below(at as u64 + 1) as usize);
    }
    for event in events {
        told(scene, scene.operate("events.replay", json!({ "event": event })).map(drop));
    }
}

/// What Stripe says of the session of one order.
struct AtStripe {
    status: &'static str,
    payment: &'static str,
    /// What was really taken, and in which currency.
    taken: Option<(i64, String)>,
    /// All that was taken went back: by refunds, or by a dispute that was lost.
    returned: bool,
    /// A bank decides about it.
    disputed: bool,
    /// An issuer warns of it.
    warned: bool,
}

impl AtStripe {
    fn is_paid(&self) -> bool {
        self.payment == "paid" || (self.payment == "no_payment_required" && self.status == "complete")
    }
}

fn at_stripe(scene: &Scene) -> BTreeMap<String, AtStripe> {
    let made = orders_by_session(scene);
    let mut account = scene.stripe();
    account.tick(&scene.account.cx());
    let taken = |intent: Option<&str>| {
        let charges = account.charges_of(intent?);
        let charge = charges.into_iter().find(|c| c.captured && c.state == ChargeState::Succeeded)?;
        Some((charge.id.clone(), charge.amount, charge.currency.clone(), charge.amount_refunded))
    };
    let disputes_of = |charge: &str| {
        let all = account.disputes().iter().filter(|dispute| dispute.charge == charge);
        all.map(|dispute| dispute.status).collect::<Vec<_>>()
    };
    account
        .sessions()
        .filter_map(|session| {
            let (status, payment) = (session.status, session.payment_status);
            let order = match session.payment_link {
                None => session.client_reference_id?.to_owned(),
                Some(_) => made.get(session.id)?.clone(),
            };
            let mut seen =
                AtStripe { status, payment, taken: None, returned: false, disputed: false, warned: false };
            if let Some((charge, sum, currency, refunded)) = taken(session.payment_intent) {
                use sandbox::DisputeStatus as At;
                let disputes = disputes_of(&charge);
                let lost = |at: &At| matches!(at, At::Lost | At::AppealNeedsResponse | At::AppealUnderReview);
                seen.returned = refunded >= sum || disputes.iter().any(lost);
                seen.disputed = disputes.iter().any(|at| matches!(at, At::NeedsResponse | At::UnderReview));
                seen.warned = account.warnings().iter().any(|warning| warning.charge == charge);
                seen.taken = Some((sum, currency));
            }
            Some((order, seen))
        })
        .collect()
}

fn orders_by_session(scene: &Scene) -> BTreeMap<String, String> {
    scene.look(|tx| {
        let sql = "SELECT id, stripe_checkout_session_id AS session FROM orders
                   WHERE stripe_checkout_session_id IS NOT NULL";
        let order = |row: &db::Row| row.get::<OrderId>("id").map(|id| id.to_string());
        tx.query(sql, &[])?.iter().map(|row| Ok((row.get("session")?, order(row)?))).collect()
    })
}

/// Whatever a link sold is an order, once the buyer came through; and nothing else of a link is one.
fn what_links_sold_is_ordered(scene: &Scene) {
    let made = orders_by_session(scene);
    let book = scene.book.borrow();
    let account = scene.stripe();
    for session in account.sessions().filter(|session| session.payment_link.is_some()) {
        let (is_sold, is_made) = (session.status == "complete", made.contains_key(session.id));
        let expected = is_sold && !book.strange.contains(session.id);
        if expected != is_made {
            let what = if expected { "I-3: no order was made of" } else { "an order was made of" };
            return scene.fail(format!("{what} {session:?}"));
        }
    }
}

fn all_is_well(scene: &Scene) {
    invariants::glance(scene);
    nothing_waits(scene);
    what_links_sold_is_ordered(scene);
    everything_is_stored(scene);
    let sessions = at_stripe(scene);
    let orders = all_orders(scene);
    for session in sessions.keys() {
        if !orders.contains_key(session) {
            scene.fail(format!("I-3: Stripe has a session for {session}, and there is no such order"));
        }
    }
    for (id, (order, waits)) in &orders {
        if let Err(what) = order_is_well(order, *waits, sessions.get(id)) {
            scene.fail(format!("{id} is {:?}: {what}", order.state));
        }
    }
    refunds_are_as_at_stripe(scene);
    checks_are_content(scene, &orders);
}

/// I-9: of each refund that was asked for here Stripe has at most one, and where it ended is what is said here.
fn refunds_are_as_at_stripe(scene: &Scene) {
    let ours: Vec<(String, String, String)> = scene.look(|tx| {
        let rows = tx.query("SELECT id, status, stripe_payment_intent_id AS intent FROM refunds", &[])?;
        let id = |row: &db::Row| row.get::<shop::ids::RefundId>("id").map(|id| id.to_string());
        rows.iter().map(|row| Ok((id(row)?, row.get("status")?, row.get("intent")?))).collect()
    });
    for (id, status, intent) in &ours {
        let cx = scene.account.cx();
        let list = ApiRequest::get(&format!("/v1/refunds?limit=100&payment_intent={intent}"));
        let list = scene.stripe().handle(&list, &cx).body;
        let all = list["data"].as_array().into_iter().flatten();
        let own = all.filter(|refund| refund["metadata"]["refundId"].as_str() == Some(id));
        let at_stripe: Vec<&str> = own.filter_map(|refund| refund["status"].as_str()).collect();
        let agrees = matches!(
            (status.as_str(), at_stripe.as_slice()),
            ("succeeded", ["succeeded"])
                | ("pending", ["pending" | "requires_action"])
                | ("failed", [] | ["failed" | "canceled"])
        );
        if !agrees {
            scene.fail(format!("I-9: refund {id} is {status} here and {at_stripe:?} at Stripe"));
        }
    }
}

fn nothing_waits(scene: &Scene) {
    let left = scene.count(
        "SELECT (SELECT COUNT(*) FROM jobs) +
                (SELECT COUNT(*) FROM stripe_events WHERE status NOT IN ('processed', 'ignored', 'unmatched'))",
    );
    if left > 0 {
        scene.fail(format!("I-20: {left} jobs or events are left: {}", waiting(scene)));
    }
}

/// I-1: neither what was acknowledged nor anything that Stripe has said is missing.
fn everything_is_stored(scene: &Scene) {
    let stored: std::collections::BTreeSet<String> = scene.look(|tx| {
        let rows = tx.query("SELECT stripe_event_id AS id FROM stripe_events", &[])?;
        rows.iter().map(|row| row.get("id")).collect::<Result<_>>()
    });
    let book = scene.book.borrow();
    if let Some(lost) = book.acknowledged.iter().find(|id| !stored.contains(*id)) {
        scene.fail(format!("I-1: {lost} was acknowledged and is lost"));
    }
    let first = first_order(scene);
    let account = scene.stripe();
    let missing = |event: &&sandbox::Event| {
        is_handled(&event.kind) && event.created >= first && !stored.contains(&event.id)
    };
    if let Some(event) = account.events().iter().find(missing) {
        scene.fail(format!("{} {} never arrived", event.kind, event.id));
    }
}

/// Every order, and whether what it waits for is really not there.
fn all_orders(scene: &Scene) -> BTreeMap<String, (Order, bool)> {
    scene.look(|tx| {
        let rows = tx.query("SELECT id FROM orders", &[])?;
        let ids: Vec<OrderId> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
        let mut all = BTreeMap::new();
        for (id, order) in shop::orders::find_many(tx, &ids)? {
            let waits = invariants::lacks_stock(tx, &order)?;
            all.insert(id.to_string(), (order, waits));
        }
        Ok(all)
    })
}

fn order_is_well(order: &Order, lacks_stock: bool, session: Option<&AtStripe>) -> Result<(), String> {
    let paid = session.is_some_and(AtStripe::is_paid);
    let taken = session.and_then(|session| session.taken.as_ref());
    let right = taken.is_none_or(|(sum, currency)| {
        let total = order.amounts.total();
        *sum == total.minor && currency == total.currency.as_str()
    });
    let suspected = order.reviews.iter().any(|review| review.kind == ReviewKind::AmountMismatch);
    let wrong = |what: &str| Err(what.to_owned());
    let is_refunded = matches!(order.state, State::Refunded { .. });
    if order.refund_marked_at.is_some() {
        return if is_refunded { Ok(()) } else { wrong("I-9: an operator said that it is refunded") };
    }
    let returned = session.is_some_and(|session| session.returned);
    if returned != is_refunded {
        return wrong(if returned { "I-9: its money went back" } else { "I-9: its money did not go back" });
    }
    let disputed = session.is_some_and(|session| session.disputed) && !returned;
    if disputed != order.is_suspended() && order.is_handed_over() {
        return wrong(if disputed {
            "I-10: a bank decides about it"
        } else {
            "I-10: no bank decides about it"
        });
    }
    let told = order.reviews.iter().any(|review| review.kind == ReviewKind::EarlyFraudWarning);
    if session.is_some_and(|session| session.warned) && !told {
        return wrong("an issuer has warned, and nobody is told");
    }
    if order.payment_status == PaymentStatus::RefundPending {
        return wrong("I-9: a refund is under way for ever");
    }
    match order.state {
        State::Pending => wrong("I-20: nothing will ever happen to it"),
        State::Cancelled { .. } if paid => wrong("I-3: its money is ignored"),
        State::Cancelled { .. } => Ok(()),
        _ if !paid => wrong("nobody has paid for it"),
        _ if !right && !suspected => wrong("I-3b: the sum is wrong and nobody is told"),
        State::Paid { waits_for: WaitsFor::Breakdown } => wrong("I-3: nobody explains its amount"),
        State::Paid { waits_for: WaitsFor::Review } if order.open_review().is_none() => {
            wrong("I-3: it waits for a review that is not open")
        }
        State::Paid { waits_for: WaitsFor::Stock } if !lacks_stock => {
            wrong("I-3: it waits for stock that is there")
        }
        State::Paid { .. } | State::Confirmed { .. } | State::Completed { .. } | State::Refunded { .. } => {
            Ok(())
        }
    }
}

/// Later, when every patience of every check is over, they may find only what is genuinely open.
fn checks_are_content(scene: &Scene, orders: &BTreeMap<String, (Order, bool)>) {
    told(scene, scene.drive(scene.nodes[0].shop().seal()));
    let later = scene.clock.now() + Duration::from_secs(24 * 3600);
    let findings = scene.look(move |tx| {
        let mut all = Vec::new();
        for check in shop::checks() {
            all.extend(check.run(tx, later)?);
        }
        Ok(all)
    });
    for finding in findings {
        let order = orders.get(&finding.subject).map(|(order, _)| order);
        let genuine = match finding.check {
            "orders_in_review" => order.is_some_and(|order| order.open_review().is_some()),
            "refund_partial" => order.is_some_and(|order| order.refunded_amount > 0),
            "refund_marked_not_made" => order.is_some_and(|order| order.refund_marked_at.is_some()),
            "dispute_needs_response" => true,
            "dispute_lost_in_part" => {
                order.is_some_and(|order| order.dispute == Some(shop::orders::Dispute::Lost))
            }
            "paid_not_confirmed" => {
                order.is_some_and(|order| order.state == State::Paid { waits_for: WaitsFor::Stock })
            }
            // Of another system on the same account, which names an order that was never ours.
            "events_unmatched" => true,
            // Of a link that sells something else too.
            "prices_not_mapped" => true,
            _ => false,
        };
        if !genuine {
            scene.fail(format!("{} finds {}: {}", finding.check, finding.subject, finding.text));
        }
    }
}
