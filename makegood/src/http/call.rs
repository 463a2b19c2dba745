//! One request to a route, with what the routes need of it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Request, Response, StatusCode, request};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::Origin;
use super::auth::{self, Caller};
use super::body::{self, JSON_BYTES};
use super::problem::Problem;
use crate::app::App;

/// What a route answers.
pub(super) type Answer = Result<Response<Body>, Problem>;

/// One request, after its caller's role was checked.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    /// The `{id}` of the path, decoded.
    pub(super) id: Option<String>,
    /// What of it is asked for: the second part of the path that is named.
    pub(super) within: Option<String>,
    /// Who asks; always there where the route needs a role.
    pub(super) caller: Option<Caller>,
    pub(super) origin: Origin,
    pub(super) head: request::Parts,
    /// Taken once. The lock makes a request that several borrow fit for any thread.
    body: Mutex<Option<Body>>,
}

impl Call {
    pub(super) fn new(
        app: Arc<App>,
        (id, within): (Option<String>, Option<String>),
        caller: Option<Caller>,
        origin: Origin,
        request: Request<Body>,
    ) -> Call {
        let (head, body) = request.into_parts();
        Call { app, id, within, caller, origin, head, body: Mutex::new(Some(body)) }
    }

    /// The caller. Routes without a role have none.
    pub(super) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller
            .as_ref()
            .ok_or_else(|| Problem::new("unauthenticated", "expected Authorization: Bearer TOKEN"))
    }

    /// The caller where the request brings a token, on a route that needs none.
    pub(super) async fn caller_if_any(&self) -> Result<Option<Caller>, Problem> {
        match auth::has_token(&self.head.headers) {
            true => auth::authenticate(&self.app, &self.head.headers, self.origin.address).await.map(Some),
            false => Ok(None),
        }
    }

    /// The body's bytes; empty when they were taken before.
    pub(super) async fn bytes(&mut self) -> Result<Bytes, Problem> {
        self.bytes_of(JSON_BYTES, 1).await
    }

    /// The same for a body of up to so many bytes, which may take so many times as long.
    pub(super) async fn bytes_of(&mut self, most: usize, times: u32) -> Result<Bytes, Problem> {
        let body = self.body.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        body::whole(&self.head, body, most, times).await
    }

    /// The bytes as a JSON object.
    pub(super) fn object(&self, bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
        body::json_object(&self.head.headers, bytes)
    }

    /// The query's parameters, each at most once.
    pub(super) fn query(&self) -> Result<Map<String, Value>, Problem> {
        let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(&self.head.uri)
            .map_err(|error| Problem::invalid("", format!("the query cannot be read: {error}")))?;
        let mut fields = Map::new();
        for (name, value) in pairs.0 {
            if value.contains('\0') || name.contains('\0') {
                return Err(Problem::invalid(name.replace('\0', ""), "holds the character NUL"));
            }
            if fields.insert(name.clone(), value.into()).is_some() {
                return Err(Problem::invalid(name, "stands there twice"));
            }
        }
        Ok(fields)
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    json_text(status, value.to_string())
}

/// An answer whose JSON was written before.
pub(super) fn json_text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
