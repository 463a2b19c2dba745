//! The table of routes: those that follow from operations and views, and those written by hand. Router, OpenAPI document
//! and tests are made from it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::{Method, Request, Response};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use ops::{OperationDef, Role, TaskDef, ViewDef};
use shop::Shop;

use super::call::{Answer, Call};
use super::problem::Problem;
use super::{Origin, admin, auth, checkout, deliver, docs, health, media, my, openapi, tasks, webhook};
use crate::app::App;

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone; the route itself may still ask for a token.
    Anyone,
    /// The bearer of a token with this role or a higher one.
    Role(Role),
}

/// What stands behind a route.
#[derive(Clone, Copy)]
pub enum Behind {
    /// An operation, run by the one runner.
    Operation(&'static OperationDef),
    /// A view.
    View(&'static ViewDef),
    /// A task: asked by `GET` where it only looks, by `POST` where it changes things.
    Task(&'static TaskDef<Shop>),
    /// Code of its own.
    Hand(Hand),
    /// The webhook, which is answered before the router is asked.
    Webhook,
}

/// A handler written by hand, and what it takes, for the document.
#[derive(Clone, Copy)]
pub struct Hand {
    handler: fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>,
    /// Its body as a JSON schema, where it takes one.
    pub body: Option<fn() -> serde_json::Value>,
    /// The names of its query parameters and what they are.
    pub query: &'static [(&'static str, &'static str)],
    /// What it answers when all goes well.
    pub gives: Gives,
}

/// What a handler written by hand answers, for the document.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// A list like every other.
    List,
    /// An object with these fields: the name of each, and its type in JSON's words, `time` for a time; with `?` it may be
    /// missing or null.
    Object(&'static [(&'static str, &'static str)]),
    /// A document that others have defined: whose it is.
    Foreign(&'static str),
    /// A text of this media type.
    Text(&'static str),
    /// A redirect to a link, or the link in an object with these fields for whoever accepts JSON.
    Link(&'static [(&'static str, &'static str)]),
}

/// One route.
pub struct Route {
    /// `GET` or `POST`.
    pub method: Method,
    /// Like `/api/v1/admin/orders/{id}`.
    pub path: &'static str,
    /// The operation's or view's name, or one like them: the document's `operationId`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: String,
    /// Who may come in.
    pub access: Access,
    /// Its status when all goes well.
    pub success: u16,
    /// What stands behind it.
    pub behind: Behind,
}

/// The base of everything that operators do.
pub const ADMIN: &str = "/api/v1/admin";

/// Every route, the admin's first.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let views = shop::VIEWS.iter().map(|def| Route {
        method: Method::GET,
        path: leak(path(def.resource(), &def.verbs(), def.subject.is_some())),
        name: def.name,
        about: def.about(),
        access: Access::Role(def.role),
        success: 200,
        behind: Behind::View(def),
    });
    let operations = shop::OPERATIONS.iter().map(|def| Route {
        method: Method::POST,
        path: leak(path(def.resource(), &def.verbs(), def.subject.is_some())),
        name: def.name,
        about: def.about(),
        access: Access::Role(def.role),
        success: 200,
        behind: Behind::Operation(def),
    });
    views
        .chain(operations)
        .chain(of_tasks(shop::TASKS))
        .chain(for_systems())
        .chain(written_by_hand())
        .collect()
});

/// Operations that other systems call too, under a path of their own: name there, operation, path.
const FOR_SYSTEMS: [(&str, &str, &str); 1] = [("refunds.request", "refunds.create", "/api/v1/refunds")];

fn for_systems() -> impl Iterator<Item = Route> {
    FOR_SYSTEMS.into_iter().filter_map(|(name, operation, path)| {
        let def = shop::OPERATIONS.iter().find(|def| def.name == operation)?;
        Some(Route {
            method: Method::POST,
            path,
            name,
            about: def.about(),
            access: Access::Role(def.role),
            success: 200,
            behind: Behind::Operation(def),
        })
    })
}

/// The routes of tasks: one to look, one to change, both where a task can do either.
pub fn of_tasks(all: &'static [TaskDef<Shop>]) -> impl Iterator<Item = Route> {
    let route = |def: &'static TaskDef<Shop>, method, name, role| Route {
        method,
        path: leak(path(def.resource(), &def.verbs(), def.subject.is_some())),
        name,
        about: def.about(),
        access: Access::Role(role),
        success: 200,
        behind: Behind::Task(def),
    };
    all.iter().flat_map(move |def| {
        let look = def.effect.may_look().then(|| route(def, Method::GET, def.name, def.role));
        let change = def.effect.changing().map(|changing| {
            let name = if def.effect.may_look() { leak(format!("{}.change", def.name)) } else { def.name };
            route(def, Method::POST, name, changing.role)
        });
        look.into_iter().chain(change)
    })
}

/// A name of one word, `list` and `show` are the resource itself; any other verb is a word of the path.
fn path(resource: &str, verbs: &[&str], has_subject: bool) -> String {
    let subject = if has_subject { "/{id}" } else { "" };
    let verbs = match verbs {
        [] | ["list" | "show"] => String::new(),
        verbs => format!("/{}", verbs.join("/")),
    };
    format!("{ADMIN}/{resource}{subject}{verbs}")
}

/// Made once, for as long as the process lives: a path is also the label of a metric.
fn leak(path: String) -> &'static str {
    Box::leak(path.into_boxed_str())
}

