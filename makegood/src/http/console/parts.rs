//! An answer of the shop as the parts of a page: facts, tables, lists, a payload as it came.

use askama::Template;
use askama::filters::HtmlSafe;
use kernel::Timestamp;
use serde_json::{Map, Value};

use super::acts::Act;
use super::cell::{Cell, Shape};
use crate::cli::render::{short, titled};

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Row>,
}

/// The head of a column.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) title: String,
    pub(super) is_number: bool,
}

/// A row, and what can be done with what it shows.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) acts: Vec<Act>,
}

impl Table {
    /// These columns of these rows.
    pub(super) fn of(columns: &[&str], rows: &[Value], now: Timestamp) -> Table {
        let cells: Vec<Vec<Cell>> = rows
            .iter()
            .map(|row| columns.iter().map(|column| Cell::of(column, row, now)).collect())
            .collect();
        let is_number = |at: usize| cells.iter().any(|row| row[at].shape == Shape::Number);
        let heads = columns
            .iter()
            .enumerate()
            .map(|(at, column)| Head { title: heading(column), is_number: is_number(at) })
            .collect();
        Table { heads, rows: cells.into_iter().map(|cells| Row { cells, acts: Vec::new() }).collect() }
    }

    pub(super) fn has_acts(&self) -> bool {
        self.rows.iter().any(|row| !row.acts.is_empty())
    }
}

/// The name of a field above a column or beside a value.
pub(super) fn heading(name: &str) -> String {
    let words = titled(name);
    let words = words.strip_suffix(" at").filter(|_| name != "at").unwrap_or(&words);
    let mut letters = words.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    match words {
        "id" => "Id".into(),
        "sku" => "SKU".into(),
        _ => format!("{first}{}", letters.as_str()),
    }
}

/// One part of a page.
#[derive(Debug, Template)]
#[template(path = "console/part.html")]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum Kind {
    Facts(Vec<(String, Cell)>),
    Table(Table),
    Items(Vec<Cell>),
    Json(String),
}

impl HtmlSafe for Part {}

/// An object: its plain fields first, then what it holds. Fields without a value are left out.
pub(super) fn parts(object: &Value, now: Timestamp) -> Vec<Part> {
    let mut all = Vec::new();
    collect(&mut all, "", object, &object["currency"], now);
    all
}

fn collect(all: &mut Vec<Part>, title: &str, object: &Value, currency: &Value, now: Timestamp) {
    let Some(map) = object.as_object() else { return };
    let mut whole = object.clone();
    if let (Some(fields), false) = (whole.as_object_mut(), currency.is_null()) {
        fields.entry("currency").or_insert_with(|| currency.clone());
    }
    let facts: Vec<(String, Cell)> = map
        .iter()
        .filter(|(name, value)| is_fact(name, value))
        .map(|(name, _)| (heading(name), Cell::of(name, &whole, now)))
        .collect();
    if !facts.is_empty() {
        all.push(Part { title: title.to_owned(), kind: Kind::Facts(facts) });
    }
    for (name, below) in map {
        let name_shown = heading(name);
        let title = if title.is_empty() { name_shown } else { format!("{title}: {}", titled(name)) };
        match below {
            Value::Object(_) if name == "payload" => all.push(json(title, below)),
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(_) => collect(all, &title, below, currency, now),
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                let rows = in_currency(rows, currency);
                let columns = columns(&rows);
                all.push(Part { title, kind: Kind::Table(Table::of(&columns, &rows, now)) });
            }
            Value::Array(items) if !items.is_empty() => {
                let cells = items.iter().map(|item| {
                    let text = short(item);
                    let href = super::cell::leads_to(name, &text);
                    Cell { href, ..Cell::text(text) }
                });
                all.push(Part { title, kind: Kind::Items(cells.collect()) });
            }
            _ => {}
        }
    }
}

pub(super) fn json(title: String, value: &Value) -> Part {
    Part { title, kind: Kind::Json(serde_json::to_string_pretty(value).unwrap_or_default()) }
}

fn is_fact(name: &str, value: &Value) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) | Value::Null => false,
        _ => !matches!(name, "object" | "currency" | "url" | "has_more"),
    }
}

fn in_currency(rows: &[Value], currency: &Value) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in rows.iter_mut().filter_map(Value::as_object_mut).filter(|_| !currency.is_null()) {
        row.entry("currency").or_insert_with(|| currency.clone());
    }
    rows
}

/// The fields that any row has a value for, in the order of the first row.
fn columns(rows: &[Value]) -> Vec<&str> {
    let first: Option<&Map<String, Value>> = rows.first().and_then(Value::as_object);
    let names = first.into_iter().flat_map(|map| map.keys());
    let says = |name: &&String| {
        rows.iter().any(|row| match &row[name.as_str()] {
            Value::Null => false,
            Value::Object(map) => !map.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        })
    };
    names
        .filter(|name| !matches!(name.as_str(), "object" | "currency"))
        .filter(says)
        .map(String::as_str)
        .collect()
}
