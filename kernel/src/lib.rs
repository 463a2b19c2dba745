//! The words that every other crate uses: money, ids, times, chance as an argument, and the ways to say no.
//!
//! Nothing here knows of a database, of HTTP or of a shop.

mod ago;
mod cx;
mod error;
mod id;
mod money;
pub mod planted;
mod setting;
mod time;

pub use ago::moment_before;
pub use cx::{Clock, Cx, Entropy, FixedClock, Seeded};
pub use error::{Error, Refusal, Result};
pub use id::{Id, IdParseError, Kind};
pub use money::{Currency, CurrencyError, Money};
pub use setting::{blemish, blemish_of_text};
pub use time::{Duration, Timestamp, TimestampError};
