//! Sends a link to sign in to whoever reads a mailbox that this shop knows, and lets them in who follow it.

use ::jobs::{Claimed, Fate, NewJob};
use db::{Tx, TxResult};
use kernel::{Cx, Duration, Error, Result, Timestamp};
use ops::sessions::{self, Attempt, Counted};
use ops::token_hash;
use serde::{Deserialize, Serialize};

use super::mailing::shop_name;
use crate::customers::{self, Profile, folded, identity};
use crate::mails::{self, MailKind, NewMail, SignInLink};
use crate::orders;
use crate::seam::Seam;

/// So many links in a row for one mailbox, before there is a pause between them that grows.
const BORNE_BY_EMAIL: i64 = 3;
/// The same for one address of the net, behind which a whole office may sit.
const BORNE_BY_ADDRESS: i64 = 20;

/// Asks for a link, if not too many were asked for. Whether a profile or an order has this email is looked up by the job that
/// sends it: whoever asks learns it neither from the answer nor from the time that it takes. Says how long this address of the
/// net has to wait, when it has asked too often for whatever mailbox.
///
/// # Errors
/// Whatever the database says.
pub async fn send_link(seam: &Seam, email: &str, address: &str) -> Result<Option<Duration>> {
    let (cx, is_mailed) = (seam.cx(), seam.mailer.is_there());
    let wish = Wish { email: email.trim().to_owned(), address: address.to_owned(), at: cx.now };
    let payload = serde_json::to_value(&wish).map_err(|e| Error::Bug(Box::new(e)))?;
    let asked = seam.db.write("sign_in.link", move |tx| {
        if let Attempt::Wait(wait) = sessions::attempt(tx, cx.now, &[by_address(wish.from())])? {
            return Ok(Some(wait));
        }
        let too_many = matches!(sessions::attempt(tx, cx.now, &[by_email(&wish.email)])?, Attempt::Wait(_));
        if !too_many && is_mailed && mail::is_address(&wish.email) {
            let job = NewJob { kind: SIGN_IN, key: None, payload: payload.clone(), run_at: cx.now };
            ::jobs::enqueue(tx, &cx, vec![job])?;
        }
        Ok(None)
    });
    // A second link does no harm: using one uses up the other.
    asked.await.safe_to_repeat()
}

/// The job that sends a link to sign in, if anybody is known by this email.
pub(super) const SIGN_IN: &str = "claims.sign_in";

/// A link that somebody asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wish {
    email: String,
    address: String,
    at: Timestamp,
}

impl Wish {
    /// As what the address of the net is counted.
    fn from(&self) -> String {
        format!("buyer at {}", self.address)
    }
}

/// Does the job.
pub(super) async fn sent(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let wish: Wish = serde_json::from_value(job.payload.clone()).map_err(|e| Error::Bug(Box::new(e)))?;
    let (cx, app_url) = (seam.cx(), seam.settings.app_url.clone());
    let key = format!("sign_in_link:{}", job.id);
    let written = seam.db.write("sign_in.mail", move |tx| write(tx, &cx, &wish, &key, &app_url)).await;
    // Each link is mailed once, by the key of its mail.
    written.safe_to_repeat()?;
    Ok(Fate::Done)
}

fn write(tx: &mut Tx<'_>, cx: &Cx, wish: &Wish, key: &str, app_url: &str) -> Result<()> {
    let email = &wish.email;
    let known = !customers::of_email(tx, email, 1)?.is_empty()
        || identity::is_proved(tx, email)?
        || !orders::of_email(tx, email, 1)?.is_empty();
    // Nobody waits so long for a link.
    let is_late = cx.now.since(wish.at) >= identity::LINK_LASTS;
    if !known || is_late || mails::is_written(tx, key)? {
        return Ok(());
    }
    let secret = identity::make_link(tx, cx, email, &wish.from())?;
    let shop = shop_name(app_url).to_owned();
    let minutes = identity::LINK_LASTS.as_secs() / 60;
    let letter = SignInLink { shop, minutes, address: wish.address.clone(), at: wish.at }.letter()?;
    let new = NewMail {
        kind: MailKind::SignInLink,
        key: key.to_owned(),
        to: email.clone(),
        letter,
        link: Some(format!("{app_url}/login/{secret}")),
        order: None,
        profile: None,
        useless_after: Some(cx.now + identity::LINK_LASTS),
    };
    mails::write(tx, cx, &new).map(drop)
}

/// Uses a link up: whose it was, and nobody where it leads nowhere. Who follows their link was right to ask for it, so it is
/// not held against their mailbox, nor against the address behind which others sit.
///
/// # Errors
/// Whatever the database says.
pub fn follow_link(tx: &mut Tx<'_>, cx: &Cx, secret: &str) -> Result<Option<Profile>> {
    let Some((profile, link)) = identity::use_link(tx, cx, secret)? else { return Ok(None) };
    let from = by_address(link.asked_from.unwrap_or_default());
    sessions::forgive(tx, &by_email(&link.email))?;
    sessions::take_one_back(tx, &from)?;
    Ok(Some(profile))
}

fn by_email(email: &str) -> Counted {
    Counted { who: format!("buyer {}", token_hash(&folded(email))), borne: BORNE_BY_EMAIL }
}

fn by_address(who: String) -> Counted {
    Counted { who, borne: BORNE_BY_ADDRESS }
}
