//! All SQL on `reconciliations`, their stages and their findings.

use std::collections::BTreeMap;

use db::{Row, Tx, Value};
use kernel::{Cx, Duration, Error, Refusal, Result, Timestamp};
use ops::By;
use serde_json::json;

use super::Finding;
use super::stage::Stage;
use crate::ids::{FindingId, ReconciliationId};

/// What was asked for, as far as a run that was cut off is found again by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// An area, `all`, or the id of one object or order.
    pub(super) scope: String,
    /// Since when, as it was typed.
    pub(super) from: Option<String>,
    /// The moment that it means now.
    pub(super) since: Option<Timestamp>,
    /// Whether what is safe is mended.
    pub(super) applies: bool,
}

/// A run that is ours until another process goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: ReconciliationId,
    pub(super) fence: i64,
    pub(super) since: Option<Timestamp>,
    /// How far its stages are: the place, and whether that is the end.
    pub(super) places: BTreeMap<String, (Option<String>, bool)>,
}

/// A run that was not heard of for so long is not gone on with: too much is new.
const TOO_OLD: Duration = Duration::from_secs(24 * 3600);
/// How long runs are kept.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Goes on with the run of the same kind that was cut off or stopped, or begins one.
pub(super) fn begin(tx: &mut Tx<'_>, cx: &Cx, asked: &Asked, by: &By, anew: bool) -> Result<Run> {
    forget(tx, cx.now - KEPT)?;
    let taken = if anew { None } else { take_over(tx, cx, asked, by)? };
    if let Some(run) = taken {
        return Ok(run);
    }
    let run = Run { id: cx.id(), fence: 1, since: asked.since, places: BTreeMap::new() };
    tx.execute(
        "INSERT INTO reconciliations (id, scope, asked_from, since, applies, status, fence, actor, reason, started_at,
           heard_at)
         VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $9)",
        &[
            run.id.into(),
            asked.scope.clone().into(),
            asked.from.clone().into(),
            asked.since.into(),
            asked.applies.into(),
            run.fence.into(),
            by.actor.name.clone().into(),
            by.reason.clone().into(),
            cx.now.into(),
        ],
    )?;
    Ok(run)
}

fn take_over(tx: &mut Tx<'_>, cx: &Cx, asked: &Asked, by: &By) -> Result<Option<Run>> {
    let row = tx.query_opt(
        "UPDATE reconciliations SET status = 'running', fence = fence + 1, last_error = NULL, ended_at = NULL,
           actor = $1, reason = $2, heard_at = $3
         WHERE id = (SELECT id FROM reconciliations
           WHERE status <> 'finished' AND heard_at > $4 AND scope = $5 AND COALESCE(asked_from, '') = $6 AND applies = $7
           ORDER BY heard_at DESC LIMIT 1)
         RETURNING id, fence, since",
        &[
            by.actor.name.clone().into(),
            by.reason.clone().into(),
            cx.now.into(),
            (cx.now - TOO_OLD).into(),
            asked.scope.clone().into(),
            asked.from.clone().unwrap_or_default().into(),
            asked.applies.into(),
        ],
    )?;
    let Some(row) = row else { return Ok(None) };
    let id: ReconciliationId = row.get("id")?;
    let rows = tx.query(
        "SELECT stage, place, done FROM reconciliation_stages WHERE reconciliation_id = $1",
        &[id.into()],
    )?;
    let places = rows
        .iter()
        .map(|row| Ok((row.get("stage")?, (row.get("place")?, row.get("done")?))))
        .collect::<Result<_>>()?;
    Ok(Some(Run { id, fence: row.get("fence")?, since: row.get("since")?, places }))
}

/// Lets go of runs that nobody has heard of for long.
fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<()> {
    let old = "SELECT id FROM reconciliations WHERE heard_at < $1";
    for table in ["reconciliation_findings", "reconciliation_stages"] {
        tx.execute(&format!("DELETE FROM {table} WHERE reconciliation_id IN ({old})"), &[before.into()])?;
    }
    tx.execute("DELETE FROM reconciliations WHERE heard_at < $1", &[before.into()])?;
    Ok(())
}

