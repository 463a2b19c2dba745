//! Makes true what everything known about orders means: facts → decision → convergence, for many orders in one
//! transaction.

use std::collections::{BTreeMap, BTreeSet};

use db::Tx;
use jobs::NewJob;
use kernel::planted::{Defect, planted};
use kernel::{Cx, Duration, Error, Result};
use ops::audit::{self, Entry};
use ops::{Actor, ActorKind};
use stripe::Fact;

use super::facts::{AmountCheck, Payment, PaymentFacts, Returned, with_session};
use super::store::{self, NewEntry};
use super::{
    CONFIRMED, CancelReason, Dispute, Line, Order, PaymentStatus, Review, ReviewKind, SYNC_SESSION, State,
    Verdict, WaitsFor, decide,
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
    let mut effects = Effects::default();
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
            effects.timeline.extend(told(order, own.get(&object), &joined, &cause));
            changed.insert((order, object.clone()), joined.clone());
            own.insert(object, joined);
        }
        causes.insert(order, cause);
    }
    store::save_facts(tx, cx, &changed)?;
    converge(tx, cx, orders, known, &causes, effects)
}

/// What a dispute or a refund that changed says on its order's timeline.
fn told(order: OrderId, before: Option<&Fact>, now: &Fact, cause: &Actor) -> Option<NewEntry> {
    let was = before.and_then(Fact::state);
    let is = now.state().filter(|is| was != Some(is))?;
    let (kind, meta) = match now {
        Fact::Dispute(dispute) => {
            let state = dispute.state.now()?;
            let kind = match is {
                "won" => "dispute_won",
                "lost" => "dispute_lost",
                _ if was.is_none() => "dispute_opened",
                _ => "dispute_changed",
            };
            let amount = kernel::Money::new(state.amount, dispute.currency);
            let meta = serde_json::json!({
                "dispute": dispute.id, "status": is, "was": was, "amount": amount, "reason": state.reason,
                "due_by": state.due_by,
            });
            (kind, meta)
        }
        Fact::Refund(refund) if is == "failed" => {
            let amount = kernel::Money::new(refund.amount, refund.currency);
            ("refund_failed", serde_json::json!({ "refund": refund.id, "amount": amount }))
        }
        _ => return None,
    };
    Some(NewEntry::new(order, kind, cause, meta))
}

/// Settles orders by what is known already: after a person has acted, or stock has come.
pub fn settle(tx: &mut Tx<'_>, cx: &Cx, ids: &[OrderId], cause: &Actor) -> Result<Vec<Settled>> {
    let orders = store::lock_many(tx, ids)?;
    let known = store::facts(tx, ids)?;
    let causes = ids.iter().map(|id| (*id, cause.clone())).collect();
    converge(tx, cx, orders, known, &causes, Effects::default())
}

type Known = BTreeMap<OrderId, BTreeMap<String, Fact>>;

/// What this transaction writes besides the orders themselves.
#[derive(Default)]
struct Effects {
    timeline: Vec<NewEntry>,
    handovers: Vec<Handover>,
    /// Of orders whose goods were given back before.
    again: Vec<Handover>,
    returns: Vec<(OrderId, Actor)>,
    suspensions: Vec<(OrderId, Actor)>,
    restores: Vec<(OrderId, Actor)>,
    releases: Vec<(OrderId, Release)>,
    holds: Vec<OrderId>,
    reviews: Vec<(OrderId, ReviewKind, String)>,
    /// Flags that Stripe itself has cleared.
    approvals: Vec<OrderId>,
    /// What nobody else writes into the audit log: an event has its own entry there, and so has an operation.
    audit: Vec<Entry>,
    jobs: Vec<NewJob>,
}

fn converge(
    tx: &mut Tx<'_>,
    cx: &Cx,
    orders: BTreeMap<OrderId, Order>,
    mut known: Known,
    causes: &BTreeMap<OrderId, Actor>,
    mut effects: Effects,
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

    let mut written = Vec::new();
    let mut settled = Vec::new();
    for (before, facts, verdict) in judged {
        let cause = causes.get(&before.id).cloned().unwrap_or_else(|| Actor::system("settle"));
        let mut after = turn(cx, &before, &facts, verdict, taken.get(&before.id), &cause, &mut effects);
        let changed = after != before;
        if changed {
            effects.audit.extend(by_itself(&before, &after, &cause));
            after.updated_at = cx.now;
            written.push(after.clone());
        }
        settled.push(Settled { order: after.id, status: after.state.status(), changed });
    }
    write(tx, cx, &written, effects)?;
    Ok(settled)
}

