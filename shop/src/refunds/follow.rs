//! Follows what Stripe proves about refunds that we asked for.

use db::Tx;
use kernel::{Cx, Result};
use ops::Actor;
use stripe::{Fact, RefundFact};

use super::{Refund, RefundStatus, store};
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
    let status = seen.status.now().map_or(RefundStatus::Pending, |status| RefundStatus::of(*status));
    let changed = store::seen(tx, cx, refund.id, status, &seen.id)?;
    if changed && status == RefundStatus::Failed {
        orders::refund_given_up(tx, cx, refund.order, cause, "Stripe could not send the money back")?;
    }
    Ok(())
}
