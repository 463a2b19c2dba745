//! One value as people read it: sums, times, states.

use std::collections::BTreeMap;

use kernel::{Money, Timestamp};
use serde_json::Value;

use super::Look;
use crate::cli::terminal::Tone;

/// A short text with a tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// How.
    pub tone: Option<Tone>,
    /// Numbers stand at the right end of their column.
    pub is_number: bool,
}

impl Cell {
    /// A plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Cell { text: text.into(), tone: None, is_number: false }
    }
    /// A text in a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Cell { tone: Some(tone), ..Cell::plain(text) }
    }
    /// As it is printed.
    pub fn painted(&self, look: Look) -> String {
        self.tone.map_or_else(|| self.text.clone(), |tone| look.paint.tone(tone, &self.text))
    }
    /// The field `name` of `object`.
    pub fn of(name: &str, object: &Value, look: Look) -> Self {
        let value = &object[name];
        match value {
            Value::Null => Cell::toned("–", Tone::Dim),
            Value::Bool(is) => {
                Cell { tone: tone_of_bool(name, *is), ..Cell::plain(if *is { "yes" } else { "no" }) }
            }
            Value::Number(number) => {
                let text = money(name, object).unwrap_or_else(|| number.to_string());
                Cell { is_number: true, ..Cell::plain(text) }
            }
            Value::String(text) if is_time(name) => match text.parse() {
                Ok(at) => Cell::plain(if look.verbose { exact(at) } else { ago(at, look.now) }),
                Err(_) => Cell::plain(text),
            },
            Value::String(text) => Cell { tone: tone_of_word(name, text), ..Cell::plain(one_line(text)) },
            Value::Array(_) | Value::Object(_) => Cell::plain(short(value)),
        }
    }
}

/// The name of a field as people read it. What has a dot in it is a type of Stripe's events, which is written one way only.
pub fn titled(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { name.replace('_', " ") }
}

/// Whether a field holds a time, by its name.
pub fn is_time(name: &str) -> bool {
    name.ends_with("_at")
        || name.ends_with("_until")
        || matches!(name, "at" | "created" | "since" | "oldest" | "due_by")
}

/// A sum in minor units, told by its name and the currency beside it.
fn money(name: &str, object: &Value) -> Option<String> {
    let is_sum = name == "amount" || name.ends_with("_amount");
    let (minor, currency) = (object[name].as_i64()?, object["currency"].as_str()?.parse().ok()?);
    is_sum.then(|| Money::new(minor, currency).to_string())
}

/// How a truth is shown, by its name.
pub fn tone_of_bool(name: &str, is: bool) -> Option<Tone> {
    match (name, is) {
        ("requires_review", true) => Some(Tone::Warn),
        ("active" | "holds", true) => Some(Tone::Good),
        ("active" | "holds", false) => Some(Tone::Dim),
        _ => None,
    }
}

/// How a word is shown, by the name of its field.
pub fn tone_of_word(name: &str, word: &str) -> Option<Tone> {
    if !name.ends_with("status") {
        return matches!(name, "last_error" | "review_reason").then_some(Tone::Bad);
    }
    match word {
        "completed" | "confirmed" | "passed" | "processed" | "paid" | "active" | "applied" | "won" => {
            Some(Tone::Good)
        }
        "error" | "failed" | "disputed" | "lost" | "needs_response" => Some(Tone::Bad),
        "retry"
        | "unmatched"
        | "pending"
        | "processing"
        | "received"
        | "reserved"
        | "queued"
        | "suspended"
        | "under_review"
        | "warning_needs_response"
        | "unknown" => Some(Tone::Warn),
        "ignored" | "cancelled" | "released" | "expired" | "unpaid" | "revoked" | "returned" | "refunded" => {
            Some(Tone::Dim)
        }
        _ => None,
    }
}

