//! SMTP, one step after the other: what an error means depends on how far one had come. Before the mail's last line it is
//! surely not sent; after it, only an answer of the server's says so.

use std::fmt;
use std::time::Duration;

use lettre::message::{Mailbox as Address, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use sha2::{Digest, Sha256};

use crate::{MailError, Mailer, Message, Sending};

/// How the connection is secured. Where it is, nothing is sent over one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte on.
    Implicit,
    /// By STARTTLS; a server that does not offer it is not used.
    StartTls,
    /// Not at all: for a server on this machine.
    None,
}

/// Authorities of one's own that may vouch for the mail server, beside those that this machine trusts.
#[derive(Debug, Clone)]
pub struct Authorities(Certificate);

impl Authorities {
    /// Reads their certificates from PEM.
    ///
    /// # Errors
    /// When there is none in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Authorities, String> {
        let marks = pem.windows(BEGIN.len()).filter(|bytes| *bytes == BEGIN).count();
        if marks == 0 {
            return Err("holds no certificate; expected PEM, with BEGIN CERTIFICATE in it".into());
        }
        let unreadable = |e: Error| format!("holds a certificate that cannot be read: {}", told(&e));
        let all = Authorities(Certificate::from_pem(pem).map_err(unreadable)?);
        // Whether it can be used shows only when it is.
        all.only().map_err(unreadable)?;
        Ok(all)
    }

    fn only(&self) -> Result<TlsParameters, Error> {
        secure();
        let trusts_none =
            TlsParameters::builder("localhost".into()).certificate_store(CertificateStore::None);
        trusts_none.add_root_certificate(self.0.clone()).build()
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// lettre asks rustls for whichever provider the process has.
fn secure() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A mail server.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub encryption: Encryption,
    /// Who else may vouch for it.
    pub authorities: Option<Authorities>,
    /// As whom to send, and the password.
    pub credentials: Option<(String, String)>,
    /// The sender's address.
    pub from_address: String,
    /// The sender's name.
    pub from_name: Option<String>,
    /// How long one step may take.
    pub patience: Duration,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpSettings({}:{}, {:?})", self.host, self.port, self.encryption)
    }
}

/// How long all steps together may take: less than the lease of the job that sends.
const WHOLE: Duration = Duration::from_secs(120);

/// Whether mail can be sent to this.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// Sends by SMTP, each mail over a connection of its own.
#[derive(Debug)]
pub struct Smtp {
    settings: SmtpSettings,
    from: Address,
}

impl Smtp {
    /// To this server.
    ///
    /// # Errors
    /// When the sender's address is none.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, String> {
        let address = settings.from_address.parse::<lettre::Address>();
        let address = address.map_err(|_| format!("`{}` is not an email address", settings.from_address))?;
        let name = settings.from_name.as_deref().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let from = Address::new(Some(name).filter(|name| !name.is_empty()), address);
        Ok(Smtp { settings, from })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        secure();
        let Settled { host, port, patience } = self.settled();
        let tls = || self.tls().map_err(|e| unavailable("its TLS settings", &e));
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let implicit = match self.settings.encryption {
            Encryption::Implicit => Some(tls()?),
            Encryption::StartTls | Encryption::None => None,
        };
        let connected =
            AsyncSmtpConnection::connect_tokio1((host, port), Some(patience), &hello, implicit, None);
        let mut connection =
            connected.await.map_err(|e| unavailable(&format!("connecting to {host}:{port}"), &e))?;
        if self.settings.encryption == Encryption::StartTls {
            connection.starttls(tls()?, &hello).await.map_err(|e| unavailable("STARTTLS", &e))?;
        }
        if let Some((user, password)) = &self.settings.credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            // Whoever mends the password gets the mail sent: no mail is given up for it.
            signed_in.map_err(|e| unavailable("signing in", &e))?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, Error> {
        let trusted = TlsParameters::builder(self.settings.host.clone());
        match &self.settings.authorities {
            Some(Authorities(own)) => trusted.add_root_certificate(own.clone()).build(),
            None => trusted.build(),
        }
    }