/// A handler as the table holds it.
macro_rules! hand {
    ($handler:path, $gives:expr) => {
        hand!($handler, None, &[], $gives)
    };
    ($handler:path, $body:expr, $query:expr, $gives:expr) => {
        Behind::Hand(Hand {
            handler: |call| Box::pin($handler(call)),
            body: $body,
            query: $query,
            gives: $gives,
        })
    };
}

const TOKEN: Gives = Gives::Object(&[
    ("object", "string"),
    ("id", "string"),
    ("name", "string"),
    ("role", "string"),
    ("expires_at", "time?"),
    ("token", "string"),
]);
const INVITATION: Gives = Gives::Object(&[
    ("object", "string"),
    ("id", "string"),
    ("name", "string"),
    ("role", "string"),
    ("link", "string"),
    ("expires_at", "time"),
]);
const CALLER: Gives =
    Gives::Object(&[("object", "string"), ("name", "string"), ("role", "string"), ("livemode", "boolean")]);

fn written_by_hand() -> Vec<Route> {
    let app = Access::Role(Role::App);
    let viewer = Access::Role(Role::Viewer);
    let admin = Access::Role(Role::Admin);
    let route = |method, path, name, access, success, about: &str, behind| Route {
        method,
        path,
        name,
        about: about.to_owned(),
        access,
        success,
        behind,
    };
    let get = |path, name, access, about, behind| route(Method::GET, path, name, access, 200, about, behind);
    let post = |path, name, access, success, about, behind| {
        route(Method::POST, path, name, access, success, about, behind)
    };
    let access_query: &[_] = &[("user_id", "The profile's id"), ("course_id", "The product's id")];
    let anyone = Access::Anyone;
    let mut all = vec![
        get(
            "/api/v1/admin/checks",
            "checks.list",
            viewer,
            "Run every check and list what they find",
            hand!(
                admin::checks,
                None,
                &[("only", "Only these checks, by name, with commas between them")],
                Gives::List
            ),
        ),
        get(
            "/api/v1/admin/alerts",
            "alerts.export",
            viewer,
            "Give the alert and recording rules for Prometheus, as JSON, which it reads like YAML",
            hand!(admin::alerts, Gives::Foreign("A file of rules as Prometheus reads it")),
        ),
        get(
            "/api/v1/admin/alerts/test",
            "alerts.test",
            viewer,
            "Say which alerts would fire now, as far as one look at the database tells",
            hand!(admin::test_alerts, Gives::List),
        ),
        get(
            "/api/v1/admin/dashboards",
            "dashboards.export",
            viewer,
            "Give the dashboard for Grafana",
            hand!(admin::dashboard, Gives::Foreign("A dashboard as Grafana imports it")),
        ),
        post(
            "/api/v1/admin/tokens",
            "tokens.create",
            admin,
            201,
            "Make a token; it is shown this one time",
            hand!(admin::create_token, Some(admin::new_token_schema), &[], TOKEN),
        ),
        post(
            "/api/v1/admin/users/invite",
            "users.invite",
            admin,
            201,
            "Invite somebody to the console, or give them a new link; it is shown this one time",
            hand!(admin::invite, Some(admin::new_user_schema), &[], INVITATION),
        ),
        post(
            media::UPLOAD,
            "media.upload",
            Access::Role(Role::Operator),
            201,
            "Upload a picture of the shop: a form with one file, or the file by itself",
            hand!(
                media::take,
                Some(media::body_schema),
                &[("name", "What the file is called, where no form says it")],
                Gives::Object(media::FIELDS)
            ),
        ),
        get(
            "/api/v1/admin/whoami",
            "whoami",
            app,
            "Say whose token this is and what it may do",
            hand!(admin::whoami, CALLER),
        ),
        post(
            "/api/v1/checkout/sessions",
            "checkout.sessions.create",
            anyone,
            201,
            "Begin a checkout: price the basket, set stock aside, open a page where the buyer pays",
            hand!(checkout::create, Some(checkout::basket_schema), &[], Gives::Object(checkout::STARTED)),
        ),
        get(
            "/api/v1/my",
            "my.show",
            anyone,
            "Say who a buyer is and what they have: for whoever is signed in, by the sign-in's token, or for a profile that a server names",
            hand!(my::api::show, None, my::api::QUERY, Gives::Object(my::api::FIELDS)),
        ),
        get(
            "/api/v1/checkout/sessions/{id}",
            "checkout.sessions.show",
            anyone,
            "Say where the order of a checkout session stands, without personal data",
            hand!(checkout::show, Gives::Object(checkout::STANDS)),
        ),
        get(
            "/api/v1/entitlements/check",
            "entitlements.check.app",
            app,
            "Say whether a user may use a course",
            hand!(checkout::check_entitlement, None, access_query, Gives::Object(checkout::ENTITLED)),
        ),
        route(
            Method::GET,
            "/api/v1/orders/{id}/download/{resource}",
            "orders.download",
            anyone,
            302,
            "Give a file that an order holds: a link that expires, in a redirect or as JSON",
            hand!(deliver::of_order, None, deliver::QUERY, Gives::Link(deliver::FIELDS)),
        ),
        route(
            Method::GET,
            "/api/v1/entitlements/{id}/download/{resource}",
            "entitlements.download",
            anyone,
            302,
            "Give a file of a course or a download to whoever may use it",
            hand!(deliver::of_course, None, deliver::QUERY, Gives::Link(deliver::FIELDS)),
        ),
        get(
            "/api/v1/entitlements/{id}/content",
            "entitlements.content",
            anyone,
            "Say what a course or a download holds, to whoever may use it",
            hand!(deliver::content, None, deliver::QUERY, Gives::Object(deliver::CONTENT)),
        ),
        route(
            Method::GET,
            "/api/v1/lessons/{id}/stream",
            "lessons.stream",
            anyone,
            302,
            "Give the player of a lesson's film",
            hand!(deliver::film, None, deliver::QUERY, Gives::Link(deliver::FIELDS)),
        ),
        get(
            "/health",
            "health",
            anyone,
            "Say whether the server answers",
            hand!(health::alive, Gives::Object(health::ALIVE)),
        ),
        get(
            "/healthz",
            "healthz",
            anyone,
            "Say whether the server answers",
            hand!(health::alive, Gives::Object(health::ALIVE)),
        ),
        get(
            "/livez",
            "livez",
            anyone,
            "Say whether the process lives",
            hand!(health::alive, Gives::Object(health::ALIVE)),
        ),
        get(
            "/readyz",
            "readyz",
            anyone,
            "Say whether the server may get traffic: the database answers and is migrated",
            hand!(health::ready, None, &[("verbose", "Say each condition")], Gives::Object(health::READY)),
        ),
        get(
            health::METRICS,
            "metrics",
            anyone,
            "What Prometheus reads",
            hand!(health::metrics, Gives::Text("text/plain")),
        ),
        get(
            "/openapi.json",
            "openapi",
            anyone,
            "This document",
            hand!(
                openapi::document,
                Gives::Foreign("A document as the OpenAPI Specification 3.1 defines it")
            ),
        ),
        get(
            "/docs",
            "docs",
            anyone,
            "What there is, on one page: routes, errors and runbooks",
            hand!(docs::page, Gives::Text("text/html")),
        ),
        get(
            "/llms.txt",
            "llms",
            anyone,
            "The same in short, for machines that read",
            hand!(docs::llms, Gives::Text("text/plain")),
        ),
        get(
            "/docs/errors/{id}",
            "docs.errors",
            anyone,
            "What an error code means and what to do",
            hand!(health::error_page, Gives::Text("text/html")),
        ),
    ];
    all.extend(webhook::PATHS.map(|path| {
        let about = "Take an event of Stripe's; signed, raw, stored before 200";
        post(
            path,
            if path.starts_with("/dev") { "webhooks.stripe.dev" } else { "webhooks.stripe" },
            anyone,
            200,
            about,
            Behind::Webhook,
        )
    }));
    all
}

