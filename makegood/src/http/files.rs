//! Files of our own disk: resources behind links that are signed and end, pictures for everybody. They are read from the
//! disk while they are sent, so a file of any size costs no memory, and a download may take as long as it takes.

use std::io::SeekFrom;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use storage::{Claim, Key, LinkError, Opened, StorageError};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::call::Answer;
use super::problem::Problem;
use super::ranges::{Part, part};
use super::routes::RouteLabel;
use crate::app::App;

/// Behind signed links.
pub const FILES: &str = "/files/{key}";
/// For everybody.
pub const MEDIA: &str = "/media/{key}";

/// What is read at once.
const CHUNK: usize = 128 * 1024;
/// A page of ours does nothing with a file; a browser that shows one all the same runs nothing in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox";

/// The doors to the shelves.
pub(super) fn router(app: &Arc<App>) -> Router {
    for path in [FILES, MEDIA] {
        app.metrics.http(path, "GET", 200);
    }
    let refuse = || async { Problem::method_not_allowed("GET, HEAD").into_response() };
    Router::new()
        .route("/files/{*key}", get(file).fallback(refuse))
        .route("/media/{*key}", get(picture).fallback(refuse))
        .with_state(app.clone())
}

fn labelled(label: &'static str, answer: Answer) -> Response<Body> {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    response.extensions_mut().insert(RouteLabel(label));
    response
}

async fn file(
    State(app): State<Arc<App>>,
    key: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    labelled(FILES, resource(&app, key, &uri, &headers).await)
}

async fn picture(
    State(app): State<Arc<App>>,
    key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    labelled(MEDIA, public(&app, key, &headers).await)
}

