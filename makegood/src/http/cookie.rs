//! What a browser holds of ours.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use kernel::Duration;

use crate::app::App;

/// Behind TLS the name itself keeps others from setting it (RFC 6265bis, section 4.1.3.2).
const HOST: &str = "__Host-";

/// A cookie that holds a secret, see [`ops::secret`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookie {
    name: &'static str,
    /// Until the browser is closed where this says nothing.
    lasts: Option<Duration>,
}

impl Cookie {
    /// Until the browser is closed.
    pub(super) const fn of_a_visit(name: &'static str) -> Cookie {
        Cookie { name, lasts: None }
    }

    /// For so long, whether the browser is closed or not.
    pub(super) const fn lasting(name: &'static str, lasts: Duration) -> Cookie {
        Cookie { name, lasts: Some(lasts) }
    }

    /// What the browser holds.
    pub(super) fn read<'a>(self, app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
        let is_it = |known: &str| match is_secure(app) {
            true => known.strip_prefix(HOST) == Some(self.name),
            false => known == self.name,
        };
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let held = pairs.find(|(known, _)| is_it(known))?.1;
        let fits = held.len() == 64 && held.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(held)
    }

    /// The browser is to hold this; nothing when it is empty.
    pub(super) fn set(self, app: &App, value: &str, response: &mut Response) {
        let (host, secure) = if is_secure(app) { (HOST, "; Secure") } else { ("", "") };
        let ends = match (self.lasts, value.is_empty()) {
            (_, true) => "; Max-Age=0".to_owned(),
            (Some(lasts), false) => format!("; Max-Age={}", lasts.as_secs()),
            (None, false) => String::new(),
        };
        let line = format!("{host}{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{ends}", self.name);
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}

fn is_secure(app: &App) -> bool {
    app.config.app_url.starts_with("https://")
}
