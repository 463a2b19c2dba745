//! Gives up orders whose payment will not come, once Stripe was asked: what was paid after all is confirmed, never
//! cancelled.
//!
//! Mostly the job that closes a checkout has done it all before; this looks at what was left: a page whose end was never
//! heard of, an intent without a page, a bank debit whose verdict never arrived.

use db::{Tx, TxResult};
use kernel::planted::{Defect, planted};
use kernel::{Error, Result};
use ops::{Actor, Progress};
use serde::Serialize;
use serde_json::Value;
use stripe::checkout::{SessionView, retrieve_session_with_payment};
use stripe::intents::cancel_intent;
use stripe::lookup::retrieve_payment_intent;
use stripe::{CallError, Fact, KeyTrouble, SessionPayment, SessionStatus, key_trouble};

use super::stale::{Pace, Patience};
use super::{Checkout, CheckoutState, close, store};
use crate::fetch;
use crate::ids::OrderId;
use crate::orders::{self, CancelReason, Order, PaymentStatus, State, Unpaid};
use crate::seam::Seam;

/// Orders that are read at once.
const BATCH: i64 = 50;
/// The schedule asks Stripe about so many orders at most, then it is another round's turn.
const AT_MOST: u64 = 500;
/// So many answers lost in a row, and Stripe is left alone for now.
const LOST_AT_MOST: u32 = 3;

/// What cleaning up came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Orders that have waited too long for their payment.
    pub looked_at: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Those that were paid after all.
    pub paid_after_all: u64,
    /// Those whose payment is under way, or about which Stripe has not answered.
    pub left: u64,
    /// Why it ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// What became of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Cancelled,
    Paid,
    Left,
}

/// Looks at every order that has waited too long for its payment. `cause` is who wants it.
///
/// # Errors
/// Busy when Stripe limits our rate or cannot be reached from the start; refused when our key does not suffice.
pub async fn clean_up(seam: &Seam, pace: Pace, cause: &Actor, progress: &dyn Progress) -> Result<Cleaned> {
    let mut done = Cleaned::default();
    let (mut last, mut asked, mut lost, mut forbidden) = (None, 0, 0, None);
    loop {
        let batch = take(seam, pace, last).await?;
        done.looked_at += batch.waiting;
        done.left += batch.waiting;
        for order in batch.due {
            asked += 1;
            done.looked_at += 1;
            match look(seam, order, cause).await {
                Ok(after) => {
                    lost = 0;
                    done.count(after);
                }
                Err(error) => {
                    done.left += 1;
                    lost += u32::from(matches!(error, Error::Unknown(_)));
                    tell(order, &error);
                    match key_trouble(&error) {
                        _ if matches!(error, Error::Busy(_)) || lost >= LOST_AT_MOST => {
                            return done.stop(error);
                        }
                        Some(KeyTrouble::OpensNothing) => return done.stop(error),
                        // Another order may need another permission; at the end it is told.
                        Some(KeyTrouble::LacksPermission) => forbidden = Some(error),
                        None => {}
                    }
                }
            }
            let so_far = format!("{} cancelled, {} paid after all", done.cancelled, done.paid_after_all);
            progress.at(asked, None, &so_far);
        }
        match batch.last {
            Some(next) if pace == Pace::Hand || asked < AT_MOST => last = Some(next),
            _ => return forbidden.map_or(Ok(done.clone()), |error| done.stop(error)),
        }
    }
}

impl Cleaned {
    fn count(&mut self, after: After) {
        *match after {
            After::Cancelled => &mut self.cancelled,
            After::Paid => &mut self.paid_after_all,
            After::Left => &mut self.left,
        } += 1;
    }

    /// What was done is told, not only why it does not go on.
    fn stop(self, why: Error) -> Result<Cleaned> {
        if self.cancelled + self.paid_after_all == 0 {
            // Whatever was lost is asked for again in the next round.
            return Err(match why {
                Error::Unknown(why) => Error::Busy(format!("Stripe does not answer: {why}")),
                why => why,
            });
        }
        Ok(Cleaned { stopped: Some(why.told()), ..self })
    }
}

fn tell(order: OrderId, error: &Error) {
    match error {
        Error::Bug(_) => {
            tracing::error!(%order, %error, "an order that waits for its payment could not be looked at")
        }
        _ => tracing::warn!(%order, %error, "an order that waits for its payment could not be looked at"),
    }
}

/// Orders that are due, of those that come behind the last ones.
struct Batch {
    due: Vec<OrderId>,
    /// Orders that a bank decides about, and that were asked about lately.
    waiting: u64,
    /// Where to go on; nothing when there are no more.
    last: Option<Unpaid>,
}

