//! One request to a page of buyers.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::header::USER_AGENT;
use axum::http::{Request, request};
use kernel::Timestamp;
use shop::customers::Profile;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::http::Origin;
use crate::http::buyer::{FORM, signed_in};
use crate::http::posted::{self, Fields, WORD, was_sent_from_here, word_of};
use crate::http::problem::Problem;

/// One request, and who is signed in.
pub(super) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) origin: Origin,
    pub(super) head: request::Parts,
    /// Who is signed in, if anybody is.
    pub(super) buyer: Option<Profile>,
    /// What the browser holds that proves it.
    pub(super) session: Option<String>,
    /// What the form brought; none where nothing was sent.
    pub(super) form: Option<Fields>,
    pub(super) now: Timestamp,
    /// What each form on the page carries.
    pub(super) word: String,
    /// What the browser is to hold, so that the form is known to be ours.
    pub(super) new_cookie: Option<String>,
    named: Vec<String>,
    body: Mutex<Option<Body>>,
}

impl Visit {
    pub(super) async fn open(
        app: Arc<App>,
        named: Vec<String>,
        origin: Origin,
        request: Request<Body>,
    ) -> Result<Visit, Problem> {
        let (head, body) = request.into_parts();
        let (buyer, session) = signed_in(&app, &head.headers).await?.unzip();
        let held = session.clone().or_else(|| FORM.read(&app, &head.headers).map(str::to_owned));
        let (word, new_cookie) = match held {
            Some(held) => (word_of(&held), None),
            None => {
                let made = ops::secret(&app.shop.cx());
                (word_of(&made), Some(made))
            }
        };
        let now = app.clock.now();
        let body = Mutex::new(Some(body));
        Ok(Visit { app, origin, head, buyer, session, form: None, now, word, new_cookie, named, body })
    }

    /// Reads the form, which must come from our own pages.
    pub(super) async fn read_form(&mut self) -> Result<(), Problem> {
        let body = self.body.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let form = posted::read(&self.head, body).await?;
        let word = form.get(WORD).map_or("", String::as_str);
        let is_ours = self.new_cookie.is_none() && bool::from(word.as_bytes().ct_eq(self.word.as_bytes()));
        if !is_ours || !was_sent_from_here(&self.head.headers, &self.app.config.app_url) {
            return Err(Problem::new("form_refused", "the form does not come from this page"));
        }
        self.form = Some(form);
        Ok(())
    }

    /// One field of the form; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.form.as_ref().and_then(|form| form.get(name)).map_or("", String::as_str)
    }

    /// What stands in the path.
    pub(super) fn id(&self) -> &str {
        self.named.first().map_or("", String::as_str)
    }

    /// What stands in the path behind it.
    pub(super) fn within(&self) -> &str {
        self.named.get(1).map_or("", String::as_str)
    }

    /// Whoever is signed in.
    pub(super) fn buyer(&self) -> Result<&Profile, Problem> {
        self.buyer.as_ref().ok_or_else(|| Problem::new("unauthenticated", "nobody is signed in"))
    }

    /// What the browser says of itself.
    pub(super) fn browser(&self) -> String {
        let told = self.head.headers.get(USER_AGENT).and_then(|told| told.to_str().ok());
        told.unwrap_or_default().to_owned()
    }
}
