//! What operators may have done with Stripe's list of events.

use std::ops::Deref;

use kernel::{Error, Result, Timestamp, moment_before};
use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backfill::{Wanted, backfill};
use super::gaps::{Gap, Gaps, gaps};
use super::process;
use crate::seam::Seam;

/// Fetch from Stripe's list of events what no webhook has brought, and process it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Backfill {
    /// Back to when, like 24h, 7d or 2026-11-01; otherwise since the last time
    #[arg(long, value_name = "MOMENT")]
    #[serde(default)]
    pub since: Option<String>,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Backfill {
    const NAME: &'static str = "events.backfill";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect =
        Effect::Changes(Changing { audit: "events_backfilled", risk: Risk::Safe, role: Role::Support });

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let wanted = match &self.since {
                None => Wanted::New,
                Some(text) => Wanted::Since(since(seam, text)?),
            };
            let done = backfill(seam, wanted, progress).await?;
            let mut answer = crate::view::object("backfill", &done)?;
            answer["processed"] = process_all(seam, progress).await?.into();
            Ok(Done::new(answer))
        })
    }
}

/// Processes what waits, beside whatever workers do the same; says how many that were.
async fn process_all(seam: &Seam, progress: &dyn Progress) -> Result<u64> {
    let mut processed = 0;
    loop {
        let round = process(seam).await?;
        if round.ended.is_empty() {
            return Ok(processed);
        }
        processed += round.ended.values().sum::<u64>();
        progress.at(processed, None, "events are processed");
    }
}

/// Show which events Stripe has and this database has not
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct FindGaps {
    /// Back to when, like 24h, 7d or 2026-11-01
    #[arg(long, value_name = "MOMENT", default_value = "24h")]
    #[serde(default = "a_day")]
    pub since: String,
}

fn a_day() -> String {
    "24h".to_owned()
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for FindGaps {
    const NAME: &'static str = "events.gaps";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "type", "created"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let from = since(seam, &self.since)?;
            let found = gaps(seam, from, progress).await?;
            Ok(told(found, from, seam.now(), &self.since))
        })
    }
}

fn told(found: Gaps, since: Timestamp, now: Timestamp, asked: &str) -> Done {
    let row = |gap: Gap| {
        json!({ "object": "event_gap", "id": gap.id, "type": gap.kind, "created": gap.created,
            "age_seconds": now.since(gap.created).as_secs() })
    };
    let has_more = found.missing > found.newest.len() as u64;
    let rows: Vec<Value> = found.newest.into_iter().map(row).collect();
    let mut answer = json!({ "object": "list", "data": rows, "has_more": has_more, "since": since,
        "read": found.read, "young": found.young, "by_type": found.by_type, "warnings": found.warnings });
    if found.missing > 0 {
        answer["fix"] = format!("makegood events backfill --since {asked}").into();
    }
    Done::new(answer).findings(found.missing)
}

fn since(seam: &Seam, text: &str) -> Result<Timestamp> {
    moment_before(seam.now(), text).map_err(|why| Error::invalid("since", why))
}
