//! What mends a case: as a command, and as a request to the admin API.

use serde::Serialize;
use serde_json::{Value, json};

use crate::ids::{OrderId, ProfileId};

/// One step, ready to be taken.
#[derive(Debug, Clone, Serialize)]
pub struct Remedy {
    /// The name of the operation, task or view.
    pub operation: &'static str,
    /// Its inputs, as far as they are known.
    pub input: Value,
    /// As a command line.
    pub command: String,
    /// As a request.
    pub api: String,
}

impl From<Remedy> for ops::Mend {
    fn from(remedy: Remedy) -> Self {
        let Remedy { operation, input, command, .. } = remedy;
        ops::Mend { operation, input, command }
    }
}

impl Remedy {
    /// Processes the event again.
    pub fn replay(event: &str) -> Remedy {
        Remedy {
            operation: "events.replay",
            input: json!({ "event": event }),
            command: format!("makegood events replay {event}"),
            api: format!("POST /api/v1/admin/events/{event}/replay"),
        }
    }

    /// Compares the order with Stripe's objects, however old they are, and learns what was missed.
    pub fn compare(order: OrderId) -> Remedy {
        Remedy {
            operation: "reconcile",
            input: json!({ "only": order, "apply": true }),
            command: format!("makegood reconcile --only {order} --apply"),
            api: "POST /api/v1/admin/reconcile".into(),
        }
    }

    /// Clears the flag of this kind, after somebody has looked.
    pub fn clear(order: OrderId, kind: &str) -> Remedy {
        Remedy {
            operation: "orders.review.clear",
            input: json!({ "order": order, "kind": kind }),
            command: format!("makegood orders review clear {order} --kind {kind}"),
            api: format!("POST /api/v1/admin/orders/{order}/review/clear"),
        }
    }

    /// Settles the order by everything that is known.
    pub fn settle(order: OrderId) -> Remedy {
        Remedy::of_order("orders.confirm", "confirm", order)
    }

    /// Makes access and stock again what the order says.
    pub fn mend(order: OrderId) -> Remedy {
        Remedy::of_order("orders.mend", "mend", order)
    }

    /// Says that what was bought is on its way.
    pub fn ship(order: OrderId) -> Remedy {
        Remedy::of_order("orders.ship", "ship", order)
    }

    /// Sends all the money back.
    pub fn refund(order: OrderId) -> Remedy {
        Remedy {
            operation: "refunds.create",
            input: json!({ "order": order }),
            command: format!("makegood refunds create {order}"),
            api: "POST /api/v1/admin/refunds/create".into(),
        }
    }

    fn of_order(operation: &'static str, verb: &str, order: OrderId) -> Remedy {
        Remedy {
            operation,
            input: json!({ "order": order }),
            command: format!("makegood orders {verb} {order}"),
            api: format!("POST /api/v1/admin/orders/{order}/{verb}"),
        }
    }

    /// Sends the guest a new link to claim their purchase.
    pub fn claim_link(order: OrderId) -> Remedy {
        Remedy {
            operation: "claims.resend",
            input: json!({ "order": order }),
            command: format!("makegood claims resend {order}"),
            api: format!("POST /api/v1/admin/claims/{order}/resend"),
        }
    }

    /// Gives access by hand; where nobody knows yet to whom, that is left to be filled in.
    pub fn grant(to: Option<ProfileId>, product: &str, order: Option<OrderId>) -> Remedy {
        let mut input = json!({ "course": product });
        let user = to.map_or("PROFILE".to_owned(), |to| to.to_string());
        let paid_by = order.map_or("ORDER".to_owned(), |order| order.to_string());
        to.into_iter().for_each(|to| input["user"] = json!(to));
        order.into_iter().for_each(|order| input["order"] = json!(order));
        Remedy {
            operation: "entitlements.grant",
            input,
            command: format!("makegood entitlements grant {user} {product} {paid_by}"),
            api: "POST /api/v1/admin/entitlements/grant".into(),
        }
    }

    /// Brings stock; how much is counted by whoever stands at the shelf.
    pub fn stock(sku: &str) -> Remedy {
        Remedy {
            operation: "inventory.adjust",
            input: json!({ "sku": sku }),
            command: format!("makegood inventory adjust {sku} PIECES"),
            api: format!("POST /api/v1/admin/inventory/{sku}/adjust"),
        }
    }

    /// Nothing here mends a dispute; what can be done about it is said there.
    pub fn look_at_dispute(dispute: &str) -> Remedy {
        Remedy {
            operation: "disputes.show",
            input: json!({ "dispute": dispute }),
            command: format!("makegood disputes show {dispute}"),
            api: format!("GET /api/v1/admin/disputes/{dispute}"),
        }
    }
}
