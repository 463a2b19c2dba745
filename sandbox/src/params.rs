//! Reads parameters strictly: an unknown or missing one is refused in Stripe's words.

use serde_json::{Map, Value, json};

use crate::currencies;
use crate::error::ApiError;
use crate::form::Node;

/// Key and value pairs that a shop hangs on an object; the values are always texts.
pub(crate) type Metadata = Map<String, Value>;

/// What an update does to metadata.
pub(crate) enum MetadataChange {
    /// It was not sent.
    Untouched,
    /// It was sent empty: every key goes.
    Clear,
    /// These keys are set; an empty value removes its key.
    Join(Metadata),
}

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
        if self.unsets(name) {
            return Ok(Some(None));
        }
        Ok(self.text(name)?.map(Some))
    }

    /// Whether it was sent empty, which unsets it.
    pub(crate) fn unsets(&self, name: &str) -> bool {
        matches!(self.find(name), Some(Node::Text(text)) if text.is_empty())
    }

    /// A text of at most so many characters.
    pub(crate) fn short_text(&self, name: &str, most: usize) -> Answer<Option<String>> {
        let text = self.text(name)?;
        match text.as_ref().map_or(0, |text| text.chars().count()) {
            seen if seen > most => Err(self.invalid(
                name,
                &format!("Invalid string: it has {seen} characters; must be at most {most} characters."),
            )),
            _ => Ok(text),
        }
    }

    /// An address that a browser may be sent to.
    pub(crate) fn web_address(&self, name: &str) -> Answer<Option<String>> {
        let Some(url) = self.text(name)? else { return Ok(None) };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let message = match rest {
            None => "Invalid URL: An explicit scheme (such as https) must be provided.",
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => {
                "Not a valid URL: no host is named."
            }
            // A line break would end the header that the address stands in.
            Some(rest) if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                "Not a valid URL: spaces and line breaks have to be escaped."
            }
            Some(_) => return Ok(Some(url)),
        };
        Err(self.invalid(name, message).code("url_invalid"))
    }

    /// An e-mail address, as far as can be told by looking at it.
    pub(crate) fn email(&self, name: &str) -> Answer<Option<String>> {
        let Some(email) = self.short_text(name, 512)? else { return Ok(None) };
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let sides = email.split_once('@');
        if sides.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !host.contains('@'))
            && !email.contains(odd)
        {
            return Ok(Some(email));
        }
        Err(self.invalid(name, &format!("Invalid email address: {email}")).code("email_invalid"))
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
            // The Python packages up to 11 write booleans as Python does, and Stripe takes them.
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
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
        match currencies::find(&text) {
            Some(currency) => Ok(Some(currency.to_string())),
            None => {
                let known = currencies::listed();
                let message =
                    format!("Invalid currency: {text}. Stripe currently supports these currencies: {known}");
                Err(self.invalid(name, &message))
            }
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

    /// The metadata of something new.
    pub(crate) fn metadata(&self, name: &str) -> Answer<Metadata> {
        let mut metadata = Metadata::new();
        merge(&mut metadata, self.metadata_change(name)?)?;
        Ok(metadata)
    }

    /// What an update does to the metadata that is there.
    pub(crate) fn metadata_change(&self, name: &str) -> Answer<MetadataChange> {
        if self.unsets(name) {
            return Ok(MetadataChange::Clear);
        }
        let Some(branch) = self.child(name)? else { return Ok(MetadataChange::Untouched) };
        let mut metadata = Metadata::new();
        for (key, node) in branch.branch {
            let Node::Text(value) = node else {
                return Err(self.invalid(name, "Invalid metadata: values are strings"));
            };
            branch.check_metadata(key, value)?;
            metadata.insert(key.clone(), json!(value));
        }
        Ok(MetadataChange::Join(metadata))
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

    /// A branch as JSON with guessed types, for settings too large to be read by their kinds.
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

/// Makes a change to metadata.
pub(crate) fn merge(metadata: &mut Metadata, change: MetadataChange) -> Answer<()> {
    let joined = match change {
        MetadataChange::Untouched => return Ok(()),
        MetadataChange::Clear => {
            metadata.clear();
            return Ok(());
        }
        MetadataChange::Join(joined) => joined,
    };
    for (key, value) in joined {
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
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
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
