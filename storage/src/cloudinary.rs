//! Cloudinary: signed uploads, and what is wrong when it calls a signature invalid.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use kernel::Timestamp;
use reqwest::header::CONTENT_TYPE;
use ring::digest;
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::http::{away, client, hex, no};
use crate::media::{MediaError, MediaStore, Placing};
use crate::{Key, StorageError};

/// Where Cloudinary is.
pub const API: &str = "https://api.cloudinary.com";
/// Whose word it is, in errors.
const WHO: &str = "Cloudinary";
/// Before every name, so that an account may hold other things too.
const FOLDER: &str = "makegood";

/// By what strings are hashed. A product environment is set to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// What Cloudinary begins with.
    Sha1,
    /// What a product environment may be set to.
    Sha256,
}

/// An account.
#[derive(Clone)]
pub struct CloudinaryConfig {
    /// Where it is; [`API`] but for tests.
    pub base: String,
    /// `CLOUDINARY_CLOUD_NAME`.
    pub cloud: String,
    /// `CLOUDINARY_API_KEY`.
    pub api_key: String,
    /// `CLOUDINARY_API_SECRET`.
    pub api_secret: String,
    /// How strings are hashed.
    pub algorithm: Algorithm,
}

/// Cloudinary, with an account.
pub struct Cloudinary {
    config: CloudinaryConfig,
    client: reqwest::Client,
}

impl fmt::Debug for Cloudinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cloudinary({})", self.config.cloud)
    }
}

/// Why Cloudinary says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Both signed the same text, so the secret is not the account's.
    WrongSecret,
    /// The secret holds what no secret of Cloudinary's holds.
    StrayCharacters,
    /// Something on the way changed what was sent.
    OtherParameters,
    /// The key or the name of the cloud is none that it knows.
    WrongAccount,
    /// The machine's clock is off.
    Clock,
    /// Something else; its own words say what.
    Other,
}

impl Cause {
    /// As it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::WrongSecret => "wrong_secret",
            Cause::StrayCharacters => "stray_whitespace",
            Cause::OtherParameters => "other_parameters",
            Cause::WrongAccount => "wrong_account",
            Cause::Clock => "clock",
            Cause::Other => "other",
        }
    }
}

/// What Cloudinary said, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Which cause it is.
    pub cause: Cause,
    /// Its words, and what follows from them; never a secret.
    pub text: String,
    /// What to do.
    pub fix: &'static str,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text that is signed: what has a value, by name, with `&` inside of one escaped (signature version 2).
pub fn string_to_sign(params: &[(&str, &str)]) -> String {
    let mut params: Vec<_> = params.iter().filter(|(_, value)| !value.is_empty()).collect();
    params.sort_unstable_by_key(|(name, _)| *name);
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={value}").replace('&', "%26")).collect();
    pairs.join("&")
}

/// The signature of a text.
pub fn sign(text: &str, secret: &str, algorithm: Algorithm) -> String {
    let algorithm = match algorithm {
        Algorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => &digest::SHA256,
    };
    hex(digest::digest(algorithm, format!("{text}{secret}").as_bytes()).as_ref())
}

