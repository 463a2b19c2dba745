//! Stock: what is there, what is set aside, and the ledger that explains each piece.
//!
//! Stock is only ever changed by one guarded statement, and the table's CHECK stands behind it: available stock
//! cannot go below zero. The ledger only grows; `stock_count` is its sum.

mod adjust;
pub mod checks;
pub mod ops;
mod recount;
mod release;
mod reservation;
mod reserve;
pub(crate) mod store;
mod take;

pub use adjust::{adjust, receive_first};
pub use recount::{Books, books, recount};
pub use release::{Release, hold, release, release_one};
pub use reservation::{Level, Reservation, ReservationStatus, Want};
pub use reserve::{Reserved, reserve};
pub use store::{find_reservation, level, reservations_of};
pub use take::{Taken, confirm_one, foresee, take};

/// The ledger's table only grows.
pub const ONLY_GROWS: &str = "inventory_ledger";

/// The job that lets orders go on that waited for a stock; handled above, where orders are known.
pub const STOCK_CAME: &str = "inventory.stock_came";
