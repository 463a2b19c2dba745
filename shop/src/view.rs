//! Small things that the rooms' views share.

use kernel::{Error, Id, Kind, Result};
use ops::Page;
use serde::Serialize;

/// The id after which a page begins, if there is such a thing: a mistyped id must not look like the end of the list.
pub(crate) fn after<K: Kind>(
    page: &Page,
    is_there: impl FnOnce(Id<K>) -> Result<bool>,
) -> Result<Option<Id<K>>> {
    let Some(text) = &page.starting_after else { return Ok(None) };
    let id: Id<K> =
        text.parse().map_err(|e: kernel::IdParseError| Error::invalid("starting_after", e.to_string()))?;
    if is_there(id)? { Ok(Some(id)) } else { Err(Error::not_found(K::NAME, id)) }
}

/// The same for things whose ids are not ours.
pub(crate) fn after_text<'a>(
    page: &'a Page,
    what: &'static str,
    is_there: impl FnOnce(&str) -> Result<bool>,
) -> Result<Option<&'a str>> {
    match page.starting_after.as_deref() {
        Some(id) if !is_there(id)? => Err(Error::not_found(what, id)),
        after => Ok(after),
    }
}

/// Values as JSON objects that say what they are.
pub(crate) fn objects<T: Serialize>(object: &str, values: Vec<T>) -> Result<Vec<serde_json::Value>> {
    values.iter().map(|value| self::object(object, value)).collect()
}

/// A value as a JSON object that says what it is.
pub(crate) fn object<T: Serialize>(object: &str, value: &T) -> Result<serde_json::Value> {
    let mut fields = serde_json::Map::from_iter([("object".to_owned(), object.into())]);
    match serde_json::to_value(value).map_err(|e| Error::Bug(Box::new(e)))? {
        serde_json::Value::Object(own) => fields.extend(own),
        other => return Err(Error::bug(format!("not an object: {other}"))),
    }
    Ok(fields.into())
}
