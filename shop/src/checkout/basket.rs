//! What a buyer wants. This file decides what it costs and what cannot be bought.

use std::collections::BTreeMap;

use kernel::{Currency, Error, Money, Refusal, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{MOST_MINOR_UNITS, Offer, ProductKind};
use crate::customers::is_email;
use crate::ids::{ProfileId, profile_schema};
use crate::orders::{Amounts, Line};

/// One thing in a basket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Which product
    pub product: String,
    /// How many
    #[serde(default = "one")]
    pub quantity: i64,
}

fn one() -> i64 {
    1
}

/// Everything that a checkout needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basket {
    /// What is bought, each product once
    pub items: Vec<Item>,
    /// The currency to pay in; the shop's own when absent
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub currency: Option<Currency>,
    /// The buyer's email
    #[serde(default)]
    pub email: Option<String>,
    /// The buyer's profile; absent for a guest
    #[serde(default)]
    #[schemars(schema_with = "profile_schema")]
    pub profile_id: Option<ProfileId>,
    /// Where Stripe sends the buyer after paying; `{CHECKOUT_SESSION_ID}` is replaced
    #[serde(default)]
    pub success_url: Option<String>,
    /// Where Stripe sends a buyer who turns back
    #[serde(default)]
    pub cancel_url: Option<String>,
}

/// Stripe takes at most 100 lines in payment mode; more pieces of one thing than this are a mistake.
const MOST_LINES: usize = 100;
const MOST_PIECES: i64 = 10_000;

impl Basket {
    /// Refuses baskets that make no sense, before anything is read.
    pub fn check(&self) -> Result<()> {
        let wrong = |at: &str, why: String| Err(Error::invalid(at, why));
        if self.items.is_empty() || self.items.len() > MOST_LINES {
            return wrong("/items", format!("{} items; expected 1 to {MOST_LINES}", self.items.len()));
        }
        for (at, item) in self.items.iter().enumerate() {
            if !(1..=MOST_PIECES).contains(&item.quantity) {
                let why = format!("{} pieces; expected 1 to {MOST_PIECES}", item.quantity);
                return wrong(&format!("/items/{at}/quantity"), why);
            }
            if self.items[..at].iter().any(|other| other.product == item.product) {
                return wrong(
                    &format!("/items/{at}/product"),
                    format!("{} stands there twice", item.product),
                );
            }
        }
        if self.email.as_ref().is_some_and(|email| !is_email(email)) {
            return wrong("/email", "expected an email address".into());
        }
        let urls = [("/success_url", &self.success_url), ("/cancel_url", &self.cancel_url)];
        for (at, url) in urls {
            if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
                return wrong(at, "expected an address that starts with https://".into());
            }
        }
        Ok(())
    }

    /// What the basket costs at these offers.
    ///
    /// # Errors
    /// Refused when a product is not on offer in this currency, or the sum does not fit.
    pub fn price(
        &self,
        offers: &BTreeMap<String, Offer>,
        currency: Currency,
    ) -> Result<(Vec<Line>, Amounts)> {
        let mut lines = Vec::with_capacity(self.items.len());
        let mut subtotal: i64 = 0;
        for (at, item) in self.items.iter().enumerate() {
            let offer = offers.get(&item.product).ok_or_else(|| not_on_offer(&item.product, currency))?;
            if offer.product.kind == ProductKind::Course && item.quantity > 1 {
                let why =
                    format!("{} times a course; it is one right of one buyer, so expected 1", item.quantity);
                return Err(Error::invalid(format!("/items/{at}/quantity"), why));
            }
            subtotal = offer
                .price
                .unit_amount
                .checked_mul(item.quantity)
                .and_then(|amount| subtotal.checked_add(amount))
                .filter(|sum| *sum <= MOST_MINOR_UNITS)
                .ok_or_else(|| too_dear(currency))?;
            lines.push(Line {
                product_id: offer.product.id.clone(),
                kind: offer.product.kind,
                name: offer.product.name.clone(),
                sku: offer.product.sku.clone(),
                quantity: item.quantity,
                unit_amount: offer.price.unit_amount,
            });
        }
        Ok((lines, Amounts { currency, subtotal, discount: 0, tax: 0, shipping: 0 }))
    }
}

/// Stripe would refuse it, after stock was set aside.
fn too_dear(currency: Currency) -> Error {
    let most = Money::new(MOST_MINOR_UNITS, currency);
    Error::invalid("/items", format!("the sum is more than one payment can be; expected at most {most}"))
}

fn not_on_offer(product: &str, currency: Currency) -> Refusal {
    Refusal::new("not_on_offer", format!("`{product}` is not on offer in {currency}"))
        .fix("makegood products list")
}
