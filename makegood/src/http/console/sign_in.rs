//! Signing in and out. What is told to whoever fails is always the same, and takes as long.

use askama::Template;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use db::TxResult;
use kernel::{Duration, Error, Timestamp};
use ops::audit::{self, Entry};
use ops::sessions::{self, Attempt, Counted, For, Tried};
use ops::users::{self, User};
use ops::{Actor, Role, password, token_hash};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::door::{FORM, SESSION};
use super::frame::{Frame, html};
use super::visit::Visit;
use super::{Shown, to};
use crate::app::App;
use crate::http::posted::word_of;
use crate::http::problem::Problem;

/// Failures of one name that are borne before anybody has to wait.
const BORNE_BY_NAME: i64 = 5;
/// The same for one address, behind which a whole office may sit.
const BORNE_BY_ADDRESS: i64 = 20;
/// A password costs 19 MiB while it is computed: so many at once, the others wait.
static COMPUTING: Semaphore = Semaphore::const_new(4);

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignIn {
    frame: Frame,
    /// Where to go on.
    next: String,
    name: String,
    /// What went wrong, if anything did.
    trouble: String,
}

#[derive(Template)]
#[template(path = "console/welcome.html")]
struct Welcome {
    frame: Frame,
    name: String,
    role: &'static str,
    shortest: usize,
    trouble: String,
}

/// Whoever is not signed in comes here first. A form that was sent is not kept: it may have been somebody else's.
pub(super) fn ask(visit: &Visit, reads: bool) -> Shown {
    if reads {
        let here = visit.head.uri.path_and_query().map_or("/_/", |here| here.as_str());
        let next: String =
            axum::http::uri::PathAndQuery::try_from(here).map_or("/_/".into(), |p| p.to_string());
        return Ok(to(&format!("/_/sign-in?next={}", super::visit::encoded(&next))));
    }
    let trouble = "You are not signed in any more, and nothing was done. Sign in and do it again.";
    Ok(form(visit, StatusCode::UNAUTHORIZED, String::new(), trouble))
}

/// `/_/sign-in`
pub(super) async fn page(visit: &mut Visit) -> Shown {
    let next = next(visit)?;
    if visit.session.is_some() {
        return Ok(to(&next));
    }
    if visit.form.is_empty() {
        return Ok(form(visit, StatusCode::OK, String::new(), ""));
    }
    let name = visit.field("name").to_owned();
    match sign_in(visit).await? {
        Ended::In(secret) => {
            let mut response = to(&next);
            SESSION.set(&visit.app, &secret, &mut response);
            FORM.set(&visit.app, "", &mut response);
            Ok(response)
        }
        Ended::Wrong => {
            let trouble = "That is not right. Check the name and the password, or the token.";
            Ok(form(visit, StatusCode::UNAUTHORIZED, name, trouble))
        }
        Ended::Wait(wait) => {
            let seconds = wait.as_secs() + 1;
            let trouble = format!("Too many attempts have failed. Try again in {seconds} seconds.");
            let mut response = form(visit, StatusCode::TOO_MANY_REQUESTS, name, &trouble);
            response.headers_mut().insert("retry-after", seconds.into());
            Ok(response)
        }
    }
}

/// Where to go on: a page of the console, and nothing else.
fn next(visit: &Visit) -> Result<String, Problem> {
    let said = match visit.form.get("next") {
        Some(next) => next.clone(),
        None => visit.query()?.remove("next").unwrap_or_default(),
    };
    let is_ours = said.starts_with("/_/") && !said.contains("//") && !said.contains('\\');
    Ok(if is_ours && !said.starts_with("/_/sign-") { said } else { "/_/".into() })
}

/// The form, with a cookie that makes it ours.
fn form(visit: &Visit, status: StatusCode, name: String, trouble: &str) -> Response {
    let mut frame = Frame::of(visit, "Sign in");
    let held = FORM.read(&visit.app, &visit.head.headers).map(str::to_owned);
    let cookie = held.clone().unwrap_or_else(|| ops::secret(&visit.app.shop.cx()));
    frame.word = word_of(&cookie);
    let next = next(visit).unwrap_or_default();
    let mut response = html(status, &SignIn { frame, next, name, trouble: trouble.to_owned() });
    if held.is_none() {
        FORM.set(&visit.app, &cookie, &mut response);
    }
    response
}

enum Ended {
    /// This is what the browser is to hold.
    In(String),
    Wrong,
    Wait(Duration),
}

/// What somebody brings.
enum Brought {
    Password { name: String, password: String },
    Token(String),
}

