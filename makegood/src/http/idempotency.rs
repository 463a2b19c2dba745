//! `Idempotency-Key`: the same request gets the same answer, however often it is sent.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use db::TxResult;
use ops::{Idempotent, Key, UNDER_WAY};
use serde_json::{Value, json};

use super::call::{self, Answer, Call};
use super::problem::Problem;

const HEADER: &str = "idempotency-key";
const HIT: HeaderName = HeaderName::from_static("idempotency-hit");

/// Whether this request is to be worked on.
pub(super) enum Turn {
    /// It is. With what an earlier attempt left, when one has begun.
    Work(Ticket, Option<Value>),
    /// It was answered before.
    Answered(Response<Body>),
}

/// The right to answer under a key; empty for requests without one.
pub(super) struct Ticket(Option<Key>);

/// Claims the request's key. `owner` keeps the keys of different callers apart.
pub(super) async fn begin(call: &Call, owner: &str, body: &[u8]) -> Result<Turn, Problem> {
    let Some(header) = call.head.headers.get(HEADER) else { return Ok(Turn::Work(Ticket(None), None)) };
    let key = readable(header)?;
    let scope = format!("{owner} {} {}", call.head.method, call.head.uri.path());
    let place = Key { scope, key };
    let (cx, claimed, body) = (call.app.shop.cx(), place.clone(), body.to_vec());
    let known = call
        .app
        .shop
        .db
        .write("idempotency.begin", move |tx| {
            ops::begin_idempotent(tx, &cx, &claimed.scope, &claimed.key, &body)
        })
        .await
        .safe_to_repeat()?;
    match known {
        Idempotent::New => Ok(Turn::Work(Ticket(Some(place)), None)),
        Idempotent::Answered { status: UNDER_WAY, response } => {
            let left = serde_json::from_str(&response).unwrap_or_default();
            Ok(Turn::Work(Ticket(Some(place)), Some(left)))
        }
        Idempotent::Answered { status, response } => again(status, response).map(Turn::Answered),
        Idempotent::InFlight => {
            Err(Problem::new("idempotency_in_flight", "the first request with this key has not ended yet"))
        }
    }
}

fn readable(header: &HeaderValue) -> Result<String, Problem> {
    match header.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(Problem::invalid("Idempotency-Key", "expected 1 to 255 visible characters")),
    }
}

fn again(status: u16, response: String) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = match status.is_success() {
        true => call::json_text(status, response),
        false => {
            let problem: Problem = serde_json::from_str(&response)
                .map_err(|e| Problem::from(kernel::Error::Bug(Box::new(e))))?;
            axum::response::IntoResponse::into_response(problem)
        }
    };
    response.headers_mut().insert(HIT, HeaderValue::from_static("true"));
    Ok(response)
}

impl Ticket {
    /// The key that was claimed, for work that writes down in its own transaction that it is done.
    pub(super) fn key(&self) -> Option<Key> {
        self.0.clone()
    }

    /// Writes down how far the work is, so that a retry goes on there instead of beginning anew.
    pub(super) async fn note(&self, call: &Call, left: Value) -> Result<(), Problem> {
        self.keep(call, UNDER_WAY, left.to_string()).await
    }

    /// Keeps the answer, or forgets the key where the same request may still succeed.
    pub(super) async fn end(self, call: &Call, result: Result<(StatusCode, Value), Problem>) -> Answer {
        match result {
            Ok((status, value)) => {
                let text = value.to_string();
                self.keep(call, status.as_u16(), text.clone()).await?;
                Ok(call::json_text(status, text))
            }
            Err(problem) => {
                if is_final(&problem) {
                    self.keep(call, problem.status().as_u16(), json!(problem).to_string()).await?;
                } else if problem.code != "outcome_unknown" {
                    self.forget(call).await?;
                }
                Err(problem)
            }
        }
    }

    async fn keep(&self, call: &Call, status: u16, response: String) -> Result<(), Problem> {
        let Some(Key { scope, key }) = self.0.clone() else { return Ok(()) };
        call.app
            .shop
            .db
            .write("idempotency.end", move |tx| ops::end_idempotent(tx, &scope, &key, status, &response))
            .await
            .safe_to_repeat()?;
        Ok(())
    }

    async fn forget(&self, call: &Call) -> Result<(), Problem> {
        let Some(Key { scope, key }) = self.0.clone() else { return Ok(()) };
        call.app
            .shop
            .db
            .write("idempotency.forget", move |tx| ops::forget_idempotent(tx, &scope, &key))
            .await
            .safe_to_repeat()?;
        Ok(())
    }
}

/// A refusal by a rule of the shop stays the answer; a mistake in the request, or a bad moment, does not.
fn is_final(problem: &Problem) -> bool {
    matches!(problem.status().as_u16(), 404 | 409 | 423) && !problem.is_retryable()
}
