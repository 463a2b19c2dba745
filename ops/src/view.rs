//! A read, said once: a command with aligned columns, an API route and its description.

use db::{Row, Tx, Value};
use kernel::{Cx, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Role;
use crate::operation::schema;

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
            ask: |input, tx, cx| {
                let view: V = serde_json::from_value(input).map_err(|e| Error::invalid("", e.to_string()))?;
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
#[derive(Debug, Clone, Default, clap::Args, Serialize, serde::Deserialize, JsonSchema)]
#[serde(default)]
pub struct Page {
    /// At most so many (1 to 100)
    #[arg(long, default_value_t = 20)]
    #[serde(deserialize_with = "lenient_number")]
    pub limit: i64,
    /// Only what comes after this id
    #[arg(long)]
    pub starting_after: Option<String>,
}

impl Page {
    /// One more row than asked for tells whether there is more.
    pub fn fetch(&self) -> i64 {
        self.size() + 1
    }
    fn size(&self) -> i64 {
        if self.limit == 0 { 20 } else { self.limit.clamp(1, 100) }
    }
}

/// Query strings carry numbers as text.
fn lenient_number<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    match serde::Deserialize::deserialize(d)? {
        serde_json::Value::Number(n) => {
            n.as_i64().ok_or_else(|| serde::de::Error::custom("not a whole number"))
        }
        serde_json::Value::String(s) => s.parse().map_err(serde::de::Error::custom),
        other => Err(serde::de::Error::custom(format!("{other} is not a number"))),
    }
}

/// A list as Stripe writes them. `rows` may hold one more than the page.
pub fn page(url: &str, page: &Page, mut rows: Vec<serde_json::Value>) -> serde_json::Value {
    let has_more = rows.len() as i64 > page.size();
    rows.truncate(page.size() as usize);
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
