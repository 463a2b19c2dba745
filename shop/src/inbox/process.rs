//! Claims a batch of events, reads what each proves, and settles it: effects, audit and the events' own end in one
//! transaction. Of what can change both ways the object is fetched first, outside of any transaction. A bad event is found
//! by trying its batch one by one.

use std::collections::BTreeMap;

use db::{Tx, TxResult};
use kernel::planted::{Defect, planted};
use kernel::{Cx, Duration, Error, Refusal, Result};
use ops::Actor;
use ops::audit::{self, Entry};
use stripe::{Envelope, Event, Fact, NotAnEvent, Proof, Reading, References, Target};

use super::event::{MAX_ATTEMPTS, MISSING_FIELD};
use super::store::{self, Claimed, Ending};
use super::{EventStatus, StoredEvent};
use crate::fetch::{self, NotSeen};
use crate::ids::OrderId;
use crate::orders::{self, Learned, OfSale};
use crate::refunds;
use crate::seam::Seam;

/// How long a worker may take for its batch before another takes the events over.
const LEASE: Duration = Duration::from_secs(30);
/// The same while Stripe is asked.
const LEASE_WHILE_ASKING: Duration = Duration::from_secs(180);
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
    let read = claims.into_iter().map(|claim| {
        let read = read(&claim, seam.settings.livemode);
        (claim, read)
    });
    let (believed, hints): (Vec<Work>, Vec<Work>) = read.partition(|(_, read)| read.target().is_none());
    settle_works(seam, believed, &mut processed).await?;
    if !hints.is_empty() {
        let asked = ask(seam, hints).await?;
        settle_works(seam, asked, &mut processed).await?;
    }
    Ok(processed)
}

async fn settle_works(seam: &Seam, works: Vec<Work>, processed: &mut Processed) -> Result<()> {
    if works.is_empty() {
        return Ok(());
    }
    let endings = match try_batch(seam, &works).await {
        Ok(endings) => endings,
        // Not now, or nobody knows: the lease brings back what is not finished.
        Err(Error::Busy(_) | Error::Unknown(_)) => Vec::new(),
        Err(_) => one_by_one(seam, &works).await?,
    };
    for ending in endings {
        tell(&ending);
        *processed.ended.entry(ending.status.as_str()).or_default() += 1;
    }
    Ok(())
}

/// Fetches what the events are hints of: many events about one object, one fetch. When Stripe cannot be asked the payload
/// stands in, and the object is fetched later.
async fn ask(seam: &Seam, works: Vec<Work>) -> Result<Vec<Work>> {
    let (now, ids) = (seam.cx().now, works.iter().map(|(claim, _)| claim.clone()).collect::<Vec<_>>());
    let asked = seam
        .db
        .write("inbox.keep", move |tx| {
            store::keep(tx, now, &ids, LEASE_WHILE_ASKING)?;
            fetch::draw(tx, now)
        })
        .await
        .safe_to_repeat()?;
    let targets = works.iter().filter_map(|(_, read)| read.target().cloned());
    let found = fetch::all(seam, targets.collect(), asked).await;
    let believe = |(claim, read): Work| {
        let found = read.target().and_then(|target| found.get(target));
        let read = match (read, found) {
            (Read::Proof(told), Some(Ok(seen))) => Read::Proof(Box::new(with_object(*told, seen.clone()))),
            // The payload is all that there will ever be.
            (Read::Proof(told), Some(Err(NotSeen::Gone))) => {
                Read::Proof(Box::new(Proof { target: None, ..*told }))
            }
            (Read::Proof(told), Some(Err(why))) => Read::Told(told, why.clone()),
            (read, _) => read,
        };
        (claim, read)
    };
    Ok(works.into_iter().map(believe).collect())
}

