//! Sends a refund to Stripe, once. Between each call and its answer the refund is `unknown`, and what is unknown is looked
//! up before anything is sent again.

use db::TxResult;
use jobs::{Claimed, Fate};
use kernel::planted::{Defect, planted};
use kernel::{Error, Result};
use ops::Actor;
use serde_json::Value;
use stripe::lookup::Page;
use stripe::refunds::{create_refund, list_refunds};
use stripe::{Asked, CallError, Fact, Reading, RefundFact, read_object};

use super::refund::Next;
use super::{Refund, RefundStatus, follow, store};
use crate::fetch;
use crate::ids::RefundId;
use crate::orders::{self, Learned};
use crate::seam::Seam;

/// The job that sends a refund.
pub const SEND: &str = "refunds.send";

/// Does that job.
pub async fn run(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let id: RefundId = job.payload["refund"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|e: kernel::IdParseError| Error::Bug(Box::new(e)))?;
    let refund = seam.db.read("refunds.find", move |tx| store::must(store::find(tx, id)?, id)).await?;
    match refund.status {
        RefundStatus::Requested | RefundStatus::Unknown => bring_about(seam, job, refund).await,
        RefundStatus::Pending | RefundStatus::Succeeded | RefundStatus::Failed => Ok(Fate::Done),
    }
}

async fn bring_about(seam: &Seam, job: &Claimed, refund: Refund) -> Result<Fate> {
    let mut next = refund.next(seam.now());
    if planted(Defect::RefundSentBlindly) {
        next = Next::Send(refund.generation + refund.sent_count);
    } else if refund.may_be_there() {
        match look_up(seam, &refund).await {
            Ok(Some(seen)) => return take_over(seam, refund, seen).await,
            Ok(None) => {}
            // Not knowing is no reason to send: it is looked up until Stripe answers.
            Err(error) => return later(seam, job, &refund, &error.told()).await,
        }
    }
    match next {
        Next::LookAgain(at) => Ok(Fate::Later(at)),
        Next::Send(generation) => send(seam, job, refund, generation).await,
    }
}

/// The refund at Stripe that carries our id, if there is one.
async fn look_up(seam: &Seam, refund: &Refund) -> Result<Option<RefundFact>> {
    let asked = fetch::question(seam).await?;
    let list = seam.stripe.call(list_refunds(&refund.payment_intent)).await?;
    let page = Page::read(&list).map_err(|e| Error::Bug(Box::new(e)))?;
    let id = refund.id.to_string();
    let ours = page.items.iter().find(|item| item["metadata"]["refundId"].as_str() == Some(&id));
    ours.map(|item| read(item, asked)).transpose()
}

fn read(object: &Value, asked: Asked) -> Result<RefundFact> {
    match read_object(object, asked).map_err(|e| Error::Bug(Box::new(e)))? {
        Reading::Proof(proof) => match proof.facts.into_iter().next() {
            Some(Fact::Refund(refund)) => Ok(refund),
            _ => Err(Error::bug("Stripe answered something else than a refund")),
        },
        Reading::NotHandled => Err(Error::bug("Stripe answered something else than a refund")),
    }
}

async fn send(seam: &Seam, job: &Claimed, refund: Refund, generation: i64) -> Result<Fate> {
    let (cx, seen) = (seam.cx(), refund.clone());
    let sending = seam
        .db
        .write("refunds.sending", move |tx| {
            let sending = store::sending(tx, cx.now, &seen, generation)?;
            Ok(if sending { Some(fetch::draw(tx, cx.now)?) } else { None })
        })
        .await
        // When nobody knows whether this was written, nothing is sent: the job comes back.
        .must_be_looked_up()?;
    let Some(asked) = sending else { return Ok(Fate::Later(seam.now())) };
    let refund = Refund { generation, ..refund };
    let metadata = [("orderId", refund.order.to_string()), ("refundId", refund.id.to_string())];
    match seam.stripe.call(create_refund(&refund.payment_intent, &metadata, &refund.key())).await {
        Ok(object) => take_over(seam, refund, read(&object, asked)?).await,
        Err(CallError::Refused(error)) if error.code.as_deref() == Some("charge_already_refunded") => {
            already_refunded(seam, job, refund).await
        }
        Err(CallError::Refused(error)) if !is_at_the_door(&error) => {
            give_up(seam, refund, error.to_string()).await
        }
        Err(CallError::Unknown(why)) if planted(Defect::LostRefundTakenForFailed) => {
            give_up(seam, refund, why).await
        }
        Err(error) => later(seam, job, &refund, &Error::from(error).told()).await,
    }
}