/// Says that the run lives, and that it is still ours.
///
/// # Errors
/// Refused when another process has gone on with it.
pub(super) fn hold(tx: &mut Tx<'_>, now: Timestamp, run: &Run) -> Result<()> {
    let held = tx.execute(
        "UPDATE reconciliations SET heard_at = $1 WHERE id = $2 AND fence = $3 AND status = 'running'",
        &[now.into(), run.id.into(), run.fence.into()],
    )?;
    if held == 1 {
        return Ok(());
    }
    let why = format!("another process goes on with {}", run.id);
    Err(Refusal::new("reconcile_taken_over", why)
        .fix(format!("makegood reconciliations show {}", run.id))
        .into())
}

/// How many objects a step has looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// In all.
    pub(super) looked_at: i64,
    /// None of ours.
    pub(super) strange: i64,
    /// Too young to be missed.
    pub(super) young: i64,
}

/// Writes down how far a stage is.
pub(super) fn step(
    tx: &mut Tx<'_>,
    run: &Run,
    stage: Stage,
    place: Option<&str>,
    count: Count,
    done: bool,
) -> Result<()> {
    tx.execute(
        "INSERT INTO reconciliation_stages (reconciliation_id, stage, place, looked_at, strange, young, done)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (reconciliation_id, stage) DO UPDATE SET
           place = COALESCE(excluded.place, reconciliation_stages.place),
           looked_at = reconciliation_stages.looked_at + excluded.looked_at,
           strange = reconciliation_stages.strange + excluded.strange,
           young = reconciliation_stages.young + excluded.young, done = excluded.done",
        &[
            run.id.into(),
            stage.as_str().into(),
            place.map(str::to_owned).into(),
            count.looked_at.into(),
            count.strange.into(),
            count.young.into(),
            done.into(),
        ],
    )?;
    Ok(())
}

/// Writes down what was found; what was found before is only seen again.
pub(super) fn add(tx: &mut Tx<'_>, cx: &Cx, run: &Run, findings: &[Finding]) -> Result<()> {
    let rows = findings
        .iter()
        .map(|finding| {
            let id: FindingId = cx.id();
            let text = serde_json::to_string(finding).map_err(|e| Error::Bug(Box::new(e)))?;
            Ok(vec![
                id.into(),
                run.id.into(),
                finding.cause.as_str().into(),
                finding.subject.clone().into(),
                finding.order.into(),
                finding.applied.into(),
                Value::Json(text),
            ])
        })
        .collect::<Result<Vec<_>>>()?;
    tx.execute_many(
        "INSERT INTO reconciliation_findings (id, reconciliation_id, cause, subject, order_id, applied, finding)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (reconciliation_id, cause, subject) DO UPDATE SET
           applied = excluded.applied, finding = excluded.finding",
        &rows,
    )?;
    Ok(())
}

/// Ends a run for now: for good, or with the reason why it has to go on later.
pub(super) fn end(tx: &mut Tx<'_>, now: Timestamp, run: &Run, why: Option<&str>) -> Result<()> {
    let status = if why.is_some() { "stopped" } else { "finished" };
    tx.execute(
        "UPDATE reconciliations SET status = $1, last_error = $2, heard_at = $3, ended_at = $3
         WHERE id = $4 AND fence = $5",
        &[status.into(), why.map(str::to_owned).into(), now.into(), run.id.into(), run.fence.into()],
    )?;
    Ok(())
}

const TOTALS: &str = "
    (SELECT COALESCE(CAST(SUM(looked_at) AS bigint), 0) FROM reconciliation_stages s
      WHERE s.reconciliation_id = r.id) AS looked_at,
    (SELECT COALESCE(CAST(SUM(strange) AS bigint), 0) FROM reconciliation_stages s
      WHERE s.reconciliation_id = r.id) AS strange,
    (SELECT COALESCE(CAST(SUM(young) AS bigint), 0) FROM reconciliation_stages s
      WHERE s.reconciliation_id = r.id) AS young,
    (SELECT COUNT(*) FROM reconciliation_findings f WHERE f.reconciliation_id = r.id AND f.applied) AS applied,
    (SELECT COUNT(*) FROM reconciliation_findings f WHERE f.reconciliation_id = r.id AND NOT f.applied) AS remaining";

