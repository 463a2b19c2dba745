//! What must be true of orders, and of what they have handed over.

use std::collections::BTreeMap;

use db::{Row, Tx};
use kernel::{Currency, Duration, Money, Result, Timestamp};
use ops::{Check, Found, Mend, Severity};
use stripe::Fact;

use super::store::{self, LateFacts};
use super::{Dispute, LostInPart, Order, PaymentFacts};
use crate::ids::OrderId;

/// The orders' checks.
pub const CHECKS: [Check; 12] = [
    PAID_NOT_CONFIRMED,
    IN_REVIEW,
    GRANT_WITHOUT_ORDER,
    ORDER_WITHOUT_GRANT,
    GRANT_NOT_AS_DISPUTED,
    REFUNDED_STOCK_OUT,
    REFUND_PARTIAL,
    REFUND_MARKED_NOT_MADE,
    DISPUTE_NEEDS_RESPONSE,
    DISPUTE_LOST_IN_PART,
    FACTS_PROVISIONAL,
    INTENT_UNKNOWN,
];

/// How long a paid order may stay unconfirmed before someone has to look (invariant I-3).
const PATIENCE: Duration = Duration::from_secs(10 * 60);

const PAID_NOT_CONFIRMED: Check = Check {
    name: "paid_not_confirmed",
    severity: Severity::Page,
    must: "no order stays paid without being confirmed for ten minutes, unless it is under review",
    means: "The money is there and the goods are not. The order says what it waits for; explain it, then bring the \
            stock or settle it.",
    find: paid_not_confirmed,
};

fn paid_not_confirmed(tx: &mut Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Found>> {
    let rows = tx.query(
        "SELECT id, waits_for, updated_at FROM orders
         WHERE status = 'paid' AND NOT requires_review AND updated_at < $1 ORDER BY updated_at LIMIT $2",
        &[(now - PATIENCE).into(), most.into()],
    )?;
    rows.iter()
        .map(|row| {
            let (id, waits_for): (OrderId, String) = (row.get("id")?, row.get("waits_for")?);
            let mend = mend("orders.confirm", id, format!("makegood orders confirm {id}"));
            found(row, id, format!("paid, waits for {waits_for}"), Some(mend))
        })
        .collect()
}

const IN_REVIEW: Check = Check {
    name: "orders_in_review",
    severity: Severity::Ticket,
    must: "no order waits for a person",
    means: "Money came that does not fit its order, a bank or Radar warns of it, or an operator flagged it. Look at it \
            in Stripe, then clear the review or refund.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT o.id, r.kind, r.detail, r.opened_at AS updated_at FROM orders o
             JOIN order_reviews r ON r.order_id = o.id AND r.cleared_at IS NULL
             WHERE o.requires_review AND o.status <> 'refunded' ORDER BY o.updated_at, r.kind LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, kind): (OrderId, String) = (row.get("id")?, row.get("kind")?);
                let mend = Mend {
                    operation: "orders.review.clear",
                    command: format!("makegood orders review clear {id} --kind {kind}"),
                    input: serde_json::json!({ "order": id, "kind": kind }),
                };
                found(row, id, row.get("detail")?, Some(mend))
            })
            .collect()
    },
};

const GRANT_WITHOUT_ORDER: Check = Check {
    name: "grant_without_order",
    severity: Severity::Page,
    must: "every active grant of an order, or on its behalf, belongs to a confirmed or completed order that has such a line \
           and whose money nobody wants back",
    means: "Someone has access that nobody paid for, or whose money went back or is disputed. The order says what should \
            be; mending makes it so.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT g.order_id AS id, e.product_id, o.id AS bringing, g.updated_at FROM entitlement_grants g
             JOIN entitlements e ON e.id = g.entitlement_id
             LEFT JOIN orders o ON o.id = g.order_id AND o.status IN ('confirmed', 'completed')
               AND o.dispute_status IS NULL
             LEFT JOIN order_lines l ON l.order_id = o.id AND l.product_id = e.product_id
             WHERE g.status = 'active' AND g.order_id IS NOT NULL AND l.order_id IS NULL
             ORDER BY g.id LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, product): (OrderId, String) = (row.get("id")?, row.get("product_id")?);
                // What a good order never sold is taken back by a person, who may know why it was given.
                let undone = row.get::<Option<OrderId>>("bringing")?.is_none();
                let mend = undone.then(|| mend("orders.mend", id, format!("makegood orders mend {id}")));
                found(row, id, format!("access to {product}, but the order does not bring it"), mend)
            })
            .collect()
    },
};

