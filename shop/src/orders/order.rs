//! An order: its states and words. This file decides nothing by itself but what the words are.

use kernel::{Currency, Error, Money, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalog::ProductKind;
use crate::ids::{OrderId, ProfileId};

/// Where an order stands, with what is known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing is proven yet.
    Pending,
    /// The money is proven, fulfilment is not. Never an end state; it waits for something that is named.
    Paid {
        /// For what.
        waits_for: WaitsFor,
    },
    /// Every effect of the payment is committed; something still has to be shipped.
    Confirmed {
        /// Since when.
        at: Timestamp,
    },
    /// Nothing is left to deliver.
    Completed {
        /// When it was confirmed.
        confirmed_at: Timestamp,
        /// Since when.
        at: Timestamp,
    },
    /// It ended without a payment.
    Cancelled {
        /// Why.
        reason: CancelReason,
        /// Since when.
        at: Timestamp,
    },
    /// The money went back in full: by a refund, or by a dispute that was lost. It may come back all the same.
    Refunded {
        /// Since when.
        at: Timestamp,
    },
}

impl State {
    /// As stored and shown.
    pub fn status(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Paid { .. } => "paid",
            State::Confirmed { .. } => "confirmed",
            State::Completed { .. } => "completed",
            State::Cancelled { .. } => "cancelled",
            State::Refunded { .. } => "refunded",
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }
        impl $name {
            /// As stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// Reads a stored word; an unknown one is a bug, not a default.
            pub fn parse(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok($name::$variant),)*
                    other => Err(Error::bug(format!(concat!(stringify!($name), " `{}` is unknown"), other))),
                }
            }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                const KNOWN: &[&str] = &[$($text),*];
                let unknown = |_| format!("`{text}` is not one of {}", KNOWN.join(", "));
                $name::parse(text).map_err(unknown)
            }
        }
    };
}

words! {
    /// Why a paid order is not confirmed yet.
    WaitsFor {
        /// A person has to look at it.
        Review = "review",
        /// Its reservation ended and the stock ran out.
        Stock = "stock",
        /// The amount can be explained only by the checkout session, which has not been seen yet.
        Breakdown = "breakdown",
    }
}

words! {
    /// Why an order ended without a payment.
    CancelReason {
        /// The checkout session expired.
        SessionExpired = "session_expired",
        /// The payment failed for good.
        PaymentFailed = "payment_failed",
        /// The payment was cancelled at Stripe.
        PaymentCanceled = "payment_canceled",
        /// Stripe refused to open a checkout session.
        CheckoutFailed = "checkout_failed",
        /// An operator cancelled it.
        Operator = "operator",
    }
}

words! {
    /// What is known of the money.
    PaymentStatus {
        /// Nothing yet.
        Unpaid = "unpaid",
        /// Under way; some methods take days.
        Processing = "processing",
        /// Proven.
        Paid = "paid",
        /// The last attempt failed.
        Failed = "failed",
        /// A refund was asked for.
        RefundPending = "refund_pending",
        /// It went back in full.
        Refunded = "refunded",
        /// The bank took it back, for now.
        Disputed = "disputed",
    }
}

words! {
    /// What a person has to look at. Flags of several kinds are independent.
    ReviewKind {
        /// The amount or currency received is not what the order expects: it may be fraud.
        AmountMismatch = "amount_mismatch",
        /// Two payments came for one order.
        PaidTwice = "paid_twice",
        /// The card's issuer believes that the payment is fraud.
        EarlyFraudWarning = "early_fraud_warning",
        /// Radar, or a person in Stripe's dashboard, wants the payment to be looked at.
        RadarReview = "radar_review",
        /// An operator flagged it.
        Operator = "operator",
    }
}

impl ReviewKind {
    /// Whether goods that are not handed over yet wait for a person. What Stripe warns of may come before or after the
    /// payment; so that both end alike, it stops delivery and shipping only.
    pub fn holds(self) -> bool {
        match self {
            ReviewKind::AmountMismatch | ReviewKind::PaidTwice | ReviewKind::Operator => true,
            ReviewKind::EarlyFraudWarning | ReviewKind::RadarReview => false,
        }
    }
    /// Whether a flag that was cleared is opened again when there is something new to see.
    pub(super) fn opens_again(self) -> bool {
        self != ReviewKind::AmountMismatch
    }
}

words! {
    /// Whether a bank wants the money back.
    Dispute {
        /// It decides.
        Open = "open",
        /// It has decided for the buyer.
        Lost = "lost",
    }
}

