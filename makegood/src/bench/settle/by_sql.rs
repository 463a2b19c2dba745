//! What settling writes, as plain SQL. Everything is decided and put into words before the clock starts.

use std::collections::BTreeMap;
use std::time::Instant;

use db::Value;
use kernel::{Cx, Error, Result};
use shop::ids::{OrderId, ReservationId};
use stripe::{Event, Fact, Proof, Reading};

use super::super::bare::{Session, Step};
use super::super::place::bug;
use super::super::stage::{Stage, Waiting};

/// Settles `size` new orders; gives orders a second.
pub async fn run(stage: &mut Stage, session: &mut Session, size: usize) -> Result<f64> {
    let orders = stage.orders(size).await?;
    stage.store(&orders).await?;
    let reservations = reservations(stage).await?;
    let cx = stage.shop.cx();
    let transactions = orders
        .iter()
        .map(|order| steps(&cx, order, reservations.get(&order.order)))
        .collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    for steps in &transactions {
        let touched = session.transaction(steps).await?;
        if touched.contains(&0) {
            return Err(Error::bug(format!("a statement of the bare side touched nothing: {touched:?}")));
        }
    }
    Ok(size as f64 / began.elapsed().as_secs_f64())
}

async fn reservations(stage: &Stage) -> Result<BTreeMap<OrderId, ReservationId>> {
    let read = |tx: &mut db::Tx<'_>| {
        let rows =
            tx.query("SELECT order_id, id FROM inventory_reservations WHERE status = 'reserved'", &[])?;
        rows.iter().map(|row| Ok((row.get("order_id")?, row.get("id")?))).collect()
    };
    stage.shop.db.read("bench.reservations", read).await
}

/// The rows of one order: a mug when something is set aside for it, else a course.
fn steps(cx: &Cx, waiting: &Waiting, reservation: Option<&ReservationId>) -> Result<Vec<Step>> {
    let proofs = waiting.events.iter().map(|text| proof(text)).collect::<Result<Vec<_>>>()?;
    let intent = proofs.iter().flat_map(|(_, proof)| &proof.facts).find_map(|fact| match fact {
        Fact::Intent(intent) => Some(intent),
        _ => None,
    });
    let intent = intent.ok_or_else(|| Error::bug("no event about the payment intent"))?;
    let (order, now) = (waiting.order, Value::from(cx.now));
    let last = proofs.last().map(|(id, _)| id.clone()).unwrap_or_default();
    let mut steps = vec![facts(order, &proofs, &now)?, events(order, &proofs, &now)];
    let paid: [Value; 2] = [Value::from(intent.received), intent.id.clone().into()];
    match reservation {
        Some(reservation) => {
            steps.push((CONFIRM, [&paid[..], &[now.clone(), order.into()]].concat()));
            steps.extend(mug(cx, *reservation));
            steps.push((TIMELINE_2, timeline(cx, order, &last, &["payment_succeeded", "confirmed"])));
            steps.push((AUDIT_3, processed(cx, order, &proofs)));
        }
        None => {
            steps.push((COMPLETE, [&paid[..], &[now.clone(), order.into()]].concat()));
            steps.extend(course(cx, order, &last));
            let entries = ["payment_succeeded", "confirmed", "completed"];
            steps.push((TIMELINE_3, timeline(cx, order, &last, &entries)));
            let mut audit = processed(cx, order, &proofs);
            audit.extend(audited(cx, order, "entitlement_granted", ("product", "course")));
            steps.push((AUDIT_4, audit));
        }
    }
    Ok(steps)
}

fn proof(text: &str) -> Result<(String, Proof)> {
    let event = Event::parse(text.as_bytes()).map_err(bug)?;
    match stripe::read(&event).map_err(bug)? {
        Reading::Proof(proof) => Ok((event.id, proof)),
        Reading::NotHandled => Err(Error::bug(format!("{} proves nothing", event.kind))),
    }
}

const COMPLETE: &str = "UPDATE orders SET status = 'completed', payment_status = 'paid', paid_amount = $1,
    stripe_payment_intent_id = $2, webhook_processed_at = $3, confirmed_at = $3, completed_at = $3, updated_at = $3
    WHERE id = $4";
const CONFIRM: &str = "UPDATE orders SET status = 'confirmed', payment_status = 'paid', paid_amount = $1,
    stripe_payment_intent_id = $2, webhook_processed_at = $3, confirmed_at = $3, updated_at = $3 WHERE id = $4";

const FACTS: &str = "INSERT INTO payment_facts (object_id, order_id, kind, fact, updated_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5), ($6, $7, $8, $9::text::jsonb, $10),
           ($11, $12, $13, $14::text::jsonb, $15)";