const ORDER_WITHOUT_GRANT: Check = Check {
    name: "order_without_grant",
    severity: Severity::Page,
    must: "every course line of a confirmed or completed order has its grant",
    means: "Someone paid and has no access. Mending grants it.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT o.id, l.product_id, o.updated_at FROM orders o
             JOIN order_lines l ON l.order_id = o.id AND l.kind IN ('course', 'download')
             WHERE o.status IN ('confirmed', 'completed') AND NOT EXISTS (
               SELECT 1 FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
               WHERE g.order_id = o.id AND g.source = 'order' AND e.product_id = l.product_id)
             ORDER BY o.id LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, product): (OrderId, String) = (row.get("id")?, row.get("product_id")?);
                let mend = mend("orders.mend", id, format!("makegood orders mend {id}"));
                found(row, id, format!("{product} was bought and not granted"), Some(mend))
            })
            .collect()
    },
};

const GRANT_NOT_AS_DISPUTED: Check = Check {
    name: "grant_not_as_disputed",
    severity: Severity::Page,
    must: "what an order granted is suspended while its payment is disputed, and only then",
    means: "A bank wants the money back and the buyer still has what it paid for; or the dispute is over and the buyer \
            still has not. Mending suspends or restores exactly what the order granted.",
    find: |tx, _, most| {
        let mut all = Vec::new();
        for (sql, text) in [
            (SUSPENDED_WITHOUT_DISPUTE, "is suspended, and no dispute is open"),
            (ACTIVE_IN_DISPUTE, "is active, and a dispute is open"),
        ] {
            for row in tx.query(sql, &[most.into()])? {
                let (id, product): (OrderId, String) = (row.get("id")?, row.get("product_id")?);
                let mend = mend("orders.mend", id, format!("makegood orders mend {id}"));
                all.push(found(&row, id, format!("access to {product} {text}"), Some(mend))?);
            }
        }
        Ok(all)
    },
};

const SUSPENDED_WITHOUT_DISPUTE: &str =
    "SELECT g.order_id AS id, e.product_id, g.updated_at FROM entitlement_grants g
     JOIN entitlements e ON e.id = g.entitlement_id
     LEFT JOIN orders o ON o.id = g.order_id AND o.dispute_status = 'open' AND o.status IN ('confirmed', 'completed')
     WHERE g.status = 'suspended' AND g.order_id IS NOT NULL AND o.id IS NULL ORDER BY g.updated_at LIMIT $1";

/// Only the few orders that are disputed are read: confirmed and completed ones are named by what they are not, and CROSS
/// JOIN sets them first, else SQLite reads all orders of that status, or all grants.
const ACTIVE_IN_DISPUTE: &str = "SELECT o.id, e.product_id, o.updated_at FROM orders o
     CROSS JOIN entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
     WHERE g.order_id = o.id AND g.status = 'active'
       AND o.dispute_status IS NOT NULL AND o.dispute_status = 'open'
       AND o.status NOT IN ('pending', 'paid', 'cancelled', 'refunded') ORDER BY o.updated_at LIMIT $1";

const REFUNDED_STOCK_OUT: Check = Check {
    name: "refunded_stock_out",
    severity: Severity::Ticket,
    must: "what was refunded before it was shipped is back in stock",
    means: "The money went back and the pieces still count as sold. If they are on the shelf, mending returns them by a \
            ledger entry.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT o.id, r.sku, r.quantity, o.updated_at FROM orders o
             JOIN inventory_reservations r ON r.order_id = o.id AND r.status = 'confirmed'
             WHERE o.status = 'refunded' AND o.shipped_at IS NULL ORDER BY o.id LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, sku): (OrderId, String) = (row.get("id")?, row.get("sku")?);
                let text =
                    format!("refunded, not shipped, and {} × {sku} still out", row.get::<i64>("quantity")?);
                let mend = mend("orders.mend", id, format!("makegood orders mend {id}"));
                found(row, id, text, Some(mend))
            })
            .collect()
    },
};

const REFUND_PARTIAL: Check = Check {
    name: "refund_partial",
    severity: Severity::Ticket,
    must: "no payment was refunded in part",
    means: "Someone refunded a part of a payment in Stripe. That changes nothing here: the buyer keeps everything. If \
            it was meant, leave it; else refund the rest, and what was bought goes back.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT id, refunded_amount, paid_amount, currency, updated_at FROM orders
             WHERE refunded_amount > 0 AND status <> 'refunded' ORDER BY updated_at LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, currency): (OrderId, Currency) = (row.get("id")?, row.get("currency")?);
                let back = Money::new(row.get("refunded_amount")?, currency);
                let paid: Option<i64> = row.get("paid_amount")?;
                let of = paid.map_or(String::new(), |paid| format!(" of {}", Money::new(paid, currency)));
                let mend = mend("refunds.create", id, format!("makegood refunds create {id}"));
                found(row, id, format!("{back}{of} went back; the buyer keeps everything"), Some(mend))
            })
            .collect()
    },
};

