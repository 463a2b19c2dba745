//! `/v1`: from HTTP to the account and back.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::api::{Answer, ApiRequest, ApiResponse};
use crate::http::Shared;

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = ApiRequest {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body: body.to_vec(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
    };
    let response = shared.with(|sandbox, cx| sandbox.handle(&request, cx));
    tracing::debug!(method = %request.method, path = %request.path, status = response.status, "stripe api");
    match response.answer {
        Answer::Delivered => render(response),
        Answer::Late(pause) => {
            tokio::time::sleep(pause).await;
            render(response)
        }
        Answer::Lost => broken(),
    }
}

fn render(response: ApiResponse) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = Response::builder().status(status).header("Content-Type", "application/json");
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    let body = serde_json::to_string_pretty(&response.body).unwrap_or_default();
    // A header that the caller sent and HTTP cannot carry back is the caller's fault.
    let answered = builder.body(Body::from(body));
    answered.unwrap_or_else(|_| StatusCode::BAD_REQUEST.into_response())
}

/// The connection breaks before a byte of the answer is sent: the body fails while it is first asked for.
fn broken() -> Response {
    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the sandbox was told to lose this answer");
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(error)])))
}
