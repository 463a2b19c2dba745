//! Gives access by hand: on behalf of an order that sells it and whose money is here, or as a gift.

use db::Tx;
use kernel::{Cx, Refusal, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Order, lock, store};
use crate::entitlements::{self, ByHand};
use crate::ids::{OrderId, ProfileId, profile_schema};

/// Give a user access to a course by hand: on behalf of an order, or as a gift
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Who gets access: the profile's id
    #[schemars(schema_with = "profile_schema")]
    pub user: ProfileId,
    /// What they get access to: the product's id
    pub course: String,
    /// The order that paid for it: when its money goes back, so does the access. Without one it is a gift, which stays
    /// until it is revoked
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
}

impl Grant {
    fn by_hand(&self) -> ByHand<'_> {
        ByHand { user: self.user, product: &self.course, order: self.order }
    }

    /// Who else got this course by this order, where a guest has bought it: it was paid once, and is one person's. Whoever
    /// bought it with an account is known, and a person who gives it to another account knows so.
    fn held_by_another(&self, tx: &mut Tx<'_>, order: &Order) -> Result<Option<ProfileId>> {
        if order.profile.is_some() {
            return Ok(None);
        }
        let grants = entitlements::grants_of_order(tx, order.id)?;
        let active = grants.into_iter().filter(|g| g.product == self.course && g.grant.status == "active");
        Ok(active.filter_map(|grant| grant.profile).find(|profile| *profile != self.user))
    }
}

impl Operation for Grant {
    const NAME: &'static str = "entitlements.grant";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "entitlement_granted";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let plan = self.by_hand().plan(tx)?;
        let Some(id) = self.order else { return Ok(plan) };
        let order = store::find(tx, id)?;
        let plan = plan.guard("order_exists", order.is_some(), id.to_string());
        let Some(order) = order else { return Ok(plan) };
        let sells = order.lines.iter().any(|line| line.product_id == self.course);
        let lines: Vec<&str> = order.lines.iter().map(|line| line.product_id.as_str()).collect();
        let other = self.held_by_another(tx, &order)?;
        let held = other.map_or("nobody else".to_owned(), |other| other.to_string());
        Ok(plan
            .guard("order_sells_it", sells, format!("{id} sells {}", lines.join(", ")))
            .guard("order_gives_access", gives_access(&order), stands(&order))
            .guard("nobody_else_has_it", other.is_none(), format!("{held} has it by {id}")))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        if let Some(id) = self.order {
            // A refund may have come between the plan and this: the order is locked, and looked at once more.
            let order = lock(tx, id)?;
            if !gives_access(&order) || self.held_by_another(tx, &order)?.is_some() {
                let why = format!("{id} has changed meanwhile: {}", stands(&order));
                return Err(Refusal::new("stale_plan", why).fix("look at a new preview").into());
            }
        }
        self.by_hand().give(tx, cx, &by.actor, by.reason.as_deref().unwrap_or_default())
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let active = entitlements::is_active(tx, self.user, &self.course)?;
        let seen = if active { "active" } else { "revoked" };
        Ok(vec![Proof::new("the entitlement is active", active, seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("product", self.course.clone())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(self.order.map(|order| order.uuid()))
    }
}

/// Whether what this order sells is somebody's now: its money is here, nobody wants it back, and nobody has doubts.
fn gives_access(order: &Order) -> bool {
    order.is_handed_over() && order.dispute.is_none() && order.holding_review().is_none()
}

/// How it stands, in words.
fn stands(order: &Order) -> String {
    let review = order.holding_review().map(|_| ", under review");
    let dispute = order.dispute.map(|_| ", disputed");
    format!(
        "{} is {}{}{}",
        order.id,
        order.state.status(),
        review.unwrap_or_default(),
        dispute.unwrap_or_default()
    )
}
