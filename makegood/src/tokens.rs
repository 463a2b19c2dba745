//! Making tokens for the admin API: the same for the command line, the API and the console. It is no operation, because the
//! token that comes of it is shown this one time and kept nowhere.

use db::TxResult;
use kernel::{Error, Result, Timestamp};
use ops::audit::{self, Entry};
use ops::{By, Role};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;

/// A token that is to be made.
#[derive(Debug, Clone, Serialize)]
pub struct Wanted {
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// Why, for the audit log.
    pub reason: String,
}

/// A token that was made just now; the only time that it is seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// `token`.
    pub object: String,
    /// Its id, to take it back with.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: String,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// The token itself.
    pub token: String,
}

impl Wanted {
    fn check(&self, now: Timestamp) -> Result<()> {
        if self.name.trim().is_empty() || self.name.len() > 200 {
            return Err(Error::invalid("/name", "expected 1 to 200 bytes"));
        }
        match self.expires_at {
            Some(at) if at <= now => Err(Error::invalid("/expires_at", "lies in the past")),
            _ => Ok(()),
        }
    }
}

/// Makes a token; the audit log says who made it, and why.
///
/// # Errors
/// Refused when the role does not reach; invalid without a name and a reason, or when it has ended already.
pub async fn make(app: &App, wanted: Wanted, by: By) -> Result<Made> {
    by.must_be(Role::Admin, "tokens.create")?;
    by.must_say_why("tokens.create")?;
    let cx = app.shop.cx();
    wanted.check(cx.now)?;
    let Wanted { name, role, expires_at, reason } = wanted;
    let named = name.clone();
    let made = app.shop.db.write("tokens.create", move |tx| {
        let (id, token) = ops::create_token(tx, &cx, &named, role, expires_at)?;
        let mut entry = Entry::new("token_created", by.actor.clone(), "token", id)
            .because(Some(&reason))
            .with(json!({ "name": named, "role": role, "expires_at": expires_at }));
        entry.request_id = by.request_id.clone();
        audit::record(tx, &cx, vec![entry])?;
        Ok((id, token))
    });
    let (id, token) = made.await.must_be_looked_up()?;
    let (object, id, role) = ("token".to_owned(), id.to_string(), role.as_str().to_owned());
    Ok(Made { object, id, name, role, expires_at, token })
}
