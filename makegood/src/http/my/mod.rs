//! The pages of buyers: signing in by mail, what they have bought, and claiming what they bought as guests. No script, no
//! form that changes anything by being looked at: who scans mail follows links, and must not use them up.

mod account;
pub(super) mod api;
mod claim;
mod lesson;
mod page;
mod sign_in;
mod visit;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use self::visit::Visit;
use super::Origin;
use super::problem::Problem;
use super::routes::RouteLabel;
use crate::app::App;

/// What a page answers.
type Shown = Result<Response, Problem>;
type Showing<'a> = Pin<Box<dyn Future<Output = Shown> + Send + 'a>>;

/// Nothing from elsewhere, no script, forms that lead to us only.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// One page of buyers.
pub(super) struct Page {
    /// Like `/my/orders/{id}`.
    pub(super) path: &'static str,
    /// Whether somebody has to be signed in.
    pub(super) signed_in: bool,
    /// Whether it can be looked at.
    reads: bool,
    /// Whether it takes a form.
    writes: bool,
    show: for<'a> fn(&'a mut Visit) -> Showing<'a>,
}

macro_rules! page {
    ($path:literal, $signed_in:literal, $reads:literal, $writes:literal, $show:path) => {
        Page {
            path: $path,
            signed_in: $signed_in,
            reads: $reads,
            writes: $writes,
            show: |visit| Box::pin($show(visit)),
        }
    };
}

/// All of them.
pub(super) static PAGES: [Page; 11] = [
    page!("/login", false, true, true, sign_in::ask),
    page!("/login/{id}", false, true, true, sign_in::follow),
    page!("/logout", true, false, true, sign_in::out),
    page!("/claim/{id}", false, true, true, claim::by_link),
    page!("/my", true, true, false, account::home),
    page!("/my/claim", true, false, true, claim::all),
    page!("/my/orders/{id}", true, true, false, account::order),
    page!("/my/courses/{id}", true, true, false, lesson::course),
    page!("/my/courses/{id}/{lesson}", true, true, false, lesson::lesson),
    page!("/my/courses/{id}/files/{resource}", true, true, false, lesson::file),
    page!("/my/downloads", true, true, false, account::downloads),
];

/// The routes.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for page in &PAGES {
        let app = app.clone();
        router = router.route(
            page.path,
            any(move |id: Result<RawPathParams, RawPathParamsRejection>, request: Request<Body>| {
                answer(app.clone(), page, id, request)
            }),
        );
    }
    router
}

async fn answer(
    app: Arc<App>,
    page: &'static Page,
    id: Result<RawPathParams, RawPathParamsRejection>,
    request: Request<Body>,
) -> Response {
    let named: Vec<String> =
        id.map(|all| all.iter().map(|(_, value)| value.to_owned()).collect()).unwrap_or_default();
    let origin = request.extensions().get::<Origin>();
    let request_id = origin.map(|origin| origin.request_id.clone()).unwrap_or_default();
    let mut response = match shown(app.clone(), page, named, request).await {
        Ok(response) => response,
        Err(problem) => page::trouble(&app, &problem, &request_id),
    };
    // A page with a player says itself from where.
    response.headers_mut().entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response.extensions_mut().insert(RouteLabel(page.path));
    response
}

async fn shown(app: Arc<App>, page: &'static Page, named: Vec<String>, request: Request<Body>) -> Shown {
    let origin = request.extensions().get::<Origin>().cloned();
    let origin = origin.ok_or_else(|| Problem::from(kernel::Error::bug("a request without an origin")))?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let writes = *request.method() == Method::POST;
    if !(reads && page.reads || writes && page.writes) {
        let allow = if page.reads && page.writes {
            "GET, POST"
        } else if page.reads {
            "GET"
        } else {
            "POST"
        };
        let mut response = Problem::method_not_allowed(allow).into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return Ok(response);
    }
    let mut visit = Visit::open(app, named, origin, request).await?;
    if page.signed_in && visit.buyer.is_none() {
        return Ok(to("/login"));
    }
    if writes {
        visit.read_form().await?;
    }
    (page.show)(&mut visit).await
}

/// Goes there next.
fn to(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}
