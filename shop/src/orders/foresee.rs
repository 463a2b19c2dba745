//! What would change, without changing it: whoever compares looks before anything is done.

use std::collections::BTreeMap;

use db::Tx;
use kernel::{Cx, Error, Result, Timestamp};
use ops::Change;
use stripe::Fact;

use super::{Order, PaymentFacts, State, settle, store};
use crate::ids::OrderId;

/// An order as it stands, and what it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// As it stands.
    pub now: Order,
    /// What it would be by everything that is known of it already: the same, once it is settled.
    pub settled: Order,
    /// What it would be by the new facts as well.
    pub then: Order,
    /// What would be known otherwise than it is: before, if anything was, and afterwards.
    pub facts: Vec<(Option<Fact>, Fact)>,
}

impl Foreseen {
    /// Whether the new facts tell anything that counts: another end for the order, or another state of a refund, a dispute,
    /// a warning or a review. What was merely not heard of counts for nothing.
    pub fn is_news(&self) -> bool {
        self.then != self.settled || self.late().next().is_some()
    }

    /// Whether what is known already was never acted on.
    pub fn is_unsettled(&self) -> bool {
        self.settled != self.now
    }

    /// Refunds, disputes, warnings and reviews that would be known for the first time, or in another state; and what only
    /// an event had told so far.
    pub fn late(&self) -> impl Iterator<Item = &(Option<Fact>, Fact)> {
        self.facts.iter().filter(|(was, is)| match (was, is) {
            (Some(was), is) => {
                was.state() != is.state() || (was.provisional().is_some() && is.provisional().is_none())
            }
            (None, Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_)) => false,
            (None, Fact::Refund(_) | Fact::Dispute(_) | Fact::Warning(_) | Fact::Review(_)) => true,
        })
    }

    /// The way from how it stands to what it would be.
    pub fn changes(&self) -> Vec<Change> {
        let (now, then) = (shown(&self.now), shown(&self.then));
        let moved = now.into_iter().zip(then).filter(|((_, from), (_, to))| from != to);
        let late = self.late().map(|(was, is)| Change {
            what: is.object_id().to_owned(),
            from: was.as_ref().map_or("not known", |was| was.state().unwrap_or("known")).to_owned(),
            to: is.state().unwrap_or("known").to_owned(),
        });
        let moved = moved.map(|((what, from), (_, to))| Change {
            what: format!("{what} of {}", self.now.id),
            from,
            to,
        });
        late.chain(moved).collect()
    }
}

/// Where an order stands, and why there.
pub(super) fn standing(order: &Order) -> String {
    match &order.state {
        State::Paid { waits_for } => format!("paid, waits for {}", waits_for.as_str()),
        State::Cancelled { reason, .. } => format!("cancelled: {}", reason.as_str()),
        state => state.status().to_owned(),
    }
}

/// Everything on an order that facts may change, in words.
fn shown(order: &Order) -> Vec<(&'static str, String)> {
    let none = || "none".to_owned();
    let open = order.reviews.iter().filter(|review| review.is_open());
    let reviews: Vec<&str> = open.map(|review| review.kind.as_str()).collect();
    vec![
        ("status", standing(order)),
        ("payment status", order.payment_status.as_str().to_owned()),
        ("payment", order.payment_intent.clone().unwrap_or_else(none)),
        ("amount paid", order.paid_amount.map_or_else(none, |sum| sum.to_string())),
        ("amount refunded", order.refunded_amount.to_string()),
        ("amount expected", order.amounts.total().to_string()),
        ("dispute", order.dispute.map_or_else(none, |dispute| dispute.as_str().to_owned())),
        ("review", if reviews.is_empty() { none() } else { reviews.join(", ") }),
        ("email", if order.email.is_some() { "given".to_owned() } else { none() }),
    ]
}

/// Whether the object may still change at Stripe, as far as is known here.
pub fn is_unfinished(fact: &Fact) -> bool {
    fact.state().is_some_and(|state| !store::FINAL_STATES.contains(&state))
}

/// What each order would become by these facts, each by itself.
///
/// # Errors
/// A bug when an order is not there: only matched ones are asked about.
pub fn foresee(tx: &mut Tx<'_>, cx: &Cx, each: &[(OrderId, &[Fact])]) -> Result<Vec<Foreseen>> {
    let ids: Vec<OrderId> = each.iter().map(|(order, _)| *order).collect();
    let orders = store::find_many(tx, &ids)?;
    let known = store::facts(tx, &ids)?;
    let nothing = BTreeMap::new();
    each.iter()
        .map(|(id, new)| {
            let order = orders.get(id).ok_or_else(|| Error::bug("an order that was matched is not there"))?;
            one(tx, cx, order, known.get(id).unwrap_or(&nothing), new)
        })
        .collect()
}

fn one(
    tx: &mut Tx<'_>,
    cx: &Cx,
    order: &Order,
    known: &BTreeMap<String, Fact>,
    new: &[Fact],
) -> Result<Foreseen> {
    let mut joined = known.clone();
    for fact in new {
        let object = fact.object_id().to_owned();
        let fact = match joined.remove(&object) {
            Some(before) => {
                before.join(fact.clone()).ok_or_else(|| Error::bug("facts of different objects"))?
            }
            None => fact.clone(),
        };
        joined.insert(object, fact);
    }
    let changed = joined.iter().filter(|(object, fact)| known.get(*object) != Some(*fact));
    let facts = changed.map(|(object, fact)| (known.get(object).cloned(), fact.clone())).collect();
    let settled = foretell(tx, cx, order, known)?;
    let then = if new.is_empty() { settled.clone() } else { foretell(tx, cx, order, &joined)? };
    Ok(Foreseen { now: order.clone(), settled, then, facts })
}

fn foretell(tx: &mut Tx<'_>, cx: &Cx, order: &Order, facts: &BTreeMap<String, Fact>) -> Result<Order> {
    settle::foretell(tx, cx, order, &PaymentFacts::new(facts.values().cloned()))
}

/// Some orders, and what settling each by what is known already would make of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// How many were looked at.
    pub looked_at: usize,
    /// The one that was looked at last; none when no order is left.
    pub last: Option<OrderId>,
    /// Those that were never settled.
    pub found: Vec<Foreseen>,
}

/// Looks at up to `limit` orders older than `before`, the newest first, none of them made before `since`.
pub fn unsettled(
    tx: &mut Tx<'_>,
    cx: &Cx,
    before: Option<OrderId>,
    since: Option<Timestamp>,
    limit: i64,
) -> Result<Unsettled> {
    let filter = store::Filter { equal: Vec::new(), before, limit };
    let page: Vec<OrderId> = store::list(tx, &filter)?
        .iter()
        .filter(|order| since.is_none_or(|since| order.created_at >= since))
        .map(|order| order.id)
        .collect();
    let each: Vec<(OrderId, &[Fact])> = page.iter().map(|id| (*id, [].as_slice())).collect();
    let all = foresee(tx, cx, &each)?;
    Ok(Unsettled {
        looked_at: page.len(),
        last: page.last().copied(),
        found: all.into_iter().filter(Foreseen::is_unsettled).collect(),
    })
}
