//! What operators may have done with Stripe's list of events.

use std::collections::BTreeMap;
use std::ops::Deref;

use db::TxResult;
use kernel::{Error, Result, Timestamp, moment_before};
use ops::audit::{self, Entry};
use ops::{By, Changing, Done, Effect, Operation, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backfill::{Wanted, backfill};
use super::gaps::{Gap, Gaps, gaps};
use super::ops::Replay;
use super::{EventStatus, process, store};
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

/// At most so many events in one run, so that whoever begins one can watch it end.
const MOST: u64 = 500;

/// Process all stored events again that match; what is already right does not change
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ReplayMatching {
    /// Only received, processed, ignored, retry, error or unmatched ones
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    /// Only of this type, like checkout.session.completed
    #[arg(long = "type")]
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Only those that came since then, like 24h, 7d or 2026-11-01
    #[arg(long, value_name = "MOMENT", default_value = "24h")]
    #[serde(default = "a_day")]
    pub since: String,
    /// At most so many (1 to 500), the oldest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    #[serde(default = "a_hundred")]
    #[schemars(range(min = 1, max = MOST))]
    pub most: u64,
    /// Only what came after this event: where the last run ended
    #[arg(long, value_name = "EVENT")]
    #[serde(default)]
    pub after: Option<String>,
    /// Only list what would be processed again
    #[arg(long)]
    #[serde(default)]
    pub preview: bool,
}

fn a_hundred() -> u64 {
    100
}

impl ReplayMatching {
    fn matching(&self, seam: &Seam) -> Result<store::Matching> {
        if !(1..=MOST).contains(&self.most) {
            return Err(Error::invalid("most", format!("{}; expected 1 to {MOST}", self.most)));
        }
        Ok(store::Matching {
            status: self.status.as_deref().map(EventStatus::named).transpose()?,
            kind: self.kind.clone(),
            since: since(seam, &self.since)?,
            after: self.after.clone(),
            livemode: seam.settings.livemode,
        })
    }
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for ReplayMatching {
    const NAME: &'static str = "events.replay-matching";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "type", "status", "order_id", "received_at"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect =
        Effect::Either(Changing { audit: "events_replayed", risk: Risk::Changes, role: Role::Operator });

    fn changes(&self) -> bool {
        !self.preview
    }

    fn preview(self) -> Option<Self> {
        Some(ReplayMatching { preview: true, ..self })
    }

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let (wanted, most) = (self.matching(seam)?, self.most);
            let found = seam
                .db
                .read("events.matching", move |tx| {
                    if let Some(after) = &wanted.after {
                        store::find(tx, after)?.ok_or_else(|| Error::not_found("event", after))?;
                    }
                    Ok((store::count_matching(tx, &wanted)?, store::matching(tx, &wanted, most)?))
                })
                .await?;
            let (matching, events) = found;
            if self.preview {
                let mut listed = Done::list(crate::view::objects("stripe_event", events)?);
                listed.answer["matching"] = matching.into();
                return Ok(listed);
            }
            let of = events.len() as u64;
            let left = matching.saturating_sub(of);
            let last = events.last().map(|event| event.id.clone());
            let (mut ended, mut failed) = (BTreeMap::<&str, u64>::new(), Vec::new());
            for (done, event) in events.into_iter().enumerate() {
                progress.at(done as u64, Some(of), "events are processed again");
                let status = replay_one(seam, event.id.clone(), by).await?;
                *ended.entry(status.unwrap_or("failed")).or_default() += 1;
                failed.extend(status.is_none().then_some(event.id));
            }
            let mut answer =
                json!({ "object": "replay", "replayed": of, "left": left, "ended": ended, "failed": failed });
            if let (1.., Some(last)) = (left, last) {
                answer["fix"] = format!("the same with --after {last} goes on").into();
            }
            Ok(Done::new(answer))
        })
    }
}

/// Each by itself, with its own entry in the audit log: who cuts the run off loses nothing, and one that fails stops no other.
async fn replay_one(seam: &Seam, id: String, by: &By) -> Result<Option<&'static str>> {
    let (cx, by, livemode) = (seam.cx(), by.clone(), seam.settings.livemode);
    let again = seam.db.write("events.replay", move |tx| {
        let event = super::replay(tx, &cx, &id, livemode)?;
        let entry = Entry::new(Replay::AUDIT, by.actor.clone(), "event", &id).because(by.reason.as_deref());
        audit::record(tx, &cx, vec![Entry { order_id: event.order_id.map(|order| order.uuid()), ..entry }])?;
        Ok(event.status.as_str())
    });
    match again.await.safe_to_repeat() {
        Ok(status) => Ok(Some(status)),
        Err(error @ (Error::Busy(_) | Error::Unknown(_))) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "an event cannot be processed again");
            Ok(None)
        }
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
