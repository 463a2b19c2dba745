//! What `DATABASE_URL` names, and what is wrong with it when it names nothing.

use std::path::PathBuf;

use tokio_postgres::config::Config;

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
        if let Some(what) = kernel::blemish(text).filter(|_| !is_placeholder(text)) {
            return wrong(what.into());
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
            check_postgres(text).map_err(TargetError)?;
            return Ok(Target::Postgres(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => wrong("names no file; expected sqlite:path/to/file".into()),
                // What lies in memory only is gone with the process, and each connection would have its own.
                path if path.starts_with(":memory:") || path.contains("mode=memory") => {
                    wrong("names no file but the memory of one process; expected sqlite:path/to/file".into())
                }
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

const SERVER: &str = "postgres://user:password@host:5432/name";
/// What each option of a URL takes; others the driver does not know.
const OPTIONS: [(&str, &str); 6] = [
    ("sslmode", "disable, prefer, require or verify-full"),
    ("target_session_attrs", "any, read-write or read-only"),
    ("connect_timeout", "seconds"),
    ("application_name", "a name"),
    ("channel_binding", "disable, prefer or require"),
    ("load_balance_hosts", "disable or random"),
];

fn check_postgres(text: &str) -> Result<(), String> {
    if text.contains(char::is_whitespace) {
        return Err("has a space or a line break in it; in a password a space is %20".into());
    }
    if text.matches('@').count() > 1 {
        return Err(format!("has more than one @; in a user name or a password it is %40: {SERVER}"));
    }
    let config = driven(text).map_err(|error| unread(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(format!("names no host; expected {SERVER}"));
    }
    // The driver would take the user's name, and the shop would be made in a database that nobody meant.
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(format!("names no database; expected its name behind the host: {SERVER}"));
    }
    Ok(())
}

/// The URL as the driver reads it. It knows no `verify-full`; here `require` verifies anyway.
pub(crate) fn driven(url: &str) -> Result<Config, tokio_postgres::Error> {
    url.replace("sslmode=verify-full", "sslmode=require").parse()
}

/// What the driver could not read. Of its words only the name of an option is repeated; behind the one @ no password stands.
fn unread(error: &tokio_postgres::Error) -> String {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let named = said.split('`').nth(1).unwrap_or_default();
    if let Some((name, takes)) = OPTIONS.iter().find(|(name, _)| *name == named) {
        return format!("has a value for {name} that is not known; expected {takes}");
    }
    match (named, said.starts_with("unknown option")) {
        ("port", _) => format!("has a port that is none; expected a whole number from 1 to 65535: {SERVER}"),
        ("host" | "hostaddr", _) => format!("has a host that cannot be read; expected {SERVER}"),
        (name, true) => {
            let known: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
            format!("has the option `{name}`, which is not known; expected of {}", known.join(", "))
        }
        (name, false) if !name.is_empty() => format!("has a value for {name} that cannot be read"),
        _ => format!("cannot be read; expected {SERVER}, and behind it perhaps ?sslmode=require"),
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
        || is_an_example(text)
}

/// The words of every document: `user:password@host/name`.
fn is_an_example(text: &str) -> bool {
    let place = text.split_once("://").map_or(text, |(_, place)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let host = place.split(['/', ':', '?', ',']).next().unwrap_or_default();
    ["host", "hostname"].iter().any(|word| host.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_url_names_its_engine() {
        assert_eq!(Target::parse("sqlite:data/m.db").unwrap(), Target::Sqlite("data/m.db".into()));
        assert_eq!(Target::parse("sqlite:///var/m.db").unwrap(), Target::Sqlite("/var/m.db".into()));
        for good in [
            "postgres://a:b@h1,h2/x",
            "postgres://a:b%3Cc%3E@[::1]:5432/x",
            "postgres://a:1<2>3@h/x",
            "postgres://user:password@localhost/x?sslmode=verify-full",
            "postgres://h/x?host=/var/run/postgresql",
        ] {
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
            ("sqlite::memory:", "names no file"),
            ("sqlite:file:m?mode=memory", "names no file"),
            ("postgres://", "names no host"),
            ("postgres:///shop", "names no host"),
            ("postgres://u:secret@h", "names no database"),
            ("postgres://u:secret@h/?sslmode=require", "names no database"),
            ("postgres://user:password@host/name", "placeholder"),
            ("postgresql://u:secret@HOST:5432/shop", "placeholder"),
            ("postgres://u:secret@secret@h/db", "%40"),
            ("postgres://u:secret@h:99999/db", "from 1 to 65535"),
            ("postgres://u:secret@h:port/db", "from 1 to 65535"),
            ("postgres://u:secret@[::1/db", "a host that cannot be read"),
            ("postgres://u:secret@h/db?foo=1", "`foo`, which is not known; expected of sslmode"),
            (
                "postgres://u:secret@h/db?target_session_attrs=primary",
                "expected any, read-write or read-only",
            ),
            ("postgres://u:secret@h/db?keepalives=secret", "a value for keepalives"),
            ("postgres://u:secret@h/db?foo", "cannot be read; expected postgres://"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
