//! Makes true what everything known about orders means: facts → decision → convergence, for many orders in one
//! transaction.

use std::collections::{BTreeMap, BTreeSet};

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Duration, Error, Result};
use ops::Actor;
use ops::audit::{self, Entry};
use stripe::Fact;

use super::facts::{AmountCheck, Payment, PaymentFacts, with_session};
use super::store::{self, NewEntry};
use super::{
    CancelReason, Order, PaymentStatus, Review, ReviewKind, SYNC_SESSION, State, Verdict, WaitsFor, decide,
};
use crate::catalog::ProductKind;
use crate::entitlements::{self, Handover, Holder};
use crate::ids::OrderId;
use crate::inventory::{self, Release, Taken, Want};

/// What an event proves, and for which order.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Which order.
    pub order: OrderId,
    /// What is proved.
    pub fact: Fact,
    /// By what: the event's id, or whoever fetched the object.
    pub cause: Actor,
}

/// What became of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which order.
    pub order: OrderId,
    /// Where it stands now.
    pub status: &'static str,
    /// Whether anything changed.
    pub changed: bool,
}

/// Joins facts into what is known about their orders, then settles these orders. Any order, any number of times: the
/// same end.
pub fn learn(tx: &mut Tx<'_>, cx: &Cx, learned: Vec<Learned>) -> Result<Vec<Settled>> {
    let ids: BTreeSet<OrderId> = learned.iter().map(|l| l.order).collect();
    let ids: Vec<OrderId> = ids.into_iter().collect();
    // The orders are locked before their facts are read: of two workers the second waits here and then sees what the
    // first has joined.
    let orders = store::lock_many(tx, &ids)?;
    let mut known = store::facts(tx, &ids)?;
    let mut causes = BTreeMap::new();
    let mut changed = BTreeMap::new();
    for Learned { order, fact, cause } in learned {
        let object = fact.object_id().to_owned();
        let own = known.entry(order).or_default();
        let joined = match own.get(&object) {
            Some(before) => {
                before.clone().join(fact).ok_or_else(|| Error::bug("facts of different objects"))?
            }
            None => fact,
        };
        if own.get(&object) != Some(&joined) {
            changed.insert((order, object.clone()), joined.clone());
            own.insert(object, joined);
        }
        causes.insert(order, cause);
    }
    store::save_facts(tx, cx, &changed)?;
    converge(tx, cx, orders, known, &causes)
}

/// Settles orders by what is known already: after a person has acted, or stock has come.
pub fn settle(tx: &mut Tx<'_>, cx: &Cx, ids: &[OrderId], cause: &Actor) -> Result<Vec<Settled>> {
    let orders = store::lock_many(tx, ids)?;
    let known = store::facts(tx, ids)?;
    let causes = ids.iter().map(|id| (*id, cause.clone())).collect();
    converge(tx, cx, orders, known, &causes)
}

type Known = BTreeMap<OrderId, BTreeMap<String, Fact>>;

/// What this transaction writes besides the orders themselves.
#[derive(Default)]
struct Effects {
    timeline: Vec<NewEntry>,
    handovers: Vec<Handover>,
    releases: Vec<OrderId>,
    holds: Vec<OrderId>,
    reviews: Vec<(OrderId, ReviewKind, String)>,
    jobs: Vec<NewJob>,
}

fn converge(
    tx: &mut Tx<'_>,
    cx: &Cx,
    orders: BTreeMap<OrderId, Order>,
    mut known: Known,
    causes: &BTreeMap<OrderId, Actor>,
) -> Result<Vec<Settled>> {
    let judged: Vec<(Order, PaymentFacts, Verdict)> = orders
        .into_values()
        .map(|order| {
            let facts = PaymentFacts::new(known.remove(&order.id).unwrap_or_default().into_values());
            let verdict = decide(&order, &facts);
            (order, facts, verdict)
        })
        .collect();
    let wants: Vec<Want> = judged
        .iter()
        .filter(|(_, _, verdict)| *verdict == Verdict::HandOver)
        .map(|(order, _, _)| Want { order: order.id, pieces: order.pieces() })
        .collect();
    let taken = inventory::take(tx, cx, &wants)?;

    let mut effects = Effects::default();
    let mut written = Vec::new();
    let mut settled = Vec::new();
    for (before, facts, verdict) in judged {
        let verdict = match taken.get(&before.id) {
            Some(Taken::OutOfStock { .. }) if waits_for_stock(&before) => Verdict::Already,
            Some(Taken::OutOfStock { .. }) => Verdict::Hold(WaitsFor::Stock),
            Some(Taken::Yes) | None => verdict,
        };
        let cause = causes.get(&before.id).cloned().unwrap_or_else(|| Actor::system("settle"));
        let mut after = before.clone();
        note_payment(&mut after, &facts, &cause, &mut effects);
        apply(cx, &mut after, verdict, &cause, &mut effects);
        note_end(&mut after, &facts);
        let changed = after != before;
        if changed {
            after.updated_at = cx.now;
            written.push(after.clone());
        }
        settled.push(Settled { order: after.id, status: after.state.status(), changed });
    }
    write(tx, cx, &written, effects)?;
    Ok(settled)
}

