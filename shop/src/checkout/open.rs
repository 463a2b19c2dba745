//! Asks Stripe for the page where the buyer pays: outside of any transaction, with a key that belongs to the order.

use db::{Tx, TxResult};
use kernel::planted::{Defect, planted};
use kernel::{Currency, Error, Money, Refusal, Result};
use ops::Actor;
use stripe::checkout::{Create, Item, Line, Mode, SessionView};
use stripe::{Call, CallError};

use super::store::{self, Turn};
use super::{Basket, Checkout, CheckoutState, Started};
use crate::ids::OrderId;
use crate::orders::{self, CancelReason, State};
use crate::seam::Seam;

/// An order that waits for its page. Whoever has placed it has the first turn, once; every other, by its id, has a later one.
#[derive(Debug)]
pub struct Placed {
    /// Which order.
    pub order: OrderId,
    turn: Turn,
}

impl Placed {
    /// Just now.
    pub(super) fn now(order: OrderId) -> Self {
        Placed { order, turn: Turn::First }
    }

    /// Whether it was placed just now, so that nobody else can have asked for its page.
    pub fn is_new(&self) -> bool {
        self.turn == Turn::First
    }
}

impl From<OrderId> for Placed {
    fn from(order: OrderId) -> Self {
        Placed { order, turn: Turn::Later }
    }
}

/// Opens the checkout of an order, or says where it was opened. May be called any number of times.
///
/// # Errors
/// In the first turn whatever keeps Stripe from making a page: everything is released then, because nothing was carried out.
/// Later, refused when Stripe refuses: everything is released, save when it is about our key; and `Busy` when Stripe cannot be
/// reached: a job asks again with the same key, as it does after `Unknown`, when the answer was lost.
pub async fn open(seam: &Seam, placed: impl Into<Placed>) -> Result<Started> {
    let Placed { order, turn } = placed.into();
    let look = move |tx: &mut Tx<'_>| Ok((store::find(tx, order)?, is_pending(tx, order)?));
    let (checkout, pending) = match turn {
        Turn::First => seam.db.read("checkout.find", look).await?,
        Turn::Later => {
            let cx = seam.cx();
            let ask = move |tx: &mut Tx<'_>| store::asked_again(tx, &cx, order).and_then(|()| look(tx));
            seam.db.write("checkout.again", ask).await.safe_to_repeat()?
        }
    };
    let checkout = checkout.ok_or_else(|| Error::not_found("checkout", order))?;
    match checkout.state {
        CheckoutState::Failed | CheckoutState::Closed => Err(over(order).into()),
        // Cancelled meanwhile: nobody shall be asked to pay.
        CheckoutState::Creating if !pending => Err(over(order).into()),
        CheckoutState::Open => started(&checkout),
        CheckoutState::Creating => ask(seam, &checkout, turn).await,
    }
}

fn is_pending(tx: &mut Tx<'_>, order: OrderId) -> Result<bool> {
    Ok(orders::find(tx, order)?.is_some_and(|order| order.state == State::Pending))
}

async fn ask(seam: &Seam, checkout: &Checkout, turn: Turn) -> Result<Started> {
    let order = checkout.order;
    match seam.stripe.call(request(seam, checkout)?).await {
        Ok(session) => {
            let view = SessionView::read(&session).map_err(|e| Error::Bug(Box::new(e)))?;
            record(seam, order, view).await
        }
        Err(CallError::Unknown(why)) if !planted(Defect::UnknownTakenForFailure) => {
            Err(Error::Unknown(format!("Stripe's answer for order {order} was lost: {why}")))
        }
        // Nothing was carried out, now or before.
        Err(error) if turn == Turn::First && fail(seam, order, turn).await? => Err(match error {
            CallError::NotSent(_) | CallError::Unanswered(_) | CallError::RateLimited { .. } => {
                tracing::warn!(%order, %error, "no page could be had; the order was given up");
                unreachable().into()
            }
            error => error.into(),
        }),
        // Not executed: a later attempt, by this buyer or by the job, may succeed.
        Err(CallError::NotSent(why) | CallError::Unanswered(why)) => {
            Err(Error::Busy(format!("Stripe cannot be reached: {why}")))
        }
        Err(CallError::RateLimited { .. }) => Err(Error::Busy("Stripe asks to slow down".into())),
        // Nor is it said what became of an earlier attempt: a page may be there, so nothing is given back before its end.
        Err(CallError::Key(fault)) => Err(Error::Refused(fault.into())),
        Err(error) => {
            fail(seam, order, Turn::Later).await?;
            Err(error.into())
        }
    }
}

