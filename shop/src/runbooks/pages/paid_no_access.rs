//! Paid, and no access. This file decides by the verdict on the case, which is judged in `cases`; plain values only.

use ops::{About, Cause, Picked, Quote, Reads};

use super::{broken, fine};
use crate::cases::Place;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "paid-no-access",
    title: "Paid, and no access",
    symptom: "A buyer has paid, Stripe has the money, and the course cannot be opened.",
    seed: &[
        Quote {
            from: "seed 000, Payment succeeded in Stripe but no access",
            text: "1. Check webhook delivery in Stripe dashboard.\n2. Confirm event presence in `stripe_events`.\n3. Reprocess event.\n4. Validate order state and entitlement row.",
        },
        Quote {
            from: "seed 004, Manual reconciliation scenarios",
            text: "Customer reports missing confirmation or invoice.",
        },
    ],
    rows: &["V4", "V5", "V7", "E11"],
    checks: &["order_without_grant", "entitlement_without_grant", "mails_failed"],
    alerts: &[],
    looks: &[ops::Look {
        task: "reconcile",
        input: r#"{"area":"payments","from":"7d"}"#,
        causes: &["payment_not_known_here"],
    }],
    subject: "the buyer's email, or any id that leads to the buyer or the purchase",
    about: About::Other(|facts| facts.case.is_some()),
    reads: Reads::Case,
    causes: CAUSES,
    operations: &[
        "reconcile",
        "events.replay",
        "orders.mend",
        "orders.confirm",
        "entitlements.grant",
        "claims.resend",
        "entitlements.revoke",
        "inventory.adjust",
    ],
    pick,
};

const CAUSES: &[Cause] = &[
    fine(
        "has_access",
        "The buyer has access.",
        "We have looked at your purchase: it is complete, and you have access with the account you bought with. If you still cannot open it, please sign out, sign in again with the same email, and tell us what you see.",
    ),
    broken(
        "not_paid",
        "The money is not there: nobody has paid, the payment failed, or it is still under way.",
        &[],
        "The payment for your order has not reached us: it was not finished, was declined, or your bank is still working on it. Nothing was taken that is not on your statement. You can simply buy again; should the first payment arrive after all, you will not pay twice.",
    ),
    broken(
        "event_not_received",
        "Stripe has the money, and nothing of it has reached this shop.",
        &["reconcile"],
        "Your payment has arrived. The message that tells our shop of it was lost, so your order was not completed. We are completing order {order} now; you will have access in a moment, and you were charged once.",
    ),
    broken(
        "event_failed",
        "Stripe's event is here and was not acted on.",
        &["events.replay"],
        "Your payment has arrived, and our shop stumbled when it wanted to complete order {order}. We are repeating that step now; you will have access in a moment, and you were charged once.",
    ),
    broken(
        "under_review",
        "A person has to look at the order first. The runbook review-hold says what of.",
        &["orders.confirm"],
        "Your payment has arrived, and order {order} is being looked at by a person before it is completed. We will write to you as soon as that is done; there is nothing you need to do.",
    ),
    broken(
        "waits_for_stock",
        "The pieces ran out, and the whole order waits for them.",
        &["inventory.adjust"],
        "Your payment has arrived. Something in order {order} is out of stock at the moment, and the order is completed as soon as it is back. If you would rather have your money back, tell us.",
    ),
    broken(
        "waits_for_refund",
        "All the money is on its way back, and nothing is handed over meanwhile.",
        &[],
        "The payment for order {order} is on its way back to you, so nothing more is handed over. Depending on your bank it takes some days until you see the money.",
    ),
    broken(
        "refunded",
        "The money went back, and what was bought with it.",
        &[],
        "The payment for order {order} was sent back to you, and the access that came with it has ended. Depending on your bank it takes some days until you see the money.",
    ),
    broken(
        "disputed",
        "A bank wants the money back, or has it. The runbook dispute says until when to answer.",
        &[],
        "Your bank has asked us about the payment for order {order}, and access rests until it has decided. If that was not meant, please tell your bank, and write to us.",
    ),
    broken(
        "access_removed",
        "An operator took the access away, or the rows do not say what the order says.",
        &["orders.mend", "entitlements.grant"],
        "You have paid, and the access for order {order} was missing on our side. We are putting that right; you will have access in a moment.",
    ),
    broken(
        "wrong_account",
        "It was bought, and another account holds it.",
        &["entitlements.grant"],
        "Your purchase is there, but under another account or without one. Please sign in with the email you gave when you paid; if you cannot, we will move it to the account you are using once we have checked that both are yours.",
    ),
    broken(
        "not_claimed",
        "It was bought as a guest, and nobody has claimed it: the mail with the link was lost, or not read. A new link goes to the email that was given, and nowhere else.",
        &["claims.resend", "entitlements.grant"],
        "Your purchase is there, and waits for you. We have sent a new link to the email you gave when you paid; open it, and order {order} is in your account. Links that you got before lead nowhere now.",
    ),
    broken(
        "no_such_purchase",
        "Nothing of the kind was ever bought.",
        &[],
        "We have found no purchase with this email or number. Please send us the receipt, or the last four digits of the card and the day of the payment.",
    ),
];

/// The cause of each place that may be broken.
fn name(place: Place) -> &'static str {
    match place {
        Place::HasAccess => "has_access",
        Place::NotPaid => "not_paid",
        Place::EventNotReceived => "event_not_received",
        Place::EventFailed => "event_failed",
        Place::UnderReview => "under_review",
        Place::WaitsForStock => "waits_for_stock",
        Place::WaitsForRefund => "waits_for_refund",
        Place::Refunded => "refunded",
        Place::Disputed => "disputed",
        Place::AccessRemoved => "access_removed",
        Place::WrongAccount => "wrong_account",
        Place::NotClaimed => "not_claimed",
        Place::NoSuchPurchase => "no_such_purchase",
    }
}

fn pick(facts: &Facts) -> Picked {
    let Some(case) = &facts.case else { return Picked::new("no_such_purchase", "the case was not read") };
    // To clear a flag, or to answer a bank, is for a person who has looked: another runbook shows what at.
    let by_a_person = |operation: &str| matches!(operation, "orders.review.clear" | "disputes.show");
    let mend = case.mend.clone().filter(|remedy| !by_a_person(remedy.operation));
    Picked::new(name(case.place), case.says.clone()).mend(mend.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_case_is_a_cause() {
        let names: Vec<&str> = CAUSES.iter().map(|cause| cause.name).collect();
        assert_eq!(names, Place::ALL.map(name));
    }
}