fn is_handed_over(order: &Order) -> bool {
    matches!(order.state, State::Confirmed { .. } | State::Completed { .. })
}

fn waits_for_stock(order: &Order) -> bool {
    order.state == State::Paid { waits_for: WaitsFor::Stock }
}

/// What the facts say about the money is written down whatever the verdict is.
fn note_payment(order: &mut Order, facts: &PaymentFacts, cause: &Actor, effects: &mut Effects) {
    if let Some(session) = facts.completed_session() {
        order.amounts = with_session(&order.amounts, session);
        // A guest may type it only on Stripe's page; it is how the purchase is claimed later.
        order.email = order.email.take().or_else(|| session.email.clone());
    }
    let Payment::Captured { sum, intent, check } = facts.payment(order) else { return };
    let paid = facts.paid_intents();
    if paid.len() > 1 && !order.reviews.iter().any(|review| review.kind == ReviewKind::PaidTwice) {
        flag(order, ReviewKind::PaidTwice, format!("paid by {}", paid.join(" and by ")), cause, effects);
    }
    if let (true, AmountCheck::Differs(why)) = (is_handed_over(order), &check)
        && !order.reviews.iter().any(|review| review.kind == ReviewKind::AmountMismatch)
    {
        // What came first fitted, and what came now contradicts it. The goods are gone; a person has to know.
        flag(order, ReviewKind::AmountMismatch, why.clone(), cause, effects);
    }
    let first = order.payment_status != PaymentStatus::Paid;
    order.payment_status = PaymentStatus::Paid;
    order.paid_amount = Some(sum.minor);
    order.payment_intent = intent.clone().or(order.payment_intent.take());
    if first {
        let agrees = check == AmountCheck::Agrees;
        let meta = serde_json::json!({ "paymentIntentId": intent, "received": sum, "agrees": agrees });
        effects.timeline.push(NewEntry::new(order.id, "payment_succeeded", cause, meta));
    }
}

/// Why an order ended unpaid, and whether a payment was tried, is said by all facts together, whichever was heard of
/// first. What a person or the checkout has ended keeps its reason.
fn note_end(order: &mut Order, facts: &PaymentFacts) {
    let State::Cancelled { reason, at } = order.state else { return };
    let payment = facts.payment(order);
    let open = matches!(order.payment_status, PaymentStatus::Unpaid | PaymentStatus::Processing);
    if open && facts.has_failed() && payment != Payment::Processing {
        order.payment_status = PaymentStatus::Failed;
    }
    let told = payment
        .ends_as()
        .filter(|_| !matches!(reason, CancelReason::CheckoutFailed | CancelReason::Operator));
    order.state = State::Cancelled { reason: told.unwrap_or(reason), at };
}

fn apply(cx: &Cx, order: &mut Order, verdict: Verdict, cause: &Actor, effects: &mut Effects) {
    match verdict {
        Verdict::Already => {}
        Verdict::Note(status) => {
            order.payment_status = status;
            if status == PaymentStatus::Processing {
                effects.holds.push(order.id);
            }
            let kind = if status == PaymentStatus::Failed { "payment_failed" } else { "payment_processing" };
            effects.timeline.push(NewEntry::new(order.id, kind, cause, serde_json::json!({})));
        }
        Verdict::HandOver => hand_over(cx, order, cause, effects),
        Verdict::Hold(waits_for) => hold(cx, order, waits_for, cause, effects),
        Verdict::Suspect(why) => {
            flag(order, ReviewKind::AmountMismatch, why, cause, effects);
            hold(cx, order, WaitsFor::Review, cause, effects);
        }
        Verdict::Cancel(reason) => cancel(cx, order, reason, cause, effects),
    }
}

