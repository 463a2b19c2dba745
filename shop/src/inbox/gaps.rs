//! What Stripe has and we have not: the list of events held against the inbox.

use std::collections::BTreeMap;

use kernel::{Result, Timestamp};
use ops::Progress;

use super::listing::{self, Item, Place, What};
use super::reading::{LAG, warning};
use super::{Incoming, store};
use crate::seam::Seam;

/// So many missing events are shown; the others are counted.
const SHOWN_AT_MOST: usize = 200;

/// An event that Stripe has and we have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// When Stripe made it.
    pub created: Timestamp,
}

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Events that were read.
    pub read: u64,
    /// Events that are too young to be missed: their webhooks may be on their way.
    pub young: u64,
    /// How many are missing.
    pub missing: u64,
    /// How many of which type.
    pub by_type: BTreeMap<String, u64>,
    /// The newest of them.
    pub newest: Vec<Gap>,
    /// What has to be said about it.
    pub warnings: Vec<String>,
}

/// Looks for events since then that are missing here. Changes nothing.
///
/// # Errors
/// Busy when Stripe limits our rate or cannot be reached.
pub async fn gaps(seam: &Seam, since: Timestamp, progress: &dyn Progress) -> Result<Gaps> {
    let mut gaps = Gaps { warnings: warning(seam.now(), since).into_iter().collect(), ..Gaps::default() };
    let mut place = Place { since, older_than: None };
    loop {
        let page = listing::page(seam, &place).await?;
        gaps.read += page.items.len() as u64;
        let mut ours = ours(page.items);
        let known = known(seam, &ours).await?;
        ours.retain(|event| !known.contains(&event.id));
        ours.into_iter().for_each(|event| gaps.take_in(event, seam.now()));
        progress.at(gaps.read, None, &format!("{} are missing", gaps.missing));
        if !page.more {
            return Ok(gaps);
        }
        place.older_than = page.last;
    }
}

fn ours(items: Vec<Item>) -> Vec<Incoming> {
    let ours = items.into_iter().filter_map(|item| match item.what {
        What::Ours(event) => Some(*event),
        What::Other | What::Unreadable(_) => None,
    });
    ours.collect()
}

async fn known(seam: &Seam, events: &[Incoming]) -> Result<std::collections::BTreeSet<String>> {
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    seam.db.read("gaps.known", move |tx| store::known(tx, ids.iter())).await
}

impl Gaps {
    fn take_in(&mut self, event: Incoming, now: Timestamp) {
        if now.since(event.created) < LAG {
            self.young += 1;
            return;
        }
        self.missing += 1;
        *self.by_type.entry(event.kind.clone()).or_default() += 1;
        if self.newest.len() < SHOWN_AT_MOST {
            self.newest.push(Gap { id: event.id, kind: event.kind, created: event.created });
        }
    }
}
