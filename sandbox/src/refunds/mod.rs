//! Refunds: money on its way back.
//!
//! `refund` holds the noun, `create` how one begins (by the API or in the Dashboard), `fate` how it goes on, `api` the
//! rest of the API.

mod api;
mod create;
mod fate;
mod refund;

pub use create::NewRefund;
pub use refund::{FailureReason, Refund, RefundStatus};
