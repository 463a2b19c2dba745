//! Three years of trade, made from a seed: so many orders, each with its line, its payment, its timeline, its event and
//! what it granted. The rows are what the shop would have written; they are written in bulk, because a million checkouts
//! would take an hour.

use std::sync::Arc;

use db::{Db, TxResult, Value};
use kernel::{Cx, Duration, Error, Result, Seeded, Timestamp};
use serde_json::json;
use shop::ids::{EntitlementId, OrderId, ProfileId};

/// Orders written in one transaction.
const AT_ONCE: usize = 2_000;
/// How long the shop has been open.
const OPEN_FOR: Duration = Duration::from_secs(3 * 365 * 86_400);
/// Of so many orders one buyer is made.
const ORDERS_OF_A_BUYER: usize = 8;
/// What everything costs, in cents.
const PRICE: i64 = 4_900;
/// The newest orders: some of them wait for their payment, some for a person.
const NEWEST: usize = 2_000;

/// What can be looked for afterwards.
#[derive(Debug, Clone)]
pub struct Sample {
    /// An order in the middle of it all.
    pub order: OrderId,
    /// Its payment intent.
    pub payment_intent: String,
    /// Its buyer.
    pub profile: ProfileId,
    /// Their address.
    pub email: String,
    /// An event about it.
    pub event: String,
}

/// Writes `count` orders that were made before `now`; says on stderr how far it is. The same seed writes the same rows.
pub async fn write(db: &Db, seed: u64, count: usize, now: Timestamp) -> Result<Sample> {
    let chance = Seeded::new(seed);
    let opened = now - OPEN_FOR;
    let step = Duration::from_micros((OPEN_FOR.as_micros() / (count as u128 + 1)) as u64);
    let cx = Cx::new(opened, chance.clone());
    let now = Value::from(opened);
    let product = vec![
        "course".into(),
        "course".into(),
        "Course".into(),
        "".into(),
        Value::Null,
        true.into(),
        now.clone(),
        now,
    ];
    db.write("bench.product", move |tx| {
        tx.insert_many(PRODUCT, "", std::slice::from_ref(&product)).map(drop)
    })
    .await
    .safe_to_repeat()?;
    let mut sample = None;
    let mut done = 0;
    while done < count {
        let size = AT_ONCE.min(count - done);
        let mut some = Rows::default();
        for at in done..done + size {
            let cx = cx.at(opened + step * (at as u32 + 1));
            let made = some.order(&cx, &chance, at, Fate::draw(&chance, at, count - at));
            if at == count / 2 {
                sample = Some(made);
            }
        }
        db.write("bench.years", move |tx| some.clone().write(tx)).await.safe_to_repeat()?;
        done += size;
        if done.is_multiple_of(100_000) || done == count {
            eprintln!("{done} of {count} orders are written");
        }
    }
    sample.ok_or_else(|| Error::bug("no order was made"))
}

/// Two old orders have an event and an audit entry of a rare kind: who lists that kind must not read all the others.
fn rare(number: usize) -> bool {
    number == 10 || number == 20
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Completed,
    Refunded,
    Cancelled,
    Pending,
    UnderReview,
}

impl Fate {
    /// Of an order by its number, which is the `from_end`th from the newest.
    fn draw(chance: &Arc<Seeded>, number: usize, from_end: usize) -> Fate {
        match chance.below(100) {
            // The few rare things are made of orders that were paid.
            _ if rare(number) => Fate::Completed,
            0..3 => Fate::Refunded,
            3..8 => Fate::Cancelled,
            8..12 if from_end < NEWEST => Fate::Pending,
            12 if from_end < NEWEST => Fate::UnderReview,
            _ => Fate::Completed,
        }
    }

    fn status(self) -> &'static str {
        match self {
            Fate::Completed => "completed",
            Fate::Refunded => "refunded",
            Fate::Cancelled => "cancelled",
            Fate::Pending => "pending",
            Fate::UnderReview => "paid",
        }
    }

    fn payment_status(self) -> &'static str {
        match self {
            Fate::Completed | Fate::UnderReview => "paid",
            Fate::Refunded => "refunded",
            Fate::Cancelled => "failed",
            Fate::Pending => "unpaid",
        }
    }

    fn is_paid(self) -> bool {
        matches!(self, Fate::Completed | Fate::Refunded | Fate::UnderReview)
    }

    fn was_handed_over(self) -> bool {
        matches!(self, Fate::Completed | Fate::Refunded)
    }
}