async fn resource(
    app: &Arc<App>,
    key: Result<Path<String>, PathRejection>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Answer {
    let (key, (claim, signature)) = (named(key)?, claimed(uri)?);
    let (now, on) = (app.clock.now(), app.clone());
    let (key, claim, opened) = blocking(move || {
        let disk = &on.shelves.disk;
        // The first judgement may read the secret from the disk.
        let judged = disk.signer().judge(&key, &claim, &signature, now).map_err(refused);
        let opened = judged.and_then(|()| disk.folder().open(&key).map_err(unreadable));
        (key, claim, opened)
    })
    .await?;
    let opened = opened?.ok_or_else(missing)?;
    let kind = if claim.content_type.is_empty() { by_ending(key.file_name()) } else { &claim.content_type };
    let mut response = sent(opened, headers).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let about = response.headers_mut();
    set(about, CONTENT_TYPE, kind);
    set(about, CONTENT_DISPOSITION, &storage::attachment(&claim.file_name));
    about.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-transform"));
    Ok(response)
}

/// Pictures have names that nobody chose and that never come again, so a copy stays good.
async fn public(app: &Arc<App>, key: Result<Path<String>, PathRejection>, headers: &HeaderMap) -> Answer {
    let (key, disk) = (named(key)?, app.clone());
    let (key, opened) = blocking(move || {
        let opened = disk.shelves.pictures.open(&key);
        (key, opened)
    })
    .await?;
    let opened = opened.map_err(unreadable)?.ok_or_else(missing)?;
    let mut response = sent(opened, headers).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let about = response.headers_mut();
    set(about, CONTENT_TYPE, by_ending(key.file_name()));
    about.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

fn named(key: Result<Path<String>, PathRejection>) -> Result<Key, Problem> {
    // A name that cannot be one, and one that is none, are the same to a stranger.
    let Path(name) = key.map_err(|_| missing())?;
    Key::new(&name).map_err(|_| missing())
}

/// What the link says; each part at most once, so that nobody signs one and sends two.
fn claimed(uri: &Uri) -> Result<(Claim, String), Problem> {
    let altered = || refused(LinkError::Altered);
    let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(uri).map_err(|_| altered())?;
    let mut parts = std::collections::BTreeMap::new();
    for (name, value) in pairs.0 {
        if parts.insert(name, value).is_some() {
            return Err(altered());
        }
    }
    let mut take = |name: &str| parts.remove(name);
    let (expires, signature) = (take("expires").ok_or_else(altered)?, take("signature").ok_or_else(altered)?);
    let (file_name, content_type) = (take("name").unwrap_or_default(), take("type").unwrap_or_default());
    let number = expires.parse().ok().filter(|number: &i64| number.to_string() == expires);
    let claim = Claim { expires: number.ok_or_else(altered)?, file_name, content_type };
    if parts.is_empty() { Ok((claim, signature)) } else { Err(altered()) }
}

fn refused(error: LinkError) -> Problem {
    match error {
        LinkError::Expired(_) => Problem::new("link_expired", error.to_string()),
        LinkError::Altered => Problem::new("link_invalid", error.to_string()),
        LinkError::Storage(error) => unreadable(error),
    }
}

fn unreadable(error: StorageError) -> Problem {
    match error {
        // Somebody put a link there that leads out; what it leads to is nobody's business.
        StorageError::Refused(_) | StorageError::NotConfigured(_) => {
            tracing::warn!(%error, "a file was not given out");
            missing()
        }
        StorageError::Unavailable(_) => {
            tracing::error!(%error, "a file cannot be read");
            Problem::busy("the file cannot be read at the moment", 5)
        }
    }
}

fn missing() -> Problem {
    Problem::new("not_found", "there is no such file")
}

/// On a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| kernel::Error::Bug(Box::new(error)).into())
}

/// The file, or the part of it that is asked for, or that the reader has it already; else that no such part is there, which is
/// no file and wears nothing of one.
async fn sent(opened: Opened, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    let version = Version::of(&opened);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if version.is_known(headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        version.note(response.headers_mut());
        return Ok(response);
    }
    // A part of another version would make a broken file of two halves.
    let asked = text(RANGE).filter(|_| text(IF_RANGE).is_none_or(|known| version.is(known)));
    let (status, first, length) = match part(asked, opened.bytes) {
        Part::Whole => (StatusCode::OK, 0, opened.bytes),
        Part::From(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Nowhere => {
            let problem =
                Problem::new("range_not_satisfiable", format!("the file has {} bytes", opened.bytes));
            let mut response = problem.into_response();
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", opened.bytes));
            return Ok(response);
        }
    };
    let total = opened.bytes;
    let mut file = tokio::fs::File::from_std(opened.file);
    if first > 0 {
        file.seek(SeekFrom::Start(first))
            .await
            .map_err(|error| unreadable(StorageError::Unavailable(error.to_string())))?;
    }
    let mut response = Response::new(Body::from_stream(read(file, length)));
    *response.status_mut() = status;
    let about = response.headers_mut();
    about.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        set(about, CONTENT_RANGE, &format!("bytes {first}-{}/{total}", first + length - 1));
    }
    version.note(about);
    Ok(response)
}

/// So many bytes, read as they are wanted. A file that is cut meanwhile breaks the connection, so that nobody takes it
/// for whole.
fn read(file: tokio::fs::File, length: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = Vec::with_capacity(left.min(CHUNK as u64) as usize);
        let got = (&mut file).take(left.min(CHUNK as u64)).read_buf(&mut chunk).await?;
        match got {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            got => Ok(Some((Bytes::from(chunk), (file, left - got as u64)))),
        }
    })
}

/// Which version of a file this is.
struct Version {
    tag: String,
    modified: Option<String>,
}

impl Version {
    fn of(opened: &Opened) -> Version {
        let since = opened.modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let modified = since.and_then(|since| {
            let at = jiff::Timestamp::from_second(since.as_secs() as i64).ok()?;
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
        });
        let tag = format!("\"{:x}-{:x}\"", opened.bytes, since.map_or(0, |since| since.as_nanos()));
        Version { tag, modified }
    }

    /// Whether `If-None-Match` names it. Whether a tag is weak makes no difference there (RFC 9110, 13.1.2), and any version
    /// will do for `*`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag)
    }

    /// Whether `If-Range` names it, by its tag or by the very same date.
    fn is(&self, known: &str) -> bool {
        known == self.tag || self.modified.as_deref() == Some(known)
    }

    fn note(&self, headers: &mut HeaderMap) {
        set(headers, ETAG, &self.tag);
        if let Some(modified) = &self.modified {
            set(headers, LAST_MODIFIED, modified);
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
}

/// A value that no header can hold is left out.
fn set(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// As what a file is served whose link does not say. Nothing here runs in a browser.
fn by_ending(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "csv" => "text/csv; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "epub" => "application/epub+zip",
        _ => "application/octet-stream",
    }
}
