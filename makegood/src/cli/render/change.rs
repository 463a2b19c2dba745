//! What an operation would change, and what it has changed.

use ops::{Change, Guard, Proof};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::Look;
use super::cell::{Cell, cut, one_line};
use super::table::grid;
use crate::cli::backend::Receipt;
use crate::cli::terminal::Tone;

/// The plan: what, from → to; then the guards.
pub fn plan(receipt: &Receipt, look: Look) -> String {
    let name = look.paint.tone(Tone::Bold, &receipt.operation);
    if receipt.plan.is_empty() && receipt.guards.iter().all(|guard| guard.holds) {
        let guards = guards(&receipt.guards, look);
        return format!("{name}: nothing would change, it is so already\n{guards}");
    }
    let mut text = format!("{name} would change\n{}", changes(&receipt.plan, look));
    text.push_str(&guards(&receipt.guards, look));
    text.push_str(&look.paint.tone(Tone::Dim, &format!("  {}", receipt.plan_id)));
    text.push('\n');
    text
}

/// Whether the changes have been seen already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As a plan, just before.
    Before,
    /// Not yet.
    NotYet,
}

/// What was done, and what was read back.
pub fn receipt(receipt: &Receipt, shown: Shown, look: Look) -> String {
    let (mark, tone) = if receipt.verified { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let said = match receipt.status.as_str() {
        "already" => "was so already; nothing was changed",
        _ => "applied",
    };
    let name = look.paint.tone(Tone::Bold, &receipt.operation);
    let mut text = format!("{} {name} {said}\n", look.paint.tone(tone, mark));
    if shown == Shown::NotYet {
        text.push_str(&changes(&receipt.plan, look));
    }
    text.push_str(&proofs(&receipt.verify, look));
    if let Some(audit) = &receipt.audit_id {
        text.push_str(&look.paint.tone(Tone::Dim, &format!("  in the audit log as {audit}")));
        text.push('\n');
    }
    text
}

fn changes(changes: &[Change], look: Look) -> String {
    let rows: Vec<(String, String, String)> = changes.iter().map(|change| shown(change, look)).collect();
    let widest = |of: fn(&(String, String, String)) -> &String| {
        rows.iter().map(|row| of(row).width()).max().unwrap_or(0)
    };
    let (first, second) = (widest(|row| &row.0), widest(|row| &row.1));
    let room = look.width.map_or(usize::MAX, |width| width.saturating_sub(first + second + 8)).max(24);
    let pad = |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(text.width())));
    rows.iter()
        .map(|(what, from, to)| {
            let to = if look.verbose { to.clone() } else { cut(to, room) };
            let from = look.paint.tone(Tone::Dim, &pad(from, second));
            format!("  {}  {from} → {}\n", pad(what, first), look.paint.tone(Tone::Bold, &to))
        })
        .collect()
}

/// A change in three short texts. Whole objects are reduced to the fields that differ.
fn shown(change: &Change, look: Look) -> (String, String, String) {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let (from, to) = match (object(&change.from), object(&change.to)) {
        (Some(from), Some(to)) => difference(&from, &to),
        (None, Some(to)) => (change.from.clone(), summary(&to)),
        (Some(from), None) => (summary(&from), change.to.clone()),
        (None, None) => (change.from.clone(), change.to.clone()),
    };
    let from = if look.verbose { from } else { cut(&from, 40) };
    (one_line(&change.what), one_line(&from), one_line(&to))
}

fn difference(from: &Value, to: &Value) -> (String, String) {
    let names = to.as_object().into_iter().flat_map(|map| map.keys());
    let differing: Vec<&String> = names.filter(|name| from[name.as_str()] != to[name.as_str()]).collect();
    let side = |object: &Value| {
        let said =
            differing.iter().map(|name| format!("{name} {}", super::cell::short(&object[name.as_str()])));
        said.collect::<Vec<_>>().join(", ")
    };
    (side(from), side(to))
}

fn summary(object: &Value) -> String {
    let fields = object.as_object().into_iter().flatten();
    let said = fields.filter(|(name, value)| *name != "id" && !value.is_null() && *value != "");
    said.map(|(_, value)| super::cell::short(value)).collect::<Vec<_>>().join(" · ")
}

fn guards(guards: &[Guard], look: Look) -> String {
    let rows = guards.iter().map(|guard| judged(guard.holds, &guard.name, &guard.seen));
    marked(rows.collect(), look)
}

pub(super) fn proofs(proofs: &[Proof], look: Look) -> String {
    let rows = proofs.iter().map(|proof| judged(proof.holds, &proof.must, &proof.seen));
    marked(rows.collect(), look)
}

fn judged(holds: bool, what: &str, seen: &str) -> Vec<Cell> {
    let mark = if holds { Cell::toned("✓", Tone::Good) } else { Cell::toned("✗", Tone::Bad) };
    vec![mark, Cell::plain(one_line(what).replace('_', " ")), Cell::toned(one_line(seen), Tone::Dim)]
}

fn marked(rows: Vec<Vec<Cell>>, look: Look) -> String {
    let titles = [String::new(), String::new(), String::new()];
    let lines = grid(&titles, &rows, Look { width: None, ..look }).unwrap_or_default();
    lines.lines().map(|line| format!("  {line}\n")).collect()
}
