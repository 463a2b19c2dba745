//! What Stripe has proved about an order's payment. This file decides what it amounts to; it reads no clock and asks
//! nobody.

use kernel::planted::{Defect, planted};
use kernel::{Currency, Money};
use stripe::{
    ChargeFact, DisputeFact, DisputeOutcome, Fact, IntentFact, RefundFact, ReviewFact, SessionFact,
    SessionPayment, SessionStatus, WarningFact,
};

use super::{Amounts, CancelReason, Dispute, Order, ReviewKind};

/// Everything proved about one order, whatever the order in which it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentFacts {
    /// Its checkout sessions.
    pub sessions: Vec<SessionFact>,
    /// Its payment intents.
    pub intents: Vec<IntentFact>,
    /// Its charges.
    pub charges: Vec<ChargeFact>,
    /// What went back.
    pub refunds: Vec<RefundFact>,
    /// What a bank wants back.
    pub disputes: Vec<DisputeFact>,
    /// What an issuer believes to be fraud.
    pub warnings: Vec<WarningFact>,
    /// What Radar wants to be looked at.
    pub radar_reviews: Vec<ReviewFact>,
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
    /// The money was there, and the buyer has it again.
    Returned {
        /// How much had come.
        sum: Money,
        /// Through which payment intent.
        intent: Option<String>,
        /// Whether it was what the order expects.
        check: AmountCheck,
        /// How it went back.
        how: Returned,
    },
}

/// How money went back to the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// By refunds that add up to all of it.
    Refunded,
    /// By a dispute that was lost.
    DisputeLost,
}

/// One payment that came.
struct Unit {
    sum: Money,
    intent: Option<String>,
    charge: Option<String>,
}

impl Unit {
    fn is_of(&self, charge: Option<&str>, intent: Option<&str>) -> bool {
        let same = |ours: Option<&str>, theirs: Option<&str>| ours.is_some() && ours == theirs;
        same(self.charge.as_deref(), charge) || same(self.intent.as_deref(), intent)
    }
}

/// Whether the money is what the order expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmountCheck {
    /// It is.
    Agrees,
    /// It is not, and this is why. Never retried: it may be fraud.
    Differs(String),
    /// It is not by itself, but the session may explain tax or shipping; how it ended has not been seen yet.
    NeedsSession,
}

impl Payment {
    /// Why an order ends by this, if it does.
    pub fn ends_as(&self) -> Option<CancelReason> {
        match self {
            Payment::FailedForGood => Some(CancelReason::PaymentFailed),
            Payment::Canceled => Some(CancelReason::PaymentCanceled),
            Payment::Expired => Some(CancelReason::SessionExpired),
            Payment::None
            | Payment::Processing
            | Payment::Failed
            | Payment::Captured { .. }
            | Payment::Returned { .. } => None,
        }
    }
}

