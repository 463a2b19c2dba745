//! How mail is sent: what the keys `MAIL_*` amount to.

use kernel::Duration;
use mail::{Authorities, Encryption, SmtpSettings, is_address};

use super::Problem;

/// How mail is sent.
#[derive(Debug, Clone)]
pub enum Mailing {
    /// Not at all: nobody is told anything, and nobody can sign in by mail.
    None,
    /// Into the log, whole.
    Log,
    /// By a server.
    Smtp(SmtpSettings),
}

/// How long one step at the server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the keys amount to; each has the right form.
pub(super) fn read<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<Mailing, Vec<Problem>> {
    let by_server = match text("MAIL_MAILER") {
        Some("none") => return Ok(Mailing::None),
        Some("log") => return Ok(Mailing::Log),
        Some(_) => true,
        None => text("MAIL_HOST").is_some(),
    };
    if !by_server {
        return Ok(Mailing::None);
    }
    let mut problems = Vec::new();
    let mut missing = |name: &str, expected: &str| {
        problems.push(Problem::new(name, format!("is not set; expected {expected}")));
        String::new()
    };
    let host = text("MAIL_HOST").map_or_else(|| missing("MAIL_HOST", "the mail server"), str::to_owned);
    let from_address = match text("MAIL_FROM_ADDRESS") {
        Some(address) => address.to_owned(),
        None => missing("MAIL_FROM_ADDRESS", "the sender's address, like shop@shop.example"),
    };
    if !from_address.is_empty() && !is_address(&from_address) {
        problems.push(Problem::new("MAIL_FROM_ADDRESS", format!("`{from_address}` is not an email address")));
    }
    let credentials = match (text("MAIL_USERNAME"), text("MAIL_PASSWORD")) {
        (Some(user), Some(password)) => Some((user.to_owned(), password.to_owned())),
        (None, None) => None,
        (Some(_), None) => {
            problems.push(Problem::new("MAIL_PASSWORD", "is not set, and MAIL_USERNAME is"));
            None
        }
        (None, Some(_)) => {
            problems.push(Problem::new("MAIL_USERNAME", "is not set, and MAIL_PASSWORD is"));
            None
        }
    };
    let authorities = match text("MAIL_CA_FILE").map(authorities).transpose() {
        Ok(authorities) => authorities,
        Err(what) => {
            problems.push(Problem::new("MAIL_CA_FILE", what));
            None
        }
    };
    let port: Option<u16> = text("MAIL_PORT").and_then(|port| port.parse().ok());
    let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
    let word = text("MAIL_ENCRYPTION").unwrap_or(if is_here { "none" } else { "tls" });
    let (encryption, usual) = match (word, port) {
        ("ssl", _) | ("tls", Some(465)) => (Encryption::Implicit, 465),
        ("none", _) => (Encryption::None, 25),
        _ => (Encryption::StartTls, 587),
    };
    if encryption == Encryption::None && credentials.is_some() && !is_here {
        let what =
            "is none, and the password would go through the net for everybody to read; expected tls or ssl";
        problems.push(Problem::new("MAIL_ENCRYPTION", what));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Mailing::Smtp(SmtpSettings {
        host,
        port: port.unwrap_or(usual),
        encryption,
        authorities,
        credentials,
        from_address,
        from_name: text("MAIL_FROM_NAME").map(str::to_owned),
        patience: PATIENCE,
    }))
}

fn authorities(path: &str) -> Result<Authorities, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Authorities::from_pem(&pem).map_err(|why| format!("{path} {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn of(pairs: &[(&str, &'static str)]) -> Result<Mailing, Vec<String>> {
        let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        read(find).map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    fn smtp(pairs: &[(&str, &'static str)]) -> (u16, Encryption) {
        let all = [("MAIL_FROM_ADDRESS", "shop@shop.example"), ("MAIL_HOST", "mail.example")];
        match of(&[pairs, all.as_slice()].concat()).unwrap() {
            Mailing::Smtp(settings) => (settings.port, settings.encryption),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_told_at_once() {
        assert_eq!(of(&[("MAIL_MAILER", "smtp")]).unwrap_err(), ["MAIL_HOST", "MAIL_FROM_ADDRESS"]);
        let all = [("MAIL_HOST", "m.example"), ("MAIL_FROM_ADDRESS", "nobody"), ("MAIL_USERNAME", "u")];
        assert_eq!(of(&all).unwrap_err(), ["MAIL_FROM_ADDRESS", "MAIL_PASSWORD"]);
        let open = [
            ("MAIL_HOST", "m.example"),
            ("MAIL_FROM_ADDRESS", "a@b.example"),
            ("MAIL_USERNAME", "u"),
            ("MAIL_PASSWORD", "p"),
            ("MAIL_ENCRYPTION", "none"),
        ];
        assert_eq!(of(&open).unwrap_err(), ["MAIL_ENCRYPTION"]);
    }

    #[test]
    fn who_vouches_for_the_server_is_read_at_the_start() {
        let file = |path: &'static str| {
            let server =
                [("MAIL_HOST", "m.example"), ("MAIL_FROM_ADDRESS", "a@b.example"), ("MAIL_CA_FILE", path)];
            of(&server)
        };
        assert_eq!(file("/nowhere/ca.pem").unwrap_err(), ["MAIL_CA_FILE"]);
        assert_eq!(file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_err(), ["MAIL_CA_FILE"]);
    }

    #[test]
    fn without_a_server_nothing_is_sent_and_a_host_is_a_server() {
        assert!(matches!(of(&[]).unwrap(), Mailing::None));
        assert!(matches!(of(&[("MAIL_MAILER", "none"), ("MAIL_HOST", "x")]).unwrap(), Mailing::None));
        assert!(matches!(of(&[("MAIL_MAILER", "log")]).unwrap(), Mailing::Log));
        assert_eq!(smtp(&[]), (587, Encryption::StartTls));
    }

    #[test]
    fn the_port_and_the_encryption_follow_from_each_other() {
        assert_eq!(smtp(&[("MAIL_ENCRYPTION", "ssl")]), (465, Encryption::Implicit));
        assert_eq!(smtp(&[("MAIL_ENCRYPTION", "tls")]), (587, Encryption::StartTls));
        assert_eq!(smtp(&[("MAIL_ENCRYPTION", "tls"), ("MAIL_PORT", "465")]), (465, Encryption::Implicit));
        assert_eq!(
            smtp(&[("MAIL_ENCRYPTION", "starttls"), ("MAIL_PORT", "2525")]),
            (2525, Encryption::StartTls)
        );
        assert_eq!(smtp(&[("MAIL_ENCRYPTION", "none")]), (25, Encryption::None));
    }
}