/// How long Stripe may take to say that what was marked as refunded is so.
const ASKED: Duration = Duration::from_secs(10 * 60);

const REFUND_MARKED_NOT_MADE: Check = Check {
    name: "refund_marked_not_made",
    severity: Severity::Page,
    must: "what was marked as refunded by hand was refunded at Stripe",
    means: "Someone marked an order as refunded and its goods went back, but as far as Stripe says the buyer has not got \
            the money back, nor does a bank decide about it or has sent it. Refund it; if it went back another way, that is \
            for the books to say.",
    find: |tx, now, most| {
        let rows = tx.query(
            "SELECT id, refunded_amount, paid_amount, currency, refund_marked_at AS updated_at FROM orders
             WHERE refund_marked_at IS NOT NULL AND refund_marked_at < $1
               AND stripe_payment_intent_id IS NOT NULL AND refunded_amount < paid_amount
               AND dispute_status IS NULL
             ORDER BY refund_marked_at LIMIT $2",
            &[(now - ASKED).into(), most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, currency): (OrderId, Currency) = (row.get("id")?, row.get("currency")?);
                let back = Money::new(row.get("refunded_amount")?, currency);
                let paid = Money::new(row.get("paid_amount")?, currency);
                let mend = mend("refunds.create", id, format!("makegood refunds create {id}"));
                found(
                    row,
                    id,
                    format!("marked as refunded; Stripe has sent {back} of {paid} back"),
                    Some(mend),
                )
            })
            .collect()
    },
};

/// Within this time a deadline is near.
const NEAR: Duration = Duration::from_secs(2 * 24 * 3600);

const DISPUTE_NEEDS_RESPONSE: Check = Check {
    name: "dispute_needs_response",
    severity: Severity::Ticket,
    must: "no dispute waits for our answer",
    means: "A bank asks, and an answer counts only until its deadline; without one the dispute is lost. Answer it in \
            Stripe's dashboard, with evidence, or accept it there.",
    find: dispute_needs_response,
};

