//! Reads parameters strictly: an unknown or missing one is refused in Stripe's words.

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::form::Node;

/// Key and value pairs that a shop hangs on an object; the values are always texts.
pub(crate) type Metadata = Map<String, Value>;

type Answer<T> = Result<T, ApiError>;

/// The parameters of a request, or of one bracketed branch of it.
pub(crate) struct Params<'a> {
    branch: &'a [(String, Node)],
    path: String,
}

impl<'a> Params<'a> {
    pub(crate) fn new(branch: &'a [(String, Node)]) -> Self {
        Params { branch, path: String::new() }
    }

    /// How the client wrote this parameter: `line_items[0][price]`.
    pub(crate) fn name_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.path) }
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        self.branch.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Refuses every parameter that is not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Answer<()> {
        match self.branch.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::unknown_parameter(&self.name_of(name))),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Answer<Option<String>> {
        match self.find(name) {
            None => Ok(None),
            Some(Node::Text(text)) if text.is_empty() => Err(self.empty(name)),
            Some(Node::Text(text)) => Ok(Some(text.clone())),
            Some(Node::Branch(_)) => Err(self.invalid(name, "Invalid string: {...}")),
        }
    }

    /// A text that may be unset by sending it empty: `Some(None)`.
    pub(crate) fn unsettable(&self, name: &str) -> Answer<Option<Option<String>>> {
        match self.find(name) {
            Some(Node::Text(text)) if text.is_empty() => Ok(Some(None)),
            _ => Ok(self.text(name)?.map(Some)),
        }
    }

    pub(crate) fn required_text(&self, name: &str) -> Answer<String> {
        self.text(name)?.ok_or_else(|| ApiError::missing_parameter(&self.name_of(name)))
    }

    pub(crate) fn integer(&self, name: &str) -> Answer<Option<i64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let refused =
            || self.invalid(name, &format!("Invalid integer: {text}")).code("parameter_invalid_integer");
        text.parse().map(Some).map_err(|_| refused())
    }

    /// A sum or a count, which is never negative.
    pub(crate) fn amount(&self, name: &str) -> Answer<Option<i64>> {
        match self.integer(name)? {
            Some(amount) if amount < 0 => {
                Err(self.invalid(name, "This value must be greater than or equal to 0."))
            }
            Some(amount) if amount > 99_999_999_999 => {
                Err(self.invalid(name, "Amount must be no more than 999,999,999.99").code("amount_too_large"))
            }
            other => Ok(other),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Answer<Option<bool>> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.invalid(name, &format!("Invalid boolean: {other}"))),
        }
    }

    pub(crate) fn one_of(&self, name: &str, choices: &[&str]) -> Answer<Option<String>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if choices.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let words = choices.join(", ");
        Err(self.invalid(name, &format!("Invalid {}: must be one of {words}", self.name_of(name))))
    }

    pub(crate) fn currency(&self, name: &str) -> Answer<Option<String>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse::<kernel::Currency>() {
            Ok(currency) => Ok(Some(currency.to_string())),
            Err(_) => Err(self.invalid(name, &format!("Invalid currency: {text}."))),
        }
    }

    pub(crate) fn child(&self, name: &str) -> Answer<Option<Params<'a>>> {
        match self.find(name) {
            None => Ok(None),
            Some(Node::Branch(branch)) => Ok(Some(Params { branch, path: self.name_of(name) })),
            Some(Node::Text(_)) => Err(self.invalid(name, "Invalid object")),
        }
    }

    /// The members of a list, in the order of their numbers.
    pub(crate) fn list(&self, name: &str) -> Answer<Vec<Params<'a>>> {
        let Some(list) = self.child(name)? else { return Ok(Vec::new()) };
        let mut members = Vec::with_capacity(list.branch.len());
        for (number, node) in list.branch {
            let position: usize = number.parse().map_err(|_| self.invalid(name, "Invalid array"))?;
            let Node::Branch(branch) = node else { return Err(self.invalid(name, "Invalid array")) };
            members.push((position, Params { branch, path: list.name_of(number) }));
        }
        members.sort_by_key(|(position, _)| *position);
        Ok(members.into_iter().map(|(_, member)| member).collect())
    }

    /// A list of plain texts, like `expand[]`.
    pub(crate) fn texts(&self, name: &str) -> Answer<Vec<String>> {
        let Some(list) = self.child(name)? else { return Ok(Vec::new()) };
        let text = |(_, node): &(String, Node)| match node {
            Node::Text(text) => Ok(text.clone()),
            Node::Branch(_) => Err(self.invalid(name, "Invalid array")),
        };
        list.branch.iter().map(text).collect()
    }

    /// Metadata as sent; an empty text stands for "remove this key".
    pub(crate) fn metadata(&self, name: &str) -> Answer<Metadata> {
        if matches!(self.find(name), Some(Node::Text(text)) if text.is_empty()) {
            return Ok(Metadata::new());
        }
        let Some(branch) = self.child(name)? else { return Ok(Metadata::new()) };
        let mut metadata = Metadata::new();
        for (key, node) in branch.branch {
            let Node::Text(value) = node else {
                return Err(self.invalid(name, "Invalid metadata: values are strings"));
            };
            branch.check_metadata(key, value)?;
            metadata.insert(key.clone(), json!(value));
        }
        if metadata.len() > 50 {
            return Err(self.invalid(name, &too_many_keys(metadata.len())));
        }
        Ok(metadata)
    }

    fn check_metadata(&self, key: &str, value: &str) -> Answer<()> {
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        if key_chars > 40 {
            let message = format!("Metadata keys must be 40 characters or less; `{key}` has {key_chars}.");
            return Err(self.invalid(key, &message));
        }
        if value_chars > 500 {
            let message = format!(
                "Metadata values can have up to 500 characters, but you passed in a value that is {value_chars} \
                 characters. Invalid value: {value}"
            );
            return Err(self.invalid(key, &message));
        }
        Ok(())
    }

    /// A branch as JSON, for settings that are stored and shown but change nothing here.
    pub(crate) fn json(&self, name: &str) -> Option<Value> {
        self.find(name).map(as_json)
    }

    pub(crate) fn invalid(&self, name: &str, message: &str) -> ApiError {
        ApiError::invalid(message).about(&self.name_of(name))
    }

    fn empty(&self, name: &str) -> ApiError {
        let name = self.name_of(name);
        ApiError::invalid(format!(
            "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; \
             however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
        ))
        .code("parameter_invalid_empty")
        .about(&name)
    }
}

fn too_many_keys(count: usize) -> String {
    format!("You can have up to 50 metadata keys; you passed {count}.")
}

/// Joins an update into metadata: an empty value removes its key.
pub(crate) fn merge(metadata: &mut Metadata, update: Metadata) -> Answer<()> {
    for (key, value) in update {
        if value == "" {
            metadata.shift_remove(&key);
        } else {
            metadata.insert(key, value);
        }
    }
    match metadata.len() {
        count if count > 50 => Err(ApiError::invalid(too_many_keys(count)).about("metadata")),
        _ => Ok(()),
    }
}

/// Guesses types as Stripe's schema has them: numbers, booleans, lists named by number, else texts and hashes.
fn as_json(node: &Node) -> Value {
    match node {
        Node::Text(text) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            other => other.parse::<i64>().map_or_else(|_| json!(other), |number| json!(number)),
        },
        Node::Branch(branch)
            if !branch.is_empty() && branch.iter().all(|(name, _)| name.parse::<usize>().is_ok()) =>
        {
            branch.iter().map(|(_, node)| as_json(node)).collect()
        }
        Node::Branch(branch) => branch.iter().map(|(name, node)| (name.clone(), as_json(node))).collect(),
    }
}
