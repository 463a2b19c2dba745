//! A mail: its states and words. This file decides when one is given up; plain values only.

use kernel::{Error, Result, Timestamp};
use serde::Serialize;

use crate::ids::{MailId, OrderId, ProfileId};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }
        impl $name {
            /// As stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// Reads a stored word; an unknown one is a bug, not a default.
            pub fn parse(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok($name::$variant),)*
                    other => Err(Error::bug(format!(concat!(stringify!($name), " `{}` is unknown"), other))),
                }
            }
        }
    };
}

words! {
    /// What somebody is told.
    MailKind {
        /// That their order is confirmed; a guest's has the link with which they claim it.
        OrderConfirmation = "order_confirmation",
        /// A new link with which a guest claims their purchase.
        ClaimLink = "claim_link",
        /// The link with which they sign in.
        SignInLink = "sign_in_link",
    }
}

words! {
    /// Where a mail stands.
    MailStatus {
        /// It is to be sent.
        Queued = "queued",
        /// It is being handed over; whoever does that may have died since.
        Sending = "sending",
        /// The mail server has taken it.
        Sent = "sent",
        /// It was refused, or tried too often.
        Failed = "failed",
        /// It was handed over, and the answer was lost: nobody knows whether it was taken. It is not sent again by itself,
        /// because servers mostly have what they were given before the line broke, and nobody can look it up there. A check
        /// shows it, and a person may send it again: the reader gets the same mail with the same id.
        Unknown = "unknown",
    }
}

/// One mail, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// What is told.
    pub kind: MailKind,
    /// To whom.
    pub to: String,
    /// In one line.
    pub subject: String,
    /// The plain text, with a mark where the one-time link stands.
    pub text: String,
    /// The same as HTML.
    #[serde(skip)]
    pub html: String,
    /// Where it stands.
    pub status: MailStatus,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it was not sent.
    pub last_error: Option<String>,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// Whose it is.
    pub profile_id: Option<ProfileId>,
    /// Whether it can still be sent: the one-time link in it is forgotten once it is sent.
    #[serde(skip)]
    pub is_whole: bool,
    /// After this time nobody can use it.
    #[serde(skip)]
    pub useless_after: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(skip)]
    pub updated_at: Timestamp,
    /// When the server took it.
    pub sent_at: Option<Timestamp>,
}

/// After so many attempts, which take some eight hours, it is given up.
const MOST_ATTEMPTS: i64 = 18;

impl Mail {
    /// Whether the mail is tried no more after an attempt that failed for now.
    pub fn is_given_up(&self) -> bool {
        self.attempts >= MOST_ATTEMPTS
    }
    /// Whether nobody can use it any more.
    pub fn is_useless(&self, now: Timestamp) -> bool {
        self.useless_after.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for kind in [MailKind::OrderConfirmation, MailKind::ClaimLink, MailKind::SignInLink] {
            assert_eq!(MailKind::parse(kind.as_str()).ok(), Some(kind));
        }
        for status in ["queued", "sending", "sent", "failed", "unknown"] {
            assert_eq!(MailStatus::parse(status).map(MailStatus::as_str).ok(), Some(status));
        }
        assert!(MailKind::parse("newsletter").is_err() && MailStatus::parse("").is_err());
    }
}
