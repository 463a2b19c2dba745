//! Cloudflare Stream: a film in an iframe, plain or by a signed token that ends.

use std::fmt;

use kernel::{Duration, Timestamp};
use reqwest::header::AUTHORIZATION;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde::Serialize;
use serde_json::{Value, json};

use crate::base64::{decode, url_safe};
use crate::{Asking, Player, StorageError, Streams, http};

/// Where Cloudflare's API is.
pub const API: &str = "https://api.cloudflare.com/client/v4";
/// Cloudflare's own limit for a token.
pub const LONGEST_SECONDS: u64 = 24 * 3600;

/// What is configured of Cloudflare Stream.
#[derive(Clone)]
pub struct StreamConfig {
    /// Like `https://customer-CODE.cloudflarestream.com` (`CF_STREAM_IFRAME_BASE_URL`).
    pub iframe_base: String,
    /// How links are signed; not at all where nothing stands here.
    pub signing: Option<Signing>,
    /// Who asks the API, for what only it knows.
    pub api: Option<Api>,
    /// How long a signed film may be begun.
    pub ttl: Duration,
}

/// An account at Cloudflare.
#[derive(Clone)]
pub struct Api {
    /// Where the API is.
    pub base: String,
    /// Which account (`CF_STREAM_ACCOUNT_ID`).
    pub account: String,
    /// By whose token (`CF_STREAM_API_TOKEN`).
    pub token: String,
}

/// How a token is made.
#[derive(Clone)]
pub enum Signing {
    /// Cloudflare makes each: for fewer than ten thousand a day.
    ByApi,
    /// We make them, with a key that Cloudflare knows.
    ByKey {
        /// Its id (`CF_STREAM_KEY_ID`).
        id: String,
        /// Its PEM, plain or in base64 as Cloudflare gives it (`CF_STREAM_KEY_PEM`).
        pem: String,
    },
}

/// Cloudflare Stream.
pub struct CloudflareStream {
    iframe_base: String,
    api: Option<Api>,
    ttl: Duration,
    maker: Maker,
    client: reqwest::Client,
}

enum Maker {
    Nobody,
    Api,
    Key(Box<StreamKey>),
}

/// A signing key of Cloudflare Stream.
pub struct StreamKey {
    id: String,
    pair: KeyPair,
}

/// What a token says, in the order in which Cloudflare writes it.
#[derive(Debug, Clone, Serialize)]
pub struct Claims<'a> {
    /// Which film.
    pub sub: &'a str,
    /// Which key signs.
    pub kid: &'a str,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Whether the film may be saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloadable: Option<bool>,
    /// Who may see it from where.
    #[serde(rename = "accessRules", skip_serializing_if = "Option::is_none")]
    pub access_rules: Option<Value>,
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({})", self.id)
    }
}

impl fmt::Debug for CloudflareStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudflareStream({})", self.iframe_base)
    }
}

impl StreamKey {
    /// The key with this id; its PEM may come in base64, as Cloudflare hands it out.
    ///
    /// # Errors
    /// Says what it is not; never what it is.
    pub fn new(id: &str, pem: &str) -> Result<StreamKey, StorageError> {
        let refused = |why: &str| StorageError::Refused(format!("CF_STREAM_KEY_PEM: {why}"));
        let pem = match pem.contains("-----BEGIN") {
            true => pem.to_owned(),
            false => {
                let bytes = decode(pem).ok_or_else(|| refused("is neither a PEM nor the base64 of one"))?;
                String::from_utf8(bytes).map_err(|_| refused("is the base64 of something that is no PEM"))?
            }
        };
        // Some environments keep no line ends and write \n instead.
        let pem = pem.replace("\\n", "\n");
        let inside = |kind: &str| {
            let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
            decode(rest.split_once("-----END")?.0)
        };
        let pair = match (inside("RSA PRIVATE KEY"), inside("PRIVATE KEY")) {
            (Some(der), _) => KeyPair::from_der(&der),
            (None, Some(der)) => KeyPair::from_pkcs8(&der),
            (None, None) => return Err(refused("holds no PRIVATE KEY")),
        };
        let pair = pair.map_err(|error| refused(&format!("is no RSA key for signing: {error}")))?;
        Ok(StreamKey { id: id.to_owned(), pair })
    }

    /// A token (JWT, RS256) with these claims.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn token(&self, claims: &Claims<'_>) -> Result<String, StorageError> {
        let refused = |error: String| StorageError::Refused(format!("signing a film: {error}"));
        let header = json!({ "alg": "RS256", "kid": self.id }).to_string();
        let claims = serde_json::to_string(claims).map_err(|error| refused(error.to_string()))?;
        let text = format!("{}.{}", url_safe(header.as_bytes()), url_safe(claims.as_bytes()));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|error| refused(error.to_string()))?;
        Ok(format!("{text}.{}", url_safe(&signature)))
    }
}

