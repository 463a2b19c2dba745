//! Fills the shelves of a new shop, by the same operation that `makegood catalog import` is, and its course by the same
//! task that `makegood courses import` is.

use bytes::Bytes;
use kernel::{Error, Result};
use ops::{Actor, By, Mode, Operation, OperationDef, Role, Task};
use shop::Shop;
use shop::catalog::{self, ProductKind};
use shop::content::ContentFile;
use shop::content::tasks::Import as ImportContent;
use shop::import::CatalogFile;
use shop::import::ops::Import;
use storage::Key;
use stripe::Call;

use crate::app::App;

const CATALOG: &str = include_str!("../../../examples/first-shop/shop.toml");
const CONTENT: &str = include_str!("../../../examples/first-shop/content.toml");
/// The file that the course's first lesson offers: where it lies, and what is in it.
const NOTES: (&str, &str) = (
    "rust-course/hello.txt",
    "A program that says hello\n\n    fn main() {\n        println!(\"hello\");\n    }\n\n    $ cargo run\n",
);

/// Imports the first catalog, unless something is on the shelves already: then it is the owner's. Says how many
/// products came.
pub(super) async fn stock(app: &App) -> Result<usize> {
    if !app.shop.db.read("dev.shelves", catalog::list).await?.is_empty() {
        return Ok(0);
    }
    let mut file = CatalogFile::parse(CATALOG)?;
    let products = file.products.len();
    price_at_stripe(&app.shop, &mut file).await?;
    let by = By {
        actor: Actor::operator(super::ours::TOKEN),
        role: Role::Admin,
        reason: Some("the first catalog of a new shop".into()),
        request_id: None,
    };
    let input = serde_json::to_value(Import { catalog: file }).map_err(|e| Error::Bug(Box::new(e)))?;
    let import = import()?;
    app.runner.run(import, input, Mode::Apply { plan_id: None }, by.clone(), app.shop.cx()).await?;
    fill(&app.shop, &by).await?;
    Ok(products)
}

/// What a course costs stands at Stripe too, as it does for whoever sells it: a Payment Link may sell it then.
async fn price_at_stripe(shop: &Shop, file: &mut CatalogFile) -> Result<()> {
    for product in file.products.iter_mut().filter(|product| product.kind == ProductKind::Course) {
        for price in &mut product.prices {
            let key = format!("first shop {} {}", product.id, price.currency);
            let call = Call::post("/v1/prices", key)
                .with("currency", price.currency)
                .with("unit_amount", price.amount)
                .with("product_data[name]", &product.name);
            let made = shop.stripe.call(call).await?;
            price.stripe_price_id = made["id"].as_str().map(str::to_owned);
        }
    }
    Ok(())
}

/// Lessons into the course, and the file that they offer onto the disk.
async fn fill(shop: &Shop, by: &By) -> Result<()> {
    let content = ContentFile::parse("content.toml", CONTENT)?;
    ImportContent { content, preview: false }.run(shop, by, &()).await?;
    let key = Key::new(NOTES.0).map_err(|error| Error::Bug(Box::new(error)))?;
    let put = shop.disk.put(&key, "text/plain", Bytes::from_static(NOTES.1.as_bytes())).await;
    put.map_err(|error| Error::Busy(format!("{key} cannot be put on the disk: {error}")))
}

fn import() -> Result<&'static OperationDef> {
    let found = shop::OPERATIONS.iter().find(|operation| operation.name == Import::NAME);
    found.ok_or_else(|| Error::bug("the catalog cannot be imported"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_catalog_has_every_kind_of_good_and_one_that_is_sold_out() {
        let file = CatalogFile::parse(CATALOG).unwrap();
        let kinds = |kind| file.products.iter().filter(|product| product.kind == kind).count();
        assert!(kinds(ProductKind::Course) >= 1 && kinds(ProductKind::Physical) >= 2);
        assert!(file.products.iter().any(|product| product.sku.is_some() && product.stock == 0));
        assert!(file.products.iter().all(|product| !product.description.is_empty()));
    }

    #[test]
    fn the_file_of_the_first_lesson_is_the_one_that_is_put_on_the_disk() {
        let content = ContentFile::parse("content.toml", CONTENT).unwrap();
        let lessons =
            content.courses.iter().flat_map(|course| &course.modules).flat_map(|module| &module.lessons);
        let keys: Vec<&str> =
            lessons.flat_map(|lesson| &lesson.resources).map(|file| &*file.object_key).collect();
        assert_eq!(keys, [NOTES.0]);
    }
}
