//! Compares objects as Stripe shows them with what is known here. Reads only.

use std::collections::BTreeSet;

use db::Tx;
use kernel::{Cx, Error, Money, Result, Timestamp};
use ops::{Change, Mend};
use serde_json::{Value, json};
use stripe::{Asked, Fact, MissingField, Proof, Reading, References, read_object};

use super::cause::causes;
use super::{Cause, Finding};
use crate::ids::OrderId;
use crate::orders::{self, Foreseen, SaleVerdict, Unsold};
use crate::refunds::{self, Followed};

/// One object as Stripe showed it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Its id.
    pub(super) id: String,
    /// When it was made, or the youngest of what stands in it.
    made_at: Timestamp,
    /// What it proves; none for a kind that is not read.
    read: Result<Option<Proof>, MissingField>,
    /// Whether it says itself that it is ours.
    says_ours: bool,
}

impl Shown {
    /// Reads an object that answers this question.
    pub(super) fn read(object: &Value, asked: Asked) -> Shown {
        let read = read_object(object, asked).map(|reading| match reading {
            Reading::Proof(proof) => Some(proof),
            Reading::NotHandled => None,
        });
        Shown {
            id: object["id"].as_str().unwrap_or_default().to_owned(),
            made_at: Timestamp::from_seconds(youngest(object)),
            read,
            says_ours: object["metadata"]["orderId"].is_string(),
        }
    }

    /// The same with what else is known of it.
    pub(super) fn with(mut self, more: Vec<Fact>) -> Shown {
        if let Ok(Some(proof)) = &mut self.read {
            proof.facts.extend(more);
        }
        self
    }

    fn proof(&self) -> Option<&Proof> {
        self.read.as_ref().ok()?.as_ref()
    }

    /// What it proves, to be learned.
    pub(super) fn into_proof(self) -> Option<Proof> {
        self.read.ok()?
    }
}

/// The largest `created` in an object and in all that stands in it.
fn youngest(value: &Value) -> i64 {
    match value {
        Value::Object(fields) => {
            let own = fields.get("created").and_then(Value::as_i64).unwrap_or(i64::MIN);
            fields.values().map(youngest).fold(own, i64::max)
        }
        Value::Array(items) => items.iter().map(youngest).fold(i64::MIN, i64::max),
        _ => i64::MIN,
    }
}

/// What an object turned out to be.
#[derive(Debug)]
pub(super) enum Looked {
    /// Nothing that this shop has to do with.
    Foreign,
    /// So young that Stripe's own news of it may still be on their way.
    Young,
    /// Of this order, with what differs.
    Ours {
        /// Whose it is.
        order: OrderId,
        /// Whether that order waits for its payment.
        undecided: bool,
        /// Refunds, disputes and reviews in it that may still change, at Stripe or as far as is known here.
        unfinished: BTreeSet<String>,
        /// What differs; nothing when it is known already.
        findings: Vec<Finding>,
    },
    /// Of no order, and a person has to look.
    Stray(Box<Finding>),
    /// Of no order yet: one can be made of what it sold.
    Sold(Box<Finding>),
}

/// Compares each of these objects, made before `young_from`.
pub(super) fn look(
    tx: &mut Tx<'_>,
    cx: &Cx,
    all: &[Shown],
    young_from: Option<Timestamp>,
) -> Result<Vec<Looked>> {
    let proofs: Vec<&Proof> = all.iter().filter_map(Shown::proof).collect();
    let references: Vec<&References> = proofs.iter().map(|proof| &proof.references).collect();
    let mut matched = orders::match_references(tx, &references)?.into_iter();
    let mut whose = Vec::with_capacity(all.len());
    for shown in all {
        let order = if shown.proof().is_some() { matched.next().flatten() } else { None };
        let is_young = young_from.is_some_and(|from| shown.made_at >= from);
        whose.push(order.filter(|_| !is_young).ok_or(is_young));
    }
    let ours = all.iter().zip(&whose).filter_map(|(shown, order)| {
        let facts = &shown.proof()?.facts;
        order.ok().map(|order| (order, facts.as_slice()))
    });
    let each: Vec<(OrderId, &[Fact])> = ours.collect();
    let mut foreseen = orders::foresee(tx, cx, &each)?.into_iter();
    let mut looked = Vec::with_capacity(all.len());
    for (shown, order) in all.iter().zip(whose) {
        looked.push(match (order, shown.proof()) {
            (Err(true), _) => Looked::Young,
            (Ok(order), Some(proof)) => {
                let seen = foreseen.next().ok_or_else(|| Error::bug("an order was not foreseen"))?;
                ours_of(tx, order, shown, proof, &seen)?
            }
            (_, Some(proof)) if proof.sale.is_some() => sold(tx, shown, proof)?,
            _ => stray(shown),
        });
    }
    Ok(looked)
}

