//! Fills the shelves of a new shop, by the same operation that `makegood catalog import` is.

use kernel::{Error, Result};
use ops::{Actor, By, Mode, Operation, OperationDef, Role};
use shop::catalog;
use shop::import::CatalogFile;
use shop::import::ops::Import;

use crate::app::App;

const CATALOG: &str = include_str!("../../../examples/first-shop/shop.toml");

/// Imports the first catalog, unless something is on the shelves already: then it is the owner's. Says how many
/// products came.
pub(super) async fn stock(app: &App) -> Result<usize> {
    if !app.shop.db.read("dev.shelves", catalog::list).await?.is_empty() {
        return Ok(0);
    }
    let file = CatalogFile::parse(CATALOG)?;
    let products = file.products.len();
    let by = By {
        actor: Actor::operator(super::ours::TOKEN),
        role: Role::Admin,
        reason: Some("the first catalog of a new shop".into()),
        request_id: None,
    };
    let input = serde_json::to_value(Import { catalog: file }).map_err(|e| Error::Bug(Box::new(e)))?;
    let import = import()?;
    app.runner.run(import, input, Mode::Apply { plan_id: None }, by, app.shop.cx()).await?;
    Ok(products)
}

fn import() -> Result<&'static OperationDef> {
    let found = shop::OPERATIONS.iter().find(|operation| operation.name == Import::NAME);
    found.ok_or_else(|| Error::bug("the catalog cannot be imported"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop::catalog::ProductKind;

    #[test]
    fn the_first_catalog_has_every_kind_of_good_and_one_that_is_sold_out() {
        let file = CatalogFile::parse(CATALOG).unwrap();
        let kinds = |kind| file.products.iter().filter(|product| product.kind == kind).count();
        assert!(kinds(ProductKind::Course) >= 1 && kinds(ProductKind::Physical) >= 2);
        assert!(file.products.iter().any(|product| product.sku.is_some() && product.stock == 0));
        assert!(file.products.iter().all(|product| !product.description.is_empty()));
    }
}
