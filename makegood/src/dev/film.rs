//! Where Cloudflare Stream would be: a player of our own that plays one short film, whatever is asked for, behind links
//! that end as the real ones do.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use kernel::{Clock, Duration, Timestamp};
use storage::{Asking, Claim, Key, Link, Player, Secret, Signer, StorageError, Streams};

use crate::http::{Part, part};

/// Made by `assets/film.py`.
const FILM: &[u8] = include_bytes!("../../assets/film.webm");
const TTL: Duration = Duration::from_secs(3600);
/// A film whose name begins so is not there, so that its absence can be looked at, too.
const ABSENT: &str = "missing";

/// Films of a development shop.
pub(super) struct Films {
    app_url: String,
    signer: Signer,
    clock: Arc<dyn Clock>,
}

impl Films {
    /// Of the shop at `app_url`, signed by a secret of its folder.
    pub(super) fn new(app_url: &str, secret: &str, clock: Arc<dyn Clock>) -> Arc<Films> {
        let signer = Signer::new(Secret::Given(format!("films of {secret}")));
        Arc::new(Films { app_url: app_url.to_owned(), signer, clock })
    }

    /// Player and film, to stand beside the other routes.
    pub(super) fn router(self: &Arc<Films>) -> Router {
        Router::new()
            .route("/dev/player/{video}", get(player))
            .route("/dev/film.webm", get(film))
            .with_state(self.clone())
    }

    fn opens(&self, video: &str, asked: &Asked) -> bool {
        let claim =
            Claim { expires: asked.expires, file_name: asked.name.clone(), content_type: String::new() };
        let judged =
            key(video).map(|key| self.signer.judge(&key, &claim, &asked.signature, self.clock.now()));
        matches!(judged, Ok(Ok(())))
    }
}

fn key(video: &str) -> Result<Key, StorageError> {
    let key = Key::new(video).ok().filter(|key| !key.as_str().contains('/'));
    key.ok_or_else(|| StorageError::Refused(format!("`{}` is no id of a film", video.escape_debug())))
}

impl Streams for Films {
    fn exists<'a>(&'a self, video: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { key(video).map(|_| !video.starts_with(ABSENT)) })
    }

    fn player<'a>(&'a self, video: &'a str, now: Timestamp) -> Asking<'a, Player> {
        Box::pin(async move {
            let key = key(video)?;
            let link = Link { ttl: TTL, file_name: "film".into(), content_type: None };
            let query = self.signer.query(&key, &link, now)?;
            let url = format!("{}/dev/player/{video}?{query}", self.app_url);
            Ok(Player { url, expires_at: Some(now + TTL) })
        })
    }
}

#[derive(serde::Deserialize)]
struct Asked {
    expires: i64,
    name: String,
    signature: String,
}

/// It stands in a frame of our own pages, and nowhere else.
const POLICY: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'";

async fn player(
    State(films): State<Arc<Films>>,
    Path(video): Path<String>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> impl IntoResponse {
    let opens = asked.is_ok_and(|Query(asked)| films.opens(&video, &asked));
    let (status, inside) = match (opens, video.starts_with(ABSENT)) {
        (false, _) => {
            (StatusCode::UNAUTHORIZED, "<p>The link to this film has ended. Load the lesson again.</p>")
        }
        (true, true) => (StatusCode::NOT_FOUND, "<p>There is no such film.</p>"),
        (true, false) => {
            (StatusCode::OK, "<video controls muted autoplay playsinline src=\"/dev/film.webm\"></video>")
        }
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Film</title>\
         <style>body{{margin:0;background:#111;color:#ddd;font:16px/1.6 system-ui,sans-serif;display:grid;\
         place-items:center;min-height:100vh}}video{{width:100%;height:100vh}}</style></head>\
         <body>{inside}</body></html>\n"
    );
    let about = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    (status, about, page)
}

/// A browser asks for parts of it, to jump to and fro.
async fn film(headers: HeaderMap) -> Response<axum::body::Body> {
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let total = FILM.len() as u64;
    let about = [(header::CONTENT_TYPE, "video/webm"), (header::ACCEPT_RANGES, "bytes")];
    let (status, range, bytes) = match part(asked, total) {
        Part::Whole => return (about, FILM).into_response(),
        Part::From(first, last) => {
            let bytes = FILM.get(first as usize..=last as usize).unwrap_or_default();
            (StatusCode::PARTIAL_CONTENT, format!("bytes {first}-{last}/{total}"), bytes)
        }
        Part::Nowhere => (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{total}"), &FILM[..0]),
    };
    let mut response = (status, about, bytes).into_response();
    if let Ok(range) = HeaderValue::from_str(&range) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}
