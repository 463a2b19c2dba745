//! The table of the console's pages: those that follow from the registries, and those written by hand. Router and tests
//! are made from it.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use axum::http::Method;
use ops::Role;

use super::visit::Visit;
use super::{Shown, asset, home, sign_in};

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
}

/// A page as the table holds it.
macro_rules! page {
    ($page:path) => {
        Behind::Page(|visit| Box::pin($page(visit)))
    };
}

/// Every page.
pub static FACES: LazyLock<Vec<Face>> = LazyLock::new(written_by_hand);

fn written_by_hand() -> Vec<Face> {
    let face = |path, name, need, takes, behind| Face { path, name, need, takes, behind };
    let viewer = Need::Role(Role::Viewer);
    vec![
        face("/_/", "home", viewer, Takes::Get, page!(home::page)),
        face("/_/assets/{name}", "asset", Need::Nothing, Takes::Get, page!(asset::show)),
        face("/_/sign-in", "sign-in", Need::Nothing, Takes::Both, page!(sign_in::page)),
        face("/_/welcome/{link}", "welcome", Need::Nothing, Takes::Both, page!(sign_in::welcome)),
        face("/_/sign-out", "sign-out", viewer, Takes::Post, page!(sign_in::out)),
    ]
}
