//! AWS Secrets Manager: one signed request for one version of one secret. Nothing that it says about a value is told on.

use kernel::{Duration, Timestamp};
use serde_json::{Value, json};

use super::sigv4::{Request, Signer, amz_date};
use crate::config::Manager as Settings;
use crate::config::region_of;
use crate::outbound::{client, told};

const SERVICE: &str = "secretsmanager";
const TARGET: &str = "secretsmanager.GetSecretValue";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// A secret has at most 64 KiB; what is larger is not read.
const MOST_BYTES: usize = 256 * 1024;
/// A worker, and at start a whole server, waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which version of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The newest.
    Current,
    /// The one before it.
    Previous,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Current => "AWSCURRENT",
            Stage::Previous => "AWSPREVIOUS",
        }
    }
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManagerError {
    /// There is no such secret, or no such version of it.
    #[error("Secrets Manager knows no such secret (ResourceNotFoundException)")]
    NotFound,
    /// It says no.
    #[error("Secrets Manager refused ({kind}): {message}")]
    Refused {
        /// `__type`, like `AccessDeniedException`.
        kind: String,
        /// What it said.
        message: String,
    },
    /// It cannot be used now.
    #[error("Secrets Manager cannot be reached: {0}")]
    Unavailable(String),
    /// It answered with something else.
    #[error("{0}")]
    Odd(&'static str),
}

/// A client for it.
pub(super) struct Manager {
    settings: Settings,
    http: reqwest::Client,
}

impl Manager {
    pub(super) fn new(settings: Settings) -> Result<Manager, ManagerError> {
        let url = settings.endpoint.as_deref().unwrap_or("https://");
        let http = client(url, PATIENCE).map_err(ManagerError::Unavailable)?;
        Ok(Manager { settings, http })
    }

    /// The text of one version of a secret.
    pub(super) async fn get(&self, id: &str, stage: Stage, now: Timestamp) -> Result<String, ManagerError> {
        let region = region_of(id).or(self.settings.region.as_deref()).unwrap_or("us-east-1");
        let endpoint = self.settings.endpoint.clone().unwrap_or_else(|| address(id, region));
        let body = json!({ "SecretId": id, "VersionStage": stage.name() }).to_string();
        let request = self.request(&endpoint, region, body, now)?;
        let answer = request.send().await.map_err(|error| ManagerError::Unavailable(told(&error)))?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(|error| ManagerError::Unavailable(told(&error)))?;
        if bytes.len() > MOST_BYTES {
            return Err(ManagerError::Odd("Secrets Manager's answer is larger than any secret"));
        }
        read(status, &bytes)
    }

    fn request(
        &self,
        endpoint: &str,
        region: &str,
        body: String,
        now: Timestamp,
    ) -> Result<reqwest::RequestBuilder, ManagerError> {
        let odd = ManagerError::Odd("the address of Secrets Manager is none");
        let url = reqwest::Url::parse(&format!("{endpoint}/")).map_err(|_| odd.clone())?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(odd),
        };
        let date = amz_date(now);
        let token = self.settings.session_token.as_ref().map(|token| token.reveal());
        let mut headers = vec![
            ("content-type", CONTENT_TYPE),
            ("host", host.as_str()),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", TARGET),
        ];
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        let signer = Signer {
            access_key_id: &self.settings.access_key_id,
            secret_access_key: self.settings.secret_access_key.reveal(),
            region,
            service: SERVICE,
            at: now,
        };
        let signed = signer.authorization(&Request {
            method: "POST",
            path: url.path(),
            headers: &headers,
            body: body.as_bytes(),
        });
        let request = self.http.post(url.clone()).header("authorization", sensitive(&signed)?);
        let request = headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .try_fold(request, |request, (name, value)| {
                Ok::<_, ManagerError>(request.header(*name, sensitive(value)?))
            })?;
        Ok(request.body(body))
    }
}

/// A header whose value no log shows.
fn sensitive(text: &str) -> Result<reqwest::header::HeaderValue, ManagerError> {
    let value = reqwest::header::HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| ManagerError::Odd("a credential of AWS holds a character that none has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// China has addresses of its own.
fn address(id: &str, region: &str) -> String {
    let suffix = if id.starts_with("arn:aws-cn:") || region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{SERVICE}.{region}.amazonaws.com{suffix}")
}

/// By `__type`, not by status: AWS and its stand-ins differ in the latter.
fn read(status: u16, body: &[u8]) -> Result<String, ManagerError> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err(match status {
            500.. => ManagerError::Unavailable(format!("it answered {status}")),
            _ => ManagerError::Odd("the answer is not Secrets Manager's"),
        });
    };
    // Some services write it as a URL with a fragment.
    let kind = answer["__type"].as_str().map(|kind| kind.rsplit('#').next().unwrap_or(kind));
    let message = answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or("no message");
    match kind {
        Some("ResourceNotFoundException") => Err(ManagerError::NotFound),
        Some("InternalServiceError" | "InternalServiceErrorException" | "ThrottlingException") => {
            Err(ManagerError::Unavailable(message.to_owned()))
        }
        Some(kind) => Err(ManagerError::Refused { kind: kind.to_owned(), message: message.to_owned() }),
        None if status >= 500 => Err(ManagerError::Unavailable(format!("it answered {status}"))),
        None if status != 200 => Err(ManagerError::Odd("it refused, and did not say why")),
        None => answer["SecretString"]
            .as_str()
            .map(str::to_owned)
            .ok_or(ManagerError::Odd("the secret has no SecretString; expected text, not binary")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_type_whatever_its_status() {
        let read = |status, body: &str| read(status, body.as_bytes());
        assert_eq!(
            read(200, r#"{"SecretString":"{\"secretKey\":\"sk_test_1\"}"}"#).unwrap(),
            "{\"secretKey\":\"sk_test_1\"}"
        );
        for status in [400, 404] {
            let missing = r#"{"__type":"ResourceNotFoundException","message":"can't find"}"#;
            assert_eq!(read(status, missing), Err(ManagerError::NotFound));
        }
        let denied =
            read(400, r#"{"__type":"com.amazon#AccessDeniedException","Message":"no"}"#).unwrap_err();
        assert_eq!(denied.to_string(), "Secrets Manager refused (AccessDeniedException): no");
        assert!(matches!(read(503, "<html>"), Err(ManagerError::Unavailable(_))));
        assert!(matches!(read(200, "<html>"), Err(ManagerError::Odd(_))));
        assert!(matches!(read(200, r#"{"SecretBinary":"aGk="}"#), Err(ManagerError::Odd(_))));
        assert!(matches!(read(403, "{}"), Err(ManagerError::Odd(_))));
    }

    #[test]
    fn the_address_follows_from_the_region() {
        assert_eq!(address("x", "ap-southeast-1"), "https://secretsmanager.ap-southeast-1.amazonaws.com");
        assert_eq!(address("x", "cn-north-1"), "https://secretsmanager.cn-north-1.amazonaws.com.cn");
    }
}
