//! What must be true of background work and of the audit log.

use kernel::Duration;
use ops::{Check, Found, Mend, Severity, chain};

use jobs::JobId;

/// The office's checks.
pub const CHECKS: [Check; 5] = [FAILED_JOBS, CHAIN_BROKEN, UNCHAINED, UNGUARDED, TOKEN_ENDED];

const FAILED_JOBS: Check = Check {
    name: "jobs_failed",
    severity: Severity::Page,
    must: "no job has given up",
    means: "Background work failed too often. Its last error says why; retry it when the cause is gone.",
    find: |tx, _, most| {
        let rows = jobs::list(tx, Some("failed"), None, most)?;
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

/// The newest links are looked at every minute, all of them by `audit verify`.
const NEWEST: i64 = 100;

const CHAIN_BROKEN: Check = Check {
    name: "audit_chain_broken",
    severity: Severity::Page,
    must: "the newest entries of the audit log are as they were sealed",
    means: "Somebody has changed or removed entries past makegood, or another copy of the database was put in its place. \
            Keep the database as it is; makegood audit verify names every place.",
    find: |tx, _, _| {
        let breaks = chain::look_at_end(tx, NEWEST)?;
        let found = breaks.into_iter().map(|broken| Found {
            subject: broken.entry.map_or_else(|| "audit_chain".to_owned(), |entry| entry.to_string()),
            text: format!("{}: {}", broken.what, broken.text),
            since: None,
            mend: None,
        });
        Ok(found.collect())
    },
};

/// How long an entry may wait for its seal.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

const UNCHAINED: Check = Check {
    name: "audit_entries_unchained",
    severity: Severity::Ticket,
    must: "every entry of the audit log is sealed within five minutes",
    means: "No worker seals the audit log: none runs, or its log says why it fails. An entry that is gone was removed \
            before it was sealed. makegood audit verify seals what waits.",
    find: |tx, now, most| {
        let waiting = chain::waiting(tx, most)?.into_iter();
        let found =
            waiting.filter(|entry| entry.at.is_none_or(|at| now.since(at) > PATIENCE)).map(|entry| Found {
                subject: entry.id.to_string(),
                text: if entry.at.is_some() { "waits for its seal" } else { "is gone, and was never sealed" }
                    .to_owned(),
                since: entry.at,
                mend: None,
            });
        Ok(found.collect())
    },
};

const UNGUARDED: Check = Check {
    name: "books_unguarded",
    severity: Severity::Page,
    must: "the triggers that guard the audit log and the ledger are there and switched on",
    means: "Somebody has dropped or switched off what keeps the books from being changed. Find out who, let makegood audit \
            verify look at what is there, then run the statement that the finding names.",
    find: |tx, _, _| {
        let lost = db::lost_triggers(tx, crate::MIGRATIONS)?.into_iter().map(|trigger| Found {
            subject: trigger.name.clone(),
            text: format!("no longer watches {}; it does again after: {}", trigger.table, trigger.mend),
            since: None,
            mend: None,
        });
        Ok(lost.collect())
    },
};

/// A token that was used within so long before its end is one that somebody relies on.
const IN_USE: Duration = Duration::from_secs(24 * 3600);
/// After so long whoever missed it has said so.
const OLD_NEWS: Duration = Duration::from_secs(7 * 24 * 3600);

const TOKEN_ENDED: Check = Check {
    name: "token_ended_in_use",
    severity: Severity::Ticket,
    must: "no token ends while somebody uses it",
    means: "A client still sends a token that has ended, and gets 401. Make another with makegood tokens create, give it to \
            the client, and take the old one back.",
    find: |tx, now, _| {
        let ended = ops::list_tokens(tx)?.into_iter().filter_map(|token| {
            let (ends, used) = (token.expires_at?, token.last_used_at?);
            let counts = token.revoked_at.is_none()
                && ends <= now
                && now.since(ends) < OLD_NEWS
                && ends.since(used) < IN_USE;
            counts.then(|| Found {
                subject: token.id.to_string(),
                text: format!("{} ({}…) ended at {ends}, and was used at {used}", token.name, token.prefix),
                since: Some(ends),
                mend: Some(Mend {
                    operation: "tokens.revoke",
                    input: serde_json::json!({ "token": token.id }),
                    command: format!("makegood tokens revoke {}", token.id),
                }),
            })
        });
        Ok(ended.collect())
    },
};
