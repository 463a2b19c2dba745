//! Buyers: who they are. What they own is the entitlements' business.

pub mod ops;
pub(crate) mod store;

pub use store::{Profile, create, find, of_email};
