//! Buyers: who they are, and how they prove it. What they own is the entitlements' business.

mod email;
pub mod identity;
pub mod ops;
pub(crate) mod store;

pub use email::is_email;
pub use identity::folded;
pub use store::{Profile, create, find, of_email};
