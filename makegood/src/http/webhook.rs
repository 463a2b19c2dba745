//! `POST /webhooks/stripe`: verify over the raw bytes, store, and only then say 200.
//!
//! This path is the busiest and has no middleware: [`super::Front`] comes here before it asks the router.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response};
use bytes::Bytes;
use db::TxResult;
use shop::inbox::{Incoming, Receipt};
use stripe::{Envelope, SignatureError};

use super::body::{self, BodyError, Patience};
use super::problem::Problem;
use crate::app::App;

/// Where Stripe, and the sandbox, send events.
pub const PATHS: [&str; 2] = ["/webhooks/stripe", "/dev/webhooks/stripe"];

/// Larger than any event of Stripe's.
pub const MOST_BYTES: usize = 1024 * 1024;

const STORED: &str = r#"{"received":true,"status":"stored"}"#;
const DUPLICATE: &str = r#"{"received":true,"status":"duplicate"}"#;

/// Which of the two paths this is, if it is one.
pub(super) fn path(path: &str) -> Option<&'static str> {
    PATHS.into_iter().find(|known| *known == path)
}

/// Takes one event.
pub(super) async fn answer<B>(
    app: &App,
    request: Request<B>,
    patience: Patience,
) -> Result<Response<Body>, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (receipt, livemode) = take(app, request, patience).await.map_err(|refused| {
        app.metrics.webhook_rejected.add(refused.reason, 1);
        refused.problem
    })?;
    let (status, body) = match receipt {
        Receipt::Stored => ("received", STORED),
        Receipt::Duplicate => ("duplicate", DUPLICATE),
    };
    app.metrics.webhook_events.add(status, 1);
    if receipt == Receipt::Stored && livemode != app.config.is_live() {
        app.metrics.webhook_events.add("ignored", 1);
    }
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Why a request was turned away: for the counter, and for the caller.
struct Refused {
    reason: &'static str,
    problem: Problem,
}

fn refused(reason: &'static str, problem: Problem) -> Refused {
    Refused { reason, problem }
}

async fn take<B>(app: &App, request: Request<B>, patience: Patience) -> Result<(Receipt, bool), Refused>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Err(refused("method", Problem::method_not_allowed("POST")));
    }
    if body::announces_more_than(&head.headers, MOST_BYTES) {
        return Err(refused("too_large", BodyError::TooLarge.into()));
    }
    let signature = signature_header(&head.headers)?;
    let body = body::read(body, MOST_BYTES, patience).await.map_err(|error| {
        refused(if error == BodyError::TooLarge { "too_large" } else { "incomplete" }, error.into())
    })?;
    if body.is_empty() {
        return Err(refused("signature_missing", Problem::new("signature_missing", "the body is empty")));
    }
    let now = app.clock.now();
    app.secrets.verify(signature, &body, now).await.map_err(|error| invalid_signature(error, &body))?;
    let event = incoming(body, signature, now)?;
    let livemode = event.livemode;
    Ok((store(app, event).await?, livemode))
}

/// The header must be there before the body is worth reading.
fn signature_header(headers: &HeaderMap) -> Result<&str, Refused> {
    match headers.get("stripe-signature").map(HeaderValue::to_str) {
        None | Some(Ok("")) => {
            let problem = Problem::new("signature_missing", "expected the header Stripe-Signature");
            Err(refused("signature_missing", problem))
        }
        Some(Ok(text)) => Ok(text),
        Some(Err(_)) => {
            let error = SignatureError::Malformed("it is not ASCII");
            Err(invalid_signature(error, &[]))
        }
    }
}

fn invalid_signature(error: SignatureError, body: &[u8]) -> Refused {
    // The id is a stranger's word, but it is what Stripe's dashboard is searched by.
    let id = Envelope::parse(body).ok().map(|envelope| envelope.id.into_owned());
    tracing::warn!(
        stripeEventId = id.as_deref().unwrap_or("unknown"),
        %error,
        "[stripe.webhook] Invalid signature: Stripe signature verification failed"
    );
    refused("signature_wrong", Problem::new("signature_invalid", format!("Invalid signature: {error}")))
}

fn incoming(body: Bytes, signature: &str, received_at: kernel::Timestamp) -> Result<Incoming, Refused> {
    let not_an_event = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "[stripe.webhook] Webhook error: signed, but not an event");
        refused("not_an_event", Problem::new("not_an_event", error.to_string()))
    };
    let payload = String::from_utf8(body.into()).map_err(|error| not_an_event(&error))?;
    Incoming::read(payload, signature, received_at).map_err(|error| not_an_event(&error))
}

/// Any error means: not acknowledged, and Stripe sends it again.
async fn store(app: &App, event: Incoming) -> Result<Receipt, Refused> {
    let id = event.id.clone();
    app.shop.receiver.receive(event).await.safe_to_repeat().map_err(|error| {
        tracing::error!(stripeEventId = id, %error, "[stripe.webhook] Webhook error: not stored");
        refused("not_stored", Problem::busy("the event could not be stored; send it again", 5))
    })
}