/// A flag that asks a person to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review {
    /// What kind.
    pub kind: ReviewKind,
    /// What was seen and expected.
    pub detail: String,
    /// Since when.
    pub opened_at: Timestamp,
    /// When a person cleared it.
    pub cleared_at: Option<Timestamp>,
    /// Who cleared it.
    pub cleared_by: Option<String>,
}

impl Review {
    /// True until a person has cleared it.
    pub fn is_open(&self) -> bool {
        self.cleared_at.is_none()
    }
}

/// What the order expects to be paid, in minor units, each part by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Of all of them.
    pub currency: Currency,
    /// The lines.
    pub subtotal: i64,
    /// Taken off.
    pub discount: i64,
    /// Added by Stripe.
    pub tax: i64,
    /// Added by Stripe.
    pub shipping: i64,
}

impl Amounts {
    /// What is to be paid.
    pub fn total(&self) -> Money {
        Money::new(self.subtotal - self.discount + self.tax + self.shipping, self.currency)
    }
}

/// One line: so many of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which product.
    pub product_id: String,
    /// What kind of good.
    pub kind: ProductKind,
    /// Its name when it was ordered.
    pub name: String,
    /// Which stock it is taken from.
    pub sku: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Minor units for one, when it was ordered.
    pub unit_amount: i64,
}

/// One purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The buyer, unless a guest bought.
    pub profile: Option<ProfileId>,
    /// The buyer's email.
    pub email: Option<String>,
    /// Who sells, on a marketplace.
    pub seller: Option<String>,
    /// Where it stands.
    pub state: State,
    /// What is known of the money.
    pub payment_status: PaymentStatus,
    /// What it expects to be paid.
    pub amounts: Amounts,
    /// What was paid, in minor units of the order's currency.
    pub paid_amount: Option<i64>,
    /// How much of it has gone back, in minor units; less again when a refund fails.
    pub refunded_amount: i64,
    /// When an operator said that it was refunded long ago.
    pub refund_marked_at: Option<Timestamp>,
    /// Whether a bank wants the money back.
    pub dispute: Option<Dispute>,
    /// The payment at Stripe.
    pub payment_intent: Option<String>,
    /// The checkout session at Stripe.
    pub session: Option<String>,
    /// When every effect of the payment was committed.
    pub webhook_processed_at: Option<Timestamp>,
    /// When it was shipped, and how to follow it.
    pub shipped: Option<(Timestamp, Option<String>)>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// What a person has to look at, or has looked at.
    pub reviews: Vec<Review>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Order {
    /// The first flag that nobody has cleared.
    pub fn open_review(&self) -> Option<&Review> {
        self.reviews.iter().find(|review| review.is_open())
    }
    /// The first open flag for which goods wait that are not handed over yet.
    pub fn holding_review(&self) -> Option<&Review> {
        self.reviews.iter().find(|review| review.is_open() && review.kind.holds())
    }
    /// Whether the goods are handed over, or ready to be shipped.
    pub fn is_handed_over(&self) -> bool {
        matches!(self.state, State::Confirmed { .. } | State::Completed { .. })
    }
    /// Whether what was handed over does not count for now.
    pub fn is_suspended(&self) -> bool {
        self.is_handed_over() && self.dispute == Some(Dispute::Open)
    }
    /// Whether a person has cleared a flag of this kind.
    pub fn was_cleared(&self, kind: ReviewKind) -> bool {
        self.reviews.iter().any(|review| review.kind == kind && !review.is_open())
    }
    /// Whether anything has to be shipped.
    pub fn has_physical(&self) -> bool {
        self.lines.iter().any(|line| match line.kind {
            ProductKind::Physical => true,
            ProductKind::Course | ProductKind::Download => false,
        })
    }
    /// The pieces it wants of the stock, each sku once.
    pub fn pieces(&self) -> Vec<(String, i64)> {
        let mut pieces = std::collections::BTreeMap::<String, i64>::new();
        for line in &self.lines {
            if let Some(sku) = &line.sku {
                *pieces.entry(sku.clone()).or_default() += line.quantity;
            }
        }
        pieces.into_iter().collect()
    }
}

/// What happened to an order, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// What, like `payment_succeeded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Who or what caused it: an operator, an event id, a worker.
    pub actor: String,
    /// Which kind of actor.
    pub actor_type: String,
    /// Details.
    pub meta: serde_json::Value,
}
