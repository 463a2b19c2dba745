//! Who is signed in to the console, and how often somebody has tried to.
//!
//! A session belongs to a user or to the bearer of a token. What it may do is read anew with each request, so a role that
//! changes, a user who is disabled and a token that is revoked count at once, on every node.

use db::{Row, Tx};
use kernel::{Cx, Duration, Error, Id, Kind, Result, Timestamp};
use serde::Serialize;

use crate::access::{fingerprint, secret};
use crate::users::UserId;
use crate::{Actor, Role};

/// Marks ids of sessions.
pub enum SessionKind {}
impl Kind for SessionKind {
    const PREFIX: &'static str = "ses";
    const NAME: &'static str = "session";
}
/// The id of a session; not what the browser holds.
pub type SessionId = Id<SessionKind>;

/// After so long without a request a session is over.
pub const IDLE: Duration = Duration::from_secs(8 * 60 * 60);
/// After so long a session is over, whatever happens in it.
pub const WHOLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How exactly it is written down when a session was last used.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// For whom a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum For {
    /// A user with a password.
    User(UserId),
    /// The bearer of a token, by the token's hash (see [`crate::token_hash`]).
    Token(String),
}

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The session.
    pub id: SessionId,
    /// For whom.
    pub holder: For,
    /// Who acts; nobody when a token that no table knows was used (the first admin's): the door knows whose it is.
    pub who: Option<(Actor, Role)>,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
}

/// A session as its holder may see it.
#[derive(Debug, Clone, Serialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// From where it was begun.
    pub address: String,
    /// What the browser said of itself.
    pub browser: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
}

/// Begins a session; gives what the browser is to hold. Sessions that are long over are tidied away.
pub fn begin(
    tx: &mut Tx<'_>,
    cx: &Cx,
    holder: &For,
    address: &str,
    browser: &str,
) -> Result<(SessionId, String)> {
    tx.execute("DELETE FROM user_sessions WHERE seen_at < $1", &[(cx.now - WHOLE).into()])?;
    let (user, token) = match holder {
        For::User(id) => (Some(*id), None),
        For::Token(hash) => (None, Some(hash.clone())),
    };
    let (id, secret) = (cx.id::<SessionKind>(), secret(cx));
    let browser: String = browser.chars().filter(|c| !c.is_control()).take(200).collect();
    tx.execute(
        "INSERT INTO user_sessions (id, hash, user_id, token_hash, address, browser, created_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        &[
            id.into(),
            fingerprint(&secret).into(),
            user.into(),
            token.into(),
            address.into(),
            browser.into(),
            cx.now.into(),
        ],
    )?;
    Ok((id, secret))
}

/// Who holds this session, if it still counts.
pub fn find(tx: &mut Tx<'_>, now: Timestamp, secret: &str) -> Result<Option<SignedIn>> {
    let row = tx.query_opt(
        "SELECT s.id, s.user_id, s.token_hash, s.seen_at, u.name AS user_name, u.role AS user_role, u.disabled_at,
                t.name AS token_name, t.role AS token_role, t.revoked_at, t.expires_at
         FROM user_sessions s
         LEFT JOIN users u ON u.id = s.user_id
         LEFT JOIN api_tokens t ON t.hash = s.token_hash
         WHERE s.hash = $1 AND s.seen_at > $2 AND s.created_at > $3",
        &[fingerprint(secret).into(), (now - IDLE).into(), (now - WHOLE).into()],
    )?;
    match row {
        Some(row) => signed_in(&row, now),
        None => Ok(None),
    }
}

fn signed_in(row: &Row, now: Timestamp) -> Result<Option<SignedIn>> {
    let (id, seen_at) = (row.get("id")?, row.get("seen_at")?);
    let is_over = |name: &str| Ok::<_, Error>(row.get::<Option<Timestamp>>(name)?.is_some());
    if let Some(user) = row.get::<Option<UserId>>("user_id")? {
        let who = who(row, "user_name", "user_role")?;
        let counts = !is_over("disabled_at")? && who.is_some();
        return Ok(counts.then_some(SignedIn { id, holder: For::User(user), who, seen_at }));
    }
    let hash: String = row.get("token_hash")?;
    let ended = row.get::<Option<Timestamp>>("expires_at")?.is_some_and(|at| at <= now);
    if is_over("revoked_at")? || ended {
        return Ok(None);
    }
    Ok(Some(SignedIn { id, holder: For::Token(hash), who: who(row, "token_name", "token_role")?, seen_at }))
}

