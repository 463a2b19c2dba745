//! A client for one address outside: TLS where the address asks for it, no redirect, and an end to every wait.

use std::sync::Arc;

use kernel::Duration;

/// For `url`; no request takes longer than `patience`.
///
/// # Errors
/// Why there is none: mostly a system without CA certificates.
pub(crate) fn client(url: &str, patience: Duration) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("makegood/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(3))
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none());
    let builder = match url.starts_with("http://") {
        // Next door: neither TLS, for which the machine may lack certificates, nor a proxy.
        true => builder.no_proxy().tls_backend_preconfigured(trusting_nobody()?),
        false => {
            rustls::crypto::ring::default_provider().install_default().ok();
            builder
        }
    };
    builder.build().map_err(|error| told(&error))
}

fn trusting_nobody() -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
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
