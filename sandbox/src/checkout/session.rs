//! A session, its lines and its sums.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cards::Instrument;
use crate::currencies;
use crate::discounts::Discount;
use crate::error::ApiError;
use crate::intents::{Buyer, IntentTerms};
use crate::params::Metadata;
use crate::shelf::Kept;

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// The buyer may pay.
    Open,
    /// The buyer is done, the bank is not.
    Processing,
    /// Paid.
    Paid,
    /// Nothing had to be paid.
    Free,
    /// The bank refused after the buyer was done.
    Failed,
    /// Too late.
    Expired,
}

impl Stage {
    pub(crate) fn status(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::Processing | Stage::Paid | Stage::Free | Stage::Failed => "complete",
            Stage::Expired => "expired",
        }
    }

    pub(crate) fn payment_status(self) -> &'static str {
        match self {
            Stage::Paid => "paid",
            Stage::Free => "no_payment_required",
            Stage::Open | Stage::Processing | Stage::Failed | Stage::Expired => "unpaid",
        }
    }
}

/// One line of what is bought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) price: String,
    pub(crate) description: String,
    pub(crate) unit_amount: i64,
    pub(crate) quantity: i64,
    pub(crate) metadata: Metadata,
}

impl Line {
    pub(crate) fn subtotal(&self) -> i64 {
        self.unit_amount.saturating_mul(self.quantity)
    }
}

/// A way to ship, and what it costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShippingOption {
    pub(crate) rate: String,
    pub(crate) name: String,
    pub(crate) amount: i64,
}

/// What tax does to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tax {
    /// The shop did not ask for it.
    Off,
    /// It is added once the buyer's address is known, at this rate in hundredths of a percent.
    OnceLocated(u32),
    /// Known.
    Known(i64),
}

/// A buyer who was sent to their bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AtTheBank {
    pub(crate) token: String,
    pub(crate) instrument: Instrument,
    pub(crate) buyer: Buyer,
}

/// A Checkout Session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) stage: Stage,
    pub(crate) currency: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) customer: Option<String>,
    pub(crate) customer_email: Option<String>,
    pub(crate) customer_creation: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) intent_terms: IntentTerms,
    pub(crate) discount: Option<Discount>,
    pub(crate) tax: Tax,
    pub(crate) shipping_options: Vec<ShippingOption>,
    pub(crate) shipping: i64,
    /// Settings that are shown as they were sent and change nothing here.
    pub(crate) shown: Map<String, Value>,
    pub(crate) payment_intent: Option<String>,
    /// The Payment Link that opened it.
    #[serde(default)]
    pub(crate) payment_link: Option<String>,
    pub(crate) buyer: Option<Buyer>,
    pub(crate) at_the_bank: Option<AtTheBank>,
    /// The buyer whom their bank has just refused; they need not type everything again.
    #[serde(default)]
    pub(crate) refused_at_bank: Option<AtTheBank>,
    /// A wrong sum that the payment will collect, for tests of the shop's distrust.
    pub(crate) collects_instead: Option<(i64, String)>,
}

impl Kept for Session {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// A session's sums in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) subtotal: i64,
    pub(crate) discount: i64,
    pub(crate) shipping: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
}

impl Session {
    pub(crate) fn totals(&self) -> Totals {
        let tax = if let Tax::Known(tax) = self.tax { tax } else { 0 };
        self.totals_with(tax)
    }

    /// What the buyer will owe: with the tax that is added once the address is known.
    pub(crate) fn totals_once_located(&self) -> Totals {
        let Tax::OnceLocated(basis_points) = self.tax else { return self.totals() };
        let untaxed = self.totals_with(0);
        let net = untaxed.total.max(0);
        self.totals_with(net.saturating_mul(basis_points.into()).saturating_add(5_000) / 10_000)
    }

    fn totals_with(&self, tax: i64) -> Totals {
        let subtotal = subtotal(&self.lines);
        let discount = self.discount.as_ref().map_or(0, |discount| discount.off(subtotal));
        let total = (subtotal - discount).saturating_add(self.shipping).saturating_add(tax);
        Totals { subtotal, discount, shipping: self.shipping, tax, total }
    }

    /// Whether this can be collected: nothing, or what Stripe charges in this currency.
    pub(crate) fn check_total(&self) -> Result<(), ApiError> {
        currencies::check_total(self.totals_once_located().total, &self.currency)
    }

    /// Each line's share of the discount and of the tax on goods.
    pub(crate) fn line_shares(&self) -> Vec<(i64, i64)> {
        let (totals, weights) = (self.totals(), self.lines.iter().map(Line::subtotal).collect::<Vec<_>>());
        shares(totals.discount, &weights).into_iter().zip(shares(totals.tax, &weights)).collect()
    }

    /// Where the buyer goes after paying.
    pub(crate) fn redirect(&self) -> String {
        self.success_url.replace("{CHECKOUT_SESSION_ID}", &self.id)
    }
}

/// What all lines cost together.
pub(crate) fn subtotal(lines: &[Line]) -> i64 {
    lines.iter().map(Line::subtotal).fold(0, i64::saturating_add)
}

/// Splits a sum in proportion to weights; what rounding leaves over goes to the last.
fn shares(sum: i64, weights: &[i64]) -> Vec<i64> {
    let whole: i64 = weights.iter().sum();
    if whole == 0 || sum == 0 {
        return vec![0; weights.len()];
    }
    let part = |weight: &i64| (i128::from(sum) * i128::from(*weight) / i128::from(whole)) as i64;
    let mut parts: Vec<i64> = weights.iter().map(part).collect();
    let left = sum - parts.iter().sum::<i64>();
    if let Some(last) = parts.last_mut() {
        *last += left;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_sum() {
        assert_eq!(shares(100, &[1, 1, 1]), [33, 33, 34]);
        assert_eq!(shares(0, &[5]), [0]);
        assert_eq!(shares(7, &[0, 0]), [0, 0]);
    }
}