/// What the object says stands in for what the event told of it. What the event names its order by still counts.
fn with_object(told: Proof, seen: Proof) -> Proof {
    let mut references = seen.references;
    let inside = told.references;
    references.payment_intent = references.payment_intent.or(inside.payment_intent);
    references.charge = references.charge.or(inside.charge);
    if references.order.is_none() {
        (references.order, references.typed) = (inside.order, inside.typed);
    }
    Proof { references, facts: seen.facts, target: None, sale: seen.sale }
}

/// An event that nobody can read needs a person, as does one whose object our key may not read, so it is said aloud; a
/// failed attempt was told when it was put back.
fn tell(ending: &Ending) {
    let unreadable = [MISSING_FIELD, "not_an_event"];
    if let (EventStatus::Error | EventStatus::Retry, Some((kind, why))) = (ending.status, &ending.error)
        && (unreadable.contains(kind) || kind.starts_with("stripe_") && *kind != UNREACHABLE)
    {
        tracing::error!(stripeEventId = ending.id, kind, error = why, "[stripe.webhook] Webhook error");
    }
}

async fn try_batch(seam: &Seam, works: &[Work]) -> Result<Vec<Ending>> {
    let (cx, works) = (seam.cx(), works.to_vec());
    // Repeating is safe: what was committed is no longer held by this claim.
    seam.db.write("inbox.settle", move |tx| settle(tx, &cx, &works)).await.safe_to_repeat()
}