    fn settled(&self) -> Settled<'_> {
        let SmtpSettings { host, port, patience, .. } = &self.settings;
        Settled { host, port: *port, patience: *patience }
    }

    /// The mail as it goes over the line. The same mail has the same `Message-ID`, so that whoever gets it twice may see so.
    fn written(&self, message: &Message) -> Result<(lettre::Address, Vec<u8>), MailError> {
        let refused = |what: &str, e: &dyn fmt::Display| MailError::Refused(format!("{what}: {e}"));
        let to: lettre::Address =
            message.to.parse().map_err(|e: lettre::address::AddressError| refused("the address", &e))?;
        let digest = Sha256::digest(format!("{}\0{}\0{}", message.to, message.subject, message.text));
        let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut built = lettre::Message::builder()
            .from(self.from.clone())
            .to(Address::new(None, to.clone()))
            .subject(message.subject.replace(['\r', '\n'], " "))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date_now();
        if let Some(answer) = &message.reply_to {
            built = built.reply_to(answer.parse().map_err(|e| refused("the address for answers", &e))?);
        }
        let whole = match &message.html {
            Some(html) => {
                built.multipart(MultiPart::alternative_plain_html(message.text.clone(), html.clone()))
            }
            None => built.body(message.text.clone()),
        };
        Ok((to, whole.map_err(|e| refused("the mail", &e))?.formatted()))
    }

    async fn hand_over(&self, message: &Message) -> Result<(), MailError> {
        let (to, bytes) = self.written(message)?;
        let mut connection = self.connect().await?;
        let mut parameters = Vec::new();
        if !to.to_string().is_ascii() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(MailError::Refused("the server takes no address with such letters".into()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = Mail::new(Some(self.from.email.clone()), parameters);
        connection.command(from).await.map_err(|e| unavailable("the sender", &e))?;
        connection.command(Rcpt::new(to, vec![])).await.map_err(|e| answered("the address", &e))?;
        connection.command(Data).await.map_err(|e| answered("the mail", &e))?;
        match connection.message(&bytes).await {
            Ok(_) => {}
            Err(error) if error.status().is_some() => return Err(answered("the mail", &error)),
            Err(error) => return Err(MailError::Unknown(told(&error))),
        }
        // It is sent; whether the server hears the goodbye changes nothing.
        let _ = connection.quit().await;
        Ok(())
    }
}

struct Settled<'a> {
    host: &'a str,
    port: u16,
    patience: Duration,
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async move {
            match tokio::time::timeout(WHOLE, self.hand_over(message)).await {
                Ok(ended) => ended,
                // Nobody knows how far it had come.
                Err(_) => Err(MailError::Unknown(format!("no end after {} seconds", WHOLE.as_secs()))),
            }
        })
    }

    fn greet(&self) -> Sending<'_> {
        Box::pin(async move {
            let mut connection = self.connect().await?;
            let _ = connection.quit().await;
            Ok(())
        })
    }
}

/// What the server says of this one mail: no for good, or not now.
fn answered(what: &str, error: &Error) -> MailError {
    match error.is_permanent() {
        true => MailError::Refused(format!("{what}: {}", told(error))),
        false => unavailable(what, error),
    }
}

fn unavailable(what: &str, error: &Error) -> MailError {
    MailError::Unavailable(format!("{what}: {}", told(error)))
}

/// With what lies behind it. A server says on several lines what a log says on one.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut behind = std::error::Error::source(error);
    while let Some(cause) = behind {
        if !text.contains(&cause.to_string()) {
            text.push_str(&format!(": {cause}"));
        }
        behind = cause.source();
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn smtp() -> Smtp {
        Smtp::new(SmtpSettings {
            host: "127.0.0.1".into(),
            port: 25,
            encryption: Encryption::None,
            authorities: None,
            credentials: None,
            from_address: "shop@shop.example".into(),
            from_name: Some("Ada \r\nBcc: everybody@example.com".into()),
            patience: Duration::from_secs(5),
        })
        .unwrap()
    }

    fn message(to: &str, subject: &str) -> Message {
        Message {
            to: to.into(),
            reply_to: None,
            subject: subject.into(),
            text: ".\r\n.\r\nQUIT\r\n".into(),
            html: Some("<p>Grüße</p>".into()),
        }
    }

    #[test]
    fn no_word_of_a_buyer_becomes_a_header() {
        let (_, bytes) =
            smtp().written(&message("ada@example.com", "Hi\r\nBcc: x@example.com\r\n\r\nbody")).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    }

    #[test]
    fn what_is_no_address_is_refused_for_good() {
        for to in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@example.com\r\nRCPT TO:<x@example.com>",
        ] {
            assert!(matches!(smtp().written(&message(to, "x")), Err(MailError::Refused(_))), "{to:?}");
        }
        assert!(!is_address("ada@example.com>") && is_address("ada@example.com"));
    }

    #[test]
    fn the_same_mail_has_the_same_id_and_another_mail_another() {
        let id = |subject: &str| {
            let (_, bytes) = smtp().written(&message("ada@example.com", subject)).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            text.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned()
        };
        assert_eq!(id("one"), id("one"));
        assert_ne!(id("one"), id("two"));
    }

    #[test]
    fn what_holds_no_certificate_vouches_for_nobody() {
        for (pem, says) in [
            ("", "holds no certificate"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "cannot be read"),
        ] {
            let refused = Authorities::from_pem(pem.as_bytes()).unwrap_err();
            assert!(refused.contains(says), "{pem}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_not_there_now() {
        let gone = Smtp { settings: SmtpSettings { port: 1, ..smtp().settings }, ..smtp() };
        assert!(matches!(gone.greet().await, Err(MailError::Unavailable(_))));
        let sent = gone.send(&message("ada@example.com", "x")).await;
        assert!(matches!(sent, Err(MailError::Unavailable(_))), "{sent:?}");
    }
}
