//! What operators may do with prices.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mapping, Price, is_stripe_price, store};

/// Let a price at Stripe stand for one of ours, so that what a Payment Link sells by it becomes orders
///
/// What was sold by it before, and waits because nobody knew what it is, is looked at again at once. Whether the amounts
/// agree is looked at with each sale: one that was paid otherwise is held for review.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct MapPrice {
    /// Which price of ours: the product's id and the currency, like rust-course-usd
    pub price: String,
    /// The price at Stripe: price_…
    pub stripe_price: String,
}

impl Operation for MapPrice {
    const NAME: &'static str = "prices.map";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "price_mapped";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let price = found(tx, &self.price)?;
        let wanted = self.mapping(&price)?;
        let others = super::holders(tx, &wanted)?;
        let seen = if others.is_empty() { "nobody".to_owned() } else { others.join(", ") };
        Ok(Plan::default()
            .guard("stripe_price_is_free", others.is_empty(), format!("it stands for {seen} already"))
            .change(
                format!("price {} at Stripe", price.id),
                price.stripe_price_id.as_deref().unwrap_or("none"),
                &wanted.stripe_price,
            ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let wanted = self.mapping(&found(tx, &self.price)?)?;
        super::map(tx, cx, &wanted)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = found(tx, &self.price)?.stripe_price_id;
        let seen = now.clone().unwrap_or_else(|| "none".into());
        Ok(vec![Proof::new("the price is mapped", now.as_ref() == Some(&self.stripe_price), seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("price", self.price.clone())
    }
}

impl MapPrice {
    fn mapping(&self, price: &Price) -> Result<Mapping> {
        if !is_stripe_price(&self.stripe_price) {
            let why = format!("`{}`: expected a price at Stripe, like price_1Q2w3E", self.stripe_price);
            return Err(Error::invalid("stripe_price", why));
        }
        Ok(Mapping {
            price: price.id.clone(),
            product: price.product_id.clone(),
            currency: price.currency,
            stripe_price: self.stripe_price.clone(),
        })
    }
}

/// Let no price at Stripe stand for one of ours any more
///
/// What is sold by it from then on becomes no order. Orders that were made stay as they are.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct UnmapPrice {
    /// Which price of ours: the product's id and the currency, like rust-course-usd
    pub price: String,
}

impl Operation for UnmapPrice {
    const NAME: &'static str = "prices.unmap";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "price_unmapped";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let price = found(tx, &self.price)?;
        let now = price.stripe_price_id.as_deref().unwrap_or("none");
        Ok(Plan::default().change(format!("price {} at Stripe", price.id), now, "none"))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let price = found(tx, &self.price)?;
        super::forget(tx, cx, &price.id)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = found(tx, &self.price)?.stripe_price_id;
        let seen = now.clone().unwrap_or_else(|| "none".into());
        Ok(vec![Proof::new("the price is not mapped", now.is_none(), seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("price", self.price.clone())
    }
}

fn found(tx: &mut Tx<'_>, id: &str) -> Result<Price> {
    store::price_by_id(tx, id)?.ok_or_else(|| Error::not_found("price", id))
}
