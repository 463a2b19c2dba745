//! What guests bought, and how it becomes theirs: by a link that was mailed to the address they gave, or by a profile that has
//! proved the same address. A stranger who types it gets nothing. It is also here that buyers are told that their order is
//! confirmed, and get links to sign in, because both say the same thing: who reads this mailbox.

mod claim;
pub mod jobs;
mod mailing;
pub mod ops;
mod sign_in;
pub(crate) mod store;
mod tell;

pub use claim::{ClaimError, Claimed, claim_all, claim_by_link, waiting_for};
pub use sign_in::{follow_link, send_link};
pub use store::{How, PurchaseClaim, Standing, of_link, of_order};
