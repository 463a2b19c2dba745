//! What `DATABASE_URL` names, and what is wrong with it when it names nothing.

use std::path::PathBuf;

/// Where the data lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file of its own.
    Sqlite(PathBuf),
    /// A server, by its URL; several hosts may be named.
    Postgres(String),
}

/// What is wrong with a database URL. The text never repeats the password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

const EXPECTED: &str = "\"postgres://\", \"postgresql://\" or \"sqlite:\"";

impl Target {
    /// Reads `postgres://user:password@host[,host]/name?…`, `sqlite:path/to/file` or `sqlite://path`.
    pub fn parse(text: &str) -> Result<Target, TargetError> {
        let wrong = |what: String| Err(TargetError(what));
        if text.is_empty() {
            return wrong(format!("is empty; expected a connection string that starts with {EXPECTED}"));
        }
        if text.trim() != text {
            return wrong("has spaces or line breaks around it; remove them".into());
        }
        if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return wrong("is wrapped in quotes; remove them".into());
        }
        if is_placeholder(text) {
            return wrong(format!(
                "is still a placeholder; expected a connection string that starts with {EXPECTED}"
            ));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            if text.contains(char::is_whitespace) {
                return wrong("has a space or a line break in it; in a password a space is %20".into());
            }
            return Ok(Target::Postgres(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => wrong("names no file; expected sqlite:path/to/file".into()),
                path => Ok(Target::Sqlite(path.into())),
            };
        }
        let scheme = text.split_once(':').map_or("none", |(scheme, _)| scheme);
        wrong(format!(
            "Invalid scheme, expected connection string to start with {EXPECTED}; seen: {}",
            scheme.chars().take(20).collect::<String>()
        ))
    }
}

/// What templates and consoles of hosts leave to be filled in: `<password>`, `[YOUR-PASSWORD]`, `${DATABASE_URL}`, `{{url}}`.
fn is_placeholder(text: &str) -> bool {
    let named = |open: char, close: char| {
        text.split(open).skip(1).any(|rest| {
            let inside = rest.split_once(close).map_or("", |(inside, _)| inside);
            let is_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | ' ');
            !inside.is_empty() && inside.chars().all(is_name)
        })
    };
    let words = ["CHANGE_ME", "CHANGEME", "changeme", "YOUR_", "YOUR-", "your_password", "your-password"];
    // An IPv6 address in brackets has colons.
    words.iter().any(|word| text.contains(word))
        || ["${", "{{", "$("].iter().any(|start| text.contains(start))
        || text.starts_with('<')
        || named('<', '>')
        || named('[', ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_url_names_its_engine() {
        assert_eq!(Target::parse("sqlite:data/m.db").unwrap(), Target::Sqlite("data/m.db".into()));
        assert_eq!(Target::parse("sqlite:///var/m.db").unwrap(), Target::Sqlite("/var/m.db".into()));
        for good in ["postgres://a:b@h1,h2/x", "postgres://a:b%3Cc%3E@[::1]:5432/x", "postgres://a:1<2>3@h/x"]
        {
            assert!(matches!(Target::parse(good).unwrap(), Target::Postgres(_)), "{good}");
        }
    }

    #[test]
    fn a_wrong_url_says_what_is_wrong_and_never_its_password() {
        for (text, part) in [
            ("", "is empty"),
            ("mongodb://u:secret@h/db", "Invalid scheme, expected connection string to start with"),
            ("\"postgres://u:secret@h/db\"", "wrapped in quotes"),
            (" postgres://u:secret@h/db", "spaces"),
            ("postgres://u:secret@h/db\n", "line breaks"),
            ("CHANGE_ME_DATABASE_URL", "placeholder"),
            ("postgres://<user>:<secret>@<host>/<name>", "placeholder"),
            ("postgres://u:[YOUR-PASSWORD]@h/db", "placeholder"),
            ("{{ database_url }}", "placeholder"),
            ("postgres://u:secret secret@h/db", "a space"),
            ("sqlite:", "names no file"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