/// A payment of which a bank has taken a part only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostInPart {
    /// What the bank has taken.
    pub lost: Money,
    /// What was paid.
    pub paid: Money,
    /// What is still here, and was not sent back either.
    pub left: Money,
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
                Fact::Refund(refund) => all.refunds.push(refund),
                Fact::Dispute(dispute) => all.disputes.push(dispute),
                Fact::Warning(warning) => all.warnings.push(warning),
                Fact::Review(review) => all.radar_reviews.push(review),
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
        if let Some(unit) = self.counted(&order.amounts) {
            let (sum, check) = (unit.sum, self.check(order, unit.sum));
            return match self.returned(&unit) {
                None => Payment::Captured { sum, intent: unit.intent, check },
                Some(how) => Payment::Returned { sum, intent: unit.intent, check, how },
            };
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
        let sessions = self.sessions.iter().filter(|session| session.payment == SessionPayment::Paid);
        paid.extend(sessions.filter_map(|session| session.payment_intent.as_deref()));
        paid.sort_unstable();
        paid.dedup();
        paid
    }

    /// How much of the payment that counts has gone back, in minor units.
    pub fn refunded(&self, order: &Order) -> i64 {
        self.counted(&order.amounts).map_or(0, |unit| self.gone_back(&unit))
    }

    /// Whether a bank wants the money of the payment that counts. A verdict is Stripe's word; none is inferred.
    pub fn dispute(&self, order: &Order) -> Option<Dispute> {
        let unit = self.counted(&order.amounts)?;
        let outcomes = self.disputes_of(&unit);
        if outcomes.contains(&DisputeOutcome::Lost) {
            return Some(Dispute::Lost);
        }
        outcomes.contains(&DisputeOutcome::Open).then_some(Dispute::Open)
    }

    /// What banks have taken for good of the payment that counts, where they have left a part of it here.
    pub fn lost_in_part(&self, order: &Order) -> Option<LostInPart> {
        let (paid, lost) = (order.paid_amount?, self.lost(order));
        let left = paid - lost - order.refunded_amount;
        let money = |minor| Money::new(minor, order.amounts.currency);
        (lost > 0 && left > 0).then(|| LostInPart { lost: money(lost), paid: money(paid), left: money(left) })
    }

    fn lost(&self, order: &Order) -> i64 {
        let Some(unit) = self.counted(&order.amounts) else { return 0 };
        let own = self.disputes.iter().filter(|dispute| {
            unit.is_of(dispute.charge.as_deref(), dispute.payment_intent.as_deref())
                && dispute.outcome() == DisputeOutcome::Lost
        });
        own.filter_map(|dispute| dispute.state.now()).map(|state| state.amount).sum()
    }

    /// The payment that counts: of those that are still ours the one that fits the order, whichever came first; of those
    /// that went back only when no other is there.
    fn counted(&self, expected: &Amounts) -> Option<Unit> {
        let mut units = self.units(expected.currency);
        units.sort_by_key(|unit| {
            let fits = unit.sum == expected.total();
            (self.returned(unit).is_some(), !fits, unit.sum.minor, unit.intent.clone())
        });
        units.into_iter().next()
    }

    /// Every payment that came. Of each the intent's own word counts most, then the charge's, then the session's. What a session
    /// says of a payment that it does not name counts only when no other is known.
    fn units(&self, currency: Currency) -> Vec<Unit> {
        let intents = self.intents.iter().filter_map(|intent| {
            let sum = Money::new(intent.received?, intent.currency);
            Some(Unit { sum, intent: Some(intent.id.clone()), charge: intent.latest_charge.clone() })
        });
        let mut units: Vec<Unit> = intents.collect();
        for charge in self.charges.iter().filter(|charge| is_captured(charge)) {
            if !units.iter().any(|unit| unit.is_of(Some(&charge.id), charge.payment_intent.as_deref())) {
                let sum = Money::new(charge.captured_amount, charge.currency);
                let (intent, charge) = (charge.payment_intent.clone(), Some(charge.id.clone()));
                units.push(Unit { sum, intent, charge });
            }
        }
        let sessions = self.sessions.iter().filter_map(|session| session_money(session, currency));
        let (named, unnamed): (Vec<Unit>, Vec<Unit>) = sessions
            .map(|(sum, intent)| Unit { sum, intent, charge: None })
            .partition(|unit| unit.intent.is_some());
        for unit in named {
            if !units.iter().any(|known| known.is_of(None, unit.intent.as_deref())) {
                units.push(unit);
            }
        }
        if units.is_empty() {
            units = unnamed;
        }
        units
    }

    fn returned(&self, unit: &Unit) -> Option<Returned> {
        let back = self.gone_back(unit);
        let all = if planted(Defect::PartialRefundTakesAll) { 1 } else { unit.sum.minor.max(1) };
        if back >= all {
            return Some(Returned::Refunded);
        }
        let lost = self.disputes_of(unit).contains(&DisputeOutcome::Lost);
        (lost && !planted(Defect::LostDisputeIgnored)).then_some(Returned::DisputeLost)
    }

    /// The charge says how much went back in all; a refund that it does not know of yet counts too.
    fn gone_back(&self, unit: &Unit) -> i64 {
        let charges = self.charges.iter().filter(|c| unit.is_of(Some(&c.id), c.payment_intent.as_deref()));
        let (mut told, mut asked) = (0, None);
        for charge in charges {
            told += charge.refunded_now();
            asked = asked.max(charge.refunded.asked());
        }
        let refunds = self.refunds.iter().filter(|refund| {
            unit.is_of(refund.charge.as_deref(), refund.payment_intent.as_deref())
                && refund.status.is_news_to(asked)
                && refund.status.now().is_some_and(|status| status.takes_money())
        });
        told.max(refunds.map(|refund| refund.amount).sum())
    }

    fn disputes_of(&self, unit: &Unit) -> Vec<DisputeOutcome> {
        let own =
            self.disputes.iter().filter(|d| unit.is_of(d.charge.as_deref(), d.payment_intent.as_deref()));
        own.map(DisputeFact::outcome).collect()
    }

    fn check(&self, order: &Order, sum: Money) -> AmountCheck {
        let agrees = AmountCheck::Agrees;
        if planted(Defect::WrongAmountConfirmed) || order.was_cleared(ReviewKind::AmountMismatch) {
            return agrees;
        }
        let Some(session) = self.completed_session() else {
            return match sum == order.amounts.total() {
                true => agrees,
                false if self.session_may_complete(order) && sum.currency == order.amounts.currency => {
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

    /// Whether the order has a session that may turn out to be completed. One that expired never does.
    fn session_may_complete(&self, order: &Order) -> bool {
        let is_over =
            |id: &str| self.sessions.iter().any(|s| s.id == id && s.status == SessionStatus::Expired);
        order.session.as_deref().is_some_and(|session| !is_over(session))
    }
}

/// The order's amounts with the tax and shipping that Stripe added in this session.
pub fn with_session(amounts: &Amounts, session: &SessionFact) -> Amounts {
    Amounts { tax: session.added_tax(), shipping: session.shipping, ..amounts.clone() }
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
