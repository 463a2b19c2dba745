//! Cloudflare Stream and Cloudinary as they judge, for tests: what the real ones refuse, these refuse.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use storage::cloudinary::{Algorithm, sign, string_to_sign};

type Answer = (StatusCode, Json<Value>);

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

#[allow(clippy::disallowed_methods, reason = "another service's clock is the machine's")]
pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Cloudflare's API, and where films are played.
#[derive(Clone)]
pub struct Cloudflare {
    pub url: String,
    state: Arc<Films>,
}

pub struct Films {
    pub token: String,
    /// By id: whether it is only played signed.
    pub films: BTreeMap<String, bool>,
    /// Tokens that the API made: which film, and until when.
    tokens: Mutex<BTreeMap<String, (String, i64)>>,
    asked: Mutex<usize>,
}

pub const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub const API_TOKEN: &str = "cf-token-of-the-tests";
pub const OPEN_FILM: &str = "aaaabbbbccccddddeeeeffff00001111";
pub const SIGNED_FILM: &str = "5d5bc37ffcf54c9b82e996823bffbb81";

impl Cloudflare {
    pub async fn start() -> Cloudflare {
        let films = BTreeMap::from([(OPEN_FILM.to_owned(), false), (SIGNED_FILM.to_owned(), true)]);
        let state =
            Films { token: API_TOKEN.into(), films, tokens: Mutex::default(), asked: Mutex::default() };
        let state = Arc::new(state);
        let router = Router::new()
            .route("/client/v4/accounts/{account}/stream/{video}", get(a_film))
            .route("/client/v4/accounts/{account}/stream/{video}/token", post(a_token))
            .route("/{what}/iframe", get(play))
            .with_state(state.clone());
        Cloudflare { url: serve(router).await, state }
    }

    pub fn api(&self) -> String {
        format!("{}/client/v4", self.url)
    }

    /// How often the API was asked.
    pub fn asked(&self) -> usize {
        *self.state.asked.lock().unwrap()
    }
}

fn cloudflare_says(status: StatusCode, code: u32, message: &str) -> Answer {
    let answer = json!({ "success": false, "errors": [{ "code": code, "message": message }], "messages": [], "result": null });
    (status, Json(answer))
}

fn found<'a>(
    state: &'a Films,
    account: &str,
    video: &'a str,
    headers: &HeaderMap,
) -> Result<&'a str, Answer> {
    *state.asked.lock().unwrap() += 1;
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {}", state.token)) {
        return Err(cloudflare_says(StatusCode::FORBIDDEN, 10000, "Authentication error"));
    }
    if account != ACCOUNT || !state.films.contains_key(video) {
        return Err(cloudflare_says(
            StatusCode::NOT_FOUND,
            10003,
            "not found: The requested video was not found",
        ));
    }
    Ok(video)
}

