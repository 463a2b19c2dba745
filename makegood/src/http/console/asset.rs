//! The files that pages name: inside the binary, so that the console needs no folder and no internet.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};

use super::Shown;
use super::visit::Visit;
use crate::http::problem::Problem;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const CSS: &str = "text/css; charset=utf-8";
const ASSETS: [Asset; 3] = [
    Asset { name: "makegood.css", kind: CSS, text: include_str!("../../../assets/makegood.css") },
    Asset { name: "console.css", kind: CSS, text: include_str!("../../../assets/console.css") },
    Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("../../../assets/icon.svg") },
];

/// Tells versions of the files apart; it stands in their addresses, so that a browser keeps each for good.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    ASSETS.iter().for_each(|asset| hasher.update(asset.text.as_bytes()));
    hasher.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// `GET /_/assets/{name}`
pub(super) async fn show(visit: &mut Visit) -> Shown {
    let asset = ASSETS.iter().find(|asset| visit.id.as_deref() == Some(asset.name));
    let Some(asset) = asset else { return Err(Problem::new("no_such_route", "there is no such file")) };
    let is_this_version = visit.head.uri.query() == Some(VERSION.as_str());
    let kept = if is_this_version { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, kept)], asset.text).into_response())
}
