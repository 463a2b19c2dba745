//! Looks at everything around the shop that may be wrong. What is looked at stands in the doors: no room knows it.

use std::ops::Deref;

use ops::{By, Done, Effect, Progress, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::around::{Part, is_wrong};
use crate::seam::Seam;

/// The name of the task.
pub const DOCTOR: &str = "doctor";

/// Look at configuration, database, queue, Stripe, storage, mail and content; each finding names what mends it
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Doctor {
    /// Only what must be so before the first buyer comes
    #[arg(long)]
    pub prelaunch: bool,
    /// Only what keeps strangers out
    #[arg(long)]
    pub security: bool,
    /// Only what is sold, and whether it is there
    #[arg(long)]
    pub content: bool,
    /// Only the database: its address, its schema, its connections
    #[arg(long)]
    pub database: bool,
}

impl Doctor {
    /// The parts that are wanted; none for all of it.
    pub fn parts(&self) -> Vec<Part> {
        let all = [
            (self.prelaunch, Part::Prelaunch),
            (self.security, Part::Security),
            (self.content, Part::Content),
            (self.database, Part::Database),
        ];
        all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, part)| part).collect()
    }
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Doctor {
    const NAME: &'static str = DOCTOR;
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["severity", "id", "seen", "fix"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let rows = seam.around.examine(&self.parts(), progress).await?;
            let findings = rows.iter().filter(|row| is_wrong(row)).count();
            Ok(Done::list(rows).findings(findings as u64))
        })
    }
}
