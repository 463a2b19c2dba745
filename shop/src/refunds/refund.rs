//! A refund that was asked for. This file decides how it goes on; it reads no clock and asks nobody.

use kernel::{Duration, Error, Money, Result, Timestamp};
use serde::Serialize;

use crate::ids::{OrderId, RefundId};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundStatus {
    /// Asked for; nothing was sent to Stripe.
    Requested,
    /// Sent, and no answer that settles it: Stripe is asked what it has before anything is sent again.
    Unknown,
    /// Stripe has it; the bank does not yet.
    Pending,
    /// Done.
    Succeeded,
    /// It did not come about, or came back. It may be asked for again.
    Failed,
}

impl RefundStatus {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Requested => "requested",
            RefundStatus::Unknown => "unknown",
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "requested" => Ok(RefundStatus::Requested),
            "unknown" => Ok(RefundStatus::Unknown),
            "pending" => Ok(RefundStatus::Pending),
            "succeeded" => Ok(RefundStatus::Succeeded),
            "failed" => Ok(RefundStatus::Failed),
            other => Err(Error::bug(format!("a refund is `{other}`"))),
        }
    }

    /// What Stripe's word for it means here.
    pub(super) fn of(seen: stripe::RefundStatus) -> Self {
        match seen {
            stripe::RefundStatus::Other
            | stripe::RefundStatus::Pending
            | stripe::RefundStatus::RequiresAction => RefundStatus::Pending,
            stripe::RefundStatus::Succeeded => RefundStatus::Succeeded,
            stripe::RefundStatus::Canceled | stripe::RefundStatus::Failed => RefundStatus::Failed,
        }
    }
}

/// A full refund that an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Its id, also on the refund at Stripe (`metadata.refundId`).
    pub id: RefundId,
    /// Of which order.
    pub order: OrderId,
    /// Where it stands.
    pub status: RefundStatus,
    /// Which key of the order's is in use; grows when one is of no use any more.
    pub generation: i64,
    /// How often it was sent under this key.
    pub sent_count: i64,
    /// When it was first sent under this key.
    pub sent_at: Option<Timestamp>,
    /// The payment that goes back.
    pub payment_intent: String,
    /// The refund at Stripe, once it is known.
    pub stripe_refund: Option<String>,
    /// What had been paid.
    pub amount: Money,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed, or was last sent.
    pub updated_at: Timestamp,
}

/// Stripe keeps an idempotency key for a day; a little earlier it is not relied on any more.
const KEY_LASTS: Duration = Duration::from_secs(23 * 3600);
/// How long a request whose answer was lost may still be under way at Stripe.
const MAY_STILL_ARRIVE: Duration = Duration::from_secs(60);

/// What is to be done with a refund that Stripe does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A request may still be on its way: look again then.
    LookAgain(Timestamp),
    /// Send it, under this generation of the order's key.
    Send(i64),
}

impl Refund {
    /// Under which key Stripe carries it out once.
    pub fn key(&self) -> String {
        format!("refund-{}-{}", self.order.uuid(), self.generation)
    }

    /// Whether Stripe may have it already.
    pub(super) fn may_be_there(&self) -> bool {
        self.sent_at.is_some()
    }

    /// How to go on at `now`, when Stripe was asked and has no such refund.
    pub(super) fn next(&self, now: Timestamp) -> Next {
        let Some(first) = self.sent_at else { return Next::Send(self.generation) };
        if now < self.updated_at + MAY_STILL_ARRIVE {
            return Next::LookAgain(self.updated_at + MAY_STILL_ARRIVE);
        }
        // The first time the same key is the safer one. Twice without an answer, the key itself may be what fails: Stripe
        // repeats even a stored 500 for as long as it keeps the key.
        let worn_out = self.sent_count >= 2 || now >= first + KEY_LASTS;
        Next::Send(if worn_out { self.generation + 1 } else { self.generation })
    }
}
