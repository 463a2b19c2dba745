//! People who sign in to the console: who they are, what they may do, and the one-time links with which they choose a
//! password. Sessions stand in [`crate::sessions`].

use db::{Row, Tx};
use kernel::{Cx, Duration, Error, Id, Kind, Refusal, Result, Timestamp};
use serde::Serialize;

use crate::access::{fingerprint, secret};
use crate::{Actor, Role};

/// Marks ids of users.
pub enum UserKind {}
impl Kind for UserKind {
    const PREFIX: &'static str = "usr";
    const NAME: &'static str = "user";
}
/// The id of a user.
pub type UserId = Id<UserKind>;

/// How long a one-time link leads somewhere.
pub const LINK_LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// A person, without what is secret.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What they type to sign in, and how the audit log names them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// `active`, `invited` until they have a password, or `disabled`.
    pub status: &'static str,
    /// When they were invited first.
    pub created_at: Timestamp,
    /// Who invited them.
    pub created_by: String,
    /// Since when they may not sign in.
    pub disabled_at: Option<Timestamp>,
}

/// A name as it is kept: in lower case, without blanks around it.
///
/// # Errors
/// Invalid when it is empty, too long, or has other characters than letters, digits and `. _ - @ +`.
pub fn folded(name: &str) -> Result<String> {
    let name = name.trim().to_lowercase();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
        let why = "expected 1 to 100 letters, digits and . _ - @ +, like ada or ada@example.com";
        return Err(Error::invalid("name", why));
    }
    Ok(name)
}

/// The user with this name.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<User>> {
    let Ok(name) = folded(name) else { return Ok(None) };
    tx.query_opt("SELECT * FROM users WHERE name = $1", &[name.into()])?.as_ref().map(read).transpose()
}

/// All users, by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<User>> {
    tx.query("SELECT * FROM users ORDER BY name", &[])?.iter().map(read).collect()
}

/// Makes a user where there is none with this name, and gives a one-time link's secret, shown this one time. Older links
/// of the user lead nowhere from now on. Without a role, only somebody who is known already.
///
/// # Errors
/// Refused when the user is known with another role, is disabled, or is unknown and no role was given.
pub fn invite(
    tx: &mut Tx<'_>,
    cx: &Cx,
    name: &str,
    role: Option<Role>,
    by: &Actor,
) -> Result<(User, String)> {
    let name = folded(name)?;
    let user = match (find(tx, &name)?, role) {
        (Some(known), _) if known.disabled_at.is_some() => {
            return Err(Refusal::new("user_disabled", format!("{name} is disabled"))
                .fix(format!("makegood users enable {name}"))
                .into());
        }
        (Some(known), Some(role)) if known.role != role => {
            let why = format!("{name} is {} already, not {}", known.role.as_str(), role.as_str());
            return Err(Refusal::new("user_exists", why)
                .fix(format!("makegood users role {name} --role {}", role.as_str()))
                .into());
        }
        (Some(known), _) => known,
        (None, None) => return Err(Error::invalid("role", format!("{name} is new: which role?"))),
        (None, Some(Role::App)) => {
            return Err(Error::invalid("role", "app is for the shop's own server, which has a token"));
        }
        (None, Some(role)) => create(tx, cx, &name, role, by)?,
    };
    let link = secret(cx);
    tx.execute("DELETE FROM user_links WHERE user_id = $1", &[user.id.into()])?;
    tx.execute(
        "INSERT INTO user_links (hash, user_id, expires_at) VALUES ($1, $2, $3)",
        &[fingerprint(&link).into(), user.id.into(), (cx.now + LINK_LASTS).into()],
    )?;
    Ok((user, link))
}

fn create(tx: &mut Tx<'_>, cx: &Cx, name: &str, role: Role, by: &Actor) -> Result<User> {
    tx.execute(
        "INSERT INTO users (id, name, role, created_at, created_by) VALUES ($1, $2, $3, $4, $5)",
        &[
            cx.id::<UserKind>().into(),
            name.into(),
            role.as_str().into(),
            cx.now.into(),
            by.name.clone().into(),
        ],
    )?;
    find(tx, name)?.ok_or_else(|| Error::bug("a user who was made is not there"))
}