fn facts(order: OrderId, proofs: &[(String, Proof)], now: &Value) -> Result<Step> {
    let mut values = Vec::new();
    for fact in proofs.iter().flat_map(|(_, proof)| &proof.facts) {
        let text = serde_json::to_string(fact).map_err(bug)?;
        let kind = fact.object_kind();
        values.extend([fact.object_id().into(), order.into(), kind.into(), text.into(), now.clone()]);
    }
    Ok((FACTS, values))
}

const EVENTS: &str = "UPDATE stripe_events SET status = 'processed', attempts = 1, fence = 1, order_id = $1,
    processed_at = $2 WHERE stripe_event_id IN ($3, $4, $5)";

fn events(order: OrderId, proofs: &[(String, Proof)], now: &Value) -> Step {
    let mut values = vec![order.into(), now.clone()];
    values.extend(proofs.iter().map(|(id, _)| Value::from(id)));
    (EVENTS, values)
}

const TIMELINE_2: &str = "INSERT INTO order_timeline (id, order_id, type, at, actor, actor_type, meta)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb), ($8, $9, $10, $11, $12, $13, $14::text::jsonb)";
const TIMELINE_3: &str = "INSERT INTO order_timeline (id, order_id, type, at, actor, actor_type, meta)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb), ($8, $9, $10, $11, $12, $13, $14::text::jsonb),
           ($15, $16, $17, $18, $19, $20, $21::text::jsonb)";

fn timeline(cx: &Cx, order: OrderId, event: &str, kinds: &[&str]) -> Vec<Value> {
    let entry = |kind: &&str| -> [Value; 7] {
        [
            cx.uuid().into(),
            order.into(),
            (*kind).into(),
            cx.now.into(),
            event.into(),
            "stripe".into(),
            "{}".into(),
        ]
    };
    kinds.iter().flat_map(entry).collect()
}

const AUDIT_3: &str = "INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, order_id, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb), ($10, $11, $12, $13, $14, $15, $16, $17, $18::text::jsonb),
           ($19, $20, $21, $22, $23, $24, $25, $26, $27::text::jsonb)";
const AUDIT_4: &str = "INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, order_id, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb), ($10, $11, $12, $13, $14, $15, $16, $17, $18::text::jsonb),
           ($19, $20, $21, $22, $23, $24, $25, $26, $27::text::jsonb),
           ($28, $29, $30, $31, $32, $33, $34, $35, $36::text::jsonb)";

fn processed(cx: &Cx, order: OrderId, proofs: &[(String, Proof)]) -> Vec<Value> {
    let entry = |(id, _): &(String, Proof)| audited(cx, order, "stripe_webhook_processed", ("event", id));
    proofs.iter().flat_map(entry).collect()
}

fn audited(cx: &Cx, order: OrderId, what: &str, subject: (&str, &str)) -> [Value; 9] {
    [
        cx.uuid().into(),
        cx.now.into(),
        what.into(),
        "worker".into(),
        "system".into(),
        subject.0.into(),
        subject.1.into(),
        order.into(),
        "{}".into(),
    ]
}

const ENTITLEMENT: &str = "INSERT INTO entitlements (id, holder, product_id, status, created_at, updated_at)
    VALUES ($1, $2, 'course', 'active', $3, $4)";
const GRANT: &str = "INSERT INTO entitlement_grants
    (id, entitlement_id, order_id, source, status, reason, actor, created_at, updated_at)
    VALUES ($1, $2, $3, 'order', 'active', 'order confirmed', $4, $5, $6)";

fn course(cx: &Cx, order: OrderId, event: &str) -> [Step; 2] {
    let (id, now): (Value, Value) = (cx.uuid().into(), cx.now.into());
    let holder = format!("order:{}", order.uuid());
    [
        (ENTITLEMENT, vec![id.clone(), holder.into(), now.clone(), now.clone()]),
        (GRANT, vec![cx.uuid().into(), id, order.into(), event.into(), now.clone(), now]),
    ]
}

const RESERVATION: &str = "UPDATE inventory_reservations SET status = 'confirmed', updated_at = $1
    WHERE id = $2 AND status = 'reserved'";
const STOCK: &str = "UPDATE inventory SET stock_count = stock_count - 1, reserved_count = reserved_count - 1,
    updated_at = $1 WHERE sku = 'mug' AND reserved_count >= 1";
const LEDGER: &str =
    "INSERT INTO inventory_ledger (id, sku, quantity_change, reason, reference_id, created_at)
    VALUES ($1, 'mug', -1, 'sale', $2, $3)";

fn mug(cx: &Cx, reservation: ReservationId) -> [Step; 3] {
    let now = Value::from(cx.now);
    [
        (RESERVATION, vec![now.clone(), reservation.into()]),
        (STOCK, vec![now.clone()]),
        (LEDGER, vec![cx.uuid().into(), reservation.uuid().to_string().into(), now]),
    ]
}
