//! Disputes: a buyer's bank takes the money back, or asks first.
//!
//! `status` says which step may follow which, `dispute` holds the noun and its money, `moves` what banks and networks
//! do, `answer` what the shop may do by the API. No verdict falls by itself: somebody must say it, or the shop sends
//! Stripe's test evidence.

mod answer;
mod dispute;
mod moves;
mod status;

pub use dispute::{CaseType, Dispute, NewDispute};
pub use status::{DisputeStatus, DisputeStep};
