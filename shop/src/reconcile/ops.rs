//! The comparison as operators ask for it.

use std::ops::Deref;

use kernel::{Error, Result, moment_before};
use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Outcome, Scope, Wish, reconcile};
use crate::ids::OrderId;
use crate::seam::Seam;

/// The task's name; a finding's mend names it.
pub(super) const NAME: &str = "reconcile";

/// Compare what is known here with Stripe's objects, of any age, and every room with itself
///
/// Each finding says why it differs, by what it is seen, and what mends it. With `apply` what is safe is mended; what only a
/// person can know stays a finding. A run that was cut off or stopped goes on where it was when the same is asked for again
/// within a day.
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Reconcile {
    /// What is compared
    #[arg(value_enum, default_value = "all")]
    #[serde(default)]
    pub area: Scope,
    /// Only one order, or one object at Stripe: ord_…, pi_…, cs_…, ch_…, re_…, dp_…
    #[arg(long)]
    #[serde(default)]
    pub only: Option<String>,
    /// Only objects and orders younger than this: 30d, 2026-11-01, 2026-11-20T08:15:30Z
    #[arg(long)]
    #[serde(default)]
    pub from: Option<String>,
    /// Mend what is safe
    #[arg(long)]
    #[serde(default)]
    pub apply: bool,
    /// Begin anew, even where a run was cut off
    #[arg(long)]
    #[serde(default)]
    pub from_start: bool,
}

/// On whatever holds the seam: the whole shop is no room's business.
impl<S: Deref<Target = Seam> + Send + Sync + 'static> Task<S> for Reconcile {
    const NAME: &'static str = NAME;
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["cause", "subject", "text", "applied", "runbook", "command"];
    const ROLE: Role = Role::Support;
    const EFFECT: Effect =
        Effect::Either(Changing { audit: "reconciled", risk: Risk::Safe, role: Role::Operator });

    fn changes(&self) -> bool {
        self.apply
    }

    fn preview(self) -> Option<Self> {
        Some(Reconcile { apply: false, ..self })
    }

    fn run<'a>(&'a self, on: &'a S, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move { Ok(done(reconcile(on, self.wish(on)?, by, progress).await?)) })
    }
}

impl Reconcile {
    fn wish(&self, seam: &Seam) -> Result<Wish> {
        let moment = |text: &String| match moment_before(seam.now(), text) {
            Ok(since) => Ok((text.clone(), since)),
            Err(why) => Err(Error::invalid("from", why)),
        };
        if let Some(only) = self.only.as_deref().filter(|id| !is_known(id)) {
            let why = format!(
                "`{only}` is neither an order (ord_…) nor an object at Stripe (pi_…, cs_…, ch_…, re_…, dp_…)"
            );
            return Err(Error::invalid("only", why));
        }
        Ok(Wish {
            scope: self.area,
            only: self.only.clone(),
            from: self.from.as_ref().map(moment).transpose()?,
            apply: self.apply,
            from_start: self.from_start,
        })
    }
}

fn is_known(id: &str) -> bool {
    id.parse::<OrderId>().is_ok() || stripe::lookup::retrieve_object(id).is_some()
}

fn done(outcome: Outcome) -> Done {
    let Outcome { id, summary, mut findings, remaining, stopped } = outcome;
    for finding in &mut findings {
        finding["command"] = finding["mend"]["command"].clone();
    }
    let all = remaining + summary["applied"].as_u64().unwrap_or_default();
    let answer = json!({
        "object": "list",
        "reconciliation": id,
        "scope": summary["scope"],
        "complete": stopped.is_none(),
        "stopped_by": stopped,
        "looked_at": summary["looked_at"],
        "foreign": summary["foreign"],
        "young": summary["young"],
        "applied": summary["applied"],
        "has_more": all > findings.len() as u64,
        "url": format!("/api/v1/admin/reconciliations/{id}/findings"),
        "data": findings,
    });
    Done::new(answer).findings(remaining)
}
