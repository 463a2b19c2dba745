//! Asks for a refund: the intent, before anything is sent.

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Money, Refusal, Result};
use ops::Actor;

use super::{Refund, RefundStatus, SEND, store};
use crate::ids::OrderId;
use crate::orders::{self, Dispute, LostInPart, Order, PaymentFacts, PaymentStatus, State};
use crate::switches::{self, Switch};

/// Asks for the full refund of an order. It is sent by a job.
///
/// # Errors
/// Refused while refunds are switched off, when a refund was asked for before and has not failed, when there is no payment to
/// send back, while a bank decides about it, or when the bank has sent it back.
pub fn request(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, actor: &Actor, reason: &str) -> Result<()> {
    switches::must_be_on(tx, Switch::Refunds)?;
    let order = orders::lock(tx, id)?;
    let (payment_intent, amount) = refundable(tx, &order)?;
    let generation = store::latest_of_order(tx, id)?.map_or(0, |refund| refund.generation) + 1;
    let refund = Refund {
        id: cx.id(),
        order: id,
        status: RefundStatus::Requested,
        generation,
        sent_count: 0,
        sent_at: None,
        payment_intent,
        stripe_refund: None,
        amount,
        reason: reason.to_owned(),
        actor: actor.name.clone(),
        last_error: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    store::insert(tx, &refund)?;
    orders::refund_requested(tx, cx, id, actor, reason)?;
    let send = NewJob {
        kind: SEND,
        key: Some(refund.id.to_string()),
        payload: serde_json::json!({ "refund": refund.id }),
        run_at: cx.now,
    };
    jobs::enqueue(tx, cx, vec![send])
}

/// What is to be sent back, if it can be.
pub(super) fn refundable(tx: &mut Tx<'_>, order: &Order) -> Result<(String, Money)> {
    let explain = format!("makegood orders explain {}", order.id);
    let same_payment = |refund: &Refund| order.payment_intent.as_deref() == Some(&refund.payment_intent);
    let mut of_order = store::of_order(tx, order.id)?.into_iter();
    let earlier = of_order.find(|refund| refund.status != RefundStatus::Failed && same_payment(refund));
    if let Some(earlier) = earlier {
        let why = format!(
            "refund {} of order {} is {} since {}",
            earlier.id,
            order.id,
            earlier.status.as_str(),
            earlier.created_at
        );
        let look = format!("makegood refunds show {}", earlier.id);
        return Err(Refusal::new("refund_exists", why).fix(look).into());
    }
    not_with_the_bank(tx, order)?;
    let is_refunded =
        matches!(order.state, State::Refunded { .. }) || order.payment_status == PaymentStatus::Refunded;
    // What an operator has marked as refunded, and Stripe has not sent, can still be sent.
    if is_refunded && order.refund_marked_at.is_none() {
        let why = format!("order {} is refunded", order.id);
        return Err(Refusal::new("already_refunded", why).fix(explain).into());
    }
    // What somebody has refunded in part is back already; Stripe sends what is left.
    let left = order.paid_amount.map(|paid| paid - order.refunded_amount);
    match (&order.payment_intent, left) {
        (Some(intent), Some(left)) if left > 0 => {
            Ok((intent.clone(), Money::new(left, order.amounts.currency)))
        }
        (None, Some(left)) if left > 0 => {
            let why = format!("order {} was paid, and nobody knows by which payment", order.id);
            Err(Refusal::new("payment_unknown", why).fix(explain).into())
        }
        (Some(_), Some(_)) => {
            Err(Refusal::new("already_refunded", format!("order {} is refunded", order.id))
                .fix(explain)
                .into())
        }
        _ => {
            Err(Refusal::new("nothing_paid", format!("order {} was not paid", order.id)).fix(explain).into())
        }
    }
}

/// What a bank decides about, or has sent back, would go to the buyer twice; a mark by hand changes nothing in that.
fn not_with_the_bank(tx: &mut Tx<'_>, order: &Order) -> Result<()> {
    let (code, why) = match order.dispute {
        None => return Ok(()),
        Some(Dispute::Open) => (
            "payment_disputed",
            format!("a bank decides about the payment of order {}; a refund now would pay twice", order.id),
        ),
        Some(Dispute::Lost) => (
            "dispute_lost",
            format!(
                "the bank has paid the buyer of order {} back: its dispute was lost{}",
                order.id,
                rest(tx, order)?
            ),
        ),
    };
    Err(Refusal::new(code, why).fix(format!("makegood orders explain {}", order.id)).into())
}

/// How much a lost dispute was over, where it was not over all; only Stripe's dashboard sends the rest.
fn rest(tx: &mut Tx<'_>, order: &Order) -> Result<String> {
    let facts = orders::facts_of(tx, order.id)?.into_iter().map(|known| known.fact);
    let told = |LostInPart { lost, paid, left }| {
        format!(" over {lost} of {paid}; {left} are still here, and are sent back in Stripe's dashboard")
    };
    Ok(PaymentFacts::new(facts).lost_in_part(order).map_or_else(String::new, told))
}
