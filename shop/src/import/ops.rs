//! The import as an operation.

use db::Tx;
use kernel::{Cx, Error, Money, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CatalogFile, ProductEntry};
use crate::catalog::{self, Mapping, Price};
use crate::given;
use crate::inventory;

/// Import products, prices and first stock from a catalog file
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// The catalog file (TOML); over HTTP, its content as JSON
    #[arg(value_name = "FILE", value_parser = read_file)]
    pub catalog: CatalogFile,
}

fn read_file(path: &str) -> Result<CatalogFile, String> {
    CatalogFile::parse(&given::text(path.as_ref())?).map_err(|e| format!("{path}: {e}"))
}

impl Operation for Import {
    const NAME: &'static str = "catalog.import";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "catalog_imported";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        self.catalog.check()?;
        let mut plan = Plan::default();
        for entry in &self.catalog.products {
            plan = plan_product(tx, plan, entry)?;
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
        Ok(vec![Proof::new("the catalog is as the file says", rest.is_already(), seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("catalog", "catalog".into())
    }
}

impl Import {
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
    for mut price in entry.prices() {
        let now = catalog::price(tx, &price.product_id, price.currency)?;
        // What a file does not name stays as it is.
        price.stripe_price_id = price.stripe_price_id.or_else(|| now.as_ref()?.stripe_price_id.clone());
        let sum = |price: &Price| {
            let mapped = price.stripe_price_id.as_ref().map_or(String::new(), |id| format!(" ({id})"));
            format!("{}{mapped}", Money::new(price.unit_amount, price.currency))
        };
        let from = now.as_ref().map_or("none".to_owned(), sum);
        plan = plan.change(format!("price {}", price.id), from, sum(&price));
    }
    if let Some(sku) = &entry.sku
        && inventory::level(tx, sku)?.is_none()
    {
        plan = plan.change(format!("stock {sku}"), "none", format!("{} pieces", entry.stock));
    }
    Ok(plan)
}
