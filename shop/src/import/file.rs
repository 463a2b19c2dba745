//! The catalog file: what it may say. This file decides what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Currency, Error, Money, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{MOST_MINOR_UNITS, Price, Product, ProductKind, is_stripe_price};

/// A shop's products, prices and first stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    /// The products
    #[serde(rename = "product")]
    pub products: Vec<ProductEntry>,
}

/// One product as the file says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductEntry {
    /// Its id, chosen by the shop: lower-case letters, digits and hyphens
    pub id: String,
    /// course, download or physical
    pub kind: ProductKind,
    /// Its name for buyers
    pub name: String,
    /// A few sentences for buyers
    #[serde(default)]
    pub description: String,
    /// Which stock a physical product is taken from
    #[serde(default)]
    pub sku: Option<String>,
    /// Pieces in stock when the sku is first seen; later changes are ledger entries
    #[serde(default)]
    pub stock: i64,
    /// Whether it can be bought
    #[serde(default = "yes")]
    pub active: bool,
    /// One price for each currency; one that is taken out is taken off sale
    #[serde(rename = "price")]
    pub prices: Vec<PriceEntry>,
}

fn yes() -> bool {
    true
}

/// One price as the file says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// Three letters, like usd
    #[schemars(with = "String")]
    pub currency: Currency,
    /// Minor units: cents, or whole yen
    pub amount: i64,
    /// The price at Stripe that stands for it; what a Payment Link sells by it becomes orders
    #[serde(default)]
    pub stripe_price_id: Option<String>,
}

impl CatalogFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Says where and what, as far as the text can tell.
    pub fn parse(text: &str) -> Result<Self> {
        let file: CatalogFile = toml::from_str(text).map_err(|e| Error::invalid("", e.to_string()))?;
        file.check().map_err(|error| match (file.line_of(&error, text), error) {
            (Some(line), Error::Invalid { at, why }) => {
                Error::invalid(at, format!("{why} (the product begins in line {line})"))
            }
            (_, error) => error,
        })?;
        Ok(file)
    }

    /// In which line the product begins that is wrong, where each has a head of its own.
    fn line_of(&self, error: &Error, text: &str) -> Option<usize> {
        let Error::Invalid { at, .. } = error else { return None };
        let product: usize = at.strip_prefix("/product/")?.split('/').next()?.parse().ok()?;
        let is_head = |line: &str| line.trim_start().starts_with("[[product]]");
        let heads: Vec<usize> =
            (1..).zip(text.lines()).filter(|(_, line)| is_head(line)).map(|(at, _)| at).collect();
        (heads.len() == self.products.len()).then(|| heads.get(product).copied()).flatten()
    }

    /// Says what makes no sense.
    pub fn check(&self) -> Result<()> {
        let (mut ids, mut at_stripe, mut stocks) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for (at, product) in self.products.iter().enumerate() {
            let wrong = |field: &str, why: String| {
                Err(Error::invalid(format!("/product/{at}/{field}"), format!("{}: {why}", product.id)))
            };
            if !is_slug(&product.id) || !ids.insert(&product.id) {
                return wrong("id", "expected a new id of a-z, 0-9 and -".into());
            }
            if product.name.trim().is_empty() {
                return wrong("name", "it has none; buyers read it on Stripe's page".into());
            }
            if (product.kind == ProductKind::Physical) != product.sku.is_some() {
                return wrong("sku", "a physical product has one, a course or a download has none".into());
            }
            if product.stock < 0 {
                return wrong("stock", format!("{} pieces; expected 0 or more", product.stock));
            }
            if let Some(sku) = &product.sku {
                let (other, pieces) = *stocks.entry(sku).or_insert((&product.id, product.stock));
                if pieces != product.stock {
                    let why = format!("{} pieces of {sku}, of which {other} says {pieces}", product.stock);
                    return wrong("stock", why);
                }
            }
            let currencies: BTreeSet<_> = product.prices.iter().map(|price| price.currency).collect();
            if product.prices.is_empty() || currencies.len() != product.prices.len() {
                return wrong("price", "expected one price for each currency, at least one".into());
            }
            let takes = 0..=MOST_MINOR_UNITS;
            if let Some(price) = product.prices.iter().find(|price| !takes.contains(&price.amount)) {
                let why = format!("{} minor units; expected 0 to {MOST_MINOR_UNITS}", price.amount);
                return wrong("price", why);
            }
            for price in &product.prices {
                let costs = Money::new(price.amount, price.currency);
                let step = price.currency.step();
                if price.amount % step != 0 {
                    let why = format!(
                        "{costs}: of {} Stripe takes only multiples of {step} minor units",
                        price.currency
                    );
                    return wrong("price", why);
                }
                let Some(id) = &price.stripe_price_id else { continue };
                if !is_stripe_price(id) {
                    return wrong("price", format!("`{id}`: expected a price at Stripe, like price_1Q2w3E"));
                }
                // A price at Stripe may have several currencies, but it sells one thing.
                if *at_stripe.entry(id).or_insert(&product.id) != &product.id {
                    return wrong("price", format!("{id} stands for two products"));
                }
            }
        }
        Ok(())
    }
}

