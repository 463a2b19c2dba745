//! How a refund goes on: the bank decides, the buyer acts, somebody calls it off.

use kernel::Cx;
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::intents::Later;
use crate::outside::NotPossible;
use crate::refunds::{FailureReason, Refund, RefundStatus};

impl Sandbox {
    /// Every refund of the account, the oldest first.
    pub fn refunds(&self) -> &[Refund] {
        self.refunds.list()
    }

    /// Lets a refund come to stand so. One that fails or is called off gives the charge its money back.
    pub fn turn_refund(&mut self, refund: &str, to: RefundStatus, cx: &Cx) -> Result<(), NotPossible> {
        let call = self.outside(cx);
        let known = self.refunds.get(refund).ok_or_else(|| NotPossible::no_such("refund", refund))?;
        if !known.status.may_become(to) {
            let (from, to) = (known.status.as_str(), to.as_str());
            return Err(NotPossible::Now(format!("refund {refund} is {from}; it cannot become {to}")));
        }
        self.change_refund(refund, to, FailureReason::ExpiredOrCanceledCard, &call);
        Ok(())
    }

    /// The bank has decided about a refund; if it stands otherwise by now, that no longer counts.
    pub(crate) fn settle_refund(&mut self, id: &str, outcome: Later, call: &Call) {
        let to = match outcome {
            Later::Succeeds => RefundStatus::Succeeded,
            Later::Fails => RefundStatus::Failed,
        };
        if self.refunds.get(id).is_some_and(|refund| refund.status.may_become(to)) {
            self.change_refund(id, to, FailureReason::ExpiredOrCanceledCard, call);
        }
    }

    /// The bank took the money by a dispute before the refund was paid out.
    pub(crate) fn fail_pending_refunds(&mut self, charge: &str, why: FailureReason, call: &Call) {
        let ids = self.charges.get(charge).map(|charge| charge.refunds.clone()).unwrap_or_default();
        for id in ids {
            if self.refunds.get(&id).is_some_and(|refund| refund.status == RefundStatus::Pending) {
                self.change_refund(&id, RefundStatus::Failed, why, call);
            }
        }
    }

    pub(crate) fn change_refund(&mut self, id: &str, to: RefundStatus, why: FailureReason, call: &Call) {
        let Some(refund) = self.refunds.get_mut(id) else { return };
        let before = refund.to_json();
        refund.status = to;
        refund.failure = (to == RefundStatus::Failed).then_some(why);
        let after = refund.to_json();
        let (charge, amount) = (refund.charge.clone(), refund.amount);
        if let (true, Some(charge)) = (to.gives_back(), self.charges.get_mut(&charge)) {
            charge.amount_refunded -= amount;
        }
        if to == RefundStatus::Failed {
            self.emit("refund.failed", &after, call);
        }
        self.tell_of_refund(&before, &after, call);
    }

    /// The number by which banks find it is known.
    pub(crate) fn refer_to_refund(&mut self, id: &str, call: &Call) {
        let Some(refund) = self.refunds.get_mut(id).filter(|refund| refund.status == RefundStatus::Succeeded)
        else {
            return;
        };
        refund.reference = Some(format!("{:023}", call.cx.below(1_000_000_000_000_000_000)));
        let after = refund.to_json();
        let before = json!({ "destination_details": { "card": { "reference": null, "reference_status": "pending" } } });
        for kind in ["refund.updated", "charge.refund.updated"] {
            self.emit_change(kind, &after, Some(&before), call);
        }
    }

    /// By the event of today and by its old twin.
    pub(crate) fn tell_of_refund(&mut self, before: &Value, after: &Value, call: &Call) {
        self.emit_if_changed("refund.updated", before, after, call);
        self.emit_if_changed("charge.refund.updated", before, after, call);
    }
}
