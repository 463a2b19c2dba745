//! Background work as operators see it.

use db::{Row, Tx};
use jobs::JobId;
use kernel::{Cx, Error, Result, Timestamp};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, RowJson, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema of a job's id.
fn job_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": "^(job_[0-9a-f]{32}|[0-9a-fA-F-]{36})$" })
}

fn status(tx: &mut Tx<'_>, id: JobId) -> Result<String> {
    let row = jobs::find(tx, id)?;
    row.map_or(Ok("gone".to_owned()), |row| row.get("status"))
}

/// Try a failed job again, now
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Which job
    #[schemars(schema_with = "job_schema")]
    pub job: JobId,
}

impl Operation for Retry {
    const NAME: &'static str = "jobs.retry";
    const SUBJECT: Option<&'static str> = Some("job");
    const AUDIT: &'static str = "job_retried";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let now = status(tx, self.job)?;
        Ok(Plan::default().guard("job_exists", now != "gone", format!("it is {now}")).change(
            format!("job {}", self.job),
            now,
            "queued",
        ))
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        jobs::retry_failed(tx, cx, self.job)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = status(tx, self.job)?;
        Ok(vec![Proof::new("the job is not failed", now != "failed", now)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("job", self.job.to_string())
    }
}

/// Do a job that waits for its time at once: a page that is to be closed later is closed now
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct RunNow {
    /// Which job
    #[schemars(schema_with = "job_schema")]
    pub job: JobId,
}

impl Operation for RunNow {
    const NAME: &'static str = "jobs.run";
    const SUBJECT: Option<&'static str> = Some("job");
    const AUDIT: &'static str = "job_hurried";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let row = jobs::find(tx, self.job)?.ok_or_else(|| Error::not_found("job", self.job))?;
        let (kind, now): (String, String) = (row.get("kind")?, row.get("status")?);
        let at: Timestamp = row.get("run_at")?;
        let due = if at <= cx.now { "now".to_owned() } else { at.to_string() };
        let what = format!("{kind} ({}) is due", self.job);
        Ok(Plan::default()
            .guard("job_is_queued", now == "queued", format!("it is {now}"))
            .change(what, due, "now"))
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        jobs::hurry(tx, cx, self.job)
    }
    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        let due = jobs::find(tx, self.job)?.map(|row| row.get::<Timestamp>("run_at")).transpose()?;
        let seen = due.map_or("done".to_owned(), |at| at.to_string());
        Ok(vec![Proof::new("the job is due or done", due.is_none_or(|at| at <= cx.now), seen)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("job", self.job.to_string())
    }
}

/// Discard a failed job that is not needed any more
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Discard {
    /// Which job
    #[schemars(schema_with = "job_schema")]
    pub job: JobId,
}

impl Operation for Discard {
    const NAME: &'static str = "jobs.discard";
    const SUBJECT: Option<&'static str> = Some("job");
    const AUDIT: &'static str = "job_discarded";
    const RISK: Risk = Risk::Final;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let now = status(tx, self.job)?;
        Ok(Plan::default().guard("job_is_failed", now != "queued", format!("it is {now}")).change(
            format!("job {}", self.job),
            now,
            "gone",
        ))
    }
    fn apply(&self, tx: &mut Tx<'_>, _: &Cx, _: &By) -> Result<()> {
        jobs::discard(tx, self.job)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = status(tx, self.job)?;
        Ok(vec![Proof::new("the job is gone", now == "gone", now)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("job", self.job.to_string())
    }
}

fn json(row: &Row) -> Result<serde_json::Value> {
    let mut job = serde_json::Value::from(&RowJson(row));
    job["id"] = row.get::<JobId>("id")?.to_string().into();
    job["object"] = "job".into();
    // SQLite keeps JSON as text; whoever reads it is not to know.
    job["payload"] = row.get("payload")?;
    Ok(job)
}

/// List jobs that wait or have given up, the soonest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only queued or failed ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "jobs.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "kind", "unique_key", "status", "run_at", "attempts", "last_error"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let after = crate::view::after(&self.page, |id| Ok(jobs::find(tx, id)?.is_some()))?;
        let rows = jobs::list(tx, self.status.as_deref(), after, self.page.fetch())?;
        let rows = rows.iter().map(json).collect::<Result<_>>()?;
        Ok(page("/api/v1/admin/jobs", &self.page, rows))
    }
}

/// Show one job
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which job
    #[schemars(schema_with = "job_schema")]
    pub job: JobId,
}

impl View for Show {
    const NAME: &'static str = "jobs.show";
    const SUBJECT: Option<&'static str> = Some("job");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        json(&jobs::find(tx, self.job)?.ok_or_else(|| Error::not_found("job", self.job))?)
    }
}
