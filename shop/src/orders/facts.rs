//! What Stripe has proved about an order's payment. This file decides what it amounts to; it reads no clock and asks
//! nobody.

use kernel::planted::{Defect, planted};
use kernel::{Currency, Money};
use stripe::{ChargeFact, Fact, IntentFact, SessionFact, SessionPayment, SessionStatus};

use super::{Amounts, CancelReason, Order, ReviewKind};

/// Everything proved about one order, whatever the order in which it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentFacts {
    /// Its checkout sessions.
    pub sessions: Vec<SessionFact>,
    /// Its payment intents.
    pub intents: Vec<IntentFact>,
    /// Its charges.
    pub charges: Vec<ChargeFact>,
}

/// What the facts amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// Nothing is known yet.
    None,
    /// Under way.
    Processing,
    /// The last attempt failed; another may come.
    Failed,
    /// The payment failed for good.
    FailedForGood,
    /// The payment was cancelled at Stripe.
    Canceled,
    /// The session expired unpaid.
    Expired,
    /// The money is there.
    Captured {
        /// How much came.
        sum: Money,
        /// Through which payment intent; none when nothing was to be paid.
        intent: Option<String>,
        /// Whether it is what the order expects.
        check: AmountCheck,
    },
}

/// Whether the money is what the order expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmountCheck {
    /// It is.
    Agrees,
    /// It is not, and this is why. Never retried: it may be fraud.
    Differs(String),
    /// It is not by itself, but the session may explain tax or shipping; it has not been seen yet.
    NeedsSession,
}

impl Payment {
    /// Why an order ends by this, if it does.
    pub fn ends_as(&self) -> Option<CancelReason> {
        match self {
            Payment::FailedForGood => Some(CancelReason::PaymentFailed),
            Payment::Canceled => Some(CancelReason::PaymentCanceled),
            Payment::Expired => Some(CancelReason::SessionExpired),
            Payment::None | Payment::Processing | Payment::Failed | Payment::Captured { .. } => None,
        }
    }
}

impl PaymentFacts {
    /// Sorts facts by their objects.
    pub fn new(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut all = PaymentFacts::default();
        for fact in facts {
            match fact {
                Fact::Session(session) => all.sessions.push(session),
                Fact::Intent(intent) => all.intents.push(intent),
                Fact::Charge(charge) => all.charges.push(charge),
            }
        }
        all
    }

    /// The session in which the buyer finished, if one did.
    pub fn completed_session(&self) -> Option<&SessionFact> {
        self.sessions.iter().find(|session| session.status == SessionStatus::Complete)
    }

    /// What all of it amounts to for `order`. From strong to weak: money that is there outweighs everything.
    pub fn payment(&self, order: &Order) -> Payment {
        if let Some((sum, intent)) = self.captured(&order.amounts) {
            let check = self.check(order, sum);
            return Payment::Captured { sum, intent, check };
        }
        if self.sessions.iter().any(|session| session.async_failed) {
            return Payment::FailedForGood;
        }
        if self.sessions.iter().any(|session| session.status == SessionStatus::Expired) {
            return Payment::Expired;
        }
        if self.intents.iter().any(|intent| intent.canceled.is_some()) {
            return Payment::Canceled;
        }
        if self.intents.iter().any(|i| i.processing) || self.completed_session().is_some() {
            return Payment::Processing;
        }
        match self.intents.iter().any(|intent| intent.failed.is_some()) {
            true => Payment::Failed,
            false => Payment::None,
        }
    }

    /// Whether an attempt to pay failed at some time, or was given up.
    pub fn has_failed(&self) -> bool {
        self.sessions.iter().any(|session| session.async_failed)
            || self.intents.iter().any(|intent| intent.failed.is_some() || intent.canceled.is_some())
    }

    /// The intents through which money came. More than one is a payment too many.
    pub fn paid_intents(&self) -> Vec<&str> {
        let mut paid: Vec<&str> =
            self.intents.iter().filter(|i| i.received.is_some()).map(|i| i.id.as_str()).collect();
        paid.extend(
            self.charges
                .iter()
                .filter(|charge| is_captured(charge))
                .filter_map(|charge| charge.payment_intent.as_deref()),
        );
        paid.sort_unstable();
        paid.dedup();
        paid
    }

    /// The money that came, and through which intent. The intent's own word counts most, then the charge's, then the
    /// session's. Of several payments the one that fits the order counts, whichever came first.
    fn captured(&self, expected: &Amounts) -> Option<(Money, Option<String>)> {
        let intents = self.intents.iter().filter_map(|intent| {
            intent.received.map(|sum| (Money::new(sum, intent.currency), Some(intent.id.clone())))
        });
        let charges = self.charges.iter().filter(|charge| is_captured(charge)).map(|charge| {
            (Money::new(charge.captured_amount, charge.currency), charge.payment_intent.clone())
        });
        let sessions = self.sessions.iter().filter_map(|session| session_money(session, expected.currency));
        let pick = |mut all: Vec<(Money, Option<String>)>| {
            all.sort_by_key(|(sum, intent)| (*sum != expected.total(), sum.minor, intent.clone()));
            all.into_iter().next()
        };
        pick(intents.collect()).or_else(|| pick(charges.collect())).or_else(|| pick(sessions.collect()))
    }

    fn check(&self, order: &Order, sum: Money) -> AmountCheck {
        let agrees = AmountCheck::Agrees;
        if planted(Defect::WrongAmountConfirmed) || order.was_cleared(ReviewKind::AmountMismatch) {
            return agrees;
        }
        let Some(session) = self.completed_session() else {
            return match sum == order.amounts.total() {
                true => agrees,
                false if order.session.is_some() && sum.currency == order.amounts.currency => {
                    AmountCheck::NeedsSession
                }
                false => AmountCheck::Differs(differs(sum, order.amounts.total())),
            };
        };
        if session.discount != order.amounts.discount {
            let currency = order.amounts.currency;
            return AmountCheck::Differs(format!(
                "Stripe took off {}, the order allows {}",
                Money::new(session.discount, currency),
                Money::new(order.amounts.discount, currency)
            ));
        }
        let expected = with_session(&order.amounts, session).total();
        match sum == expected {
            true => agrees,
            false => AmountCheck::Differs(differs(sum, expected)),
        }
    }
}

/// The order's amounts with the tax and shipping that Stripe added in this session.
pub fn with_session(amounts: &Amounts, session: &SessionFact) -> Amounts {
    Amounts { tax: session.tax, shipping: session.shipping, ..amounts.clone() }
}

fn is_captured(charge: &ChargeFact) -> bool {
    charge.paid && charge.captured && charge.captured_amount > 0
}

fn session_money(session: &SessionFact, currency: Currency) -> Option<(Money, Option<String>)> {
    let currency = session.currency.unwrap_or(currency);
    match session.payment {
        SessionPayment::Paid => {
            Some((Money::new(session.total.unwrap_or_default(), currency), session.payment_intent.clone()))
        }
        // A basket that costs nothing (or was discounted to nothing) is paid by nobody.
        SessionPayment::NothingToPay if session.status == SessionStatus::Complete => {
            Some((Money::new(session.total.unwrap_or_default(), currency), None))
        }
        SessionPayment::NothingToPay | SessionPayment::Unpaid => None,
    }
}

fn differs(sum: Money, expected: Money) -> String {
    format!("Stripe received {sum}, the order expects {expected}")
}
