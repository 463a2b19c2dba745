//! What banks and card networks do: open a dispute, decide it, think again.

use kernel::Cx;
use serde_json::Value;

use crate::account::Sandbox;
use crate::call::Call;
use crate::disputes::dispute::{Dispute, Moved, NewDispute};
use crate::disputes::{DisputeStatus, DisputeStep};
use crate::events::changes;
use crate::outside::NotPossible;
use crate::refunds::FailureReason;
use crate::reviews::ReviewClosed;

impl Sandbox {
    /// Every dispute of the account, the oldest first.
    pub fn disputes(&self) -> &[Dispute] {
        self.disputes.list()
    }

    /// One dispute.
    pub fn dispute(&self, id: &str) -> Option<&Dispute> {
        self.disputes.get(id)
    }

    /// A buyer disputes a charge (`of` is its id, or its PaymentIntent's, or its Checkout Session's); there may be
    /// several disputes about one charge. Gives the dispute's id.
    pub fn open_dispute(&mut self, of: &str, dispute: &NewDispute, cx: &Cx) -> Result<String, NotPossible> {
        let call = self.outside(cx);
        let charge = self.charge_meant(of)?;
        if !charge.captured {
            return Err(NotPossible::Now(format!("{of} was only authorised; there is nothing to dispute")));
        }
        let charge = charge.id.clone();
        Ok(self.begin_dispute(&charge, dispute, &call))
    }

    /// Moves a dispute one step on; gives its new status.
    pub fn move_dispute(
        &mut self,
        dispute: &str,
        step: DisputeStep,
        cx: &Cx,
    ) -> Result<DisputeStatus, NotPossible> {
        let call = self.outside(cx);
        self.step_dispute(dispute, step, &call)
    }

    pub(crate) fn begin_dispute(&mut self, charge: &str, wish: &NewDispute, call: &Call) -> String {
        let Some(disputed) = self.charges.get_mut(charge) else { return String::new() };
        let mut dispute = Dispute::new(disputed, wish, call);
        let moved = dispute.begin(call);
        let (id, status) = (dispute.id.clone(), dispute.status);
        disputed.disputes.push(id.clone());
        self.disputes.put(dispute);
        self.tell_of_dispute(&id, "charge.dispute.created", None, call);
        self.tell_of_money(&id, moved, call);
        if status.is_told_as_closed() {
            self.tell_of_dispute(&id, "charge.dispute.closed", None, call);
        }
        self.after_disputed(charge, moved, call);
        id
    }

    pub(crate) fn step_dispute(
        &mut self,
        id: &str,
        step: DisputeStep,
        call: &Call,
    ) -> Result<DisputeStatus, NotPossible> {
        let known = self.disputes.get_mut(id).and_then(|dispute| {
            let charge = self.charges.get(&dispute.charge)?;
            Some((dispute, charge))
        });
        let (dispute, charge) = known.ok_or_else(|| NotPossible::no_such("dispute", id))?;
        let status = step.from(dispute.status).ok_or_else(|| {
            NotPossible::Now(format!("dispute {id} is {}: no {step:?} from there", dispute.status.as_str()))
        })?;
        let (charge_id, before) = (charge.id.clone(), dispute.to_json());
        let moved = dispute.enter(status, charge, call);
        self.tell_of_step(id, status, moved, &before, call);
        self.after_disputed(&charge_id, moved, call);
        Ok(status)
    }

    /// What ends a dispute comes after the money; what goes on comes before it.
    fn tell_of_step(&mut self, id: &str, status: DisputeStatus, moved: Moved, before: &Value, call: &Call) {
        if status.is_told_as_closed() {
            self.tell_of_money(id, moved, call);
            self.tell_of_dispute(id, "charge.dispute.closed", Some(before), call);
        } else {
            self.tell_of_dispute(id, "charge.dispute.updated", Some(before), call);
            self.tell_of_money(id, moved, call);
        }
    }

    fn tell_of_money(&mut self, id: &str, moved: Moved, call: &Call) {
        match moved {
            Moved::Nothing => {}
            Moved::Withdrawn => self.tell_of_dispute(id, "charge.dispute.funds_withdrawn", None, call),
            Moved::Reinstated => self.tell_of_dispute(id, "charge.dispute.funds_reinstated", None, call),
        }
    }

    pub(crate) fn tell_of_dispute(&mut self, id: &str, kind: &str, before: Option<&Value>, call: &Call) {
        let Some(dispute) = self.disputes.get(id) else { return };
        let shown = dispute.to_json();
        let previous = before.and_then(|before| changes(before, &shown));
        self.emit_change(kind, &shown, previous.as_ref(), call);
    }

    /// Once the bank has taken the money, refunds under way fail, reviews are over and warnings come too late.
    fn after_disputed(&mut self, charge: &str, moved: Moved, call: &Call) {
        if moved == Moved::Withdrawn {
            self.fail_pending_refunds(charge, FailureReason::ChargeForPendingRefundDisputed, call);
            self.end_warnings(charge, call);
            self.end_review_of(charge, ReviewClosed::Disputed, call);
        }
    }
}