fn ours_of(tx: &mut Tx<'_>, order: OrderId, shown: &Shown, proof: &Proof, seen: &Foreseen) -> Result<Looked> {
    let mut findings = Vec::new();
    if seen.is_news() {
        findings.extend(
            causes(seen, &shown.id)
                .into_iter()
                .map(|(cause, subject)| of_news(cause, subject, order, seen, shown.made_at)),
        );
    }
    for followed in refunds::foresee(tx, proof.facts.iter())? {
        if !findings.iter().any(|finding| finding.subject == followed.stripe_refund) {
            findings.push(of_refund(followed));
        }
    }
    let open = proof.facts.iter().filter(|fact| orders::is_unfinished(fact));
    // What differs here may be open here and ended at Stripe; it was compared all the same.
    let open = open.chain(seen.late().map(|(_, is)| is));
    Ok(Looked::Ours {
        order,
        undecided: matches!(seen.now.state, orders::State::Pending | orders::State::Paid { .. }),
        unfinished: open.map(|fact| fact.object_id().to_owned()).collect(),
        findings,
    })
}

fn of_news(cause: Cause, subject: String, order: OrderId, seen: &Foreseen, made_at: Timestamp) -> Finding {
    if cause == Cause::PaymentNotKnown {
        return of_payment(subject, order, seen, made_at);
    }
    let late = seen.late().find(|(_, is)| is.object_id() == subject);
    let text = match late {
        Some((was, is)) => format!(
            "{subject} is {} at Stripe, and {} here",
            is.state().unwrap_or("known"),
            was.as_ref().map_or("not known", |was| was.state().unwrap_or("known")),
        ),
        None => in_words(&seen.changes()),
    };
    let evidence = json!({
        "at_stripe": late.map(|(_, is)| is),
        "here": late.and_then(|(was, _)| was.as_ref()),
        "order_status": seen.now.state.status(),
        "payment_status": seen.now.payment_status,
    });
    let runbook = match late.map(|(_, is)| is) {
        Some(Fact::Dispute(_)) => Some("dispute"),
        Some(Fact::Warning(_) | Fact::Review(_)) => Some("review-hold"),
        _ => cause.runbook(),
    };
    let mend = Some(learn(&subject));
    Finding { mend, runbook, safe: true, ..plain(cause, subject, Some(order), text) }
        .with(evidence, seen.changes())
}

/// Money that nobody here knows of: what a person asks first is whose it is, how much, and since when.
fn of_payment(subject: String, order: OrderId, seen: &Foreseen, made_at: Timestamp) -> Finding {
    let currency = seen.then.amounts.currency;
    let received = seen.then.paid_amount.map(|sum| Money::new(sum, currency));
    let email = seen.then.email.as_deref();
    let (sum, from) = (
        received.map_or("money".to_owned(), |sum| sum.to_string()),
        email.map_or("somebody whose email is not known", |email| email),
    );
    let text = format!(
        "{sum} came by {subject} at {} from {from}, for order {order}, which is {} here",
        made_at.in_words(),
        seen.now.state.status()
    );
    let evidence = json!({
        "payment": subject,
        "received": received,
        "at": made_at,
        "email": email,
        "order_status": seen.now.state.status(),
        "payment_status": seen.now.payment_status,
    });
    Finding {
        mend: Some(learn(&subject)),
        safe: true,
        ..plain(Cause::PaymentNotKnown, subject, Some(order), text)
    }
    .with(evidence, seen.changes())
}

fn of_refund(followed: Followed) -> Finding {
    let Followed { id, order, stripe_refund, was, is } = followed;
    let text = format!("{id} is {} here, and {} at Stripe", was.as_str(), is.as_str());
    let change = Change { what: id.to_string(), from: was.as_str().into(), to: is.as_str().into() };
    let mend = Some(learn(&stripe_refund));
    Finding { mend, safe: true, ..plain(Cause::RefundUnanswered, stripe_refund, Some(order), text) }
        .with(json!({ "refund": id, "here": was, "at_stripe": is }), vec![change])
}