/// By which route a request was answered; the label of its metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct RouteLabel(pub(super) &'static str);

/// Whether only those who run the shop come to what stands at this path.
pub(super) fn is_for_operators(path: &str) -> bool {
    let mut here = ROUTES.iter().filter(|route| route.path == path).peekable();
    here.peek().is_some()
        && here.all(|route| matches!(route.access, Access::Role(least) if least > Role::App))
}

/// The router of all routes whose path is `wanted`.
pub(super) fn router(app: &Arc<App>, wanted: impl Fn(&str) -> bool) -> Router {
    mount(app, ROUTES.iter().filter(|route| wanted(route.path)))
        .fallback(|| async { Problem::new("no_such_route", "there is nothing at this path").into_response() })
}

/// These routes, to stand beside others.
pub fn mount(app: &Arc<App>, routes: impl Iterator<Item = &'static Route>) -> Router {
    let mut router = Router::new();
    let mut allowed: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for route in routes {
        // Every series from the start, so that the first failure is an increase.
        app.metrics.http(route.path, super::known(&route.method), route.success);
        if matches!(route.behind, Behind::Webhook) {
            continue;
        }
        router = router.route(route.path, serve(app.clone(), route));
        allowed.entry(route.path).or_default().push(route.method.as_str());
    }
    for (path, mut methods) in allowed {
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        let allowed = methods.join(", ");
        let refuse =
            move || async move { labelled(path, Problem::method_not_allowed(&allowed).into_response()) };
        router = router.route(path, MethodRouter::new().fallback(refuse));
    }
    router
}

