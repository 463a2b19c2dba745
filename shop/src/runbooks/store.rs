//! All SQL on drills.

use db::{Row, Tx, Value};
use kernel::Result;

use super::drills::{DrillId, Drilled};

pub(super) fn insert(tx: &mut Tx<'_>, drilled: &Drilled) -> Result<()> {
    tx.execute(
        "INSERT INTO drills (id, runbook, passed, failure, place, version, steps, actor, drilled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            drilled.id.into(),
            (&drilled.runbook).into(),
            drilled.passed.into(),
            drilled.failure.clone().into(),
            (&drilled.on).into(),
            (&drilled.version).into(),
            drilled.steps.into(),
            (&drilled.by).into(),
            drilled.at.into(),
        ],
    )
    .map(drop)
}

/// The newest first.
pub(super) fn list(
    tx: &mut Tx<'_>,
    runbook: Option<&str>,
    before: Option<DrillId>,
    most: i64,
) -> Result<Vec<Drilled>> {
    let (mut conditions, mut params): (Vec<String>, Vec<Value>) = (vec!["1 = 1".into()], vec![most.into()]);
    for (column, value) in [("runbook =", runbook.map(Value::from)), ("id <", before.map(Value::from))] {
        if let Some(value) = value {
            params.push(value);
            conditions.push(format!("{column} ${}", params.len()));
        }
    }
    let sql = format!("SELECT * FROM drills WHERE {} ORDER BY id DESC LIMIT $1", conditions.join(" AND "));
    tx.query(&sql, &params)?.iter().map(read).collect()
}

pub(super) fn find(tx: &mut Tx<'_>, id: DrillId) -> Result<Option<Drilled>> {
    tx.query_opt("SELECT * FROM drills WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Drilled> {
    Ok(Drilled {
        id: row.get("id")?,
        runbook: row.get("runbook")?,
        passed: row.get("passed")?,
        failure: row.get("failure")?,
        on: row.get("place")?,
        version: row.get("version")?,
        steps: row.get("steps")?,
        by: row.get("actor")?,
        at: row.get("drilled_at")?,
    })
}
