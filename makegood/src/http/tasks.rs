//! Tasks over HTTP: answered at once when they end soon, else with a run that can be asked for.

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use kernel::{Duration, Error};
use ops::runs::{self, RunId, Told};
use ops::{Key, PLAN_ID, TaskDef};
use serde_json::Value;
use shop::Shop;
use tokio::time::Instant;

use super::admin::{self, Asked};
use super::call::{Answer, Call, json};
use super::idempotency::{self, Turn};
use super::problem::Problem;
use super::routes::ADMIN;
use crate::tasks::{self, Started};

/// How long a caller waits for the answer at most. Behind a proxy that cuts at 30 seconds there is still an answer.
const PATIENCE: Duration = Duration::from_secs(25);
/// How often a run that is at work in another request, perhaps on another node, is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Runs a task that only looks: its fields stand in the query.
pub(super) async fn look(call: Call, def: &'static TaskDef<Shop>) -> Answer {
    let input = admin::of_query(&call, def.subject, &(def.schema)())?;
    let asked = def.read(Value::Object(input)).map_err(ops::by_name)?;
    if asked.changing.is_some() {
        let detail =
            format!("{} changes things with these fields; send them in a POST, with a reason", def.name);
        return Err(Problem { detail, ..Problem::method_not_allowed("POST") });
    }
    let by = call.caller()?.by(None, &call.origin.request_id);
    let started = tasks::begin(&call.app, asked, by, None).await?;
    answered(wait(&call, started).await?)
}

/// Runs a task that may change things: its fields stand in the body.
pub(super) async fn act(mut call: Call, def: &'static TaskDef<Shop>) -> Answer {
    let bytes = call.bytes().await?;
    let mut asked = Asked::read(call.object(&bytes)?, call.id.as_deref(), def.subject, &(def.schema)())?;
    match asked.plan_id.take() {
        Some(plan_id) if def.has_plan() => drop(asked.input.insert(PLAN_ID.into(), plan_id.into())),
        Some(_) => {
            return Err(Problem::invalid("/plan_id", "a task has no plan; dry_run says what it would do"));
        }
        None => {}
    }
    let owner = call.caller()?.actor.name.clone();
    match idempotency::begin(&call, &owner, &bytes).await? {
        Turn::Answered(response) => Ok(response),
        Turn::Work(ticket, left) => {
            let result = match left.as_ref().and_then(runs::left) {
                Some(run) => go_on(&call, def, asked, run, ticket.key()).await,
                None => begin(&call, def, asked, ticket.key()).await,
            };
            match result {
                // The key leads to the run until it has ended.
                Ok(ended @ Ended::Running(_)) => answered(ended),
                Ok(Ended::Done(answer)) => ticket.end(&call, Ok((StatusCode::OK, answer))).await,
                Err(problem) => ticket.end(&call, Err(problem.in_body())).await,
            }
        }
    }
}

/// How far a task came while somebody waited.
enum Ended {
    /// This is its answer.
    Done(Value),
    /// It goes on as this run.
    Running(Value),
}

fn answered(ended: Ended) -> Answer {
    Ok(match ended {
        Ended::Done(answer) => json(StatusCode::OK, &answer),
        Ended::Running(run) => to_be_asked_for(&run),
    })
}

fn to_be_asked_for(run: &Value) -> Response<Body> {
    let mut response = json(StatusCode::ACCEPTED, run);
    let path = format!("{ADMIN}/runs/{}", run["id"].as_str().unwrap_or_default());
    if let Ok(path) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

async fn begin(
    call: &Call,
    def: &'static TaskDef<Shop>,
    asked: Asked,
    key: Option<Key>,
) -> Result<Ended, Problem> {
    let input = Value::Object(asked.input);
    let task = if asked.dry_run { def.preview(input) } else { def.read(input) }?;
    let by = call.caller()?.by(asked.reason, &call.origin.request_id);
    wait(call, tasks::begin(&call.app, task, by, key).await?).await
}

async fn wait(call: &Call, mut started: Started) -> Result<Ended, Problem> {
    if let Ok(ended) = tokio::time::timeout(patience(&call.head.headers), started.ended()).await {
        return Ok(Ended::Done(ended?.shown()));
    }
    if !started.let_go(&call.app).await? {
        return Ok(Ended::Done(started.ended().await?.shown()));
    }
    Ok(Ended::Running(find(call, started.id).await?))
}

/// `Prefer: wait=SECONDS` (RFC 7240): how long the caller wants to wait, if that is shorter than we allow.
fn patience(headers: &HeaderMap) -> Duration {
    let all = headers.get_all("prefer");
    let wishes = all.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split([',', ';']));
    let seconds = wishes.filter_map(|wish| wish.trim().strip_prefix("wait=")?.trim().parse().ok()).next();
    seconds.map_or(PATIENCE, Duration::from_secs).min(PATIENCE)
}

async fn find(call: &Call, id: RunId) -> Result<Value, Problem> {
    let run = call.app.shop.db.read("runs.show", move |tx| runs::find(tx, id)).await?;
    run.ok_or_else(|| Error::not_found("run", id).into())
}

/// Waits for the run that an earlier request under the same key began. One that failed and may succeed later is begun
/// again; every other end is the answer.
async fn go_on(
    call: &Call,
    def: &'static TaskDef<Shop>,
    asked: Asked,
    id: RunId,
    key: Option<Key>,
) -> Result<Ended, Problem> {
    let until = Instant::now() + patience(&call.head.headers);
    loop {
        let mut run = find(call, id).await?;
        match run["status"].as_str() {
            Some("done") => return Ok(Ended::Done(run["answer"].take())),
            Some("failed") => {
                let problem = told(run["error"].take())?;
                if problem.is_retryable() {
                    return begin(call, def, asked, key).await;
                }
                return Err(problem);
            }
            _ if Instant::now() >= until => return Ok(Ended::Running(run)),
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

fn told(error: Value) -> Result<Problem, Problem> {
    let told: Told = serde_json::from_value(error).map_err(|e| Problem::from(Error::Bug(Box::new(e))))?;
    Ok(Problem { code: told.code.into(), hint: told.hint, ..Problem::new("interrupted", told.detail) })
}
