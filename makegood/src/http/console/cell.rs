//! One value as a page shows it: sums in their currency, times with their exact moment, states as badges, ids as links.

use askama::Template;
use askama::filters::HtmlSafe;
use kernel::{Money, Timestamp};
use serde_json::Value;

use super::visit::encoded;
use crate::cli::render::{ago, exact, is_time, one_line, short, titled, tone_of_bool, tone_of_word};
use crate::cli::terminal::Tone;

/// How a value looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// One word that is too long for a row: it is cut, and its title has the whole.
    Long,
    Dim,
    /// A number or a sum, at the right end of its column.
    Number,
    /// A word in a colour; it says the same without it.
    Badge(&'static str),
    /// A moment, as RFC 3339 and as people read it.
    Time(String, String),
    /// Something that people copy.
    Id,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(href) = href %}<a href="{{ href }}">{% endif %}{% match shape %}{% when Shape::Text %}{{ text }}{% when Shape::Long %}<span class="cut" title="{{ text }}">{{ text }}</span>{% when Shape::Dim %}<span class="quiet">{{ text }}</span>{% when Shape::Number %}<span class="sum">{{ text }}</span>{% when Shape::Badge(tone) %}<span class="badge {{ tone }}">{{ text }}</span>{% when Shape::Time(at, exact) %}<time datetime="{{ at }}" title="{{ exact }}">{{ text }}</time>{% when Shape::Id %}<span class="id" title="{{ text }}">{{ text }}</span>{% endmatch %}{% if href.is_some() %}</a>{% endif %}"#
)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) shape: Shape,
    pub(super) href: Option<String>,
}

impl HtmlSafe for Cell {}

impl Cell {
    pub(super) fn new(text: impl Into<String>, shape: Shape) -> Cell {
        Cell { text: text.into(), shape, href: None }
    }

    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell::new(text, Shape::Text)
    }

    pub(super) fn leading_to(self, href: impl Into<String>) -> Cell {
        Cell { href: Some(href.into()), ..self }
    }

    /// A moment, as its age.
    pub(super) fn time(at: Timestamp, now: Timestamp) -> Cell {
        Cell::new(ago(at, now), Shape::Time(at.to_string(), exact(at)))
    }

    /// A state as a badge.
    pub(super) fn state(name: &str, word: &str) -> Cell {
        Cell::new(titled(word), Shape::Badge(class(tone_of_word(name, word))))
    }

    /// The field `name` of `object`.
    pub(super) fn of(name: &str, object: &Value, now: Timestamp) -> Cell {
        let value = &object[name];
        match value {
            Value::Null => Cell::new("–", Shape::Dim),
            Value::Bool(is) => {
                let (text, tone) = (if *is { "yes" } else { "no" }, tone_of_bool(name, *is));
                match tone {
                    Some(tone) if *is => Cell::new(text, Shape::Badge(class(Some(tone)))),
                    _ if *is => Cell::text(text),
                    _ => Cell::new(text, Shape::Dim),
                }
            }
            Value::Number(number) => {
                Cell::new(sum(name, object).unwrap_or_else(|| number.to_string()), Shape::Number)
            }
            Value::String(text) => of_text(name, text, object, now),
            Value::Array(_) | Value::Object(_) => match short(value) {
                nothing if nothing.is_empty() => Cell::new("–", Shape::Dim),
                said => Cell::text(said),
            },
        }
    }

    /// How a column of such values is set.
    pub(super) fn class(&self) -> &'static str {
        match &self.shape {
            Shape::Number => "number",
            Shape::Badge(_) | Shape::Time(..) | Shape::Id | Shape::Long => "short",
            Shape::Text | Shape::Dim if self.text.len() > LONG => "long",
            // On a phone it has a line of its own.
            Shape::Text | Shape::Dim if self.text.len() > WIDE => "wide",
            Shape::Text | Shape::Dim => "",
        }
    }
}

fn of_text(name: &str, text: &str, object: &Value, now: Timestamp) -> Cell {
    if is_time(name)
        && let Ok(at) = text.parse()
    {
        return Cell::time(at, now);
    }
    if let Some(tag) = price(name, object) {
        return Cell::new(tag, Shape::Number);
    }
    if name.ends_with("status") || matches!(name, "severity" | "role") {
        return Cell::state(name, text);
    }
    if text.is_empty() {
        return Cell::new("–", Shape::Dim);
    }
    let cell = match is_id(name, text) {
        true => Cell::new(text, Shape::Id),
        false if text.len() > LONG && !text.contains(char::is_whitespace) => {
            Cell::new(one_line(text), Shape::Long)
        }
        false => Cell::text(one_line(text)),
    };
    Cell { href: leads_to(name, text), ..cell }
}

/// Longer words are cut where they stand in a row.
const LONG: usize = 40;
/// What is longer does not fit into half of a phone.
const WIDE: usize = 16;

fn class(tone: Option<Tone>) -> &'static str {
    match tone {
        Some(Tone::Good) => "good",
        Some(Tone::Bad) => "bad",
        Some(Tone::Warn) => "heed",
        Some(Tone::Dim | Tone::Bold) | None => "",
    }
}

