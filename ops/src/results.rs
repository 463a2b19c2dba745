//! What the checks found when they last ran on schedule, kept so that every node and every page shows the same without
//! running them; and whose turn it is to run them.

use db::{Row, Tx};
use kernel::{Duration, Result, Timestamp};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::snoozes::{self, Snooze};
use crate::{Finding, Severity};

/// So many findings are kept of each check; all are counted.
pub const KEPT: usize = 50;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// The check's name.
    pub check: String,
    /// How many findings there were.
    pub count: i64,
    /// Since when the oldest of them is so, as far as the rows tell.
    pub oldest: Option<Timestamp>,
    /// When it ran.
    pub checked_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The findings in the form in which the API shows them; at most [`KEPT`].
    pub findings: Vec<serde_json::Value>,
}

impl CheckResult {
    /// What `check` found, when it ran from `began` to `ended`.
    pub fn new(check: &str, found: &[Finding], began: Timestamp, ended: Timestamp) -> Self {
        CheckResult {
            check: check.to_owned(),
            count: found.len() as i64,
            oldest: found.iter().filter_map(|finding| finding.since).min(),
            checked_at: ended,
            took_ms: ended.since(began).as_millis() as i64,
            findings: found.iter().take(KEPT).map(|finding| json!(finding)).collect(),
        }
    }
}

/// What one check found, parted by what operators have put off.
#[derive(Debug, Clone, PartialEq)]
pub struct Parted<'r> {
    /// What was put off, and how.
    pub asleep: Vec<(&'r serde_json::Value, &'r Snooze)>,
    /// What was not, as far as it was kept.
    pub awake: Vec<&'r serde_json::Value>,
    /// How many are open. All are counted, and only the first are kept: what is not known to be put off is open.
    pub open: i64,
    /// Since when the oldest open one is so, as far as the rows tell.
    pub oldest: Option<Timestamp>,
}

impl CheckResult {
    /// What is put off, and what is open.
    pub fn parted<'r>(&'r self, snoozes: &'r [Snooze], now: Timestamp) -> Parted<'r> {
        let all: Vec<_> = self.findings.iter().map(finding).collect();
        let found = snoozes::found(all.iter().map(|(subject, text, since)| (&**subject, &**text, *since)));
        let (mut asleep, mut awake, mut oldest) = (Vec::new(), Vec::new(), None);
        for (kept, (subject, _, since)) in self.findings.iter().zip(&all) {
            match snoozes.iter().find(|snooze| snooze.covers(&self.check, subject, &found, now)) {
                Some(snooze) => asleep.push((kept, snooze)),
                None => {
                    awake.push(kept);
                    oldest = oldest.into_iter().chain(*since).min();
                }
            }
        }
        let all_are_kept = self.count as usize == self.findings.len();
        Parted {
            open: self.count - asleep.len() as i64,
            oldest: if all_are_kept { oldest } else { self.oldest },
            asleep,
            awake,
        }
    }
}

/// Whoever holds this runs the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(Uuid);

/// Takes the turn until then; nothing while another process has it.
pub fn take_turn(tx: &mut Tx<'_>, holder: Uuid, now: Timestamp, hold: Duration) -> Result<Option<Turn>> {
    let taken = tx.execute(
        "UPDATE check_turns SET holder = $1, held_until = $2
         WHERE id = 1 AND (held_until IS NULL OR held_until <= $3)",
        &[holder.into(), (now + hold).into(), now.into()],
    )?;
    Ok((taken == 1).then_some(Turn(holder)))
}

/// Keeps a result and holds the turn longer; false, and nothing is kept, when another has taken it over.
pub fn store(
    tx: &mut Tx<'_>,
    turn: Turn,
    place: i64,
    result: &CheckResult,
    until: Timestamp,
) -> Result<bool> {
    let mine = tx.execute(
        "UPDATE check_turns SET held_until = $1 WHERE id = 1 AND holder = $2",
        &[until.into(), turn.0.into()],
    )?;
    if mine == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO check_results (name, place, findings_count, oldest, checked_at, took_ms, findings)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (name) DO UPDATE SET place = excluded.place, findings_count = excluded.findings_count,
           oldest = excluded.oldest, checked_at = excluded.checked_at, took_ms = excluded.took_ms,
           findings = excluded.findings",
        &[
            (&result.check).into(),
            place.into(),
            result.count.into(),
            result.oldest.into(),
            result.checked_at.into(),
            result.took_ms.into(),
            serde_json::Value::from(result.findings.clone()).into(),
        ],
    )?;
    Ok(true)
}

/// Lets another have the turn. What a check found that no version runs any more is forgotten after a day.
pub fn end_turn(tx: &mut Tx<'_>, turn: Turn, now: Timestamp) -> Result<()> {
    let free = "UPDATE check_turns SET holder = NULL, held_until = NULL WHERE id = 1 AND holder = $1";
    if tx.execute(free, &[turn.0.into()])? == 1 {
        let old = now - Duration::from_secs(24 * 3600);
        tx.execute("DELETE FROM check_results WHERE checked_at < $1", &[old.into()])?;
    }
    Ok(())
}

/// What each check found when it last ran, in the order of the list of checks; a check that has not run yet is not there.
pub fn latest(tx: &mut Tx<'_>) -> Result<Vec<CheckResult>> {
    tx.query("SELECT * FROM check_results ORDER BY place, name", &[])?.iter().map(read).collect()
}

/// What a kept finding is about, what it says, and since when it is so.
pub fn finding(kept: &serde_json::Value) -> (String, String, Option<Timestamp>) {
    let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
    (text("subject"), text("text"), kept["since"].as_str().and_then(|at| at.parse().ok()))
}

fn read(row: &Row) -> Result<CheckResult> {
    let findings: serde_json::Value = row.get("findings")?;
    Ok(CheckResult {
        check: row.get("name")?,
        count: row.get("findings_count")?,
        oldest: row.get("oldest")?,
        checked_at: row.get("checked_at")?,
        took_ms: row.get("took_ms")?,
        findings: findings.as_array().cloned().unwrap_or_default(),
    })
}

impl Severity {
    /// The word by which it is stored, shown and sent to whoever is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
            Severity::Info => "info",
        }
    }
}
