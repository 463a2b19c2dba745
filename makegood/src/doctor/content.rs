//! What is sold: that something is, and that it agrees with Stripe.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use ops::Check;
use serde_json::Value;
use shop::catalog::{self, Offer, ProductKind};
use stripe::{Call, CallError, Stripe};

use super::finding::Seen;
use super::patient::Patient;
use super::queue::rows;
use super::stripe::{asked, unanswered};

/// So many prices are asked for at once, and in all.
const AT_ONCE: usize = 8;
const MOST_PRICES: usize = 500;
/// So many names stand in a finding.
const SHOWN: usize = 10;

fn named(names: impl Iterator<Item = String>) -> String {
    let all: BTreeSet<String> = names.collect();
    let more = all.len().saturating_sub(SHOWN);
    let shown = all.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn on_sale(offers: Vec<Offer>) -> Vec<Offer> {
    offers.into_iter().filter(|offer| offer.product.active).collect()
}

pub(super) async fn for_sale(patient: &Patient) -> Vec<Seen> {
    let offers = on_sale(rows!(patient, "doctor.offers", catalog::list));
    let products: BTreeSet<&str> = offers.iter().map(|offer| offer.product.id.as_str()).collect();
    match products.len() {
        0 => vec![
            Seen::warning("nothing is for sale")
                .expected("a product with a price")
                .fix("makegood catalog import FILE"),
        ],
        count => vec![Seen::ok(format!("{count} products with {} prices", offers.len()))],
    }
}

pub(super) async fn prices(patient: &Patient) -> Vec<Seen> {
    let offers = on_sale(rows!(patient, "doctor.offers", catalog::list));
    let without = offers
        .iter()
        .filter(|offer| offer.product.kind == ProductKind::Course && offer.price.stripe_price_id.is_none())
        .map(|offer| format!("{} ({})", offer.product.id, offer.price.currency));
    let names = named(without);
    match names.is_empty() {
        true => Vec::new(),
        false => vec![
            Seen::warning(format!("courses that can be bought have no Stripe price: {names}"))
                .expected("a stripe_price_id for each")
                .fix("name the price in the catalog file, then: makegood catalog import FILE"),
        ],
    }
}

/// Each price that is mapped, asked of Stripe.
pub(super) async fn prices_at_stripe(patient: &Patient) -> Vec<Seen> {
    let Some(stripe) = asked(patient) else { return Vec::new() };
    let offers = on_sale(rows!(patient, "doctor.offers", catalog::list));
    let mapped: Vec<&Offer> =
        offers.iter().filter(|offer| offer.price.stripe_price_id.is_some()).take(MOST_PRICES).collect();
    if mapped.is_empty() {
        return vec![Seen::info("no price is mapped to one of Stripe's")];
    }
    let count = mapped.len();
    let asking: Vec<_> = mapped.into_iter().map(|offer| compared(stripe, offer)).collect();
    let judged: Vec<Option<Seen>> = stream::iter(asking).buffered(AT_ONCE).collect().await;
    let mut seen: Vec<Seen> = judged.into_iter().flatten().collect();
    if seen.is_empty() {
        seen.push(Seen::ok(format!("{count} prices are the same at Stripe")));
    }
    seen
}

async fn compared(stripe: &dyn Stripe, offer: &Offer) -> Option<Seen> {
    let (product, price) = (&offer.product.id, &offer.price);
    let id = price.stripe_price_id.as_deref()?;
    let fix = "name the right price in the catalog file, or mend it in Stripe's dashboard";
    let wrong = |told: String| {
        let expected = format!("{} {}, active", price.unit_amount, price.currency);
        Some(Seen::error(told).expected(expected).fix(fix))
    };
    match stripe.call(Call::get(format!("/v1/prices/{}", path_segment(id)))).await {
        Err(CallError::Refused(error)) if error.status == 404 => {
            wrong(format!("{product}: Stripe has no price {id} in this mode"))
        }
        Err(error) => Some(unanswered(&error)),
        Ok(found) => {
            let amount = (found["unit_amount"].as_i64(), found["currency"].as_str().unwrap_or_default());
            let same = amount == (Some(price.unit_amount), &*price.currency.to_string());
            match (found["active"] == false, same) {
                (true, _) => wrong(format!("{product}: the price {id} is not active at Stripe")),
                (false, false) => wrong(format!(
                    "{product}: the price {id} is {} {} at Stripe",
                    amount.0.map_or("no fixed amount".to_owned(), |amount| amount.to_string()),
                    amount.1
                )),
                (false, true) => None,
            }
        }
    }
}

/// An id that is none cannot reach another resource.
fn path_segment(id: &str) -> String {
    id.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

/// The checks on what is delivered, run now.
pub(super) async fn checks(patient: &Patient) -> Vec<Seen> {
    let now = patient.now();
    let all: Vec<Check> = shop::checks().into_iter().filter(is_about_content).collect();
    if all.is_empty() {
        return vec![Seen::info("there is no content to check in this version")];
    }
    let found = rows!(patient, "doctor.content", move |tx| {
        all.iter().map(|check| Ok((*check, check.run(tx, now)?))).collect::<kernel::Result<Vec<_>>>()
    });
    found
        .into_iter()
        .filter(|(_, findings)| !findings.is_empty())
        .map(|(check, findings)| {
            let subjects = named(findings.iter().map(|finding| {
                let shown: Value = shop::runbooks::shown(finding);
                shown["subject"].as_str().unwrap_or_default().to_owned()
            }));
            Seen::warning(format!("{}: {subjects}", check.name)).expected(check.must).fix("makegood check")
        })
        .collect()
}

fn is_about_content(check: &Check) -> bool {
    ["course", "content", "lesson", "module", "resource"].iter().any(|word| check.name.starts_with(word))
}
