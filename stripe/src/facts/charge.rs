//! What is proven of a charge.

use kernel::Currency;
use serde::{Deserialize, Serialize};

use super::seen::{Seen, Source};
use crate::MissingField;
use crate::fields::Fields;

/// What is proven of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeFact {
    /// Like `ch_…`, or `py_…`.
    pub id: String,
    /// The intent that made it; old integrations charge without one.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// What was asked for.
    pub amount: i64,
    /// Of both amounts.
    pub currency: Currency,
    /// What was taken.
    #[serde(default)]
    pub captured_amount: i64,
    /// The money was taken, not only authorised.
    #[serde(default)]
    pub captured: bool,
    /// The charge succeeded, or was authorised for a later capture.
    #[serde(default)]
    pub paid: bool,
    /// Like `cus_…`.
    #[serde(default)]
    pub customer: Option<String>,
    /// How much of it went back, all refunds together; less again when one of them fails.
    #[serde(default, skip_serializing_if = "Seen::is_unknown")]
    pub refunded: Seen<i64>,
}

impl ChargeFact {
    /// What both prove together of one charge.
    pub fn join(self, other: Self) -> Self {
        ChargeFact {
            id: self.id.max(other.id),
            payment_intent: self.payment_intent.max(other.payment_intent),
            amount: self.amount.max(other.amount),
            currency: self.currency.max(other.currency),
            captured_amount: self.captured_amount.max(other.captured_amount),
            captured: self.captured | other.captured,
            paid: self.paid | other.paid,
            customer: self.customer.max(other.customer),
            refunded: self.refunded.join(other.refunded),
        }
    }

    /// How much of it has gone back, in minor units.
    pub fn refunded_now(&self) -> i64 {
        self.refunded.now().copied().unwrap_or_default()
    }
}

pub(super) fn read(fields: &Fields<'_>, source: Source) -> Result<ChargeFact, MissingField> {
    let amount = fields.amount("amount")?;
    let captured = fields.flag("captured")?;
    // `amount_captured` came in 2020; before it a capture took it all or gave the rest back as a refund.
    let in_full = if captured { amount } else { 0 };
    Ok(ChargeFact {
        id: fields.needed_text("id", "the charge's id")?.to_owned(),
        payment_intent: fields.id_in("payment_intent"),
        amount,
        currency: fields.currency("currency")?,
        captured_amount: fields.optional_amount("amount_captured")?.unwrap_or(in_full),
        captured,
        paid: fields.flag("paid")?,
        customer: fields.id_in("customer"),
        refunded: refunded(fields.optional_amount("amount_refunded")?.unwrap_or_default(), source),
    })
}

/// An event that tells of no refund tells nothing: most charges never have one.
fn refunded(amount: i64, source: Source) -> Seen<i64> {
    match source {
        Source::Told(_) if amount == 0 => Seen::default(),
        source => Seen::new(amount, source),
    }
}
