//! What a buyer has: the courses and downloads that they may use, as far as these are published.

use db::Tx;
use kernel::{Error, Refusal, Result};

use crate::content::{self, Course};
use crate::entitlements;
use crate::ids::ProfileId;

/// So many rights are looked at.
const MOST: i64 = 500;

/// Everything that a profile may use and that holds something, by product.
///
/// # Errors
/// Whatever the database says.
pub fn shelf(tx: &mut Tx<'_>, who: ProfileId) -> Result<Vec<Course>> {
    let mut products: Vec<String> = entitlements::of_profile(tx, who, MOST)?
        .into_iter()
        .filter(|right| right.active)
        .map(|right| right.product_id)
        .collect();
    products.sort_unstable();
    products.dedup();
    let mut all = Vec::new();
    for product in content::published(tx, &products)? {
        all.extend(content::course(tx, &product)?.and_then(Course::seen));
    }
    Ok(all)
}

/// What one course or download shows to who has the right to it. Files and films are asked for one by one.
///
/// # Errors
/// Refused as `no_entitlement` without the right; not found where nothing is published.
pub fn on_shelf(tx: &mut Tx<'_>, who: ProfileId, product: &str) -> Result<Course> {
    if entitlements::counting(tx, who, product)?.is_none() {
        let why = format!("no purchase of yours holds {product}");
        return Err(Refusal::new("no_entitlement", why).into());
    }
    let course = content::course(tx, product)?.and_then(Course::seen);
    course.ok_or_else(|| Error::not_found("published content of", product))
}
