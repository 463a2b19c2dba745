//! One HTTP client for every service outside: an end to every wait, no redirects, TLS where the address asks for it, and
//! honest words for an answer that did not come. What is asked, and what an answer means, is its callers' business.

use std::error::Error;
use std::sync::Arc;

use kernel::Duration;
use reqwest::Client;

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By TLS, with the machine's CA certificates.
    Https,
    /// Next door: neither TLS, for which the machine may lack certificates, nor a proxy.
    Http,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the whole of an answer.
    pub total: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// TLS itself.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Mostly a machine without CA certificates.
    #[error("{}", told(.0))]
    Build(#[from] reqwest::Error),
}

/// A client that follows no redirect: what is signed for one place, or a key for it, does not follow a pointer to another.
///
/// # Errors
/// When the machine has nothing by which to trust anybody.
pub fn client(scheme: Scheme, patience: Patience) -> Result<Client, NoClient> {
    let builder = Client::builder()
        .user_agent(concat!("makegood/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.connect)
        .timeout(patience.total)
        .redirect(reqwest::redirect::Policy::none());
    let builder = match scheme {
        Scheme::Https => {
            // reqwest asks for the process's provider. If the binary has installed one already, it stays.
            rustls::crypto::ring::default_provider().install_default().ok();
            builder
        }
        Scheme::Http => builder.no_proxy().tls_backend_preconfigured(trusting_nobody()?),
    };
    Ok(builder.build()?)
}

fn trusting_nobody() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// The whole chain of causes: reqwest's own line says little more than "error sending request". Without the URL, whose
/// query may name a person or hold a signature.
pub fn told(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, true) => "timed out while connecting".to_owned(),
        (true, false) => "timed out while waiting for the answer".to_owned(),
        (false, true) => "no connection".to_owned(),
        (false, false) => "no answer".to_owned(),
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
