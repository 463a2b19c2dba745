//! The secrets of the process, as operators see them, and how they are read again.

use std::ops::Deref;

use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seam::Seam;

/// The name of the task that reads the secrets again. Every node looks for its runs, and does the same.
pub const REFRESH: &str = "secrets.refresh";

/// List the secrets: where each lies, how old it is and which matched last; never a value
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for List {
    const NAME: &'static str = "secrets.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["name", "fingerprint", "counts_as", "source", "refetched_at", "matched_at", "trouble", "unmatched"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, _: &'a dyn Progress) -> Running<'a> {
        let rows = on.around.secrets();
        let troubled = rows.iter().filter(|row| is_troubled(row)).count();
        Box::pin(std::future::ready(Ok(Done::list(rows).findings(troubled as u64))))
    }
}

/// Whether something is wrong with this secret.
pub(super) fn is_troubled(row: &serde_json::Value) -> bool {
    !row["trouble"].is_null() || !row["unmatched"].is_null()
}

/// Read the secrets again from where they lie, on every node
///
/// The server that is asked does it at once, every other one within seconds. A value that cannot be read, or may not take
/// the place of the one in use, leaves the last good one in place.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Refresh {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Refresh {
    const NAME: &'static str = REFRESH;
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["name", "outcome", "trouble"];
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect =
        Effect::Changes(Changing { audit: "secrets_refreshed", risk: Risk::Safe, role: Role::Operator });

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            progress.at(0, None, "secrets are read again");
            let rows = seam.around.refetch().await?;
            let troubled = rows.iter().filter(|row| !row["trouble"].is_null()).count();
            Ok(Done::list(rows).findings(troubled as u64))
        })
    }
}
