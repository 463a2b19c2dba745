//! `makegood check`: what must be true, whether it is, and what mends what is not.

use db::Tx;
use kernel::{Result, Timestamp};
use ops::{Check, in_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exit::Exit;
use super::render::{Cell, Look, ago, cut};
use super::terminal::Tone;

/// One check and what it found, in the form in which the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// `check`.
    pub object: String,
    /// Its stable name.
    pub name: String,
    /// `page` or `ticket`.
    pub severity: String,
    /// What must be true.
    pub must: String,
    /// What a finding means and what mends it.
    pub means: String,
    /// The runbook to which its findings lead.
    #[serde(default)]
    pub runbook: Option<String>,
    /// What was found.
    pub findings: Vec<Value>,
}

impl Checked {
    /// Since when the oldest finding is so.
    fn oldest(&self) -> Option<Timestamp> {
        self.findings.iter().filter_map(|finding| finding["since"].as_str()?.parse().ok()).min()
    }
}

/// All checks and what they found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each check.
    pub checks: Vec<Checked>,
}

impl Report {
    /// Runs `checks` on one consistent view.
    pub fn make(checks: &[Check], tx: &mut Tx<'_>, now: Timestamp) -> Result<Report> {
        Ok(Report { checks: checks.iter().map(|check| checked(check, tx, now)).collect::<Result<_>>()? })
    }

    /// How many things are not as they must be.
    pub fn count(&self) -> usize {
        self.checks.iter().map(|check| check.findings.len()).sum()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let data = self.checks.iter().map(|check| {
            let mut shown = json!(check);
            shown["count"] = check.findings.len().into();
            shown["oldest"] = json!(check.oldest());
            shown
        });
        json!({ "object": "list", "data": data.collect::<Vec<_>>(), "has_more": false, "findings": self.count() })
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        if self.count() == 0 { Exit::Ok } else { Exit::Findings }
    }

    /// For people.
    pub fn text(&self, look: Look) -> String {
        let widest = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let mut text: String = self.checks.iter().map(|check| line(check, widest, look)).collect();
        for check in self.checks.iter().filter(|check| !check.findings.is_empty()) {
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
    let findings = check.run(tx, now)?.iter().map(shop::runbooks::shown).collect();
    let (object, severity) = ("check".to_owned(), check.severity.as_str().to_owned());
    let (name, must, means) = (check.name.to_owned(), check.must.to_owned(), check.means.to_owned());
    let runbook = shop::runbooks::of_check(check.name).map(|runbook| runbook.id.to_owned());
    Ok(Checked { object, name, severity, must, means, runbook, findings })
}

fn line(check: &Checked, widest: usize, look: Look) -> String {
    let count = check.findings.len();
    let (mark, tone) = match (count, check.severity.as_str()) {
        (0, _) => ("✓", Tone::Good),
        (_, "page") => ("✗", Tone::Bad),
        _ => ("✗", Tone::Warn),
    };
    let said = match (count, check.oldest()) {
        (0, _) => {
            let room = look
                .width
                .filter(|_| !look.verbose)
                .map_or(usize::MAX, |width| width.saturating_sub(widest + 4));
            look.paint.tone(Tone::Dim, &cut(&check.must, room))
        }
        (_, None) => look.paint.tone(tone, &format!("{} ({})", in_all(count), check.severity)),
        (_, Some(oldest)) => look.paint.tone(
            tone,
            &format!("{} ({}), the oldest {}", in_all(count), check.severity, ago(oldest, look.now)),
        ),
    };
    format!("{} {:widest$}  {said}\n", look.paint.tone(tone, mark), check.name)
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
        for (title, command) in [("why:", &finding["explain"]), ("mend:", &finding["mend"]["command"])] {
            if let Some(command) = command.as_str() {
                text.push_str(&format!(
                    "    {} {command}\n",
                    look.paint.tone(Tone::Good, &format!("{title:>5}"))
                ));
            }
        }
    }
    text
}
