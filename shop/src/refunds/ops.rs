//! What operators may do about refunds.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RefundStatus, request, store};
use crate::fetch;
use crate::ids::{OrderId, order_schema};
use crate::orders::{self, Dispute, Order, State};
use crate::switches::{self, Switch};

fn found(tx: &mut Tx<'_>, id: OrderId) -> Result<Order> {
    orders::find(tx, id)?.ok_or_else(|| Error::not_found("order", id))
}

/// Send all the money of an order back to its buyer; what was bought goes back when Stripe has it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Create {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Operation for Create {
    const NAME: &'static str = "refunds.create";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "refund_requested";
    const RISK: Risk = Risk::Final;
    const ROLE: Role = Role::Finance;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let (intent, amount) = request::refundable(tx, &order)?;
        let switch = switches::find(tx, Switch::Refunds)?;
        let mut plan = Plan::default()
            .guard("refunds_enabled", switch.is_on, format!("refunds are {}", switch.in_words()))
            .change(format!("payment {intent}"), "ours", format!("{amount} go back to the buyer"))
            .change(format!("order {}", self.order), order.state.status(), "refunded");
        for line in &order.lines {
            let kept = line.sku.is_some() && order.shipped.is_some();
            let to = if kept { "stays with the buyer: it is shipped" } else { "goes back" };
            plan = plan.change(format!("{} × {}", line.quantity, line.product_id), "the buyer's", to);
        }
        Ok(plan)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        request::request(tx, cx, self.order, &by.actor, by.reason.as_deref().unwrap_or_default())
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let refund = store::latest_of_order(tx, self.order)?;
        let asked = refund.as_ref().is_some_and(|refund| refund.status != RefundStatus::Failed);
        let seen =
            refund.map_or("none".to_owned(), |refund| format!("{} {}", refund.id, refund.status.as_str()));
        Ok(vec![Proof::new("a refund is asked for", asked, seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Mark an order as refunded in full that Stripe refunded long ago: nothing is sent, what was bought goes back
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Operation for Mark {
    const NAME: &'static str = "refunds.mark";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "refund_marked";
    const RISK: Risk = Risk::Final;
    const ROLE: Role = Role::Finance;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let paid = !matches!(order.state, State::Pending | State::Cancelled { .. });
        let open = store::latest_of_order(tx, self.order)?.filter(|refund| {
            matches!(refund.status, RefundStatus::Requested | RefundStatus::Unknown | RefundStatus::Pending)
        });
        let under_way = open.as_ref().map_or("none".to_owned(), |refund| refund.id.to_string());
        let dispute = order.dispute.map_or("none", Dispute::as_str);
        Ok(Plan::default()
            .guard("order_was_paid", paid, format!("it is {}", order.state.status()))
            .guard("no_refund_under_way", open.is_none(), under_way)
            // The bank's word may still be that the money goes back, or that it stays; the goods wait for it.
            .guard("no_open_dispute", order.dispute != Some(Dispute::Open), dispute)
            .change(format!("order {}", self.order), order.state.status(), "refunded"))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        orders::mark_refunded(tx, cx, self.order, &by.actor)?;
        // Whether Stripe says the same is asked afterwards; a check finds the order until it does.
        let order = found(tx, self.order)?;
        let look = order.payment_intent.map(|intent| fetch::job(cx.now, &stripe::Target::Intent(intent)));
        jobs::enqueue(tx, cx, look.into_iter().collect())
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let order = found(tx, self.order)?;
        let refunded = matches!(order.state, State::Refunded { .. });
        Ok(vec![Proof::new("the order is refunded", refunded, order.state.status())])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}
