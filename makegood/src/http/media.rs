//! Uploads of pictures: a form with one file, or the file by itself.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use kernel::Duration;
use serde_json::{Value, json};
use shop::media::{Asset, Upload, upload};

use super::call::{Answer, Call};
use super::idempotency::{self, Turn};
use super::multipart;
use super::problem::Problem;

/// Where pictures are uploaded.
pub(super) const UPLOAD: &str = "/api/v1/admin/media/upload";
/// A picture comes over somebody's line at home, and goes on to a store.
pub(super) const WHOLE: Duration = Duration::from_secs(150);
/// So many times the usual patience is had for its body.
const PATIENCE: u32 = 4;
/// What a form needs beside its file.
const FORM_BYTES: usize = 16 * 1024;

/// What the body is, for the description of the API.
pub(super) fn body_schema() -> Value {
    json!({
        "type": "object",
        "description": "A form (multipart/form-data) with one file, or the file itself under its own Content-Type",
        "properties": { "file": { "type": "string", "format": "binary" } },
        "required": ["file"],
    })
}

/// What the document says of a picture.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("object", "string"),
    ("id", "string"),
    ("url", "string?"),
    ("bytes", "integer?"),
    ("width", "integer?"),
    ("height", "integer?"),
    ("content_type", "string?"),
    ("disk", "string?"),
    ("sha256", "string?"),
    ("file_name", "string?"),
    ("created_at", "time"),
];

/// Takes a picture.
pub(super) async fn take(mut call: Call) -> Answer {
    let most = call.app.config.stores.media_max_bytes;
    let name = asked_name(&call)?;
    let bytes = call.bytes_of(most + FORM_BYTES, PATIENCE).await.map_err(|problem| limited(problem, most))?;
    let owner = call.caller()?.actor.name.clone();
    match idempotency::begin(&call, &owner, &bytes).await? {
        Turn::Answered(response) => Ok(response),
        Turn::Work(ticket, _) => {
            let result = store(&call, &bytes, name, most).await;
            ticket.end(&call, result.map(|asset| (StatusCode::CREATED, shown(&asset)))).await
        }
    }
}

fn asked_name(call: &Call) -> Result<Option<String>, Problem> {
    let mut query = call.query()?;
    let name = query.remove("name").and_then(|name| name.as_str().map(str::to_owned));
    match query.keys().next() {
        Some(unknown) => Err(Problem::invalid(unknown, "is unknown; expected name")),
        None => Ok(name),
    }
}

fn limited(problem: Problem, most: usize) -> Problem {
    match problem.code.as_ref() {
        "payload_too_large" => too_large(most),
        _ => problem,
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the file is larger than {most} bytes");
    let hint = "make the picture smaller, or raise MEDIA_MAX_BYTES".to_owned();
    Problem { hint, ..Problem::new("payload_too_large", detail) }
}

async fn store(call: &Call, body: &Bytes, name: Option<String>, most: usize) -> Result<Asset, Problem> {
    let headers = &call.head.headers;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (bytes, content_type, file_name) = match kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        true => {
            let broken =
                |why: &str| Problem::new("malformed_body", format!("the form cannot be read: {why}"));
            let boundary = multipart::boundary(kind).ok_or_else(|| broken("it names no boundary"))?;
            let mut parts = multipart::parts(body, &boundary).map_err(broken)?;
            if parts.len() != 1 || parts[0].name != "file" {
                return Err(Problem::invalid("/file", "expected a form with one field, file"));
            }
            let part = parts.remove(0);
            (body.slice_ref(part.bytes), part.content_type, part.file_name.or(name))
        }
        false => (body.clone(), Some(kind.to_owned()), name),
    };
    if bytes.is_empty() {
        return Err(Problem::invalid("/file", "is empty"));
    }
    if bytes.len() > most {
        return Err(too_large(most));
    }
    let (actor, request_id) = (call.caller()?.actor.clone(), Some(call.origin.request_id.clone()));
    let wanted = Upload { bytes, content_type, file_name, actor, request_id };
    Ok(upload(&call.app.shop, wanted).await?)
}

/// A picture as its uploader sees it.
pub(crate) fn shown(asset: &Asset) -> Value {
    json!({
        "object": "media", "id": asset.id, "url": asset.url, "bytes": asset.bytes, "width": asset.width,
        "height": asset.height, "content_type": asset.content_type, "disk": asset.disk, "sha256": asset.sha256,
        "file_name": asset.file_name, "created_at": asset.created_at,
    })
}
