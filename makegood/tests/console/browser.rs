//! What of a browser the tests need: it keeps cookies and sends the forms that it was shown.

use std::collections::BTreeMap;

use makegood::app::App;
use ops::{Actor, Role, password, users};
use reqwest::header::SET_COOKIE;

use crate::doors::{Answer, Server, answered};

pub const PASSWORD: &str = "a password for tests";

/// A browser with an address bar and a jar of cookies.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: BTreeMap<String, String>,
    /// What it says of where a form was sent from.
    pub site: &'static str,
    /// The word of the last page with a form.
    pub word: String,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Browser { server, cookies: BTreeMap::new(), site: "same-origin", word: String::new() }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.server.http.get(format!("{}{path}", self.server.url));
        self.send(request).await
    }

    /// Sends a form with the word of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !fields.iter().any(|(name, _)| *name == "csrf") {
            all.push(("csrf".into(), self.word.clone()));
        }
        let request = self.server.http.post(format!("{}{path}", self.server.url));
        let pairs: Vec<String> =
            all.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let request =
            request.header("Content-Type", "application/x-www-form-urlencoded").body(pairs.join("&"));
        let request =
            if self.site.is_empty() { request } else { request.header("Sec-Fetch-Site", self.site) };
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let held: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if held.is_empty() { request } else { request.header("Cookie", held.join("; ")) };
        let answer = answered(request).await;
        for line in answer.headers.get_all(SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            match rest.split(';').next().unwrap() {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        if let Some(word) = word(&answer.text) {
            self.word = word;
        }
        answer
    }

    /// Signs in with name and password.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.get("/_/sign-in").await;
        self.post("/_/sign-in", &[("name", name), ("password", password), ("next", "/_/")]).await
    }

    /// Signed in as somebody with this role.
    pub async fn with_role(server: &'a Server, role: Role) -> Browser<'a> {
        let mut browser = Browser::new(server);
        browser.get("/_/sign-in").await;
        let token = server.token(role).await;
        let answer = browser.post("/_/sign-in", &[("token", &token)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        browser.get("/_/settings").await;
        browser
    }
}

/// A text in a form or an address.
pub fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The word that a page's forms carry.
pub fn word(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"")?;
    rest.split('"').next().map(str::to_owned)
}

/// A user with a password.
pub async fn user(app: &App, name: &'static str, role: Role) {
    let cx = app.shop.cx();
    let hash = password::hash(PASSWORD, cx.random()).unwrap();
    app.shop
        .db
        .write("test.user", move |tx| {
            let (user, _) = users::invite(tx, &cx, name, Some(role), &Actor::operator("the tests"))?;
            users::set_password(tx, user.id, &hash)
        })
        .await
        .unwrap();
}
