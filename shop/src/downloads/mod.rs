//! Who may have a file or a film: one decision over what is known at one instant, written down, and then a link that expires.
//!
//! It is decided twice: once before the disk is asked, and once more in the transaction that writes it down. Between the two
//! an order may be refunded or a switch be thrown; what is written down is what is given.

pub mod checks;
mod decide;
mod deliver;
mod facts;
mod quiet;
mod shelf;
pub mod tasks;
pub mod views;

pub use decide::{Known, Thing, Verdict, decide};
pub use deliver::{Asker, Delivered, Deliverer, Served, Wanted};
pub use facts::gather;
pub use quiet::Quiet;
pub use shelf::{on_shelf, shelf};

/// The audit entry of a file that was asked for and given.
pub const REQUESTED: &str = "resource_download_requested";
/// The audit entry of a film that was asked for and given.
pub const STREAMED: &str = "resource_stream_served";
/// The audit entry of either that was asked for and not given.
pub const DENIED: &str = "resource_download_denied";
