//! S3 and what speaks like it, Cloudflare R2 above all: links are signed here (SigV4), without asking anybody.

use std::time::SystemTime;

use bytes::Bytes;
use kernel::{Duration, Timestamp};
use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use crate::{Asking, Disk, Key, Link, Object, StorageError, attachment, http};

/// AWS's own limit.
const LONGEST: Duration = Duration::from_secs(604_800);
/// What we ask ourselves is asked at once.
const OURS: Duration = Duration::from_secs(60);

/// Where a bucket is, and how to sign for it.
#[derive(Clone)]
pub struct S3Config {
    /// Like `https://ACCOUNT.r2.cloudflarestorage.com` (`AWS_ENDPOINT`).
    pub endpoint: String,
    /// `auto` for R2 (`AWS_DEFAULT_REGION`).
    pub region: String,
    /// Its name (`AWS_BUCKET`).
    pub bucket: String,
    /// Whose requests they are (`AWS_ACCESS_KEY_ID`).
    pub access_key: String,
    /// By what they are signed (`AWS_SECRET_ACCESS_KEY`).
    pub secret_key: String,
    /// Whether the bucket stands in the path, or before the host (`AWS_USE_PATH_STYLE_ENDPOINT`).
    pub path_style: bool,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Config({} at {}, {}, key {})", self.bucket, self.endpoint, self.region, self.access_key)
    }
}

/// A bucket.
pub struct S3Disk {
    bucket: Bucket,
    credentials: Credentials,
    client: reqwest::Client,
    now: fn() -> Timestamp,
}

impl std::fmt::Debug for S3Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Disk({})", self.bucket.base_url())
    }
}

impl S3Disk {
    /// The bucket that is configured. Nobody is asked yet.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn new(config: &S3Config) -> Result<S3Disk, StorageError> {
        let refused = |why: String| StorageError::Refused(format!("AWS_ENDPOINT: {why}"));
        let endpoint: Url = config.endpoint.parse().map_err(|error| refused(format!("{error}")))?;
        let style = if config.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(endpoint, style, config.bucket.clone(), config.region.clone());
        Ok(S3Disk {
            bucket: bucket.map_err(|error| refused(error.to_string()))?,
            credentials: Credentials::new(config.access_key.clone(), config.secret_key.clone()),
            client: http::client(&config.endpoint)?,
            now: signed_at,
        })
    }

    fn object(&self, action: &str, status: u16, said: &str) -> StorageError {
        http::no(&format!("{action} at the bucket {}", self.bucket.name()), status, said)
    }

    async fn ask(&self, action: &str, request: reqwest::RequestBuilder) -> Result<Answer, StorageError> {
        let who = format!("{action} at the bucket {}", self.bucket.name());
        let response = request.send().await.map_err(|error| http::away(&who, &error))?;
        let status = response.status().as_u16();
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (bytes, content_type) = (text(CONTENT_LENGTH), text(CONTENT_TYPE));
        // XML, small; only its code and message are for people.
        let said = if status < 300 { String::new() } else { response.text().await.unwrap_or_default() };
        Ok(Answer {
            status,
            bytes: bytes.and_then(|text| text.parse().ok()),
            content_type,
            said: brief(&said),
        })
    }
}

struct Answer {
    status: u16,
    bytes: Option<u64>,
    content_type: Option<String>,
    said: String,
}

/// `SignatureDoesNotMatch: The request signature …` of an error in XML.
fn brief(xml: &str) -> String {
    let inside = |tag: &str| {
        let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside.to_owned())
    };
    match (inside("Code"), inside("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => String::new(),
    }
}

/// When a request of our own is signed. The other side compares it with its own clock, not with the shop's.
#[allow(clippy::disallowed_methods, reason = "a signature is judged by the other side's clock")]
fn signed_at() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn at(now: Timestamp) -> Result<jiff::Timestamp, StorageError> {
    jiff::Timestamp::from_microsecond(now.micros()).map_err(|error| StorageError::Refused(error.to_string()))
}

impl Disk for S3Disk {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn head<'a>(&'a self, key: &'a Key) -> Asking<'a, Option<Object>> {
        Box::pin(async move {
            let action = self.bucket.head_object(Some(&self.credentials), key.as_str());
            let url = action.sign_with_time(OURS, &at((self.now)())?);
            let answer = self.ask("HEAD", self.client.head(url)).await?;
            match answer.status {
                200 => Ok(Some(Object {
                    bytes: answer.bytes.unwrap_or_default(),
                    content_type: answer.content_type,
                })),
                404 => Ok(None),
                // An answer to HEAD has no body to say why.
                403 => {
                    let why = "the keys are wrong, or may not read this bucket, or the clock is off by more than 15 minutes";
                    Err(self.object("HEAD", 403, why))
                }
                status => Err(self.object("HEAD", status, &answer.said)),
            }
        })
    }

    fn put<'a>(&'a self, key: &'a Key, content_type: &'a str, bytes: Bytes) -> Asking<'a, ()> {
        Box::pin(async move {
            let mut action = self.bucket.put_object(Some(&self.credentials), key.as_str());
            action.headers_mut().insert("content-type", content_type.to_owned());
            let url = action.sign_with_time(OURS, &at((self.now)())?);
            let request = self.client.put(url).header(CONTENT_TYPE, content_type).body(bytes);
            let answer = self.ask("PUT", request).await?;
            match answer.status {
                200..300 => Ok(()),
                status => Err(self.object("PUT", status, &answer.said)),
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Asking<'a, ()> {
        Box::pin(async move {
            let action = self.bucket.delete_object(Some(&self.credentials), key.as_str());
            let url = action.sign_with_time(OURS, &at((self.now)())?);
            let answer = self.ask("DELETE", self.client.delete(url)).await?;
            match answer.status {
                200..300 | 404 => Ok(()),
                status => Err(self.object("DELETE", status, &answer.said)),
            }
        })
    }

    fn link(&self, key: &Key, link: &Link, now: Timestamp) -> Result<String, StorageError> {
        let mut action = self.bucket.get_object(Some(&self.credentials), key.as_str());
        let query = action.query_mut();
        query.insert("response-content-disposition", attachment(&link.file_name));
        if let Some(content_type) = &link.content_type {
            query.insert("response-content-type", content_type.clone());
        }
        let ttl = link.ttl.clamp(Duration::from_secs(1), LONGEST);
        Ok(action.sign_with_time(ttl, &at(now)?).into())
    }
}
