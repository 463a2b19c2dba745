//! What must be true of background work.

use ops::{Check, Found, Mend, Severity};

use jobs::JobId;

/// The office's checks.
pub const CHECKS: [Check; 1] = [FAILED_JOBS];

const FAILED_JOBS: Check = Check {
    name: "jobs_failed",
    severity: Severity::Page,
    must: "no job has given up",
    means: "Background work failed too often. Its last error says why; retry it when the cause is gone.",
    find: |tx, _| {
        let rows = jobs::list(tx, Some("failed"), None, 200)?;
        rows.iter()
            .map(|row| {
                let (id, kind): (JobId, String) = (row.get("id")?, row.get("kind")?);
                let error: Option<String> = row.get("last_error")?;
                Ok(Found {
                    subject: id.to_string(),
                    text: format!("{kind} gave up: {}", error.unwrap_or_default()),
                    since: row.get("updated_at")?,
                    mend: Some(Mend {
                        operation: "jobs.retry",
                        input: serde_json::json!({ "job": id }),
                        command: format!("makegood jobs retry {id}"),
                    }),
                })
            })
            .collect()
    },
};