fn who(row: &Row, name: &str, role: &str) -> Result<Option<(Actor, Role)>> {
    let (name, role): (Option<String>, Option<String>) = (row.get(name)?, row.get(role)?);
    let (Some(name), Some(role)) = (name, role) else { return Ok(None) };
    let known = Role::parse(&role).ok_or_else(|| Error::bug(format!("somebody has the role `{role}`")))?;
    Ok(Some((Actor::operator(&name), known)))
}

/// Whether it is time to write down that a session is used.
pub fn is_to_be_noted(session: &SignedIn, now: Timestamp) -> bool {
    now.since(session.seen_at) >= NOTED_EVERY
}

/// Writes down that a session is used.
pub fn note(tx: &mut Tx<'_>, now: Timestamp, id: SessionId) -> Result<()> {
    tx.execute("UPDATE user_sessions SET seen_at = $1 WHERE id = $2", &[now.into(), id.into()])?;
    Ok(())
}

/// Ends one session of this holder; false when they have no such session.
pub fn end(tx: &mut Tx<'_>, holder: &For, id: SessionId) -> Result<bool> {
    let (condition, value) = of(holder);
    let sql = format!("DELETE FROM user_sessions WHERE id = $1 AND {condition} = $2");
    Ok(tx.execute(&sql, &[id.into(), value])? == 1)
}

/// Ends every session of a user.
pub fn end_all_of(tx: &mut Tx<'_>, user: UserId) -> Result<()> {
    tx.execute("DELETE FROM user_sessions WHERE user_id = $1", &[user.into()])?;
    Ok(())
}

/// The sessions of this holder that count, the last used first.
pub fn list(tx: &mut Tx<'_>, now: Timestamp, holder: &For) -> Result<Vec<Session>> {
    let (condition, value) = of(holder);
    let sql = format!(
        "SELECT * FROM user_sessions WHERE {condition} = $1 AND seen_at > $2 AND created_at > $3
         ORDER BY seen_at DESC, id DESC LIMIT 50"
    );
    let rows = tx.query(&sql, &[value, (now - IDLE).into(), (now - WHOLE).into()])?;
    rows.iter()
        .map(|row| {
            Ok(Session {
                id: row.get("id")?,
                address: row.get("address")?,
                browser: row.get("browser")?,
                created_at: row.get("created_at")?,
                seen_at: row.get("seen_at")?,
            })
        })
        .collect()
}

fn of(holder: &For) -> (&'static str, db::Value) {
    match holder {
        For::User(id) => ("user_id", (*id).into()),
        For::Token(hash) => ("token_hash", hash.clone().into()),
    }
}

/// By what attempts are counted, and how many are borne before anybody has to wait.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Like `name ada` or `address 192.0.2.1`.
    pub who: String,
    /// So many failures are forgiven.
    pub borne: i64,
}

/// The first pause after too many failures; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// So many more than are borne make the longest pause; more of them are not remembered.
const MOST_OVER: i64 = 6;
/// In so much time one failure is forgiven.
const ONE_FORGIVEN: Duration = Duration::from_secs(60 * 60);
/// After so long without another failure everything is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// How often somebody has failed, and when they last did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failures {
    count: i64,
    last_at: Timestamp,
}

impl Failures {
    /// What is left of them now.
    fn left(self, now: Timestamp) -> i64 {
        let forgiven = now.since(self.last_at).as_secs() / ONE_FORGIVEN.as_secs();
        (self.count - i64::try_from(forgiven).unwrap_or(i64::MAX)).max(0)
    }
}

/// An attempt that may be made; it counts as a failure until it has [`succeeded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    who: String,
    before: Failures,
    now: Failures,
}

/// Whether somebody may try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// They may.
    May(Vec<Tried>),
    /// Not before this time has passed; the attempt is not counted.
    Wait(Duration),
}