/// Each event by itself; the one that fails is put back, or given up, and does not hold up the others.
async fn one_by_one(seam: &Seam, works: &[Work]) -> Result<Vec<Ending>> {
    let mut endings = Vec::new();
    for work in works {
        match try_batch(seam, std::slice::from_ref(work)).await {
            Ok(ended) => endings.extend(ended),
            // Nobody knows, or not now: the lease brings it back.
            Err(Error::Busy(_) | Error::Unknown(_)) => {}
            Err(error) => endings.push(put_back(seam, &work.0, error).await?),
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
        strange_payment: None,
    };
    let (claim, written) = (claim.clone(), ending.clone());
    seam.db
        .write("inbox.put_back", move |tx| {
            let held = store::still_held(tx, std::iter::once(&claim))?;
            if held.is_empty() { Ok(()) } else { store::finish(tx, &cx, std::slice::from_ref(&written)) }
        })
        .await
        .safe_to_repeat()?;
    Ok(ending)
}

/// An event that is held, and what it says.
type Work = (Claimed, Read);

/// What an event says, read before any transaction.
#[derive(Debug, Clone)]
enum Read {
    Proof(Box<Proof>),
    /// The same, of an object that had to be fetched and could not be, and why.
    Told(Box<Proof>, NotSeen),
    /// The same, of an object that is still to be fetched: a worker does so at once.
    Hint(Box<Proof>),
    Ignored(&'static str),
    Unreadable(&'static str, String),
}

impl Read {
    fn proof(&self) -> Option<&Proof> {
        match self {
            Read::Proof(proof) | Read::Told(proof, _) | Read::Hint(proof) => Some(proof),
            Read::Ignored(_) | Read::Unreadable(..) => None,
        }
    }

    /// What is to be fetched before this may be believed.
    fn target(&self) -> Option<&Target> {
        match self {
            Read::Proof(proof) if !planted(Defect::PayloadBelieved) => proof.target.as_ref(),
            _ => None,
        }
    }
}

/// Why nothing was done about an event.
const NOT_HANDLED: &str = "type_not_handled";

fn read(claim: &Claimed, livemode: bool) -> Read {
    let event = match Event::parse(claim.payload.as_bytes()) {
        Ok(event) => event,
        Err(error) => return unread(claim, &error),
    };
    if event.livemode != livemode {
        return Read::Ignored(store::WRONG_LIVEMODE);
    }
    match stripe::read(&event) {
        Ok(Reading::Proof(proof)) => Read::Proof(Box::new(proof)),
        Ok(Reading::NotHandled) => Read::Ignored(NOT_HANDLED),
        Err(missing) => Read::Unreadable(MISSING_FIELD, missing.to_string()),
    }
}

/// What is only kept need not be read: it may hold what no reader of JSON takes, like half a surrogate pair.
fn unread(claim: &Claimed, error: &NotAnEvent) -> Read {
    match Envelope::parse(claim.payload.as_bytes()) {
        Ok(event) if !stripe::facts::handled().any(|kind| kind == event.kind) => Read::Ignored(NOT_HANDLED),
        _ => Read::Unreadable("not_an_event", error.to_string()),
    }
}

fn settle(tx: &mut Tx<'_>, cx: &Cx, works: &[Work]) -> Result<Vec<Ending>> {
    let held = store::still_held(tx, works.iter().map(|(claim, _)| claim))?;
    let held: Vec<&Work> = works.iter().filter(|(claim, _)| held.contains(&claim.id)).collect();
    let proofs = held.iter().filter_map(|(_, read)| read.proof());
    let references: Vec<&References> = proofs.map(|proof| &proof.references).collect();
    let mut matched = orders::match_references(tx, &references)?.into_iter();
    let mut learned = Vec::new();
    let mut asked_later = Vec::new();
    let mut endings = Vec::with_capacity(held.len());
    for (claim, read) in held {
        let order = if read.proof().is_some() { matched.next().flatten() } else { None };
        let (order, unsold) = sold(tx, cx, (claim, read), order)?;
        endings.push(judge(cx, claim, read, order, unsold));
        if let (Some(at), Some(proof), Some(_)) = (asked_at(cx, read), read.proof(), order) {
            asked_later.extend(proof.target.as_ref().map(|target| fetch::job(at, target)));
        }
        if let (Some(proof), Some(order)) = (read.proof(), order) {
            let cause = Actor::stripe(&claim.id);
            let facts = proof.facts.iter().cloned();
            learned.extend(facts.map(|fact| Learned { order, fact, cause: cause.clone() }));
        }
    }
    let refunds: Vec<Fact> =
        learned.iter().map(|l| &l.fact).filter(|f| matches!(f, Fact::Refund(_))).cloned().collect();
    orders::learn(tx, cx, learned)?;
    refunds::follow(tx, cx, refunds.iter(), &Actor::system("worker"))?;
    jobs::enqueue(tx, cx, asked_later)?;
    store::finish(tx, cx, &endings)?;
    audit::record(tx, cx, endings.iter().filter_map(audited).collect())?;
    Ok(endings)
}

/// The order of an event: the one that it means, or the one that is made of what its session sold; or why there is none.
fn sold(
    tx: &mut Tx<'_>,
    cx: &Cx,
    (claim, read): (&Claimed, &Read),
    order: Option<OrderId>,
) -> Result<(Option<OrderId>, Option<OfSale>)> {
    match (order, read) {
        (None, Read::Proof(proof)) => {
            match orders::order_of_sale(tx, cx, proof, &Actor::stripe(&claim.id))? {
                Some(OfSale::Order(order)) => Ok((Some(order), None)),
                unsold => Ok((None, unsold)),
            }
        }
        _ => Ok((order, None)),
    }
}

/// How long an event about an object that could not be fetched stands in for it before Stripe is asked again.
const PROVISIONAL_FOR: Duration = Duration::from_secs(60);
/// When Stripe is asked for an object of which only an event has told.
fn asked_at(cx: &Cx, read: &Read) -> Option<kernel::Timestamp> {
    match read {
        Read::Told(..) => Some(cx.now + PROVISIONAL_FOR),
        Read::Hint(_) => Some(cx.now),
        Read::Proof(_) | Read::Ignored(_) | Read::Unreadable(..) => None,
    }
}

/// How long an event waits whose order cannot be found while Stripe cannot be asked.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Why it waits.
const UNREACHABLE: &str = "stripe_unreachable";

/// Where an event ends, given the order that it means.
fn judge(cx: &Cx, claim: &Claimed, read: &Read, order: Option<OrderId>, unsold: Option<OfSale>) -> Ending {
    let mut next_attempt_at = cx.now;
    let (status, error) = match (read, order) {
        (Read::Proof(_) | Read::Told(..) | Read::Hint(_), Some(_)) => (EventStatus::Processed, None),
        (Read::Hint(_), None) => (EventStatus::Received, None),
        // It says no, and goes on saying so until a person has seen to the key: then the event is replayed.
        (Read::Told(_, NotSeen::Refused(refusal)), None) => {
            next_attempt_at = cx.now + jobs::backoff(cx, claim.attempts);
            let status = if claim.attempts >= MAX_ATTEMPTS { EventStatus::Error } else { EventStatus::Retry };
            (status, Some((refusal.code, in_words(refusal))))
        }
        // Whose it is would be said by the payment at Stripe. It is asked until it answers.
        (Read::Told(_, NotSeen::Gone | NotSeen::Unanswered), None) => {
            next_attempt_at = cx.now + ASK_AGAIN;
            let text = "no order here is known by this payment, and Stripe cannot be asked whose it is";
            (EventStatus::Retry, Some((UNREACHABLE, text.to_owned())))
        }
        (Read::Proof(proof), None) if proof.references.order.is_some() => {
            let named = proof.references.order.as_deref().unwrap_or_default();
            let text = format!("metadata.orderId is `{named}`, and no such order is here");
            (EventStatus::Unmatched, Some(("order_unknown", text)))
        }
        // A session that sold something here, but not only that.
        (Read::Proof(_), None) if matches!(unsold, Some(OfSale::Waits(_))) => {
            (EventStatus::Unmatched, why_unsold(&unsold))
        }
        // Nothing in it is ours: another system's payment on the same account.
        (Read::Proof(_), None) => (EventStatus::Ignored, why_unsold(&unsold)),
        (Read::Ignored(why), _) => (EventStatus::Ignored, Some((*why, String::new()))),
        (Read::Unreadable(kind, text), _) => (EventStatus::Error, Some((*kind, text.clone()))),
    };
    let strange_payment = match (read, status) {
        (Read::Proof(proof), EventStatus::Ignored) => proof.references.payment_intent.clone(),
        _ => None,
    };
    Ending { id: claim.id.clone(), status, order, error, next_attempt_at, strange_payment }
}

/// Why there is no order of what a session sold. Kept also where it is none of ours: once its price is mapped, it is.
fn why_unsold(unsold: &Option<OfSale>) -> Option<(&'static str, String)> {
    match unsold {
        Some(OfSale::Waits(why) | OfSale::Foreign(why)) => Some((why.code(), why.told())),
        Some(OfSale::Order(_)) | None => None,
    }
}

fn in_words(refusal: &Refusal) -> String {
    let whose = "no order here is known by this payment, and Stripe does not say whose it is";
    format!("{whose}: {}", Error::Refused(refusal.clone()).told())
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
                    strange_payment: None,
                })
                .collect();
            store::finish(tx, &cx, &endings)
        })
        .await
        .safe_to_repeat()
}

/// Processes one stored event again, whatever became of it before. Changes nothing that is already right. What can change
/// both ways is taken from the payload, and a job fetches it soon after.
pub fn replay(tx: &mut Tx<'_>, cx: &Cx, id: &str, livemode: bool) -> Result<StoredEvent> {
    let claim = store::claim_one(tx, cx.now, id, LEASE)?.ok_or_else(|| Error::not_found("event", id))?;
    let read = match read(&claim, livemode) {
        Read::Proof(proof) if proof.target.is_some() => Read::Hint(proof),
        read => read,
    };
    settle(tx, cx, &[(claim, read)])?;
    store::find(tx, id)?.ok_or_else(|| Error::not_found("event", id))
}
