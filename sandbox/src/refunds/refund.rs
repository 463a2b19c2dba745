//! A refund, the ways in which it can go, and its shape.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::params::Metadata;
use crate::shelf::Kept;

/// How a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The bank has not said yet.
    Pending,
    /// The buyer must do something first.
    RequiresAction,
    /// The money is back with the buyer; it may fail all the same.
    Succeeded,
    /// The money came back to the shop.
    Failed,
    /// Called off before anything was paid out.
    Canceled,
}

impl RefundStatus {
    /// Whether a refund that stands so can come to stand so.
    pub fn may_become(self, next: RefundStatus) -> bool {
        use RefundStatus::{Canceled, Failed, Pending, RequiresAction, Succeeded};
        match self {
            Pending => matches!(next, RequiresAction | Succeeded | Failed | Canceled),
            RequiresAction => matches!(next, Pending | Succeeded | Failed | Canceled),
            Succeeded => next == Failed,
            Failed | Canceled => false,
        }
    }

    /// Whether the shop has the money again.
    pub fn gives_back(self) -> bool {
        matches!(self, RefundStatus::Failed | RefundStatus::Canceled)
    }

    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Pending => "pending",
            RefundStatus::RequiresAction => "requires_action",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
            RefundStatus::Canceled => "canceled",
        }
    }
}

/// Why a refund failed, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum FailureReason {
    ChargeForPendingRefundDisputed,
    Declined,
    ExpiredOrCanceledCard,
    InsufficientFunds,
    LostOrStolenCard,
    MerchantRequest,
    Unknown,
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
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) failure: Option<FailureReason>,
    /// By which the buyer's bank finds it; it comes some seconds later, on cards.
    #[serde(default)]
    pub(crate) reference: Option<String>,
    #[serde(default = "by_card")]
    pub(crate) to_card: bool,
}

fn by_card() -> bool {
    true
}

impl Kept for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Refund {
    /// The balance's entry by which the money came back; its number is one more than the refund's own.
    pub(crate) fn failure_entry_id(&self) -> Option<String> {
        self.status.gives_back().then(|| self.id.replacen("re_3", "txn_4", 1))
    }

    fn destination(&self) -> Value {
        if !self.to_card {
            return json!({ "type": "us_bank_transfer", "us_bank_transfer": {} });
        }
        let mut card = json!({
            "reference_status": if self.reference.is_some() { "available" } else { "pending" },
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        });
        if let Some(reference) = &self.reference {
            card["reference"] = json!(reference);
        }
        json!({ "card": card, "type": "card" })
    }

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
            "destination_details": self.destination(),
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method": null,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status,
            "transfer_reversal": null,
        });
        match self.status {
            RefundStatus::Pending => shown["pending_reason"] = json!("processing"),
            RefundStatus::RequiresAction => {
                let details = json!({ "email_sent": { "email_sent_at": self.created, "email_sent_to": "buyer@example.com" } });
                shown["next_action"] = json!({ "type": "display_details", "display_details": details });
            }
            RefundStatus::Failed => shown["failure_reason"] = json!(self.failure),
            RefundStatus::Succeeded | RefundStatus::Canceled => {}
        }
        if let Some(entry) = self.failure_entry_id() {
            shown["failure_balance_transaction"] = json!(entry);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::RefundStatus::{Canceled, Failed, Pending, RequiresAction, Succeeded};

    #[test]
    fn the_ways_of_a_refund() {
        let all = [Pending, RequiresAction, Succeeded, Failed, Canceled];
        let line = |from: super::RefundStatus| {
            let ways: Vec<&str> =
                all.iter().filter(|to| from.may_become(**to)).map(|to| to.as_str()).collect();
            format!("{}: {}\n", from.as_str(), ways.join(" "))
        };
        let table: String = all.into_iter().map(line).collect();
        assert_eq!(
            table,
            "pending: requires_action succeeded failed canceled\n\
             requires_action: pending succeeded failed canceled\n\
             succeeded: failed\n\
             failed: \n\
             canceled: \n"
        );
    }
}
