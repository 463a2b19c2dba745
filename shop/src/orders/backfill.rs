//! Old orders learn their payment intent from their own timeline, so that refunds and disputes find them: those that come,
//! and those that came before and were ignored.

use std::collections::{BTreeMap, BTreeSet};

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Duration, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store::{self, NewEntry};
use crate::ids::OrderId;

/// Orders in one run: what a person can look through, and one transaction can write.
const AT_ONCE: usize = 500;

/// Write the payment intent on old orders whose timeline knows it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct BackfillPaymentIntents {}

/// What the timelines of orders without a payment intent say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// Whose payment it is beyond doubt.
    clear: BTreeMap<OrderId, String>,
    /// What a person has to look at, in words.
    doubtful: Vec<String>,
}

/// One payment never pays for two orders, and an order that two payments paid is a person's business: nothing is guessed.
/// `taken` are payments that belong to other orders already.
fn judge(told: &BTreeMap<OrderId, BTreeSet<String>>, taken: &BTreeMap<String, OrderId>) -> Told {
    let mut judged = Told::default();
    let mut claimed: BTreeMap<&str, Vec<OrderId>> = BTreeMap::new();
    told.iter().for_each(|(order, intents)| {
        intents.iter().for_each(|intent| claimed.entry(intent).or_default().push(*order));
    });
    for (order, intents) in told {
        let only = intents.first().map(String::as_str).unwrap_or_default();
        let doubt = if intents.len() > 1 {
            let all: Vec<&str> = intents.iter().map(String::as_str).collect();
            Some(format!("{order} was paid by {}", all.join(" and by ")))
        } else if !only.starts_with("pi_") {
            Some(format!("{order}: `{only}` is no payment intent"))
        } else if let Some(other) = taken.get(only).filter(|other| *other != order) {
            Some(format!("{order}: {only} belongs to {other}"))
        } else {
            let others = claimed[only].iter().find(|other| *other != order);
            others.map(|other| format!("{order}: {only} stands on the timeline of {other} too"))
        };
        match doubt {
            Some(doubt) => judged.doubtful.push(doubt),
            None => drop(judged.clear.insert(*order, only.to_owned())),
        }
    }
    judged
}

fn look(tx: &mut Tx<'_>) -> Result<Told> {
    let told = store::told_intents(tx)?;
    let intents: BTreeSet<&str> = told.values().flatten().map(String::as_str).collect();
    let taken = store::orders_by_intent(tx, &intents)?;
    Ok(judge(&told, &taken))
}

/// An event that is being settled at this moment has perhaps not seen what was written; a little later it has ended.
const ONCE_MORE: Duration = Duration::from_secs(60);

/// Events about these payments may have been ignored; they are woken by a job, because orders know no events.
fn announce(tx: &mut Tx<'_>, cx: &Cx, clear: &BTreeMap<OrderId, String>) -> Result<()> {
    let job = |run_at| NewJob {
        kind: super::INTENTS_KNOWN,
        key: None,
        payload: serde_json::json!({ "intents": clear.values().collect::<Vec<_>>() }),
        run_at,
    };
    jobs::enqueue(tx, cx, [cx.now, cx.now + ONCE_MORE].map(job).into())
}

impl Operation for BackfillPaymentIntents {
    const NAME: &'static str = "orders.backfill-payment-intents";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "payment_intents_backfilled";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let told = look(tx)?;
        let plan = Plan::default();
        Ok(told.clear.iter().take(AT_ONCE).fold(plan, |plan, (order, intent)| {
            plan.change(format!("payment intent of {order}"), "unknown", intent)
        }))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let clear: BTreeMap<OrderId, String> = look(tx)?.clear.into_iter().take(AT_ONCE).collect();
        store::set_intents(tx, cx, &clear)?;
        let entries = clear.iter().map(|(order, intent)| {
            let meta = serde_json::json!({ "paymentIntentId": intent });
            NewEntry::new(*order, "payment_intent_backfilled", &by.actor, meta)
        });
        store::write_timeline(tx, cx, entries.collect())?;
        announce(tx, cx, &clear)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let rest = look(tx)?;
        let left = match rest.clear.len() {
            0 => "none".to_owned(),
            left => format!("{left}; run it again"),
        };
        let mut proofs = vec![Proof::new(
            "no order is left whose timeline knows its payment intent",
            rest.clear.is_empty(),
            left,
        )];
        // They are no failure of this run, and nobody shall believe that they were seen to.
        proofs.extend(
            rest.doubtful
                .into_iter()
                .take(20)
                .map(|doubt| Proof::new("what is doubtful is left to a person", true, doubt)),
        );
        Ok(proofs)
    }

    fn subject(&self) -> (&'static str, String) {
        ("orders", "without payment intent".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(n: u128) -> OrderId {
        OrderId::from_uuid(uuid::Uuid::from_u128(n))
    }

    fn judged(told: &[(u128, &[&str])], taken: &[(&str, u128)]) -> (Vec<OrderId>, usize) {
        let told = told.iter().map(|(n, all)| (order(*n), all.iter().map(|id| (*id).to_owned()).collect()));
        let taken = taken.iter().map(|(intent, n)| ((*intent).to_owned(), order(*n)));
        let judged = judge(&told.collect(), &taken.collect());
        (judged.clear.into_keys().collect(), judged.doubtful.len())
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(judged(&[(1, &["pi_1", "pi_2"])], &[]), (vec![], 1), "two payments for one order");
        assert_eq!(judged(&[(1, &["ch_1"])], &[]), (vec![], 1), "no payment intent at all");
        assert_eq!(judged(&[(1, &["pi_1"])], &[("pi_1", 2)]), (vec![], 1), "another order's payment");
        assert_eq!(judged(&[(1, &["pi_1"]), (2, &["pi_1"])], &[]), (vec![], 2), "two orders want it");
    }

    #[test]
    fn a_payment_that_is_known_to_be_the_orders_own_is_taken() {
        assert_eq!(judged(&[(1, &["pi_1"])], &[("pi_1", 1)]), (vec![order(1)], 0));
        assert_eq!(judged(&[(1, &["pi_1"]), (2, &["pi_2"])], &[]), (vec![order(1), order(2)], 0));
    }
}
