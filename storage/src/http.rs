//! Asking stores over HTTP: the one client of everything outside, and what an answer that is none comes to.

use kernel::Duration;
use outbound::{Patience, Scheme, told};
use reqwest::{Client, Url};

use crate::StorageError;

const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), total: Duration::from_secs(30) };

/// A client for this address, which is `https://…`, or `http://…` for a stand-in on this machine.
///
/// # Errors
/// When it is no address, or the machine lacks CA certificates.
pub(crate) fn client(base: &str) -> Result<Client, StorageError> {
    let refused = |why: String| StorageError::Refused(why);
    let url = Url::parse(base).map_err(|error| refused(format!("`{base}` is no address: {error}")))?;
    let scheme = match url.scheme() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(refused(format!("`{other}` is no scheme for {base}; expected https"))),
    };
    outbound::client(scheme, PATIENCE).map_err(|error| refused(format!("no HTTPS client: {error}")))
}

/// No answer came.
pub(crate) fn away(who: &str, error: &reqwest::Error) -> StorageError {
    StorageError::Unavailable(format!("{who}: {}", told(error)))
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