/// What it means that Cloudinary refused a request in which `ours` was signed with `secret`.
pub fn diagnose(said: &str, ours: &str, secret: &str) -> Diagnosis {
    let has = |words: &str| said.to_ascii_lowercase().contains(words);
    let echoed =
        said.split_once("String to sign - '").and_then(|(_, rest)| rest.rsplit_once('\'')).map(|(s, _)| s);
    let (cause, means, fix) = match echoed {
        Some(echoed) if echoed != ours => {
            (Cause::OtherParameters, differs(echoed, ours), "look at what stands between makegood and Cloudinary: a proxy that changes requests, or CLOUDINARY_API_BASE")
        }
        Some(_) if is_stray(secret) => (
            Cause::StrayCharacters,
            "it signed the same text as we, and the configured secret holds white space, quotes or other characters that no API secret has".to_owned(),
            "set CLOUDINARY_API_SECRET again without spaces, line breaks and quotes, and restart",
        ),
        Some(_) => (
            Cause::WrongSecret,
            "it signed the same text as we, so the secret is not the one of this API key, or the account is set to the other hash".to_owned(),
            "copy the API Secret from Settings → API Keys in Cloudinary's dashboard into CLOUDINARY_API_SECRET; if it is right, look at the account's signature algorithm and set CLOUDINARY_SIGNATURE_ALGORITHM",
        ),
        None if has("stale request") => (
            Cause::Clock,
            "our time is more than an hour away from Cloudinary's".to_owned(),
            "set this machine's clock",
        ),
        None if has("api_key") || has("api key") || has("cloud_name") => (
            Cause::WrongAccount,
            "it does not know this API key in this cloud".to_owned(),
            "compare CLOUDINARY_CLOUD_NAME and CLOUDINARY_API_KEY with Settings → API Keys in Cloudinary's dashboard",
        ),
        None => (
            Cause::Other,
            "these words are all that is known".to_owned(),
            "run makegood media upload check, and look at Cloudinary's dashboard",
        ),
    };
    let said: String = said.trim().chars().take(500).collect();
    Diagnosis { cause, text: format!("Cloudinary says: {said} ({}: {means})", cause.as_str()), fix }
}

