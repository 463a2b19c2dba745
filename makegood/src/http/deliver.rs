//! Files and films for buyers: who asks, what the shop decides, and a link that expires.

use axum::body::Body;
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{HeaderValue, Response, StatusCode};
use kernel::{Error, Id, Kind};
use ops::Actor;
use serde_json::{Value, json};
use shop::downloads::{Asker, Delivered, Wanted};

use super::buyer::{self, Buyer, How};
use super::call::{Answer, Call, json};
use super::problem::Problem;

/// What the document says of the query.
pub(super) const QUERY: &[(&str, &str)] =
    &[("user_id", "The profile's id, when the shop's own server asks with a token of role app")];

/// What it says of a link.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("object", "string"),
    ("url", "string"),
    ("expires_at", "time?"),
    ("kind", "string"),
    ("file_name", "string?"),
    ("content_type", "string?"),
    ("bytes", "integer?"),
];
/// What it says of what a course holds.
pub(super) const CONTENT: &[(&str, &str)] =
    &[("object", "string"), ("id", "string"), ("modules", "array"), ("resources", "array")];

/// A file by an order that holds it.
pub(super) async fn of_order(call: Call) -> Answer {
    let (order, resource) = (named(&call.id), named(&call.within));
    deliver(call, Wanted::OfOrder { order, resource }).await
}

/// A file by the right to its course or download.
pub(super) async fn of_course(call: Call) -> Answer {
    let (course, resource) = (call.id.clone().unwrap_or_default(), named(&call.within));
    deliver(call, Wanted::OfCourse { course, resource }).await
}

/// The film of a lesson.
pub(super) async fn film(call: Call) -> Answer {
    let lesson = named(&call.id);
    deliver(call, Wanted::Film { lesson }).await
}

/// The id in the path. One that cannot be an id is asked for like one that is not there, so that it is answered by the same
/// questions in the same order.
fn named<K: Kind>(text: &Option<String>) -> Id<K> {
    text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(Id::from_uuid(uuid::Uuid::nil()))
}

/// What a course or a download shows to who has the right to it.
pub(super) async fn content(call: Call) -> Answer {
    let asker = asker(&call).await?;
    let Some(who) = asker.profile else {
        return Err(Problem::new("unauthenticated", "sign in to see what you bought"));
    };
    let product = call.id.clone().unwrap_or_default();
    let course =
        call.app.shop.db.read("content.show", move |tx| shop::downloads::on_shelf(tx, who, &product));
    let mut shown =
        serde_json::to_value(course.await?).map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    // Where a file lies and what a film is called is nothing that a buyer needs.
    hide(&mut shown);
    shown["object"] = "course".into();
    Ok(json(StatusCode::OK, &shown))
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(film) = fields.shift_remove("stream_video_id") {
                fields.insert("has_film".into(), json!(!film.is_null()));
            }
            for inner in ["object_key", "published"] {
                fields.shift_remove(inner);
            }
            fields.values_mut().for_each(hide);
        }
        Value::Array(all) => all.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Who asks, as far as anybody knows. What proves nothing is as good as nothing: what is decided then is decided in the one
/// order of questions.
async fn asker(call: &Call) -> Result<Asker, Problem> {
    let query = call.query()?;
    if let Some(unknown) = query.keys().find(|name| *name != "user_id") {
        return Err(Problem::invalid(unknown, "is unknown; expected user_id"));
    }
    let buyer = match buyer::of(call).await {
        Ok(buyer) => buyer,
        Err(problem) if problem.code == "unauthenticated" => None,
        Err(problem) => return Err(problem),
    };
    let actor = match &buyer {
        Some(Buyer { how: How::Server(caller), .. }) => caller.actor.clone(),
        Some(Buyer { profile, how: How::Session | How::Signed }) => Actor::buyer(&profile.to_string()),
        None => Actor::buyer("unknown"),
    };
    let (address, request_id) = (call.origin.address.to_string(), Some(call.origin.request_id.clone()));
    Ok(Asker { profile: buyer.map(|buyer| buyer.profile), actor, address, request_id })
}

async fn deliver(call: Call, wanted: Wanted) -> Answer {
    let asker = asker(&call).await?;
    let shop = &call.app.shop;
    let delivered = shop.deliverer.deliver(shop, asker, wanted).await?;
    let wants_json = call.head.headers.get_all(ACCEPT).iter().any(|accepted| {
        accepted
            .to_str()
            .is_ok_and(|accepted| accepted.split(',').any(|one| one.trim().starts_with("application/json")))
    });
    match wants_json {
        true => shown(&delivered),
        false => led_there(&delivered),
    }
}

fn shown(delivered: &Delivered) -> Answer {
    let mut shown = serde_json::to_value(delivered).map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    shown["object"] = "download".into();
    Ok(json(StatusCode::OK, &shown))
}

fn led_there(delivered: &Delivered) -> Answer {
    let to = HeaderValue::from_str(&delivered.url).map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}
