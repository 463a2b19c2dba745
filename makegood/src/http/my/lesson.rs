//! What a course or a download holds: its lessons, the player, and files to be saved. What is given is decided by the shop each
//! time; what is not given is said politely.

use askama::Template;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use db::Tx;
use kernel::{Error, Result};
use ops::Actor;
use shop::catalog;
use shop::content::{Course, Lesson, Resource};
use shop::downloads::{self, Asker, Wanted};
use shop::ids::ResourceId;

use super::page::{self, Frame};
use super::visit::Visit;
use super::{POLICY, Shown};
use crate::http::problem::Problem;

#[derive(Template)]
#[template(path = "my/course.html")]
struct CoursePage {
    frame: Frame,
    id: String,
    name: String,
    about: String,
    course: Option<Course>,
    files: Vec<File>,
}

/// A file as it is offered.
struct File {
    id: String,
    title: String,
    about: String,
}

/// `/my/courses/{id}`: only for who may use it now.
pub(super) async fn course(visit: &mut Visit) -> Shown {
    let (buyer, id) = (visit.buyer()?.id, visit.id().to_owned());
    let asked = id.clone();
    let read = move |tx: &mut Tx<'_>| {
        let shelf = match downloads::on_shelf(tx, buyer, &asked) {
            Ok(course) => Ok(Some(course)),
            // It was bought, and nothing of it is to be seen yet.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(Error::Refused(refusal)) => Err(refusal),
            Err(error) => return Err(error),
        };
        Ok((shelf, catalog::find(tx, &asked)?))
    };
    let (shelf, product) = visit.app.shop.db.read("my.course", read).await?;
    let course = match shelf {
        Ok(course) => course,
        Err(_) => return no_right(visit, &id).await,
    };
    let product = product.ok_or_else(|| Problem::from(Error::not_found("course", "here")))?;
    let files = course.as_ref().map(|course| files(&course.resources)).unwrap_or_default();
    let frame = Frame::of(visit, "Course");
    let page = CoursePage { frame, id, name: product.name, about: product.description, course, files };
    Ok(page::html(visit, StatusCode::OK, &page))
}

/// Whoever had it once hears why it is closed; to everybody else it is not there.
async fn no_right(visit: &Visit, id: &str) -> Shown {
    let (buyer, asked) = (visit.buyer()?.id, id.to_owned());
    let holder = shop::entitlements::Holder::Profile(buyer);
    let read = move |tx: &mut Tx<'_>| shop::entitlements::find(tx, holder, &asked);
    match visit.app.shop.db.read("my.course", read).await? {
        Some(_) => Ok(denied(visit, "no_entitlement")
            .unwrap_or_else(|| page::message(visit, StatusCode::FORBIDDEN, CLOSED.0, CLOSED.1))),
        None => Err(Error::not_found("course", "here").into()),
    }
}

fn files(all: &[Resource]) -> Vec<File> {
    let file = |one: &Resource| {
        let size = one.bytes.map_or(String::new(), |bytes| format!(", {}", size(bytes)));
        File { id: one.id.to_string(), title: one.title.clone(), about: format!("{}{size}", one.file_name) }
    };
    all.iter().map(file).collect()
}

