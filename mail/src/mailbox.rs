//! Mail that goes nowhere: kept to be looked at while one develops, or written to the log.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::{MailError, Mailer, Message, Sending};

/// So many mails are kept; older ones are forgotten.
const MOST: usize = 200;

/// A mail as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Counts from 1; also after older ones were forgotten.
    pub number: u64,
    /// The mail.
    pub message: Message,
}

/// Keeps mails in memory instead of sending them: for `makegood dev` and for tests.
#[derive(Debug, Default)]
pub struct Mailbox {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    came: u64,
    kept: VecDeque<Received>,
    /// What the next ones are answered, the first first.
    answers: VecDeque<Option<MailError>>,
}

impl Mailbox {
    /// Everything that is kept, the newest first.
    pub fn all(&self) -> Vec<Received> {
        self.lock().kept.iter().rev().cloned().collect()
    }

    /// One of them.
    pub fn find(&self, number: u64) -> Option<Received> {
        self.lock().kept.iter().find(|received| received.number == number).cloned()
    }

    /// The next mail is not taken, and this is said instead; after [`MailError::Unknown`] it is there all the same.
    pub fn refuse_next(&self, with: MailError) {
        self.lock().answers.push_back(Some(with));
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self, message: &Message) -> Result<(), MailError> {
        let mut inside = self.lock();
        let answer = inside.answers.pop_front().flatten();
        if matches!(answer, None | Some(MailError::Unknown(_))) {
            inside.came += 1;
            let received = Received { number: inside.came, message: message.clone() };
            inside.kept.push_back(received);
            if inside.kept.len() > MOST {
                inside.kept.pop_front();
            }
        }
        answer.map_or(Ok(()), Err)
    }
}

impl Mailer for Mailbox {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(std::future::ready(self.take(message)))
    }
}

/// Writes mails to the log, whole, with the links in them: for development where there is no mail server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logged;

impl Mailer for Logged {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        tracing::info!(
            to = message.to,
            subject = message.subject,
            "mail (MAIL_MAILER=log):\n{}",
            message.text
        );
        Box::pin(std::future::ready(Ok(())))
    }
}
