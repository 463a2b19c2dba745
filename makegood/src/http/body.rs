//! Reading a request's body: at most so many bytes, and not for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use kernel::Duration;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// How long nothing may come.
const IDLE: Duration = Duration::from_secs(10);
/// How long the whole body may take, however steadily it drips.
const WHOLE: Duration = Duration::from_secs(25);

/// The API's bodies end here.
pub const JSON_BYTES: usize = 256 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// More than was allowed.
    TooLarge,
    /// It stopped coming, or came too slowly.
    Slow,
    /// The connection broke, or the framing is wrong.
    Broken,
}

/// How patient a reader is. Tests are less so.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long nothing may come.
    pub idle: Duration,
    /// How long the whole may take.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { idle: IDLE, whole: WHOLE }
    }
}

/// A body that tells whether it was read to its end.
///
/// A connection on which part of a request was left unread cannot carry another one. The server closes it, and has to
/// say so in the answer, else a client sends its next request into a closing connection and never learns whether it came.
pub struct Watched<B> {
    body: B,
    unread: Unread,
}

/// Whether something of a body is left.
#[derive(Clone)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Whether something is left of it now.
    pub fn is_left(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl<B: Body> Watched<B> {
    /// The body, and what tells about it once it is gone.
    pub fn new(body: B) -> (Watched<B>, Unread) {
        let unread = Unread(Arc::new(AtomicBool::new(!body.is_end_stream())));
        (Watched { body, unread: unread.clone() }, unread)
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.0.store(false, Ordering::Release);
        }
        Poll::Ready(frame)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the head itself announces too much.
pub fn announces_more_than(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.is_some_and(|length| length.trim().parse::<u64>().map_or(true, |length| length > most as u64))
}

/// All of a request's body, of up to so many bytes, which may take so many times as long as usual; nothing where it was taken
/// before.
pub(super) async fn whole(
    head: &request::Parts,
    body: Option<axum::body::Body>,
    most: usize,
    times: u32,
) -> Result<Bytes, Problem> {
    if announces_more_than(&head.headers, most) {
        return Err(BodyError::TooLarge.into());
    }
    let patience = head.extensions.get::<Patience>().copied().unwrap_or_default();
    let patience = Patience { whole: patience.whole * times, ..patience };
    match body {
        Some(body) => Ok(read(body, most, patience).await?),
        None => Ok(Bytes::new()),
    }
}

/// Reads all of it.
pub async fn read<B>(mut body: B, most: usize, patience: Patience) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let end = Instant::now() + patience.whole;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let by = end.min(Instant::now() + patience.idle);
        let frame = match timeout_at(by, body.frame()).await {
            Err(_) => return Err(BodyError::Slow),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(part) = frame.into_data() else { continue };
        if first.len() + rest.len() + part.len() > most {
            return Err(BodyError::TooLarge);
        }
        // Nearly every body is one frame: it is taken without copying.
        match first.is_empty() && rest.is_empty() {
            true => first = part,
            false => {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&part);
            }
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => {
                Problem::new("payload_too_large", "the body is larger than this route takes")
            }
            BodyError::Slow => Problem::new("request_timeout", "the body did not come in time"),
            BodyError::Broken => Problem::new("malformed_body", "the body ended before its announced end"),
        }
    }
}

/// A JSON object, or an empty one where there is no body.
pub fn json_object(headers: &HeaderMap, body: &[u8]) -> Result<serde_json::Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(serde_json::Map::new());
    }
    let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap_or("?").to_ascii_lowercase());
    if kind.as_ref().is_some_and(|kind| !kind.contains("json")) {
        return Err(Problem::new("unsupported_media_type", "expected Content-Type: application/json"));
    }
    let text = std::str::from_utf8(body)
        .map_err(|e| Problem::new("malformed_body", format!("byte {} is not UTF-8", e.valid_up_to())))?;
    // The reader itself gives up at 128 levels, long before the stack does.
    let value: Value =
        serde_json::from_str(text).map_err(|e| Problem::new("malformed_body", e.to_string()))?;
    match value {
        Value::Object(fields) => {
            ops::refuse_nul(&Value::Object(fields.clone()))?;
            Ok(fields)
        }
        other => {
            Err(Problem::new("malformed_body", format!("expected a JSON object, seen {}", kind_of(&other))))
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
