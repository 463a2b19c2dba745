//! What may be read of the runbooks themselves.

use db::Tx;
use kernel::{Cx, Result};
use ops::{Cause, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Runbook, detect, drills, find};

/// List the runbooks, with what their checks find now
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {}

impl View for List {
    const NAME: &'static str = "runbooks.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "findings", "title"];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let mut rows = Vec::with_capacity(crate::RUNBOOKS.len());
        for runbook in crate::RUNBOOKS {
            let findings = detect::findings(tx, runbook, cx.now)?.len();
            rows.push(json!({ "object": "runbook", "id": runbook.id, "title": runbook.title, "symptom": runbook.symptom,
                "checks": runbook.checks, "alerts": runbook.alerts, "findings": findings,
                "last_drill": last_drill(tx, runbook)? }));
        }
        Ok(json!({ "object": "list", "data": rows, "has_more": false, "url": "/api/v1/admin/runbooks" }))
    }
}

/// Show one runbook: what it is for, its causes, what mends them, and what its checks find now
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which runbook, like stuck-paid-orders
    pub runbook: String,
}

impl View for Show {
    const NAME: &'static str = "runbooks.show";
    const SUBJECT: Option<&'static str> = Some("runbook");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Value> {
        let runbook = find(&self.runbook)?;
        let mut shown = described(runbook);
        let found = detect::findings(tx, runbook, cx.now)?;
        shown["findings"] = found.iter().map(super::shown).collect::<Vec<_>>().into();
        shown["last_drill"] = last_drill(tx, runbook)?;
        Ok(shown)
    }
}

/// How the last drill of a runbook went; nothing when there was none.
fn last_drill(tx: &mut Tx<'_>, runbook: &Runbook) -> Result<Value> {
    drills::last(tx, runbook.id)?.map_or(Ok(Value::Null), |last| last.shown())
}

/// The definition as an object.
pub fn described(runbook: &Runbook) -> Value {
    let all = crate::checks();
    let checks = all.iter().filter(|check| runbook.checks.contains(&check.name));
    let checks: Vec<Value> = checks
        .map(|check| json!({ "name": check.name, "severity": check.severity, "must": check.must, "means": check.means }))
        .collect();
    let causes = runbook.causes.iter().map(|cause: &Cause| {
        json!({ "name": cause.name, "means": cause.means, "fine": cause.standing == ops::Standing::Fine,
            "mend": cause.mend, "reply": cause.reply })
    });
    json!({
        "object": "runbook",
        "id": runbook.id,
        "title": runbook.title,
        "symptom": runbook.symptom,
        "subject": runbook.subject,
        "rows": runbook.rows,
        "alerts": runbook.alerts,
        "operations": runbook.operations,
        "checks": checks,
        "looks": runbook.looks,
        "causes": causes.collect::<Vec<_>>(),
        "seed": runbook.seed,
    })
}
