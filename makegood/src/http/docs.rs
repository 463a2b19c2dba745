//! What there is, as a page for people and as a text for machines that read: the routes, the errors and the runbooks, from
//! their registries. Nothing in it comes from elsewhere, so it can be read without the internet.

use askama::Template;
use kernel::Error;

use super::call::{Answer, Call};
use super::error_pages::{ErrorPage, PAGES};
use super::health::typed;
use super::openapi::tag;
use super::problem::Problem;
use super::routes::{Access, ROUTES, Route};

/// What is asked of whom: the tag of the document, and its heading.
const PARTS: [(&str, &str); 4] = [
    ("shop", "For the shop's own pages and server"),
    ("webhook", "For Stripe"),
    ("service", "For whoever runs it"),
    ("admin", "For operators"),
];

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    parts: Vec<(&'static str, Vec<&'static Route>)>,
    errors: &'static [ErrorPage],
    runbooks: &'static [shop::runbooks::Runbook],
}

#[derive(Template)]
#[template(path = "llms.txt", escape = "none")]
struct Llms<'a> {
    app_url: &'a str,
    runbooks: &'static [shop::runbooks::Runbook],
}

/// The page.
pub(super) async fn page(_: Call) -> Answer {
    let part = |(name, heading)| {
        let mut routes: Vec<_> = ROUTES.iter().filter(|route| tag(route) == name).collect();
        routes.sort_by_key(|route| (route.path, route.method.as_str()));
        (heading, routes)
    };
    let docs = Docs { parts: PARTS.map(part).into(), errors: PAGES, runbooks: shop::RUNBOOKS };
    rendered("text/html; charset=utf-8", &docs)
}

/// The text.
pub(super) async fn llms(call: Call) -> Answer {
    let text = Llms { app_url: &call.app.config.app_url, runbooks: shop::RUNBOOKS };
    rendered("text/plain; charset=utf-8", &text)
}

fn rendered(kind: &'static str, template: &impl Template) -> Answer {
    let text = template.render().map_err(|error| Problem::from(Error::Bug(Box::new(error))))?;
    Ok(typed(kind, text))
}

impl Route {
    /// Who may come in, in a word or two.
    fn open_to(&self) -> &'static str {
        match self.access {
            Access::Anyone => "",
            Access::Role(role) => role.as_str(),
        }
    }
}
