//! Small things that the rooms' views share.

use kernel::{Error, Id, Kind, Result};
use ops::Page;
use serde::Serialize;

/// The id after which a page begins.
pub(crate) fn after<K: Kind>(page: &Page) -> Result<Option<Id<K>>> {
    let parse = |text: &String| {
        text.parse().map_err(|e: kernel::IdParseError| Error::invalid("starting_after", e.to_string()))
    };
    page.starting_after.as_ref().map(parse).transpose()
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