async fn a_film(
    State(state): State<Arc<Films>>,
    Path((account, video)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    match found(&state, &account, &video, &headers) {
        Ok(video) => {
            let result =
                json!({ "uid": video, "requireSignedURLs": state.films[video], "readyToStream": true });
            (StatusCode::OK, Json(json!({ "success": true, "errors": [], "messages": [], "result": result })))
        }
        Err(answer) => answer,
    }
}

async fn a_token(
    State(state): State<Arc<Films>>,
    Path((account, video)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let video = match found(&state, &account, &video, &headers) {
        Ok(video) => video.to_owned(),
        Err(answer) => return answer,
    };
    let wanted: Value = if body.is_empty() { json!({}) } else { serde_json::from_slice(&body).unwrap() };
    let exp = wanted["exp"].as_i64().unwrap_or(now() + 3600);
    if exp > now() + 24 * 3600 || exp <= now() {
        return cloudflare_says(StatusCode::BAD_REQUEST, 10005, "exp must be at most 24 hours ahead");
    }
    let mut tokens = state.tokens.lock().unwrap();
    let token = format!("eyJ0b2tlbiI6{:04}.{video}", tokens.len());
    tokens.insert(token.clone(), (video, exp));
    (
        StatusCode::OK,
        Json(json!({ "success": true, "errors": [], "messages": [], "result": { "token": token } })),
    )
}

/// A film by its id only where it needs no signature; else by a token that has not ended.
async fn play(State(state): State<Arc<Films>>, Path(what): Path<String>) -> StatusCode {
    if let Some(signed) = state.films.get(&what) {
        return if *signed { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    }
    let tokens = state.tokens.lock().unwrap();
    match tokens.get(&what) {
        Some((video, exp)) if state.films.contains_key(video) && *exp > now() => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// Cloudinary, with one account.
#[derive(Clone)]
pub struct Cloud {
    pub url: String,
    state: Arc<Mutex<Account>>,
}

pub struct Account {
    pub secret: String,
    pub algorithm: Algorithm,
    /// What a proxy on the way adds to a request's parameters.
    pub smuggled: Option<(String, String)>,
    /// What it answers instead, once for each.
    pub instead: Vec<(u16, String)>,
    /// By name: how many bytes.
    pub files: BTreeMap<String, usize>,
}

pub const CLOUD: &str = "dn6ot3ged";
pub const API_KEY: &str = "123456789012345";
pub const API_SECRET: &str = "hdcixPpR2iKERPwqvH6sHdK9cyac";

impl Cloud {
    pub async fn start() -> Cloud {
        let account = Account {
            secret: API_SECRET.into(),
            algorithm: Algorithm::Sha1,
            smuggled: None,
            instead: Vec::new(),
            files: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(account));
        let router = Router::new()
            .route("/v1_1/{cloud}/{resource}/{action}", post(cloudinary))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(state.clone());
        Cloud { url: serve(router).await, state }
    }

    pub fn account<T>(&self, with: impl FnOnce(&mut Account) -> T) -> T {
        with(&mut self.state.lock().unwrap())
    }
}

fn cloudinary_says(status: StatusCode, message: &str) -> (StatusCode, HeaderMap, Json<Value>) {
    let mut headers = HeaderMap::new();
    headers.insert("x-cld-error", message.replace('\n', " ").parse().unwrap());
    (status, headers, Json(json!({ "error": { "message": message } })))
}

async fn cloudinary(
    State(state): State<Arc<Mutex<Account>>>,
    Path((cloud, resource, action)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Json<Value>) {
    let mut account = state.lock().unwrap();
    if let Some((status, text)) = account.instead.pop() {
        return cloudinary_says(StatusCode::from_u16(status).unwrap(), &text);
    }
    let mut fields = parts(&headers, &body);
    if let Some((name, value)) = account.smuggled.clone() {
        fields.insert(name, value.into());
    }
    let text = |name: &str| {
        fields.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    if cloud != CLOUD {
        return cloudinary_says(StatusCode::UNAUTHORIZED, "cloud_name mismatch");
    }
    if text("api_key") != API_KEY {
        return cloudinary_says(StatusCode::UNAUTHORIZED, &format!("Unknown API key {}", text("api_key")));
    }
    let unsigned = ["file", "api_key", "signature", "resource_type", "cloud_name"];
    let signed: Vec<(String, String)> = fields
        .keys()
        .filter(|name| !unsigned.contains(&name.as_str()))
        .map(|name| (name.clone(), text(name)))
        .collect();
    let signed: Vec<(&str, &str)> =
        signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let to_sign = string_to_sign(&signed);
    if text("signature") != sign(&to_sign, &account.secret, account.algorithm) {
        let said = format!("Invalid Signature {}. String to sign - '{to_sign}'.", text("signature"));
        return cloudinary_says(StatusCode::UNAUTHORIZED, &said);
    }
    let age = now() - text("timestamp").parse::<i64>().unwrap_or_default();
    if age.abs() > 3600 {
        let said =
            format!("Stale request - reported time is {} which is more than 1 hour ago", text("timestamp"));
        return cloudinary_says(StatusCode::BAD_REQUEST, &said);
    }
    let name = format!("{resource}/{}", text("public_id"));
    if action == "destroy" {
        let result = if account.files.remove(&name).is_some() { "ok" } else { "not found" };
        return (StatusCode::OK, HeaderMap::new(), Json(json!({ "result": result })));
    }
    let Some(file) = fields.get("file").filter(|file| !file.is_empty()) else {
        return cloudinary_says(StatusCode::BAD_REQUEST, "Missing required parameter - file");
    };
    account.files.insert(name, file.len());
    let version = 1_793_000_000_u64;
    // The answer is signed by version 1: nothing is escaped.
    let answer_text = format!("public_id={}&version={version}", text("public_id"));
    let answer = json!({
        "asset_id": "b5e6d2b39ba3e0869d67141ba7dba6cf",
        "public_id": text("public_id"),
        "version": version,
        "signature": sign(&answer_text, &account.secret, account.algorithm),
        "resource_type": resource,
        "bytes": file.len(),
        "secure_url": format!("https://res.cloudinary.example/{cloud}/{resource}/upload/v{version}/{}", text("public_id")),
    });
    (StatusCode::OK, HeaderMap::new(), Json(answer))
}

/// The parts of a form (RFC 7578).
fn parts(headers: &HeaderMap, body: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let kind = headers["content-type"].to_str().unwrap();
    let boundary = format!("--{}", kind.split_once("boundary=").unwrap().1.trim_matches('"'));
    let mut fields = BTreeMap::new();
    for part in split(body, boundary.as_bytes()) {
        let Some(head) = find(part, b"\r\n\r\n") else { continue };
        let lines = String::from_utf8_lossy(&part[..head]).into_owned();
        let name = lines.split_once("name=\"").unwrap().1.split('"').next().unwrap().to_owned();
        let value = &part[head + 4..];
        fields.insert(name, value.strip_suffix(b"\r\n").unwrap_or(value).to_vec());
    }
    fields
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

fn split<'a>(mut body: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    while let Some(at) = find(body, by) {
        all.push(&body[..at]);
        body = &body[at + by.len()..];
    }
    all
}
