//! Sends a link to sign in to whoever reads a mailbox that this shop knows, and lets them in who follow it.

use db::{Tx, TxResult};
use kernel::{Cx, Duration, Result};
use ops::sessions::{self, Counted};
use ops::token_hash;

use super::mailing::shop_name;
use crate::customers::{self, Profile, folded, identity};
use crate::mails::{self, MailKind, NewMail, SignInLink};
use crate::orders;
use crate::seam::Seam;

/// So many links in a row for one mailbox, before there is a pause between them that grows.
const BORNE_BY_EMAIL: i64 = 3;
/// The same for one address of the net, behind which a whole office may sit.
const BORNE_BY_ADDRESS: i64 = 20;

/// Sends a link, if a profile or an order has this email and not too many were sent. Whoever asks is told nothing of it: the
/// answer is the same. Says how long this address of the net has to wait, when it has asked too often for whatever mailbox.
///
/// # Errors
/// Whatever the database says.
pub async fn send_link(seam: &Seam, email: &str, address: &str) -> Result<Option<Duration>> {
    let (cx, email, address) = (seam.cx(), email.trim().to_owned(), address.to_owned());
    let (app_url, is_mailed) = (seam.settings.app_url.clone(), seam.mailer.is_there());
    let sent = seam.db.write("sign_in.link", move |tx| {
        let from = by_address(format!("buyer at {address}"));
        if let Some(wait) = sessions::attempt(tx, cx.now, std::slice::from_ref(&from))? {
            return Ok(Some(wait));
        }
        let too_many = sessions::attempt(tx, cx.now, &[by_email(&email)])?.is_some();
        let known = !customers::of_email(tx, &email, 1)?.is_empty()
            || identity::is_proved(tx, &email)?
            || !orders::of_email(tx, &email, 1)?.is_empty();
        if too_many || !known || !is_mailed || !mail::is_address(&email) {
            return Ok(None);
        }
        let secret = identity::make_link(tx, &cx, &email, &from.who)?;
        let shop = shop_name(&app_url).to_owned();
        let minutes = identity::LINK_LASTS.as_secs() / 60;
        let letter = SignInLink { shop, minutes, address: address.clone(), at: cx.now }.letter()?;
        let new = NewMail {
            kind: MailKind::SignInLink,
            key: format!("sign_in_link:{}", token_hash(&secret)),
            to: email.clone(),
            letter,
            link: Some(format!("{app_url}/login/{secret}")),
            order: None,
            profile: None,
            useless_after: Some(cx.now + identity::LINK_LASTS),
        };
        mails::write(tx, &cx, &new)?;
        Ok(None)
    });
    // A second link does no harm: using one uses up the other.
    sent.await.safe_to_repeat()
}

/// Uses a link up: whose it was, and nobody where it leads nowhere. Who follows their link was right to ask for it, so it is
/// not held against their mailbox, nor against the address behind which others sit.
///
/// # Errors
/// Whatever the database says.
pub fn follow_link(tx: &mut Tx<'_>, cx: &Cx, secret: &str) -> Result<Option<Profile>> {
    let Some((profile, link)) = identity::use_link(tx, cx, secret)? else { return Ok(None) };
    let from = by_address(link.asked_from.unwrap_or_default());
    sessions::succeeded(tx, Some(&by_email(&link.email)), &from)?;
    Ok(Some(profile))
}

fn by_email(email: &str) -> Counted {
    Counted { who: format!("buyer {}", token_hash(&folded(email))), borne: BORNE_BY_EMAIL }
}

fn by_address(who: String) -> Counted {
    Counted { who, borne: BORNE_BY_ADDRESS }
}
