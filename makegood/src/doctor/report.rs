//! What doctor says: to programs as rows, to people by area.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::finding::Severity;
use crate::cli::render::Look;
use crate::cli::terminal::Tone;

/// Rows for programs, as the task gives them.
pub fn json(rows: &[Value]) -> Value {
    json!({ "object": "list", "data": rows, "has_more": false, "findings": count(rows) })
}

/// How many of them somebody has to do something about.
pub(super) fn count(rows: &[Value]) -> usize {
    rows.iter().filter(|row| severity(row).is_finding()).count()
}

fn severity(row: &Value) -> Severity {
    row["severity"].as_str().and_then(Severity::parse).unwrap_or(Severity::Error)
}

/// For people.
pub fn text(rows: &[Value], look: Look) -> String {
    let mut text = String::new();
    let mut area = "";
    let was_looked_at = |row: &&Value| row["looked"] != false;
    for row in rows.iter().filter(was_looked_at) {
        let of = row["area"].as_str().unwrap_or_default();
        if of != area {
            let space = if area.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{space}{}\n", look.paint.tone(Tone::Bold, of)));
            area = of;
        }
        text.push_str(&lines(row, look));
    }
    // One cause keeps many probes from looking; it is said once.
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| !was_looked_at(row)) {
        *why.entry(row["seen"].as_str().unwrap_or_default()).or_default() += 1;
    }
    for (why, count) in why {
        text.push_str(&format!("\n{count} {why}\n"));
    }
    let all = rows.iter().filter(was_looked_at).count();
    let end = match count(rows) {
        0 => format!("\n{all} looked at, nothing found\n"),
        1 => format!("\n{all} looked at, 1 finding\n"),
        count => format!("\n{all} looked at, {count} findings\n"),
    };
    text.push_str(&end);
    text
}

fn lines(row: &Value, look: Look) -> String {
    let severity = severity(row);
    let (mark, tone) = match severity {
        Severity::Ok => ("✓", Tone::Good),
        Severity::Info => ("·", Tone::Dim),
        Severity::Warning => ("!", Tone::Warn),
        Severity::Error => ("✗", Tone::Bad),
    };
    let said = |name: &str| row[name].as_str().unwrap_or_default();
    let number = row["prelaunch"].as_u64().map(|number| format!(" [{number}]")).unwrap_or_default();
    let seen = match severity.is_finding() {
        true => said("seen").to_owned(),
        false => look.paint.tone(Tone::Dim, said("seen")),
    };
    let mut text = format!("  {} {}{number}: {seen}\n", look.paint.tone(tone, mark), said("id"));
    if !severity.is_finding() {
        return text;
    }
    let runbook = row["runbook"].as_str().map(|id| format!("makegood runbook show {id}")).unwrap_or_default();
    for (title, what) in
        [("expected:", said("expected")), ("fix:", said("fix")), ("runbook:", runbook.as_str())]
    {
        if !what.is_empty() {
            text.push_str(&format!("      {} {what}\n", look.paint.tone(Tone::Good, title)));
        }
    }
    text
}