fn dispute_needs_response(tx: &mut Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Found>> {
    let which = LateFacts { kind: "dispute", states: &TO_ANSWER, limit: most, ..LateFacts::default() };
    let mut open: Vec<(Option<Timestamp>, Found)> = Vec::new();
    for known in store::late_facts(tx, &which)? {
        let Fact::Dispute(dispute) = &known.fact else { continue };
        let Some(state) = dispute.state.now() else { continue };
        let amount = Money::new(state.amount, dispute.currency);
        let until = match state.due_by.map(|due| (due, due.in_words())) {
            Some((due, at)) if due <= now => {
                format!("was due by {at}: see in Stripe whether an answer is still taken")
            }
            Some((due, at)) if due <= now + NEAR => {
                format!("due by {at}, in {} hours", due.since(now).as_secs() / 3600)
            }
            // A text that changed each day could not be put off.
            Some((_, at)) => format!("due by {at}"),
            None => "Stripe names no deadline".into(),
        };
        let text =
            format!("{} of {amount}, order {}: {}; {until}", dispute.id, known.order, state.status.as_str());
        let found = Found { subject: dispute.id.clone(), text, since: Some(known.updated_at), mend: None };
        open.push((state.due_by, found));
    }
    // What is due first stands first; what has no deadline stands last.
    open.sort_by_key(|(due, found)| (due.is_none(), *due, found.subject.clone()));
    Ok(open.into_iter().map(|(_, found)| found).collect())
}

const DISPUTE_LOST_IN_PART: Check = Check {
    name: "dispute_lost_in_part",
    severity: Severity::Ticket,
    must: "where a dispute was lost over a part of a payment, the rest was sent back too",
    means: "A bank has taken a part of the money, everything that was bought was taken back, and the rest of the money is \
            still here. Send the rest back in Stripe's dashboard; or, if the buyer is to keep it, give access as a gift and \
            snooze this.",
    find: |tx, _, most| dispute_lost_in_part(tx, most),
};

fn dispute_lost_in_part(tx: &mut Tx<'_>, most: i64) -> Result<Vec<Found>> {
    let (mut all, mut after): (BTreeMap<OrderId, Found>, Option<String>) = (BTreeMap::new(), None);
    loop {
        let states = &["lost"];
        let which = LateFacts {
            kind: "dispute",
            states,
            after: after.as_deref(),
            limit: PAGE,
            ..LateFacts::default()
        };
        let lost = store::late_facts(tx, &which)?;
        let ids: Vec<OrderId> = lost.iter().map(|known| known.order).collect();
        for (id, order) in store::find_many(tx, &ids)? {
            if let Some(text) = lost_in_part(tx, &order)? {
                let since = lost.iter().find(|known| known.order == id).map(|known| known.updated_at);
                all.insert(id, Found { subject: id.to_string(), text, since, mend: None });
            }
        }
        after = lost.last().map(|known| known.fact.object_id().to_owned());
        if (lost.len() as i64) < PAGE || all.len() as i64 >= most {
            return Ok(all.into_values().collect());
        }
    }
}

/// So many lost disputes are read at once.
const PAGE: i64 = 200;

/// What a lost dispute has left here, in words.
fn lost_in_part(tx: &mut Tx<'_>, order: &Order) -> Result<Option<String>> {
    if order.dispute != Some(Dispute::Lost) {
        return Ok(None);
    }
    let facts = store::facts_of(tx, order.id)?.into_iter().map(|known| known.fact);
    Ok(PaymentFacts::new(facts).lost_in_part(order).map(|LostInPart { lost, paid, left }| {
        format!("the bank has taken {lost} of {paid}; {left} are still here, and everything was taken back")
    }))
}

/// The states in which Stripe waits for us; see [`stripe::DisputeStatus::needs_response`].
const TO_ANSWER: [&str; 3] = ["needs_response", "warning_needs_response", "appeal_needs_response"];

/// How long the word of an event may stand in for the object itself before someone has to look.
const UNSEEN: Duration = Duration::from_secs(10 * 60);

const FACTS_PROVISIONAL: Check = Check {
    name: "facts_provisional",
    severity: Severity::Ticket,
    must: "what can change both ways is known from Stripe's object, not only from an event",
    means: "A refund or a dispute is believed as an event told it; Stripe could not be asked for ten minutes, or has no \
            such object. Mending asks again; if Stripe knows nothing of it, the event was not genuine.",
    find: |tx, now, most| {
        let rows = tx.query(
            "SELECT order_id AS id, object_id, kind, state, updated_at FROM payment_facts
             WHERE provisional AND updated_at < $1 ORDER BY updated_at LIMIT $2",
            &[(now - UNSEEN).into(), most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let (id, object, kind): (OrderId, String, String) =
                    (row.get("id")?, row.get("object_id")?, row.get("kind")?);
                let state: Option<String> = row.get("state")?;
                let state = state.map_or(String::new(), |state| format!(" {state}"));
                let mend = mend("orders.mend", id, format!("makegood orders mend {id}"));
                found(row, id, format!("{kind} {object}{state}, as an event told it"), Some(mend))
            })
            .collect()
    },
};

const INTENT_UNKNOWN: Check = Check {
    name: "payment_intent_unknown",
    severity: Severity::Ticket,
    must: "every paid order knows its payment intent where its timeline does",
    means: "An old order was brought in without its payment intent, so refunds and disputes cannot find it. The backfill \
            takes it from the timeline.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT o.id, o.updated_at FROM orders o
             WHERE COALESCE(o.stripe_payment_intent_id, '') = '' AND o.status NOT IN ('pending', 'cancelled')
               AND EXISTS (SELECT 1 FROM order_timeline t WHERE t.order_id = o.id AND t.type = 'payment_succeeded'
                 AND t.meta ->> 'paymentIntentId' IS NOT NULL)
             ORDER BY o.id LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let mend = Mend {
                    operation: "orders.backfill-payment-intents",
                    input: serde_json::json!({}),
                    command: "makegood orders backfill-payment-intents".into(),
                };
                found(
                    row,
                    row.get("id")?,
                    "its timeline knows its payment, the order does not".into(),
                    Some(mend),
                )
            })
            .collect()
    },
};

fn found(row: &Row, id: OrderId, text: String, mend: Option<Mend>) -> Result<Found> {
    Ok(Found { subject: id.to_string(), text, since: row.get("updated_at")?, mend })
}

fn mend(operation: &'static str, order: OrderId, command: String) -> Mend {
    Mend { operation, input: serde_json::json!({ "order": order }), command }
}
