//! Refunds: money on its way back.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::charges::{Charge, ChargeState};
use crate::error::ApiError;
use crate::ids;
use crate::intents::Later;
use crate::lists::Paging;
use crate::params::{Metadata, Params, merge};
use crate::shelf::Kept;

/// How a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The bank has not said yet.
    Pending,
    /// The money is back with the buyer.
    Succeeded,
    /// The money came back to the shop.
    Failed,
}

/// One refund. Its public fields are there for invariants over many payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// The charge that it gives back.
    pub charge: String,
    /// The PaymentIntent of that charge.
    pub payment_intent: String,
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// How it stands.
    pub status: RefundStatus,
    pub(crate) created: i64,
    reason: Option<String>,
    metadata: Metadata,
}

impl Kept for Refund {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Refund {
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.id.replacen("re_", "txn_", 1),
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "customer_account": null,
            "destination_details": { "card": { "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method": null,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status,
            "transfer_reversal": null,
        });
        if self.status == RefundStatus::Failed {
            shown["failure_reason"] = json!("expired_or_canceled_card");
        }
        shown
    }
}

/// What a charge's card makes of a refund: now, or later, and how it ends.
fn fate(charge: &Charge) -> (RefundStatus, Option<Later>) {
    match charge.instrument.card().map(|card| card.method) {
        Some("pm_card_pendingRefund") | None => (RefundStatus::Pending, Some(Later::Succeeds)),
        Some("pm_card_refundFail") => (RefundStatus::Succeeded, Some(Later::Fails)),
        Some(_) => (RefundStatus::Succeeded, None),
    }
}

impl Sandbox {
    /// Every refund of the account, the oldest first.
    pub fn refunds(&self) -> &[Refund] {
        self.refunds.list()
    }

    pub(crate) fn create_refund(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["charge", "payment_intent", "amount", "reason", "metadata", "currency"])?;
        let reason = params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
        let (metadata, asked) = (params.metadata("metadata")?, params.amount("amount")?);
        let charge = self.charge_to_refund(params)?;
        let amount = refund_amount(charge, asked, params)?;
        let (status, later) = fate(charge);
        let refund = Refund {
            id: ids::long("re_3", &call.cx),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            status,
            created: call.seconds(),
            reason,
            metadata,
        };
        let shown = refund.to_json();
        self.take_from_charge(&refund, &shown, call);
        if let Some(outcome) = later {
            let at = call.now() + Duration::from_secs(self.settings.debit_settles_after_seconds);
            self.agenda.push(at, Task::SettleRefund { refund: refund.id.clone(), outcome });
        }
        self.refunds.put(refund);
        Ok(shown)
    }

    fn charge_to_refund(&self, params: &Params) -> Result<&Charge, ApiError> {
        if let Some(id) = params.text("charge")? {
            return self.charges.get(&id).ok_or_else(|| ApiError::no_such("charge", &id, "charge"));
        }
        let Some(id) = params.text("payment_intent")? else {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message));
        };
        if self.intents.get(&id).is_none() {
            return Err(ApiError::no_such("payment_intent", &id, "payment_intent"));
        }
        let paid = |charge: &&Charge| charge.state == ChargeState::Succeeded;
        self.charges_of(&id).into_iter().find(paid).ok_or_else(|| {
            ApiError::impossible(format!(
                "This PaymentIntent ({id}) does not have a successful charge to refund."
            ))
        })
    }

    fn take_from_charge(&mut self, refund: &Refund, shown: &Value, call: &Call) {
        let Some(charge) = self.charges.get_mut(&refund.charge) else { return };
        let before = charge.to_json();
        charge.amount_refunded += refund.amount;
        charge.refunds.push(refund.id.clone());
        let after = charge.to_json();
        self.emit("refund.created", shown, call);
        self.emit_if_changed("charge.refunded", &before, &after, call);
    }

    /// The bank has decided about a refund.
    pub(crate) fn settle_refund(&mut self, id: &str, outcome: Later, call: &Call) {
        let Some(refund) = self.refunds.get_mut(id) else { return };
        let before = refund.to_json();
        refund.status = match outcome {
            Later::Succeeds => RefundStatus::Succeeded,
            Later::Fails => RefundStatus::Failed,
        };
        let (after, amount, charge) = (refund.to_json(), refund.amount, refund.charge.clone());
        if let (Later::Fails, Some(charge)) = (outcome, self.charges.get_mut(&charge)) {
            // The money is the shop's again.
            charge.amount_refunded -= amount;
            self.emit("refund.failed", &after, call);
        }
        self.emit_if_changed("refund.updated", &before, &after, call);
        self.emit_if_changed("charge.refund.updated", &before, &after, call);
    }

    pub(crate) fn retrieve_refund(&self, id: &str) -> Result<Value, ApiError> {
        self.refunds.get(id).map(Refund::to_json).ok_or_else(|| ApiError::no_such("refund", id, "id"))
    }

    pub(crate) fn update_refund(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["metadata"])?;
        let metadata = params.metadata("metadata")?;
        let refund = self.refunds.get_mut(id).ok_or_else(|| ApiError::no_such("refund", id, "id"))?;
        let before = refund.to_json();
        merge(&mut refund.metadata, metadata)?;
        let after = refund.to_json();
        self.emit_if_changed("refund.updated", &before, &after, call);
        self.emit_if_changed("charge.refund.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn list_refunds(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "charge", "payment_intent"])?;
        let (charge, intent) = (params.text("charge")?, params.text("payment_intent")?);
        let (paging, url) = (Paging::read(params)?, "/v1/refunds");
        let charges = match (&charge, &intent) {
            (Some(charge), _) => self.charges.get(charge).into_iter().collect(),
            (None, Some(intent)) => self.charges_of(intent),
            (None, None) => {
                return paging.page(&self.refunds, url, |r| r.created, |_| true, Refund::to_json);
            }
        };
        let ids = charges.iter().flat_map(|charge| &charge.refunds);
        let few: Vec<&Refund> = ids.filter_map(|id| self.refunds.get(id)).collect();
        let keep = |refund: &Refund| intent.as_ref().is_none_or(|intent| refund.payment_intent == *intent);
        paging.page_of_few(&few, url, |r| r.created, keep, Refund::to_json)
    }
}

fn refund_amount(charge: &Charge, asked: Option<i64>, params: &Params) -> Result<i64, ApiError> {
    let left = charge.refundable();
    if charge.state != ChargeState::Succeeded || !charge.captured {
        return Err(ApiError::impossible(format!(
            "Charge {} cannot be refunded: it was not captured.",
            charge.id
        )));
    }
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::impossible(message).code("charge_already_refunded"));
    }
    match asked.unwrap_or(left) {
        0 => Err(params.invalid("amount", "Invalid positive integer").code("parameter_invalid_integer")),
        amount if amount > left => {
            let message =
                format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).");
            Err(ApiError::impossible(message).about("amount"))
        }
        amount => Ok(amount),
    }
}
