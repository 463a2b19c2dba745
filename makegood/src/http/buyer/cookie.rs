//! What a buyer's browser holds.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use shop::customers::identity::SESSION_LASTS;

use crate::app::App;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// Of who is signed in.
    Session,
    /// Of whoever has a form of ours before them.
    Form,
}

impl Cookie {
    /// Behind TLS the name itself keeps others from setting it (RFC 6265bis, section 4.1.3.2).
    fn name(self, app: &App) -> &'static str {
        match (self, is_secure(app)) {
            (Cookie::Session, true) => "__Host-makegood-buyer",
            (Cookie::Session, false) => "makegood-buyer",
            (Cookie::Form, true) => "__Host-makegood-buyer-form",
            (Cookie::Form, false) => "makegood-buyer-form",
        }
    }

    /// What the browser holds.
    pub fn read<'a>(self, app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(app);
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let held = pairs.find(|(known, _)| *known == name)?.1;
        let fits = held.len() == 64 && held.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(held)
    }

    /// The browser is to hold this; nothing when it is empty.
    pub fn set(self, app: &App, value: &str, response: &mut Response) {
        let (name, secure) = (self.name(app), if is_secure(app) { "; Secure" } else { "" });
        let lasts = match (self, value.is_empty()) {
            (_, true) => "; Max-Age=0".to_owned(),
            (Cookie::Session, false) => format!("; Max-Age={}", SESSION_LASTS.as_secs()),
            (Cookie::Form, false) => String::new(),
        };
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{lasts}");
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}

fn is_secure(app: &App) -> bool {
    app.config.app_url.starts_with("https://")
}
