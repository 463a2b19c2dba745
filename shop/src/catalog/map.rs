//! Which price at Stripe stands for which price here. What a Payment Link sells is known by its prices alone.

use db::Tx;
use jobs::NewJob;
use kernel::{Currency, Cx, Duration, Result};

use super::{Offer, PRICES_MAPPED, store};

/// A price here, and the price at Stripe that is to stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Our price.
    pub price: String,
    /// Of which product it is.
    pub product: String,
    /// In which currency.
    pub currency: Currency,
    /// Stripe's price.
    pub stripe_price: String,
}

/// The prices for which these prices at Stripe stand, with their products: on offer or not, for what was paid is handed over.
pub fn offers_at_stripe(tx: &mut Tx<'_>, stripe_prices: &[&str]) -> Result<Vec<Offer>> {
    if stripe_prices.is_empty() { Ok(Vec::new()) } else { store::at_stripe(tx, stripe_prices) }
}

/// Our prices that hold this price at Stripe in the way of `wanted`: another one in the same currency, or of another product.
pub fn holders(tx: &mut Tx<'_>, wanted: &Mapping) -> Result<Vec<String>> {
    let all = offers_at_stripe(tx, &[&wanted.stripe_price])?;
    let in_the_way = all.into_iter().filter(|offer| {
        offer.price.id != wanted.price
            && (offer.price.currency == wanted.currency || offer.product.id != wanted.product)
    });
    Ok(in_the_way.map(|offer| offer.price.id).collect())
}

/// A worker that looked for the mapping just before it was written may put its event aside just after the first look.
const ONCE_MORE: Duration = Duration::from_secs(60);

/// Lets a price at Stripe stand for one of ours. What was sold by it before is looked at again.
pub fn map(tx: &mut Tx<'_>, cx: &Cx, wanted: &Mapping) -> Result<()> {
    let now = store::price_by_id(tx, &wanted.price)?.and_then(|price| price.stripe_price_id);
    if now.as_ref() == Some(&wanted.stripe_price) {
        return Ok(());
    }
    store::set_mapping(tx, cx, &wanted.price, Some(&wanted.stripe_price))?;
    let job = |run_at| NewJob {
        kind: PRICES_MAPPED,
        key: None,
        payload: serde_json::json!({ "price": wanted.stripe_price }),
        run_at,
    };
    jobs::enqueue(tx, cx, [cx.now, cx.now + ONCE_MORE].map(job).into())
}

/// Lets no price at Stripe stand for this one any more.
pub fn forget(tx: &mut Tx<'_>, cx: &Cx, price: &str) -> Result<()> {
    store::set_mapping(tx, cx, price, None)
}

/// Frees the prices at Stripe of those of our prices that are to get another one, so that two may change places.
pub fn let_go(tx: &mut Tx<'_>, cx: &Cx, wanted: &[Mapping]) -> Result<()> {
    for mapping in wanted {
        let now = store::price_by_id(tx, &mapping.price)?.and_then(|price| price.stripe_price_id);
        if now.is_some_and(|now| now != mapping.stripe_price) {
            store::set_mapping(tx, cx, &mapping.price, None)?;
        }
    }
    Ok(())
}
