//! A runbook, and what it says about a subject: the cause first, what mends it next, and below it what it is seen by.

use ops::Proof;
use serde_json::Value;

use super::cell::one_line;
use super::change::proofs;
use super::{Look, Shown, fields, plan, receipt, table, wrap};
use crate::cli::backend::Receipt;
use crate::cli::terminal::Tone;

/// Anything whose object begins with `runbook`.
pub fn runbook(answer: &Value, look: Look) -> String {
    match answer["object"].as_str() {
        Some("runbook") => page(answer, look),
        Some("runbook_explanation") => explanation(answer, look),
        Some("runbook_plan") => planned(answer, look),
        Some("runbook_verification") => verification(answer, look),
        Some("runbook_reply") => prose(said(answer, "text"), look),
        _ => fields(answer, look),
    }
}

fn said<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_default()
}

fn prose(text: &str, look: Look) -> String {
    let width = look.width.unwrap_or(100).min(100);
    wrap(text, width).into_iter().map(|line| format!("{line}\n")).collect()
}

/// What is wrong, in one line.
fn headline(answer: &Value, look: Look) -> String {
    let fine = answer["fine"] == true;
    let (mark, tone) = if fine { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let cause = look.paint.tone(Tone::Bold, said(answer, "cause"));
    format!("{} {cause} — {}\n", look.paint.tone(tone, mark), one_line(said(answer, "because")))
}

fn explanation(answer: &Value, look: Look) -> String {
    let mut text = headline(answer, look);
    text.push_str(&format!("  {}\n", look.paint.tone(Tone::Dim, said(answer, "means"))));
    for (title, command) in [("mend:", &answer["mend"]["command"]), ("next:", &answer["next"])] {
        if let Some(command) = command.as_str() {
            text.push_str(&format!("  {} {command}\n", look.paint.tone(Tone::Good, title)));
        }
    }
    text.push_str(&section("facts", &["fact", "seen"], &answer["facts"], look));
    text
}

fn planned(answer: &Value, look: Look) -> String {
    let mut text = headline(answer, look);
    match serde_json::from_value::<Receipt>(answer.clone()) {
        Ok(of) if of.operation.is_empty() => {}
        Ok(of) if of.status == "previewed" => text.push_str(&plan(&of, look)),
        Ok(of) => text.push_str(&receipt(&of, Shown::NotYet, look)),
        Err(_) => text.push_str(&fields(answer, look)),
    }
    if let Some(next) = answer["next"].as_str() {
        text.push_str(&format!("  {} {next}\n", look.paint.tone(Tone::Good, "next:")));
    }
    text
}

fn verification(answer: &Value, look: Look) -> String {
    let all: Vec<Proof> = serde_json::from_value(answer["verify"].clone()).unwrap_or_default();
    format!("{}{}", headline(answer, look), proofs(&all, look))
}

fn page(answer: &Value, look: Look) -> String {
    let mut text = format!("{}\n\n", look.paint.tone(Tone::Bold, said(answer, "title")));
    text.push_str(&prose(said(answer, "symptom"), look));
    let id = said(answer, "id");
    text.push_str(&format!("\nmakegood runbook explain {id} SUBJECT   ({})\n", said(answer, "subject")));
    text.push_str(&section("causes", &["name", "means", "mend"], &answer["causes"], look));
    text.push_str(&section("checks", &["name", "severity", "must"], &answer["checks"], look));
    text.push_str(&section("found now", &["check", "subject", "text", "since"], &answer["findings"], look));
    for quote in answer["seed"].as_array().into_iter().flatten() {
        let from = look.paint.tone(Tone::Dim, said(quote, "from"));
        text.push_str(&format!("\n{from}\n"));
        said(quote, "text").lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}

fn section(title: &str, columns: &[&str], rows: &Value, look: Look) -> String {
    match rows.as_array() {
        Some(rows) if !rows.is_empty() => {
            format!("\n{}\n{}", look.paint.tone(Tone::Bold, title), table(columns, rows, look))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use kernel::Timestamp;
    use serde_json::json;

    fn shown(answer: &Value) -> String {
        runbook(
            answer,
            Look { paint: Paint(false), width: None, verbose: false, now: Timestamp::from_seconds(0) },
        )
    }

    #[test]
    fn the_cause_is_the_first_line_what_mends_it_follows_and_the_facts_come_last() {
        let text = shown(&json!({
            "object": "runbook_explanation", "cause": "gave_up", "because": "event evt_1 is error", "fine": false,
            "means": "Processing failed.", "mend": { "command": "makegood events replay evt_1" },
            "next": "makegood runbook preview webhook-failed evt_1",
            "facts": [{ "fact": "event", "seen": "evt_1 is error" }],
        }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "✗ gave_up — event evt_1 is error");
        assert_eq!(lines[2], "  mend: makegood events replay evt_1");
        assert_eq!(lines[3], "  next: makegood runbook preview webhook-failed evt_1");
        assert!(text.ends_with("fact   seen\nevent  evt_1 is error\n"), "{text}");
    }

    #[test]
    fn a_plan_shows_its_changes_and_its_id() {
        let text = shown(&json!({
            "object": "runbook_plan", "cause": "gave_up", "because": "b", "fine": false, "id": "op_1",
            "operation": "events.replay", "status": "previewed", "plan": [{ "what": "event", "from": "a", "to": "b" }],
            "guards": [], "plan_id": "plan_1", "verify": [], "verified": true, "audit_id": null,
        }));
        assert!(text.contains("events.replay would change") && text.contains("plan_1"), "{text}");
    }
}
