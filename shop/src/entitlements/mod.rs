//! Who may use what, and which orders or operators say so.
//!
//! An entitlement is active while one of its grants is. A grant of an order is made once, when the order is confirmed;
//! a replay makes no second one, and never brings back what an operator has revoked. While the payment is disputed it is
//! suspended, and when the money went back it is returned; both count again when the money does. What an operator gives
//! on behalf of an order follows that order; a gift follows nobody.

mod by_hand;
pub mod checks;
mod entitlement;
mod grant;
pub mod ops;
pub(crate) mod store;

pub use by_hand::ByHand;
pub use entitlement::{Entitlement, Grant, Holder, OrderGrant, Source};
pub use grant::{
    Handover, claim, follow_grants, hand_over, hand_over_again, restore, revoke, suspend, take_back,
};
pub use store::{Counting, counting};
pub use store::{
    contradicted_of_order, find, find_by_id, grants_of, grants_of_order, is_active, of_order, of_profile,
};
