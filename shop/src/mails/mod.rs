//! What buyers are told by mail: written down in the transaction that decides it, sent by a job, each thing once. What is
//! said is for the rooms above; this room knows how it reads and whether it was sent.

pub mod checks;
mod letter;
mod mail;
pub mod ops;
mod send;
pub(crate) mod store;
pub mod views;

pub use letter::{Bought, ClaimLink, Confirmation, Letter, SignInLink};
pub use mail::{Mail, MailKind, MailStatus};
pub use send::{NewMail, SEND, is_written, run, write};
pub use store::{find, of_order, of_orders};
