//! `makegood check`: what must be true, whether it is, and what mends what is not.

use db::Tx;
use kernel::{Result, Timestamp};
use ops::Check;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exit::Exit;
use super::render::{Cell, Look};
use super::terminal::Tone;

/// One check and what it found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// Its stable name.
    pub name: String,
    /// `page` or `ticket`.
    pub severity: String,
    /// What must be true.
    pub must: String,
    /// What a finding means and what mends it.
    pub means: String,
    /// How many findings.
    pub count: usize,
    /// Since when the oldest is so.
    pub oldest: Option<Timestamp>,
    /// The findings.
    pub findings: Vec<Value>,
}

/// All checks and what they found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// `check_report`.
    pub object: String,
    /// Each check.
    pub checks: Vec<Checked>,
}

impl Report {
    /// Runs `checks` on one consistent view.
    pub fn make(checks: &[Check], tx: &mut Tx<'_>, now: Timestamp) -> Result<Report> {
        let checks = checks.iter().map(|check| checked(check, tx, now)).collect::<Result<_>>()?;
        Ok(Report { object: "check_report".into(), checks })
    }

    /// How many things are not as they must be.
    pub fn count(&self) -> usize {
        self.checks.iter().map(|check| check.count).sum()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!(self)
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        if self.count() == 0 { Exit::Ok } else { Exit::Findings }
    }

    /// For people.
    pub fn text(&self, look: Look) -> String {
        let widest = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let mut text: String = self.checks.iter().map(|check| line(check, widest, look)).collect();
        for check in self.checks.iter().filter(|check| check.count > 0) {
            text.push_str(&details(check, look));
        }
        let all = self.checks.len();
        text.push_str(&match self.count() {
            0 => format!("\n{all} checks, nothing found\n"),
            1 => format!("\n{all} checks, 1 finding\n"),
            count => format!("\n{all} checks, {count} findings\n"),
        });
        text
    }
}

fn checked(check: &Check, tx: &mut Tx<'_>, now: Timestamp) -> Result<Checked> {
    let findings = check.run(tx, now)?;
    Ok(Checked {
        name: check.name.into(),
        severity: json!(check.severity).as_str().unwrap_or_default().into(),
        must: check.must.into(),
        means: check.means.into(),
        count: findings.len(),
        oldest: findings.iter().filter_map(|finding| finding.since).min(),
        findings: findings.iter().map(|finding| json!(finding)).collect(),
    })
}

fn line(check: &Checked, widest: usize, look: Look) -> String {
    let tone = match (check.count, check.severity.as_str()) {
        (0, _) => Tone::Good,
        (_, "page") => Tone::Bad,
        _ => Tone::Warn,
    };
    let mark = look.paint.tone(tone, if check.count == 0 { "✓" } else { "✗" });
    let said = if check.count == 0 {
        look.paint.tone(Tone::Dim, &check.must)
    } else {
        let oldest = check.oldest.map(|_| Cell::of("oldest", &json!({ "oldest": check.oldest }), look).text);
        let oldest = oldest.map(|oldest| format!(", the oldest since {oldest}")).unwrap_or_default();
        look.paint.tone(tone, &format!("{} found ({}){oldest}", check.count, check.severity))
    };
    format!("{mark} {:widest$}  {said}\n", check.name)
}

fn details(check: &Checked, look: Look) -> String {
    let title = look.paint.tone(Tone::Bold, &check.name);
    let mut text = format!("\n{title}: {}\n{}\n", check.must, look.paint.tone(Tone::Dim, &check.means));
    for finding in &check.findings {
        let said = |name: &str| Cell::of(name, finding, look).text;
        text.push_str(&format!("  {}  {}", said("subject"), said("text")));
        if !finding["since"].is_null() {
            text.push_str(&look.paint.tone(Tone::Dim, &format!(" ({})", said("since"))));
        }
        text.push('\n');
        if let Some(command) = finding["mend"]["command"].as_str() {
            text.push_str(&format!("    {} {command}\n", look.paint.tone(Tone::Good, "mend:")));
        }
    }
    text
}
