//! Reads Stripe's list of events and stores what no webhook has brought: after the endpoint was down, or instead of it.
//!
//! The list is read back in time, each page stored in one transaction with the place in the list, so a reading that is cut
//! off goes on there. One process reads at a time.

use db::TxResult;
use kernel::{Duration, Refusal, Result, Timestamp};
use ops::Progress;
use serde::Serialize;

use super::listing::{self, Events, Item, Place, What};
use super::reading::{OVERLAP, Reader, Reading, SHOWN, warning};
use super::store::{self, readings};
use crate::orders;
use crate::seam::Seam;

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What came since the last time.
    New,
    /// Everything since then.
    Since(Timestamp),
}

/// What a backfill came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Backfilled {
    /// Back to when the list was read.
    pub since: Option<Timestamp>,
    /// Events that were read.
    pub read: u64,
    /// Events that had been missing.
    pub stored: u64,
    /// Events that were here before.
    pub known: u64,
    /// Events of types that we do not act on; they are not stored.
    pub other: u64,
    /// Events that nobody can read.
    pub unreadable: u64,
    /// What has to be said about it.
    pub warnings: Vec<String>,
}

/// The code of a refusal because another process is reading.
pub const UNDER_WAY: &str = "backfill_under_way";

/// How long a page may take, with all its attempts, before another process goes on instead.
const HOLD: Duration = Duration::from_secs(150);

/// Stores what is missing. What was stored when it fails stays stored, and the next one goes on there.
///
/// # Errors
/// Refused as [`UNDER_WAY`] while another process reads; `Busy` when Stripe limits our rate or cannot be reached.
pub async fn backfill(seam: &Seam, wanted: Wanted, progress: &dyn Progress) -> Result<Backfilled> {
    let (reader, mut since) = match wanted {
        Wanted::New => (Reader::Schedule, None),
        Wanted::Since(since) => (Reader::Hand, Some(since)),
    };
    let mut done = Backfilled::default();
    loop {
        let Some(mut reading) = take(seam, reader, since).await? else { return Err(under_way().into()) };
        note(seam, &reading, &mut done);
        if let Err(error) = read_all(seam, &mut reading, &mut done, progress).await {
            let_go(seam, reading, error.told()).await?;
            return Err(error);
        }
        if !reading.goes_on {
            return Ok(done);
        }
        // What came since it was cut off is still to be read.
        let newest = reading.newest_created().map(|newest| newest - OVERLAP);
        since = since.map(|since| newest.map_or(since, |newest| since.max(newest)));
    }
}

fn under_way() -> Refusal {
    Refusal::new(UNDER_WAY, "Stripe's events are being read at this moment")
        .fix("wait until it has ended, then look with `makegood events gaps`")
}

async fn take(seam: &Seam, reader: Reader, since: Option<Timestamp>) -> Result<Option<Reading>> {
    let cx = seam.cx();
    let holder = cx.uuid();
    seam.db
        .write("backfill.take", move |tx| {
            let first = match orders::ours_since(tx)? {
                // Nothing that happened before our first order, or our first mapped price, is about one of ours.
                Some(at) => (at - OVERLAP).max(cx.now - SHOWN),
                None => cx.now - OVERLAP,
            };
            let Some(readings) = readings::find_free(tx, reader, cx.now)? else { return Ok(None) };
            let reading = readings.next(reader, holder, cx.now, since, first);
            readings::hold(tx, &reading, cx.now + HOLD)?;
            Ok(Some(reading))
        })
        .await
        .safe_to_repeat()
}

fn note(seam: &Seam, reading: &Reading, done: &mut Backfilled) {
    let since = reading.part.since;
    done.since = Some(done.since.map_or(since, |before| before.min(since)));
    let warning = reading.deaf_since().and_then(|deaf| warning(seam.now(), deaf));
    done.warnings.extend(warning.filter(|warning| !done.warnings.contains(warning)));
}

async fn read_all(
    seam: &Seam,
    reading: &mut Reading,
    done: &mut Backfilled,
    progress: &dyn Progress,
) -> Result<()> {
    loop {
        let place = Place { since: reading.part.since, older_than: reading.part.older_than.clone() };
        let page = listing::page(seam, &place).await?;
        let oldest = page.items.iter().filter_map(|item| item.created).min();
        let more = page.more;
        store_page(seam, reading, page, done).await?;
        let back_to = oldest.map(|at| format!(", back to {at}")).unwrap_or_default();
        progress.at(done.read, None, &format!("{} were missing{back_to}", done.stored));
        if !more {
            return finish(seam, reading).await;
        }
    }
}

async fn store_page(seam: &Seam, reading: &mut Reading, page: Events, done: &mut Backfilled) -> Result<()> {
    let newest = page.items.iter().filter_map(|item| item.created).max();
    reading.part.newest_seen = reading.part.newest_seen.max(newest);
    reading.part.older_than = page.last.or(reading.part.older_than.take());
    let (read, ours) = sort(seam, page.items, done);
    let (now, held) = (seam.now(), reading.clone());
    let (known, stored) = seam
        .db
        .write("backfill.page", move |tx| {
            readings::go_on(tx, &held, now + HOLD)?;
            let known = store::known(tx, ours.iter().map(|(id, _)| id))?;
            let missing: Vec<_> = ours.iter().filter(|(id, _)| !known.contains(id)).collect();
            let rows: Vec<_> = missing.iter().map(|(_, row)| row.clone()).collect();
            let new = store::insert(tx, &rows)?.into_iter().filter(|new| *new).count();
            if new > 0 {
                tx.wake(super::receive::TOPIC);
            }
            Ok((ours.len() - new, new))
        })
        .await
        .safe_to_repeat()?;
    done.read += read;
    done.known += known as u64;
    done.stored += stored as u64;
    Ok(())
}

type Row = (String, Vec<db::Value>);

/// The rows of those that are ours; the others are counted.
fn sort(seam: &Seam, items: Vec<Item>, done: &mut Backfilled) -> (u64, Vec<Row>) {
    let read = items.len() as u64;
    let mut ours = Vec::new();
    for item in items {
        match item.what {
            What::Ours(event) => ours.push((event.id.clone(), store::row(*event, seam.settings.livemode))),
            What::Other => done.other += 1,
            What::Unreadable(why) => {
                tracing::error!(why, "an event of Stripe's list cannot be read");
                done.unreadable += 1;
            }
        }
    }
    (read, ours)
}

async fn finish(seam: &Seam, reading: &Reading) -> Result<()> {
    let reading = reading.clone();
    seam.db.write("backfill.finish", move |tx| readings::finish(tx, &reading)).await.safe_to_repeat()
}

/// The place in the list stays; whoever comes next goes on there.
async fn let_go(seam: &Seam, reading: Reading, why: String) -> Result<()> {
    let now = seam.now();
    seam.db
        .write("backfill.let_go", move |tx| readings::let_go(tx, &reading, now, &why))
        .await
        .safe_to_repeat()
}
