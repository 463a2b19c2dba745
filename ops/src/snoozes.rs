//! Findings that an operator has seen and put off: until then they are folded away where people look. Nothing that counts or
//! calls somebody knows of it. A finding that changes is another one, and is not put off.

use std::collections::BTreeMap;

use db::{Row, Tx};
use kernel::{Result, Timestamp};
use serde::Serialize;

/// One finding that was put off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snooze {
    /// Which check found it.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// All that the check found about it then.
    pub found: String,
    /// Until when.
    pub until: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When they did it.
    pub at: Timestamp,
}

impl Snooze {
    /// Whether this very finding was put off, and the time is not over. `found` is what the check finds now.
    pub fn covers(&self, check: &str, subject: &str, found: &Found, now: Timestamp) -> bool {
        now < self.until
            && self.check == check
            && self.subject == subject
            && found.get(subject).is_some_and(|words| *words == self.found)
    }

    /// In a sentence: until when, by whom, and why.
    pub fn in_words(&self) -> String {
        format!("snoozed until {} by {}, because {}", self.until.in_words(), self.by, self.reason)
    }
}

/// What a check finds, for each thing in all its words: the texts, and since when each is so.
pub type Found = BTreeMap<String, String>;

/// Findings put together by what they are about: subject, text, since when.
pub fn found<'f>(all: impl Iterator<Item = (&'f str, &'f str, Option<Timestamp>)>) -> Found {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (subject, text, since) in all {
        let since = since.map(|at| at.to_string()).unwrap_or_default();
        lines.entry(subject).or_default().push(format!("{since} {text}"));
    }
    let whole = |mut lines: Vec<String>| {
        lines.sort_unstable();
        lines.join("\n")
    };
    lines.into_iter().map(|(subject, lines)| (subject.to_owned(), whole(lines))).collect()
}

/// All of them, of findings that are still the same or not.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Snooze>> {
    tx.query("SELECT * FROM finding_snoozes ORDER BY check_name, subject", &[])?.iter().map(read).collect()
}

/// That of one thing that a check finds.
pub fn find(tx: &mut Tx<'_>, check: &str, subject: &str) -> Result<Option<Snooze>> {
    let sql = "SELECT * FROM finding_snoozes WHERE check_name = $1 AND subject = $2";
    tx.query_opt(sql, &[check.into(), subject.into()])?.as_ref().map(read).transpose()
}

/// Puts a finding off, also one that was put off before.
pub fn put(tx: &mut Tx<'_>, snooze: &Snooze) -> Result<()> {
    tx.execute(
        "INSERT INTO finding_snoozes (check_name, subject, found, ends_at, actor, reason, snoozed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (check_name, subject) DO UPDATE SET found = excluded.found, ends_at = excluded.ends_at,
           actor = excluded.actor, reason = excluded.reason, snoozed_at = excluded.snoozed_at",
        &[
            (&snooze.check).into(),
            (&snooze.subject).into(),
            (&snooze.found).into(),
            snooze.until.into(),
            (&snooze.by).into(),
            (&snooze.reason).into(),
            snooze.at.into(),
        ],
    )
    .map(drop)
}

/// Takes it back; false when there was none.
pub fn remove(tx: &mut Tx<'_>, check: &str, subject: &str) -> Result<bool> {
    let sql = "DELETE FROM finding_snoozes WHERE check_name = $1 AND subject = $2";
    Ok(tx.execute(sql, &[check.into(), subject.into()])? > 0)
}

/// Forgets those whose time is over, whose finding is gone or has become another: should the same come again, it is new.
/// `found` is everything that the check finds now.
pub fn tidy(tx: &mut Tx<'_>, check: &str, found: &Found, now: Timestamp) -> Result<()> {
    let sql = "SELECT * FROM finding_snoozes WHERE check_name = $1";
    let kept: Vec<Snooze> = tx.query(sql, &[check.into()])?.iter().map(read).collect::<Result<_>>()?;
    for snooze in kept {
        if !snooze.covers(check, &snooze.subject, found, now) {
            remove(tx, check, &snooze.subject)?;
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<Snooze> {
    Ok(Snooze {
        check: row.get("check_name")?,
        subject: row.get("subject")?,
        found: row.get("found")?,
        until: row.get("ends_at")?,
        by: row.get("actor")?,
        reason: row.get("reason")?,
        at: row.get("snoozed_at")?,
    })
}
