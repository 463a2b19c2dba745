//! Claims a batch of events, reads what each proves, and settles it: effects, audit and the events' own end in one
//! transaction. A bad event is found by trying its batch one by one.

use std::collections::BTreeMap;

use db::{Tx, TxResult};
use kernel::planted::{Defect, planted};
use kernel::{Cx, Duration, Error, Result};
use ops::Actor;
use ops::audit::{self, Entry};
use stripe::{Event, Proof, Reading, References};

use super::event::MAX_ATTEMPTS;
use super::store::{self, Claimed, Ending};
use super::{EventStatus, StoredEvent};
use crate::ids::OrderId;
use crate::orders::{self, Learned};
use crate::seam::Seam;

/// How long a worker may take for its batch before another takes the events over.
const LEASE: Duration = Duration::from_secs(30);
/// Events in one batch. Larger batches settle faster; smaller ones hold fewer locks.
const BATCH: i64 = 100;

/// How many events ended in which way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processed {
    /// Claimed in this round.
    pub claimed: usize,
    /// By where they ended.
    pub ended: BTreeMap<&'static str, u64>,
}

/// Claims what is due and processes it. Says how much there was; zero means there is nothing to do now.
pub async fn process(seam: &Seam) -> Result<Processed> {
    let cx = seam.cx();
    let now = cx.now;
    let claims =
        seam.db.write("inbox.claim", move |tx| store::claim(tx, now, BATCH, LEASE)).await.safe_to_repeat()?;
    if planted(Defect::MarkedBeforeDone) {
        mark_before_done(seam, &claims).await?;
    }
    settle_claims(seam, claims).await
}

async fn settle_claims(seam: &Seam, claims: Vec<Claimed>) -> Result<Processed> {
    let mut processed = Processed { claimed: claims.len(), ..Processed::default() };
    if claims.is_empty() {
        return Ok(processed);
    }
    let endings = match try_batch(seam, &claims).await {
        Ok(endings) => endings,
        // Not now, or nobody knows: the lease brings back what is not finished.
        Err(Error::Busy(_) | Error::Unknown(_)) => Vec::new(),
        Err(_) => one_by_one(seam, &claims).await?,
    };
    for ending in endings {
        tell(&ending);
        *processed.ended.entry(ending.status.as_str()).or_default() += 1;
    }
    Ok(processed)
}

/// An event that nobody can read needs a person, so it is said aloud; a failed attempt was told when it was put back.
fn tell(ending: &Ending) {
    if let (EventStatus::Error, Some((kind @ ("missing_field" | "not_an_event" | "nul_character"), why))) =
        (ending.status, &ending.error)
    {
        tracing::error!(stripeEventId = ending.id, kind, error = why, "[stripe.webhook] Webhook error");
    }
}

async fn try_batch(seam: &Seam, claims: &[Claimed]) -> Result<Vec<Ending>> {
    let readings: Vec<Read> = claims.iter().map(|claim| read(claim, seam.settings.livemode)).collect();
    let (cx, claims) = (seam.cx(), claims.to_vec());
    // Repeating is safe: what was committed is no longer held by this claim.
    seam.db.write("inbox.settle", move |tx| settle(tx, &cx, &claims, &readings)).await.safe_to_repeat()
}

/// Each event by itself; the one that fails is put back, or given up, and does not hold up the others.
async fn one_by_one(seam: &Seam, claims: &[Claimed]) -> Result<Vec<Ending>> {
    let mut endings = Vec::new();
    for claim in claims {
        match try_batch(seam, std::slice::from_ref(claim)).await {
            Ok(ended) => endings.extend(ended),
            // Nobody knows, or not now: the lease brings it back.
            Err(Error::Busy(_) | Error::Unknown(_)) => {}
            Err(error) => endings.push(put_back(seam, claim, error).await?),
        }
    }
    Ok(endings)
}

async fn put_back(seam: &Seam, claim: &Claimed, error: Error) -> Result<Ending> {
    let cx = seam.cx();
    tracing::error!(stripeEventId = claim.id, attempts = claim.attempts, %error, "[stripe.webhook] Webhook error");
    let given_up =
        claim.attempts >= MAX_ATTEMPTS || matches!(error, Error::Refused(_) | Error::Invalid { .. });
    let ending = Ending {
        id: claim.id.clone(),
        status: if given_up { EventStatus::Error } else { EventStatus::Retry },
        order: None,
        error: Some((error.code(), error.to_string())),
        next_attempt_at: cx.now + jobs::backoff(&cx, claim.attempts),
    };
    let (claim, written) = (claim.clone(), ending.clone());
    seam.db
        .write("inbox.put_back", move |tx| {
            let held = store::still_held(tx, std::slice::from_ref(&claim))?;
            if held.is_empty() { Ok(()) } else { store::finish(tx, &cx, std::slice::from_ref(&written)) }
        })
        .await
        .safe_to_repeat()?;
    Ok(ending)
}

