//! Which buyer is asking: who is signed in to our own pages, who has a token of the shop's own sign-in, or the shop's own
//! server on behalf of somebody.

pub mod jwks;
pub mod jwt;

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use ops::Role;
use shop::customers::{Profile, identity};
use shop::ids::ProfileId;

use super::auth::{self, Caller};
use super::call::Call;
use super::cookie::Cookie;
use super::problem::Problem;
use crate::app::App;

/// The cookie of who is signed in.
pub(super) const SESSION: Cookie = Cookie::lasting("makegood-buyer", identity::SESSION_LASTS);
/// The cookie of whoever has a form of ours before them.
pub(super) const FORM: Cookie = Cookie::of_a_visit("makegood-buyer-form");

/// Who a buyer is, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// Whose purchases these are.
    pub profile: ProfileId,
    /// How we know.
    pub how: How,
}

/// How we know who a buyer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// By the cookie of our own pages.
    Session,
    /// By a token that the shop's own sign-in has signed.
    Signed,
    /// By the word of the shop's own server, which has a token of ours.
    Server(Caller),
}

impl How {
    /// In a word, for the audit log.
    pub fn as_str(&self) -> &'static str {
        match self {
            How::Session => "session",
            How::Signed => "jwt",
            How::Server(_) => "server",
        }
    }
}

/// Which buyer asks on an API route; nobody when the request says nothing of it. What stands in `Authorization` decides
/// alone: a cookie beside it is not looked at.
///
/// # Errors
/// `unauthenticated` when what it brings is not valid; `forbidden` when the bearer may not speak for buyers; invalid when
/// a server does not say for whom.
pub(in crate::http) async fn of(call: &Call) -> Result<Option<Buyer>, Problem> {
    let query = call.query()?;
    let user = query.get("user_id").and_then(|id| id.as_str());
    of_request(&call.app, &call.head.headers, call.origin.address, user).await
}

/// As [`of`], of the parts of a request.
pub(in crate::http) async fn of_request(
    app: &App,
    headers: &HeaderMap,
    address: IpAddr,
    user: Option<&str>,
) -> Result<Option<Buyer>, Problem> {
    let Some(brought) = headers.get(AUTHORIZATION) else {
        let found = signed_in(app, headers).await?;
        return Ok(found.map(|(profile, _)| Buyer { profile: profile.id, how: How::Session }));
    };
    let token =
        brought.to_str().ok().and_then(|text| text.split_once(' ')).map_or("", |(_, token)| token.trim());
    if token.bytes().filter(|byte| *byte == b'.').count() == 2 && app.buyers.is_configured() {
        let profile = by_token(app, token).await?;
        return Ok(Some(Buyer { profile, how: How::Signed }));
    }
    let caller = auth::authenticate(app, headers, address).await?;
    // Who may only read what is there may not act as a buyer, and be handed what a buyer has bought.
    if caller.role != Role::App && caller.role < Role::Support {
        let detail = format!("a {} may not speak for buyers; expected app, or support", caller.role.as_str());
        return Err(Problem::new("forbidden", detail));
    }
    let Some(user) = user else {
        return Err(Problem::invalid("user_id", "with a server's token, say for which profile"));
    };
    let profile =
        user.parse().map_err(|e: kernel::IdParseError| Problem::invalid("user_id", e.to_string()))?;
    Ok(Some(Buyer { profile, how: How::Server(caller) }))
}

async fn by_token(app: &App, token: &str) -> Result<ProfileId, Problem> {
    let refused = |why: jwt::Refused| Problem::new("unauthenticated", why.to_string());
    let now = app.clock.now();
    let unchecked = jwt::Unchecked::read(token).map_err(refused)?;
    let keys = app.buyers.keys(now, unchecked.kid()).await?;
    unchecked.check(&keys, app.buyers.expected(), now).map_err(refused)
}

/// Who is signed in to our own pages, and what the browser holds for it.
pub(in crate::http) async fn signed_in(
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<(Profile, String)>, Problem> {
    let Some(held) = SESSION.read(app, headers) else { return Ok(None) };
    let (now, secret) = (app.clock.now(), held.to_owned());
    let found = app.shop.db.read("buyer.session", move |tx| identity::of_session(tx, now, &secret)).await?;
    Ok(found.map(|profile| (profile, held.to_owned())))
}
