//! What should happen next with an order, and by whom. This file decides; plain values only.

use std::fmt::{self, Display, Formatter};

use kernel::{Money, Timestamp};
use serde::Serialize;
use stripe::{DisputeOutcome, Fact};

use super::remedy::Remedy;
use crate::checkout::Checkout;
use crate::disputes;
use crate::orders::{Dispute, KnownFact, Order, PaymentStatus, State, WaitsFor};
use crate::refunds::{Refund, RefundStatus};

/// All that the next step depends on.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The order.
    pub order: &'a Order,
    /// The page where the buyer pays, if one was asked for.
    pub checkout: Option<&'a Checkout>,
    /// Everything that Stripe has proved.
    pub facts: &'a [KnownFact],
    /// The refund that was asked for last.
    pub refund: Option<&'a Refund>,
    /// Now.
    pub now: Timestamp,
}

/// One step: what is so, what an operator does about it, and what follows from that.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What is so.
    pub says: String,
    /// What an operator does, where somebody has to do something.
    pub mend: Option<Remedy>,
    /// What follows, as the end of the sentence.
    pub then: &'static str,
}

impl Step {
    fn by(says: impl Into<String>, mend: Remedy) -> Step {
        Step { says: says.into(), mend: Some(mend), then: "" }
    }
}

impl<S: Into<String>> From<S> for Step {
    fn from(says: S) -> Step {
        Step { says: says.into(), mend: None, then: "" }
    }
}

/// As a sentence, with the command in it.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.mend {
            Some(mend) => write!(f, "{} {} --reason …{}", self.says, mend.command, self.then),
            None => f.write_str(&self.says),
        }
    }
}

/// The steps, the most urgent first. Never empty.
pub fn next(of: &Situation<'_>) -> Vec<Step> {
    let mut steps = disputed(of);
    steps.extend(refund(of));
    steps.extend(reviewed(of));
    steps.extend(refunded_in_part(of));
    steps.extend(believed(of));
    let own = stands(of, steps.is_empty());
    steps.extend(own);
    if steps.is_empty() {
        steps.push("Nothing is left to do.".into());
    }
    steps
}

/// Each dispute that is not over, with its deadline.
fn disputed(of: &Situation<'_>) -> Vec<Step> {
    let open = of.facts.iter().filter_map(|known| match &known.fact {
        Fact::Dispute(dispute) => {
            let state = dispute.state.now()?;
            let waits = state.status.needs_response() || dispute.outcome() == DisputeOutcome::Open;
            let next = || disputes::next(&dispute.id, state.status, state.due_by, of.now);
            waits.then(|| {
                (state.due_by.is_none(), state.due_by, format!("Dispute {}: {}", dispute.id, next()))
            })
        }
        _ => None,
    });
    let mut open: Vec<_> = open.collect();
    open.sort();
    open.into_iter().map(|(_, _, step)| step.into()).collect()
}

/// What becomes of a refund that was asked for here.
fn refund(of: &Situation<'_>) -> Option<Step> {
    let refund = of.refund?;
    let (id, order) = (refund.id, of.order.id);
    match refund.status {
        RefundStatus::Requested => Some(
            format!("Refund {id}: the job refunds.send sends it to Stripe; nothing is shipped meanwhile.")
                .into(),
        ),
        RefundStatus::Unknown => {
            let lost = match refund.last_error.as_deref() {
                Some(why) => format!("nobody knows whether Stripe has it ({why})"),
                None => "Stripe's answer was lost".to_owned(),
            };
            let asks = "the job refunds.send asks what Stripe has before it sends anything again.";
            Some(format!("Refund {id}: {lost}; {asks}").into())
        }
        RefundStatus::Pending => {
            Some(format!("Refund {id}: Stripe has it and the buyer's bank not yet; wait.").into())
        }
        RefundStatus::Failed if !matches!(of.order.state, State::Refunded { .. }) => {
            let why = refund.last_error.as_deref().map_or(String::new(), |why| format!(" ({why})"));
            let failed = format!("Refund {id} failed{why};");
            Some(match of.order.dispute {
                Some(Dispute::Open) => {
                    format!("{failed} a bank decides about the money, so none is sent until it has.").into()
                }
                Some(Dispute::Lost) => format!("{failed} the bank has sent the money back itself.").into(),
                None => Step::by(
                    format!("{failed} the buyer keeps everything. Ask again:"),
                    Remedy::refund(order),
                ),
            })
        }
        RefundStatus::Succeeded | RefundStatus::Failed => None,
    }
}

