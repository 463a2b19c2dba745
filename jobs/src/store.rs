//! All SQL on `jobs`.

use std::collections::BTreeSet;

use db::{Row, Tx, Value};
use kernel::planted::{Defect, planted};
use kernel::{Cx, Duration, Error, Result, Timestamp};

use crate::{Claimed, JobId, NewJob, TOPIC};

/// How many jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting or being done.
    pub queued: i64,
    /// Given up; a person has to look.
    pub failed: i64,
}

/// A job that is queued already is run at the earlier of the two times. Its fence grows: a worker that is doing it now
/// may have looked before this transaction, so its end does not count and the job is done again.
const AGAIN: &str =
    "ON CONFLICT (kind, unique_key) WHERE status = 'queued' DO UPDATE SET fence = jobs.fence + 1,
    run_at = CASE WHEN excluded.run_at < jobs.run_at THEN excluded.run_at ELSE jobs.run_at END";

/// Asks for work, in the transaction that needs it.
pub fn enqueue(tx: &mut Tx<'_>, cx: &Cx, new: Vec<NewJob>) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    if new.iter().any(|job| job.run_at <= cx.now) {
        tx.wake(TOPIC);
    }
    let mut seen = BTreeSet::new();
    let rows: Vec<Vec<Value>> = new
        .into_iter()
        .filter(|job| job.key.is_none() || seen.insert((job.kind, job.key.clone())))
        .map(|job| row(cx, job))
        .collect();
    tx.insert_many(
        "INSERT INTO jobs (id, kind, unique_key, payload, status, run_at, attempts, fence, created_at, updated_at)",
        AGAIN,
        &rows,
    )?;
    Ok(())
}

fn row(cx: &Cx, job: NewJob) -> Vec<Value> {
    vec![
        cx.uuid().into(),
        job.kind.into(),
        job.key.into(),
        job.payload.into(),
        "queued".into(),
        job.run_at.into(),
        0.into(),
        0.into(),
        cx.now.into(),
        cx.now.into(),
    ]
}

/// What a queued job was asked for has come about: it is not needed any more.
pub fn withdraw(tx: &mut Tx<'_>, kind: &str, key: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM jobs WHERE status = 'queued' AND kind = $1 AND unique_key = $2",
        &[kind.into(), key.into()],
    )?;
    Ok(())
}

