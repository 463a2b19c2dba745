//! A case: the verdict in one line, what mends it, and below it what it is seen by.

use serde_json::Value;

use super::cell::one_line;
use super::{Look, table};
use crate::cli::terminal::Tone;

/// The answer of `case` for people.
pub fn case(case: &Value, look: Look) -> String {
    let fine = case["access"] == true;
    let (mark, tone) = if fine { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let verdict = one_line(case["verdict"].as_str().unwrap_or_default());
    let mut text = format!("{} {}\n", look.paint.tone(tone, mark), look.paint.tone(Tone::Bold, &verdict));
    for (title, name) in [("mend:", "command"), (" api:", "api")] {
        if let Some(said) = case["mend"][name].as_str() {
            text.push_str(&format!("  {} {}\n", look.paint.tone(Tone::Good, title), one_line(said)));
        }
    }
    if let Some(note) = case["note"].as_str() {
        text.push_str(&format!("  {}\n", look.paint.tone(Tone::Dim, &one_line(note))));
    }
    let rows = |name: &str| case[name].as_array().cloned().unwrap_or_default();
    let goods = rows("goods");
    if goods.len() > 1 {
        text.push_str(&section("goods", &["product", "place", "says"], &goods, look));
    }
    text.push_str(&section("evidence", &["kind", "id", "status", "says"], &rows("evidence"), look));
    text
}

fn section(title: &str, columns: &[&str], rows: &[Value], look: Look) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("\n{}\n{}", look.paint.tone(Tone::Bold, title), table(columns, rows, look))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use kernel::Timestamp;
    use serde_json::json;

    fn shown(answer: &Value) -> String {
        case(
            answer,
            Look { paint: Paint(false), width: None, verbose: false, now: Timestamp::from_seconds(0) },
        )
    }

    #[test]
    fn the_verdict_is_the_first_line_and_what_mends_it_the_next() {
        let text = shown(&json!({
            "object": "case", "access": false, "verdict": "no access: event failed — event evt_1 is error",
            "mend": { "command": "makegood events replay evt_1", "api": "POST /api/v1/admin/events/evt_1/replay" },
            "evidence": [{ "kind": "event", "id": "evt_1", "status": "error", "says": "boom" }],
        }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "✗ no access: event failed — event evt_1 is error");
        assert_eq!(lines[1], "  mend: makegood events replay evt_1");
        assert_eq!(lines[2], "   api: POST /api/v1/admin/events/evt_1/replay");
        assert!(text.contains("event  evt_1  error"), "{text}");
    }

    #[test]
    fn what_is_fine_is_one_line() {
        let text = shown(
            &json!({ "object": "case", "access": true, "verdict": "has access: a", "goods": [{}], "evidence": [] }),
        );
        assert_eq!(text, "✓ has access: a\n");
    }
}
