//! What operators may read of the catalog.

use db::Tx;
use kernel::{Cx, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List products with the price in force
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ListProducts {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for ListProducts {
    const NAME: &'static str = "products.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "kind", "name", "price", "sku", "active"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let offers = super::list(tx)?;
        let is_there = |id: &str| Ok(offers.iter().any(|offer| offer.product.id == id));
        let after = crate::view::after_text(&self.page, "product", is_there)?;
        let rows = offers.iter().map(|offer| {
            let price = kernel::Money::new(offer.price.unit_amount, offer.price.currency);
            serde_json::json!({
                "object": "product", "id": offer.product.id, "kind": offer.product.kind,
                "name": offer.product.name, "description": offer.product.description,
                "sku": offer.product.sku, "active": offer.product.active, "price": price.to_string(),
                "unit_amount": offer.price.unit_amount, "currency": offer.price.currency,
                "stripe_price_id": offer.price.stripe_price_id,
            })
        });
        let rows = match after {
            None => rows.collect(),
            Some(after) => rows.skip_while(|row| row["id"] != after).skip(1).collect(),
        };
        Ok(page("/api/v1/admin/products", &self.page, rows))
    }
}
