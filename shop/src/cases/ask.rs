//! Asks Stripe what this database cannot know: whether a payment came of which it has heard nothing.

use kernel::{Money, Result};
use serde_json::Value;
use stripe::checkout::retrieve_session_with_payment;
use stripe::lookup::{retrieve_event, retrieve_object};
use stripe::{
    Asked, Call, CallError, Event, Fact, Proof, Reading, SessionPayment, SessionStatus, read_object,
};

use super::key::Key;
use super::verdict::{AtStripe, Evidence, Purchase};
use crate::ids::OrderId;
use crate::orders::{self, Payment, SaleVerdict, State};
use crate::seam::Seam;

/// So many sessions are asked for at most: the newest purchases explain a case.
const SESSIONS: usize = 5;

/// Asks for the session of each purchase of which nobody here knows how it ended.
pub(super) async fn ask(seam: &Seam, evidence: &mut Evidence) {
    let open = evidence.purchases.iter_mut().filter(|purchase| is_open(purchase)).take(SESSIONS);
    for purchase in open {
        let Some(session) = purchase.order.session.clone() else { continue };
        purchase.at_stripe = session_at_stripe(seam, &session).await;
    }
}

/// Whether Stripe may know more. What expired or failed for good has had its end.
fn is_open(purchase: &Purchase) -> bool {
    let unpaid = matches!(purchase.order.state, State::Pending | State::Cancelled { .. });
    let ended = matches!(
        purchase.payment,
        Payment::Expired | Payment::FailedForGood | Payment::Captured { .. } | Payment::Returned { .. }
    );
    unpaid && !ended
}

async fn session_at_stripe(seam: &Seam, session: &str) -> AtStripe {
    let seen = match seam.stripe.call(retrieve_session_with_payment(session)).await {
        Ok(seen) => seen,
        Err(CallError::Refused(error)) if error.status == 404 => return AtStripe::NoSuchSession,
        Err(error) => return AtStripe::CouldNotBeAsked(error.to_string()),
    };
    match read_object(&seen, only_looking(seam)) {
        Ok(Reading::Proof(proof)) => paid(&proof),
        Ok(Reading::NotHandled) => AtStripe::CouldNotBeAsked("it answered something else".into()),
        Err(missing) => AtStripe::CouldNotBeAsked(missing.to_string()),
    }
}

fn paid(proof: &Proof) -> AtStripe {
    let session = proof.facts.iter().find_map(|fact| match fact {
        Fact::Session(session) => Some(session),
        _ => None,
    });
    let Some(session) = session else { return AtStripe::NotPaid };
    let sum = session.total.zip(session.currency).map(|(sum, currency)| Money::new(sum, currency));
    let back: i64 = proof
        .facts
        .iter()
        .map(|fact| if let Fact::Charge(charge) = fact { charge.refunded_now() } else { 0 })
        .sum();
    match (session.payment, session.status) {
        (SessionPayment::Paid, _) if sum.is_some_and(|sum| sum.minor > 0 && back >= sum.minor) => {
            sum.map_or(AtStripe::NotPaid, AtStripe::WentBack)
        }
        (SessionPayment::Paid, _) => AtStripe::Paid(sum),
        (SessionPayment::NothingToPay, SessionStatus::Complete) => AtStripe::Paid(sum),
        (SessionPayment::NothingToPay | SessionPayment::Unpaid, _) => AtStripe::NotPaid,
    }
}

/// What Stripe says about an id that is not known here.
pub(super) enum Whose {
    /// It belongs to this order.
    Order(OrderId),
    /// It is there, and no order here is meant by it.
    NotOurs(String),
    /// There is nothing to ask for, or Stripe does not have it.
    Nothing(String),
}

/// Asks Stripe whose this is.
pub(super) async fn whose(seam: &Seam, key: &Key) -> Result<Whose> {
    let Some(call) = call(key) else { return Ok(Whose::Nothing(String::new())) };
    let object = match seam.stripe.call(call).await {
        Ok(object) => object,
        Err(CallError::Refused(error)) if error.status == 404 => {
            return Ok(Whose::Nothing("Stripe does not have it either".into()));
        }
        Err(error) => return Ok(Whose::Nothing(format!("Stripe could not be asked ({error})"))),
    };
    let Some(proof) = proof(seam, key, &object) else {
        return Ok(Whose::NotOurs("Stripe has it, and it names no order".into()));
    };
    let (names, id) = (proof.references.order.clone(), key.shown());
    let read = seam.db.read("cases.whose", move |tx| {
        let order = orders::match_references(tx, &[&proof.references])?.into_iter().next().flatten();
        Ok((order, orders::foresee_sale(tx, &proof)?))
    });
    let (order, sale) = read.await?;
    Ok(match (order, names, sale) {
        (Some(order), ..) => Whose::Order(order),
        (None, Some(named), _) => {
            Whose::NotOurs(format!("Stripe has it; it names order `{named}`, which is not here"))
        }
        (None, None, Some(SaleVerdict::Order(..))) => Whose::NotOurs(format!(
            "it sold something of ours, and no order was made of it: makegood reconcile --only {id} --apply"
        )),
        (None, None, Some(SaleVerdict::Waits(why))) => Whose::NotOurs(format!(
            "it sold something of ours, and no order can be made of it: {}",
            why.told()
        )),
        (None, None, Some(SaleVerdict::Foreign(_)) | None) => {
            Whose::NotOurs("Stripe has it, and it names no order".into())
        }
    })
}

fn call(key: &Key) -> Option<Call> {
    match key {
        Key::Event(id) => Some(retrieve_event(id)),
        Key::Object(_, id) => retrieve_object(id),
        _ => None,
    }
}

fn proof(seam: &Seam, key: &Key, object: &Value) -> Option<Proof> {
    let reading = match key {
        Key::Event(_) => stripe::read(&Event::parse(object.to_string().as_bytes()).ok()?),
        _ => read_object(object, only_looking(seam)),
    };
    match reading {
        Ok(Reading::Proof(proof)) => Some(proof),
        Ok(Reading::NotHandled) | Err(_) => None,
    }
}

/// What is seen here is shown and not joined into anything, so the question needs no number of its own.
fn only_looking(seam: &Seam) -> Asked {
    Asked { ticket: 0, at: seam.now() }
}