/// What the shop has done by itself: by what a job has fetched from Stripe, or because stock has come.
fn by_itself(before: &Order, after: &Order, cause: &Actor) -> Option<Entry> {
    let (from, to) = (before.state.status(), after.state.status());
    if from == to || cause.kind != ActorKind::System {
        return None;
    }
    let (event, reason) = match after.state {
        State::Cancelled { reason, .. } => (CANCELLED, Some(reason)),
        _ => ("order_settled", None),
    };
    let data = serde_json::json!({ "from": from, "to": to, "reason": reason });
    Some(Entry::new(event, cause.clone(), "order", after.id).order(after.id).with(data))
}

/// What the audit log calls the end of an order that nobody paid.
const CANCELLED: &str = "order_cancelled";

/// What an order becomes by a verdict; what has to be written besides goes into `effects`.
fn turn(
    cx: &Cx,
    before: &Order,
    facts: &PaymentFacts,
    verdict: Verdict,
    taken: Option<&Taken>,
    cause: &Actor,
    effects: &mut Effects,
) -> Order {
    let verdict = match taken {
        Some(Taken::OutOfStock { .. }) if waits_for_stock(before) => Verdict::Already,
        Some(Taken::OutOfStock { .. }) => Verdict::Hold(WaitsFor::Stock),
        Some(Taken::Yes) | None => verdict,
    };
    let mut after = before.clone();
    note_payment(&mut after, facts, cause, effects);
    note_warnings(cx, &mut after, facts, cause, effects);
    apply(cx, &mut after, verdict, cause, effects);
    note_end(&mut after, facts);
    suspend_or_restore(before, &after, cause, effects);
    after
}

/// What an order would become by these facts; nothing is written, no stock is taken.
pub(super) fn foretell(tx: &mut Tx<'_>, cx: &Cx, order: &Order, facts: &PaymentFacts) -> Result<Order> {
    let verdict = decide(order, facts);
    let pieces = order.pieces();
    let taken = match verdict {
        Verdict::HandOver if !pieces.is_empty() => {
            Some(inventory::foresee(tx, &Want { order: order.id, pieces })?)
        }
        _ => None,
    };
    let cause = Actor::system("settle");
    Ok(turn(cx, order, facts, verdict, taken.as_ref(), &cause, &mut Effects::default()))
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
    let (sum, intent, check, how) = match facts.payment(order) {
        Payment::Captured { sum, intent, check } => (sum, intent, check, None),
        Payment::Returned { sum, intent, check, how } => (sum, intent, check, Some(how)),
        _ => return,
    };
    let paid = facts.paid_intents();
    if paid.len() > 1 {
        flag(order, ReviewKind::PaidTwice, format!("paid by {}", paid.join(" and by ")), cause, effects);
    }
    if let (true, AmountCheck::Differs(why)) = (order.is_handed_over() || how.is_some(), &check) {
        // What came first fitted, and what came now contradicts it. The goods are gone; a person has to know.
        flag(order, ReviewKind::AmountMismatch, why.clone(), cause, effects);
    }
    let first = order.paid_amount.is_none();
    order.paid_amount = Some(sum.minor);
    order.payment_intent = intent.clone().or(order.payment_intent.take());
    if first {
        let agrees = check == AmountCheck::Agrees;
        let meta = serde_json::json!({ "paymentIntentId": intent, "received": sum, "agrees": agrees });
        effects.timeline.push(NewEntry::new(order.id, "payment_succeeded", cause, meta));
    }
    order.dispute = facts.dispute(order);
    note_refunds(order, facts, how, cause, effects);
    order.payment_status = payment_status(order, how);
}

/// Only full refunds mean anything; a partial one is written down, and a check shows it.
fn note_refunds(
    order: &mut Order,
    facts: &PaymentFacts,
    how: Option<Returned>,
    cause: &Actor,
    effects: &mut Effects,
) {
    let back = facts.refunded(order);
    if back > order.refunded_amount && how.is_none() {
        let meta = serde_json::json!({ "refunded": back, "of": order.paid_amount, "currency": order.amounts.currency });
        effects.timeline.push(NewEntry::new(order.id, "refund_partial_ignored", cause, meta));
    }
    order.refunded_amount = back;
}

