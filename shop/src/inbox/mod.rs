//! Stripe's events: stored before they are acknowledged, then processed until each has ended where it belongs.
//!
//! [`Receiver`] stores what webhooks bring, [`backfill`] what they have not brought. [`process`] claims a batch, reads what
//! each event proves, and lets the orders learn it, all effects and the events' own end in one transaction.

pub mod backfill;
pub mod checks;
mod event;
pub mod gaps;
mod listing;
pub mod look;
pub mod ops;
mod process;
mod reading;
mod receive;
mod rematch;
pub(crate) mod store;
pub mod tasks;
mod unsold;
pub mod views;
pub mod wake;

pub use event::{EventSource, EventStatus, StoredEvent};
pub use process::{Processed, process, replay};
pub use receive::{Incoming, Receipt, Receiver};
pub use rematch::Rematcher;
pub use store::{
    Beat, about, errors_by_kind, find, newest_signed, of_order, oldest_waiting, pulse, waiting, waiting_about,
};
pub use unsold::unsold_to;
