//! The books do not say what is on the shelf. This file decides by the books; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "inventory-drift",
    title: "Stock and its ledger disagree",
    symptom: "The counter of a stock is not what its ledger or its reservations sum to, or what lies on the shelf.",
    seed: &[
        Quote {
            from: "seed 002, Inventory Drift",
            text: "`stock_count` does not match physical reality or ledger sums.",
        },
        Quote {
            from: "seed 002, Inventory Drift",
            text: "Compare `stock_count` vs `sum(quantity_change)` in `inventory_ledger`.",
        },
        Quote {
            from: "seed 002, Inventory Drift",
            text: "'reason' => 'manual_correction',\n'reference_id' => 'admin-user-id'",
        },
    ],
    rows: &["B3"],
    checks: &["stock_differs_from_ledger", "reserved_differs_from_reservations", "refunded_stock_out"],
    alerts: &[],
    looks: &[],
    subject: "the sku; or the order whose pieces did not come back",
    about: About::Order,
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["inventory.recount", "inventory.adjust", "orders.mend", "reservations.release"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "changed_past_the_ledger",
        "The counter was changed without a ledger entry. The shelf is counted, and a ledger entry explains the rest.",
        &["inventory.recount"],
        "We are counting what we have in stock, and will tell you when your order goes out.",
    ),
    broken(
        "reservations_miscounted",
        "The counter of what is set aside is not what live reservations sum to. The shelf is counted, and the counters are set by the books.",
        &["inventory.recount"],
        "We are counting what we have in stock, and will tell you when your order goes out.",
    ),
    broken(
        "pieces_still_out",
        "An order was refunded before it was shipped, and its pieces still count as sold.",
        &["orders.mend"],
        "Your refund is complete. We are putting the pieces of order {order} back on the shelf; you need to do nothing.",
    ),
    fine(
        "books_agree",
        "Counter, ledger and reservations agree. What lies on the shelf may differ all the same: count it, and recount.",
        "What we have in stock is what our books say.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    if let Some(found) = facts.found("refunded_stock_out") {
        return Picked::new("pieces_still_out", found.text.clone()).mend(found.mend.clone());
    }
    let Some((sku, books)) = &facts.stock else {
        return Picked::new("books_agree", "no pieces of it are out");
    };
    let recount = || Mend {
        operation: "inventory.recount",
        input: json!({ "sku": sku }),
        command: format!("makegood inventory recount {sku} PIECES"),
    };
    let (stock, ledger) = (books.stock_count, books.ledger);
    if stock != ledger {
        let because = format!("the counter of {sku} says {stock}, its ledger sums to {ledger}");
        return Picked::new("changed_past_the_ledger", because).mend(recount());
    }
    let (counted, reserved) = (books.reserved_count, books.reserved);
    if counted != reserved {
        let because =
            format!("{counted} pieces of {sku} count as set aside, live reservations hold {reserved}");
        return Picked::new("reservations_miscounted", because).mend(recount());
    }
    Picked::new("books_agree", format!("{sku}: {stock} pieces, {reserved} of them set aside"))
}
