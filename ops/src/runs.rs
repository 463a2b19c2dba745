//! Runs of tasks: how far each is, how it ended, and the one audit entry of each that changes things.
//!
//! A run that ends closes its row and writes its audit entry in one transaction; a run that died with its process is
//! closed by [`tidy`], in the same way. So there is one entry for each, whatever happens.

use db::{DbFailure, Row, Tx};
use kernel::{Cx, Duration, Error, Id, Kind, Refusal, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::{self, Entry};
use crate::idempotency::{self, Key, UNDER_WAY};
use crate::{Actor, ActorKind, By, Done};

/// Marks ids of runs.
pub enum TaskRunKind {}
impl Kind for TaskRunKind {
    const PREFIX: &'static str = "run";
    const NAME: &'static str = "run";
}
/// The id of a run.
pub type RunId = Id<TaskRunKind>;

/// A run that is not heard of for so long has died with its process.
pub const SILENCE: Duration = Duration::from_secs(60);
/// How long a run that has ended is kept.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A run that begins.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its id.
    pub id: RunId,
    /// Which task.
    pub task: &'static str,
    /// Its input.
    pub input: Value,
    /// Who asked, and why.
    pub by: By,
    /// The event type of its audit entry; none when it only looks.
    pub audit: Option<&'static str>,
    /// When it began.
    pub started_at: Timestamp,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Pieces of work that are done.
    pub done: u64,
    /// Of how many, where that is known.
    pub of: Option<u64>,
    /// What it is at.
    pub what: String,
}

/// An error as it is kept: for whoever asks later, in words that every door can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its stable name.
    pub code: String,
    /// What was seen.
    pub detail: String,
    /// What to do next; empty where the code's page is enough.
    pub hint: String,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        let told = |detail: String, hint: &str| Told {
            code: error.code().to_owned(),
            detail,
            hint: hint.to_owned(),
        };
        match error {
            Error::Refused(Refusal { why, fix, .. }) => told(why.clone(), fix),
            Error::Busy(what) | Error::Unknown(what) => told(what.clone(), ""),
            Error::NotFound { .. } | Error::Invalid { .. } => told(error.to_string(), ""),
            Error::Bug(source) => match source.downcast_ref::<DbFailure>() {
                Some(
                    DbFailure::ConnectionLost(_)
                    | DbFailure::Misconfigured(..)
                    | DbFailure::Conflict(_)
                    | DbFailure::NoSpace(_),
                ) => Told {
                    code: "busy".into(),
                    detail: "the database cannot be reached".into(),
                    hint: String::new(),
                },
                // What it says is for the log.
                Some(DbFailure::Constraint(_) | DbFailure::Other(_)) | None => {
                    told("see the log for this run's id".into(), "")
                }
            },
        }
    }
}

/// Writes down that a run begins. A request's `Idempotency-Key` leads to it from now on.
pub fn begin(tx: &mut Tx<'_>, begun: &Begun, key: Option<&Key>) -> Result<()> {
    tx.execute(
        "INSERT INTO task_runs (id, task, input, actor, actor_type, role, reason, request_id, audit, status, done, what,
         started_at, heard_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', 0, '', $10, $10)",
        &[
            begun.id.into(),
            begun.task.into(),
            begun.input.clone().into(),
            begun.by.actor.name.clone().into(),
            begun.by.actor.kind.as_str().into(),
            begun.by.role.as_str().into(),
            begun.by.reason.clone().into(),
            begun.by.request_id.clone().into(),
            begun.audit.into(),
            begun.started_at.into(),
        ],
    )?;
    match key {
        Some(Key { scope, key }) => idempotency::end(tx, scope, key, UNDER_WAY, &note(begun.id).to_string()),
        None => Ok(()),
    }
}

fn note(id: RunId) -> Value {
    json!({ "run": id })
}

/// The run that an earlier request under the same `Idempotency-Key` began.
pub fn left(note: &Value) -> Option<RunId> {
    serde_json::from_value(note.get("run")?.clone()).ok()
}

