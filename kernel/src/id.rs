//! Ids are types and show what they are: `ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// What an id points to. The implementing type is never built; it only names the kind.
pub trait Kind: 'static {
    /// The text before the underscore, like `ord`.
    const PREFIX: &'static str;
    /// The word for people, like `order`.
    const NAME: &'static str;
}

/// An id of one kind: a UUID of version 7 (it ascends with time), shown with the prefix of its kind.
/// Stored as a plain UUID.
pub struct Id<K: Kind>(Uuid, PhantomData<fn() -> K>);

/// A text that is not an id of the expected kind.
#[derive(Debug, thiserror::Error)]
#[error("`{seen}` is not the id of {article} {expected}; expected {prefix}_ and 32 hex digits, or a UUID")]
pub struct IdParseError {
    seen: String,
    article: &'static str,
    expected: &'static str,
    prefix: &'static str,
}

impl<K: Kind> Id<K> {
    /// The id that this UUID is.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id(uuid, PhantomData)
    }
    /// The UUID as stored.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Id<K> {}
impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: Kind> Eq for Id<K> {}
impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K: Kind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.0.simple())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdParseError;
    /// Takes the shown form and, because people copy from SQL, a plain UUID too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).unwrap_or(text);
        digits.parse().map(Id::from_uuid).map_err(|_| IdParseError {
            seen: text.chars().take(80).collect(),
            article: if K::NAME.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" },
            expected: K::NAME,
            prefix: K::PREFIX,
        })
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Order;
    impl Kind for Order {
        const PREFIX: &'static str = "ord";
        const NAME: &'static str = "order";
    }

    #[test]
    fn an_id_is_read_in_its_shown_form_and_as_a_uuid() {
        let shown = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
        let id: Id<Order> = shown.parse().unwrap();
        assert_eq!(id.to_string(), shown);
        assert_eq!("0199f3a2-7b3c-7d2e-8f1a-2b3c4d5e6f70".parse::<Id<Order>>().unwrap(), id);
    }

    #[test]
    fn a_wrong_kind_is_refused_and_says_what_was_expected() {
        let error = "res_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse::<Id<Order>>().unwrap_err().to_string();
        assert!(error.contains("is not the id of an order; expected ord_"), "{error}");
    }
}
