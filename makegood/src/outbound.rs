//! A client for one address outside that a command or a probe asks once.

use ::outbound::{Patience, Scheme};
use kernel::Duration;

/// For `url`; no request takes longer than `total`.
///
/// # Errors
/// Why there is none: mostly a system without CA certificates.
pub(crate) fn client(url: &str, total: Duration) -> Result<reqwest::Client, String> {
    let scheme = if url.starts_with("http://") { Scheme::Http } else { Scheme::Https };
    let patience = Patience { connect: Duration::from_secs(3), total };
    ::outbound::client(scheme, patience).map_err(|error| error.to_string())
}

/// The last of its causes says most, and holds no URL.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match error.is_timeout() {
        true => "timed out".to_owned(),
        false => cause.to_string(),
    }
}
