//! Ends a checkout whose time is over, and learns from Stripe how it ended: paid after all, expired, or never opened.

use db::TxResult;
use kernel::{Duration, Error, Result, Timestamp};
use ops::Actor;
use serde_json::Value;
use stripe::checkout::{expire_session, retrieve_session_with_payment};
use stripe::{Asked, Call, CallError, SessionStatus};

use super::open::fail;
use super::store::{self, Turn};
use super::{Checkout, CheckoutState};
use crate::fetch;
use crate::ids::OrderId;
use crate::orders::{self, Learned, Order, State, WaitsFor};
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
            end_session(seam, order, session, &Actor::system("checkout")).await
        }
        (CheckoutState::Open | CheckoutState::Creating, None) => never_opened(seam, &checkout).await,
    }
}

/// The money is there; Stripe has nothing to add about this session.
async fn settled(seam: &Seam, order: OrderId) -> Result<Closing> {
    let cx = seam.cx();
    seam.db.write("checkout.settled", move |tx| store::closed(tx, &cx, order)).await.safe_to_repeat()?;
    Ok(Closing::Done)
}

/// Nobody knows whether Stripe made a session. If it did, that session ends by itself at `expires_at`; until then the
/// stock stays set aside.
pub(super) async fn never_opened(seam: &Seam, checkout: &Checkout) -> Result<Closing> {
    let (now, safe_from) = (seam.cx().now, surely_over(checkout));
    if now < safe_from {
        return Ok(Closing::At(safe_from));
    }
    match fail(seam, checkout.order, Turn::Later).await? {
        true => Ok(Closing::Done),
        // A page came meanwhile: it is to be ended.
        false => Ok(Closing::At(now + CLOCKS)),
    }
}

/// From when on nobody can pay at a session, if Stripe made one.
pub(super) fn surely_over(checkout: &Checkout) -> Timestamp {
    checkout.expires_at + CLOCKS
}

/// Asks how one order's payment stands. An answer that was lost says nothing of the next question, so to whoever asks about many
/// it is not what it is when Stripe limits our rate or cannot be reached.
pub(super) async fn ask(seam: &Seam, call: Call) -> Result<Value> {
    seam.stripe.call(call).await.map_err(|error| match error {
        CallError::Unanswered(why) => Error::Unknown(why),
        error => error.into(),
    })
}

/// Asks how a session stands, together with its payment: that one says whether a bank debit has failed for good. One that is
/// open is expired; its intent alone could not be cancelled.
pub(super) async fn end_session(
    seam: &Seam,
    order: OrderId,
    session: &str,
    cause: &Actor,
) -> Result<Closing> {
    let asked = fetch::question(seam).await?;
    let seen = ask(seam, retrieve_session_with_payment(session)).await?;
    let seen = match status(&seen)? {
        SessionStatus::Open => expire(seam, session).await?,
        SessionStatus::Expired | SessionStatus::Complete => seen,
    };
    let page = if status(&seen)? == SessionStatus::Open { Page::GoesOn } else { Page::IsOver };
    learn(seam, order, (asked, seen), page, cause).await?;
    Ok(if page == Page::IsOver { Closing::Done } else { Closing::At(seam.cx().now + CLOCKS) })
}

/// Stripe refuses to expire what was completed a moment ago: then the session is asked for again.
async fn expire(seam: &Seam, session: &str) -> Result<Value> {
    match seam.stripe.call(expire_session(session)).await {
        Ok(expired) => Ok(expired),
        Err(CallError::Refused(_)) => ask(seam, retrieve_session_with_payment(session)).await,
        Err(error) => Err(error.into()),
    }
}

/// Asks how the session of an order ended whose amount only that can explain, and settles the order by it. One that is still
/// open did not bring this money: it is ended, so that nobody pays there once more.
pub async fn sync(seam: &Seam, order: OrderId) -> Result<Closing> {
    let found = seam.db.read("checkout.find", move |tx| orders::find(tx, order)).await?;
    let waits = |order: &Order| order.state == State::Paid { waits_for: WaitsFor::Breakdown };
    match found.filter(waits).and_then(|order| order.session) {
        Some(session) => end_session(seam, order, &session, &Actor::system("checkout")).await,
        None => Ok(Closing::Done),
    }
}

/// Whether there is anything more to be done about the page of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// There is.
    GoesOn,
    /// Stripe has said how it ended.
    IsOver,
}

/// What Stripe says of the session or the intent of an order is a fact and settles the order.
pub(super) async fn learn(
    seam: &Seam,
    order: OrderId,
    (asked, object): (Asked, Value),
    page: Page,
    cause: &Actor,
) -> Result<()> {
    let proof = fetch::whole(seam, &object, asked).await?;
    let (cx, cause) = (seam.cx(), cause.clone());
    seam.db
        .write("checkout.learn", move |tx| {
            let learned =
                proof.facts.iter().map(|fact| Learned { order, fact: fact.clone(), cause: cause.clone() });
            orders::learn(tx, &cx, learned.collect())?;
            if page == Page::IsOver {
                store::closed(tx, &cx, order)?;
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
