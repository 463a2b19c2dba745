//! One object as names and values; lists in it as small tables, a payload as JSON.

use serde_json::{Map, Value};

use super::cell::{Cell, ago, exact, is_time, titled};
use super::{Look, table};
use crate::cli::terminal::Tone;

/// An object for people. Fields without a value are left out unless more detail is wanted.
pub fn fields(object: &Value, look: Look) -> String {
    let Some(map) = object.as_object() else { return format!("{object}\n") };
    let simple: Vec<&String> =
        map.iter().filter(|(name, value)| is_simple(name, value, look)).map(|(n, _)| n).collect();
    let widest = simple.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for name in simple {
        let title = look.paint.tone(Tone::Dim, &format!("{:widest$}", titled(name)));
        text.push_str(&format!("{title}  {}\n", value(name, object, look)));
    }
    for (name, below) in map {
        text.push_str(&section(name, &in_currency(below, &object["currency"]), look));
    }
    text
}

/// The rows of a list with the currency of what they belong to, so that their sums can be read.
fn in_currency(below: &Value, currency: &Value) -> Value {
    let mut below = below.clone();
    for row in below.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if !currency.is_null() {
            row.entry("currency").or_insert_with(|| currency.clone());
        }
    }
    below
}

fn is_simple(name: &str, value: &Value, look: Look) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) => false,
        Value::Null => look.verbose,
        _ => name != "object",
    }
}

fn value(name: &str, object: &Value, look: Look) -> String {
    let at = object[name].as_str().filter(|_| is_time(name)).and_then(|text| text.parse().ok());
    match at {
        Some(at) => {
            format!("{} {}", exact(at), look.paint.tone(Tone::Dim, &format!("({})", ago(at, look.now))))
        }
        None => Cell::of(name, object, look).painted(look),
    }
}

fn section(name: &str, below: &Value, look: Look) -> String {
    let title = look.paint.tone(Tone::Bold, &titled(name));
    match below {
        // A payload is shown as it came.
        Value::Object(_) if name == "payload" => {
            format!("\n{title}\n{}\n", serde_json::to_string_pretty(below).unwrap_or_default())
        }
        Value::Object(_) => match fields(below, look) {
            nothing if nothing.is_empty() => nothing,
            said => format!("\n{title}\n{}", indented(&said)),
        },
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            format!("\n{title}\n{}", indented(&table(&columns(rows, look), rows, narrower(look))))
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| format!("  {}\n", super::cell::short(item)));
            format!("\n{title}\n{}", items.collect::<String>())
        }
        _ => String::new(),
    }
}

/// The fields that any row has a value for, in the order of the first row.
fn columns(rows: &[Value], look: Look) -> Vec<&str> {
    let first: Option<&Map<String, Value>> = rows.first().and_then(Value::as_object);
    let names = first.into_iter().flat_map(|map| map.keys());
    let says = |name: &&String| look.verbose || rows.iter().any(|row| says_something(&row[name.as_str()]));
    names
        .filter(|name| !matches!(name.as_str(), "object" | "currency"))
        .filter(says)
        .map(String::as_str)
        .collect()
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn narrower(look: Look) -> Look {
    Look { width: look.width.map(|width| width.saturating_sub(2)), ..look }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use kernel::Timestamp;
    use serde_json::json;

    #[test]
    fn an_object_is_names_and_values_with_its_lists_below() {
        let order = json!({
            "object": "order", "id": "ord_1", "status": "paid", "email": null, "total_amount": 4900, "currency": "usd",
            "lines": [{ "product_id": "rust-course", "quantity": 1, "sku": null }],
        });
        let look = Look { paint: Paint(false), width: None, verbose: false, now: Timestamp::from_seconds(0) };
        assert_eq!(
            fields(&order, look),
            "id            ord_1\nstatus        paid\ntotal amount  49.00 usd\ncurrency      usd\n\nlines\n  product id   quantity\n  rust-course         1\n"
        );
    }

    #[test]
    fn a_part_in_which_nothing_is_said_has_no_title() {
        let look = Look { paint: Paint(false), width: None, verbose: false, now: Timestamp::from_seconds(0) };
        let order = json!({ "id": "ord_1", "money_back": { "refunds": [], "disputes": [] } });
        assert_eq!(fields(&order, look), "id  ord_1\n");
    }
}