/// `3 min ago`, `in 25 min`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let (past, future) = (now.since(at).as_secs(), at.since(now).as_secs());
    match (past, future) {
        (0..=1, 0..=1) => "just now".into(),
        (past, 0) => format!("{} ago", span(past)),
        (_, future) => format!("in {}", span(future)),
    }
}

/// A length of time in its largest unit.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `2026-11-20 08:15:30 UTC`.
pub fn exact(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", &text[..10], &text[11..19])
}

/// JSON in a few words: `attempts 1, status processed`. By name, because the two engines keep fields in different orders.
pub fn short(value: &Value) -> String {
    if let Some(sum) = sum(value) {
        return sum;
    }
    match value {
        Value::Object(fields) => {
            let has_sum = fields.keys().any(|name| money(name, value).is_some());
            let says = |name: &str, field: &Value| {
                !(field.is_null() || is_empty(field) || has_sum && name == "currency")
            };
            let sorted: BTreeMap<&String, &Value> =
                fields.iter().filter(|(name, field)| says(name, field)).collect();
            let said = sorted.into_iter().map(|(name, field)| {
                let at = field.as_str().filter(|_| is_time(name)).and_then(|text| text.parse().ok());
                let said = money(name, value).or(at.map(exact)).unwrap_or_else(|| short(field));
                format!("{} {said}", titled(name))
            });
            said.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join("; "),
        Value::String(text) => one_line(text),
        Value::Null => "–".into(),
        other => other.to_string(),
    }
}

/// An amount with its currency, and nothing else.
fn sum(value: &Value) -> Option<String> {
    value.as_object().filter(|fields| fields.len() == 2)?;
    money("amount", value)
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.is_empty()) || value.as_array().is_some_and(Vec::is_empty)
}

/// Without line breaks and whatever else would move the cursor: the text may come from outside.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn shown(name: &str, object: Value) -> String {
        Cell::of(name, &object, Look { paint: Paint(false), width: None, verbose: false, now: NOW }).text
    }

    #[test]
    fn a_text_from_outside_cannot_move_the_cursor() {
        assert_eq!(shown("name", json!({ "name": "a\u{1b}[2Jb\nc" })), "a [2Jb c");
    }

    #[test]
    fn a_type_of_an_event_stays_as_stripe_writes_it() {
        assert_eq!(titled("payment_intent.succeeded"), "payment_intent.succeeded");
        assert_eq!(titled("age_seconds"), "age seconds");
    }

    #[test]
    fn a_number_is_a_sum_only_beside_its_currency() {
        assert_eq!(shown("total_amount", json!({ "total_amount": 4900, "currency": "usd" })), "49.00 usd");
        assert_eq!(shown("total_amount", json!({ "total_amount": 4900 })), "4900");
        assert_eq!(
            short(&json!({ "paid_amount": 4900, "currency": "usd", "agrees": true })),
            "agrees true, paid amount 49.00 usd"
        );
        assert_eq!(shown("attempts", json!({ "attempts": 3, "currency": "usd" })), "3");
        let whole = json!({ "amount": { "amount": 4900, "currency": "usd" }, "reason": "fraudulent" });
        assert_eq!(shown("amount", whole.clone()), "49.00 usd");
        assert_eq!(short(&whole), "amount 49.00 usd, reason fraudulent");
        assert_eq!(short(&json!({ "due_by": NOW })), "due by 2026-09-21 14:13:20 UTC");
        assert_eq!(short(&json!({ "b": 1, "a": 2 })), short(&json!({ "a": 2, "b": 1 })));
    }

    #[test]
    fn times_are_ages_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (-5, "5 s ago"),
            (-240, "4 min ago"),
            (-10_000, "2 h ago"),
            (-900_000, "10 days ago"),
            (1_500, "in 25 min"),
        ] {
            let at = Timestamp::from_seconds(1_790_000_000 + seconds);
            assert_eq!(shown("created_at", json!({ "created_at": at })), text);
        }
        assert_eq!(shown("created_at", json!({ "created_at": "soon" })), "soon");
    }
}
