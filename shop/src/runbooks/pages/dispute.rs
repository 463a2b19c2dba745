//! A bank wants money back. This file decides by the dispute and what differs; plain values only.

use ops::{About, Cause, Picked, Quote, Reads};
use stripe::DisputeOutcome;

use super::{broken, fine, no_order, of_order};
use crate::disputes::next;
use crate::orders::Dispute;
use crate::runbooks::{Facts, Runbook};

const AT_STRIPE: &[&str] = &["dispute_not_known_here", "dispute_verdict_missed", "dispute_moved_unnoticed"];

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "dispute",
    title: "A payment is disputed",
    symptom: "A buyer's bank asks about a payment or wants it back; access is suspended, and an answer counts until a deadline.",
    seed: &[
        Quote {
            from: "seed 001, Handle Disputed Payment",
            text: "User disputes charge, Stripe creates charge.dispute.created event.",
        },
        Quote {
            from: "seed 001, Handle Disputed Payment",
            text: "Respond to dispute in Stripe Dashboard (within 7 days)",
        },
    ],
    rows: &["L6"],
    checks: &["dispute_needs_response", "dispute_lost_in_part", "grant_not_as_disputed"],
    alerts: &[],
    looks: &[ops::Look {
        task: "reconcile",
        input: r#"{"area":"disputes","from":"90d"}"#,
        causes: AT_STRIPE,
    }],
    subject: "the order, or the dispute, payment or charge at Stripe",
    about: About::Order,
    reads: Reads::Stripe,
    causes: CAUSES,
    operations: &["reconcile", "orders.mend", "refunds.create"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "dispute_missed",
        "A dispute stands otherwise at Stripe than here: its event never came.",
        &["reconcile"],
        "Your bank has told us something new about the payment for order {order}, and our shop had not noticed. We are putting that right.",
    ),
    broken(
        "access_not_following",
        "The access is not what the dispute says it should be.",
        &["orders.mend"],
        "We are putting right the access that belongs to order {order}.",
    ),
    broken(
        "needs_response",
        "The bank waits for our answer. It is given in Stripe's dashboard, with evidence, or accepted there; without one the dispute is lost.",
        &[],
        "Your bank has asked us about the payment for order {order}. Access rests until it has decided. If you did not mean to dispute it, please tell your bank that it was you, and write to us.",
    ),
    fine(
        "bank_decides",
        "The bank has our answer, or only asks; access rests as long as it has to.",
        "Your bank is deciding about the payment for order {order}, and access rests until it has. We will write to you.",
    ),
    fine(
        "lost",
        "The bank has decided for the buyer: the money went back, and what was bought with it.",
        "Your bank has sent the payment for order {order} back to you, and what you bought has ended.",
    ),
    broken(
        "lost_in_part",
        "The bank has taken a part of the money, everything that was bought was taken back, and the rest of the money is still here. It is sent back in Stripe's dashboard, or the buyer gets access as a gift.",
        &[],
        "Your bank has sent a part of the payment for order {order} back to you. What becomes of the rest is being decided, and we will write to you.",
    ),
    fine(
        "over",
        "It was decided for us, or withdrawn; access is as before.",
        "The question about the payment for order {order} is settled, and you have access as before.",
    ),
    fine("no_dispute", "No bank wants this money back.", "There is no dispute about order {order}."),
    broken(
        "could_not_be_asked",
        "Stripe could not be asked, so nothing can be said.",
        &[],
        "We are checking with the payment service, and will write to you.",
    ),
    broken(
        "no_such_order",
        "It leads to no order here.",
        &[],
        "We cannot find this payment. Please send us the receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(differs) = facts.differs_by(AT_STRIPE) {
        return Picked::new("dispute_missed", differs.text.clone()).mend(facts.learn(differs));
    }
    let Some(order) = &facts.order else { return no_order("no_such_order") };
    if let Some(found) = facts.found("grant_not_as_disputed") {
        let mend = of_order("orders.mend", "orders mend", order.id);
        return Picked::new("access_not_following", found.text.clone()).mend(mend);
    }
    let states = || facts.disputes.iter().filter_map(|dispute| Some((dispute, dispute.state.now()?)));
    if let Some((dispute, state)) = states().find(|(_, state)| state.status.needs_response()) {
        return Picked::new("needs_response", next(&dispute.id, state.status, state.due_by, facts.now));
    }
    if let Some(why) = &facts.not_compared {
        return Picked::new("could_not_be_asked", why.clone());
    }
    let open = states().find(|(dispute, _)| dispute.outcome() == DisputeOutcome::Open);
    if let Some(found) = facts.found("dispute_lost_in_part") {
        return Picked::new("lost_in_part", found.text.clone());
    }
    match (order.dispute, open) {
        (Some(Dispute::Lost), _) => Picked::new("lost", facts.standing()),
        (Some(Dispute::Open), _) | (None, Some(_)) => Picked::new("bank_decides", facts.standing()),
        (None, None) if facts.disputes.is_empty() => Picked::new("no_dispute", facts.standing()),
        (None, None) => Picked::new("over", facts.standing()),
    }
}