/// A session of no order, with what it sold.
fn sold(tx: &mut Tx<'_>, shown: &Shown, proof: &Proof) -> Result<Looked> {
    let evidence = json!({ "sold": proof.sale, "received": captured(proof) });
    let found = |cause, text: String, mend, safe| {
        let finding = Finding { mend, safe, ..plain(cause, shown.id.clone(), None, text) };
        Box::new(finding.with(evidence, Vec::new()))
    };
    Ok(match orders::foresee_sale(tx, proof)? {
        Some(SaleVerdict::Order(amounts, lines)) => {
            let what: Vec<String> =
                lines.iter().map(|line| format!("{}×{}", line.quantity, line.product_id)).collect();
            let text = format!(
                "{} sold {} for {}, and no order is here",
                shown.id,
                what.join(", "),
                amounts.total()
            );
            Looked::Sold(found(Cause::SaleNotKnown, text, Some(learn(&shown.id)), true))
        }
        Some(SaleVerdict::Waits(why)) => {
            let mend = match &why {
                Unsold::NotMapped(prices) => prices.first().map(|price| map(price)),
                Unsold::Mode(_) => None,
            };
            let text = format!(
                "{} sold something of ours, and no order can be made of it: {}",
                shown.id,
                why.told()
            );
            Looked::Stray(found(Cause::PriceNotMapped, text, mend, false))
        }
        Some(SaleVerdict::Foreign(_)) | None => Looked::Foreign,
    })
}

/// What has to be done: say for what a price at Stripe stands.
fn map(price: &str) -> Mend {
    Mend {
        operation: "prices.map",
        input: json!({ "stripe_price": price }),
        command: format!("makegood prices map PRICE_ID {price}"),
    }
}

/// An object of no order: money that names one is a person's business, the rest is none of ours.
fn stray(shown: &Shown) -> Looked {
    let found = |cause, text: String, evidence| {
        let subject = shown.id.clone();
        Looked::Stray(Box::new(plain(cause, subject, None, text).with(evidence, Vec::new())))
    };
    match &shown.read {
        Ok(Some(proof)) => match (names_an_order(&proof.references), captured(proof)) {
            (Some(named), Some(sum)) => {
                let payment = proof.references.payment_intent.as_deref().unwrap_or(&shown.id);
                let text = format!("{sum} came by {payment} for `{named}`, and no such order is here");
                let finding = plain(Cause::MoneyWithoutOrder, payment.to_owned(), None, text);
                let evidence = json!({ "names": named, "received": sum, "seen_in": shown.id });
                Looked::Stray(Box::new(finding.with(evidence, Vec::new())))
            }
            _ => Looked::Foreign,
        },
        Err(missing) if shown.says_ours => {
            found(Cause::NotReadable, missing.to_string(), json!({ "missing": missing.to_string() }))
        }
        Ok(None) | Err(_) => Looked::Foreign,
    }
}

fn names_an_order(references: &References) -> Option<&str> {
    references.order.as_deref()
}

/// How much came by a payment and is still here, as far as the object and what stands in it say.
fn captured(proof: &Proof) -> Option<Money> {
    let came = proof.facts.iter().find_map(|fact| match fact {
        Fact::Intent(intent) => intent.received.map(|sum| Money::new(sum, intent.currency)),
        Fact::Charge(charge) if charge.paid && charge.captured => {
            Some(Money::new(charge.captured_amount, charge.currency))
        }
        _ => None,
    })?;
    let went = proof.facts.iter().map(|fact| match fact {
        Fact::Charge(charge) => charge.refunded_now(),
        _ => 0,
    });
    let left = came.minor - went.sum::<i64>();
    (left > 0).then(|| Money::new(left, came.currency))
}

/// What has to be done: look at this object again, and learn it.
fn learn(object: &str) -> Mend {
    Mend {
        operation: super::ops::NAME,
        input: json!({ "only": object, "apply": true }),
        command: format!("makegood reconcile --only {object} --apply"),
    }
}

/// Without evidence and mend.
pub(super) fn plain(cause: Cause, subject: String, order: Option<OrderId>, text: String) -> Finding {
    Finding {
        area: cause.area(),
        cause,
        subject,
        order,
        text,
        evidence: Value::Null,
        plan: Vec::new(),
        mend: None,
        runbook: cause.runbook(),
        safe: false,
        applied: false,
    }
}

impl Finding {
    /// The same with what was seen, and what mending would change.
    pub(super) fn with(self, evidence: Value, plan: Vec<Change>) -> Self {
        Finding { evidence, plan, ..self }
    }
}

/// Changes as a sentence.
pub(super) fn in_words(changes: &[Change]) -> String {
    let each = changes.iter().map(|Change { what, from, to }| format!("{what}: {from} → {to}"));
    each.collect::<Vec<_>>().join("; ")
}