async fn sign_in(visit: &Visit) -> Result<Ended, Problem> {
    let brought = match visit.field("token").trim() {
        "" => Brought::Password {
            name: visit.field("name").trim().to_lowercase().chars().take(200).collect(),
            password: visit.field("password").to_owned(),
        },
        token => Brought::Token(token.to_owned()),
    };
    let address = Counted { who: format!("address {}", visit.origin.address), borne: BORNE_BY_ADDRESS };
    let name = match &brought {
        Brought::Password { name, .. } => {
            Some(Counted { who: format!("name {}", token_hash(name)), borne: BORNE_BY_NAME })
        }
        Brought::Token(_) => None,
    };
    let (app, now) = (&visit.app, visit.now);
    let counted: Vec<Counted> = name.iter().chain([&address]).cloned().collect();
    let asked = app.shop.db.write("sign_in.attempt", move |tx| sessions::attempt(tx, now, &counted)).await;
    let tried = match asked.must_be_looked_up()? {
        Attempt::Wait(wait) => return Ok(Ended::Wait(wait)),
        Attempt::May(tried) => tried,
    };
    match known(app, &brought, now).await? {
        Some(found) => begin(visit, found, name, tried).await,
        None => {
            note_failure(visit, &brought).await?;
            Ok(Ended::Wrong)
        }
    }
}

/// Somebody who may come in.
#[derive(Clone)]
struct Found {
    holder: For,
    actor: Actor,
    role: Role,
    /// What their password was when it was compared.
    kept: Option<String>,
}

async fn known(app: &App, brought: &Brought, now: Timestamp) -> Result<Option<Found>, Problem> {
    let found = match brought {
        Brought::Password { name, password } => by_password(app, name, password).await?,
        Brought::Token(token) => by_token(app, token, now).await?,
    };
    Ok(found.filter(|found| found.role > Role::App))
}

async fn by_password(app: &App, name: &str, password: &str) -> Result<Option<Found>, Problem> {
    let asked = name.to_owned();
    let found = app.shop.db.read("sign_in.user", move |tx| users::with_password(tx, &asked)).await?;
    let (user, kept) = found.map_or((None, None), |(user, kept)| (Some(user), kept));
    let (compared, given) = (kept.clone(), password.to_owned());
    let is_right = compute(move || password::matches(&given, compared.as_deref())).await?;
    let user: Option<User> = user.filter(|user| is_right && user.disabled_at.is_none());
    Ok(user.map(|user| Found {
        holder: For::User(user.id),
        actor: Actor::operator(&user.name),
        role: user.role,
        kept,
    }))
}

async fn by_token(app: &App, token: &str, now: Timestamp) -> Result<Option<Found>, Problem> {
    let hash = token_hash(token);
    let found = |actor, role| Found { holder: For::Token(hash.clone()), actor, role, kept: None };
    if let Some(first) = app.secrets.admin_token()
        && bool::from(token_hash(first.reveal()).as_bytes().ct_eq(hash.as_bytes()))
    {
        return Ok(Some(found(Actor::operator("ADMIN_TOKEN"), Role::Admin)));
    }
    let asked = token.to_owned();
    let known = app.shop.db.read("sign_in.token", move |tx| ops::authenticate(tx, now, &asked)).await?;
    Ok(known.map(|(actor, role)| found(actor, role)))
}

/// A processor's work, away from those who answer requests.
async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> kernel::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let _permit = COMPUTING.acquire().await.map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    Ok(done?)
}

async fn begin(
    visit: &Visit,
    found: Found,
    name: Option<Counted>,
    tried: Vec<Tried>,
) -> Result<Ended, Problem> {
    let (app, cx) = (&visit.app, visit.app.shop.cx());
    let browser = visit.head.headers.get(USER_AGENT).and_then(|told| told.to_str().ok()).unwrap_or_default();
    let (browser, from, request) =
        (browser.to_owned(), visit.origin.address.to_string(), visit.origin.request_id.clone());
    let begun = app.shop.db.write("sign_in.begin", move |tx| {
        // The password, or the user, may have changed while it was compared.
        if let For::User(_) = found.holder {
            let now = users::with_password(tx, &found.actor.name)?;
            if !now.is_some_and(|(user, kept)| user.disabled_at.is_none() && kept == found.kept) {
                return Ok(None);
            }
        }
        for tried in &tried {
            sessions::succeeded(tx, tried)?;
        }
        if let Some(name) = &name {
            sessions::forgive(tx, name)?;
        }
        let (id, secret) = sessions::begin(tx, &cx, &found.holder, &from, &browser)?;
        let with = match found.holder {
            For::User(_) => "password",
            For::Token(_) => "token",
        };
        let mut entry = Entry::new("signed_in", found.actor.clone(), "session", id)
            .with(json!({ "with": with, "role": found.role, "address": from }));
        entry.request_id = Some(request.clone());
        audit::record(tx, &cx, vec![entry])?;
        Ok(Some(secret))
    });
    Ok(begun.await.must_be_looked_up()?.map_or(Ended::Wrong, Ended::In))
}

