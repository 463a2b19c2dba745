//! What is proven of a dispute.

use kernel::{Currency, Timestamp};
use serde::{Deserialize, Serialize};

use super::seen::{Seen, Source};
use crate::MissingField;
use crate::fields::Fields;

/// What is proven of a dispute. Its amount may differ from the charge's, and a charge may have several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFact {
    /// Like `dp_…`, or `du_…`.
    pub id: String,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<String>,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// Of the amount.
    pub currency: Currency,
    /// Where it stands.
    #[serde(default)]
    pub state: Seen<DisputeState>,
}

/// Where a dispute stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DisputeState {
    /// In Stripe's words.
    pub status: DisputeStatus,
    /// How much is disputed, in minor units.
    pub amount: i64,
    /// Until when evidence counts; Stripe does not always say.
    #[serde(default)]
    pub due_by: Option<Timestamp>,
    /// Why the buyer's bank disputes it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A dispute's status, from weak to strong. A verdict is stronger than what led to it, and a win stronger than a loss,
/// since a lost dispute may be won later and never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry: no money has moved.
    WarningNeedsResponse,
    /// An inquiry that the bank looks at.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// Ended before it began.
    Prevented,
    /// A word that we do not know yet.
    Other,
    /// The money is gone; evidence is awaited.
    NeedsResponse,
    /// The bank decides.
    UnderReview,
    /// Old accounts: the charge was refunded instead.
    ChargeRefunded,
    /// The money is gone for good, unless the verdict is appealed.
    Lost,
    /// Lost, and evidence for an appeal is awaited.
    AppealNeedsResponse,
    /// Lost, and the appeal is being decided.
    AppealUnderReview,
    /// The money came back.
    Won,
}

/// What a dispute means for what was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeOutcome {
    /// Nothing: an inquiry, or it was won, prevented, or refunded instead.
    None,
    /// Nobody knows yet who gets the money.
    Open,
    /// The buyer has the money.
    Lost,
}

impl DisputeStatus {
    fn read(word: &str) -> Self {
        match word {
            "warning_needs_response" => DisputeStatus::WarningNeedsResponse,
            "warning_under_review" => DisputeStatus::WarningUnderReview,
            "warning_closed" => DisputeStatus::WarningClosed,
            "prevented" => DisputeStatus::Prevented,
            "needs_response" => DisputeStatus::NeedsResponse,
            "under_review" => DisputeStatus::UnderReview,
            "charge_refunded" => DisputeStatus::ChargeRefunded,
            "lost" => DisputeStatus::Lost,
            "appeal_needs_response" => DisputeStatus::AppealNeedsResponse,
            "appeal_under_review" => DisputeStatus::AppealUnderReview,
            "won" => DisputeStatus::Won,
            _ => DisputeStatus::Other,
        }
    }

    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            DisputeStatus::WarningNeedsResponse => "warning_needs_response",
            DisputeStatus::WarningUnderReview => "warning_under_review",
            DisputeStatus::WarningClosed => "warning_closed",
            DisputeStatus::Prevented => "prevented",
            DisputeStatus::Other => "other",
            DisputeStatus::NeedsResponse => "needs_response",
            DisputeStatus::UnderReview => "under_review",
            DisputeStatus::ChargeRefunded => "charge_refunded",
            DisputeStatus::Lost => "lost",
            DisputeStatus::AppealNeedsResponse => "appeal_needs_response",
            DisputeStatus::AppealUnderReview => "appeal_under_review",
            DisputeStatus::Won => "won",
        }
    }

    /// Whether the seller still has to answer.
    pub fn needs_response(self) -> bool {
        matches!(
            self,
            DisputeStatus::WarningNeedsResponse
                | DisputeStatus::NeedsResponse
                | DisputeStatus::AppealNeedsResponse
        )
    }

    /// What it means. The verdict is Stripe's; nothing is inferred, so a word that we do not know is an open dispute.
    pub fn outcome(self) -> DisputeOutcome {
        match self {
            DisputeStatus::WarningNeedsResponse
            | DisputeStatus::WarningUnderReview
            | DisputeStatus::WarningClosed
            | DisputeStatus::Prevented
            | DisputeStatus::ChargeRefunded
            | DisputeStatus::Won => DisputeOutcome::None,
            DisputeStatus::Other | DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => {
                DisputeOutcome::Open
            }
            DisputeStatus::Lost | DisputeStatus::AppealNeedsResponse | DisputeStatus::AppealUnderReview => {
                DisputeOutcome::Lost
            }
        }
    }
}

impl DisputeFact {
    /// What both prove together of one dispute.
    pub fn join(self, other: Self) -> Self {
        DisputeFact {
            id: self.id.max(other.id),
            charge: self.charge.max(other.charge),
            payment_intent: self.payment_intent.max(other.payment_intent),
            currency: self.currency.max(other.currency),
            state: self.state.join(other.state),
        }
    }

    /// What it means now.
    pub fn outcome(&self) -> DisputeOutcome {
        self.state.now().map_or(DisputeOutcome::None, |state| state.status.outcome())
    }
}

pub(super) fn read(fields: &Fields<'_>, source: Source) -> Result<DisputeFact, MissingField> {
    let status = fields.needed_text("status", "the dispute's status")?;
    let due_by = fields.inside("evidence_details").and_then(|details| details.seconds("due_by").ok());
    let state = DisputeState {
        status: DisputeStatus::read(status),
        amount: fields.amount("amount")?,
        due_by: due_by.filter(|seconds| *seconds > 0).map(Timestamp::from_seconds),
        reason: fields.owned("reason"),
    };
    Ok(DisputeFact {
        id: fields.needed_text("id", "the dispute's id")?.to_owned(),
        charge: fields.id_in("charge"),
        payment_intent: fields.id_in("payment_intent"),
        currency: fields.currency("currency")?,
        state: Seen::new(state, source),
    })
}
