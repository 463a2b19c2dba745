//! One purchase: what was ordered, what was paid, what was handed over, and why it stands where it stands.
//!
//! [`place`] makes an order, [`learn`] joins what Stripe proves and [`settle`] makes true what all of it means. Webhooks,
//! replays, reconciliation and people all come in through these same verbs.

pub mod backfill;
pub mod cancel;
pub mod checks;
mod claim;
mod facts;
mod foresee;
pub mod grant;
pub mod mend;
mod of_sale;
pub mod ops;
mod order;
mod place;
mod refund;
mod review;
mod sale;
mod settle;
pub mod ship;
pub(crate) mod store;
mod verdict;
pub mod views;

pub use claim::{Claim, claim, claimable};
pub use facts::{LostInPart, Payment, PaymentFacts, Returned};
pub use foresee::{Foreseen, Unsettled, foresee, is_unfinished, unsettled};
pub use of_sale::{OfSale, foresee_sale, order_of_sale, ours_since};
pub use order::{
    Amounts, CancelReason, Dispute, Line, Order, PaymentStatus, Review, ReviewKind, State, TimelineEntry,
    WaitsFor,
};
pub use place::{Draft, place, record_session};
pub use refund::{lock, mark_refunded, refund_given_up, refund_requested};
pub use review::{clear_review, flag_for_review};
pub use sale::{NOT_MAPPED, NOT_SOLD, SaleVerdict, Unsold, judge_sale};
pub use settle::{Learned, Settled, learn, settle};
pub use store::under_review;
pub use store::{
    Counts, KnownFact, LateFacts, counts, fact, facts_of, find, find_by_intent, find_by_session, find_many,
    happened, late_facts, match_references, newest_by_status, of_email, of_profile, oldest_unconfirmed,
    page_of_profile, timeline, undecided, unfinished_facts,
};
pub use store::{Unpaid, unpaid_since};
pub use verdict::{Verdict, decide};

/// The job that fetches a session from Stripe because only it can explain an amount; handled by the checkout.
pub const SYNC_SESSION: &str = "checkout.sync";
/// The job that ends a session at Stripe; handled by the checkout.
pub const CLOSE_SESSION: &str = "checkout.close";
/// The job that tells the buyer of an order that it is confirmed; handled by the claims.
pub const CONFIRMED: &str = "orders.confirmed";
/// The job that tells of payments which old orders have learned are theirs; handled by the inbox.
pub const INTENTS_KNOWN: &str = "orders.intents_known";
