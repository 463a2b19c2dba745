//! Full refunds that operators ask for: written down before Stripe is asked, asked for at most once, and looked up
//! whenever nobody knows what became of them.
//!
//! What a refund means for its order is decided by the orders, from what Stripe proves; refunds made in Stripe's dashboard
//! come in the same way and have no row here.

pub mod checks;
mod follow;
pub mod ops;
mod refund;
mod request;
mod send;
pub(crate) mod store;
pub mod views;

pub use follow::{Followed, follow, foresee};
pub use refund::{Refund, RefundStatus};
pub use request::request;
pub use send::{SEND, run};
pub use store::{Moved, by_stripe_id, find, latest_of_order, moved, of_order, unanswered_before};