/// What an event says, read before any transaction.
enum Read {
    Proof(Box<Proof>),
    Ignored(&'static str),
    Unreadable(&'static str, String),
}

fn read(claim: &Claimed, livemode: bool) -> Read {
    let event = match Event::parse(claim.payload.as_bytes()) {
        Ok(event) => event,
        Err(error) => return Read::Unreadable("not_an_event", error.to_string()),
    };
    if event.livemode != livemode {
        return Read::Ignored(store::WRONG_LIVEMODE);
    }
    match stripe::read(&event) {
        // PostgreSQL's jsonb cannot keep it, and no payment needs it.
        Ok(Reading::Proof(_)) if claim.payload.contains("\\u0000") => Read::Unreadable(
            "nul_character",
            "the payload carries \\u0000, which cannot be stored as a fact".into(),
        ),
        Ok(Reading::Proof(proof)) => Read::Proof(Box::new(proof)),
        Ok(Reading::NotHandled) => Read::Ignored("type_not_handled"),
        Err(missing) => Read::Unreadable("missing_field", missing.to_string()),
    }
}

fn settle(tx: &mut Tx<'_>, cx: &Cx, claims: &[Claimed], readings: &[Read]) -> Result<Vec<Ending>> {
    let held = store::still_held(tx, claims)?;
    let held: Vec<(&Claimed, &Read)> =
        claims.iter().zip(readings).filter(|(claim, _)| held.contains(&claim.id)).collect();
    let references: Vec<&References> = held
        .iter()
        .filter_map(|(_, read)| match read {
            Read::Proof(proof) => Some(&proof.references),
            Read::Ignored(_) | Read::Unreadable(..) => None,
        })
        .collect();
    let mut matched = orders::match_references(tx, &references)?.into_iter();
    let mut learned = Vec::new();
    let mut endings = Vec::with_capacity(held.len());
    for (claim, read) in held {
        let order = if matches!(read, Read::Proof(_)) { matched.next().flatten() } else { None };
        let ending = judge(cx, claim, read, order);
        if let (Read::Proof(proof), Some(order)) = (read, order) {
            let cause = Actor::stripe(&claim.id);
            learned.push(Learned { order, fact: proof.fact.clone(), cause });
        }
        endings.push(ending);
    }
    orders::learn(tx, cx, learned)?;
    store::finish(tx, cx, &endings)?;
    audit::record(tx, cx, endings.iter().filter_map(audited).collect())?;
    Ok(endings)
}

/// Where an event ends, given the order that it means.
fn judge(cx: &Cx, claim: &Claimed, read: &Read, order: Option<OrderId>) -> Ending {
    let (status, error) = match (read, order) {
        (Read::Proof(_), Some(_)) => (EventStatus::Processed, None),
        (Read::Proof(proof), None) if proof.references.order.is_some() => {
            let named = proof.references.order.as_deref().unwrap_or_default();
            let text = format!("metadata.orderId is `{named}`, and no such order is here");
            (EventStatus::Unmatched, Some(("order_unknown", text)))
        }
        // Nothing in it is ours: another system's payment on the same account.
        (Read::Proof(_), None) => (EventStatus::Ignored, None),
        (Read::Ignored(why), _) => (EventStatus::Ignored, Some((*why, String::new()))),
        (Read::Unreadable(kind, text), _) => (EventStatus::Error, Some((*kind, text.clone()))),
    };
    Ending { id: claim.id.clone(), status, order, error, next_attempt_at: cx.now }
}

fn audited(ending: &Ending) -> Option<Entry> {
    let order = ending.order?;
    let entry = Entry::new("stripe_webhook_processed", Actor::system("worker"), "event", &ending.id);
    Some(entry.order(order))
}

/// What the defect `MarkedBeforeDone` does: the end first, the effect in another transaction.
async fn mark_before_done(seam: &Seam, claims: &[Claimed]) -> Result<()> {
    let (cx, claims) = (seam.cx(), claims.to_vec());
    seam.db
        .write("inbox.mark", move |tx| {
            let endings: Vec<Ending> = claims
                .iter()
                .map(|claim| Ending {
                    id: claim.id.clone(),
                    status: EventStatus::Processed,
                    order: None,
                    error: None,
                    next_attempt_at: cx.now,
                })
                .collect();
            store::finish(tx, &cx, &endings)
        })
        .await
        .safe_to_repeat()
}

/// Processes one stored event again, whatever became of it before. Changes nothing that is already right.
pub fn replay(tx: &mut Tx<'_>, cx: &Cx, id: &str, livemode: bool) -> Result<StoredEvent> {
    let claim = store::claim_one(tx, cx.now, id, LEASE)?.ok_or_else(|| Error::not_found("event", id))?;
    let reading = read(&claim, livemode);
    settle(tx, cx, &[claim], &[reading])?;
    store::find(tx, id)?.ok_or_else(|| Error::not_found("event", id))
}