const PRODUCT: &str =
    "INSERT INTO products (id, kind, name, description, sku, active, created_at, updated_at)";
const PROFILES: &str = "INSERT INTO profiles (id, email, created_at)";
const ORDERS: &str =
    "INSERT INTO orders (id, profile_id, email, status, waits_for, cancel_reason, payment_status,
    requires_review, review_reason, currency, subtotal_amount, discount_amount, tax_amount, shipping_amount,
    total_amount, paid_amount, refunded_amount, stripe_payment_intent_id, stripe_checkout_session_id,
    webhook_processed_at, confirmed_at, completed_at, cancelled_at, refunded_at, created_at, updated_at)";
const LINES: &str =
    "INSERT INTO order_lines (order_id, position, product_id, kind, name, sku, quantity, unit_amount)";
const TIMELINE: &str = "INSERT INTO order_timeline (id, order_id, type, at, actor, actor_type, meta)";
const REVIEWS: &str = "INSERT INTO order_reviews (order_id, kind, detail, opened_at)";
const ENTITLEMENTS: &str =
    "INSERT INTO entitlements (id, holder, profile_id, product_id, status, created_at, updated_at)";
const GRANTS: &str =
    "INSERT INTO entitlement_grants (id, entitlement_id, order_id, source, status, reason, actor,
    created_at, updated_at)";
const EVENTS: &str =
    "INSERT INTO stripe_events (stripe_event_id, type, api_version, created, livemode, object_id,
    payload, signature, status, attempts, fence, next_attempt_at, order_id, received_at, processed_at)";
const AUDIT: &str =
    "INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, order_id,
    reason, data)";

/// Rows of some orders, table by table.
#[derive(Debug, Clone, Default)]
struct Rows {
    profiles: Vec<Vec<Value>>,
    orders: Vec<Vec<Value>>,
    lines: Vec<Vec<Value>>,
    timeline: Vec<Vec<Value>>,
    reviews: Vec<Vec<Value>>,
    entitlements: Vec<Vec<Value>>,
    grants: Vec<Vec<Value>>,
    events: Vec<Vec<Value>>,
    audit: Vec<Vec<Value>>,
}

