//! Products and prices: plain values. This file decides which price is in force.

use kernel::{Currency, Error, Result};
use serde::{Deserialize, Serialize};

/// What kind of good a product is. A new kind does not compile until every place says how to give it and how to
/// take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProductKind {
    /// An entitlement, handed over at once.
    Course,
    /// Files, by an entitlement that is handed over at once.
    Download,
    /// A thing with stock, shipped by an operator.
    Physical,
}

impl ProductKind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            ProductKind::Course => "course",
            ProductKind::Download => "download",
            ProductKind::Physical => "physical",
        }
    }
    /// Reads a stored kind; an unknown text is a bug, not a default.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "course" => Ok(ProductKind::Course),
            "download" => Ok(ProductKind::Download),
            "physical" => Ok(ProductKind::Physical),
            other => Err(Error::bug(format!("a product of kind `{other}`"))),
        }
    }
}

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Its id, chosen by the shop, like `rust-course`.
    pub id: String,
    /// What kind of good it is.
    pub kind: ProductKind,
    /// Its name for buyers.
    pub name: String,
    /// A few sentences for buyers.
    pub description: String,
    /// Which stock a physical product is taken from.
    pub sku: Option<String>,
    /// Whether it can be bought.
    pub active: bool,
}

/// What a product costs in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Its id: the product's id and the currency.
    pub id: String,
    /// Which product.
    pub product_id: String,
    /// In which currency.
    pub currency: Currency,
    /// Minor units for one piece.
    pub unit_amount: i64,
    /// The price at Stripe that stands for it, where one is mapped.
    pub stripe_price_id: Option<String>,
}

/// A product with the price in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What.
    pub product: Product,
    /// For how much.
    pub price: Price,
}

/// Stripe takes amounts of at most eight digits (https://docs.stripe.com/currencies).
pub const MOST_MINOR_UNITS: i64 = 99_999_999;

/// Whether this may be the id of a price at Stripe. Old ones, which were plans or SKUs, have other prefixes.
pub fn is_stripe_price(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=255).contains(&text.len()) && text.chars().all(ok)
}