/// Writes down how far a run is, and that it lives.
pub fn hear(tx: &mut Tx<'_>, id: RunId, now: Timestamp, seen: &Seen) -> Result<()> {
    tx.execute(
        "UPDATE task_runs SET done = $2, total = $3, what = $4, heard_at = $5 WHERE id = $1 AND status = 'running'",
        &[
            id.into(),
            count(seen.done).into(),
            seen.of.map(count).into(),
            seen.what.clone().into(),
            now.into(),
        ],
    )?;
    Ok(())
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Closes a run, and writes its audit entry where it changes things. The second time changes nothing.
pub fn end(tx: &mut Tx<'_>, cx: &Cx, id: RunId, seen: &Seen, ended: &Result<Done, Told>) -> Result<()> {
    hear(tx, id, cx.now, seen)?;
    let status = if ended.is_ok() { "done" } else { "failed" };
    let (answer, error) = match ended {
        Ok(done) => (Some(done.shown()), None),
        Err(told) => (None, Some(json!(told))),
    };
    let row = tx.query_opt(
        "UPDATE task_runs SET status = $2, answer = $3, error = $4, finished_at = $5
         WHERE id = $1 AND status = 'running' RETURNING *",
        &[id.into(), status.into(), answer.into(), error.into(), cx.now.into()],
    )?;
    let Some(row) = row else { return Ok(()) };
    match entry(&row, ended)? {
        Some(entry) => audit::record(tx, cx, vec![entry]).map(drop),
        None => Ok(()),
    }
}

fn entry(row: &Row, ended: &Result<Done, Told>) -> Result<Option<Entry>> {
    let Some(event_type) = row.get::<Option<String>>("audit")? else { return Ok(None) };
    let kind: String = row.get("actor_type")?;
    let kind = ActorKind::parse(&kind).ok_or_else(|| Error::bug(format!("a run is by a `{kind}`")))?;
    let (id, reason): (RunId, Option<String>) = (row.get("id")?, row.get("reason")?);
    let how = match ended {
        Ok(done) => ("summary", done.summary()),
        Err(told) => ("error", json!(told)),
    };
    let (task, input, role): (String, Value, String) =
        (row.get("task")?, row.get("input")?, row.get("role")?);
    let mut data = json!({
        "task": task, "input": input, "role": role, "status": row.get::<String>("status")?,
        "done": row.get::<i64>("done")?, "started_at": row.get::<Timestamp>("started_at")?,
    });
    data[how.0] = how.1;
    let actor = Actor { kind, name: row.get("actor")? };
    let mut entry = Entry::new(event_type, actor, "run", id).because(reason.as_deref()).with(data);
    entry.request_id = row.get("request_id")?;
    Ok(Some(entry))
}

/// Closes runs that died with their process, and lets go of those that ended long ago. Gives how many had died.
pub fn tidy(tx: &mut Tx<'_>, cx: &Cx) -> Result<usize> {
    let sql = format!(
        "SELECT * FROM task_runs WHERE status = 'running' AND heard_at < $1 LIMIT 100{}",
        tx.dialect().skip_locked()
    );
    let dead = tx.query(&sql, &[(cx.now - SILENCE).into()])?;
    for row in &dead {
        let seen = Seen {
            done: row.get::<i64>("done")?.unsigned_abs(),
            of: row.get::<Option<i64>>("total")?.map(i64::unsigned_abs),
            what: row.get("what")?,
        };
        end(tx, cx, row.get("id")?, &seen, &Err(died()))?;
    }
    tx.execute("DELETE FROM task_runs WHERE finished_at < $1", &[(cx.now - KEPT).into()])?;
    Ok(dead.len())
}

fn died() -> Told {
    Told {
        code: INTERRUPTED.into(),
        detail: "its process ended before it did; what it had done by then stays done".into(),
        hint: "run it again: it goes on with what is left".into(),
    }
}

/// The stable name of what happened to a run that was cut off.
pub const INTERRUPTED: &str = "interrupted";

/// One run.
pub fn find(tx: &mut Tx<'_>, id: RunId) -> Result<Option<Value>> {
    tx.query_opt("SELECT * FROM task_runs WHERE id = $1", &[id.into()])?.as_ref().map(shown).transpose()
}

/// The newest run of a task among those that ended after `since`, well or not.
pub fn ended_since(tx: &mut Tx<'_>, task: &str, since: Timestamp) -> Result<Option<RunId>> {
    let sql = "SELECT id FROM task_runs WHERE finished_at > $1 AND task = $2 ORDER BY id DESC LIMIT 1";
    tx.query_opt(sql, &[since.into(), task.into()])?.map(|row| row.get("id")).transpose()
}

/// Runs, the newest first, without their answers.
pub fn list(
    tx: &mut Tx<'_>,
    status: Option<&str>,
    task: Option<&str>,
    before: Option<RunId>,
    most: i64,
) -> Result<Vec<Value>> {
    let (mut conditions, mut params) = (vec!["1 = 1".to_owned()], Vec::new());
    let mut only = |column: &str, value: Option<db::Value>| {
        if let Some(value) = value {
            params.push(value);
            conditions.push(format!("{column} ${}", params.len()));
        }
    };
    only("status =", status.map(db::Value::from));
    only("task =", task.map(db::Value::from));
    only("id <", before.map(db::Value::from));
    params.push(most.into());
    let (conditions, last) = (conditions.join(" AND "), params.len());
    let sql = format!("SELECT * FROM task_runs WHERE {conditions} ORDER BY id DESC LIMIT ${last}");
    let rows = tx.query(&sql, &params)?;
    rows.iter()
        .map(|row| {
            let mut run = shown(row)?;
            run.as_object_mut().map(|fields| fields.shift_remove("answer"));
            Ok(run)
        })
        .collect()
}

fn shown(row: &Row) -> Result<Value> {
    let (id, task, input): (RunId, String, Value) = (row.get("id")?, row.get("task")?, row.get("input")?);
    Ok(json!({
        "object": "run",
        "id": id,
        "task": task,
        "status": row.get::<String>("status")?,
        "done": row.get::<i64>("done")?,
        "total": row.get::<Option<i64>>("total")?,
        "what": row.get::<String>("what")?,
        "input": input,
        "actor": row.get::<String>("actor")?,
        "reason": row.get::<Option<String>>("reason")?,
        "changes": row.get::<Option<String>>("audit")?.is_some(),
        "started_at": row.get::<Timestamp>("started_at")?,
        "finished_at": row.get::<Option<Timestamp>>("finished_at")?,
        "error": row.get::<Option<Value>>("error")?,
        "answer": row.get::<Option<Value>>("answer")?,
    }))
}