impl CloudflareStream {
    /// What is configured. Nobody is asked yet.
    ///
    /// # Errors
    /// When the key is none, or signing is wanted and nothing can sign.
    pub fn new(config: StreamConfig) -> Result<CloudflareStream, StorageError> {
        let StreamConfig { iframe_base, signing, api, ttl } = config;
        let maker = match signing {
            None => Maker::Nobody,
            Some(Signing::ByKey { id, pem }) => Maker::Key(Box::new(StreamKey::new(&id, &pem)?)),
            Some(Signing::ByApi) if api.is_some() => Maker::Api,
            Some(Signing::ByApi) => return Err(NO_API),
        };
        let client = http::client(api.as_ref().map_or(API, |api| &api.base));
        // Where nobody is asked, nothing needs a client, and a machine without CA certificates can do without.
        let client = match (client, &api) {
            (Ok(client), _) => client,
            (Err(error), Some(_)) => return Err(error),
            (Err(_), None) => http::client("http://127.0.0.1")?,
        };
        let ttl = ttl.clamp(Duration::from_secs(1), Duration::from_secs(LONGEST_SECONDS));
        let iframe_base = iframe_base.trim_end_matches('/').to_owned();
        Ok(CloudflareStream { iframe_base, api, ttl, maker, client })
    }

    fn iframe(&self, what: &str) -> String {
        format!("{}/{what}/iframe", self.iframe_base)
    }

    async fn token_of_api(&self, video: &str, exp: i64) -> Result<String, StorageError> {
        let answer = self.call(video, "/token", Some(json!({ "exp": exp }))).await?;
        match answer["result"]["token"].as_str() {
            // It becomes a part of a URL.
            Some(token) if token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
                Ok(token.to_owned())
            }
            _ => Err(StorageError::Unavailable("Cloudflare Stream: the answer holds no token".into())),
        }
    }

    /// One call about a film; an error that says that there is none is `Missing`.
    async fn call(&self, video: &str, path: &str, body: Option<Value>) -> Result<Value, Failed> {
        let api = self.api.as_ref().ok_or(NO_API)?;
        let url = format!("{}/accounts/{}/stream/{video}{path}", api.base.trim_end_matches('/'), api.account);
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        let request = request.header(AUTHORIZATION, format!("Bearer {}", api.token));
        let response = request.send().await.map_err(|error| http::away("Cloudflare Stream", &error))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| http::away("Cloudflare Stream", &error))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match (status, answer["success"].as_bool()) {
            (200..300, Some(true)) => Ok(answer),
            (404, _) => Err(Failed::Missing),
            _ => {
                let said: Vec<&str> = answer["errors"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|error| error["message"].as_str())
                    .collect();
                Err(http::no("Cloudflare Stream", status, &said.join("; ")).into())
            }
        }
    }
}

const NO_API: StorageError = StorageError::NotConfigured(
    "CF_STREAM_ACCOUNT_ID and CF_STREAM_API_TOKEN, or CF_STREAM_KEY_ID and CF_STREAM_KEY_PEM",
);

enum Failed {
    Missing,
    Storage(StorageError),
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Failed::Storage(error)
    }
}

impl From<Failed> for StorageError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Missing => StorageError::Refused("Cloudflare Stream: there is no such film".into()),
            Failed::Storage(error) => error,
        }
    }
}

/// The id of a film becomes a part of a URL, and of a path that carries our API token.
fn checked(video: &str) -> Result<&str, StorageError> {
    let fits = (1..=64).contains(&video.len())
        && video.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match fits {
        true => Ok(video),
        false => Err(StorageError::Refused(format!("`{}` is no id of a film", video.escape_debug()))),
    }
}

impl Streams for CloudflareStream {
    fn exists<'a>(&'a self, video: &'a str) -> Asking<'a, bool> {
        Box::pin(async move {
            match self.call(checked(video)?, "", None).await {
                Ok(_) => Ok(true),
                Err(Failed::Missing) => Ok(false),
                Err(Failed::Storage(error)) => Err(error),
            }
        })
    }

    fn player<'a>(&'a self, video: &'a str, now: Timestamp) -> Asking<'a, Player> {
        Box::pin(async move {
            let video = checked(video)?;
            let ends = Timestamp::from_seconds(now.seconds()) + self.ttl;
            let token = match &self.maker {
                Maker::Nobody => return Ok(Player { url: self.iframe(video), expires_at: None }),
                Maker::Api => self.token_of_api(video, ends.seconds()).await?,
                Maker::Key(key) => key.token(&Claims {
                    sub: video,
                    kid: &key.id,
                    exp: ends.seconds(),
                    nbf: None,
                    downloadable: None,
                    access_rules: None,
                })?,
            };
            Ok(Player { url: self.iframe(&token), expires_at: Some(ends) })
        })
    }
}
