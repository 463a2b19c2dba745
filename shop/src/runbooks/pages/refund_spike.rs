//! More refunds than usual, or one that does not arrive. This file decides by how the refund came about; plain values only.

use ops::{About, Cause, Picked, Quote, Reads};

use super::{broken, fine, no_order, refund};
use crate::orders::State;
use crate::refunds::RefundStatus;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "refund-spike",
    title: "Refunds: more than usual, or on their way for too long",
    symptom: "Many more refunds than usual go out; or one was promised to a buyer and nobody knows whether Stripe has it.",
    seed: &[
        Quote {
            from: "seed 004, Alerting Thresholds",
            text: "Refund spike: refund_operations_total{status=\"success\"} > 3x baseline for 15m.",
        },
        Quote {
            from: "seed 004, Billing & finance",
            text: "Baseline: stable, low variance; spikes indicate a bug or operational issue.",
        },
        Quote {
            from: "seed 003, Common Pitfalls",
            text: "Duplicate refund initiated | Idempotency guard returns 409; ignore.",
        },
    ],
    rows: &["E3", "E5", "M9", "M10"],
    checks: &["refund_unsettled"],
    alerts: &["MakegoodRefundSpike"],
    looks: &[],
    subject: "the order, or the refund: rfd_… here, re_… at Stripe",
    about: About::Order,
    reads: Reads::Stripe,
    causes: CAUSES,
    operations: &["reconcile", "refunds.create", "jobs.retry"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "answer_lost",
        "Stripe has the refund, and its answer never came.",
        &["reconcile"],
        "Your refund for order {order} was made at the payment service; we had not heard of it. Depending on your bank it takes some days until you see the money.",
    ),
    broken(
        "unsettled",
        "It was asked for more than an hour ago, and Stripe does not have it. The job refunds.send looks, and sends it once.",
        &[],
        "Your refund for order {order} is on its way to the payment service, and takes longer than it should. You will get it once, and we keep an eye on it.",
    ),
    broken(
        "failed",
        "The refund did not come about, or came back. It may be asked for again.",
        &["refunds.create"],
        "Your refund for order {order} did not go through; your bank may have sent it back. We are asking for it again. If your card has been closed, please tell us.",
    ),
    broken(
        "could_not_be_asked",
        "Stripe could not be asked, so nothing can be said.",
        &[],
        "We are checking with the payment service how the refund for order {order} stands, and will write to you.",
    ),
    fine(
        "on_its_way",
        "Stripe has it, or gets it now.",
        "Your refund for order {order} is on its way. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "asked_for_here",
        "An operator asked for it, with a reason.",
        "Your refund for order {order} was made. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "made_at_stripe",
        "It was made in Stripe's dashboard, or by a dispute; nobody here asked for it.",
        "Your refund for order {order} was made. Depending on your bank it takes some days until you see the money.",
    ),
    fine(
        "not_refunded",
        "Nothing went back.",
        "The payment for order {order} was not sent back. If you want to return the order, tell us.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this payment. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(differs) =
        facts.differs_by(&["refund_unanswered", "refund_not_known_here", "refund_moved_unnoticed"])
    {
        return Picked::new("answer_lost", differs.text.clone()).mend(facts.learn(differs));
    }
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    let refunded = matches!(order.state, State::Refunded { .. });
    let Some(asked) = &facts.refund else {
        return match &facts.not_compared {
            _ if refunded || order.refunded_amount > 0 => Picked::new("made_at_stripe", facts.standing()),
            Some(why) => Picked::new("could_not_be_asked", why.clone()),
            None => Picked::new("not_refunded", facts.standing()),
        };
    };
    let why = asked.last_error.as_deref().map_or(String::new(), |why| format!(": {why}"));
    let because = format!(
        "{} of {} is {}, asked for by {} ({}){why}",
        asked.id,
        asked.amount,
        asked.status.as_str(),
        asked.actor,
        asked.reason
    );
    match asked.status {
        RefundStatus::Requested | RefundStatus::Unknown if facts.found("refund_unsettled").is_some() => {
            Picked::new("unsettled", because)
        }
        RefundStatus::Requested | RefundStatus::Unknown | RefundStatus::Pending => {
            Picked::new("on_its_way", because)
        }
        RefundStatus::Failed if !refunded => Picked::new("failed", because).mend(refund(order.id)),
        RefundStatus::Succeeded | RefundStatus::Failed => Picked::new("asked_for_here", because),
    }
}