/// Turned away before the refund itself was looked at: a request under the same key is still being carried out. That says nothing about the refund.
fn is_at_the_door(error: &stripe::ApiError) -> bool {
    error.status == 409 || error.kind == "idempotency_error"
}

/// Either ours went through unheard, or somebody refunded it elsewhere: then the order learns that from the payment.
async fn already_refunded(seam: &Seam, job: &Claimed, refund: Refund) -> Result<Fate> {
    let target = stripe::Target::Intent(refund.payment_intent.clone());
    let found = match look_up(seam, &refund).await {
        Ok(Some(seen)) => return take_over(seam, refund, seen).await,
        Ok(None) => fetch::one(seam, &target).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(proof) => {
            learn(seam, &refund, proof.facts).await?;
            give_up(seam, refund, "the payment was refunded at Stripe by somebody else".into()).await
        }
        Err(error) => later(seam, job, &refund, &error.told()).await,
    }
}

/// Writes down that nobody knows, and comes back.
async fn later(seam: &Seam, job: &Claimed, refund: &Refund, why: &str) -> Result<Fate> {
    let (cx, id, why) = (seam.cx(), refund.id, why.to_owned());
    tracing::warn!(refund = %id, order = %refund.order, why, "nobody knows what became of a refund");
    let at = cx.now + jobs::backoff(&cx, job.attempts);
    seam.db.write("refunds.unanswered", move |tx| store::unanswered(tx, id, &why)).await.safe_to_repeat()?;
    Ok(Fate::Later(at))
}

async fn learn(seam: &Seam, refund: &Refund, facts: Vec<Fact>) -> Result<()> {
    let (cx, order, cause) = (seam.cx(), refund.order, cause());
    seam.db
        .write("refunds.learn", move |tx| {
            let learned =
                facts.iter().map(|fact| Learned { order, fact: fact.clone(), cause: cause.clone() });
            orders::learn(tx, &cx, learned.collect()).map(drop)
        })
        .await
        .safe_to_repeat()
}

/// Stripe has it: the order learns so in the same transaction.
async fn take_over(seam: &Seam, refund: Refund, seen: RefundFact) -> Result<Fate> {
    let (cx, cause) = (seam.cx(), cause());
    seam.db
        .write("refunds.seen", move |tx| {
            let fact = Fact::Refund(seen.clone());
            orders::learn(tx, &cx, vec![Learned { order: refund.order, fact, cause: cause.clone() }])?;
            follow::take_over(tx, &cx, &refund, &seen, &cause)
        })
        .await
        .safe_to_repeat()?;
    Ok(Fate::Done)
}

async fn give_up(seam: &Seam, refund: Refund, why: String) -> Result<Fate> {
    tracing::error!(refund = %refund.id, order = %refund.order, why, "a refund was refused");
    let cx = seam.cx();
    seam.db
        .write("refunds.failed", move |tx| {
            store::fail(tx, &cx, refund.id, &why)?;
            orders::refund_given_up(tx, &cx, refund.order, &cause(), &why)
        })
        .await
        .safe_to_repeat()?;
    Ok(Fate::Done)
}

fn cause() -> Actor {
    Actor::system("refunds")
}
