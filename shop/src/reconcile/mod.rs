//! Compares what is known here with Stripe's objects, of any age, and every room with itself; says what differs, why, and
//! what mends it; mends what is safe.
//!
//! Events get lost, and Stripe forgets them after thirty days; objects stay. A finding says what an object proves that is
//! not known here, and its safe mend is to learn it, through the same verb as events do. What only a person can decide
//! stays a finding. A second run changes nothing.

mod cause;
mod compare;
mod finding;
pub mod ops;
mod rooms;
mod run;
mod stage;
pub(crate) mod store;
pub mod views;
mod walk;

pub use cause::Cause;
pub use finding::{Area, Finding};
pub use run::{Outcome, Scope, Wish, reconcile};
pub use store::find;