/// Whose link this is, while it leads somewhere.
pub fn of_link(tx: &mut Tx<'_>, now: Timestamp, link: &str) -> Result<Option<User>> {
    let sql = "SELECT users.* FROM user_links JOIN users ON users.id = user_links.user_id
               WHERE user_links.hash = $1 AND user_links.expires_at > $2 AND users.disabled_at IS NULL";
    tx.query_opt(sql, &[fingerprint(link).into(), now.into()])?.as_ref().map(read).transpose()
}

/// Uses a link up: its user has this password from now on, and whoever was signed in as them is no more.
///
/// # Errors
/// Not found when the link leads nowhere, or no longer.
pub fn use_link(tx: &mut Tx<'_>, now: Timestamp, link: &str, password: &str) -> Result<User> {
    let user = of_link(tx, now, link)?;
    let gone = tx.execute("DELETE FROM user_links WHERE hash = $1", &[fingerprint(link).into()])?;
    let Some(user) = user.filter(|_| gone == 1) else { return Err(Error::not_found("open", "link")) };
    set_password(tx, user.id, password)?;
    crate::sessions::end_all_of(tx, user.id)?;
    Ok(User { status: "active", ..user })
}

/// From now on this is their password; `password` is its hash.
pub fn set_password(tx: &mut Tx<'_>, id: UserId, password: &str) -> Result<()> {
    tx.execute("UPDATE users SET password = $1 WHERE id = $2", &[password.into(), id.into()])?;
    Ok(())
}

/// The user and the hash of their password, for somebody who wants to sign in.
pub fn with_password(tx: &mut Tx<'_>, name: &str) -> Result<Option<(User, Option<String>)>> {
    let Ok(name) = folded(name) else { return Ok(None) };
    let row = tx.query_opt("SELECT * FROM users WHERE name = $1", &[name.into()])?;
    row.map(|row| Ok((read(&row)?, row.get("password")?))).transpose()
}

/// Whoever takes an admin away does so one after the other.
pub fn lock_admins(tx: &mut Tx<'_>) -> Result<()> {
    let sql = format!("SELECT id FROM users WHERE role = 'admin' ORDER BY id{}", tx.dialect().for_update());
    tx.query(&sql, &[]).map(drop)
}

/// What they may do from now on.
pub fn set_role(tx: &mut Tx<'_>, id: UserId, role: Role) -> Result<()> {
    tx.execute("UPDATE users SET role = $1 WHERE id = $2", &[role.as_str().into(), id.into()])?;
    Ok(())
}

/// They may not sign in any more, and are signed out everywhere at once.
pub fn disable(tx: &mut Tx<'_>, cx: &Cx, id: UserId) -> Result<()> {
    tx.execute("UPDATE users SET disabled_at = $1 WHERE id = $2", &[cx.now.into(), id.into()])?;
    tx.execute("DELETE FROM user_links WHERE user_id = $1", &[id.into()])?;
    crate::sessions::end_all_of(tx, id)
}

/// They may sign in again.
pub fn enable(tx: &mut Tx<'_>, id: UserId) -> Result<()> {
    tx.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", &[id.into()])?;
    Ok(())
}

fn read(row: &Row) -> Result<User> {
    let role: String = row.get("role")?;
    let (disabled_at, password): (Option<Timestamp>, Option<String>) =
        (row.get("disabled_at")?, row.get("password")?);
    Ok(User {
        id: row.get("id")?,
        name: row.get("name")?,
        role: Role::parse(&role).ok_or_else(|| Error::bug(format!("a user has the role `{role}`")))?,
        status: match (disabled_at, password) {
            (Some(_), _) => "disabled",
            (None, None) => "invited",
            (None, Some(_)) => "active",
        },
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        disabled_at,
    })
}
