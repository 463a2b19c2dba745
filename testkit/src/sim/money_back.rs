//! Money that goes back at Stripe, without the shop: refunds in the dashboard, disputes, warnings, reviews.

use std::rc::Rc;

use sandbox::{
    ChargeState, DisputeStep, NewDispute, NewRefund, RefundStatus, ReviewClosed, ReviewOpened, Sandbox,
};

use super::Scene;

/// A charge that went through.
struct Paid {
    id: String,
    amount: i64,
    left: i64,
}

pub(super) fn act(scene: &Rc<Scene>) {
    // A bank that turns down a refund whose answer was lost is rare outside; here the rare case is what is looked for.
    let lost = lost(scene);
    if !lost.is_empty() && scene.chance.below(2) == 0 {
        return a_refund_turns(scene, &lost);
    }
    match scene.chance.below(12) {
        0..3 => refund_in_the_dashboard(scene),
        3 | 4 => dispute(scene),
        5..9 => a_dispute_goes_on(scene),
        9 => a_refund_turns(scene, &[]),
        10 => warn(scene),
        _ => review(scene),
    }
}

fn any<'a, T>(scene: &Scene, all: &'a [T]) -> Option<&'a T> {
    all.get(scene.chance.below(all.len() as u64) as usize)
}

/// All of it, or a part; nothing on the refund says whose it is.
fn refund_in_the_dashboard(scene: &Scene) {
    let paid = paid(scene);
    let Some(one) = any(scene, &paid).filter(|one| one.left > 0) else { return };
    let refund = match scene.chance.below(3) {
        0 if one.left > 1 => NewRefund::of(1 + scene.chance.below(one.left as u64 - 1) as i64),
        _ => NewRefund::default(),
    };
    let cx = scene.account.cx();
    let done = scene.stripe().refund_in_dashboard(&one.id, &refund, &cx);
    scene.note(format!(
        "the dashboard refunds {} of {}: {done:?}",
        refund.amount.unwrap_or(one.left),
        one.id
    ));
}

/// The payments of our refunds whose answer was lost.
fn lost(scene: &Scene) -> Vec<String> {
    scene.look(|tx| {
        let sql = "SELECT stripe_payment_intent_id AS intent FROM refunds WHERE status = 'unknown'";
        tx.query(sql, &[])?.iter().map(|row| row.get("intent")).collect()
    })
}

/// A bank changes its mind about a refund, of one of these payments or, where none is named, of any.
fn a_refund_turns(scene: &Scene, of: &[String]) {
    let cx = scene.account.cx();
    let mut account = scene.stripe();
    let wanted = |refund: &&sandbox::Refund| of.is_empty() || of.contains(&refund.payment_intent);
    let newest: Vec<String> =
        account.refunds().iter().rev().filter(wanted).take(12).map(|refund| refund.id.clone()).collect();
    let Some(refund) = any(scene, &newest) else { return };
    let to = if scene.chance.below(2) == 0 { RefundStatus::Failed } else { RefundStatus::Succeeded };
    let done = account.turn_refund(refund, to, &cx);
    drop(account);
    scene.note(format!("refund {refund} becomes {to:?}: {done:?}"));
}

fn dispute(scene: &Scene) {
    let paid = paid(scene);
    let Some(one) = any(scene, &paid) else { return };
    let dispute = match scene.chance.below(4) {
        0 => NewDispute::inquiry(),
        1 => NewDispute::default().over(1 + scene.chance.below(one.amount as u64) as i64),
        _ => NewDispute::default(),
    };
    let cx = scene.account.cx();
    let done = scene.stripe().open_dispute(&one.id, &dispute, &cx);
    scene.note(format!("a bank disputes {}: {done:?}", one.id));
}

fn a_dispute_goes_on(scene: &Scene) {
    let cx = scene.account.cx();
    let mut account = scene.stripe();
    let newest = account.disputes().iter().rev().take(12);
    let ways: Vec<(String, DisputeStep)> = newest
        .flat_map(|dispute| {
            let possible = DisputeStep::ALL.into_iter().filter(|step| step.from(dispute.status).is_some());
            possible.map(|step| (dispute.id.clone(), step))
        })
        .collect();
    let Some((dispute, step)) = any(scene, &ways) else { return };
    let done = account.move_dispute(dispute, *step, &cx);
    drop(account);
    scene.note(format!("dispute {dispute}: {step:?}: {done:?}"));
}

fn warn(scene: &Scene) {
    let paid = paid(scene);
    let Some(one) = any(scene, &paid) else { return };
    let cx = scene.account.cx();
    let done = scene.stripe().warn_of_fraud(&one.id, "misc", &cx);
    scene.note(format!("an issuer warns of {}: {done:?}", one.id));
}

fn review(scene: &Scene) {
    let cx = scene.account.cx();
    let paid = paid(scene);
    let mut account = scene.stripe();
    let open: Vec<String> = account
        .reviews()
        .iter()
        .filter(|review| review.closed.is_none())
        .map(|review| review.id.clone())
        .collect();
    let done = match any(scene, &open) {
        Some(review) if scene.chance.below(2) == 0 => {
            let reason =
                if scene.chance.below(3) == 0 { ReviewClosed::Disputed } else { ReviewClosed::Approved };
            format!("{review} is closed: {:?}", account.close_review(review, reason, &cx))
        }
        _ => match any(scene, &paid) {
            Some(one) => {
                format!(
                    "{} is to be reviewed: {:?}",
                    one.id,
                    account.open_review(&one.id, ReviewOpened::Rule, &cx)
                )
            }
            None => return,
        },
    };
    drop(account);
    scene.note(done);
}

/// The newest charges that went through.
fn paid(scene: &Scene) -> Vec<Paid> {
    let account = scene.stripe();
    let sessions = account.sessions().rev().take(24);
    sessions.filter_map(|session| charge_of(&account, session.payment_intent?)).collect()
}

fn charge_of(account: &Sandbox, intent: &str) -> Option<Paid> {
    let charges = account.charges_of(intent);
    let paid = charges.into_iter().find(|c| c.captured && c.state == ChargeState::Succeeded)?;
    Some(Paid { id: paid.id.clone(), amount: paid.amount, left: paid.amount - paid.amount_refunded })
}
