//! The files that pages name: inside the binary, so that the shop needs no folder and no internet.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "makegood.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("../../../assets/makegood.css"),
    },
    Asset {
        name: "shop.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("../../../assets/shop.css"),
    },
    Asset {
        name: "shop.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../../../assets/shop.js"),
    },
    Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("../../../assets/icon.svg") },
];

/// `GET /assets/{name}`. The browser asks each time whether its copy is still the one, so that a new version of the
/// binary shows at once.
pub(super) async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else { return super::nothing_here() };
    let tag = fingerprint(asset.text);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes());
    let about = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_TYPE, asset.kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, asset.text).into_response(),
    }
}

/// Tells versions of a file apart; nobody has to be kept from guessing it.
fn fingerprint(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