/// As people read it.
fn size(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[derive(Template)]
#[template(path = "my/lesson.html")]
struct LessonPage {
    frame: Frame,
    course: String,
    name: String,
    title: String,
    player: Option<String>,
    files: Vec<File>,
    before: Option<(String, String)>,
    after: Option<(String, String)>,
}

/// `/my/courses/{id}/{lesson}`: the player, and what belongs to the lesson.
pub(super) async fn lesson(visit: &mut Visit) -> Shown {
    let (buyer, id, slug) = (visit.buyer()?.id, visit.id().to_owned(), visit.within().to_owned());
    let asked = id.clone();
    let read = move |tx: &mut Tx<'_>| {
        let course = match downloads::on_shelf(tx, buyer, &asked) {
            Ok(course) => Some(course),
            Err(Error::Refused(_)) => None,
            // Of what was bought, nothing is to be seen at the moment.
            Err(error) => return Err(error),
        };
        Ok((course, catalog::find(tx, &asked)?))
    };
    let (Some(course), product) = visit.app.shop.db.read("my.lesson", read).await? else {
        return no_right(visit, &id).await;
    };
    let lessons: Vec<&Lesson> = course.lessons().collect();
    let at = lessons.iter().position(|lesson| lesson.slug == slug);
    let at = at.ok_or_else(|| Problem::from(Error::not_found("lesson", "here")))?;
    let lesson = lessons[at];
    let player = match lesson.stream_video_id {
        None => None,
        Some(_) => match deliver(visit, Wanted::Film { lesson: lesson.id }).await? {
            Ok(url) => Some(url),
            Err(polite) => return Ok(polite),
        },
    };
    let beside = |at: Option<usize>| {
        let lesson = at.and_then(|at| lessons.get(at));
        lesson.map(|lesson| (lesson.slug.clone(), lesson.title.clone()))
    };
    let page = LessonPage {
        frame: Frame::of(visit, "Lesson"),
        course: id,
        name: product.map(|product| product.name).unwrap_or_default(),
        title: lesson.title.clone(),
        files: files(&lesson.resources),
        before: beside(at.checked_sub(1)),
        after: beside(Some(at + 1)),
        player,
    };
    let mut response = page::html(visit, StatusCode::OK, &page);
    if let Some(policy) = page.player.as_deref().and_then(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// The page's own policy, and a frame for this one player.
fn policy(player: &str) -> Option<HeaderValue> {
    let uri: Uri = player.parse().ok()?;
    let origin = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => "'self'".to_owned(),
    };
    HeaderValue::from_str(&format!("{POLICY}; frame-src {origin}")).ok()
}

/// `/my/courses/{id}/files/{resource}`: a fresh link each time it is opened.
pub(super) async fn file(visit: &mut Visit) -> Shown {
    let nothing = || Problem::from(Error::not_found("file", "here"));
    let resource: ResourceId = visit.within().parse().map_err(|_| nothing())?;
    let course = visit.id().to_owned();
    match deliver(visit, Wanted::OfCourse { course, resource }).await? {
        Ok(url) => Ok(super::to(&url)),
        Err(polite) => Ok(polite),
    }
}

/// The address, or the page that says politely why there is none.
async fn deliver(visit: &Visit, wanted: Wanted) -> Result<Result<String, Response>, Problem> {
    let buyer = visit.buyer()?.id;
    let asker = Asker {
        profile: Some(buyer),
        actor: Actor::buyer(&buyer.to_string()),
        address: visit.origin.address.to_string(),
        request_id: Some(visit.origin.request_id.clone()),
    };
    let shop = &visit.app.shop;
    match shop.deliverer.deliver(shop, asker, wanted).await {
        Ok(delivered) => Ok(Ok(delivered.url)),
        Err(error) => match denied(visit, error.code()) {
            Some(polite) => Ok(Err(polite)),
            None => Err(error.into()),
        },
    }
}

const CLOSED: (&str, &str) = (
    "This course is not open to you now",
    "You had access to it, and it rests or has ended: the payment went back, or a bank is looking at it. Your orders say more.",
);

fn denied(visit: &Visit, code: &str) -> Option<Response> {
    let (status, (title, text)) = match code {
        "downloads_disabled" => (
            StatusCode::FORBIDDEN,
            (
                "Downloads and videos are paused",
                "We have paused them for a short time. What you bought stays yours; please come back later.",
            ),
        ),
        "order_under_review" => (
            StatusCode::LOCKED,
            (
                "We are looking at your order",
                "A person looks at an order that gives you this, before we go on. That takes a day at most as a rule; you need to do \
                 nothing, and this page works again when it is done.",
            ),
        ),
        "no_entitlement" => (StatusCode::FORBIDDEN, CLOSED),
        "object_missing" => (
            StatusCode::NOT_FOUND,
            (
                "The file is not there at the moment",
                "It should be, and we will see to it. Please try again later, or write to us.",
            ),
        ),
        "storage_not_configured" | "storage_refused" => (
            StatusCode::SERVICE_UNAVAILABLE,
            (
                "The shop needs a moment",
                "Files and videos cannot be reached right now. Nothing was lost; please try again later.",
            ),
        ),
        _ => return None,
    };
    Some(page::message(visit, status, title, text))
}
