//! Ends a checkout whose time is over, and learns from Stripe how it ended: paid after all, expired, or never opened.

use db::TxResult;
use kernel::{Duration, Error, Result, Timestamp};
use ops::Actor;
use serde_json::Value;
use stripe::checkout::{expire_session, retrieve_session};
use stripe::{CallError, Reading, SessionStatus, read_object};

use super::{Checkout, CheckoutState, store};
use crate::ids::OrderId;
use crate::orders::{self, CancelReason, Learned, State};
use crate::seam::Seam;

/// After a session's own end Stripe's clock and ours may still differ by this much.
const CLOCKS: Duration = Duration::from_secs(60);

/// What is to be done with the job that closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Nothing is left.
    Done,
    /// Not yet; look again then.
    At(Timestamp),
}

/// Closes the checkout of an order whose reservation has ended, or which was cancelled. An open session is expired at
/// Stripe first, so that nobody pays for stock that is given back; whatever Stripe answers is a fact and settles the
/// order.
pub async fn close(seam: &Seam, order: OrderId) -> Result<Closing> {
    let found =
        seam.db.read("checkout.find", move |tx| Ok((store::find(tx, order)?, orders::find(tx, order)?)));
    let (Some(checkout), Some(bought)) = found.await? else { return Ok(Closing::Done) };
    if !matches!(bought.state, State::Pending | State::Cancelled { .. }) {
        return settled(seam, order).await;
    }
    match (checkout.state, &checkout.session) {
        (CheckoutState::Closed | CheckoutState::Failed, _) => Ok(Closing::Done),
        (CheckoutState::Open | CheckoutState::Creating, Some(session)) => {
            let session = session.clone();
            end_session(seam, &checkout, &session).await
        }
        (CheckoutState::Open | CheckoutState::Creating, None) => never_opened(seam, &checkout).await,
    }
}

/// The money is there; Stripe has nothing to add about this session.
async fn settled(seam: &Seam, order: OrderId) -> Result<Closing> {
    let cx = seam.cx();
    seam.db
        .write("checkout.settled", move |tx| store::set_state(tx, &cx, order, CheckoutState::Closed))
        .await
        .safe_to_repeat()?;
    Ok(Closing::Done)
}

/// Nobody knows whether Stripe made a session. If it did, that session ends by itself at `expires_at`; until then the
/// stock stays set aside.
async fn never_opened(seam: &Seam, checkout: &Checkout) -> Result<Closing> {
    let (cx, order) = (seam.cx(), checkout.order);
    let safe_from = checkout.expires_at + CLOCKS;
    if cx.now < safe_from {
        return Ok(Closing::At(safe_from));
    }
    seam.db
        .write("checkout.give_up", move |tx| {
            store::set_state(tx, &cx, order, CheckoutState::Failed)?;
            orders::cancel::cancel(tx, &cx, order, CancelReason::CheckoutFailed, &Actor::system("checkout"))
        })
        .await
        .safe_to_repeat()?;
    Ok(Closing::Done)
}

async fn end_session(seam: &Seam, checkout: &Checkout, session: &str) -> Result<Closing> {
    let seen = seam.stripe.call(retrieve_session(session)).await?;
    let seen = match status(&seen)? {
        SessionStatus::Open => expire(seam, session).await?,
        SessionStatus::Expired | SessionStatus::Complete => seen,
    };
    let ended = status(&seen)? != SessionStatus::Open;
    learn(seam, checkout.order, seen, ended).await?;
    Ok(if ended { Closing::Done } else { Closing::At(seam.cx().now + CLOCKS) })
}

/// Stripe refuses to expire what was completed a moment ago: then the session is asked for again.
async fn expire(seam: &Seam, session: &str) -> Result<Value> {
    match seam.stripe.call(expire_session(session)).await {
        Ok(expired) => Ok(expired),
        Err(CallError::Refused(_)) => Ok(seam.stripe.call(retrieve_session(session)).await?),
        Err(error) => Err(error.into()),
    }
}

/// Fetches the session of an order and settles the order by it: when only the session can explain an amount.
pub async fn sync(seam: &Seam, order: OrderId) -> Result<()> {
    let found = seam.db.read("checkout.find", move |tx| store::find(tx, order)).await?;
    let Some(session) = found.and_then(|checkout| checkout.session) else { return Ok(()) };
    let seen = seam.stripe.call(retrieve_session(&session)).await?;
    learn(seam, order, seen, false).await
}

async fn learn(seam: &Seam, order: OrderId, session: Value, ended: bool) -> Result<()> {
    let proof = match read_object(&session, seam.now()).map_err(|e| Error::Bug(Box::new(e)))? {
        Reading::Proof(proof) => proof,
        Reading::NotHandled => return Err(Error::bug("Stripe answered something else than a session")),
    };
    let cx = seam.cx();
    seam.db
        .write("checkout.learn", move |tx| {
            let cause = Actor::system("checkout");
            let learned =
                proof.facts.iter().map(|fact| Learned { order, fact: fact.clone(), cause: cause.clone() });
            orders::learn(tx, &cx, learned.collect())?;
            if ended {
                store::set_state(tx, &cx, order, CheckoutState::Closed)?;
            }
            Ok(())
        })
        .await
        .safe_to_repeat()
}

fn status(session: &Value) -> Result<SessionStatus> {
    let view = stripe::checkout::SessionView::read(session).map_err(|e| Error::Bug(Box::new(e)))?;
    Ok(view.status)
}
