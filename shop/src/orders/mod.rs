//! One purchase: what was ordered, what was paid, what was handed over, and why it stands where it stands.
//!
//! [`place`] makes an order, [`learn`] joins what Stripe proves and [`settle`] makes true what all of it means. Webhooks,
//! replays, reconciliation and people all come in through these same verbs.

pub mod cancel;
pub mod checks;
mod facts;
pub mod ops;
mod order;
mod place;
mod refund;
mod review;
mod settle;
pub mod ship;
pub(crate) mod store;
mod verdict;
pub mod views;

pub use facts::{Payment, PaymentFacts, Returned};
pub use order::{
    Amounts, CancelReason, Dispute, Line, Order, PaymentStatus, Review, ReviewKind, State, TimelineEntry,
    WaitsFor,
};
pub use place::{Draft, place, record_session};
pub use refund::{lock, mark_refunded, refund_given_up, refund_requested};
pub use review::{clear_review, flag_for_review};
pub use settle::{Learned, Settled, learn, settle};
pub use store::{Counts, counts, find, find_by_session, find_many, happened, match_references, timeline};
pub use verdict::{Verdict, decide};

/// The job that fetches a session from Stripe because only it can explain an amount; handled by the checkout.
pub const SYNC_SESSION: &str = "checkout.sync";
/// The job that ends a session at Stripe; handled by the checkout.
pub const CLOSE_SESSION: &str = "checkout.close";
