//! All SQL on `profiles`, the links with which somebody proves an email, and who is signed in.

use db::{Row, Tx};
use kernel::{Cx, Result, Timestamp};
use serde::Serialize;

use super::identity::Link;
use crate::ids::ProfileId;

/// A buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Who.
    pub id: ProfileId,
    /// Their email, as they gave it.
    pub email: String,
    /// Their name, if they gave one.
    pub name: Option<String>,
    /// Their email in the form in which it was proved to be theirs; none while nobody has proved it.
    #[serde(skip)]
    pub proved_email: Option<String>,
    /// When it was proved.
    pub email_proved_at: Option<Timestamp>,
    /// Their customer at Stripe.
    pub stripe_customer_id: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// Makes a profile; the same id again changes nothing.
pub fn create(tx: &mut Tx<'_>, cx: &Cx, id: ProfileId, email: &str, name: Option<&str>) -> Result<()> {
    tx.execute(
        "INSERT INTO profiles (id, email, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        &[id.into(), email.into(), name.into(), cx.now.into()],
    )?;
    Ok(())
}

/// The profile with this id.
pub fn find(tx: &mut Tx<'_>, id: ProfileId) -> Result<Option<Profile>> {
    tx.query_opt("SELECT * FROM profiles WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

/// The profile to which this email was proved to belong; `email` as [`super::folded`] gives it.
pub(super) fn of_proved(tx: &mut Tx<'_>, email: &str) -> Result<Option<Profile>> {
    tx.query_opt("SELECT * FROM profiles WHERE proved_email = $1", &[email.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Makes a profile whose email is proved; nothing where another has proved it at the same time.
pub(super) fn create_proved(tx: &mut Tx<'_>, cx: &Cx, email: &str, proved: &str) -> Result<()> {
    let id: ProfileId = cx.id();
    tx.execute(
        "INSERT INTO profiles (id, email, proved_email, email_proved_at, created_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (proved_email) WHERE proved_email IS NOT NULL DO NOTHING",
        &[id.into(), email.into(), proved.into(), cx.now.into()],
    )?;
    Ok(())
}

/// Writes down that a profile's email is proved; false where another profile has it.
pub(super) fn prove(tx: &mut Tx<'_>, cx: &Cx, id: ProfileId, proved: &str) -> Result<bool> {
    let touched = tx.execute(
        "UPDATE profiles SET proved_email = $1, email_proved_at = $2 WHERE id = $3 AND proved_email IS NULL
           AND NOT EXISTS (SELECT 1 FROM profiles AS other WHERE other.proved_email = $1)",
        &[proved.into(), cx.now.into(), id.into()],
    )?;
    Ok(touched == 1)
}

pub(super) fn insert_link(
    tx: &mut Tx<'_>,
    cx: &Cx,
    hash: &str,
    link: &Link,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute("DELETE FROM profile_links WHERE expires_at < $1", &[cx.now.into()])?;
    tx.execute(
        "INSERT INTO profile_links (hash, email, asked_from, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        &[
            hash.into(),
            link.email.clone().into(),
            link.asked_from.clone().into(),
            cx.now.into(),
            expires_at.into(),
        ],
    )?;
    Ok(())
}

/// For whom a link is, while it leads somewhere.
pub(super) fn link(tx: &mut Tx<'_>, now: Timestamp, hash: &str) -> Result<Option<Link>> {
    let sql = "SELECT email, asked_from FROM profile_links WHERE hash = $1 AND expires_at > $2";
    let row = tx.query_opt(sql, &[hash.into(), now.into()])?;
    row.map(|row| Ok(Link { email: row.get("email")?, asked_from: row.get("asked_from")? })).transpose()
}

/// Uses a link up, with every other link for the same email; false when somebody else has just done so.
pub(super) fn use_link(tx: &mut Tx<'_>, hash: &str, email: &str) -> Result<bool> {
    let used = tx.execute("DELETE FROM profile_links WHERE hash = $1", &[hash.into()])?;
    tx.execute("DELETE FROM profile_links WHERE email = $1", &[email.into()])?;
    Ok(used == 1)
}

/// One session to be written.
pub(super) struct NewSession<'a> {
    pub(super) hash: String,
    pub(super) profile: ProfileId,
    pub(super) address: &'a str,
    pub(super) browser: &'a str,
    pub(super) expires_at: Timestamp,
}

pub(super) fn insert_session(tx: &mut Tx<'_>, cx: &Cx, new: NewSession<'_>) -> Result<()> {
    tx.execute("DELETE FROM profile_sessions WHERE expires_at < $1", &[cx.now.into()])?;
    tx.execute(
        "INSERT INTO profile_sessions (id, hash, profile_id, address, browser, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            cx.uuid().into(),
            new.hash.into(),
            new.profile.into(),
            new.address.into(),
            new.browser.into(),
            cx.now.into(),
            new.expires_at.into(),
        ],
    )?;
    Ok(())
}

/// Whose session this is, while it counts.
pub(super) fn session(tx: &mut Tx<'_>, now: Timestamp, hash: &str) -> Result<Option<ProfileId>> {
    let sql = "SELECT profile_id FROM profile_sessions WHERE hash = $1 AND expires_at > $2";
    tx.query_opt(sql, &[hash.into(), now.into()])?.map(|row| row.get("profile_id")).transpose()
}

/// Ends one session, or all of its profile.
pub(super) fn end_sessions(tx: &mut Tx<'_>, hash: &str, all: bool) -> Result<()> {
    let sql = match all {
        true => {
            "DELETE FROM profile_sessions WHERE profile_id IN (SELECT profile_id FROM profile_sessions WHERE hash = $1)"
        }
        false => "DELETE FROM profile_sessions WHERE hash = $1",
    };
    tx.execute(sql, &[hash.into()])?;
    Ok(())
}

/// The profiles with this email, in any case; the oldest first.
pub fn of_email(tx: &mut Tx<'_>, email: &str, limit: i64) -> Result<Vec<Profile>> {
    let rows = tx.query(
        "SELECT * FROM profiles WHERE lower(email) = lower($1) ORDER BY created_at, id LIMIT $2",
        &[email.into(), limit.into()],
    )?;
    rows.iter().map(read).collect()
}

/// Profiles in the order of their ids, after `after`.
pub(crate) fn list(tx: &mut Tx<'_>, after: Option<ProfileId>, limit: i64) -> Result<Vec<Profile>> {
    let rows = match after {
        Some(after) => tx.query(
            "SELECT * FROM profiles WHERE id > $1 ORDER BY id LIMIT $2",
            &[after.into(), limit.into()],
        )?,
        None => tx.query("SELECT * FROM profiles ORDER BY id LIMIT $1", &[limit.into()])?,
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Profile> {
    Ok(Profile {
        id: row.get("id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        proved_email: row.get("proved_email")?,
        email_proved_at: row.get("email_proved_at")?,
        stripe_customer_id: row.get("stripe_customer_id")?,
        created_at: row.get("created_at")?,
    })
}
