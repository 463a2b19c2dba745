//! From a basket to a page where the buyer pays.
//!
//! Price, order, stock and intent are written in one transaction; only then is Stripe asked, with an idempotency key that
//! belongs to the order. A lost answer leaves the checkout `creating`: visible, and asked again with the same key.

mod basket;
mod cleanup;
mod close;
pub mod jobs;
mod open;
mod stale;
mod start;
pub(crate) mod store;
pub mod tasks;

pub use basket::{Basket, Item};
pub use cleanup::{Cleaned, Foreseen, clean_up, foresee};
pub use close::{close, sync};
pub use open::{Placed, open};
pub use stale::Pace;
pub use start::{Started, Starter};
pub use store::{Checkout, CheckoutState, find};