fn serve(app: Arc<App>, route: &'static Route) -> MethodRouter {
    let filter = if route.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
    on(
        filter,
        move |path: Result<RawPathParams, RawPathParamsRejection>, request: Request<Body>| async move {
            labelled(route.path, answer(app, route, path, request).await.into_response())
        },
    )
}

fn labelled(path: &'static str, mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(RouteLabel(path));
    response
}

/// What stands in a path for one thing; an email is one, too.
pub(super) fn may_be_an_id(text: &str) -> bool {
    !text.contains('\0') && text.len() <= shop::cases::LONGEST
}

async fn answer(
    app: Arc<App>,
    route: &'static Route,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request<Body>,
) -> Answer {
    let path = path.map_err(|_| Problem::new("no_such_route", "the path is not UTF-8"))?;
    let mut named = path.iter().map(|(_, id)| id.to_owned());
    let ids = (named.next(), named.next());
    if ![&ids.0, &ids.1].into_iter().flatten().all(|id| may_be_an_id(id)) {
        return Err(Problem::new("not_found", "no id is like this"));
    }
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        return Err(Problem::from(kernel::Error::bug("a request came past the front")));
    };
    let caller = match route.access {
        Access::Anyone => None,
        Access::Role(least) => {
            let caller = auth::authenticate(&app, request.headers(), origin.address).await;
            // Until it is known who asks, it may be anybody.
            let caller = caller.map_err(|problem| problem.for_others(&origin.request_id))?;
            caller.must_be(least, route.name)?;
            Some(caller)
        }
    };
    let call = Call::new(app, ids, caller, origin, request);
    match route.behind {
        Behind::Operation(def) => admin::operate(call, def).await,
        Behind::View(def) => admin::view(call, def).await,
        Behind::Task(def) if route.method == Method::POST => tasks::act(call, def).await,
        Behind::Task(def) => tasks::look(call, def).await,
        Behind::Hand(hand) => (hand.handler)(call).await,
        Behind::Webhook => Err(Problem::new("no_such_route", "the webhook has a door of its own")),
    }
}
