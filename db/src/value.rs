//! Values on their way into a statement and out of a row.

use kernel::{Error, Id, Kind, Result, Timestamp};
use uuid::Uuid;

/// One bound parameter or one cell. What the column's type is decides how it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// Stored as 0 or 1 on SQLite.
    Bool(bool),
    /// A whole number; sums of money are minor units.
    Int(i64),
    /// Only in answers of averages; never money.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant; RFC 3339 text on SQLite.
    Time(Timestamp),
    /// A UUID; hyphenated text on SQLite.
    Uuid(Uuid),
    /// A JSON text.
    Json(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// For [`crate::Dialect::any`]: one parameter that holds many values.
    Array(Vec<Value>),
}

macro_rules! into_value {
    ($($from:ty => |$v:ident| $made:expr),* $(,)?) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Value { $made } })*
    };
}

into_value! {
    bool => |v| Value::Bool(v),
    i64 => |v| Value::Int(v),
    i32 => |v| Value::Int(v.into()),
    u32 => |v| Value::Int(v.into()),
    &str => |v| Value::Text(v.to_owned()),
    &String => |v| Value::Text(v.clone()),
    String => |v| Value::Text(v),
    Timestamp => |v| Value::Time(v),
    Uuid => |v| Value::Uuid(v),
    Vec<u8> => |v| Value::Bytes(v),
    kernel::Currency => |v| Value::Text(v.to_string()),
    &serde_json::Value => |v| Value::Json(v.to_string()),
    serde_json::Value => |v| Value::Json(v.to_string()),
}

impl<K: Kind> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Value {
        Value::Uuid(id.uuid())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl Value {
    /// Many values as one parameter.
    pub fn array<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Value {
        Value::Array(values.into_iter().map(Into::into).collect())
    }
}

/// A type that a cell can be read as.
pub trait FromValue: Sized {
    /// Reads it; the error says what was seen instead.
    fn from_value(value: &Value) -> Result<Self>;
}

fn unexpected<T>(value: &Value) -> Result<T> {
    Err(Error::bug(format!("expected {}, the column holds {value:?}", std::any::type_name::<T>())))
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Bool(v) => Ok(*v),
            Value::Int(v @ (0 | 1)) => Ok(*v == 1),
            other => unexpected(other),
        }
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Int(v) => Ok(*v),
            other => unexpected(other),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Float(v) => Ok(*v),
            Value::Int(v) => Ok(*v as f64),
            other => unexpected(other),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Text(v) | Value::Json(v) => Ok(v.clone()),
            other => unexpected(other),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Bytes(v) => Ok(v.clone()),
            other => unexpected(other),
        }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Time(v) => Ok(*v),
            Value::Text(v) => v.parse().map_err(|e| Error::Bug(Box::new(e))),
            other => unexpected(other),
        }
    }
}

impl FromValue for Uuid {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Uuid(v) => Ok(*v),
            Value::Text(v) => v.parse().map_err(|_| Error::bug(format!("`{v}` is not a UUID"))),
            other => unexpected(other),
        }
    }
}

impl<K: Kind> FromValue for Id<K> {
    fn from_value(value: &Value) -> Result<Self> {
        Uuid::from_value(value).map(Id::from_uuid)
    }
}

impl FromValue for kernel::Currency {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Text(v) => v.parse().map_err(|e| Error::Bug(Box::new(e))),
            other => unexpected(other),
        }
    }
}

impl FromValue for serde_json::Value {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Json(v) | Value::Text(v) => serde_json::from_str(v).map_err(|e| Error::Bug(Box::new(e))),
            other => unexpected(other),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            present => T::from_value(present).map(Some),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}
