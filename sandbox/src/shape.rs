//! Stripe's large objects, written member by member into a tree for the API or straight into text for an event.
//! Most events are only sent and never looked at, so a tree for each would be wasted.

use serde::Serialize;
use serde_json::Value;

/// Something as Stripe shows it, which is not how it is kept.
pub(crate) struct Shown<T>(pub(crate) T);

/// Null.
pub(crate) const NULL: Option<()> = None;
/// A list of nothing.
pub(crate) const EMPTY: [(); 0] = [];

impl<T> Shown<T>
where
    Self: Serialize,
{
    pub(crate) fn to_json(&self) -> Value {
        // Texts, numbers and trees of them can always be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Begins an object on a serializer and writes these members; the caller ends it.
macro_rules! members {
    ($serializer:ident, { $($name:literal: $value:expr),* $(,)? }) => {{
        let mut map = $serializer.serialize_map(Some([$($name),*].len()))?;
        $(map.serialize_entry($name, &$value)?;)*
        map
    }};
}

pub(crate) use members;