impl Rows {
    /// One order. Each buys another product's worth of the same course: what counts is how many rows there are.
    fn order(&mut self, cx: &Cx, chance: &Arc<Seeded>, number: usize, fate: Fate) -> Sample {
        let (order, buyer): (OrderId, usize) = (cx.id(), number / ORDERS_OF_A_BUYER);
        let profile = ProfileId::from_uuid(uuid::Uuid::from_u128(0x7000_8000_0000_0000_0000 + buyer as u128));
        let email = format!("buyer-{buyer}@example.com");
        let token = format!("{:016x}", chance.next());
        let (intent, session, event) =
            (format!("pi_{token}"), format!("cs_live_{token}"), format!("evt_{token}"));
        let now = Value::from(cx.now);
        let when = |so: bool| if so { now.clone() } else { Value::Null };
        let text = |so: bool, text: &str| if so { Value::from(text) } else { Value::Null };
        if number.is_multiple_of(ORDERS_OF_A_BUYER) {
            self.profiles.push(vec![profile.into(), email.clone().into(), now.clone()]);
        }
        let (paid, review) = (fate.is_paid(), fate == Fate::UnderReview);
        self.orders.push(vec![
            order.into(),
            profile.into(),
            email.clone().into(),
            fate.status().into(),
            text(review, "review"),
            text(fate == Fate::Cancelled, "payment_failed"),
            fate.payment_status().into(),
            review.into(),
            text(review, "amount_mismatch"),
            "usd".into(),
            PRICE.into(),
            0i64.into(),
            0i64.into(),
            0i64.into(),
            PRICE.into(),
            if paid { PRICE.into() } else { Value::Null },
            (if fate == Fate::Refunded { PRICE } else { 0 }).into(),
            text(paid, &intent),
            session.into(),
            when(fate.was_handed_over()),
            when(fate.was_handed_over()),
            when(fate.was_handed_over()),
            when(fate == Fate::Cancelled),
            when(fate == Fate::Refunded),
            now.clone(),
            now.clone(),
        ]);
        self.lines.push(vec![
            order.into(),
            0i64.into(),
            "course".into(),
            "course".into(),
            "Course".into(),
            Value::Null,
            1i64.into(),
            PRICE.into(),
        ]);
        self.timeline.push(entry(cx, order, "order_created", json!({})));
        let kind = if rare(number) {
            "checkout.session.async_payment_succeeded"
        } else {
            "checkout.session.completed"
        };
        if paid {
            let meta = json!({ "paymentIntentId": intent, "received": PRICE, "agrees": !review });
            self.timeline.push(entry(cx, order, "payment_succeeded", meta));
            self.events.push(vec![
                event.clone().into(),
                kind.into(),
                "2026-10-28.endive".into(),
                now.clone(),
                true.into(),
                intent.clone().into(),
                format!("{{\"id\":\"{event}\",\"object\":\"event\"}}").into(),
                "t=1,v1=00".into(),
                "processed".into(),
                1i64.into(),
                1i64.into(),
                now.clone(),
                order.into(),
                now.clone(),
                now.clone(),
            ]);
        }
        if review {
            let detail = "4800 usd came, 4900 usd were expected";
            self.reviews.push(vec![order.into(), "amount_mismatch".into(), detail.into(), now.clone()]);
        }
        if fate.was_handed_over() {
            self.timeline.push(entry(cx, order, "completed", json!({})));
            self.grant(cx, order, profile, number, fate);
        }
        Sample { order, payment_intent: intent, profile, email, event }
    }

    /// The first completed order of a buyer makes the entitlement; a refunded one leaves none that counts.
    fn grant(&mut self, cx: &Cx, order: OrderId, profile: ProfileId, number: usize, fate: Fate) {
        let id: EntitlementId = cx.id();
        let now = Value::from(cx.now);
        let (entitled, grant) = match fate {
            Fate::Refunded => ("revoked", "returned"),
            _ => ("active", "active"),
        };
        self.entitlements.push(vec![
            id.into(),
            if number.is_multiple_of(ORDERS_OF_A_BUYER) {
                profile.uuid().to_string().into()
            } else {
                format!("order:{}", order.uuid()).into()
            },
            profile.into(),
            "course".into(),
            entitled.into(),
            now.clone(),
            now.clone(),
        ]);
        self.grants.push(vec![
            cx.uuid().into(),
            id.into(),
            order.into(),
            "order".into(),
            grant.into(),
            "order confirmed".into(),
            format!("evt_{number}").into(),
            now.clone(),
            now.clone(),
        ]);
        self.audit.push(vec![
            cx.uuid().into(),
            now,
            if rare(number) { "purchase_claim_completed".into() } else { "entitlement_granted".into() },
            format!("evt_{number}").into(),
            "system".into(),
            "product".into(),
            "course".into(),
            order.into(),
            "order confirmed".into(),
            Value::Json("{}".into()),
        ]);
    }

    fn write(self, tx: &mut db::Tx<'_>) -> Result<()> {
        let tables = [
            (PROFILES, self.profiles),
            (ORDERS, self.orders),
            (LINES, self.lines),
            (TIMELINE, self.timeline),
            (REVIEWS, self.reviews),
            (ENTITLEMENTS, self.entitlements),
            (GRANTS, self.grants),
            (EVENTS, self.events),
            (AUDIT, self.audit),
        ];
        tables.iter().try_for_each(|(head, rows)| tx.insert_many(head, "", rows).map(drop))
    }
}

fn entry(cx: &Cx, order: OrderId, kind: &str, meta: serde_json::Value) -> Vec<Value> {
    let (at, meta) = (cx.now.into(), Value::Json(meta.to_string()));
    vec![cx.uuid().into(), order.into(), kind.into(), at, "stripe".into(), "system".into(), meta]
}
