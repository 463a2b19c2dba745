//! What the checks find, one by one, and putting one off: a list leaves it out then, while checks, gauges and alerts go on
//! counting it, because money that is wrong stays wrong while nobody looks.

use db::Tx;
use kernel::{Cx, Duration, Error, Result, Timestamp};
use ops::snoozes::{self, Found, Snooze};
use ops::{By, Check, Finding, ITSELF, Operation, Page, Plan, Proof, Risk, Role, View, page, results};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// So long a finding may be put off.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The id of a finding: which check, and about what.
fn id_of(check: &str, subject: &str) -> String {
    format!("{check}:{subject}")
}

fn check_named(id: &str) -> Result<(Check, &str)> {
    let (name, subject) = id.split_once(':').ok_or_else(|| Error::not_found("finding", id))?;
    let check = crate::checks().into_iter().find(|check| check.name == name);
    Ok((check.ok_or_else(|| Error::not_found("check", name))?, subject))
}

/// One thing that a check finds something about, as far as it can be put off.
struct Seen {
    check: Check,
    subject: String,
    text: String,
    found: Found,
}

/// What the check found when it last ran on schedule; else what it finds now. A check may take long, so an operation does
/// not run it where the answer is known.
fn seen(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<Seen> {
    let (check, subject) = check_named(id)?;
    let kept = results::latest(tx)?.into_iter().find(|result| result.check == check.name);
    let kept = kept.filter(|kept| kept.findings.iter().any(|found| found["subject"] == subject));
    let all: Vec<(String, String, Option<Timestamp>)> = match kept {
        Some(kept) => kept.findings.iter().map(results::finding).collect(),
        None => {
            let found = check.run(tx, now)?.into_iter();
            found.map(|found| (found.subject, found.text, found.since)).collect()
        }
    };
    let about = || all.iter().filter(|(about, ..)| about == subject);
    let text = about().map(|(_, text, _)| text.as_str()).collect::<Vec<_>>().join("; ");
    if about().next().is_none() {
        return Err(Error::not_found("finding", id));
    }
    let found =
        snoozes::found(about().map(|(subject, text, since)| (subject.as_str(), text.as_str(), *since)));
    Ok(Seen { check, subject: subject.to_owned(), text, found })
}

/// What a check finds, one object for each thing, with who has put it off.
fn shown(check: &Check, findings: &[Finding], all: &[Snooze], now: Timestamp) -> Vec<Value> {
    let each = findings.iter().map(|found| (found.subject.as_str(), found.text.as_str(), found.since));
    let found = snoozes::found(each);
    let mut subjects: Vec<&str> = Vec::new();
    for finding in findings {
        if !subjects.contains(&finding.subject.as_str()) {
            subjects.push(&finding.subject);
        }
    }
    let runbook = ops::Runbook::of_check(crate::RUNBOOKS, check.name);
    let one = |subject: &str| {
        let about: Vec<&Finding> = findings.iter().filter(|found| found.subject == subject).collect();
        let texts: Vec<&str> = about.iter().map(|found| found.text.as_str()).collect();
        let snooze = all.iter().find(|snooze| snooze.covers(check.name, subject, &found, now));
        json!({
            "object": "finding",
            "id": id_of(check.name, subject),
            "check": check.name,
            "severity": check.severity,
            "subject": subject,
            "text": texts.join("; "),
            "since": about.iter().filter_map(|found| found.since).min(),
            "status": if snooze.is_some() { "snoozed" } else { "open" },
            "snoozed_until": snooze.map(|snooze| snooze.until),
            "snoozed_by": snooze.map(|snooze| &snooze.by),
            "snoozed_because": snooze.map(|snooze| &snooze.reason),
            "runbook": runbook.map(|runbook| runbook.id),
            "explain": runbook.filter(|_| subject != ITSELF).map(|runbook| runbook.explain(subject)),
            "mends": about.iter().filter_map(|found| found.mend.as_ref()).collect::<Vec<_>>(),
        })
    };
    subjects.into_iter().map(one).collect()
}

/// List what the checks find now, with what was put off, until when, by whom and why
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only what this check finds
    #[arg(long)]
    #[serde(default)]
    pub check: Option<String>,
    /// Only open or snoozed ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "findings.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["check", "severity", "subject", "text", "since", "status", "snoozed_until"];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let mut checks = crate::checks();
        if let Some(wanted) = &self.check {
            checks.retain(|check| check.name == wanted);
            if checks.is_empty() {
                return Err(Error::not_found("check", wanted));
            }
        }
        if let Some(status) = self.status.as_deref().filter(|status| !["open", "snoozed"].contains(status)) {
            return Err(Error::invalid("status", format!("is `{status}`; expected open or snoozed")));
        }
        let put_off = snoozes::all(tx)?;
        let mut rows = Vec::new();
        for check in &checks {
            rows.extend(shown(check, &check.run(tx, cx.now)?, &put_off, cx.now));
        }
        rows.retain(|row| self.status.as_deref().is_none_or(|status| row["status"] == status));
        let place = |id: &str| rows.iter().position(|row| row["id"] == id);
        let after = crate::view::after_text(&self.page, "finding", |id| Ok(place(id).is_some()))?;
        if let Some(place) = after.and_then(place) {
            rows.drain(..=place);
        }
        Ok(page("/api/v1/admin/findings", &self.page, rows))
    }
}

