//! All SQL on `products` and `prices`.

use std::collections::BTreeMap;

use db::{Row, Tx, Value};
use kernel::{Currency, Cx, Result, Timestamp};

use super::{Offer, Price, Product, ProductKind};

const PRODUCT: &str = "p.id, p.kind, p.name, p.description, p.sku, p.active";
const PRICE: &str = "c.id AS price_id, c.currency, c.unit_amount, c.stripe_price_id";

/// The active products among `ids` with their price in `currency`, by product id.
pub fn offers(tx: &mut Tx<'_>, ids: &[String], currency: Currency) -> Result<BTreeMap<String, Offer>> {
    let sql = format!(
        "SELECT {PRODUCT}, {PRICE} FROM products p JOIN prices c ON c.product_id = p.id
         WHERE {} AND c.currency = $2 AND p.active AND c.active",
        tx.dialect().any("p.id", 1)
    );
    let rows = tx.query(&sql, &[Value::array(ids.iter()), currency.into()])?;
    rows.iter().map(|row| offer(row).map(|offer| (offer.product.id.clone(), offer))).collect()
}

/// One product, active or not.
pub fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<Product>> {
    let sql = format!("SELECT {PRODUCT} FROM products p WHERE p.id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(product).transpose()
}

/// All products with their prices in force, by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Offer>> {
    let sql = format!(
        "SELECT {PRODUCT}, {PRICE} FROM products p JOIN prices c ON c.product_id = p.id AND c.active
         ORDER BY p.name, c.currency"
    );
    tx.query(&sql, &[])?.iter().map(offer).collect()
}

/// All prices in force of a product, by currency.
pub fn prices(tx: &mut Tx<'_>, product: &str) -> Result<Vec<Price>> {
    let sql = format!(
        "SELECT c.product_id, {PRICE} FROM prices c WHERE c.product_id = $1 AND c.active ORDER BY c.currency"
    );
    tx.query(&sql, &[product.into()])?.iter().map(|row| read_price(row, row.get("product_id")?)).collect()
}

/// Prices in force of active products, of one or of all, that cost something and stand for no price at Stripe.
pub fn unmapped(tx: &mut Tx<'_>, only: Option<&str>) -> Result<Vec<Price>> {
    let one = if only.is_some() { "AND p.id = $1" } else { "" };
    let sql = format!(
        "SELECT c.product_id, {PRICE} FROM prices c JOIN products p ON p.id = c.product_id
         WHERE p.active AND c.active AND c.unit_amount > 0 AND c.stripe_price_id IS NULL {one}
         ORDER BY c.product_id, c.currency"
    );
    let params: Vec<Value> = only.iter().map(|id| (*id).into()).collect();
    tx.query(&sql, &params)?.iter().map(|row| read_price(row, row.get("product_id")?)).collect()
}

/// Writes a product as it is to be.
pub fn save_product(tx: &mut Tx<'_>, cx: &Cx, product: &Product) -> Result<()> {
    tx.execute(
        "INSERT INTO products (id, kind, name, description, sku, active, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (id) DO UPDATE SET name = $3, description = $4, sku = $5, active = $6, updated_at = $7",
        &[
            product.id.clone().into(),
            product.kind.as_str().into(),
            product.name.clone().into(),
            product.description.clone().into(),
            product.sku.clone().into(),
            product.active.into(),
            cx.now.into(),
        ],
    )?;
    Ok(())
}

/// One price, by its id.
pub(super) fn price_by_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<Price>> {
    let sql = format!("SELECT c.product_id, {PRICE} FROM prices c WHERE c.id = $1");
    let row = tx.query_opt(&sql, &[id.into()])?;
    row.map(|row| read_price(&row, row.get("product_id")?)).transpose()
}

/// The prices for which these prices at Stripe stand, with their products, on offer or not.
pub(super) fn at_stripe(tx: &mut Tx<'_>, stripe_prices: &[&str]) -> Result<Vec<Offer>> {
    let sql = format!(
        "SELECT {PRODUCT}, {PRICE} FROM prices c JOIN products p ON p.id = c.product_id
         WHERE {} ORDER BY c.id",
        tx.dialect().any("c.stripe_price_id", 1)
    );
    tx.query(&sql, &[Value::array(stripe_prices.iter().copied())])?.iter().map(offer).collect()
}

/// When the oldest price was made for which one at Stripe stands.
pub fn first_mapped(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let sql = "SELECT created_at FROM prices WHERE stripe_price_id IS NOT NULL ORDER BY created_at LIMIT 1";
    tx.query_opt(sql, &[])?.map(|row| row.get("created_at")).transpose()
}

/// Writes for which price at Stripe a price stands.
pub(super) fn set_mapping(tx: &mut Tx<'_>, cx: &Cx, id: &str, stripe_price: Option<&str>) -> Result<()> {
    tx.execute(
        "UPDATE prices SET stripe_price_id = $1, updated_at = $2 WHERE id = $3",
        &[stripe_price.into(), cx.now.into(), id.into()],
    )?;
    Ok(())
}

/// Writes the price that is to be in force. Which price at Stripe stands for it is written by [`super::map`].
pub fn save_price(tx: &mut Tx<'_>, cx: &Cx, price: &Price) -> Result<()> {
    tx.execute(
        "INSERT INTO prices (id, product_id, currency, unit_amount, active, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (id) DO UPDATE SET unit_amount = $4, active = $5, updated_at = $6",
        &[
            price.id.clone().into(),
            price.product_id.clone().into(),
            price.currency.into(),
            price.unit_amount.into(),
            true.into(),
            cx.now.into(),
        ],
    )?;
    Ok(())
}

/// Takes a price off sale. It stays for what was sold by it, and for what a Payment Link still sells by it.
pub fn take_off_sale(tx: &mut Tx<'_>, cx: &Cx, price: &str) -> Result<()> {
    tx.execute(
        "UPDATE prices SET active = $1, updated_at = $2 WHERE id = $3",
        &[false.into(), cx.now.into(), price.into()],
    )?;
    Ok(())
}

fn product(row: &Row) -> Result<Product> {
    Ok(Product {
        id: row.get("id")?,
        kind: ProductKind::parse(&row.get::<String>("kind")?)?,
        name: row.get("name")?,
        description: row.get("description")?,
        sku: row.get("sku")?,
        active: row.get("active")?,
    })
}

fn read_price(row: &Row, product_id: String) -> Result<Price> {
    Ok(Price {
        id: row.get("price_id")?,
        product_id,
        currency: row.get("currency")?,
        unit_amount: row.get("unit_amount")?,
        stripe_price_id: row.get("stripe_price_id")?,
    })
}

fn offer(row: &Row) -> Result<Offer> {
    let product = product(row)?;
    let price = read_price(row, product.id.clone())?;
    Ok(Offer { product, price })
}