/// API secrets are letters, digits, `-` and `_`.
fn is_stray(secret: &str) -> bool {
    !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Which parameters it saw otherwise.
fn differs(theirs: &str, ours: &str) -> String {
    let read = |text: &str| -> Vec<(String, String)> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (theirs, ours) = (read(theirs), read(ours));
    let find = |all: &[(String, String)], name: &str| {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let mut parts = Vec::new();
    for (name, value) in &ours {
        match find(&theirs, name) {
            None => parts.push(format!("{name} did not arrive")),
            Some(other) if other != *value => {
                parts.push(format!("{name} arrived as `{other}`, sent was `{value}`"))
            }
            Some(_) => {}
        }
    }
    let strangers = theirs.iter().filter(|(name, _)| find(&ours, name).is_none());
    parts.extend(strangers.map(|(name, _)| format!("{name} was not sent by us")));
    if parts.is_empty() { "the parameters arrived in another form".to_owned() } else { parts.join("; ") }
}

impl Cloudinary {
    /// With this account. Nobody is asked yet.
    ///
    /// # Errors
    /// When it cannot be reached over HTTPS from this machine.
    pub fn new(config: CloudinaryConfig) -> Result<Cloudinary, StorageError> {
        Ok(Cloudinary { client: client(&config.base)?, config })
    }

    /// Sends these parameters, signed, and what goes with them.
    async fn call(
        &self,
        path: &str,
        params: &[(&str, &str)],
        file: Option<(&str, Bytes)>,
    ) -> Result<Value, MediaError> {
        let CloudinaryConfig { base, cloud, api_key, api_secret, algorithm } = &self.config;
        let text = string_to_sign(params);
        let signature = sign(&text, api_secret, *algorithm);
        let mut fields: Vec<(&str, &str)> = params.to_vec();
        fields.extend([("api_key", api_key.as_str()), ("signature", signature.as_str())]);
        // Whoever made the file could not know the signature, so it does not end its own part.
        let boundary = format!("makegood-{signature}");
        let url = format!("{}/v1_1/{cloud}/{path}", base.trim_end_matches('/'));
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .body(multipart(&boundary, &fields, file));
        let response = request.send().await.map_err(|error| away(WHO, &error))?;
        let status = response.status().as_u16();
        let header =
            response.headers().get("x-cld-error").and_then(|text| text.to_str().ok()).map(str::to_owned);
        let body = response.text().await.map_err(|error| away(WHO, &error))?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if (200..300).contains(&status) && answer.is_object() {
            return Ok(answer);
        }
        let said = answer["error"]["message"].as_str().map(str::to_owned).or(header).unwrap_or_default();
        Err(match status {
            400..500 if !matches!(status, 408 | 429) && !said.is_empty() => {
                MediaError::Cloudinary(diagnose(&said, &text, api_secret))
            }
            200..300 => StorageError::Unavailable(format!("{WHO}: the answer is no JSON")).into(),
            _ => no(WHO, status, &said).into(),
        })
    }

    async fn upload(
        &self,
        key: &Key,
        content_type: &str,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<String, MediaError> {
        let (name, timestamp) = (public_id(key), now.seconds().to_string());
        let params = [("public_id", name.as_str()), ("timestamp", timestamp.as_str()), ("overwrite", "true")];
        let path = format!("{}/upload", resource(content_type));
        let answer = self.call(&path, &params, Some((content_type, bytes))).await?;
        let wrong = |why: &str| MediaError::from(StorageError::Unavailable(format!("{WHO}: {why}")));
        if !self.is_genuine(&answer) {
            return Err(wrong("the answer to an upload is not signed by our secret"));
        }
        if answer["public_id"] != name.as_str() {
            return Err(wrong("the answer to an upload is about another file"));
        }
        let url = answer["secure_url"]
            .as_str()
            .filter(|url| url.starts_with("https://") || url.starts_with("http://127.0.0.1"));
        url.map(str::to_owned).ok_or_else(|| wrong("the answer to an upload holds no address"))
    }

    /// Cloudinary signs what it answers with the name and the version (signature version 1: nothing is escaped).
    fn is_genuine(&self, answer: &Value) -> bool {
        let (Some(name), Some(version)) = (answer["public_id"].as_str(), answer["version"].as_u64()) else {
            return false;
        };
        let text = format!("public_id={name}&version={version}");
        let signature = answer["signature"].as_str().unwrap_or_default();
        // The answer's own length tells by which hash it was made.
        let algorithm = if signature.len() == 64 { Algorithm::Sha256 } else { Algorithm::Sha1 };
        let ours = sign(&text, &self.config.api_secret, algorithm);
        ours.as_bytes().ct_eq(signature.as_bytes()).into()
    }

    async fn destroy(&self, name: &str, resource: &str, now: Timestamp) -> Result<String, MediaError> {
        let timestamp = now.seconds().to_string();
        let params = [("public_id", name), ("timestamp", timestamp.as_str())];
        let answer = self.call(&format!("{resource}/destroy"), &params, None).await?;
        match answer["result"].as_str() {
            Some(result @ ("ok" | "not found")) => Ok(result.to_owned()),
            _ => Err(StorageError::Unavailable(format!("{WHO}: an unknown answer to destroy")).into()),
        }
    }
}

/// The key without its ending, which Cloudinary adds by itself.
fn public_id(key: &Key) -> String {
    let name = key.as_str();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{FOLDER}/{stem}")
}

/// Cloudinary keeps pictures (PDF among them) and films apart.
fn resource(content_type: &str) -> &'static str {
    if content_type.starts_with("video/") { "video" } else { "image" }
}

fn multipart(boundary: &str, fields: &[(&str, &str)], file: Option<(&str, Bytes)>) -> Bytes {
    let room = file.as_ref().map_or(0, |(_, bytes)| bytes.len()) + 1024;
    let mut body = BytesMut::with_capacity(room);
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.put_slice(part.as_bytes());
    }
    if let Some((content_type, bytes)) = file {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        body.put_slice(head.as_bytes());
        body.put_slice(&bytes);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{boundary}--\r\n").as_bytes());
    body.freeze()
}

impl MediaStore for Cloudinary {
    fn name(&self) -> &'static str {
        "cloudinary"
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        content_type: &'a str,
        bytes: Bytes,
        now: Timestamp,
    ) -> Placing<'a, String> {
        Box::pin(self.upload(key, content_type, bytes, now))
    }

    fn delete<'a>(&'a self, key: &'a Key, content_type: &'a str, now: Timestamp) -> Placing<'a, ()> {
        Box::pin(async move { self.destroy(&public_id(key), resource(content_type), now).await.map(drop) })
    }

    /// Takes away a picture that is not there: a request that is signed like any other and changes nothing.
    fn check(&self, now: Timestamp) -> Placing<'_, String> {
        Box::pin(async move {
            self.destroy(&format!("{FOLDER}/makegood-check"), "image", now).await?;
            Ok(format!("Cloudinary takes our signature for the cloud {}", self.config.cloud))
        })
    }
}
