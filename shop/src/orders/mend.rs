//! Makes true again what an order's state says of its goods: what it has granted, and what it has out of the stock. In one
//! transaction with the state this cannot come apart; a restored backup, a hand in the database or an older version can
//! still have done it.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{Actor, By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dispute, Order, State, settle, store};
use crate::entitlements::{self, OrderGrant};
use crate::fetch;
use crate::ids::{OrderId, order_schema};
use crate::inventory::{self, Release, Reservation, ReservationStatus};

/// How the grants of an order have to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Active,
    Suspended,
    Returned,
}

impl Standing {
    fn of(order: &Order) -> Standing {
        match (&order.state, order.dispute) {
            (State::Confirmed { .. } | State::Completed { .. }, Some(Dispute::Open)) => Standing::Suspended,
            (State::Confirmed { .. } | State::Completed { .. }, _) => Standing::Active,
            (State::Refunded { .. } | State::Pending | State::Paid { .. } | State::Cancelled { .. }, _) => {
                Standing::Returned
            }
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Returned => "returned",
        }
    }
}

/// Makes the grants and the stock of an order what its state says, and what it granted what its grants say. What an operator has revoked stays revoked, what is
/// shipped stays with the buyer. What only an event has told is fetched from Stripe by a job.
pub fn mend(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, cause: &Actor) -> Result<()> {
    let order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    let all = [(id, cause.clone())];
    match Standing::of(&order) {
        Standing::Active => {
            entitlements::hand_over_again(tx, cx, &settle::handovers(&order, cause))?;
            entitlements::restore(tx, cx, &all)?;
        }
        Standing::Suspended => {
            entitlements::hand_over_again(tx, cx, &settle::handovers(&order, cause))?;
            entitlements::suspend(tx, cx, &all)?;
        }
        Standing::Returned => entitlements::take_back(tx, cx, &all)?,
    }
    entitlements::follow_grants(tx, cx, id, cause)?;
    if stock_is_out(&order, &inventory::reservations_of(tx, id)?).is_some() {
        inventory::release(tx, cx, &[(id, Release::Ended)])?;
    }
    let told = store::facts_of(tx, id)?;
    let unseen = told.iter().filter_map(|known| known.fact.provisional());
    jobs::enqueue(tx, cx, unseen.map(|target| fetch::job(cx.now, &target)).collect())
}

/// A sale that was undone while its pieces are still out.
fn stock_is_out<'r>(order: &Order, reservations: &'r [Reservation]) -> Option<&'r Reservation> {
    let undone = matches!(order.state, State::Refunded { .. }) && order.shipped.is_none();
    reservations.iter().find(|r| undone && r.status == ReservationStatus::Confirmed)
}

/// Make an order's access and stock again what its state says, and fetch from Stripe what only an event has told
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Mend {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Mend {
    /// What differs from what the order says.
    fn differences(&self, tx: &mut Tx<'_>) -> Result<Plan> {
        let order = store::find(tx, self.order)?.ok_or_else(|| Error::not_found("order", self.order))?;
        let grants = entitlements::grants_of_order(tx, self.order)?;
        let standing = Standing::of(&order);
        let mut plan = Plan::default();
        for handover in settle::handovers(&order, &Actor::system("mend")) {
            let own =
                |grant: &&OrderGrant| grant.grant.source == "order" && grant.product == handover.product;
            let now = grants.iter().find(own).map(|grant| grant.grant.status.as_str());
            let right = match (now, standing) {
                // Nothing to take back, or an operator's word.
                (None, Standing::Returned) | (Some("revoked"), _) => true,
                (now, standing) => now == Some(standing.as_str()),
            };
            if !right {
                let what = format!("access to {} by this order", handover.product);
                plan = plan.change(what, now.unwrap_or("never granted"), standing.as_str());
            }
        }
        for given in grants.iter().filter(|grant| grant.grant.source == "operator") {
            let now = given.grant.status.as_str();
            if now != "revoked" && now != standing.as_str() {
                let what = format!("access to {} given on its behalf", given.product);
                plan = plan.change(what, now, standing.as_str());
            }
        }
        // With a grant of this order its entitlement is set right too, and is no difference by itself.
        let moved: Vec<String> = plan.changes.iter().map(|change| change.what.clone()).collect();
        for found in entitlements::contradicted_of_order(tx, self.order)? {
            let access = format!("access to {}", found.product_id);
            if !moved.iter().any(|what| what.starts_with(&format!("{access} "))) {
                let (now, granted) = if found.active { ("active", "revoked") } else { ("revoked", "active") };
                plan = plan.change(access, now, granted);
            }
        }
        let reservations = inventory::reservations_of(tx, self.order)?;
        if stock_is_out(&order, &reservations).is_some() {
            for out in reservations.iter().filter(|r| r.status == ReservationStatus::Confirmed) {
                plan = plan.change(format!("{} × {}", out.quantity, out.sku), "out", "in stock again");
            }
        }
        Ok(plan)
    }
}

impl Operation for Mend {
    const NAME: &'static str = "orders.mend";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "order_mended";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let mut plan = self.differences(tx)?;
        for known in store::facts_of(tx, self.order)? {
            // What is fetched next needs nobody to ask for it again.
            if let Some(target) = known.fact.provisional()
                && !jobs::is_due(tx, fetch::FETCH, target.id(), cx.now)?
            {
                plan = plan.change(target.id(), "told by an event only", "fetched from Stripe");
            }
        }
        Ok(plan)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        mend(tx, cx, self.order, &by.actor)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let rest = self.differences(tx)?;
        let seen = rest
            .changes
            .first()
            .map_or("nothing differs".to_owned(), |change| format!("{}: {}", change.what, change.from));
        Ok(vec![Proof::new("access and stock are what the order says", rest.is_already(), seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}
