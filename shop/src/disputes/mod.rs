//! What banks want back, as operators see it: read through the orders, which keep what Stripe proves of disputes.
//!
//! There is nothing to be done here but to look. What a dispute means for what was bought is decided by the orders; the
//! answer to the bank is given at Stripe.

mod dispute;
pub mod views;

pub use dispute::{Deadline, deadline, next};
