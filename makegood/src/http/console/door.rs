//! Who is at the door: the cookie of a session, and whether a form comes from our own pages.
//!
//! A form is ours when it carries the word that only we can make of the browser's cookie, and when the browser says that
//! it was sent from here.

use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
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

/// The field of a form with the word that makes it ours.
pub(in crate::http) const WORD: &str = "csrf";

/// Which cookie.
#[derive(Clone, Copy)]
pub(super) enum Cookie {
    /// Of who is signed in.
    Session,
    /// Of who is about to sign in.
    Form,
}

impl Cookie {
    /// Behind TLS the name itself keeps others from setting it (RFC 6265bis, section 4.1.3.2).
    fn name(self, app: &App) -> &'static str {
        match (self, is_secure(app)) {
            (Cookie::Session, true) => "__Host-makegood",
            (Cookie::Session, false) => "makegood",
            (Cookie::Form, true) => "__Host-makegood-form",
            (Cookie::Form, false) => "makegood-form",
        }
    }

    /// What the browser holds.
    pub(super) fn read<'a>(self, app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(app);
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let held = pairs.find(|(known, _)| *known == name)?.1;
        let fits = held.len() == 64 && held.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(held)
    }

    /// The browser is to hold this; nothing when it is empty.
    pub(super) fn set(self, app: &App, value: &str, response: &mut Response) {
        let (name, secure) = (self.name(app), if is_secure(app) { "; Secure" } else { "" });
        let ends = if value.is_empty() { "; Max-Age=0" } else { "" };
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{ends}");
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}

fn is_secure(app: &App) -> bool {
    app.config.app_url.starts_with("https://")
}

/// What a browser may hold that holds nothing yet.
pub(in crate::http) fn fresh(app: &App) -> String {
    app.shop.cx().random::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a form of whoever holds this cookie carries.
pub(in crate::http) fn word_of(cookie: &str) -> String {
    token_hash(&format!("a form of {cookie}"))
}

/// Whose session the browser holds, if it counts.
pub(super) async fn session(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    let Some(held) = Cookie::Session.read(app, headers) else { return Ok(None) };
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
        None => Cookie::Form.read(&visit.app, &visit.head.headers).map(word_of),
    };
    let Some(expected) = held else { return refused("the browser holds no cookie of ours") };
    match bool::from(expected.as_bytes().ct_eq(visit.field(WORD).as_bytes())) {
        true => Ok(()),
        false => refused("the form belongs to another session"),
    }
}

/// What the browser says of where a request comes from. `null` is what some say on pages that tell nobody where they are.
pub(in crate::http) fn was_sent_from_here(headers: &HeaderMap, app_url: &str) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = text(axum::http::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    match text(ORIGIN) {
        None | Some("null") => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let ours = app_url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
            host.is_some() && (host == text(HOST) || host == ours)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        was_sent_from_here(&headers, "https://shop.example/base")
    }

    #[test]
    fn where_a_form_was_sent_from_is_what_the_browser_says() {
        assert!(sent(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!sent(&[("sec-fetch-site", site), ("origin", "https://shop.example")]), "{site}");
        }
        assert!(sent(&[("origin", "https://shop.example")]));
        assert!(sent(&[("origin", "http://127.0.0.1:3001"), ("host", "127.0.0.1:3001")]));
        assert!(!sent(&[("origin", "https://evil.example"), ("host", "shop.example")]));
        assert!(!sent(&[("origin", "shop.example"), ("host", "shop.example")]));
        assert!(sent(&[]));
    }
}
