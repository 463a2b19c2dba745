//! What is proven of a checkout session.

use kernel::Currency;
use serde::{Deserialize, Serialize};

use super::News;
use crate::MissingField;
use crate::fields::Fields;

/// What is proven of a checkout session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFact {
    /// Like `cs_…`.
    pub id: String,
    /// How far the buyer came.
    pub status: SessionStatus,
    /// Whether the money is there.
    pub payment: SessionPayment,
    /// An asynchronous payment failed. When `payment` is `Paid` all the same, another attempt went through.
    #[serde(default)]
    pub async_failed: bool,
    /// `payment`, `subscription` or `setup`.
    #[serde(default)]
    pub mode: Option<String>,
    /// Of all the amounts; always there when paid.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Before discounts, taxes and shipping.
    #[serde(default)]
    pub subtotal: Option<i64>,
    /// What the buyer pays; always there when paid.
    #[serde(default)]
    pub total: Option<i64>,
    /// Taken off by discounts; 0 when Stripe does not say.
    #[serde(default)]
    pub discount: i64,
    /// Added as tax; 0 when Stripe does not say.
    #[serde(default)]
    pub tax: i64,
    /// Added for shipping; 0 when Stripe does not say.
    #[serde(default)]
    pub shipping: i64,
    /// Made at payment; since 2022-08-01 absent before it, and always absent when nothing was to pay.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// The subscription that was made, in that mode.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Like `cus_…`.
    #[serde(default)]
    pub customer: Option<String>,
    /// What the buyer typed in, else what the shop had filled in.
    #[serde(default)]
    pub email: Option<String>,
}

/// How far the buyer came, in the order in which it joins.
///
/// `Complete` is the greatest: a completed session never expires at Stripe, so should both ever be claimed, one
/// of them is stale or wrong, and to take the buyer's word that they bought is the side on which no money is
/// ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The buyer may still pay.
    Open,
    /// Nobody can pay any more.
    Expired,
    /// The buyer is through; the money may still be on its way.
    Complete,
}

/// Whether the money is there, in the order in which it joins: a session that was paid stays paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPayment {
    /// Not, or not yet.
    Unpaid,
    /// Nothing was to pay: a full discount, a trial.
    NothingToPay,
    /// It is.
    Paid,
}

/// The amounts, which belong together; compared only to make a choice that does not depend on order.
type Amounts = (Option<Currency>, Option<i64>, Option<i64>, i64, i64, i64);

impl SessionFact {
    /// What both prove together of one session.
    pub fn join(self, other: Self) -> Self {
        // While a session is open its total may still change; the amounts of the later state are the ones agreed.
        let later = (self.status, self.amounts()).max((other.status, other.amounts()));
        let (status, (currency, total, subtotal, discount, tax, shipping)) = later;
        SessionFact {
            id: self.id.max(other.id),
            status,
            payment: self.payment.max(other.payment),
            async_failed: self.async_failed | other.async_failed,
            mode: self.mode.max(other.mode),
            currency,
            subtotal,
            total,
            discount,
            tax,
            shipping,
            payment_intent: self.payment_intent.max(other.payment_intent),
            subscription: self.subscription.max(other.subscription),
            customer: self.customer.max(other.customer),
            email: self.email.max(other.email),
        }
    }

    /// The tax that was added to the prices. Where they include it, Stripe names it all the same, and the total says that
    /// nothing was added.
    pub fn added_tax(&self) -> i64 {
        let Some((total, subtotal)) = self.total.zip(self.subtotal) else { return self.tax };
        let added = total - (subtotal - self.discount + self.shipping);
        added.clamp(0, self.tax.max(0))
    }

    fn amounts(&self) -> Amounts {
        (self.currency, self.total, self.subtotal, self.discount, self.tax, self.shipping)
    }
}

pub(super) fn read(fields: &Fields<'_>, news: News) -> Result<SessionFact, MissingField> {
    let payment = payment(fields, news)?;
    let totals = fields.inside("total_details");
    let part = |name| match &totals {
        Some(totals) => totals.optional_amount(name).map(Option::unwrap_or_default),
        None => Ok(0),
    };
    Ok(SessionFact {
        id: fields.needed_text("id", "the session's id")?.to_owned(),
        status: status(fields, news)?,
        payment,
        async_failed: news == News::SessionAsyncFailed || has_failed_for_good(fields),
        mode: fields.owned("mode"),
        currency: match payment {
            SessionPayment::Paid => Some(fields.currency("currency")?),
            _ => fields.optional_currency("currency")?,
        },
        subtotal: fields.optional_amount("amount_subtotal")?,
        total: match payment {
            SessionPayment::Paid => Some(fields.amount("amount_total")?),
            _ => fields.optional_amount("amount_total")?,
        },
        discount: part("amount_discount")?,
        tax: part("amount_tax")?,
        shipping: part("amount_shipping")?,
        payment_intent: fields.id_in("payment_intent"),
        subscription: fields.id_in("subscription"),
        customer: fields.id_in("customer"),
        email: email(fields),
    })
}

/// What the session says, what the event's type says, or both.
fn status(fields: &Fields<'_>, news: News) -> Result<SessionStatus, MissingField> {
    let told = match news {
        News::SessionCompleted | News::SessionAsyncSucceeded | News::SessionAsyncFailed => {
            SessionStatus::Complete
        }
        News::SessionExpired => SessionStatus::Expired,
        _ => return SessionStatus::read(fields),
    };
    Ok(SessionStatus::read(fields).map_or(told, |written| written.max(told)))
}

fn payment(fields: &Fields<'_>, news: News) -> Result<SessionPayment, MissingField> {
    let written = SessionPayment::read(fields)?;
    Ok(if news == News::SessionAsyncSucceeded { SessionPayment::Paid } else { written })
}

impl SessionStatus {
    /// Sessions from before 2021 have no `status`; but only a completed one is ever paid.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, MissingField> {
        match (fields.text("status"), fields.text("payment_status")) {
            (Some("open"), _) => Ok(SessionStatus::Open),
            (Some("expired"), _) => Ok(SessionStatus::Expired),
            (Some("complete"), _) | (None, Some("paid")) => Ok(SessionStatus::Complete),
            _ => Err(fields.missing("status", "open, expired or complete")),
        }
    }
}

impl SessionPayment {
    /// A word that we do not know is not taken for "not paid": somebody must look.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, MissingField> {
        match fields.text("payment_status") {
            Some("paid") => Ok(SessionPayment::Paid),
            Some("no_payment_required") => Ok(SessionPayment::NothingToPay),
            Some("unpaid") => Ok(SessionPayment::Unpaid),
            _ => Err(fields.missing("payment_status", "paid, unpaid or no_payment_required")),
        }
    }
}

/// A fetched session with its payment says by itself what `async_payment_failed` would have said: the buyer is through, the
/// payment failed and waits for another method, and nobody can try one any more.
fn has_failed_for_good(fields: &Fields<'_>) -> bool {
    let unpaid = fields.text("status") == Some("complete") && fields.text("payment_status") == Some("unpaid");
    let intent = fields.inside("payment_intent").filter(|_| unpaid);
    intent.is_some_and(|intent| {
        intent.text("status") == Some("requires_payment_method")
            && intent.inside("last_payment_error").is_some()
    })
}

fn email(fields: &Fields<'_>) -> Option<String> {
    let typed = fields.inside("customer_details").and_then(|details| details.owned("email"));
    typed.or_else(|| fields.owned("customer_email"))
}
