//! What every page has around it, and pages that only say something.

use askama::Template;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use ops::Role;

use super::asset::VERSION;
use super::visit::Visit;
use crate::app::App;
use crate::config::Money;
use crate::http::error_pages::ErrorPage;
use crate::http::problem::Problem;

/// What stands around a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) ribbon: Ribbon,
    /// What is switched off, on every page until it is on again.
    pub(super) stopped: Vec<String>,
    pub(super) groups: Vec<Group>,
    pub(super) who: Option<Who>,
    /// The word that makes a form ours.
    pub(super) word: String,
    /// What was searched for.
    pub(super) q: String,
    /// In how many seconds the page looks again by itself.
    pub(super) again: Option<u32>,
    pub(super) version: &'static str,
}

/// Who is signed in.
pub(super) struct Who {
    pub(super) name: String,
    pub(super) role: &'static str,
}

/// Which world this is.
#[derive(Clone, Copy)]
pub(super) struct Ribbon {
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) says: &'static str,
}

/// Pages that stand together.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) rooms: Vec<Link>,
}

/// A page to go to.
pub(super) struct Link {
    pub(super) title: &'static str,
    pub(super) path: &'static str,
    pub(super) is_here: bool,
}

/// The rooms, as the console lists them: group, title, path, and who sees it.
pub const ROOMS: &[(&str, &str, &str, Role)] = &[
    ("Now", "Home", "/_/", Role::Viewer),
    ("Now", "Checks", "/_/checks", Role::Viewer),
    ("Now", "Findings", "/_/findings", Role::Viewer),
    ("Now", "Reviews", "/_/reviews", Role::Viewer),
    ("Now", "Runbooks", "/_/runbooks", Role::Viewer),
    ("Shop", "Orders", "/_/orders", Role::Viewer),
    ("Shop", "Customers", "/_/customers", Role::Viewer),
    ("Shop", "Claims", "/_/claims", Role::Viewer),
    ("Shop", "Access", "/_/entitlements", Role::Viewer),
    ("Shop", "Products", "/_/products", Role::Viewer),
    ("Shop", "Courses", "/_/courses", Role::Viewer),
    ("Shop", "Pictures", "/_/media", Role::Viewer),
    ("Shop", "Stock", "/_/inventory", Role::Viewer),
    ("Shop", "Reservations", "/_/reservations", Role::Viewer),
    ("Shop", "Refunds", "/_/refunds", Role::Viewer),
    ("Shop", "Disputes", "/_/disputes", Role::Viewer),
    ("Stripe", "Events", "/_/events", Role::Viewer),
    ("Stripe", "Reconcile", "/_/reconciliations", Role::Viewer),
    ("Care", "Mail", "/_/mails", Role::Viewer),
    ("Care", "Jobs", "/_/jobs", Role::Viewer),
    ("Care", "Drills", "/_/drills", Role::Viewer),
    ("Care", "Runs", "/_/runs", Role::Viewer),
    ("Care", "Audit", "/_/audit-logs", Role::Viewer),
    ("Care", "Users", "/_/users", Role::Admin),
    ("Care", "Tokens", "/_/tokens", Role::Admin),
    ("Care", "Secrets", "/_/secrets", Role::Viewer),
    ("Care", "Switches", "/_/switches", Role::Viewer),
    ("Care", "Doctor", "/_/doctor", Role::Viewer),
    ("Care", "Settings", "/_/settings", Role::Viewer),
];

impl Frame {
    /// Around the page with this title.
    pub(super) fn of(visit: &Visit, title: impl Into<String>) -> Frame {
        let path = visit.head.uri.path();
        let who = visit.session.as_ref().map(|session| Who {
            name: session.caller.actor.name.clone(),
            role: session.caller.role.as_str(),
        });
        Frame {
            title: title.into(),
            ribbon: ribbon(&visit.app),
            stopped: visit.session.as_ref().map(|session| session.stopped.clone()).unwrap_or_default(),
            groups: if who.is_some() { groups(visit, path) } else { Vec::new() },
            who,
            word: visit.session.as_ref().map(|session| session.word.clone()).unwrap_or_default(),
            q: String::new(),
            again: None,
            version: &VERSION,
        }
    }
}

fn groups(visit: &Visit, path: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (group, title, to, _) in ROOMS.iter().filter(|(.., role)| visit.may(*role)) {
        let is_here = path == *to || (*to != "/_/" && path.starts_with(&format!("{to}/")));
        let link = Link { title, path: to, is_here };
        match groups.last_mut().filter(|last| last.title == *group) {
            Some(last) => last.rooms.push(link),
            None => groups.push(Group { title: group, rooms: vec![link] }),
        }
    }
    groups
}

fn ribbon(app: &App) -> Ribbon {
    let money = app.config.money();
    let (class, says) = match money {
        Money::Real => ("live", "Real money."),
        Money::Nowhere => ("test", "STRIPE_SECRET is not set."),
        Money::Sandbox => ("test", "A Stripe of our own; no money moves."),
        Money::Test => ("test", "Stripe's test mode; no money moves."),
    };
    Ribbon { word: money.word(), class, says }
}

/// A page as an answer.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the console could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made").into_response()
        }
    }
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "console/message.html")]
pub(super) struct Message {
    frame: Frame,
    heading: String,
    text: String,
    hint: String,
    code: String,
    runbook: Option<&'static str>,
    request: String,
}

impl Message {
    /// What went wrong, for people.
    pub(super) fn of_problem(visit: &Visit, problem: &Problem) -> Response {
        let page = ErrorPage::find(&problem.code);
        let hint = if problem.hint.is_empty() { page.map_or("", |page| page.next) } else { &problem.hint };
        let heading = page.map_or("Refused", |page| page.title).to_owned();
        let runbook = page.and_then(|page| page.runbook).filter(|_| visit.session.is_some());
        let page = Message {
            frame: Frame::of(visit, heading.clone()),
            heading,
            text: problem.detail.clone(),
            hint: hint.replace('`', ""),
            code: problem.code.to_string(),
            runbook,
            request: visit.origin.request_id.clone(),
        };
        let mut response = html(problem.status(), &page);
        let told = problem.render("", "", "");
        for name in ["retry-after", "allow"] {
            if let Some(value) = told.headers().get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        // Also where no page was reached.
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(super::POLICY));
        response
    }
}
