//! What an operator may stop at once: delivery, checkouts, refunds. Whoever decides about one of these reads its switch in
//! the same transaction, so that it counts on every node from the commit on.

pub mod checks;
pub mod ops;
mod store;
mod switch;
mod throw;

pub use store::{all, find};
pub use switch::{Position, Switch};
pub use throw::{is_on, must_be_on, throw};
