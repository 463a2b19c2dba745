//! Runs the checks again and again and keeps what they find. One process does it at a time; each check has a view of its
//! own, and one that takes long is run less often.

use db::TxResult;
use kernel::{Duration, Error, Result, Timestamp};
use ops::results::{self, CheckResult, Turn};
use ops::snoozes::{self, Found};
use ops::{Check, Finding};

use crate::seam::Seam;

/// A check is run this long after it last ran.
const PACE: Duration = Duration::from_secs(55);
/// One that takes long leaves the database alone for this many times as long.
const REST: u32 = 50;
/// So long the turn is held for one check; longer than a statement may take.
const HOLD: Duration = Duration::from_secs(120);

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Checks that ran.
    pub ran: u64,
    /// Checks that could not be run, and why.
    pub failed: Vec<(&'static str, String)>,
}

/// Runs the checks that are due, unless another process does.
///
/// # Errors
/// When whose turn it is cannot be read. A check that fails does not keep the others from running.
pub async fn watch(seam: &Seam) -> Result<Watched> {
    watch_with(seam, &crate::checks()).await
}

/// The same with other checks.
///
/// # Errors
/// As [`watch`].
pub async fn watch_with(seam: &Seam, checks: &[Check]) -> Result<Watched> {
    let mut done = Watched::default();
    let due = due(seam, checks).await?;
    if due.is_empty() {
        return Ok(done);
    }
    let cx = seam.cx();
    let holder = cx.id::<ops::audit::AuditKind>().uuid();
    let take = move |tx: &mut db::Tx<'_>| results::take_turn(tx, holder, cx.now, HOLD);
    let Some(turn) = seam.db.write("checks.take", take).await.safe_to_repeat()? else { return Ok(done) };
    for (place, check) in due {
        match run(seam, turn, place, check).await {
            Ok(true) => done.ran += 1,
            // Another has taken over, because we were too slow: it goes on.
            Ok(false) => return Ok(done),
            Err(error) => done.failed.push((check.name, error.to_string())),
        }
    }
    let now = seam.now();
    seam.db.write("checks.end", move |tx| results::end_turn(tx, turn, now)).await.safe_to_repeat()?;
    Ok(done)
}

async fn due(seam: &Seam, checks: &[Check]) -> Result<Vec<(i64, Check)>> {
    let (known, now) = (seam.db.read("checks.latest", results::latest).await?, seam.now());
    let last = |check: &Check| known.iter().find(|result| result.check == check.name);
    let is_due =
        |check: &Check| last(check).is_none_or(|result| now >= next(result) || now < result.checked_at);
    Ok((0..).zip(checks.iter().copied()).filter(|(_, check)| is_due(check)).collect())
}

fn next(result: &CheckResult) -> Timestamp {
    result.checked_at + pace(result)
}

fn pace(result: &CheckResult) -> Duration {
    PACE.max(Duration::from_millis(result.took_ms.max(0) as u64).saturating_mul(REST))
}

/// Whether a result says nothing of now: the check was due long ago, and nobody has run it.
pub fn is_stale(result: &CheckResult, now: Timestamp) -> bool {
    now.since(result.checked_at) > pace(result) * 4
}

async fn run(seam: &Seam, turn: Turn, place: i64, check: Check) -> Result<bool> {
    let began = seam.now();
    let found = seam.db.read("checks.run", move |tx| check.run(tx, began)).await?;
    let ended = seam.now();
    let result = CheckResult::new(check.name, &found, began, ended);
    let all = known(&found);
    let store = move |tx: &mut db::Tx<'_>| {
        let stored = results::store(tx, turn, place, &result, ended + HOLD)?;
        if let (true, Some(all)) = (stored, &all) {
            snoozes::tidy(tx, check.name, all, ended)?;
        }
        Ok(stored)
    };
    let stored: Result<bool, Error> = seam.db.write("checks.store", store).await.safe_to_repeat();
    stored
}

/// A check that finds more than this may have left some out.
const WHOLE: usize = 200;

/// Everything that was found; nothing when it may not be everything.
fn known(found: &[Finding]) -> Option<Found> {
    let each = found.iter().map(|found| (found.subject.as_str(), found.text.as_str(), found.since));
    (found.len() < WHOLE).then(|| snoozes::found(each))
}
