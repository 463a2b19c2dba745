//! What operators may do with events.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventStatus, StoredEvent, store};

/// Process a stored event again; what is already right does not change
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Which event: Stripe's id, evt_…
    pub event: String,
}

impl Operation for Replay {
    const NAME: &'static str = "events.replay";
    const SUBJECT: Option<&'static str> = Some("event");
    const AUDIT: &'static str = "stripe_event_reprocessed";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let event = found(tx, &self.event)?;
        let order = event.order_id.map_or("no order".to_owned(), |id| id.to_string());
        let ours = event.last_error_kind.as_deref() != Some(store::WRONG_LIVEMODE);
        let mode = if event.livemode { "it is live" } else { "it is a test event" };
        Ok(Plan::default().guard("mode_is_ours", ours, mode).change(
            format!("event {} ({}, {order})", event.id, event.kind),
            format!("{}, attempt {}", event.status.as_str(), event.attempts),
            format!("processed again, attempt {}", event.attempts + 1),
        ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let livemode = found(tx, &self.event)?.livemode;
        super::replay(tx, cx, &self.event, livemode).map(drop)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let event = found(tx, &self.event)?;
        if event.status == EventStatus::Received {
            return Ok(vec![Proof::new("a worker asks Stripe for its object at once", true, "received")]);
        }
        let over = matches!(event.status, EventStatus::Processed | EventStatus::Ignored);
        let seen = event.last_error.unwrap_or_else(|| event.status.as_str().to_owned());
        Ok(vec![Proof::new("the event is processed or ignored", over, seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("event", self.event.clone())
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(found(tx, &self.event)?.order_id.map(|id| id.uuid()))
    }
}

/// Say that an event is nothing of ours: it waits for nobody any more; a replay brings it back
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Ignore {
    /// Which event: Stripe's id, evt_…
    pub event: String,
}

impl Operation for Ignore {
    const NAME: &'static str = "events.ignore";
    const SUBJECT: Option<&'static str> = Some("event");
    const AUDIT: &'static str = "stripe_event_ignored";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let event = found(tx, &self.event)?;
        let status = event.status;
        // What is still on its way ends by itself, and what was acted on is not undone.
        let waits = matches!(status, EventStatus::Error | EventStatus::Unmatched | EventStatus::Ignored);
        let what = format!("event {} ({})", event.id, event.kind);
        Ok(Plan::default()
            .guard("event_waits_for_a_person", waits, format!("it is {}", status.as_str()))
            .change(what, status.as_str(), EventStatus::Ignored.as_str()))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let why = by.reason.as_deref().unwrap_or_default();
        store::ignore(tx, cx.now, &self.event, &format!("{}: {why}", by.actor.name))
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let status = found(tx, &self.event)?.status;
        Ok(vec![Proof::new("the event is ignored", status == EventStatus::Ignored, status.as_str())])
    }

    fn subject(&self) -> (&'static str, String) {
        ("event", self.event.clone())
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(found(tx, &self.event)?.order_id.map(|id| id.uuid()))
    }
}

fn found(tx: &mut Tx<'_>, id: &str) -> Result<StoredEvent> {
    store::find(tx, id)?.ok_or_else(|| Error::not_found("event", id))
}
