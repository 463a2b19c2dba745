//! What must be true of deliveries: nobody waits for a person without that person knowing.

use std::collections::BTreeSet;

use kernel::Duration;
use ops::audit::{self, Filter};
use ops::{Check, Found, Mend, Severity};

use super::DENIED;
use crate::ids::OrderId;
use crate::orders;

/// The downloads' checks.
pub const CHECKS: [Check; 1] = [HELD_BY_A_REVIEW];

/// So long ago a denial is still something that a buyer waits for.
const LATELY: Duration = Duration::from_secs(7 * 86_400);
/// So many of the newest denials are looked at.
const NEWEST: i64 = 1_000;

const HELD_BY_A_REVIEW: Check = Check {
    name: "delivery_held_by_review",
    severity: Severity::Ticket,
    must: "no buyer is denied what they paid for because their order is under review",
    means: "Somebody has asked for a file or a film within the last week and heard 423: an order that gives it is under review. Look \
            at the order, and clear the flag or send the money back.",
    find: |tx, now, most| {
        let filter =
            Filter { event_type: Some(DENIED.to_owned()), limit: NEWEST.max(most), ..Filter::default() };
        let (mut orders_seen, mut all) = (BTreeSet::new(), Vec::new());
        for row in audit::list(tx, &filter)? {
            let (at, order): (kernel::Timestamp, Option<OrderId>) = (row.get("at")?, row.get("order_id")?);
            let why: Option<String> = row.get("reason")?;
            let Some(order) = order.filter(|_| why.as_deref() == Some("order_under_review")) else {
                continue;
            };
            if now.since(at) > LATELY || !orders_seen.insert(order) {
                continue;
            }
            if orders::under_review(tx, &[order])?.is_some() {
                all.push(Found {
                    subject: order.to_string(),
                    text: format!("order {order} is under review, and its buyer asks for what it holds"),
                    since: Some(at),
                    mend: None::<Mend>,
                });
            }
        }
        Ok(all)
    },
};
