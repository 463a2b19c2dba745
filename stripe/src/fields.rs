//! Reading single fields out of JSON of any version: what is needed and not there is named, never guessed.

use kernel::Currency;
use serde_json::{Map, Value};

use crate::event::Excerpt;

/// More than Stripe ever moves, and so little that thousands of such amounts add up without overflow.
const MOST: i64 = 1_000_000_000_000_000;

/// A field that a fact needs is absent, or is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{of}: `{field}` is {seen}; expected {expected}")]
pub struct MissingField {
    /// Where it should stand, like `data.object.currency`.
    pub field: String,
    /// The event's type or the object's kind.
    pub of: String,
    /// What stands there instead.
    pub seen: String,
    /// What should.
    pub expected: &'static str,
}

/// One JSON object and where it stands.
pub(crate) struct Fields<'a> {
    of: &'a str,
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// `value` as an object; `path` is where it stands, `of` what it belongs to.
    pub(crate) fn of(value: &'a Value, path: &str, of: &'a str) -> Result<Self, MissingField> {
        match value {
            Value::Object(map) => Ok(Fields { of, path: path.to_owned(), map }),
            other => Err(MissingField {
                field: path.to_owned(),
                of: of.to_owned(),
                seen: seen(Some(other)),
                expected: "an object",
            }),
        }
    }

    /// The object in `name`, where there is one.
    pub(crate) fn inside(&self, name: &str) -> Option<Fields<'a>> {
        let map = self.map.get(name)?.as_object()?;
        Some(Fields { of: self.of, path: self.at(name), map })
    }

    /// A text that is neither empty nor holds a NUL, which PostgreSQL cannot store.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.map.get(name)?.as_str().filter(|text| !text.is_empty() && !text.contains('\0'))
    }

    /// The same, owned.
    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A text that must be there.
    pub(crate) fn needed_text(&self, name: &str, expected: &'static str) -> Result<&'a str, MissingField> {
        self.text(name).ok_or_else(|| self.missing(name, expected))
    }

    /// The id in an expandable field: a text, or an object with an `id`.
    pub(crate) fn id_in(&self, name: &str) -> Option<String> {
        self.owned(name).or_else(|| self.inside(name)?.owned("id"))
    }

    /// Whole minor units that must be there. A fraction is not rounded: it is not Stripe's money. Nor is what is below nothing
    /// or beyond all measure.
    pub(crate) fn amount(&self, name: &str) -> Result<i64, MissingField> {
        self.optional_amount(name)?.ok_or_else(|| self.missing(name, "whole minor units, 0 to 10^15"))
    }

    /// Whole minor units that may be absent or null, but nothing else.
    pub(crate) fn optional_amount(&self, name: &str) -> Result<Option<i64>, MissingField> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_i64()
                .filter(|amount| (0..=MOST).contains(amount))
                .map(Some)
                .ok_or_else(|| self.missing(name, "whole minor units, 0 to 10^15, or null")),
        }
    }

    /// A currency that must be there.
    pub(crate) fn currency(&self, name: &str) -> Result<Currency, MissingField> {
        self.optional_currency(name)?.ok_or_else(|| self.missing(name, "a currency, like usd"))
    }

    /// A currency that may be absent or null, but nothing else.
    pub(crate) fn optional_currency(&self, name: &str) -> Result<Option<Currency>, MissingField> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_str()
                .and_then(|code| code.parse().ok())
                .map(Some)
                .ok_or_else(|| self.missing(name, "a currency, like usd, or null")),
        }
    }

    /// True or false; must be there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, MissingField> {
        self.map.get(name).and_then(Value::as_bool).ok_or_else(|| self.missing(name, "true or false"))
    }

    /// Whole seconds since 1970; must be there.
    pub(crate) fn seconds(&self, name: &str) -> Result<i64, MissingField> {
        self.map.get(name).and_then(Value::as_i64).ok_or_else(|| self.missing(name, "seconds since 1970"))
    }

    /// The objects in the list in `name`, where there is one.
    pub(crate) fn items(&self, name: &str) -> Vec<Fields<'a>> {
        let items = self.list(name).unwrap_or_default();
        items.iter().filter_map(|item| Fields::of(item, &self.at(name), self.of).ok()).collect()
    }

    /// A list; must be there.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], MissingField> {
        match self.map.get(name) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.missing(name, "a list")),
        }
    }

    /// The error that says `name` is not as expected.
    pub(crate) fn missing(&self, name: &str, expected: &'static str) -> MissingField {
        MissingField {
            field: self.at(name),
            of: self.of.to_owned(),
            seen: seen(self.map.get(name)),
            expected,
        }
    }

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

fn seen(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::String(text)) => format!("the text `{}`", Excerpt(text)),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(plain) => plain.to_string(),
    }
}