/// A sum in minor units, told by its name and the currency beside it.
fn sum(name: &str, object: &Value) -> Option<String> {
    let is_sum = name == "amount" || name.ends_with("_amount");
    is_sum.then(|| tag(&object[name], object)).flatten()
}

/// A sum that was made a text for terminals: here it is set as on a price tag.
fn price(name: &str, object: &Value) -> Option<String> {
    match name {
        "total" => tag(&object["total_amount"], object),
        "price" => tag(&object["unit_amount"], object),
        _ => None,
    }
}

fn tag(minor: &Value, object: &Value) -> Option<String> {
    Some(Money::new(minor.as_i64()?, object["currency"].as_str()?.parse().ok()?).tag())
}

fn is_id(name: &str, text: &str) -> bool {
    let is_named_so =
        name == "id" || name.ends_with("_id") || matches!(name, "order" | "command" | "subject");
    is_named_so && !text.contains(' ') || page_of(text).is_some()
}

/// Where our own pages, by what an id begins with. What is Stripe's and has no page here is searched for.
const PAGES: [(&str, &str); 20] = [
    ("ord_", "/_/orders/"),
    ("evt_", "/_/events/"),
    ("prf_", "/_/people/"),
    ("job_", "/_/jobs/"),
    ("run_", "/_/runs/"),
    ("rfd_", "/_/refunds/"),
    ("rec_", "/_/reconciliations/"),
    ("mal_", "/_/mails/"),
    ("aud_", "/_/audit-logs/"),
    ("tok_", "/_/search?q="),
    ("req_", "/_/search?q="),
    ("du_", "/_/disputes/"),
    ("dp_", "/_/disputes/"),
    ("res_", "/_/search?q="),
    ("ent_", "/_/search?q="),
    ("cs_", "/_/search?q="),
    ("pi_", "/_/search?q="),
    ("ch_", "/_/search?q="),
    ("re_", "/_/search?q="),
    ("py_", "/_/search?q="),
];

fn page_of(text: &str) -> Option<&'static str> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (_, page) =
        PAGES.iter().find(|(prefix, _)| is_word && text.starts_with(prefix) && text.len() > 12)?;
    Some(page)
}

/// The page of what this text names.
pub(super) fn leads_to(name: &str, text: &str) -> Option<String> {
    if name == "email" && text.contains('@') {
        return Some(format!("/_/people/{}", encoded(text)));
    }
    page_of(text).map(|page| format!("{page}{}", encoded(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn shown(name: &str, object: Value) -> String {
        Cell::of(name, &object, NOW).render().unwrap()
    }

    #[test]
    fn what_comes_from_outside_is_text_and_nothing_else() {
        let evil = "<script>alert(1)</script>\"'";
        for name in ["name", "status", "id", "email", "created_at"] {
            let html = shown(name, json!({ name: evil }));
            assert!(!html.contains("<script") && !html.contains("\"'"), "{name}: {html}");
        }
        let html = shown("id", json!({ "id": "ord_\"><img src=x>" }));
        assert!(!html.contains("<img"), "{html}");
    }

    #[test]
    fn sums_are_set_as_on_a_price_tag_of_their_currency() {
        let order = json!({ "total": "1234.50 usd", "total_amount": 123_450, "currency": "usd" });
        assert_eq!(shown("total", order), "<span class=\"sum\">$1,234.50</span>");
        assert_eq!(
            shown("amount", json!({ "amount": 4900, "currency": "jpy" })),
            "<span class=\"sum\">¥4,900</span>"
        );
        assert_eq!(
            shown("attempts", json!({ "attempts": 3, "currency": "usd" })),
            "<span class=\"sum\">3</span>"
        );
    }

    #[test]
    fn a_time_is_an_age_with_its_exact_moment() {
        let html = shown("created_at", json!({ "created_at": NOW }));
        let exact = "datetime=\"2026-09-21T14:13:20.000000Z\" title=\"2026-09-21 14:13:20 UTC\"";
        assert!(html.contains(exact) && html.contains(">just now<"), "{html}");
    }

    #[test]
    fn a_long_word_is_cut_and_its_title_has_the_whole() {
        let email = format!("{}@example.com", "e".repeat(60));
        let cell = Cell::of("email", &json!({ "email": email }), NOW);
        assert_eq!((&cell.shape, cell.class()), (&Shape::Long, "short"));
        assert!(cell.render().unwrap().contains(&format!("<span class=\"cut\" title=\"{email}\">{email}<")));
        let words = "many words, which wrap where they stand in a row";
        assert_eq!(Cell::of("what", &json!({ "what": words }), NOW).class(), "long");
    }

    #[test]
    fn ids_lead_to_their_pages() {
        let order = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";
        assert_eq!(leads_to("order_id", order), Some(format!("/_/orders/{order}")));
        assert_eq!(leads_to("email", "a+b@x.example"), Some("/_/people/a%2Bb@x.example".into()));
        assert_eq!(leads_to("name", "ord_ <b>"), None);
    }
}
