//! What is proven of a payment intent.

use kernel::Currency;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::News;
use crate::MissingField;
use crate::fields::Fields;

/// What is proven of a payment intent. Read it from the strongest to the weakest: `received`, `canceled`,
/// `processing`, `failed`; the weaker ones stay true as history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentFact {
    /// Like `pi_…`.
    pub id: String,
    /// What was asked for; may change until it is paid. What counts is `received`.
    pub amount: i64,
    /// Of both amounts.
    pub currency: Currency,
    /// What was received, once it succeeded.
    #[serde(default)]
    pub received: Option<i64>,
    /// It was processing at some time (a bank debit takes days).
    #[serde(default)]
    pub processing: bool,
    /// An attempt failed at some time. Not an end: the buyer may try again and succeed.
    #[serde(default)]
    pub failed: Option<Failure>,
    /// It was cancelled, with Stripe's reason; empty when Stripe gave none.
    #[serde(default)]
    pub canceled: Option<String>,
    /// Like `ch_…`; of a paid intent, the charge that paid it.
    #[serde(default)]
    pub latest_charge: Option<String>,
    /// Like `cus_…`.
    #[serde(default)]
    pub customer: Option<String>,
}

/// Why an attempt to pay failed, in Stripe's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// Like `card_declined`; the error's type where it has no code.
    pub code: Option<String>,
    /// Like `insufficient_funds`.
    pub decline_code: Option<String>,
    /// For the buyer.
    pub message: Option<String>,
}

impl IntentFact {
    /// What both prove together of one payment intent.
    pub fn join(self, other: Self) -> Self {
        // An intent can succeed once, and then neither sum, currency nor charge change any more: these four travel
        // together, so that nothing of a failed attempt stands beside the money of the one that went through.
        let settled = self.settlement().max(other.settlement());
        let (received, amount, currency, latest_charge) = settled;
        IntentFact {
            amount,
            currency,
            received,
            latest_charge,
            id: self.id.max(other.id),
            processing: self.processing | other.processing,
            failed: self.failed.max(other.failed),
            canceled: self.canceled.max(other.canceled),
            customer: self.customer.max(other.customer),
        }
    }

    fn settlement(&self) -> (Option<i64>, i64, Currency, Option<String>) {
        (self.received, self.amount, self.currency, self.latest_charge.clone())
    }
}

pub(super) fn read(fields: &Fields<'_>, news: News) -> Result<IntentFact, MissingField> {
    let status = fields.needed_text("status", "the intent's status")?;
    let received = if status == "succeeded" || news == News::IntentSucceeded {
        // The type alone does not make a payment out of an intent that has received nothing.
        Some(fields.amount("amount_received")?).filter(|sum| *sum > 0 || status == "succeeded")
    } else {
        None
    };
    Ok(IntentFact {
        id: fields.needed_text("id", "the intent's id")?.to_owned(),
        amount: fields.amount("amount")?,
        currency: fields.currency("currency")?,
        received,
        processing: status == "processing" || news == News::IntentProcessing,
        failed: failure(fields, news),
        canceled: canceled(fields, status, news),
        latest_charge: fields.id_in("latest_charge").or_else(|| newest_of_charges(fields)),
        customer: fields.id_in("customer"),
    })
}

fn failure(fields: &Fields<'_>, news: News) -> Option<Failure> {
    match fields.inside("last_payment_error") {
        Some(error) => Some(Failure {
            code: error.owned("code").or_else(|| error.owned("type")),
            decline_code: error.owned("decline_code"),
            message: error.owned("message"),
        }),
        None => (news == News::IntentFailed).then(Failure::default),
    }
}

fn canceled(fields: &Fields<'_>, status: &str, news: News) -> Option<String> {
    let is_canceled = status == "canceled" || news == News::IntentCanceled;
    is_canceled.then(|| fields.owned("cancellation_reason").unwrap_or_default())
}

/// Until 2022-11-15 an intent carried its charges, the newest first.
fn newest_of_charges(fields: &Fields<'_>) -> Option<String> {
    let charges = fields.inside("charges")?;
    let newest: &Value = charges.list("data").ok()?.first()?;
    Fields::of(newest, "", "charge").ok()?.owned("id")
}
