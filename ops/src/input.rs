//! Reading what came in, whichever door it came through. What cannot be read is told by its place and in plain words.

use kernel::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// The input, if its fields are these. No door is the only one through which a text comes, so what no engine keeps is refused here.
///
/// # Errors
/// Invalid, with where it stands as a JSON pointer.
pub fn read<T: DeserializeOwned>(input: Value) -> Result<T> {
    refuse_nul(&input)?;
    serde_path_to_error::deserialize(input).map_err(|error| {
        let place = error.path().iter().map_while(step).collect();
        told(place, &error.inner().to_string())
    })
}

/// The same where the fields stand in a query: a parameter has a name, and no place.
pub fn by_name(error: Error) -> Error {
    match error {
        Error::Invalid { at, why } => Error::invalid(at.strip_prefix('/').unwrap_or(&at), why),
        other => other,
    }
}

fn step(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(pointer(key)),
        Segment::Enum { variant } => Some(pointer(variant)),
        Segment::Unknown => None,
    }
}

/// What the reader says, in words of the API.
fn told(mut place: String, text: &str) -> Error {
    let quoted = |start: &str| {
        text.strip_prefix(start).and_then(|rest| rest.strip_prefix('`')).and_then(|rest| rest.split_once('`'))
    };
    let why = if let Some((name, _)) = quoted("missing field ") {
        place.push_str(&pointer(name));
        "is missing".to_owned()
    } else if let Some((_, rest)) = quoted("unknown field ") {
        format!("is unknown{}", choice(rest))
    } else if let Some((name, rest)) = quoted("unknown variant ") {
        format!("is `{name}`{}", choice(rest))
    } else if let Some((seen, expected)) = text
        .strip_prefix("invalid type: ")
        .or_else(|| text.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        format!("is {}; expected {}", seen_in_words(seen), expected_in_words(expected))
    } else {
        text.to_owned()
    };
    Error::invalid(place, why)
}

/// `, expected one of …` as a list; `, there are no fields` says nothing to anybody.
fn choice(rest: &str) -> String {
    let all = rest.strip_prefix(", expected ").unwrap_or_default();
    let all = all.strip_prefix("one of ").unwrap_or(all).replace('`', "").replace(" or ", ", ");
    if all.is_empty() { String::new() } else { format!("; expected {all}") }
}

fn seen_in_words(seen: &str) -> String {
    let (kind, value) = seen.split_once(' ').unwrap_or((seen, ""));
    match kind {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "string" => format!("the text {value}"),
        "integer" | "boolean" => value.replace('`', ""),
        "floating" => value.trim_start_matches("point ").replace('`', ""),
        _ => seen.to_owned(),
    }
}

fn expected_in_words(expected: &str) -> String {
    let number = match expected {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX.into(),
        _ => 0_u64,
    };
    match expected {
        _ if number > 0 => format!("a whole number from 0 to {number}"),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "string or map" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other == "a map" || other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

/// PostgreSQL keeps no NUL in a text; no engine shall be asked to.
///
/// # Errors
/// Invalid, with where it stands as a JSON pointer.
pub fn refuse_nul(value: &serde_json::Value) -> Result<()> {
    within(value, &mut String::new())
}

fn within(value: &serde_json::Value, place: &mut String) -> Result<()> {
    let inside = |name: &str, value: &serde_json::Value, place: &mut String| {
        let length = place.len();
        place.push_str(&pointer(name));
        let result = within(value, place);
        place.truncate(length);
        result
    };
    match value {
        serde_json::Value::String(text) if text.contains('\0') => {
            Err(Error::invalid(place.clone(), "holds the character NUL"))
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| inside(&at.to_string(), item, place))
        }
        serde_json::Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| match name.contains('\0') {
                true => Err(Error::invalid(place.clone(), "a name holds the character NUL")),
                false => inside(name, value, place),
            })
        }
        _ => Ok(()),
    }
}

/// One step of a JSON pointer (RFC 6901).
pub fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Course,
        Physical,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Item {
        product: String,
        quantity: i64,
        #[serde(default)]
        gift: bool,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default)]
        most: u32,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Order {
        items: Vec<Item>,
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_place_and_in_plain_words() {
        assert!(
            read::<Order>(json!({ "items": [{ "product": "mug", "quantity": 1, "kind": "course" }] }))
                .is_ok()
        );
        for (item, told) in [
            (json!({ "product": "mug", "quantity": 1.5 }), "/quantity: is 1.5; expected a whole number"),
            (
                json!({ "product": "mug", "quantity": "1" }),
                "/quantity: is the text \"1\"; expected a whole number",
            ),
            (json!({ "product": "mug", "quantity": null }), "/quantity: is null; expected a whole number"),
            (json!({ "product": 1, "quantity": 1 }), "/product: is 1; expected a text"),
            (json!({ "product": [], "quantity": 1 }), "/product: is a list; expected a text"),
            (
                json!({ "product": "a, expected b", "quantity": "a, expected b" }),
                "/quantity: is the text \"a, expected b\"; expected a whole number",
            ),
            (json!({ "product": "mug" }), "/quantity: is missing"),
            (
                json!({ "product": "mug", "quantity": 1, "gift": "yes" }),
                "/gift: is the text \"yes\"; expected true or false",
            ),
            (
                json!({ "product": "mug", "quantity": 1, "most": -1 }),
                "/most: is -1; expected a whole number from 0 to 4294967295",
            ),
            (
                json!({ "product": "mug", "quantity": 1, "kind": "boat" }),
                "/kind: is `boat`; expected course, physical",
            ),
            (
                json!({ "product": "mug", "a/b": 1 }),
                "/a~1b: is unknown; expected product, quantity, gift, kind, most",
            ),
            (json!("mug"), ": is the text \"mug\"; expected an object"),
        ] {
            let wrong = read::<Order>(json!({ "items": [item] })).unwrap_err();
            assert_eq!(wrong.to_string(), format!("/items/0{told}"));
        }
        assert_eq!(read::<Order>(json!({})).unwrap_err().to_string(), "/items: is missing");
        assert_eq!(
            read::<Order>(json!({ "items": {} })).unwrap_err().to_string(),
            "/items: is an object; expected a list"
        );
    }
}
