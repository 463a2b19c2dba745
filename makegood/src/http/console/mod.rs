//! The console at `/_/`: what operators may see and do, as pages. It works without JavaScript, and it decides nothing:
//! lists, forms, previews and receipts follow from the registries of the shop, as commands and routes do.
//!
//! [`faces`] is the table of its pages. Each request comes through [`answer`]: who is it, may they, is the form ours.

mod acts;
mod asset;
mod cell;
mod chart;
mod checks;
pub(in crate::http) mod door;
mod event;
pub mod faces;
mod form;
mod frame;
mod home;
mod order;
mod parts;
mod people;
mod runbooks;
mod settings;
mod sign_in;
mod tasks;
mod twins;
mod views;
pub(in crate::http) mod visit;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use self::acts::Act;
use self::faces::{Behind, FACES, Face, Need};
use self::frame::Message;
use self::visit::Visit;
use super::Origin;
use super::problem::Problem;
use super::routes::{RouteLabel, may_be_an_id};
use crate::app::App;
pub use frame::ROOMS;

/// What a page of the console answers.
type Shown = Result<Response, Problem>;

/// Nothing but our own files and forms: no script at all, no style in the page, nothing from elsewhere.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// All pages, to stand beside the other routes.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new().route("/_", any(|| async { to("/_/") }));
    for face in FACES.iter() {
        let app = app.clone();
        // Every series from the start, so that the first failure is an increase.
        face.methods().iter().for_each(|method| drop(app.metrics.http(face.path, known(method), 200)));
        let serve = move |path: Result<RawPathParams, RawPathParamsRejection>, request: Request<Body>| async move {
            let mut response = answer(app, face, path, request).await;
            response.extensions_mut().insert(RouteLabel(face.path));
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        };
        router = router.route(face.path, any(serve));
    }
    router
}

fn known(method: &Method) -> &'static str {
    if method == Method::POST { "POST" } else { "GET" }
}

/// The browser is to go on there.
fn to(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // What cannot stand in a header leads home.
    let place = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/_/"));
    response.headers_mut().insert(LOCATION, place);
    response
}

async fn answer(
    app: Arc<App>,
    face: &'static Face,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request<Body>,
) -> Response {
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        let problem = Problem::from(kernel::Error::bug("a request came past the front"));
        return problem.into_response();
    };
    let id = path.ok().and_then(|path| path.iter().next().map(|(_, id)| id.to_owned()));
    let mut visit = Visit::new(app, face, id, origin, request);
    match shown(&mut visit).await {
        Ok(response) => response,
        Err(problem) => Message::of_problem(&visit, &problem),
    }
}

async fn shown(visit: &mut Visit) -> Shown {
    let method = visit.head.method.clone();
    let reads = method == Method::GET || method == Method::HEAD;
    let wanted = if reads { Method::GET } else { method };
    if !visit.face.methods().contains(&wanted) {
        let allowed: Vec<&str> = visit.face.methods().iter().map(Method::as_str).collect();
        return Err(Problem::method_not_allowed(&allowed.join(", ")));
    }
    if visit.id.as_deref().is_some_and(|id| !may_be_an_id(id)) {
        return Err(Problem::new("not_found", "no id is like this"));
    }
    visit.session = door::session(&visit.app, &visit.head.headers).await?;
    if let Need::Role(least) = visit.face.need {
        let Some(session) = &visit.session else { return sign_in::ask(visit, reads) };
        session.caller.must_be(least, visit.face.name)?;
    }
    if !reads {
        visit.read_form().await?;
        door::must_be_ours(visit)?;
    }
    match visit.face.behind {
        Behind::Page(page) => page(visit).await,
        Behind::View(def) => views::view(visit, def).await,
        Behind::Operation(def) => acts::operate(visit, def).await,
        Behind::Task(def) => tasks::perform(visit, def).await,
    }
}

/// What can be done in a room by pages of their own: what they make is shown once, so no operation makes it.
fn own_acts(visit: &Visit, resource: &str) -> Vec<Act> {
    let (name, title) = match resource {
        "tokens" => ("tokens.create", "Make a token"),
        "users" => ("users.invite", "Invite somebody"),
        _ => return Vec::new(),
    };
    let act = Act::to(name, title.into(), "Shown this one time".into(), None, &[]);
    act.filter(|_| visit.may(ops::Role::Admin)).into_iter().collect()
}

/// There is nothing.
async fn nothing(_: &mut Visit) -> Shown {
    Err(Problem::new("no_such_route", "there is nothing at this path"))
}
