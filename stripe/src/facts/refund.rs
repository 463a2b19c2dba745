//! What is proven of a refund.

use kernel::Currency;
use serde::{Deserialize, Serialize};

use super::News;
use super::seen::{Seen, Source};
use crate::MissingField;
use crate::fields::Fields;

/// What is proven of a refund. Stripe keeps no full or partial here: that is said by the charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFact {
    /// Like `re_…`, or `pyr_…`.
    pub id: String,
    /// Of which charge; a few methods refund without one.
    #[serde(default)]
    pub charge: Option<String>,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// How much goes back.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
    /// Our own refund, when we asked for it (`metadata.refundId`).
    #[serde(default)]
    pub ours: Option<String>,
    /// How far it came.
    #[serde(default)]
    pub status: Seen<RefundStatus>,
}

/// How far a refund came, from weak to strong: what failed gives the money back to us, however late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// A word that we do not know yet.
    Other,
    /// On its way.
    Pending,
    /// The buyer has to do something first.
    RequiresAction,
    /// Done.
    Succeeded,
    /// Taken back before it was sent.
    Canceled,
    /// It did not reach the buyer; the money is ours again.
    Failed,
}

impl RefundStatus {
    fn read(word: &str) -> Self {
        match word {
            "pending" => RefundStatus::Pending,
            "requires_action" => RefundStatus::RequiresAction,
            "succeeded" => RefundStatus::Succeeded,
            "canceled" => RefundStatus::Canceled,
            "failed" => RefundStatus::Failed,
            _ => RefundStatus::Other,
        }
    }

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Other => "other",
            RefundStatus::Pending => "pending",
            RefundStatus::RequiresAction => "requires_action",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Canceled => "canceled",
            RefundStatus::Failed => "failed",
        }
    }

    /// Whether the money is the buyer's, or on its way to them.
    pub fn takes_money(self) -> bool {
        match self {
            RefundStatus::Canceled | RefundStatus::Failed => false,
            RefundStatus::Other
            | RefundStatus::Pending
            | RefundStatus::RequiresAction
            | RefundStatus::Succeeded => true,
        }
    }
}

impl RefundFact {
    /// What both prove together of one refund.
    pub fn join(self, other: Self) -> Self {
        RefundFact {
            id: self.id.max(other.id),
            charge: self.charge.max(other.charge),
            payment_intent: self.payment_intent.max(other.payment_intent),
            amount: self.amount.max(other.amount),
            currency: self.currency.max(other.currency),
            ours: self.ours.max(other.ours),
            status: self.status.join(other.status),
        }
    }
}

pub(super) fn read(fields: &Fields<'_>, news: News, source: Source) -> Result<RefundFact, MissingField> {
    let status = match (fields.text("status"), news) {
        (_, News::RefundFailed) => RefundStatus::Failed,
        (Some(word), _) => RefundStatus::read(word),
        // Until 2018 a refund of a card had no status and was done.
        (None, _) => RefundStatus::Succeeded,
    };
    Ok(RefundFact {
        id: fields.needed_text("id", "the refund's id")?.to_owned(),
        charge: fields.id_in("charge"),
        payment_intent: fields.id_in("payment_intent"),
        amount: fields.amount("amount")?,
        currency: fields.currency("currency")?,
        ours: fields.inside("metadata").and_then(|metadata| metadata.owned("refundId")),
        status: Seen::new(status, source),
    })
}
