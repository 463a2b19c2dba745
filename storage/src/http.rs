//! One HTTP client for everything outside: with time-outs, no redirects, and honest words for what went wrong.

use std::sync::Arc;

use kernel::Duration;
use reqwest::{Client, Url};

use crate::StorageError;

const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(30);

/// A client for this address, which is `https://…`, or `http://…` for a stand-in on this machine.
///
/// # Errors
/// When it is no address, or the machine lacks CA certificates.
pub(crate) fn client(base: &str) -> Result<Client, StorageError> {
    let refused = |why: String| StorageError::Refused(why);
    let url = Url::parse(base).map_err(|error| refused(format!("`{base}` is no address: {error}")))?;
    let builder = Client::builder()
        .user_agent(concat!("makegood/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        // What is signed for one place does not follow a pointer to another.
        .redirect(reqwest::redirect::Policy::none());
    let builder = match url.scheme() {
        "https" => {
            rustls::crypto::ring::default_provider().install_default().ok();
            builder
        }
        // Next door: neither TLS, for which the machine may lack certificates, nor a proxy.
        "http" => builder.no_proxy().tls_backend_preconfigured(trusting_nobody()?),
        other => return Err(refused(format!("`{other}` is no scheme for {base}; expected https"))),
    };
    builder.build().map_err(|error| refused(format!("no HTTPS client: {}", told(&error))))
}

fn trusting_nobody() -> Result<rustls::ClientConfig, StorageError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StorageError::Refused(error.to_string()))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// No answer came.
pub(crate) fn away(who: &str, error: &reqwest::Error) -> StorageError {
    StorageError::Unavailable(format!("{who}: {}", told(error)))
}

/// The whole chain of causes, without the URL: its query holds a signature.
fn told(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, true) => "timed out while connecting".to_owned(),
        (true, false) => "timed out while waiting for the answer".to_owned(),
        (false, true) => "no connection".to_owned(),
        (false, false) => "no answer".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// An answer that is no success: a server that is in trouble may be asked again, one that says no may not.
pub(crate) fn no(who: &str, status: u16, said: &str) -> StorageError {
    let said: String = said.trim().chars().take(300).collect();
    let text = if said.is_empty() { format!("{who}: {status}") } else { format!("{who}: {status}: {said}") };
    match status {
        408 | 429 | 500.. => StorageError::Unavailable(text),
        _ => StorageError::Refused(text),
    }
}

/// Everything but the unreserved characters of RFC 3986, section 2.3. `keep` stays as it is.
pub(crate) fn percent_encoded(plain: &str, keep: &[u8]) -> String {
    let mut text = String::with_capacity(plain.len());
    for byte in plain.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ if keep.contains(&byte) => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