/// Show one finding: what was seen, what explains and what mends it, and whether it was put off
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which finding: the check's name, a colon, and what it is about
    pub finding: String,
}

impl View for Show {
    const NAME: &'static str = "findings.show";
    const SUBJECT: Option<&'static str> = Some("finding");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let (check, subject) = check_named(&self.finding)?;
        let mut found = check.run(tx, cx.now)?;
        found.retain(|found| found.subject == subject);
        let object = shown(&check, &found, &snoozes::all(tx)?, cx.now).into_iter().next();
        let mut object = object.ok_or_else(|| Error::not_found("finding", &self.finding))?;
        object["must"] = check.must.into();
        object["means"] = check.means.into();
        Ok(object)
    }
}

/// Put a finding off, so that lists leave it out until then; checks and alerts go on counting it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    /// Which finding: the check's name, a colon, and what it is about
    pub finding: String,
    /// Until when, at most 30 days from now: 2026-12-01 or 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until: String,
}

impl Put {
    fn until(&self, now: Timestamp) -> Result<Timestamp> {
        let text = self.until.trim();
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let until: Timestamp = whole.parse().map_err(|_| {
            Error::invalid("until", format!("is `{text}`; expected a day or a time, like 2026-12-01"))
        })?;
        match until {
            until if until <= now => Err(Error::invalid("until", format!("{} is over", until.in_words()))),
            until if until > now + LONGEST => {
                let most = (now + LONGEST).in_words();
                Err(Error::invalid(
                    "until",
                    format!("a finding is put off for 30 days at most, until {most}"),
                ))
            }
            until => Ok(until),
        }
    }
}

fn stands(seen: &Seen, snooze: Option<&Snooze>, now: Timestamp) -> String {
    let covers = |snooze: &&Snooze| snooze.covers(seen.check.name, &seen.subject, &seen.found, now);
    snooze
        .filter(covers)
        .map_or_else(|| "open".to_owned(), |snooze| format!("snoozed until {}", snooze.until.in_words()))
}

impl Operation for Put {
    const NAME: &'static str = "findings.snooze";
    const SUBJECT: Option<&'static str> = Some("finding");
    const AUDIT: &'static str = "finding_snoozed";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let until = self.until(cx.now)?;
        let seen = seen(tx, &self.finding, cx.now)?;
        let before = snoozes::find(tx, seen.check.name, &seen.subject)?;
        Ok(Plan::default().change(
            format!("{}: {}", self.finding, seen.text),
            stands(&seen, before.as_ref(), cx.now),
            format!("snoozed until {}", until.in_words()),
        ))
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let Seen { check, subject, mut found, .. } = seen(tx, &self.finding, cx.now)?;
        let snooze = Snooze {
            check: check.name.to_owned(),
            found: found.remove(&subject).unwrap_or_default(),
            subject,
            until: self.until(cx.now)?,
            by: by.actor.name.clone(),
            reason: by.reason.clone().unwrap_or_default(),
            at: cx.now,
        };
        snoozes::put(tx, &snooze)
    }
    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        let seen = seen(tx, &self.finding, cx.now)?;
        let now = snoozes::find(tx, seen.check.name, &seen.subject)?;
        let stands = stands(&seen, now.as_ref(), cx.now);
        Ok(vec![Proof::new("the finding is put off", stands != "open", stands)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("finding", self.finding.clone())
    }
}

/// Take back that a finding was put off
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Wake {
    /// Which finding: the check's name, a colon, and what it is about
    pub finding: String,
}

impl Wake {
    fn snooze(&self, tx: &mut Tx<'_>) -> Result<Option<Snooze>> {
        let (check, subject) = check_named(&self.finding)?;
        snoozes::find(tx, check.name, subject)
    }
}

impl Operation for Wake {
    const NAME: &'static str = "findings.wake";
    const SUBJECT: Option<&'static str> = Some("finding");
    const AUDIT: &'static str = "finding_woken";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let now = self.snooze(tx)?.map_or("open".to_owned(), |snooze| snooze.in_words());
        Ok(Plan::default().change(self.finding.clone(), now, "open"))
    }
    fn apply(&self, tx: &mut Tx<'_>, _: &Cx, _: &By) -> Result<()> {
        let (check, subject) = check_named(&self.finding)?;
        snoozes::remove(tx, check.name, subject).map(drop)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let left = self.snooze(tx)?;
        let seen = left.as_ref().map_or("open".to_owned(), Snooze::in_words);
        Ok(vec![Proof::new("the finding is open", left.is_none(), seen)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("finding", self.finding.clone())
    }
}