fn payment_status(order: &Order, how: Option<Returned>) -> PaymentStatus {
    match how {
        Some(Returned::Refunded) => PaymentStatus::Refunded,
        _ if order.refund_marked_at.is_some() => PaymentStatus::Refunded,
        Some(Returned::DisputeLost) => PaymentStatus::Disputed,
        None if order.payment_status == PaymentStatus::RefundPending => PaymentStatus::RefundPending,
        None if order.dispute == Some(Dispute::Open) => PaymentStatus::Disputed,
        None => PaymentStatus::Paid,
    }
}

/// What the card's issuer or Radar says makes a person look; what a person at Stripe has approved needs no second one.
fn note_warnings(cx: &Cx, order: &mut Order, facts: &PaymentFacts, cause: &Actor, effects: &mut Effects) {
    if !facts.warnings.is_empty() {
        let all = facts.warnings.iter().map(|warning| {
            format!("{} ({})", warning.id, warning.fraud_type.as_deref().unwrap_or("no reason given"))
        });
        let detail = format!("early fraud warning {}", listed(all));
        flag(order, ReviewKind::EarlyFraudWarning, detail, cause, effects);
    }
    if facts.radar_reviews.is_empty() {
        return;
    }
    if facts.radar_reviews.iter().any(|review| !review.is_approved()) {
        let all = facts.radar_reviews.iter().map(|review| {
            format!("{} ({})", review.id, review.opened_reason.as_deref().unwrap_or("no reason given"))
        });
        flag(order, ReviewKind::RadarReview, format!("Radar review {}", listed(all)), cause, effects);
    } else if let Some(open) =
        order.reviews.iter_mut().find(|review| review.kind == ReviewKind::RadarReview && review.is_open())
    {
        (open.cleared_at, open.cleared_by) = (Some(cx.now), Some("stripe".into()));
        effects.approvals.push(order.id);
        let meta = serde_json::json!({
            "kinds": [ReviewKind::RadarReview], "at": cx.now, "actor": "stripe", "actorType": cause.kind,
            "actorId": cause.name,
        });
        effects.timeline.push(NewEntry::new(order.id, "review_cleared", cause, meta));
    }
}