/// The next orders. That they are asked about is written down first, so that two nodes do not ask about the same ones.
async fn take(seam: &Seam, pace: Pace, after: Option<Unpaid>) -> Result<Batch> {
    let (now, patience) = (seam.now(), patience(seam));
    seam.db
        .write("cleanup.take", move |tx| {
            let (found, mut batch) = due(tx, &patience, after.as_ref(), now, pace)?;
            if after.is_none() {
                store::forget_looks(tx, now)?;
            }
            batch.due = store::look(tx, now, &found)?;
            Ok(batch)
        })
        .await
        .safe_to_repeat()
}

fn patience(seam: &Seam) -> Patience {
    Patience { failed: seam.settings.cleanup_after, reservation: seam.settings.reservation }
}

type Found = Vec<(OrderId, Option<kernel::Timestamp>)>;

fn due(
    tx: &mut Tx<'_>,
    patience: &Patience,
    after: Option<&Unpaid>,
    now: kernel::Timestamp,
    pace: Pace,
) -> Result<(Found, Batch)> {
    let unpaid = orders::unpaid_since(tx, now - patience.shortest(), after, BATCH)?;
    let asked = store::asked(tx, &unpaid.iter().map(|order| order.id).collect::<Vec<_>>())?;
    let is_over = |order: &&Unpaid| patience.is_over(order, asked.get(&order.id).copied(), now, pace);
    let (over, others): (Vec<&Unpaid>, Vec<&Unpaid>) = unpaid.iter().partition(|order| is_over(order));
    let found = over.iter().map(|order| (order.id, asked.get(&order.id).copied())).collect();
    let waiting = others.iter().filter(|order| order.payment_status == PaymentStatus::Processing).count();
    let last = unpaid.last().copied().filter(|_| unpaid.len() as i64 == BATCH);
    Ok((found, Batch { due: Vec::new(), waiting: waiting as u64, last }))
}

/// What Stripe has of one order.
enum AtStripe {
    /// A page.
    Session(String),
    /// Perhaps a page: the answer to our question was lost.
    Perhaps(Box<Checkout>),
    /// Intents that belong to no page.
    Intents(Vec<String>),
}

async fn at_stripe(seam: &Seam, id: OrderId) -> Result<Option<AtStripe>> {
    let found = seam.db.read("cleanup.find", move |tx| {
        let Some(order) = orders::find(tx, id)?.filter(|order| order.state == State::Pending) else {
            return Ok(None);
        };
        let facts = orders::facts_of(tx, id)?.into_iter().map(|known| known.fact);
        Ok(Some(known(order, store::find(tx, id)?, facts.collect())))
    });
    found.await
}

fn known(order: Order, checkout: Option<Checkout>, facts: Vec<Fact>) -> AtStripe {
    let session = checkout.as_ref().and_then(|checkout| checkout.session.clone()).or(order.session);
    let intents = facts.into_iter().filter_map(|fact| match fact {
        Fact::Intent(intent) => Some(intent.id),
        _ => None,
    });
    match (session, checkout) {
        (Some(session), _) => AtStripe::Session(session),
        (None, Some(checkout)) if checkout.state == CheckoutState::Creating => {
            AtStripe::Perhaps(Box::new(checkout))
        }
        (None, _) => {
            let mut all: Vec<String> = order.payment_intent.into_iter().chain(intents).collect();
            all.sort_unstable();
            all.dedup();
            AtStripe::Intents(all)
        }
    }
}

async fn look(seam: &Seam, id: OrderId, cause: &Actor) -> Result<After> {
    if planted(Defect::CleanupNeverAsks) {
        give_up_unasked(seam, id, cause).await?;
    } else if let Some(at_stripe) = at_stripe(seam, id).await? {
        end(seam, id, at_stripe, cause).await?;
    }
    let order = seam.db.read("cleanup.find", move |tx| orders::find(tx, id)).await?;
    Ok(match order.map(|order| order.state) {
        Some(State::Cancelled { .. }) => After::Cancelled,
        Some(State::Pending) => After::Left,
        _ => After::Paid,
    })
}

async fn end(seam: &Seam, id: OrderId, at_stripe: AtStripe, cause: &Actor) -> Result<()> {
    match at_stripe {
        AtStripe::Session(session) => close::end_session(seam, id, &session, cause).await.map(drop),
        AtStripe::Perhaps(checkout) => close::never_opened(seam, &checkout).await.map(drop),
        // None at all: nothing is known of a payment, so there is nothing to ask about and nothing is cancelled.
        AtStripe::Intents(intents) => {
            for intent in intents {
                end_intent(seam, id, &intent, cause).await?;
            }
            Ok(())
        }
    }
}

