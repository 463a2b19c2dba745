//! Follows what Stripe proves about refunds that we asked for.

use db::Tx;
use kernel::{Cx, Result};
use ops::Actor;
use stripe::{Fact, RefundFact};

use super::{Refund, RefundStatus, store};
use crate::ids::{OrderId, RefundId};
use crate::orders;

/// Writes down how our refunds stand, out of what was just proved. A refund that failed may be asked for again.
pub fn follow<'f>(
    tx: &mut Tx<'_>,
    cx: &Cx,
    facts: impl Iterator<Item = &'f Fact>,
    cause: &Actor,
) -> Result<()> {
    for fact in facts {
        if let Fact::Refund(seen) = fact
            && let Some(refund) = ours(tx, seen)?
        {
            take_over(tx, cx, &refund, seen, cause)?;
        }
    }
    Ok(())
}

/// What [`follow`] would write down; nothing is changed.
pub fn foresee<'f>(tx: &mut Tx<'_>, facts: impl Iterator<Item = &'f Fact>) -> Result<Vec<Followed>> {
    let mut found = Vec::new();
    for fact in facts {
        if let Fact::Refund(seen) = fact
            && let Some(refund) = ours(tx, seen)?
        {
            let status = status_of(seen);
            let known = refund.status == status && refund.stripe_refund.is_some();
            // One that failed has ended here, whatever becomes of it.
            if !known && refund.status != RefundStatus::Failed {
                let stripe_refund = seen.id.clone();
                found.push(Followed {
                    id: refund.id,
                    order: refund.order,
                    stripe_refund,
                    was: refund.status,
                    is: status,
                });
            }
        }
    }
    Ok(found)
}

/// A refund that was asked for here, and how it stands at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Which.
    pub id: RefundId,
    /// Of which order.
    pub order: OrderId,
    /// Its id at Stripe.
    pub stripe_refund: String,
    /// How it stands here.
    pub was: RefundStatus,
    /// How it stands at Stripe.
    pub is: RefundStatus,
}

/// Ours is the one that carries our id and belongs to the payment that we asked it of: metadata can be typed.
fn ours(tx: &mut Tx<'_>, seen: &RefundFact) -> Result<Option<Refund>> {
    if let Some(refund) = store::by_stripe_id(tx, &seen.id)? {
        return Ok(Some(refund));
    }
    let Some(id) = seen.ours.as_deref().and_then(|text| text.parse().ok()) else { return Ok(None) };
    let same_payment = |refund: &Refund| seen.payment_intent.as_deref() == Some(&refund.payment_intent);
    Ok(store::find(tx, id)?.filter(same_payment))
}

/// Takes over what Stripe has of this refund.
pub(super) fn take_over(
    tx: &mut Tx<'_>,
    cx: &Cx,
    refund: &Refund,
    seen: &RefundFact,
    cause: &Actor,
) -> Result<()> {
    let status = status_of(seen);
    let changed = store::seen(tx, cx, refund.id, status, seen)?;
    if changed && status == RefundStatus::Succeeded {
        // Where another payment of the order is still here, the order goes on with that one.
        orders::refund_given_up(tx, cx, refund.order, cause, "another payment of the order is still here")?;
    }
    if changed && status == RefundStatus::Failed {
        orders::refund_given_up(tx, cx, refund.order, cause, "Stripe could not send the money back")?;
    }
    Ok(())
}

fn status_of(seen: &RefundFact) -> RefundStatus {
    seen.status.now().map_or(RefundStatus::Pending, |status| RefundStatus::of(*status))
}
