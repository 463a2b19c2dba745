//! One order or buyer seen whole: what all rooms know of it, in the order in which it happened.

mod explain;

pub use explain::Explain;
