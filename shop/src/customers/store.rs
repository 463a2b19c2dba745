//! All SQL on `profiles`.

use db::{Row, Tx};
use kernel::{Cx, Result, Timestamp};
use serde::Serialize;

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
        stripe_customer_id: row.get("stripe_customer_id")?,
        created_at: row.get("created_at")?,
    })
}
