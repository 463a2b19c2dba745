//! What is proven of Radar's early fraud warnings and reviews. Both only go one way.

use serde::{Deserialize, Serialize};

use super::News;
use crate::MissingField;
use crate::fields::Fields;

/// The card's issuer believes that a payment is fraud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningFact {
    /// Like `issfr_…`.
    pub id: String,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<String>,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// Like `made_with_stolen_card`.
    #[serde(default)]
    pub fraud_type: Option<String>,
}

/// A payment that Radar or a person wants to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFact {
    /// Like `prv_…`.
    pub id: String,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<String>,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// `rule` or `manual`.
    #[serde(default)]
    pub opened_reason: Option<String>,
    /// How it was closed, like `approved` or `refunded_as_fraud`.
    #[serde(default)]
    pub closed: Option<String>,
}

impl WarningFact {
    /// What both prove together of one warning.
    pub fn join(self, other: Self) -> Self {
        WarningFact {
            id: self.id.max(other.id),
            charge: self.charge.max(other.charge),
            payment_intent: self.payment_intent.max(other.payment_intent),
            fraud_type: self.fraud_type.max(other.fraud_type),
        }
    }
}

impl ReviewFact {
    /// What both prove together of one review.
    pub fn join(self, other: Self) -> Self {
        ReviewFact {
            id: self.id.max(other.id),
            charge: self.charge.max(other.charge),
            payment_intent: self.payment_intent.max(other.payment_intent),
            opened_reason: self.opened_reason.max(other.opened_reason),
            closed: self.closed.max(other.closed),
        }
    }

    /// A person at Stripe has looked at the payment and found it good.
    pub fn is_approved(&self) -> bool {
        self.closed.as_deref() == Some("approved")
    }
}

pub(super) fn read_warning(fields: &Fields<'_>) -> Result<WarningFact, MissingField> {
    Ok(WarningFact {
        id: fields.needed_text("id", "the warning's id")?.to_owned(),
        charge: fields.id_in("charge"),
        payment_intent: fields.id_in("payment_intent"),
        fraud_type: fields.owned("fraud_type"),
    })
}

pub(super) fn read_review(fields: &Fields<'_>, news: News) -> Result<ReviewFact, MissingField> {
    let open = fields.flag("open")? && news != News::ReviewClosed;
    let closed = fields.owned("closed_reason").or_else(|| fields.owned("reason")).unwrap_or_default();
    Ok(ReviewFact {
        id: fields.needed_text("id", "the review's id")?.to_owned(),
        charge: fields.id_in("charge"),
        payment_intent: fields.id_in("payment_intent"),
        opened_reason: fields.owned("opened_reason"),
        closed: (!open).then_some(closed),
    })
}
