//! Disputes: a buyer's bank takes the money back, or asks first.
//!
//! `dispute` holds the nouns and which step may follow which, `moves` what banks and networks do, `answer` what the
//! shop may do by the API. No verdict falls by itself: somebody must say it, or the shop sends Stripe's test evidence.

mod answer;
mod dispute;
mod moves;

pub use dispute::{CaseType, Dispute, DisputeStatus, DisputeStep, NewDispute};
