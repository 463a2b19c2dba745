//! Settings: what is configured, without secrets; who is signed in; tokens and invitations, which are shown once.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Duration;
use ops::Role;
use ops::sessions::{self, SessionId};

use super::cell::Cell;
use super::frame::{Frame, html};
use super::visit::Visit;
use super::{Shown, sign_in, to};
use crate::config::{Secrecy, Use};
use crate::http::problem::Problem;
use crate::{people, tokens};

#[derive(Template)]
#[template(path = "console/settings.html")]
struct Settings {
    frame: Frame,
    sessions: Vec<Signed>,
    keys: Vec<Key>,
    is_admin: bool,
}

struct Signed {
    id: String,
    address: String,
    browser: String,
    begun: Cell,
    seen: Cell,
    is_this: bool,
}

struct Key {
    name: &'static str,
    value: String,
    source: String,
    help: &'static str,
}

/// `/_/settings`
pub(super) async fn page(visit: &mut Visit) -> Shown {
    let session = visit.signed_in()?;
    let (now, holder, this) = (visit.now, session.holder.clone(), session.id);
    let open = visit.app.shop.db.read("console.sessions", move |tx| sessions::list(tx, now, &holder)).await?;
    let sessions = open.into_iter().map(|open| Signed {
        is_this: open.id == this,
        id: open.id.to_string(),
        address: open.address,
        browser: open.browser,
        begun: Cell::time(open.created_at, now),
        seen: Cell::time(open.seen_at, now),
    });
    let is_admin = visit.may(Role::Admin);
    let page = Settings {
        frame: Frame::of(visit, "Settings"),
        sessions: sessions.collect(),
        keys: if is_admin { keys(visit) } else { Vec::new() },
        is_admin,
    };
    Ok(html(StatusCode::OK, &page))
}

/// Never a secret: the configuration itself knows what may be shown.
fn keys(visit: &Visit) -> Vec<Key> {
    let settings = visit.app.config.settings().iter();
    settings
        .filter(|setting| setting.shown.is_some() && setting.key.used == Use::Now)
        .map(|setting| Key {
            name: setting.key.name,
            value: match setting.key.secrecy {
                Secrecy::Secret => "set, not shown".into(),
                Secrecy::Open => setting.shown.clone().unwrap_or_default(),
            },
            source: setting.source.to_string(),
            help: setting.key.help,
        })
        .collect()
}

/// `/_/settings/sessions/{id}`: ends one of one's own.
pub(super) async fn end_session(visit: &mut Visit) -> Shown {
    let id: SessionId =
        visit.id().parse().map_err(|_| Problem::new("not_found", "no session is called so"))?;
    let session = visit.signed_in()?;
    let (holder, actor) = (session.holder.clone(), session.caller.actor.clone());
    match sign_in::end_session(visit, id, &holder, &actor).await? {
        true => Ok(to("/_/settings")),
        false => Err(Problem::new("not_found", "you have no such session")),
    }
}

#[derive(Template)]
#[template(path = "console/make.html")]
struct Make {
    frame: Frame,
    title: &'static str,
    about: &'static str,
    room: (&'static str, &'static str),
    /// Whether it is a token, or an invitation.
    is_token: bool,
    roles: &'static [&'static str],
    name: String,
    role: String,
    days: String,
    reason: String,
    trouble: String,
    /// What was made, and what to do with it.
    made: Option<(String, String)>,
    command: String,
}

impl Make {
    fn token(visit: &Visit) -> Make {
        Make {
            title: "Make a token",
            about: "For a machine, or for the command line through a server. It is shown this one time.",
            room: ("Tokens", "/_/tokens"),
            is_token: true,
            roles: &["app", "viewer", "support", "finance", "operator", "admin"],
            command: "makegood tokens create NAME --role ROLE --reason WHY".into(),
            ..Make::invitation(visit)
        }
    }

    fn invitation(visit: &Visit) -> Make {
        let field = |name: &str| visit.field(name).trim().to_owned();
        Make {
            frame: Frame::of(visit, "Make"),
            title: "Invite somebody",
            about: "They choose a password with a link that works once and is shown this one time. For somebody who has \
                    forgotten theirs: the same, with the role that they have.",
            room: ("Users", "/_/users"),
            is_token: false,
            roles: &["viewer", "support", "finance", "operator", "admin"],
            name: field("name"),
            role: field("role"),
            days: field("days"),
            reason: field("reason"),
            trouble: String::new(),
            made: None,
            command: "makegood users invite NAME --role ROLE --reason WHY".into(),
        }
    }

    fn trouble(mut self, why: impl Into<String>) -> Response {
        self.trouble = why.into();
        self.frame.title = self.title.into();
        html(StatusCode::UNPROCESSABLE_ENTITY, &self)
    }

    fn answer(mut self) -> Response {
        self.frame.title = self.title.into();
        html(StatusCode::OK, &self)
    }
}

/// `/_/users/invite`
pub(super) async fn invite(visit: &mut Visit) -> Shown {
    let page = Make::invitation(visit);
    if visit.form.is_empty() {
        return Ok(page.answer());
    }
    let role = Role::parse(&page.role).filter(|role| *role > Role::App);
    if !ops::says_why(&page.reason) {
        return Ok(page.trouble("Say why, in a few words: the audit log keeps it."));
    }
    let wanted = people::Wanted { name: page.name.clone(), role, reason: page.reason.clone() };
    let by = visit.by(Some(page.reason.clone()))?;
    match people::invite(&visit.app, wanted, by).await.map_err(Problem::from) {
        Ok(made) => {
            let says = format!(
                "{} may choose a password there until {}, and act as {}.",
                made.name,
                made.expires_at.in_words(),
                made.role
            );
            Ok(Make { made: Some((made.link, says)), ..page }.answer())
        }
        Err(problem) if problem.status().is_client_error() && problem.code != "forbidden" => {
            Ok(page.trouble(format!("{} {}", problem.detail, problem.hint)))
        }
        Err(problem) => Err(problem),
    }
}

/// `/_/tokens/create`
pub(super) async fn create_token(visit: &mut Visit) -> Shown {
    let page = Make::token(visit);
    if visit.form.is_empty() {
        return Ok(page.answer());
    }
    let Some(role) = Role::parse(&page.role) else { return Ok(page.trouble("Which role?")) };
    if page.name.is_empty() || page.name.len() > 200 {
        return Ok(page.trouble("Whose is it? The audit log names its bearer so."));
    }
    if !ops::says_why(&page.reason) {
        return Ok(page.trouble("Say why, in a few words: the audit log keeps it."));
    }
    let days = match page.days.as_str() {
        "" => None,
        days => match days.parse::<u64>() {
            Ok(days @ 1..=3650) => Some(days),
            _ => return Ok(page.trouble("After how many days does it end: 1 to 3650, or nothing for never?")),
        },
    };
    let by = visit.by(Some(page.reason.clone()))?;
    let expires_at = days.map(|days| visit.app.clock.now() + Duration::from_secs(days * 86_400));
    let wanted = tokens::Wanted { name: page.name.clone(), role, expires_at, reason: page.reason.clone() };
    let token = tokens::make(&visit.app, wanted, by).await?.token;
    let says = format!("{} may act as {}. Keep it: it is not shown again.", page.name, role.as_str());
    Ok(Make { made: Some((token, says)), ..page }.answer())
}
