//! Sends a mail once: write that it is being sent, commit, hand it over, write what became of it. Whoever comes to a mail
//! that is being sent finds that somebody died over it, and nobody knows whether the server has it.

use db::{Tx, TxResult};
use jobs::{Claimed, Fate, NewJob};
use kernel::{Cx, Error, Result, Timestamp};
use mail::{MailError, Message};

use super::letter::{self, Letter};
use super::store::{self, Ended};
use super::{Mail, MailKind, MailStatus};
use crate::ids::{MailId, OrderId, ProfileId};
use crate::seam::Seam;

/// The job that sends a mail.
pub const SEND: &str = "mails.send";

/// A mail that somebody is to get.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// What is told.
    pub kind: MailKind,
    /// Names the thing that is told; it is told once.
    pub key: String,
    /// To whom.
    pub to: String,
    /// How it reads.
    pub letter: Letter,
    /// The one-time link in it, whole.
    pub link: Option<String>,
    /// The order that it is about.
    pub order: Option<OrderId>,
    /// Whose it is.
    pub profile: Option<ProfileId>,
    /// After this time nobody can use it, and it is not sent any more.
    pub useless_after: Option<Timestamp>,
}

/// Writes down a mail, with the job that sends it; false when the thing was told before.
///
/// # Errors
/// Whatever the database says.
pub fn write(tx: &mut Tx<'_>, cx: &Cx, new: &NewMail) -> Result<bool> {
    let id: MailId = cx.id();
    let is_new = store::insert(tx, cx, id, new)?;
    if is_new {
        jobs::enqueue(tx, cx, vec![job(cx.now, id)])?;
    }
    Ok(is_new)
}

/// Whether this thing was told, or is about to be.
///
/// # Errors
/// Whatever the database says.
pub fn is_written(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    store::is_written(tx, key)
}

/// A person says: send it again, now.
pub(super) fn again(tx: &mut Tx<'_>, cx: &Cx, id: MailId) -> Result<()> {
    if store::queue_again(tx, cx.now, id)? {
        jobs::enqueue(tx, cx, vec![job(cx.now, id)])?;
    }
    Ok(())
}

fn job(at: Timestamp, id: MailId) -> NewJob {
    NewJob { kind: SEND, key: Some(id.to_string()), payload: serde_json::json!({ "mail": id }), run_at: at }
}

/// Does the job.
///
/// # Errors
/// Whatever the database says; what the mail server says is written on the mail.
pub async fn run(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let id: MailId = job.payload["mail"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|e: kernel::IdParseError| Error::Bug(Box::new(e)))?;
    let cx = seam.cx();
    let taken = seam.db.write("mails.sending", move |tx| take(tx, &cx, id)).await;
    // When nobody knows whether this was written, nothing is sent: the job comes back, and finds that it was or was not.
    let Some((mail, message)) = taken.must_be_looked_up()? else { return Ok(Fate::Done) };
    let ended = seam.mailer.send(&message).await;
    let cx = seam.cx();
    let later = cx.now + jobs::backoff(&cx, mail.attempts);
    let (ended, fate) = match ended {
        Ok(()) => (Ended::Sent, Fate::Done),
        Err(MailError::Unavailable(why)) if !mail.is_given_up() => (Ended::Later(why), Fate::Later(later)),
        Err(MailError::Unknown(why)) => (Ended::Unknown(why), Fate::Done),
        Err(error) => (Ended::Failed(error.to_string()), Fate::Done),
    };
    if !matches!(ended, Ended::Sent) {
        tracing::warn!(mail = %id, kind = mail.kind.as_str(), attempts = mail.attempts, ?ended, "a mail was not sent");
    }
    seam.db.write("mails.ended", move |tx| store::end(tx, cx.now, id, &ended)).await.safe_to_repeat()?;
    Ok(fate)
}

/// Takes a mail to send it now; nothing where there is nothing to send.
fn take(tx: &mut Tx<'_>, cx: &Cx, id: MailId) -> Result<Option<(Mail, Message)>> {
    let Some((mail, link)) = store::lock(tx, id)? else { return Ok(None) };
    match mail.status {
        MailStatus::Queued if mail.is_useless(cx.now) => {
            store::end(tx, cx.now, id, &Ended::Failed("it came to an end before it could be sent".into()))?;
            return Ok(None);
        }
        MailStatus::Queued => {}
        MailStatus::Sending => {
            store::end(tx, cx.now, id, &Ended::Unknown("whoever sent it did not come back".into()))?;
            return Ok(None);
        }
        MailStatus::Sent | MailStatus::Failed | MailStatus::Unknown => return Ok(None),
    }
    store::sending(tx, cx.now, id)?;
    let link = link.unwrap_or_default();
    let message = Message {
        to: mail.to.clone(),
        reply_to: None,
        subject: mail.subject.clone(),
        text: letter::with_link(&mail.text, &link),
        html: Some(letter::with_link(&mail.html, &link)),
    };
    Ok(Some((Mail { attempts: mail.attempts + 1, ..mail }, message)))
}