/// The same for the same things, in whatever order they came.
fn listed(all: impl Iterator<Item = String>) -> String {
    let all: BTreeSet<String> = all.collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// While a bank decides, what was handed over does not count; afterwards exactly that counts again.
fn suspend_or_restore(before: &Order, after: &Order, cause: &Actor, effects: &mut Effects) {
    match (before.is_suspended(), after.is_suspended()) {
        (false, true) if !planted(Defect::DisputeIgnored) => {
            effects.suspensions.push((after.id, cause.clone()));
        }
        (true, false) if after.is_handed_over() => effects.restores.push((after.id, cause.clone())),
        _ => {}
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
        Verdict::TakeBack(how) => take_back(cx, order, how, cause, effects),
    }
}

fn hand_over(cx: &Cx, order: &mut Order, cause: &Actor, effects: &mut Effects) {
    let again = order.webhook_processed_at.is_some();
    if matches!(order.state, State::Cancelled { .. }) {
        effects.timeline.push(NewEntry::new(order.id, "reopened", cause, serde_json::json!({})));
    }
    if again { &mut effects.again } else { &mut effects.handovers }.extend(handovers(order, cause));
    if !again {
        effects.jobs.push(NewJob {
            kind: CONFIRMED,
            key: Some(order.id.to_string()),
            payload: serde_json::json!({ "order": order.id }),
            run_at: cx.now,
        });
    }
    order.webhook_processed_at = Some(cx.now);
    let delivered = !order.has_physical() || order.shipped.is_some();
    order.state = match delivered {
        false => State::Confirmed { at: cx.now },
        true => State::Completed { confirmed_at: cx.now, at: cx.now },
    };
    // What an order says once, it says once.
    let words: &[&'static str] = match (again, delivered) {
        (true, _) => &["given_back"],
        (false, false) => &["confirmed"],
        (false, true) => &["confirmed", "completed"],
    };
    let entries = words.iter().map(|word| NewEntry::new(order.id, word, cause, serde_json::json!({})));
    effects.timeline.extend(entries);
}

/// What an order brings to its holder that is not taken out of the stock.
pub(super) fn handovers(order: &Order, cause: &Actor) -> Vec<Handover> {
    let courses = order.lines.iter().filter(|line| match line.kind {
        ProductKind::Course | ProductKind::Download => true,
        // Its pieces were taken from the stock before; an operator ships them.
        ProductKind::Physical => false,
    });
    let handover = |line: &Line| Handover {
        order: order.id,
        holder: Holder::of(order.profile, order.id),
        product: line.product_id.clone(),
        cause: cause.clone(),
    };
    courses.map(handover).collect()
}

/// Each good goes back by its shelf: entitlements are returned, what is not shipped goes back into stock; what is shipped
/// is gone.
fn take_back(cx: &Cx, order: &mut Order, how: Returned, cause: &Actor, effects: &mut Effects) {
    order.state = State::Refunded { at: cx.now };
    order.payment_status = payment_status(order, Some(how));
    order.webhook_processed_at = order.webhook_processed_at.or(Some(cx.now));
    if order.shipped.is_none() && !planted(Defect::StockNotReturned) {
        effects.releases.push((order.id, Release::Ended));
    }
    if !planted(Defect::RefundLeavesAccess) {
        effects.returns.push((order.id, cause.clone()));
    }
    let manual = order.refund_marked_at.is_some();
    let meta = serde_json::json!({
        "manual": manual, "amount": order.refunded_amount, "paymentIntentId": order.payment_intent,
    });
    let word = match how {
        Returned::Refunded => "refund_full",
        Returned::DisputeLost => "taken_back",
    };
    effects.timeline.push(NewEntry::new(order.id, word, cause, meta));
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
    let why = match reason {
        // A session that expires takes its payment along, and either may be heard of first.
        CancelReason::SessionExpired | CancelReason::PaymentCanceled => Release::TimedOut,
        CancelReason::PaymentFailed | CancelReason::CheckoutFailed | CancelReason::Operator => Release::Ended,
    };
    effects.releases.push((order.id, why));
    let meta = serde_json::json!({ "reason": reason });
    effects.timeline.push(NewEntry::new(order.id, "cancelled", cause, meta));
}

/// Opens a flag, or opens it again when there is something new to see; what is known already is not said twice.
fn flag(order: &mut Order, kind: ReviewKind, detail: String, cause: &Actor, effects: &mut Effects) {
    let known = order.reviews.iter().position(|review| review.kind == kind);
    if known.is_some_and(|at| !kind.opens_again() || order.reviews[at].detail == detail) {
        return;
    }
    let meta = serde_json::json!({ "kind": kind, "detail": detail });
    effects.timeline.push(NewEntry::new(order.id, "review_opened", cause, meta));
    effects.reviews.push((order.id, kind, detail.clone()));
    let review = Review { kind, detail, opened_at: order.updated_at, cleared_at: None, cleared_by: None };
    match known {
        Some(at) => order.reviews[at] = review,
        None => order.reviews.push(review),
    }
}

fn write(tx: &mut Tx<'_>, cx: &Cx, orders: &[Order], effects: Effects) -> Result<()> {
    inventory::release(tx, cx, &effects.releases)?;
    inventory::hold(tx, cx, &effects.holds)?;
    entitlements::hand_over(tx, cx, &effects.handovers)?;
    entitlements::hand_over_again(tx, cx, &effects.again)?;
    entitlements::take_back(tx, cx, &effects.returns)?;
    entitlements::suspend(tx, cx, &effects.suspensions)?;
    entitlements::restore(tx, cx, &effects.restores)?;
    store::save(tx, orders)?;
    for (order, kind, detail) in &effects.reviews {
        store::open_review(tx, cx, *order, *kind, detail)?;
    }
    for order in &effects.approvals {
        store::clear_reviews(tx, cx, *order, &[ReviewKind::RadarReview], "stripe")?;
    }
    store::write_timeline(tx, cx, effects.timeline)?;
    audit::record(tx, cx, effects.audit)?;
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
    let entry = Entry::new(CANCELLED, cause.clone(), "order", id).order(id);
    effects.audit.push(entry.with(serde_json::json!({ "reason": reason })));
    write(tx, cx, &[order], effects)
}
