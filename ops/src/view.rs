//! A read, said once: a command with aligned columns, an API route and its description.

use db::{Row, Tx, Value};
use kernel::{Cx, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::operation::schema;
use crate::{Role, input};

/// One question that may be asked. Its fields are the flags and the query of the route.
pub trait View: clap::Args + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// `resource.list` is `GET …/resource`; `resource.show` is `GET …/resource/{id}`; any other verb is
    /// `GET …/resource/{id}/verb`, or `GET …/resource/verb` without a subject.
    const NAME: &'static str;
    /// The field that stands in the route's path, if one does.
    const SUBJECT: Option<&'static str>;
    /// What a terminal shows of a list, in this order; empty for a single object.
    const COLUMNS: &'static [&'static str];
    /// Who may ask.
    const ROLE: Role = Role::Viewer;

    /// The answer: an object, or a list `{object, data, has_more, url}`.
    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<serde_json::Value>;
}

/// A view without its type: what the doors are made from.
#[derive(Clone, Copy)]
pub struct ViewDef {
    /// See [`View::NAME`].
    pub name: &'static str,
    /// See [`View::SUBJECT`].
    pub subject: Option<&'static str>,
    /// See [`View::COLUMNS`].
    pub columns: &'static [&'static str],
    /// See [`View::ROLE`].
    pub role: Role,
    /// Its fields as a JSON schema, with their descriptions.
    pub schema: fn() -> serde_json::Value,
    /// Adds its fields to a command.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// The question that a command line asked.
    pub from_arguments: fn(&clap::ArgMatches) -> Result<serde_json::Value>,
    /// Asks it.
    pub ask: fn(serde_json::Value, &mut Tx<'_>, &Cx) -> Result<serde_json::Value>,
}

impl ViewDef {
    /// The definition of `V`.
    pub const fn of<V: View>() -> Self {
        ViewDef {
            name: V::NAME,
            subject: V::SUBJECT,
            columns: V::COLUMNS,
            role: V::ROLE,
            schema: || schema::<V>(),
            arguments: |command| V::augment_args(command),
            from_arguments: |matches| {
                let input = V::from_arg_matches(matches).map_err(|e| Error::invalid("", e.to_string()))?;
                serde_json::to_value(&input).map_err(|e| Error::Bug(Box::new(e)))
            },
            ask: |asked, tx, cx| {
                let view: V = input::read(asked).map_err(input::by_name)?;
                view.read(tx, cx)
            },
        }
    }

    /// What it answers, in a sentence: the first line of its comment.
    pub fn about(&self) -> String {
        let schema = (self.schema)();
        let text = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
    }

    /// Its resource: the word before the first dot.
    pub fn resource(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Its verb: the words after the resource.
    pub fn verbs(&self) -> Vec<&'static str> {
        self.name.split('.').skip(1).collect()
    }
}

/// Which part of a list: fields that every list shares, to be flattened into a view.
#[derive(Debug, Clone, clap::Args, Serialize, serde::Deserialize, JsonSchema)]
#[serde(default)]
pub struct Page {
    /// At most so many (1 to 100)
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=MOST))]
    #[serde(deserialize_with = "lenient_number")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// Only what comes after this id
    #[arg(long)]
    pub starting_after: Option<String>,
}

/// The longest page.
const MOST: i64 = 100;

impl Default for Page {
    fn default() -> Self {
        Page { limit: 20, starting_after: None }
    }
}

impl Page {
    /// One more row than asked for tells whether there is more.
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }
}

/// Query strings carry numbers as text. Whoever asks for more than a page holds would take a part for the whole.
fn lenient_number<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    let seen: serde_json::Value = serde::Deserialize::deserialize(d)?;
    let number = seen.as_i64().or_else(|| seen.as_str()?.parse().ok());
    number.filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
        serde::de::Error::custom(format!("limit is {seen}; expected a whole number from 1 to {MOST}"))
    })
}

/// A list as Stripe writes them. `rows` may hold one more than the page.
pub fn page(url: &str, page: &Page, mut rows: Vec<serde_json::Value>) -> serde_json::Value {
    let has_more = rows.len() as i64 > page.limit;
    rows.truncate(page.limit as usize);
    serde_json::json!({ "object": "list", "data": rows, "has_more": has_more, "url": url })
}

/// A row as a JSON object, for reads that show a table as it is. Ids keep their stored form.
impl From<&RowJson<'_>> for serde_json::Value {
    fn from(row: &RowJson<'_>) -> Self {
        let cells = row.0.names().iter().zip(row.0.cells());
        serde_json::Value::Object(cells.map(|(name, cell)| (name.clone(), json(cell))).collect())
    }
}

/// Wraps a row to make JSON of it.
pub struct RowJson<'a>(pub &'a Row);

fn json(cell: &Value) -> serde_json::Value {
    match cell {
        Value::Null | Value::Array(_) => serde_json::Value::Null,
        Value::Bool(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::Float(v) => (*v).into(),
        Value::Text(v) => v.clone().into(),
        Value::Time(v) => v.to_string().into(),
        Value::Uuid(v) => v.to_string().into(),
        Value::Json(v) => serde_json::from_str(v).unwrap_or_else(|_| v.clone().into()),
        Value::Bytes(v) => crate::access::hex(v).into(),
    }
}
