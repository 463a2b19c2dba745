//! One request to a page, with what the pages need of it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, request};
use kernel::Timestamp;
use ops::{By, Role};

use super::door::Session;
use super::faces::Face;
use crate::app::App;
use crate::http::Origin;
use crate::http::posted::{self, Fields};
use crate::http::problem::Problem;

/// One request to a page.
pub(super) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) face: &'static Face,
    /// The `{id}` of the path, decoded.
    pub(super) id: Option<String>,
    pub(super) origin: Origin,
    pub(super) head: request::Parts,
    /// Who is signed in, if anybody is.
    pub(super) session: Option<Session>,
    /// What the form brought; empty where there is none.
    pub(super) form: Fields,
    body: Mutex<Option<Body>>,
    /// When the request came.
    pub(super) now: Timestamp,
}

impl Visit {
    pub(super) fn new(
        app: Arc<App>,
        face: &'static Face,
        id: Option<String>,
        origin: Origin,
        request: Request<Body>,
    ) -> Visit {
        let (head, body) = request.into_parts();
        let now = app.clock.now();
        let body = Mutex::new(Some(body));
        Visit { app, face, id, origin, head, session: None, form: Fields::new(), body, now }
    }

    /// Reads the form.
    pub(super) async fn read_form(&mut self) -> Result<(), Problem> {
        let body = self.body.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        self.form = posted::read(&self.head, body).await?;
        Ok(())
    }

    /// What the query says.
    pub(super) fn query(&self) -> Result<Fields, Problem> {
        posted::fields(self.head.uri.query().unwrap_or_default())
    }

    /// One field of the form; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Whoever is signed in, with a reason.
    pub(super) fn by(&self, reason: Option<String>) -> Result<By, Problem> {
        let session = self.signed_in()?;
        Ok(session.caller.by(reason, &self.origin.request_id))
    }

    pub(super) fn signed_in(&self) -> Result<&Session, Problem> {
        self.session.as_ref().ok_or_else(|| Problem::new("unauthenticated", "nobody is signed in"))
    }

    /// Whether whoever is signed in may do what needs this role.
    pub(super) fn may(&self, least: Role) -> bool {
        self.session.as_ref().is_some_and(|session| session.caller.role >= least)
    }
}

/// A text as part of an address.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
