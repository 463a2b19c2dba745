//! A form made of a JSON schema, and what a form brings made into the input that the schema describes.

use serde_json::{Map, Value};

use super::parts::heading;
use crate::http::posted::Fields;
use crate::http::problem::Problem;

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) is_needed: bool,
    pub(super) trouble: String,
}

/// What is typed into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// Yes or no.
    Check,
    /// One of these.
    Choice(Vec<String>),
    /// A whole document.
    Document,
}

impl Field {
    pub(super) fn is_checked(&self) -> bool {
        self.value == "true"
    }
    /// For lists without a need to choose.
    pub(super) fn is_open(&self) -> bool {
        !self.is_needed
    }
}

/// Whether a form or an address says it: a box that is not ticked is not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Form,
    Query,
}

/// The fields of a schema without its subject, with what was given so far.
pub(super) fn fields(schema: &Value, without: &[&str], given: &Fields) -> Vec<Field> {
    let properties = schema["properties"].as_object();
    let each = properties.into_iter().flatten().filter(|(name, _)| !without.contains(&name.as_str()));
    each.map(|(name, property)| {
        let kind = kind(schema, property);
        let value = given.get(name).cloned().unwrap_or_else(|| default(property));
        Field {
            label: heading(name),
            help: help(schema, property),
            is_needed: is_needed(schema, name) && kind != Kind::Check,
            name: name.clone(),
            kind,
            value,
            trouble: String::new(),
        }
    })
    .collect()
}

fn default(property: &Value) -> String {
    match &property["default"] {
        Value::Bool(true) => "true".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn help(schema: &Value, property: &Value) -> String {
    let own = property["description"].as_str();
    let text = own.or_else(|| resolve(schema, property)["description"].as_str()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Whether the schema wants this field.
pub(super) fn is_needed(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
}

/// What is meant behind a reference, or beside a `null`.
fn resolve<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(name) = property["$ref"].as_str() {
        return schema.pointer(name.trim_start_matches('#')).unwrap_or(property);
    }
    let any = property["anyOf"].as_array().into_iter().flatten().find(|one| one["type"] != "null");
    any.map_or(property, |one| resolve(schema, one))
}

fn kind(schema: &Value, property: &Value) -> Kind {
    let meant = resolve(schema, property);
    let is = |wanted: &str| {
        let kind = &meant["type"];
        kind == wanted || kind.as_array().is_some_and(|all| all.iter().any(|one| one == wanted))
    };
    let words = |value: &Value| value.as_str().map(str::to_owned);
    let one_of: Vec<String> =
        meant["oneOf"].as_array().into_iter().flatten().filter_map(|one| words(&one["const"])).collect();
    let listed: Vec<String> = meant["enum"].as_array().into_iter().flatten().filter_map(words).collect();
    match () {
        () if !one_of.is_empty() => Kind::Choice(one_of),
        () if !listed.is_empty() => Kind::Choice(listed),
        () if is("boolean") => Kind::Check,
        () if is("integer") || is("number") => Kind::Number,
        () if is("object") || is("array") => Kind::Document,
        () => Kind::Text,
    }
}

/// What is wrong with one field.
pub(super) type Trouble = (String, String);

/// The input as the schema wants it; else what is wrong, field by field.
pub(super) fn input(schema: &Value, given: &Fields, from: From) -> Result<Map<String, Value>, Vec<Trouble>> {
    let (mut input, mut troubles) = (Map::new(), Vec::new());
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let kind = kind(schema, property);
        let text = given.get(name).map(|text| text.trim()).unwrap_or_default();
        match (&kind, text) {
            (Kind::Check, _) if from == From::Form || given.contains_key(name) => {
                // As on the command line and in the API: a flag may stand there by itself.
                let is = given.contains_key(name) && text != "false";
                input.insert(name.clone(), is.into());
            }
            (Kind::Check, _) => {}
            (_, "") if is_needed(schema, name) => troubles.push((name.clone(), "is needed".to_owned())),
            (_, "") => {}
            (kind, text) => match value(kind, text) {
                Ok(value) => drop(input.insert(name.clone(), value)),
                Err(why) => troubles.push((name.clone(), why)),
            },
        }
    }
    if troubles.is_empty() { Ok(input) } else { Err(troubles) }
}

fn value(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Number => {
            let number: Result<i64, _> = text.parse();
            number.map(Value::from).map_err(|_| format!("`{text}` is not a whole number"))
        }
        Kind::Document => {
            let parsed = serde_json::from_str(text);
            parsed.or_else(|_| toml::from_str::<Value>(text)).map_err(|error| {
                let line = error.to_string();
                format!("is neither JSON nor TOML: {}", line.lines().next().unwrap_or_default())
            })
        }
        Kind::Text | Kind::Choice(_) | Kind::Check => Ok(text.into()),
    }
}

/// A name that the schema does not know is a wish that nobody hears.
pub(super) fn refuse_unknown(schema: &Value, given: &Fields) -> Result<(), Problem> {
    let known = schema["properties"].as_object();
    let stranger = given.keys().find(|name| !known.is_some_and(|known| known.contains_key(*name)));
    stranger.map_or(Ok(()), |name| Err(Problem::invalid(name.clone(), "is no field of this page")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_field_of_every_operation_view_and_task_can_be_typed() {
        // A file may be pasted; nothing else has more in it than a field of a form shows.
        let files = [("catalog.import", "catalog"), ("courses.import", "content")];
        let operations = shop::OPERATIONS.iter().map(|def| (def.name, (def.schema)()));
        let views = shop::VIEWS.iter().map(|def| (def.name, (def.schema)()));
        let tasks = shop::TASKS.iter().map(|def| (def.name, (def.schema)()));
        for (name, schema) in operations.chain(views).chain(tasks) {
            for field in fields(&schema, &[], &Fields::new()) {
                assert!(!field.help.is_empty(), "{name} {} says nothing about itself", field.name);
                if field.kind == Kind::Document {
                    assert!(files.contains(&(name, field.name.as_str())), "{name} {}", field.name);
                }
            }
        }
    }

    #[test]
    fn a_form_becomes_the_input_that_the_schema_describes() {
        let schema = json!({
            "properties": {
                "name": { "type": "string" }, "change": { "type": "integer" }, "apply": { "type": "boolean" },
                "kind": { "anyOf": [{ "$ref": "#/$defs/Kind" }, { "type": "null" }] }, "doc": { "type": "object" },
            },
            "required": ["name", "change"],
            "$defs": { "Kind": { "oneOf": [{ "const": "a" }, { "const": "b" }] } },
        });
        let form = given(&[("name", " x "), ("change", "-5"), ("kind", "b"), ("doc", "a = 1")]);
        let read = Value::Object(input(&schema, &form, From::Form).unwrap());
        assert_eq!(
            read,
            json!({ "name": "x", "change": -5, "apply": false, "kind": "b", "doc": { "a": 1 } })
        );
        let wrong = input(&schema, &given(&[("change", "5x"), ("doc", "{")]), From::Query).unwrap_err();
        let names: Vec<&str> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["name", "change", "doc"]);
        let kinds: Vec<Kind> =
            fields(&schema, &["name"], &form).into_iter().map(|field| field.kind).collect();
        assert_eq!(kinds[2], Kind::Choice(vec!["a".into(), "b".into()]));
    }
}
