//! One order or buyer seen whole: what all rooms know of it, in the order in which it happened; and why somebody has no
//! access.

mod ask;
mod case;
mod evidence;
mod explain;
mod find;
mod hit;
mod key;
mod next;
mod remedy;
mod verdict;

pub use case::{Case, verdict_on};
pub use explain::Explain;
pub use find::{Find, orders_behind};
pub use hit::Hit;
pub use key::{Key, LONGEST, Object};
pub use next::{Situation, Step, next};
pub use remedy::Remedy;
pub use verdict::{Account, AtStripe, Evidence, Held, Place, Purchase, Verdict, WaitingEvent, judge};