/// One run with its totals.
pub fn find(tx: &mut Tx<'_>, id: ReconciliationId) -> Result<Option<serde_json::Value>> {
    let sql = format!("SELECT r.*, {TOTALS} FROM reconciliations r WHERE r.id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(shown).transpose()
}

/// Runs, the newest first.
pub(super) fn list(
    tx: &mut Tx<'_>,
    before: Option<ReconciliationId>,
    limit: i64,
) -> Result<Vec<serde_json::Value>> {
    let mut params = vec![limit.into()];
    let condition = match before {
        Some(before) => {
            params.push(before.into());
            "r.id < $2"
        }
        None => "1 = 1",
    };
    let sql =
        format!("SELECT r.*, {TOTALS} FROM reconciliations r WHERE {condition} ORDER BY r.id DESC LIMIT $1");
    tx.query(&sql, &params)?.iter().map(shown).collect()
}

fn shown(row: &Row) -> Result<serde_json::Value> {
    let id: ReconciliationId = row.get("id")?;
    Ok(json!({
        "object": "reconciliation",
        "id": id,
        "scope": row.get::<String>("scope")?,
        "status": row.get::<String>("status")?,
        "apply": row.get::<bool>("applies")?,
        "since": row.get::<Option<Timestamp>>("since")?,
        "looked_at": row.get::<i64>("looked_at")?,
        "foreign": row.get::<i64>("strange")?,
        "young": row.get::<i64>("young")?,
        "applied": row.get::<i64>("applied")?,
        "remaining": row.get::<i64>("remaining")?,
        "actor": row.get::<String>("actor")?,
        "reason": row.get::<Option<String>>("reason")?,
        "stopped_by": row.get::<Option<String>>("last_error")?,
        "started_at": row.get::<Timestamp>("started_at")?,
        "heard_at": row.get::<Timestamp>("heard_at")?,
        "ended_at": row.get::<Option<Timestamp>>("ended_at")?,
    }))
}

/// How far the stages of a run are.
pub(super) fn stages(tx: &mut Tx<'_>, id: ReconciliationId) -> Result<Vec<serde_json::Value>> {
    let rows = tx.query(
        "SELECT stage, place, looked_at, strange, young, done FROM reconciliation_stages
         WHERE reconciliation_id = $1 ORDER BY stage",
        &[id.into()],
    )?;
    rows.iter()
        .map(|row| {
            Ok(json!({
                "stage": row.get::<String>("stage")?,
                "place": row.get::<Option<String>>("place")?,
                "looked_at": row.get::<i64>("looked_at")?,
                "foreign": row.get::<i64>("strange")?,
                "young": row.get::<i64>("young")?,
                "done": row.get::<bool>("done")?,
            }))
        })
        .collect()
}

/// What a run has found, in the order in which it was found.
pub(super) fn findings(
    tx: &mut Tx<'_>,
    run: ReconciliationId,
    after: Option<FindingId>,
    limit: i64,
) -> Result<Vec<serde_json::Value>> {
    let after = after.unwrap_or(FindingId::from_uuid(uuid::Uuid::nil()));
    let rows = tx.query(
        "SELECT id, finding FROM reconciliation_findings WHERE reconciliation_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        &[run.into(), after.into(), limit.into()],
    )?;
    rows.iter()
        .map(|row| {
            let id: FindingId = row.get("id")?;
            let mut finding: serde_json::Value = row.get("finding")?;
            finding["id"] = json!(id);
            finding["object"] = "reconciliation_finding".into();
            Ok(finding)
        })
        .collect()
}

/// Whether this run has found that.
pub(super) fn has_finding(tx: &mut Tx<'_>, run: ReconciliationId, id: FindingId) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM reconciliation_findings WHERE reconciliation_id = $1 AND id = $2";
    Ok(tx.query_opt(sql, &[run.into(), id.into()])?.is_some())
}
