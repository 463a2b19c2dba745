//! Where values come from: flags, the environment, `.env`, `makegood.toml`, what `makegood dev` has left, defaults; the first that
//! has one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Problem;
use super::keys::{KEYS, Key};

/// Which place a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag on the command line.
    Flag,
    /// The environment.
    Environment,
    /// A file named by a variable that ends in `_FILE`.
    File(PathBuf),
    /// The `.env` file.
    DotEnv,
    /// The configuration file.
    Toml(PathBuf),
    /// The file that `makegood dev` leaves in its folder.
    Dev,
    /// Nothing was set.
    Default,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment => f.write_str("environment"),
            Source::File(path) | Source::Toml(path) => write!(f, "{}", path.display()),
            Source::DotEnv => f.write_str(".env"),
            Source::Dev => f.write_str("makegood dev"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// Everything that was said, before it is judged.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// By key, like `LISTEN`.
    pub flags: BTreeMap<String, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The text of `.env`.
    pub dotenv: Option<String>,
    /// The configuration file: where it lies and its text.
    pub toml: Option<(PathBuf, String)>,
    /// Whether what `makegood dev` has left in `DATA_DIR` counts, after everything else.
    pub beside_dev: bool,
}

/// The file of lines `NAME=value` that is read when it is there.
pub(super) const DOTENV: &str = ".env";

/// The configuration file that is read when it is there.
pub const CONFIG_FILE: &str = "makegood.toml";

impl Sources {
    /// What this process was given: its environment, `.env` and `makegood.toml` in the working folder, or `file`.
    ///
    /// # Errors
    /// When `file` was named and cannot be read.
    pub fn of_process(file: Option<&Path>) -> Result<Sources, Vec<Problem>> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let toml = match file {
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => Some((path.to_owned(), text)),
                Err(error) => return Err(vec![Problem::new(path.display().to_string(), error.to_string())]),
            },
            None => std::fs::read_to_string(CONFIG_FILE).ok().map(|text| (CONFIG_FILE.into(), text)),
        };
        let dotenv = std::fs::read_to_string(DOTENV).ok();
        Ok(Sources { environment, dotenv, toml, ..Sources::default() })
    }

    /// The same for a command beside a server, which may be that of `makegood dev`.
    pub fn beside_dev(self) -> Sources {
        Sources { beside_dev: true, ..self }
    }

    /// The same with a flag on top.
    pub fn with_flag(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.insert(key.to_owned(), value.into());
        self
    }
}

/// The lines of a `.env` file: `NAME=value`, quotes optional, `#` begins a comment line.
pub(super) fn dotenv(text: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix("export ").unwrap_or(line).split_once('=') {
            Some((name, value)) => {
                values.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
            }
            // The line itself may hold a secret; its number is enough.
            None => problems.push(Problem::new(".env", format!("line {number} is not NAME=value"))),
        }
    }
    values
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match inside('"').or_else(|| inside('\'')) {
        Some(inside) => inside,
        // A comment after the value needs a space before it, as a `#` may belong to a password.
        None => value.split_once(" #").map_or(value, |(value, _)| value.trim_end()),
    }
}

/// The keys of a TOML file; `[stripe] secret = "…"` is `STRIPE_SECRET`. Unknown ones are refused with their path.
pub(super) fn toml(path: &Path, text: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    match text.parse::<toml::Table>() {
        Ok(table) => flatten(path, &table, &[], &mut values, problems),
        Err(error) => {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            problems
                .push(Problem::new(path.display().to_string(), format!("line {line}: {}", error.message())));
        }
    }
    values
}

fn flatten(
    file: &Path,
    table: &toml::Table,
    above: &[&str],
    values: &mut BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let path: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
        let key = path.join("_").to_ascii_uppercase();
        let shown = format!("{}: {}", file.display(), path.join("."));
        match scalar(value) {
            Some(text) if is_known(&key) => {
                values.insert(key, text);
            }
            Some(_) => problems.push(Problem::new(shown, format!("unknown key{}", suggestion(&key)))),
            None => match value {
                toml::Value::Table(inner) => flatten(file, inner, &path, values, problems),
                other => {
                    problems.push(Problem::new(shown, format!("a {} is no value here", other.type_str())))
                }
            },
        }
    }
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(is) => Some(is.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(scalar).collect();
            items.map(|items| items.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn suggestion(key: &str) -> String {
    near(key).map_or(String::new(), |near| format!("; did you mean {}?", near.to_ascii_lowercase()))
}

/// Whether a name is a key, or the file variable of one.
fn is_known(name: &str) -> bool {
    known_names().any(|known| known == name)
}

fn known_names() -> impl Iterator<Item = String> {
    KEYS.iter().flat_map(|key| [Some(key.name.to_owned()), key.file_variable()]).flatten()
}

/// The key that `name` was probably meant to be.
pub(super) fn near(name: &str) -> Option<String> {
    if name.len() < 6 || is_known(name) {
        return None;
    }
    let best = known_names().map(|known| (distance(name, &known), known)).min()?;
    (best.0 <= 2 && best.0 * 4 <= name.len()).then_some(best.1)
}

/// How many letters must be changed, added or taken away (Levenshtein); a swap of two counts as two.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// A secret as a file holds it: plain, or as a secrets manager's JSON, `{"secretKey": …}` or `{"webhookSecret": …}`.
pub(crate) fn secret_text(key: &Key, text: &str) -> Result<String, String> {
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.trim_start().starts_with('{') {
        return Ok(text.to_owned());
    }
    let field = match key.name {
        "STRIPE_SECRET" => "secretKey",
        "STRIPE_WEBHOOK_SECRET" => "webhookSecret",
        _ => return Ok(text.to_owned()),
    };
    let json: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| format!("begins like JSON and is none; expected {{\"{field}\": …}}"))?;
    let value = json.get(field).and_then(|value| value.as_str());
    value.map(str::to_owned).ok_or_else(|| format!("is JSON without the text `{field}`"))
}