/// Who was meant is written down where it is somebody; what else was typed may be a password in the wrong field.
async fn note_failure(visit: &Visit, brought: &Brought) -> Result<(), Problem> {
    let (app, cx) = (&visit.app, visit.app.shop.cx());
    let name = match brought {
        Brought::Password { name, .. } => Some(name.clone()),
        Brought::Token(_) => None,
    };
    let (from, request) = (visit.origin.address.to_string(), visit.origin.request_id.clone());
    let noted = app.shop.db.write("sign_in.failed", move |tx| {
        let (with, user) = match &name {
            Some(name) => ("password", users::find(tx, name)?.map(|user| user.name)),
            None => ("token", None),
        };
        let who = user.unwrap_or_else(|| "nobody who is known".into());
        let mut entry = Entry::new("sign_in_failed", Actor::system("console"), "user", who)
            .with(json!({ "with": with, "address": from }));
        entry.request_id = Some(request.clone());
        audit::record(tx, &cx, vec![entry])
    });
    noted.await.must_be_looked_up()?;
    Ok(())
}

/// `/_/sign-out`
pub(super) async fn out(visit: &mut Visit) -> Shown {
    let session = visit.signed_in()?;
    let (id, holder, actor) = (session.id, session.holder.clone(), visit.by(None)?.actor);
    end_session(visit, id, &holder, &actor).await?;
    let mut response = to("/_/sign-in");
    SESSION.set(&visit.app, "", &mut response);
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

/// Ends one session of this holder, and writes it down; false when there is no such session.
pub(super) async fn end_session(
    visit: &Visit,
    id: sessions::SessionId,
    holder: &For,
    actor: &Actor,
) -> Result<bool, Problem> {
    let (cx, holder, actor) = (visit.app.shop.cx(), holder.clone(), actor.clone());
    let request = visit.origin.request_id.clone();
    let ended = visit.app.shop.db.write("session.end", move |tx| {
        let ended = sessions::end(tx, &holder, id)?;
        if ended {
            let mut entry = Entry::new("signed_out", actor.clone(), "session", id);
            entry.request_id = Some(request.clone());
            audit::record(tx, &cx, vec![entry])?;
        }
        Ok(ended)
    });
    Ok(ended.await.must_be_looked_up()?)
}

/// `/_/welcome/{link}`: looking at it changes nothing; choosing a password uses the link up.
pub(super) async fn welcome(visit: &mut Visit) -> Shown {
    let (link, now) = (visit.id().to_owned(), visit.now);
    let asked = link.clone();
    let user = visit.app.shop.db.read("welcome", move |tx| users::of_link(tx, now, &asked)).await?;
    let Some(user) = user else {
        let why = "this link was used already, is too old, or has been replaced by a newer one";
        return Err(Problem {
            hint: "Ask an admin for a new one: makegood users invite NAME".into(),
            ..Problem::new("not_found", why)
        });
    };
    if visit.form.is_empty() {
        return Ok(choose(visit, &user, StatusCode::OK, ""));
    }
    let (chosen, again) = (visit.field("password").to_owned(), visit.field("again"));
    if chosen != again {
        return Ok(choose(visit, &user, StatusCode::UNPROCESSABLE_ENTITY, "The two are not the same."));
    }
    if let Err(error) = password::must_be_good(&chosen, &user.name) {
        let why = match error {
            Error::Invalid { why, .. } => format!("The password: {why}."),
            other => return Err(other.into()),
        };
        return Ok(choose(visit, &user, StatusCode::UNPROCESSABLE_ENTITY, &why));
    }
    let salt = visit.app.shop.cx().random::<16>();
    let hash = compute(move || password::hash(&chosen, salt)).await?;
    let kept = hash.clone();
    let (cx, request) = (visit.app.shop.cx(), visit.origin.request_id.clone());
    let used = visit.app.shop.db.write("welcome.password", move |tx| {
        let user = users::use_link(tx, cx.now, &link, &kept)?;
        let mut entry = Entry::new("password_chosen", Actor::operator(&user.name), "user", &user.name);
        entry.request_id = Some(request.clone());
        audit::record(tx, &cx, vec![entry])?;
        Ok(user)
    });
    let user = used.await.must_be_looked_up()?;
    let name = Counted { who: format!("name {}", token_hash(&user.name)), borne: BORNE_BY_NAME };
    let actor = Actor::operator(&user.name);
    let found = Found { holder: For::User(user.id), actor, role: user.role, kept: Some(hash) };
    let mut response = to("/_/");
    if let Ended::In(secret) = begin(visit, found, Some(name), Vec::new()).await? {
        SESSION.set(&visit.app, &secret, &mut response);
    }
    Ok(response)
}

fn choose(visit: &Visit, user: &User, status: StatusCode, trouble: &str) -> Response {
    let mut frame = Frame::of(visit, "Welcome");
    let held = FORM.read(&visit.app, &visit.head.headers).map(str::to_owned);
    let cookie = held.clone().unwrap_or_else(|| ops::secret(&visit.app.shop.cx()));
    if visit.session.is_none() {
        frame.word = word_of(&cookie);
    }
    let page = Welcome {
        frame,
        name: user.name.clone(),
        role: user.role.as_str(),
        shortest: password::SHORTEST,
        trouble: trouble.to_owned(),
    };
    let mut response = html(status, &page);
    if held.is_none() {
        FORM.set(&visit.app, &cookie, &mut response);
    }
    response
}
