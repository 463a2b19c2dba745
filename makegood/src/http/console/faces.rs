//! The table of the console's pages: those that follow from the registries, and those written by hand. Router and tests
//! are made from it.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use axum::http::Method;
use ops::{OperationDef, Role, TaskDef, ViewDef};
use shop::Shop;

use super::visit::Visit;
use super::{Shown, asset, checks, home, order, people, runbooks, settings, sign_in};
use crate::http::routes::{self, ADMIN, ROUTES};

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anyone: to sign in.
    Nothing,
    /// Whoever is signed in with this role or a higher one.
    Role(Role),
}

/// Which methods a page takes. No `GET` changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It is looked at.
    Get,
    /// A form leads to it.
    Post,
    /// A form that leads to itself.
    Both,
}

pub(super) type Page = for<'a> fn(&'a mut Visit) -> Pin<Box<dyn Future<Output = Shown> + Send + 'a>>;

/// What stands behind a page.
#[derive(Clone, Copy)]
pub(super) enum Behind {
    /// Code of its own.
    Page(Page),
    /// A list or a single thing.
    View(&'static ViewDef),
    /// A form, a preview, a receipt.
    Operation(&'static OperationDef),
    /// A form, an answer or a run.
    Task(&'static TaskDef<Shop>),
}

/// One page.
pub struct Face {
    /// Like `/_/orders/{id}`.
    pub path: &'static str,
    /// The operation's, view's or task's name, or one like them.
    pub name: &'static str,
    /// Who may come in.
    pub need: Need,
    /// Which methods it takes.
    pub takes: Takes,
    pub(super) behind: Behind,
}

impl Face {
    /// Which methods it takes.
    pub fn methods(&self) -> &'static [Method] {
        match self.takes {
            Takes::Get => &[Method::GET],
            Takes::Post => &[Method::POST],
            Takes::Both => &[Method::GET, Method::POST],
        }
    }

    /// Whether whoever looks may come in.
    pub(super) fn is_open_to(&self, visit: &Visit) -> bool {
        match self.need {
            Need::Nothing => true,
            Need::Role(least) => visit.may(least),
        }
    }
}

/// A page as the table holds it.
macro_rules! page {
    ($page:path) => {
        Behind::Page(|visit| Box::pin($page(visit)))
    };
}

/// Every page: those of the registries stand where their routes stand in the API.
pub static FACES: LazyLock<Vec<Face>> =
    LazyLock::new(|| written_by_hand().into_iter().chain(defined()).collect());

/// Pages of views and tasks that are written by hand, because people look at them most.
fn special(name: &str) -> Option<(&'static str, Behind, Takes)> {
    Some(match name {
        "orders.show" => ("/_/orders/{id}", page!(order::show), Takes::Get),
        "search" => ("/_/search", page!(people::search), Takes::Get),
        "runbooks.list" => ("/_/runbooks", page!(runbooks::list), Takes::Get),
        "runbooks.show" => ("/_/runbooks/{id}", page!(runbooks::show), Takes::Get),
        "runbooks.apply" => ("/_/runbooks/{id}/apply", page!(runbooks::apply), Takes::Post),
        "case" => ("/_/people/{id}", page!(people::case), Takes::Get),
        _ => return None,
    })
}

fn defined() -> impl Iterator<Item = Face> {
    // A task that can do both has two routes and one page.
    let mut seen = BTreeSet::new();
    ROUTES.iter().filter(|route| route.path.starts_with(ADMIN)).filter_map(move |route| {
        let (name, role, takes, behind) = match route.behind {
            routes::Behind::View(def) => (def.name, def.role, Takes::Get, Behind::View(def)),
            routes::Behind::Operation(def) => (def.name, def.role, Takes::Both, Behind::Operation(def)),
            routes::Behind::Task(def) => {
                let role = if def.effect.may_look() { def.role } else { super::tasks::least(def) };
                (def.name, role, Takes::Both, Behind::Task(def))
            }
            routes::Behind::Hand(_) | routes::Behind::Webhook => return None,
        };
        let need = Need::Role(role.max(Role::Viewer));
        let path = || Box::leak(format!("/_{}", &route.path[ADMIN.len()..]).into_boxed_str());
        let face = match special(name) {
            Some((path, behind, takes)) => Face { path, name, need, takes, behind },
            None => Face { path: path(), name, need, takes, behind },
        };
        seen.insert(name).then_some(face)
    })
}

/// The path of the page with this name.
pub(super) fn path_of(name: &str) -> Option<&'static str> {
    FACES.iter().find(|face| face.name == name).map(|face| face.path)
}

fn written_by_hand() -> Vec<Face> {
    let face = |path, name, need, takes, behind| Face { path, name, need, takes, behind };
    let (viewer, admin) = (Need::Role(Role::Viewer), Need::Role(Role::Admin));
    vec![
        face("/_/", "home", viewer, Takes::Get, page!(home::page)),
        face("/_/assets/{name}", "asset", Need::Nothing, Takes::Get, page!(asset::show)),
        face("/_/sign-in", "sign-in", Need::Nothing, Takes::Both, page!(sign_in::page)),
        face("/_/welcome/{link}", "welcome", Need::Nothing, Takes::Both, page!(sign_in::welcome)),
        face("/_/checks", "checks", viewer, Takes::Get, page!(checks::list)),
        face("/_/checks/{id}", "checks.show", viewer, Takes::Get, page!(checks::show)),
        face("/_/reviews", "reviews", viewer, Takes::Get, page!(checks::reviews)),
        face("/_/settings", "settings", viewer, Takes::Get, page!(settings::page)),
        face("/_/settings/sessions/{id}", "sessions.end", viewer, Takes::Post, page!(settings::end_session)),
        face("/_/users/invite", "users.invite", admin, Takes::Both, page!(settings::invite)),
        face("/_/tokens/create", "tokens.create", admin, Takes::Both, page!(settings::create_token)),
        face("/_/{*rest}", "nothing", viewer, Takes::Get, page!(super::nothing)),
        face("/_/sign-out", "sign-out", viewer, Takes::Post, page!(sign_in::out)),
    ]
}
