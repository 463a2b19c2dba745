//! How a buyer becomes known: an email is proved by whoever can read what is sent there. What somebody types proves nothing,
//! nor does a profile that bears an email: the shop's own server may say that it has proved it.

use db::Tx;
use kernel::{Cx, Duration, Result, Timestamp};
use ops::{secret, token_hash};

use super::store::{self, NewSession};
use super::{Profile, find};
use crate::ids::ProfileId;

/// How long a link to sign in leads somewhere.
pub const LINK_LASTS: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts.
pub const SESSION_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// An email as it is compared. Only ASCII letters are folded: letters of other alphabets that look or fold alike belong to
/// different mailboxes.
pub fn folded(email: &str) -> String {
    email.trim().to_ascii_lowercase()
}

/// Makes a link with which the reader of this mailbox signs in, and gives its secret, this one time. `asked_from` is told
/// again when it is used.
///
/// # Errors
/// Whatever the database says.
pub fn make_link(tx: &mut Tx<'_>, cx: &Cx, email: &str, asked_from: &str) -> Result<String> {
    let secret = secret(cx);
    let link = Link { email: folded(email), asked_from: Some(asked_from.to_owned()) };
    store::insert_link(tx, cx, &token_hash(&secret), &link, cx.now + LINK_LASTS)?;
    Ok(secret)
}

/// For whom a link to sign in is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose mailbox it proves.
    pub email: String,
    /// From where it was asked for, in the words of whoever made it; unknown of links of older versions.
    pub asked_from: Option<String>,
}

/// For whom this link is, while it leads somewhere. Looking at it changes nothing.
///
/// # Errors
/// Whatever the database says.
pub fn of_link(tx: &mut Tx<'_>, now: Timestamp, secret: &str) -> Result<Option<Link>> {
    store::link(tx, now, &token_hash(secret))
}

/// Uses a link up: its email is proved. Every other link for the same email leads nowhere from now on.
///
/// # Errors
/// Whatever the database says.
pub fn use_link(tx: &mut Tx<'_>, cx: &Cx, secret: &str) -> Result<Option<(Profile, Link)>> {
    let Some(link) = of_link(tx, cx.now, secret)? else { return Ok(None) };
    match store::use_link(tx, &token_hash(secret), &link.email)? {
        true => Ok(Some((of_proved_email(tx, cx, &link.email)?, link))),
        false => Ok(None),
    }
}

/// The profile of whoever has proved this email: the one that had it proved before, else a new one. A profile that bears the
/// email and has never proved it may be anybody's, so it is not taken.
///
/// # Errors
/// Whatever the database says.
pub fn of_proved_email(tx: &mut Tx<'_>, cx: &Cx, email: &str) -> Result<Profile> {
    let proved = folded(email);
    if let Some(known) = store::of_proved(tx, &proved)? {
        return Ok(known);
    }
    // Of two who prove it at once one makes the profile, and the other finds it.
    store::create_proved(tx, cx, email.trim(), &proved)?;
    let made = store::of_proved(tx, &proved)?;
    made.ok_or_else(|| kernel::Error::bug("a profile that was made is not there"))
}

/// Whether anybody has proved this email.
///
/// # Errors
/// Whatever the database says.
pub fn is_proved(tx: &mut Tx<'_>, email: &str) -> Result<bool> {
    Ok(store::of_proved(tx, &folded(email))?.is_some())
}

/// Writes down that this profile's own email was proved; false where another profile has proved it.
///
/// # Errors
/// Whatever the database says.
pub fn prove(tx: &mut Tx<'_>, cx: &Cx, profile: &Profile) -> Result<bool> {
    let proved = folded(&profile.email);
    Ok(profile.proved_email.as_ref() == Some(&proved) || store::prove(tx, cx, profile.id, &proved)?)
}

/// Begins a session, and gives what the browser is to hold.
///
/// # Errors
/// Whatever the database says.
pub fn begin_session(
    tx: &mut Tx<'_>,
    cx: &Cx,
    profile: ProfileId,
    address: &str,
    browser: &str,
) -> Result<String> {
    let secret = secret(cx);
    let browser: String = browser.chars().filter(|c| !c.is_control()).take(200).collect();
    let expires_at = cx.now + SESSION_LASTS;
    let new = NewSession { hash: token_hash(&secret), profile, address, browser: &browser, expires_at };
    store::insert_session(tx, cx, new)?;
    Ok(secret)
}

/// Whose session this is, while it counts.
///
/// # Errors
/// Whatever the database says.
pub fn of_session(tx: &mut Tx<'_>, now: Timestamp, secret: &str) -> Result<Option<Profile>> {
    match store::session(tx, now, &token_hash(secret))? {
        Some(id) => find(tx, id),
        None => Ok(None),
    }
}

/// Which sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This one.
    This,
    /// All of the same profile, on every device.
    Everywhere,
}

/// Ends a session.
///
/// # Errors
/// Whatever the database says.
pub fn end_session(tx: &mut Tx<'_>, secret: &str, ending: Ending) -> Result<()> {
    store::end_sessions(tx, &token_hash(secret), ending == Ending::Everywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_letters_fold() {
        assert_eq!(folded(" Ada@Example.COM\n"), "ada@example.com");
        // The Kelvin sign folds to k in Unicode, and is another mailbox.
        assert_ne!(folded("\u{212a}ate@example.com"), folded("kate@example.com"));
        assert_ne!(folded("\u{130}da@example.com"), folded("ida@example.com"));
    }
}