/// Takes up to `most` due jobs and leases them for `lease`.
pub fn claim(tx: &mut Tx<'_>, now: Timestamp, most: i64, lease: Duration) -> Result<Vec<Claimed>> {
    let sql = format!(
        "UPDATE jobs SET run_at = $1, attempts = attempts + 1, fence = fence + 1, updated_at = $2
         WHERE id IN (SELECT id FROM jobs WHERE status = 'queued' AND run_at <= $2
                      ORDER BY run_at LIMIT $3{})
         RETURNING id, kind, payload, attempts, fence",
        tx.dialect().skip_locked()
    );
    tx.query(&sql, &[(now + lease).into(), now.into(), most.into()])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Claimed> {
    Ok(Claimed {
        id: row.get("id")?,
        kind: row.get("kind")?,
        payload: row.get("payload")?,
        attempts: row.get("attempts")?,
        fence: row.get("fence")?,
    })
}

/// The job is done. Nothing happens when another worker has claimed it since.
pub fn finish(tx: &mut Tx<'_>, job: &Claimed) -> Result<()> {
    let held = if planted(Defect::NoFencing) { "$2 > 0" } else { "fence = $2" };
    let sql = format!("DELETE FROM jobs WHERE id = $1 AND {held}");
    tx.execute(&sql, &[job.id.into(), job.fence.into()])?;
    Ok(())
}

/// The job is to be done again at `at`, or waits for a person when it has `given_up`.
pub fn put_back(
    tx: &mut Tx<'_>,
    cx: &Cx,
    job: &Claimed,
    at: Timestamp,
    error: Option<&str>,
    given_up: bool,
) -> Result<()> {
    let status = if given_up { "failed" } else { "queued" };
    // Waiting without a failure does not use up an attempt.
    let attempts = if error.is_some() { job.attempts } else { job.attempts - 1 };
    let held = if planted(Defect::NoFencing) { "$7 > 0" } else { "fence = $7" };
    let sql = format!(
        "UPDATE jobs SET status = $1, run_at = $2, last_error = $3, attempts = $4, updated_at = $5
         WHERE id = $6 AND {held}"
    );
    tx.execute(
        &sql,
        &[
            status.into(),
            at.into(),
            error.into(),
            attempts.into(),
            cx.now.into(),
            job.id.into(),
            job.fence.into(),
        ],
    )?;
    Ok(())
}

/// A person says: try the failed job again, now. Where the same work was asked for again meanwhile, that job does it and
/// the failed one goes.
pub fn retry_failed(tx: &mut Tx<'_>, cx: &Cx, id: JobId) -> Result<()> {
    let asked_again = tx.execute(
        "UPDATE jobs SET run_at = $1, fence = fence + 1, updated_at = $1 WHERE status = 'queued'
           AND (kind, unique_key) = (SELECT kind, unique_key FROM jobs WHERE id = $2 AND status = 'failed')",
        &[cx.now.into(), id.into()],
    )?;
    if asked_again > 0 {
        tx.wake(TOPIC);
        return discard(tx, id);
    }
    let changed = tx.execute(
        "UPDATE jobs SET status = 'queued', attempts = 0, run_at = $1, updated_at = $1
         WHERE id = $2 AND status = 'failed'",
        &[cx.now.into(), id.into()],
    )?;
    tx.wake(TOPIC);
    if changed == 1 { Ok(()) } else { Err(Error::not_found("failed job", id)) }
}

/// A person says: do not wait for its time. Whoever has it in hands at this moment finds that it is its own no more.
pub fn hurry(tx: &mut Tx<'_>, cx: &Cx, id: JobId) -> Result<()> {
    let changed = tx.execute(
        "UPDATE jobs SET run_at = $1, fence = fence + 1, updated_at = $1 WHERE id = $2 AND status = 'queued'",
        &[cx.now.into(), id.into()],
    )?;
    tx.wake(TOPIC);
    if changed == 1 { Ok(()) } else { Err(Error::not_found("queued job", id)) }
}

/// A person says: this failed job is not needed any more.
pub fn discard(tx: &mut Tx<'_>, id: JobId) -> Result<()> {
    let changed = tx.execute("DELETE FROM jobs WHERE id = $1 AND status = 'failed'", &[id.into()])?;
    if changed == 1 { Ok(()) } else { Err(Error::not_found("failed job", id)) }
}

/// Whether this work waits or is being done.
pub fn is_queued(tx: &mut Tx<'_>, kind: &str, key: &str) -> Result<bool> {
    let sql = "SELECT id FROM jobs WHERE status = 'queued' AND kind = $1 AND unique_key = $2";
    Ok(tx.query_opt(sql, &[kind.into(), key.into()])?.is_some())
}

/// Whether this work waits and is to be done now: asking for it once more changes nothing.
pub fn is_due(tx: &mut Tx<'_>, kind: &str, key: &str, now: Timestamp) -> Result<bool> {
    let sql =
        "SELECT id FROM jobs WHERE status = 'queued' AND kind = $1 AND unique_key = $2 AND run_at <= $3";
    Ok(tx.query_opt(sql, &[kind.into(), key.into(), now.into()])?.is_some())
}

/// How many jobs are in which state.
pub fn counts(tx: &mut Tx<'_>) -> Result<Counts> {
    Ok(Counts {
        queued: tx.count("SELECT COUNT(*) FROM jobs WHERE status = 'queued'", &[])?,
        failed: tx.count("SELECT COUNT(*) FROM jobs WHERE status = 'failed'", &[])?,
    })
}

/// When the job that is due for longest was due; nothing when none waits.
pub fn oldest_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let row = tx.query_opt("SELECT run_at FROM jobs WHERE status = 'queued' ORDER BY run_at LIMIT 1", &[])?;
    row.map(|row| row.get("run_at")).transpose()
}

/// How many jobs have given up, by kind.
pub fn failed_by_kind(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT kind, COUNT(*) AS failed FROM jobs WHERE status = 'failed' GROUP BY kind ORDER BY kind";
    tx.query(sql, &[])?.iter().map(|row| Ok((row.get("kind")?, row.get("failed")?))).collect()
}

const COLUMNS: &str =
    "id, kind, unique_key, payload, status, run_at, attempts, last_error, created_at, updated_at";

/// The jobs in `status` (or all), the soonest first.
pub fn list(tx: &mut Tx<'_>, status: Option<&str>, after: Option<JobId>, limit: i64) -> Result<Vec<Row>> {
    let filter = if status.is_some() { "status = $1" } else { "$1 = 'all'" };
    let mut params: Vec<Value> = vec![status.unwrap_or("all").into(), limit.into()];
    let rest = match after {
        None => "",
        Some(after) => {
            params.push(after.into());
            "AND (run_at, id) > (SELECT run_at, id FROM jobs WHERE id = $3)"
        }
    };
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE {filter} {rest} ORDER BY run_at, id LIMIT $2");
    tx.query(&sql, &params)
}

/// One job, if it is still there.
pub fn find(tx: &mut Tx<'_>, id: JobId) -> Result<Option<Row>> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM jobs WHERE id = $1"), &[id.into()])
}
