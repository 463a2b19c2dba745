//! What operators may have done with orders that nobody paid for.

use std::ops::Deref;

use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pace, clean_up, foresee};
use crate::seam::Seam;

/// Cancel orders whose payment failed or never came, once Stripe was asked
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct CleanUpFailed {
    /// Only list what would be done
    #[arg(long)]
    #[serde(default)]
    pub preview: bool,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for CleanUpFailed {
    const NAME: &'static str = "orders.cleanup-failed";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "at_stripe", "would"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Either(Changing {
        audit: "failed_payments_cleaned_up",
        risk: Risk::Changes,
        role: Role::Support,
    });

    fn changes(&self) -> bool {
        !self.preview
    }

    fn preview(self) -> Option<Self> {
        Some(CleanUpFailed { preview: true })
    }

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            if self.preview {
                let all = foresee(seam, progress).await?;
                return Ok(Done::list(crate::view::objects("stale_order", all)?));
            }
            let done = clean_up(seam, Pace::Hand, &by.actor, progress).await?;
            Ok(Done::new(crate::view::object("cleanup", &done)?))
        })
    }
}
