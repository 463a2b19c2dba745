//! Who is at the door: the cookie of a session, and whether a form comes from our own pages.
//!
//! A form is ours when it carries the word that only we can make of the browser's cookie, and when the browser says that
//! it was sent from here.

use axum::http::HeaderMap;
use db::TxResult;
use kernel::Timestamp;
use ops::sessions::{self, For, SessionId};
use ops::{Actor, Role, token_hash};
use shop::switches::{self, Position};
use subtle::ConstantTimeEq;

use super::visit::Visit;
use crate::app::App;
use crate::cli::render::ago;
use crate::http::auth::Caller;
use crate::http::cookie::Cookie;
use crate::http::posted::{WORD, was_sent_from_here, word_of};
use crate::http::problem::Problem;

/// Who is signed in.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) holder: For,
    pub(super) caller: Caller,
    /// What each form carries.
    pub(super) word: String,
    /// What is switched off, with the reason.
    pub(super) stopped: Vec<String>,
}

/// The cookie of who is signed in.
pub(super) const SESSION: Cookie = Cookie::of_a_visit("makegood");
/// The cookie of who is about to sign in.
pub(super) const FORM: Cookie = Cookie::of_a_visit("makegood-form");

/// Whose session the browser holds, if it counts.
pub(super) async fn session(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    let Some(held) = SESSION.read(app, headers) else { return Ok(None) };
    let (now, secret) = (app.clock.now(), held.to_owned());
    let read = move |tx: &mut db::Tx<'_>| Ok((sessions::find(tx, now, &secret)?, switches::all(tx)?));
    let (found, switches) = app.shop.db.read("session", read).await?;
    let Some(found) = found else { return Ok(None) };
    if sessions::is_to_be_noted(&found, now) {
        let id = found.id;
        let noted = app.shop.db.write("session.seen", move |tx| sessions::note(tx, now, id)).await;
        if let Err(error) = noted.safe_to_repeat() {
            // Who may read may go on reading while nothing can be written.
            tracing::warn!(%error, "the use of a session could not be written down");
        }
    }
    let who = found.who.clone().or_else(|| first_admin(app, &found.holder));
    let session = who.map(|(actor, role)| Session {
        id: found.id,
        holder: found.holder,
        caller: Caller { actor, role },
        word: word_of(held),
        stopped: stopped(app, &switches, now),
    });
    Ok(session.filter(|session| session.caller.role > Role::App))
}

/// What is switched off, in the words of the ribbon.
fn stopped(app: &App, switches: &[Position], now: Timestamp) -> Vec<String> {
    let by_hand = switches.iter().filter(|position| !position.is_on).map(|position| {
        let since = position.changed_at.map_or(String::new(), |at| format!(", {}", ago(at, now)));
        format!("{} {}{since}", position.name.as_str(), position.in_words())
    });
    let by_configuration =
        (!app.config.downloads_enabled).then(|| "downloads off: DOWNLOADS_ENABLED=false".into());
    by_hand.chain(by_configuration).collect()
}

/// The token of the configuration stands in no table.
fn first_admin(app: &App, holder: &For) -> Option<(Actor, Role)> {
    let first = app.secrets.admin_token()?;
    (*holder == For::Token(token_hash(first.reveal()))).then(|| (Actor::operator("ADMIN_TOKEN"), Role::Admin))
}

/// Refuses a form that does not come from our own pages.
pub(super) fn must_be_ours(visit: &Visit) -> Result<(), Problem> {
    let refused = |why: &str| Err(Problem::new("form_refused", why));
    if !was_sent_from_here(&visit.head.headers, &visit.app.config.app_url) {
        return refused("the browser says that the form was sent from another site");
    }
    let held = match &visit.session {
        Some(session) => Some(session.word.clone()),
        None => FORM.read(&visit.app, &visit.head.headers).map(word_of),
    };
    let Some(expected) = held else { return refused("the browser holds no cookie of ours") };
    match bool::from(expected.as_bytes().ct_eq(visit.field(WORD).as_bytes())) {
        true => Ok(()),
        false => refused("the form belongs to another session"),
    }
}