fn is_slug(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&text.len()) && text.chars().all(ok)
}

impl ProductEntry {
    /// As the catalog keeps it.
    pub fn product(&self) -> Product {
        Product {
            id: self.id.clone(),
            kind: self.kind,
            name: self.name.clone(),
            description: self.description.clone(),
            sku: self.sku.clone(),
            active: self.active,
        }
    }
    /// Whether it says what the product costs in the currency of this price.
    pub fn has(&self, price: &Price) -> bool {
        self.prices.iter().any(|entry| entry.currency == price.currency)
    }
    /// As the catalog keeps them.
    pub fn prices(&self) -> impl Iterator<Item = Price> {
        self.prices.iter().map(|price| Price {
            id: format!("{}-{}", self.id, price.currency),
            product_id: self.id.clone(),
            currency: price.currency,
            unit_amount: price.amount,
            stripe_price_id: price.stripe_price_id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUP: &str = "[[product]]\nid = \"cup\"\nkind = \"physical\"\nname = \"A cup\"\nsku = \"S\"\nstock = 1\n\
                       [[product.price]]\ncurrency = \"usd\"\namount = 500\n";

    fn refused(text: &str) -> String {
        CatalogFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_stripe_would_refuse_is_refused_in_the_file() {
        assert!(CatalogFile::parse(CUP).is_ok());
        let dear = refused(&CUP.replace("500", "100000000"));
        assert!(dear.contains("/product/0/price") && dear.contains("expected 0 to 99999999"), "{dear}");
        let dinars = |amount: &str| CUP.replace("usd", "kwd").replace("500", amount);
        assert!(CatalogFile::parse(&dinars("4900")).is_ok());
        let thousandths = refused(&dinars("4905"));
        assert!(
            thousandths.contains("/product/0/price: cup: 4.905 kwd")
                && thousandths.contains("only multiples of 10 minor units"),
            "{thousandths}"
        );
        let nameless = refused(&CUP.replace("A cup", "  "));
        assert!(nameless.contains("/product/0/name") && nameless.contains("cup: it has none"), "{nameless}");
    }

    /// Two products may be one thing on the shelf, and there are so many pieces of it.
    #[test]
    fn two_products_of_one_stock_agree_on_its_pieces() {
        let other = CUP.replace("id = \"cup\"", "id = \"gift\"");
        assert!(CatalogFile::parse(&format!("{CUP}{other}")).is_ok());
        let more = refused(&format!("{CUP}{}", other.replace("stock = 1", "stock = 5")));
        assert!(
            more.contains("/product/1/stock: gift: 5 pieces of S, of which cup says 1")
                && more.ends_with("(the product begins in line 10)"),
            "{more}"
        );
    }
}