async fn record(seam: &Seam, order: OrderId, view: SessionView) -> Result<Started> {
    let cx = seam.cx();
    let (id, url) = (view.id.clone(), view.url.clone());
    let pending = seam
        .db
        .write("checkout.record", move |tx| {
            if store::opened(tx, &cx, order, &id, url.as_deref())? {
                // This writes to the order, so whoever cancels it comes before and is seen below, or comes after and
                // sees the session.
                orders::record_session(tx, &cx, order, &id)?;
                jobs::withdraw(tx, super::jobs::OPEN, &order.to_string())?;
            }
            let pending = is_pending(tx, order)?;
            if !pending {
                orders::cancel::close_session(tx, &cx, order)?;
            }
            Ok(pending)
        })
        .await
        .safe_to_repeat()?;
    let checkout = seam.db.read("checkout.find", move |tx| store::find(tx, order)).await?;
    match checkout {
        Some(checkout) if pending => started(&checkout),
        _ => Err(over(order).into()),
    }
}

/// What exactly went wrong is for the log: buyers read this.
fn unreachable() -> Refusal {
    let why = "Stripe cannot be reached, so there is no page to pay at; nothing was ordered";
    Refusal::new("stripe_unreachable", why).fix("try again in a moment")
}

/// A failure at Stripe releases everything; says whether it did. It does not where somebody has got a page meanwhile, nor in
/// the first turn where another has asked beside it: what becomes of that is not known.
pub(super) async fn fail(seam: &Seam, order: OrderId, turn: Turn) -> Result<bool> {
    let cx = seam.cx();
    let give_up = move |tx: &mut Tx<'_>| {
        let failed = store::failed(tx, &cx, order, turn)?;
        if failed {
            let by = Actor::system("checkout");
            orders::cancel::cancel(tx, &cx, order, CancelReason::CheckoutFailed, &by)?;
        }
        Ok(failed)
    };
    seam.db.write("checkout.fail", give_up).await.safe_to_repeat()
}

fn started(checkout: &Checkout) -> Result<Started> {
    match (&checkout.session, &checkout.url) {
        (Some(session), Some(url)) => Ok(Started {
            order: checkout.order,
            session: session.clone(),
            url: url.clone(),
            expires_at: checkout.expires_at,
        }),
        _ => Err(over(checkout.order).into()),
    }
}

fn over(order: OrderId) -> Refusal {
    Refusal::new("checkout_over", format!("the checkout of order {order} is over"))
        .fix("start a new checkout")
}

fn request(seam: &Seam, checkout: &Checkout) -> Result<Call> {
    let part = |name: &str| checkout.request[name].clone();
    let bad = |e: serde_json::Error| Error::Bug(Box::new(e));
    let basket: Basket = serde_json::from_value(part("basket")).map_err(bad)?;
    let currency: Currency = serde_json::from_value(part("currency")).map_err(bad)?;
    let order = checkout.order.to_string();
    let mut metadata = vec![("orderId".to_owned(), order.clone())];
    metadata.extend(basket.profile_id.map(|id| ("profileId".to_owned(), id.to_string())));
    let key = match planted(Defect::KeyPerAttempt) {
        true => format!("{}-{}", checkout.idempotency_key, seam.cx().uuid()),
        false => checkout.idempotency_key.clone(),
    };
    Ok(stripe::checkout::create(Create {
        mode: Mode::Payment,
        lines: lines(&part("lines"), currency)?,
        success_url: basket.success_url.unwrap_or_else(|| seam.settings.success_url()),
        cancel_url: Some(basket.cancel_url.unwrap_or_else(|| seam.settings.cancel_url())),
        client_reference: Some(order),
        customer_email: basket.email,
        coupon: None,
        expires_at: Some(checkout.expires_at),
        metadata,
        extra: Vec::new(),
        idempotency_key: key,
    }))
}

fn lines(lines: &serde_json::Value, currency: Currency) -> Result<Vec<Line>> {
    let field = |line: &serde_json::Value, name: &str| {
        line[name].as_i64().ok_or_else(|| Error::bug(format!("a stored line without {name}")))
    };
    let all = lines.as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|line| {
            let name = line["name"].as_str().unwrap_or_default().to_owned();
            let unit = Money::new(field(line, "unit_amount")?, currency);
            let quantity = u32::try_from(field(line, "quantity")?).unwrap_or(u32::MAX);
            Ok(Line { item: Item::Named { name, unit }, quantity })
        })
        .collect()
}
