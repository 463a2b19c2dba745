//! What a mail is, and who can send one. It knows nothing of the shop: what is said, and to whom, comes from the rooms.

mod mailbox;
mod smtp;

use std::future::Future;
use std::pin::Pin;

pub use mailbox::{Logged, Mailbox, Received};
pub use smtp::{Authorities, Encryption, Smtp, SmtpSettings, is_address};

/// One mail to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The address it goes to.
    pub to: String,
    /// Where an answer goes, where that is not the sender.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// The plain text; always there.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// No mail server is configured.
    #[error("no mail server is configured (MAIL_HOST)")]
    NotConfigured,
    /// The server says no, for good: trying again changes nothing.
    #[error("the mail server refused it: {0}")]
    Refused(String),
    /// Surely not sent; trying again later may work.
    #[error("the mail server cannot be used now: {0}")]
    Unavailable(String),
    /// The answer was lost after the mail had been handed over: it may have been sent.
    #[error("whether the mail server took it is unknown: {0}")]
    Unknown(String),
}

/// The sending to come.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// Whoever can send a mail: a server, or a double.
pub trait Mailer: Send + Sync {
    /// Hands the mail over; `Ok` means that the other side has taken it.
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a>;

    /// Goes as far as one can without sending anything: connects, secures the connection, signs in.
    fn greet(&self) -> Sending<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether there is anybody who sends; without one nothing is written down to be sent.
    fn is_there(&self) -> bool {
        true
    }
}

/// Where no mail server is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Mailer for Nowhere {
    fn send<'a>(&'a self, _: &'a Message) -> Sending<'a> {
        Box::pin(std::future::ready(Err(MailError::NotConfigured)))
    }
    fn greet(&self) -> Sending<'_> {
        Box::pin(std::future::ready(Err(MailError::NotConfigured)))
    }
    fn is_there(&self) -> bool {
        false
    }
}