fn hand_over(cx: &Cx, order: &mut Order, cause: &Actor, effects: &mut Effects) {
    if matches!(order.state, State::Cancelled { .. }) {
        effects.timeline.push(NewEntry::new(order.id, "reopened", cause, serde_json::json!({})));
    }
    for line in &order.lines {
        match line.kind {
            ProductKind::Course => effects.handovers.push(Handover {
                order: order.id,
                holder: Holder::of(order.profile, order.id),
                product: line.product_id.clone(),
                cause: cause.clone(),
            }),
            // Its pieces were taken from the stock before; an operator ships them.
            ProductKind::Physical => {}
        }
    }
    order.webhook_processed_at = Some(cx.now);
    effects.timeline.push(NewEntry::new(order.id, "confirmed", cause, serde_json::json!({})));
    order.state = if order.has_physical() {
        State::Confirmed { at: cx.now }
    } else {
        effects.timeline.push(NewEntry::new(order.id, "completed", cause, serde_json::json!({})));
        State::Completed { confirmed_at: cx.now, at: cx.now }
    };
}

/// How long the session's own event may take before Stripe is asked for the session.
const BREAKDOWN_PATIENCE: Duration = Duration::from_secs(30);

fn hold(cx: &Cx, order: &mut Order, waits_for: WaitsFor, cause: &Actor, effects: &mut Effects) {
    order.state = State::Paid { waits_for };
    let meta = serde_json::json!({ "waits_for": waits_for });
    effects.timeline.push(NewEntry::new(order.id, "held", cause, meta));
    // While it waits nobody else can buy what is set aside for it.
    effects.holds.push(order.id);
    if waits_for == WaitsFor::Breakdown {
        effects.jobs.push(NewJob {
            kind: SYNC_SESSION,
            key: Some(order.id.to_string()),
            payload: serde_json::json!({ "order": order.id }),
            run_at: cx.now + BREAKDOWN_PATIENCE,
        });
    }
}

fn cancel(cx: &Cx, order: &mut Order, reason: CancelReason, cause: &Actor, effects: &mut Effects) {
    order.state = State::Cancelled { reason, at: cx.now };
    if matches!(reason, CancelReason::PaymentFailed | CancelReason::PaymentCanceled) {
        order.payment_status = PaymentStatus::Failed;
    }
    effects.releases.push(order.id);
    let meta = serde_json::json!({ "reason": reason });
    effects.timeline.push(NewEntry::new(order.id, "cancelled", cause, meta));
}

fn flag(order: &mut Order, kind: ReviewKind, detail: String, cause: &Actor, effects: &mut Effects) {
    let meta = serde_json::json!({ "kind": kind, "detail": detail });
    effects.timeline.push(NewEntry::new(order.id, "review_opened", cause, meta));
    effects.reviews.push((order.id, kind, detail.clone()));
    order.reviews.push(Review {
        kind,
        detail,
        opened_at: order.updated_at,
        cleared_at: None,
        cleared_by: None,
    });
}

fn write(tx: &mut Tx<'_>, cx: &Cx, orders: &[Order], effects: Effects) -> Result<()> {
    inventory::release(tx, cx, &effects.releases, Release::Ended)?;
    inventory::hold(tx, cx, &effects.holds)?;
    entitlements::hand_over(tx, cx, &effects.handovers)?;
    store::save(tx, orders)?;
    for (order, kind, detail) in &effects.reviews {
        store::open_review(tx, cx, *order, *kind, detail)?;
    }
    store::write_timeline(tx, cx, effects.timeline)?;
    jobs::enqueue(tx, cx, effects.jobs)
}

/// Ends pending orders that nobody will pay, outside of what facts say: Stripe refused the checkout, an operator cancels.
pub(super) fn end(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, reason: CancelReason, cause: &Actor) -> Result<()> {
    let mut order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    if order.state != State::Pending {
        return Ok(());
    }
    let mut effects = Effects::default();
    cancel(cx, &mut order, reason, cause, &mut effects);
    order.updated_at = cx.now;
    write(tx, cx, &[order], effects)?;
    let entry = Entry::new("order_cancelled", cause.clone(), "order", id).order(id);
    audit::record(tx, cx, vec![entry.with(serde_json::json!({ "reason": reason }))]).map(drop)
}
