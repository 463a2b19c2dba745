//! The HTTP doors. Each request comes through [`Front`]: it gives the request an id, sends it to the webhook or the
//! router, turns what went wrong into a problem document, and puts the same headers on every answer.

mod admin;
mod auth;
mod body;
pub mod buyer;
mod call;
mod checkout;
pub mod console;
mod cookie;
mod deliver;
mod docs;
pub mod error_pages;
mod files;
mod health;
mod idempotency;
mod media;
mod multipart;
mod my;
pub mod openapi;
mod posted;
mod problem;
mod ranges;
pub mod routes;
mod tasks;
pub mod thanks;
pub(crate) mod webhook;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use kernel::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

pub use auth::{Caller, Guard};
pub use body::Patience;
pub(crate) use media::shown as media_shown;
pub use problem::{Place, Problem};
pub(crate) use ranges::{Part, part};

use crate::app::App;
use routes::RouteLabel;

/// How long an answer may take, whatever it waits for.
const WHOLE_REQUEST: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything that answers at one address.
pub struct Front {
    app: Arc<App>,
    router: Router,
    patience: Patience,
    webhook: bool,
}

/// Which request this is and from where it came; travels in the request's extensions.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its id, also in the answer and in the audit log.
    pub request_id: String,
    /// The client's address, as far as trusted proxies tell it.
    pub address: IpAddr,
}

impl Front {
    /// Everything: webhook, API, console, health, metrics, and the routes that stand `beside`.
    pub fn new(app: Arc<App>, beside: Router) -> Arc<Front> {
        let router = routes::router(&app, |_| true).merge(pages(&app)).merge(beside);
        Front::with(app, router, true)
    }

    /// Everything but the metrics.
    pub fn without_metrics(app: Arc<App>, beside: Router) -> Arc<Front> {
        let api = routes::router(&app, |path| path != health::METRICS);
        let router = api.merge(pages(&app)).merge(beside);
        Front::with(app, router, true)
    }

    /// Metrics and health, for an address that only machines reach.
    pub fn metrics_only(app: Arc<App>) -> Arc<Front> {
        let router = routes::router(&app, |path| path == health::METRICS || health::PATHS.contains(&path));
        Front::with(app, router, false)
    }

    fn with(app: Arc<App>, router: Router, webhook: bool) -> Arc<Front> {
        let patience = Patience::default();
        Arc::new(Front { app, router, patience, webhook })
    }

    /// The same with less patience for slow bodies: for tests.
    pub fn with_patience(self: Arc<Front>, patience: Patience) -> Arc<Front> {
        let (app, router, webhook) = (self.app.clone(), self.router.clone(), self.webhook);
        Arc::new(Front { app, router, patience, webhook })
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let (body, unread) = body::Watched::new(body);
        let mut request = Request::from_parts(head, body);
        let request_id = format!("req_{}", self.app.shop.cx().uuid().simple());
        let method = request.method().clone();
        let path = request.uri().path();
        let webhook = webhook::path(path).filter(|_| self.webhook);
        // Only a problem says where it happened; the webhook's good answers need no copy.
        let instance = if webhook.is_some() { String::new() } else { path.to_owned() };
        let mut response = match webhook {
            Some(_) => webhook::answer(&self.app, request, self.patience).await.into_response(),
            None => {
                let address = client(&self.app, request.headers(), peer);
                request.extensions_mut().insert(Origin { request_id: request_id.clone(), address });
                request.extensions_mut().insert(self.patience);
                self.route(request.map(Body::new)).await
            }
        };
        let label = webhook.or_else(|| response.extensions().get::<RouteLabel>().map(|label| label.0));
        let status = response.status().as_u16();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let instance = webhook.unwrap_or(&instance);
            let problem = match label.is_some_and(routes::is_for_operators) {
                true => problem,
                false => problem.for_others(&request_id),
            };
            let mut told = problem.render(&self.app.config.app_url, instance, &request_id);
            // What the route said beside the problem, like an `Idempotency-Hit`, stays said.
            let beside = response.headers().iter().filter(|(name, _)| **name != CONTENT_LENGTH);
            beside.for_each(|(name, value)| {
                told.headers_mut().entry(name).or_insert_with(|| value.clone());
            });
            response = told;
        }
        self.dress(response.headers_mut(), &request_id);
        if unread.is_left() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let histogram = self.app.metrics.http(label.unwrap_or("other"), known(&method), status);
        let took = begun.elapsed();
        histogram.observe(took);
        self.app.metrics.recent.observe(took, self.app.clock.now());
        response
    }

    async fn route(&self, request: Request<Body>) -> Response<Body> {
        // A router is always ready and never fails.
        let whole = if request.uri().path() == media::UPLOAD { media::WHOLE } else { WHOLE_REQUEST };
        match tokio::time::timeout(whole, self.router.clone().oneshot(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => Problem::busy("the answer took too long", 5).into_response(),
        }
    }

    /// What every answer wears.
    fn dress(&self, headers: &mut HeaderMap, request_id: &str) {
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
        headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if self.app.config.app_url.starts_with("https://") {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        let page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let policy = if page { PAGE_POLICY } else { DATA_POLICY };
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    }
}

const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           base-uri 'none'; frame-ancestors 'none'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The pages of operators and of buyers.
fn pages(app: &Arc<App>) -> Router {
    console::router(app).merge(my::router(app)).merge(files::router(app))
}

/// Methods are labels of a metric, so a stranger may not make new ones.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The client's address: the last one that a trusted proxy did not add itself.
fn client(app: &App, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let trusted = |address: IpAddr| app.config.trusted_proxies.iter().any(|proxy| proxy.contains(address));
    if !trusted(peer) {
        return peer;
    }
    let all = headers.get_all("x-forwarded-for");
    let hops: Vec<IpAddr> = all
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map_while(|hop| hop.trim().parse().ok())
        .collect();
    hops.iter().rev().copied().find(|hop| !trusted(*hop)).unwrap_or(peer)
}