/// Each open flag by itself; what was refunded needs nobody any more.
fn reviewed(of: &Situation<'_>) -> Vec<Step> {
    if matches!(of.order.state, State::Refunded { .. }) {
        return Vec::new();
    }
    let open = of.order.reviews.iter().filter(|review| review.is_open());
    let step = |review: &crate::orders::Review| {
        let kind = review.kind.as_str();
        let says = format!("A person looks at it: {kind}, {}. Then:", review.detail);
        Step::by(says, Remedy::clear(of.order.id, kind))
    };
    open.map(step).collect()
}

fn refunded_in_part(of: &Situation<'_>) -> Option<Step> {
    let back = of.order.refunded_amount;
    if back == 0 || matches!(of.order.state, State::Refunded { .. }) {
        return None;
    }
    let back = Money::new(back, of.order.amounts.currency);
    let says = format!("{back} went back at Stripe, and a refund in part changes nothing here.");
    Some(match of.order.dispute {
        // What a bank decides about is not sent back as well.
        Some(_) => says.into(),
        None => Step::by(format!("{says} For the whole:"), Remedy::refund(of.order.id)),
    })
}

/// What is believed only because an event said so.
fn believed(of: &Situation<'_>) -> Option<Step> {
    let told: Vec<&str> = of
        .facts
        .iter()
        .filter(|known| known.fact.provisional().is_some())
        .map(|known| known.fact.object_id())
        .collect();
    (!told.is_empty()).then(|| {
        let told = told.join(", ");
        let says = format!("{told} as an event told it; the job stripe.fetch asks Stripe. Now:");
        Step::by(says, Remedy::mend(of.order.id))
    })
}

/// What the state of the order itself asks for; `alone` when nothing stands in the way.
fn stands(of: &Situation<'_>, alone: bool) -> Option<Step> {
    let order = of.order;
    let blocked = order.open_review().is_some()
        || order.dispute == Some(Dispute::Open)
        || order.payment_status == PaymentStatus::RefundPending;
    match &order.state {
        State::Pending => Some(match of.checkout {
            Some(checkout) if checkout.expires_at > of.now => format!(
                "The buyer pays until {}; if not, the order is cancelled by itself.",
                checkout.expires_at.in_words()
            )
            .into(),
            Some(_) => "The job checkout.close asks Stripe how the session ended.".into(),
            None => "Nobody has asked Stripe for a page; cancel it or wait for a payment.".into(),
        }),
        State::Paid { waits_for: WaitsFor::Stock } => {
            let sku = order.lines.iter().find_map(|line| line.sku.as_deref()).unwrap_or("SKU");
            let step = Step::by("Stock has to come:", Remedy::stock(sku));
            Some(Step { then: "; the order then goes on by itself.", ..step })
        }
        State::Paid { waits_for: WaitsFor::Breakdown } => {
            Some("How the checkout session ended has to be seen; the job checkout.sync asks Stripe.".into())
        }
        State::Paid { waits_for: WaitsFor::Review } if order.holding_review().is_none() => {
            Some(Step::by("Its review is cleared; settle it:", Remedy::settle(order.id)))
        }
        State::Paid { waits_for: WaitsFor::Review } => None,
        State::Confirmed { .. } if blocked => Some("It is not shipped until that is over.".into()),
        State::Confirmed { .. } => Some(Step::by("It has to be shipped:", Remedy::ship(order.id))),
        State::Completed { .. } => alone.then(|| "Nothing is left to do.".into()),
        State::Cancelled { .. } => {
            alone.then(|| "Nothing; a payment that comes all the same reopens it.".into())
        }
        State::Refunded { .. } => {
            alone.then(|| "Nothing; should the money come back, so does what was bought.".into())
        }
    }
}
