//! Money that goes back at Stripe, without the shop: refunds in the dashboard, disputes, warnings.

use std::rc::Rc;

use sandbox::{ApiRequest, ChargeState};

use super::Scene;

/// A charge that went through.
struct Paid {
    intent: String,
    left: i64,
}

pub(super) fn act(scene: &Rc<Scene>) {
    refund_in_the_dashboard(scene);
}

/// All of it, or a part; nothing on the refund says whose it is.
fn refund_in_the_dashboard(scene: &Scene) {
    let paid = paid(scene);
    let Some(one) = paid.get(scene.chance.below(paid.len() as u64) as usize) else { return };
    let mut form = format!("payment_intent={}", one.intent);
    if scene.chance.below(3) == 0 && one.left > 1 {
        form.push_str(&format!("&amount={}", 1 + scene.chance.below(one.left as u64 - 1)));
    }
    let cx = scene.account.cx();
    let answer = scene.stripe().handle(&ApiRequest::post("/v1/refunds", &form), &cx);
    scene.note(format!("the dashboard refunds {form}: {}", answer.status));
}

/// The newest charges of which something is left.
fn paid(scene: &Scene) -> Vec<Paid> {
    let account = scene.stripe();
    let sessions = account.sessions().rev().take(24);
    let intents: Vec<String> = sessions.filter_map(|s| s.payment_intent.map(str::to_owned)).collect();
    let charge = |intent: &String| {
        let charges = account.charges_of(intent);
        let paid = charges.into_iter().find(|c| c.captured && c.state == ChargeState::Succeeded)?;
        let left = paid.amount - paid.amount_refunded;
        (left > 0).then(|| Paid { intent: intent.clone(), left })
    };
    intents.iter().filter_map(charge).collect()
}
