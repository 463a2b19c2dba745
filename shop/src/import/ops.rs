//! The import as an operation.

use std::collections::BTreeSet;

use db::Tx;
use kernel::{Cx, Error, Money, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CatalogFile, ProductEntry};
use crate::catalog::{self, Mapping, Price};
use crate::given::{self, Unfit};
use crate::inventory;

/// Import products, prices and first stock from a catalog file
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// The catalog file (TOML); over HTTP, its content as JSON
    #[arg(value_name = "FILE", value_parser = read_file)]
    pub catalog: CatalogFile,
}

fn read_file(path: &str) -> Result<CatalogFile, Unfit> {
    CatalogFile::parse(&given::text(path.as_ref())?).map_err(|e| Unfit(format!("{path}: {e}")))
}

impl Operation for Import {
    const NAME: &'static str = "catalog.import";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "catalog_imported";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        self.catalog.check().map_err(|error| match error {
            Error::Invalid { at, why } => Error::invalid(format!("/catalog{at}"), why),
            other => other,
        })?;
        let mut plan = Plan::default();
        for entry in &self.catalog.products {
            plan = plan_product(tx, plan, entry)?;
        }
        if let Some(seen) = self.left_out(tx)? {
            plan = plan.guard(LEFT_OUT, true, seen);
        }
        let mappings = self.mappings();
        for mapping in &mappings {
            // One that gets another price at Stripe in the same file lets go of this one.
            let stays = |holder: &String| !mappings.iter().any(|other| other.price == *holder);
            let others: Vec<String> = catalog::holders(tx, mapping)?.into_iter().filter(stays).collect();
            if !others.is_empty() {
                let seen = format!("{} stands for {} already", mapping.stripe_price, others.join(", "));
                plan = plan.guard("stripe_price_is_free", false, seen);
            }
        }
        Ok(plan)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let mappings = self.mappings();
        catalog::let_go(tx, cx, &mappings)?;
        for entry in &self.catalog.products {
            catalog::save_product(tx, cx, &entry.product())?;
            for price in catalog::prices(tx, &entry.id)?.iter().filter(|price| !entry.has(price)) {
                catalog::take_off_sale(tx, cx, &price.id)?;
            }
            for price in entry.prices() {
                catalog::save_price(tx, cx, &price)?;
            }
            if let Some(sku) = &entry.sku {
                inventory::receive_first(tx, cx, sku, entry.stock)?;
            }
        }
        mappings.iter().try_for_each(|mapping| catalog::map(tx, cx, mapping))
    }

    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        let rest = self.plan(tx, cx)?;
        let seen = format!("{} differences", rest.changes.len());
        let mut proofs = vec![Proof::new("the catalog is as the file says", rest.is_already(), seen)];
        proofs.extend(self.left_out(tx)?.map(|seen| Proof::new(LEFT_OUT.replace('_', " "), true, seen)));
        Ok(proofs)
    }

    fn subject(&self) -> (&'static str, String) {
        ("catalog", "catalog".into())
    }
}

/// A file that is a part of the catalog takes nothing away. Whoever has deleted a product from it must read that.
const LEFT_OUT: &str = "products_that_the_file_leaves_out_stay";
/// So many of them are named.
const LEFT_OUT_SHOWN: usize = 10;

impl Import {
    /// What is sold and does not stand in the file.
    fn left_out(&self, tx: &mut Tx<'_>) -> Result<Option<String>> {
        let named: BTreeSet<&str> = self.catalog.products.iter().map(|entry| entry.id.as_str()).collect();
        let sold = catalog::list(tx)?.into_iter().map(|offer| offer.product).filter(|product| product.active);
        let ids: BTreeSet<String> = sold.map(|product| product.id).collect();
        let left: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !named.contains(id)).collect();
        let more = left.len().saturating_sub(LEFT_OUT_SHOWN);
        let shown = left.iter().take(LEFT_OUT_SHOWN).copied().collect::<Vec<_>>().join(", ");
        Ok(match (left.len(), more) {
            (0, _) => None,
            (_, 0) => Some(format!("{shown}; `active = false` takes a product off sale")),
            _ => Some(format!("{shown} and {more} more; `active = false` takes a product off sale")),
        })
    }

    /// What the file says of prices at Stripe.
    fn mappings(&self) -> Vec<Mapping> {
        let prices = self.catalog.products.iter().flat_map(ProductEntry::prices);
        let mapping = |price: Price| {
            let (price, product, currency) = (price.id, price.product_id, price.currency);
            move |stripe_price| Mapping { price, product, currency, stripe_price }
        };
        prices.filter_map(|mut price| price.stripe_price_id.take().map(mapping(price))).collect()
    }
}

fn plan_product(tx: &mut Tx<'_>, mut plan: Plan, entry: &ProductEntry) -> Result<Plan> {
    let (wanted, known) = (entry.product(), catalog::find(tx, &entry.id)?);
    if let Some(known) = &known {
        let seen = format!("{} is {}", known.id, known.kind.as_str());
        plan = plan.guard("kind_stays", known.kind == wanted.kind, seen);
    }
    let show = |product: Option<&catalog::Product>| match product {
        None => Ok("none".to_owned()),
        Some(product) => serde_json::to_string(product).map_err(|e| Error::Bug(Box::new(e))),
    };
    plan = plan.change(format!("product {}", entry.id), show(known.as_ref())?, show(Some(&wanted))?);
    let sum = |price: &Price| {
        let mapped = price.stripe_price_id.as_ref().map_or(String::new(), |id| format!(" ({id})"));
        format!("{}{mapped}", Money::new(price.unit_amount, price.currency))
    };
    let in_force = catalog::prices(tx, &entry.id)?;
    for mut price in entry.prices() {
        let now = in_force.iter().find(|now| now.id == price.id);
        // What a file does not name stays as it is.
        price.stripe_price_id = price.stripe_price_id.or_else(|| now?.stripe_price_id.clone());
        plan = plan.change(format!("price {}", price.id), now.map_or("none".to_owned(), sum), sum(&price));
    }
    for price in in_force.iter().filter(|price| !entry.has(price)) {
        plan = plan.change(format!("price {}", price.id), sum(price), "off sale");
    }
    if let Some(sku) = &entry.sku
        && inventory::level(tx, sku)?.is_none()
    {
        plan = plan.change(format!("stock {sku}"), "none", format!("{} pieces", entry.stock));
    }
    Ok(plan)
}