/// Stripe refuses to cancel what was paid a moment ago: then the intent is asked for again.
async fn end_intent(seam: &Seam, order: OrderId, intent: &str, cause: &Actor) -> Result<()> {
    let asked = fetch::question(seam).await?;
    let seen = close::ask(seam, retrieve_payment_intent(intent)).await?;
    let open = waits_for_the_buyer(&seen);
    close::learn(seam, order, (asked, seen), close::Page::GoesOn, cause).await?;
    if !open {
        return Ok(());
    }
    let asked = fetch::question(seam).await?;
    let seen = match seam.stripe.call(cancel_intent(intent)).await {
        Ok(cancelled) => cancelled,
        Err(CallError::Refused(_)) => close::ask(seam, retrieve_payment_intent(intent)).await?,
        Err(error) => return Err(error.into()),
    };
    close::learn(seam, order, (asked, seen), close::Page::GoesOn, cause).await
}

/// Whether only the buyer could bring an intent on. Money that is held or under way is left to whoever decides about it.
fn waits_for_the_buyer(intent: &Value) -> bool {
    let status = intent["status"].as_str();
    matches!(status, Some("requires_payment_method" | "requires_confirmation" | "requires_action"))
}

/// What the defect `CleanupNeverAsks` does.
async fn give_up_unasked(seam: &Seam, id: OrderId, cause: &Actor) -> Result<()> {
    let (cx, cause) = (seam.cx(), cause.clone());
    seam.db
        .write("cleanup.give_up", move |tx| {
            orders::cancel::cancel(tx, &cx, id, CancelReason::PaymentFailed, &cause)
        })
        .await
        .safe_to_repeat()
}

/// What would become of one order, by what Stripe says now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    /// Which order.
    pub id: OrderId,
    /// What Stripe has of it.
    pub at_stripe: &'static str,
    /// What would be done.
    pub would: &'static str,
}

/// What cleaning up would do, now, by hand. Asks Stripe and changes nothing.
///
/// # Errors
/// As the first order about which Stripe does not answer.
pub async fn foresee(seam: &Seam, progress: &dyn Progress) -> Result<Vec<Foreseen>> {
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let (now, patience) = (seam.now(), patience(seam));
        let next =
            seam.db.read("cleanup.foresee", move |tx| due(tx, &patience, last.as_ref(), now, Pace::Hand));
        let (found, batch) = next.await?;
        for (id, _) in found {
            if let Some(at_stripe) = at_stripe(seam, id).await? {
                let (at_stripe, would) = foreseen(seam, at_stripe).await?;
                all.push(Foreseen { id, at_stripe, would });
                progress.at(all.len() as u64, None, "asking Stripe");
            }
        }
        match batch.last {
            Some(next) => last = Some(next),
            None => return Ok(all),
        }
    }
}

async fn foreseen(seam: &Seam, at_stripe: AtStripe) -> Result<(&'static str, &'static str)> {
    Ok(match at_stripe {
        AtStripe::Session(session) => {
            foresee_session(&seam.stripe.call(retrieve_session_with_payment(&session)).await?)?
        }
        AtStripe::Perhaps(checkout) if seam.now() < close::surely_over(&checkout) => {
            ("perhaps a page, which is not over yet", "leave it")
        }
        AtStripe::Perhaps(_) => ("at most a page that is over", "cancel it"),
        AtStripe::Intents(intents) => match intents.last() {
            None => ("nothing that is known here", "leave it"),
            Some(intent) => foresee_intent(&seam.stripe.call(retrieve_payment_intent(intent)).await?),
        },
    })
}

fn foresee_session(session: &Value) -> Result<(&'static str, &'static str)> {
    let view = SessionView::read(session).map_err(|e| Error::Bug(Box::new(e)))?;
    Ok(match (view.status, view.payment) {
        (SessionStatus::Open, _) => ("a page that is open", "expire the page, then cancel it"),
        (SessionStatus::Expired, _) => ("a page that has expired", "cancel it"),
        (SessionStatus::Complete, SessionPayment::Paid | SessionPayment::NothingToPay) => {
            ("a payment", "confirm it")
        }
        (SessionStatus::Complete, SessionPayment::Unpaid) => {
            match session["payment_intent"]["status"].as_str() {
                Some("requires_payment_method" | "canceled") => ("a payment that failed", "cancel it"),
                _ => ("a payment that is under way", "leave it"),
            }
        }
    })
}

fn foresee_intent(intent: &Value) -> (&'static str, &'static str) {
    match intent["status"].as_str() {
        Some("succeeded") => ("a payment", "confirm it"),
        Some("canceled") => ("a payment intent that is cancelled", "cancel it"),
        _ if waits_for_the_buyer(intent) => {
            ("a payment intent that waits for the buyer", "cancel the payment intent, then it")
        }
        _ => ("a payment that is under way", "leave it"),
    }
}
