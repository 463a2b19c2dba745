//! How a mail reads: plain text and HTML from one template each. What buyers and products are called is escaped in HTML, and
//! cannot break out of its line in the text. This file decides what stands in a mail; plain values only.

use askama::Template;
use kernel::{Error, Result, Timestamp};

/// A mail as it is written: with a mark where its one-time link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: String,
}

/// Stands in a stored mail where the one-time link goes.
const MARK: &str = "[one-time link]";

impl Letter {
    fn of(subject: String, text: &impl Template, html: &impl Template) -> Result<Letter> {
        let broken = |e: askama::Error| Error::Bug(Box::new(e));
        let text = text.render().map_err(broken)?;
        Ok(Letter {
            subject: line(&subject),
            text: text.trim_start().to_owned(),
            html: html.render().map_err(broken)?,
        })
    }
}

/// A body with its link put in.
pub(super) fn with_link(body: &str, link: &str) -> String {
    body.replace(MARK, link)
}

/// One line of a text: what would begin another, turn the writing direction, or stand for the link is taken out.
fn line(text: &str) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    let mut text: String = text.chars().map(|c| if unseen(c) { ' ' } else { c }).take(200).collect();
    // What is left may be another one, put together of its two halves.
    while text.contains(MARK) {
        text = text.replace(MARK, "");
    }
    text
}

/// One line of an order.
#[derive(Debug, Clone)]
pub struct Bought {
    name: String,
    quantity: i64,
    sum: String,
}

impl Bought {
    /// So many of these, for so much in all.
    pub fn new(name: &str, quantity: i64, sum: impl ToString) -> Bought {
        Bought { name: line(name), quantity, sum: sum.to_string() }
    }
}

/// That an order is confirmed.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The shop, like `shop.example`.
    pub shop: String,
    /// The order's id.
    pub order: String,
    /// What was bought.
    pub bought: Vec<Bought>,
    /// What was paid.
    pub total: String,
    /// Whether something is to be shipped.
    pub is_shipped: bool,
    /// Where the buyer finds it; a guest gets the one-time link instead.
    pub account: Option<String>,
    /// For how many days the one-time link counts.
    pub link_days: u64,
}

#[derive(Template)]
#[template(path = "mail/confirmation.txt")]
struct ConfirmationText<'a> {
    it: &'a Confirmation,
    mark: &'a str,
}
#[derive(Template)]
#[template(path = "mail/confirmation.html")]
struct ConfirmationHtml<'a> {
    it: &'a Confirmation,
    mark: &'a str,
}

impl Confirmation {
    /// The mail.
    ///
    /// # Errors
    /// A bug when the template cannot be filled.
    pub fn letter(&self) -> Result<Letter> {
        let subject = format!("Your order at {}", self.shop);
        Letter::of(
            subject,
            &ConfirmationText { it: self, mark: MARK },
            &ConfirmationHtml { it: self, mark: MARK },
        )
    }
}

/// A new link with which a guest claims their purchase.
#[derive(Debug, Clone)]
pub struct ClaimLink {
    /// The shop.
    pub shop: String,
    /// The order's id.
    pub order: String,
    /// What was bought.
    pub bought: Vec<Bought>,
    /// For how many days the link counts.
    pub link_days: u64,
}

#[derive(Template)]
#[template(path = "mail/claim.txt")]
struct ClaimText<'a> {
    it: &'a ClaimLink,
    mark: &'a str,
}
#[derive(Template)]
#[template(path = "mail/claim.html")]
struct ClaimHtml<'a> {
    it: &'a ClaimLink,
    mark: &'a str,
}

impl ClaimLink {
    /// The mail.
    ///
    /// # Errors
    /// A bug when the template cannot be filled.
    pub fn letter(&self) -> Result<Letter> {
        let subject = format!("Your purchase at {} waits for you", self.shop);
        Letter::of(subject, &ClaimText { it: self, mark: MARK }, &ClaimHtml { it: self, mark: MARK })
    }
}

/// The link with which somebody signs in.
#[derive(Debug, Clone)]
pub struct SignInLink {
    /// The shop.
    pub shop: String,
    /// For how many minutes the link counts.
    pub minutes: u64,
    /// From where it was asked for.
    pub address: String,
    /// When.
    pub at: Timestamp,
}

#[derive(Template)]
#[template(path = "mail/sign_in.txt")]
struct SignInText<'a> {
    it: &'a SignInLink,
    at: String,
    mark: &'a str,
}
#[derive(Template)]
#[template(path = "mail/sign_in.html")]
struct SignInHtml<'a> {
    it: &'a SignInLink,
    at: String,
    mark: &'a str,
}

impl SignInLink {
    /// The mail.
    ///
    /// # Errors
    /// A bug when the template cannot be filled.
    pub fn letter(&self) -> Result<Letter> {
        let at = self.at.in_words();
        let text = SignInText { it: self, at: at.clone(), mark: MARK };
        Letter::of(format!("Sign in at {}", self.shop), &text, &SignInHtml { it: self, at, mark: MARK })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn confirmation(name: &str, account: Option<&str>) -> Letter {
        Confirmation {
            shop: "shop.example\r\nBcc: x@example.com".into(),
            order: "ord_1".into(),
            bought: vec![Bought::new(name, 2, "$98.00")],
            total: "$98.00".into(),
            is_shipped: true,
            account: account.map(str::to_owned),
            link_days: 30,
        }
        .letter()
        .unwrap()
    }

    #[test]
    fn a_name_stays_a_name() {
        let hostile = "<script>alert(1)</script>\r\n\r\nPay here: https://evil.example\u{202e}[one-time link]\" onload=\"x";
        let letter = confirmation(hostile, None);
        assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
        assert!(!letter.html.contains("<script>") && !letter.html.contains("\" onload"), "{}", letter.html);
        let line = letter.text.lines().find(|line| line.contains("evil.example")).unwrap();
        assert!(line.contains("alert(1)"), "it did not break out of its line: {line}");
        assert!(!letter.text.contains('\u{202e}'));
        assert_eq!(letter.text.matches(MARK).count(), 1, "{}", letter.text);
        let nested = confirmation("A [one-time[one-time [one-time link]link] link]", None);
        let marks = |letter: &Letter| (letter.text.matches(MARK).count(), letter.html.matches(MARK).count());
        assert_eq!(marks(&nested), marks(&confirmation("A", None)), "{}", nested.text);
    }

    #[test]
    fn only_a_guest_gets_a_one_time_link() {
        let guest = confirmation("A course", None);
        assert!(guest.text.contains(MARK) && guest.html.contains(MARK));
        let known = confirmation("A course", Some("https://shop.example/my"));
        assert!(!known.text.contains(MARK) && !known.html.contains(MARK));
        assert!(
            known.text.contains("https://shop.example/my") && known.html.contains("https://shop.example/my")
        );
    }

    #[test]
    fn the_link_is_put_in_where_its_mark_stands() {
        let guest = confirmation("A course", None);
        for body in [&guest.text, &guest.html] {
            let whole = with_link(body, "https://shop.example/claim/abc");
            assert!(whole.contains("https://shop.example/claim/abc") && !whole.contains(MARK));
        }
    }
}