/// Counts an attempt as a failure before anybody knows how it ends, so that many at once count as many.
pub fn attempt(tx: &mut Tx<'_>, now: Timestamp, counted: &[Counted]) -> Result<Attempt> {
    tx.execute("DELETE FROM sign_in_attempts WHERE last_at < $1", &[(now - FORGOTTEN).into()])?;
    let (mut wait, mut tried) = (None, Vec::new());
    for Counted { who, borne } in counted {
        // There is a row to lock, so that of many at once each sees those before it.
        tx.execute(
            "INSERT INTO sign_in_attempts (who, failures, last_at) VALUES ($1, 0, $2) ON CONFLICT (who) DO NOTHING",
            &[who.clone().into(), now.into()],
        )?;
        let sql = format!(
            "SELECT failures, last_at FROM sign_in_attempts WHERE who = $1{}",
            tx.dialect().for_update()
        );
        let row = tx.query_one(&sql, &[who.clone().into()])?;
        let before = Failures { count: row.get("failures")?, last_at: row.get("last_at")? };
        let rest = pause(before.left(now) - borne);
        let left = (before.last_at + rest).since(now);
        // Of many at once one that came later may have been counted first: without a pause that is no reason to wait.
        if rest > Duration::ZERO && left > Duration::ZERO {
            wait = Some(wait.unwrap_or(Duration::ZERO).max(left));
        }
        let count = (before.left(now) + 1).min(borne + MOST_OVER);
        tried.push(Tried { who: who.clone(), before, now: Failures { count, last_at: now } });
    }
    if let Some(wait) = wait {
        return Ok(Attempt::Wait(wait));
    }
    for Tried { who, now, .. } in &tried {
        tx.execute(
            "UPDATE sign_in_attempts SET failures = $2, last_at = $3 WHERE who = $1",
            &[who.clone().into(), now.count.into(), now.last_at.into()],
        )?;
    }
    Ok(Attempt::May(tried))
}

/// So many failures more than are borne: how long after the last of them the next attempt may come.
fn pause(over: i64) -> Duration {
    match u32::try_from(over) {
        Ok(over) => FIRST_PAUSE.saturating_mul(1 << over.min(10)).min(LONGEST_PAUSE),
        Err(_) => Duration::ZERO,
    }
}

/// It succeeded after all: it is as if nobody had tried. Where others have tried meanwhile, theirs still count.
pub fn succeeded(tx: &mut Tx<'_>, tried: &Tried) -> Result<()> {
    let Tried { who, before, now } = tried;
    let undone = tx.execute(
        "UPDATE sign_in_attempts SET failures = $2, last_at = $3 WHERE who = $1 AND failures = $4 AND last_at = $5",
        &[
            who.clone().into(),
            before.count.into(),
            before.last_at.into(),
            now.count.into(),
            now.last_at.into(),
        ],
    )?;
    match undone {
        0 => one_less(tx, who),
        _ => Ok(()),
    }
}

/// One attempt of theirs was none to be held against them, as was seen later.
pub fn take_one_back(tx: &mut Tx<'_>, counted: &Counted) -> Result<()> {
    one_less(tx, &counted.who)
}

fn one_less(tx: &mut Tx<'_>, who: &str) -> Result<()> {
    let sql = "UPDATE sign_in_attempts SET failures = failures - 1 WHERE who = $1 AND failures > 0";
    tx.execute(sql, &[who.into()]).map(drop)
}

/// Whoever proved that this name is theirs is forgiven everything.
pub fn forgive(tx: &mut Tx<'_>, name: &Counted) -> Result<()> {
    tx.execute("DELETE FROM sign_in_attempts WHERE who = $1", &[name.who.clone().into()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_has_an_end() {
        let seconds = |over| pause(over).as_secs();
        assert_eq!([-3, -1, 0, 1, 2, 5, 6, 60].map(seconds), [0, 0, 15, 30, 60, 480, 900, 900]);
    }

    #[test]
    fn more_failures_than_are_remembered_make_no_longer_pause() {
        assert!(pause(MOST_OVER - 1) < LONGEST_PAUSE);
        assert_eq!(pause(MOST_OVER), LONGEST_PAUSE);
    }
}
