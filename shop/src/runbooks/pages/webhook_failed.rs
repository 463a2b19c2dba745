//! An event came and was not acted on. This file decides by where the event stands; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::cases::Remedy;
use crate::inbox::{EventStatus, StoredEvent};
use crate::orders;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "webhook-failed",
    title: "An event was not acted on",
    symptom: "A webhook was taken and its processing failed, is tried again and again, or was given up.",
    seed: &[
        Quote {
            from: "seed 001, Investigate Failed Webhook",
            text: "\"Profile not found\": Check metadata.profileId is valid UUID",
        },
        Quote {
            from: "seed 004, Stripe webhook retries / partial processing",
            text: "Webhook event records with status != processed.",
        },
        Quote {
            from: "seed 004, Operational Principles",
            text: "Prefer Stripe event replay over manual DB edits.",
        },
    ],
    rows: &["V4", "L4", "M3", "B1", "E10", "E15"],
    checks: &["events_not_finalized", "events_unmatched", "prices_not_mapped"],
    alerts: &["MakegoodWebhookFailures", "MakegoodWebhookRetries"],
    looks: &[],
    subject: "Stripe's id of the event, evt_…",
    about: About::Other(|facts| facts.event.is_some() || facts.asked.starts_with("evt_")),
    reads: Reads::Unread,
    causes: CAUSES,
    operations: &["events.replay", "reconcile", "events.ignore", "prices.map"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "waits_for_its_turn",
        "It is stored and was not processed yet: workers do not run, or cannot keep up.",
        &["events.replay"],
        "Your payment has arrived and your order is about to be completed. It takes a little longer than usual; you need to do nothing.",
    ),
    broken(
        "tried_again",
        "Processing failed for a reason that may pass, and is tried again by itself.",
        &["events.replay"],
        "Your payment has arrived, and completing your order takes a little longer than usual. You need to do nothing, and you were charged once.",
    ),
    broken(
        "gave_up",
        "Processing failed for good, or too often. When the cause is gone, it may be replayed at any time.",
        &["events.replay"],
        "Your payment has arrived, and our shop stumbled when it wanted to complete your order. We are repeating that step now; you were charged once.",
    ),
    broken(
        "field_missing",
        "The event lacks a field that is needed. It is never guessed: the object is asked of Stripe, as it is now.",
        &["reconcile"],
        "Your payment has arrived, and we could not read all of what the payment service told us. We are asking it again and complete your order with that.",
    ),
    broken(
        "nothing_in_it",
        "The event lacks a field that is needed, and its object at Stripe shows nothing that is not known here. Only the event itself is left, and is set aside.",
        &["events.ignore"],
        "Everything that the payment service knows of your payment is in our books. If something is missing in your account, please send us your order number.",
    ),
    broken(
        "order_unknown",
        "It names an order that this database does not know: another environment with the same account, or a restored backup. It is matched by itself when the order appears; if it is nothing of ours, makegood events ignore says so.",
        &[],
        "We have received a payment that names an order which we cannot find. Please send us the receipt, so that we can find out where it belongs.",
    ),
    broken(
        "price_not_mapped",
        "A Payment Link sold something by a price at Stripe that stands for no price here, so no order can be made of it. Map the price; the purchase becomes an order by itself.",
        &["prices.map"],
        "Your payment has arrived. Our shop did not recognise what was sold by this link, so your order is not there yet. We are putting that right now; you were charged once, and need not buy again.",
    ),
    broken(
        "mode_not_sold",
        "A link sold a subscription, or only kept a card, by a price that stands for something here. Only a single payment becomes an order: end it at Stripe, or refund it there.",
        &[],
        "Your payment has arrived, and it was made by a link that our shop does not sell by. We are looking at it and will write to you.",
    ),
    fine(
        "finished",
        "It is processed, or there was nothing to do for it.",
        "The message from the payment service was processed. If something is still missing in your account, please send us your order number.",
    ),
    broken(
        "no_such_event",
        "No event with this id is here. The runbook webhook-downtime finds what never came.",
        &[],
        "We have no message from the payment service with this number. Please send us your order number or receipt.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some(event) = &facts.event else {
        return Picked::new("no_such_event", format!("no event {} is here", facts.asked));
    };
    let why = event.last_error.as_deref().unwrap_or("no error is known");
    let because = format!("event {} ({}) is {}: {why}", event.id, event.kind, event.status.as_str());
    let replay = || Remedy::replay(&event.id);
    match event.status {
        EventStatus::Received => Picked::new("waits_for_its_turn", because).mend(Mend::from(replay())),
        EventStatus::Retry => Picked::new("tried_again", because).mend(Mend::from(replay())),
        EventStatus::Error if event.is_unreadable() => match &facts.compared {
            Some(object) if facts.differs.is_empty() => {
                let because = format!("{because}; {object} was asked of Stripe, and nothing of ours differs");
                Picked::new("nothing_in_it", because).mend(ignore(event))
            }
            _ => Picked::new("field_missing", because).mend(look_at(event)),
        },
        EventStatus::Error => Picked::new("gave_up", because).mend(Mend::from(replay())),
        EventStatus::Unmatched => Picked::new(unmatched(event), because),
        EventStatus::Processed | EventStatus::Ignored => Picked::new("finished", because),
    }
}

fn ignore(event: &StoredEvent) -> Mend {
    let id = &event.id;
    Mend {
        operation: "events.ignore",
        input: json!({ "event": id }),
        command: format!("makegood events ignore {id}"),
    }
}

fn unmatched(event: &StoredEvent) -> &'static str {
    match event.last_error_kind.as_deref() {
        Some(orders::NOT_MAPPED) => "price_not_mapped",
        Some(orders::NOT_SOLD) => "mode_not_sold",
        _ => "order_unknown",
    }
}

fn look_at(event: &StoredEvent) -> Option<Mend> {
    let object = event.object_id.as_deref()?;
    Some(Mend {
        operation: "reconcile",
        input: json!({ "only": object, "apply": true }),
        command: format!("makegood reconcile --only {object} --apply"),
    })
}
