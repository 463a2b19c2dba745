//! Inviting people to the console: the same for the command line, the API and the console itself. It is no operation,
//! because the link that comes of it is shown this one time and kept nowhere.

use db::TxResult;
use kernel::{Result, Timestamp};
use ops::audit::{self, Entry};
use ops::users::{self, LINK_LASTS};
use ops::{By, Role};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;

/// Under which path a one-time link leads somewhere.
pub const WELCOME: &str = "/_/welcome";

/// Somebody who is to sign in.
#[derive(Debug, Clone, Serialize)]
pub struct Wanted {
    /// What they type to sign in.
    pub name: String,
    /// What they may do; needed for somebody new.
    pub role: Option<Role>,
    /// Why, for the audit log.
    pub reason: String,
}

/// An invitation as it is shown, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invitation {
    /// `invitation`.
    pub object: String,
    /// The user's id.
    pub id: String,
    /// What they type to sign in.
    pub name: String,
    /// What they may do.
    pub role: String,
    /// Where they choose a password. Whoever has it may.
    pub link: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Makes the user where there is none, and a link with which they choose a password.
///
/// # Errors
/// Refused when the role does not reach, or as [`users::invite`].
pub async fn invite(app: &App, wanted: Wanted, by: By) -> Result<Invitation> {
    by.must_be(Role::Admin, "users.invite")?;
    by.must_say_why("users.invite")?;
    let (cx, expires_at) = (app.shop.cx(), app.clock.now() + LINK_LASTS);
    let invited = app.shop.db.write("users.invite", move |tx| {
        let (user, link) = users::invite(tx, &cx, &wanted.name, wanted.role, &by.actor)?;
        let mut entry = Entry::new("user_invited", by.actor.clone(), "user", &user.name)
            .because(by.reason.as_deref())
            .with(json!({ "user": user.id, "role": user.role }));
        entry.request_id = by.request_id.clone();
        audit::record(tx, &cx, vec![entry])?;
        Ok((user, link))
    });
    let (user, link) = invited.await.must_be_looked_up()?;
    Ok(Invitation {
        object: "invitation".into(),
        id: user.id.to_string(),
        name: user.name,
        role: user.role.as_str().into(),
        link: format!("{}{WELCOME}/{link}", app.config.app_url),
        expires_at,
    })
}
