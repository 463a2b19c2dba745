//! Events that named an unknown order are looked at again; the order may have appeared since.

use std::sync::{Mutex, MutexGuard};

use db::{Tx, TxResult};
use kernel::{Result, Timestamp};
use stripe::{Event, Reading};

use super::store;
use crate::orders;
use crate::seam::Seam;

/// Events in one page, and pages in one look. Another environment on the same account may leave many events that are never
/// matched: however many they are, one look costs as much as this, and each of them has its turn.
const PAGE: i64 = 500;
const PAGES: usize = 4;

/// Where a page ends: when its last event came, and its id.
pub(super) type Place = (Timestamp, String);

/// Looks at unmatched events, page after page, and begins anew at the end.
#[derive(Debug, Default)]
pub struct Rematcher {
    after: Mutex<Option<Place>>,
}

impl Rematcher {
    /// Makes due again what can be matched now; says how many events that are.
    pub async fn rematch(&self, seam: &Seam) -> Result<u64> {
        let mut woken = 0;
        for _ in 0..PAGES {
            let after = self.place().clone();
            let page = seam.db.read("inbox.unmatched", move |tx| look(tx, after.as_ref())).await?;
            woken += wake(seam, page.matchable).await?;
            let over = page.end.is_none();
            *self.place() = page.end;
            if over {
                break;
            }
        }
        Ok(woken)
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.after.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

async fn wake(seam: &Seam, matchable: Vec<String>) -> Result<u64> {
    if matchable.is_empty() {
        return Ok(0);
    }
    let now = seam.cx().now;
    seam.db
        .write("inbox.rematch", move |tx| {
            tx.wake(super::receive::TOPIC);
            store::wake_unmatched(tx, now, &matchable)
        })
        .await
        .safe_to_repeat()
}

/// One page, looked at.
struct Page {
    matchable: Vec<String>,
    /// Where it ends; nothing when it was the last.
    end: Option<Place>,
}

fn look(tx: &mut Tx<'_>, after: Option<&Place>) -> Result<Page> {
    let events = store::unmatched(tx, after, PAGE)?;
    let full = events.len() as i64 == PAGE;
    let end = events.last().filter(|_| full).map(|event| (event.received_at, event.id.clone()));
    let read: Vec<(String, stripe::Proof)> = events
        .into_iter()
        .filter_map(|event| match stripe::read(&Event::parse(event.payload.as_bytes()).ok()?) {
            Ok(Reading::Proof(proof)) => Some((event.id, proof)),
            _ => None,
        })
        .collect();
    let references: Vec<_> = read.iter().map(|(_, proof)| &proof.references).collect();
    let found = orders::match_references(tx, &references)?;
    let matchable = read.into_iter().zip(found).filter(|(_, order)| order.is_some()).map(|((id, _), _)| id);
    Ok(Page { matchable: matchable.collect(), end })
}
