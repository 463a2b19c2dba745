//! Events that named an unknown order are looked at again; the order may have appeared since.

use db::{Tx, TxResult};
use kernel::Result;
use stripe::{Event, Reading};

use super::store;
use crate::orders;
use crate::seam::Seam;

/// Makes due again what can be matched now; says how many events that are.
pub async fn rematch(seam: &Seam) -> Result<u64> {
    let now = seam.cx().now;
    let matchable = seam.db.read("inbox.unmatched", matchable).await?;
    if matchable.is_empty() {
        return Ok(0);
    }
    seam.db
        .write("inbox.rematch", move |tx| {
            tx.wake(super::receive::TOPIC);
            store::wake_unmatched(tx, now, &matchable)
        })
        .await
        .safe_to_repeat()
}

fn matchable(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let events = store::unmatched(tx, 500)?;
    let read: Vec<(String, stripe::Proof)> = events
        .into_iter()
        .filter_map(|(id, payload)| match stripe::read(&Event::parse(payload.as_bytes()).ok()?) {
            Ok(Reading::Proof(proof)) => Some((id, proof)),
            _ => None,
        })
        .collect();
    let references: Vec<_> = read.iter().map(|(_, proof)| &proof.references).collect();
    let found = orders::match_references(tx, &references)?;
    Ok(read.into_iter().zip(found).filter(|(_, order)| order.is_some()).map(|((id, _), _)| id).collect())
}
