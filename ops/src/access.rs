//! Who acts, and what each role may do. Tokens are shown once; only their hash is kept.

use db::{Row, Tx};
use kernel::{Cx, Duration, Error, Id, Kind, Refusal, Result, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What someone may do. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The shop's own server: checkout and reading access.
    App,
    /// Reads everything.
    Viewer,
    /// Repairs single orders.
    Support,
    /// Moves money and clears reviews.
    Finance,
    /// Corrects stock, replays events, runs jobs.
    Operator,
    /// Tokens, roles, secrets.
    Admin,
}

impl Role {
    /// The role's name as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::App => "app",
            Role::Viewer => "viewer",
            Role::Support => "support",
            Role::Finance => "finance",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Role> {
        [Role::App, Role::Viewer, Role::Support, Role::Finance, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// Which kind of somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person with a token or at the terminal.
    Operator,
    /// makegood itself: workers, schedules.
    System,
    /// Stripe, through an event.
    Stripe,
    /// A buyer.
    Buyer,
}

impl ActorKind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorKind::Operator => "operator",
            ActorKind::System => "system",
            ActorKind::Stripe => "stripe",
            ActorKind::Buyer => "buyer",
        }
    }
    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<ActorKind> {
        [ActorKind::Operator, ActorKind::System, ActorKind::Stripe, ActorKind::Buyer]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Somebody who acts; always named in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Which kind.
    pub kind: ActorKind,
    /// Who: a token's name, the user at the terminal, `worker`, an event id.
    pub name: String,
}

impl Actor {
    /// makegood itself, in this function.
    pub fn system(name: &str) -> Self {
        Actor { kind: ActorKind::System, name: name.into() }
    }
    /// Stripe, through this event.
    pub fn stripe(event_id: &str) -> Self {
        Actor { kind: ActorKind::Stripe, name: event_id.into() }
    }
    /// A person.
    pub fn operator(name: &str) -> Self {
        Actor { kind: ActorKind::Operator, name: name.into() }
    }
    /// A buyer, by email or `guest`.
    pub fn buyer(name: &str) -> Self {
        Actor { kind: ActorKind::Buyer, name: name.into() }
    }
}

/// Who asks for an operation, as what, and why.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// As what.
    pub role: Role,
    /// Why; every change needs a reason.
    pub reason: Option<String>,
    /// The request that carried it, for the audit log.
    pub request_id: Option<String>,
}

impl By {
    /// Refuses when the role does not reach.
    pub fn must_be(&self, least: Role, what: &str) -> Result<()> {
        if self.role >= least {
            return Ok(());
        }
        Err(Refusal::new(
            "forbidden",
            format!("{} is {}; {what} needs {}", self.actor.name, self.role.as_str(), least.as_str()),
        )
        .fix("ask an admin for a token with that role: makegood tokens create NAME --role ROLE")
        .into())
    }

    /// Refuses when something would change and nobody says why, so that people can read it.
    pub fn must_say_why(&self, what: &str) -> Result<()> {
        let reason = self.reason.as_deref().unwrap_or_default();
        if says_why(reason) {
            return Ok(());
        }
        if reason.len() > LONGEST_REASON {
            let why = format!("is {} bytes long; a reason has {LONGEST_REASON} at most", reason.len());
            return Err(Error::invalid("/reason", why));
        }
        Err(Refusal::new("reason_required", format!("{what} changes things; say why"))
            .fix("add --reason TEXT, or \"reason\" in the request")
            .into())
    }
}

/// The audit log keeps reasons for ever.
const LONGEST_REASON: usize = 2_000;

/// Whether a text is a reason: not longer than the audit log takes, and with something in it to be read.
pub fn says_why(reason: &str) -> bool {
    reason.len() <= LONGEST_REASON && reason.chars().any(is_seen)
}

/// False for what leaves no mark on a page: blanks, controls, and what Unicode has shown as nothing.
fn is_seen(c: char) -> bool {
    let leaves_nothing = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    !(c.is_whitespace() || c.is_control() || leaves_nothing)
}

/// Marks ids of tokens.
pub enum TokenKind {}
impl Kind for TokenKind {
    const PREFIX: &'static str = "tok";
    const NAME: &'static str = "token";
}

/// A token as it may be shown: never the token itself.
#[derive(Debug, Clone, Serialize)]
pub struct ApiToken {
    /// Its id.
    pub id: Id<TokenKind>,
    /// Whose it is.
    pub name: String,
    /// Its first characters, to tell tokens apart.
    pub prefix: String,
    /// What its bearer may do.
    pub role: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// Makes a token of 256 random bits and gives it out this one time.
pub fn create_token(
    tx: &mut Tx<'_>,
    cx: &Cx,
    name: &str,
    role: Role,
    expires_at: Option<Timestamp>,
) -> Result<(Id<TokenKind>, String)> {
    let token = format!("mg_{}", secret(cx));
    let id = cx.id::<TokenKind>();
    tx.execute(
        "INSERT INTO api_tokens (id, name, prefix, hash, role, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            id.into(),
            name.into(),
            token[..9].into(),
            fingerprint(&token).into(),
            role.as_str().into(),
            cx.now.into(),
            expires_at.into(),
        ],
    )?;
    Ok((id, token))
}

/// Whose token this is, if it is one and still counts.
pub fn authenticate(tx: &mut Tx<'_>, now: Timestamp, token: &str) -> Result<Option<(Actor, Role)>> {
    let row = tx.query_opt(
        "SELECT name, role FROM api_tokens
         WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
        &[fingerprint(token).into(), now.into()],
    )?;
    let Some(row) = row else { return Ok(None) };
    let role: String = row.get("role")?;
    let role = Role::parse(&role).ok_or_else(|| Error::bug(format!("a token has the role `{role}`")))?;
    Ok(Some((Actor::operator(&row.get::<String>("name")?), role)))
}

/// Writes down that a token was used, to the minute: more often would only cost.
pub fn note_token_use(tx: &mut Tx<'_>, now: Timestamp, token: &str) -> Result<()> {
    tx.execute(
        "UPDATE api_tokens SET last_used_at = $1 WHERE hash = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
        &[now.into(), fingerprint(token).into(), (now - Duration::from_secs(60)).into()],
    )?;
    Ok(())
}

/// Takes a token back; it stops counting at once.
pub fn revoke_token(tx: &mut Tx<'_>, cx: &Cx, id: Id<TokenKind>) -> Result<()> {
    let changed = tx.execute(
        "UPDATE api_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
        &[cx.now.into(), id.into()],
    )?;
    if changed == 1 { Ok(()) } else { Err(Error::not_found("live token", id)) }
}

/// One token, without what is secret.
pub fn find_token(tx: &mut Tx<'_>, id: Id<TokenKind>) -> Result<Option<ApiToken>> {
    tx.query_opt("SELECT * FROM api_tokens WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

/// All tokens, without what is secret.
pub fn list_tokens(tx: &mut Tx<'_>) -> Result<Vec<ApiToken>> {
    tx.query("SELECT * FROM api_tokens ORDER BY created_at DESC", &[])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ApiToken> {
    Ok(ApiToken {
        id: row.get("id")?,
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        role: row.get("role")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

/// By what a token is kept and found.
pub fn token_hash(token: &str) -> String {
    fingerprint(token)
}

/// SHA-256 is enough for 256 random bits: there is nothing to guess.
pub(crate) fn fingerprint(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// A secret that nobody can guess; only its hash is to be kept, see [`token_hash`].
pub fn secret(cx: &Cx) -> String {
    hex(&cx.random::<32>())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
