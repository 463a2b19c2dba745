//! What a session sold amounts to, by the prices that are mapped. This file decides; plain values only.

use std::collections::{BTreeMap, BTreeSet};

use stripe::{Sale, SessionFact, SoldLine};

use super::{Amounts, Line};
use crate::catalog::Offer;

/// What becomes of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaleVerdict {
    /// Nothing in it is ours.
    Foreign(Unsold),
    /// Some of it is ours, and of the rest nobody knows what it is: no order can be made of it.
    Waits(Unsold),
    /// All of it is ours.
    Order(Amounts, Vec<Line>),
}

/// Why no order can be made of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsold {
    /// These prices at Stripe, or lines that have none, stand for nothing here.
    NotMapped(Vec<String>),
    /// It is a subscription, or only keeps a card.
    Mode(String),
}

impl Unsold {
    /// A word for it, as stored.
    pub fn code(&self) -> &'static str {
        match self {
            Unsold::NotMapped(_) => NOT_MAPPED,
            Unsold::Mode(_) => NOT_SOLD,
        }
    }

    /// The same in words.
    pub fn told(&self) -> String {
        match self {
            Unsold::NotMapped(prices) if prices.is_empty() => "price_not_mapped: it has no lines".into(),
            Unsold::NotMapped(prices) => format!("price_not_mapped {}", prices.join(" ")),
            Unsold::Mode(mode) => format!("a session of mode `{mode}` cannot become an order"),
        }
    }
}

/// The word for prices at Stripe that stand for nothing here.
pub const NOT_MAPPED: &str = "price_not_mapped";

/// The word for a session that is no single payment.
pub const NOT_SOLD: &str = "mode_not_sold";

/// What becomes of `sale`, whose session has proved this. What the prices say is what the order expects; what was paid
/// instead is looked at afterwards, like any payment.
pub fn judge_sale(sale: &Sale, session: &SessionFact, offers: &[Offer]) -> SaleVerdict {
    let mut known: BTreeMap<&str, Vec<&Offer>> = BTreeMap::new();
    for offer in offers {
        known.entry(offer.price.stripe_price_id.as_deref().unwrap_or_default()).or_default().push(offer);
    }
    let of = |line: &SoldLine| {
        let offers = known.get(line.price.as_deref()?)?;
        let same = offers.iter().find(|offer| offer.price.currency == line.currency);
        same.or(offers.first()).copied()
    };
    let sold: Vec<(&SoldLine, Option<&Offer>)> = sale.lines.iter().map(|line| (line, of(line))).collect();
    let currencies: BTreeSet<_> =
        sold.iter().filter_map(|(_, offer)| offer.map(|offer| offer.price.currency.as_str())).collect();
    // A sum of several currencies is none: then only those count in which the session was.
    let counts =
        |line: &SoldLine, offer: &Offer| currencies.len() == 1 || offer.price.currency == line.currency;
    let known: Vec<(&SoldLine, &Offer)> = sold
        .iter()
        .filter_map(|(line, offer)| offer.filter(|offer| counts(line, offer)).map(|offer| (*line, offer)))
        .collect();
    let is_ours = sale.is_meant || !known.is_empty();
    let without = |why| if is_ours { SaleVerdict::Waits(why) } else { SaleVerdict::Foreign(why) };
    if let Some(mode) = session.mode.as_deref().filter(|mode| *mode != "payment") {
        return without(Unsold::Mode(mode.to_owned()));
    }
    match known.first() {
        Some((_, first)) if known.len() == sale.lines.len() => {
            let currency = first.price.currency;
            let lines: Vec<Line> = known.iter().map(|(line, offer)| ordered(line, offer)).collect();
            let sum = |line: &Line| line.unit_amount.saturating_mul(line.quantity);
            let subtotal = lines.iter().map(sum).fold(0_i64, i64::saturating_add);
            let (discount, shipping) = (session.discount, session.shipping);
            SaleVerdict::Order(
                Amounts { currency, subtotal, discount, tax: session.added_tax(), shipping },
                lines,
            )
        }
        _ => {
            let is_known = |line: &SoldLine| known.iter().any(|(known, _)| std::ptr::eq(*known, line));
            let unknown: BTreeSet<String> =
                sale.lines.iter().filter(|line| !is_known(line)).map(named).collect();
            without(Unsold::NotMapped(unknown.into_iter().collect()))
        }
    }
}

fn ordered(line: &SoldLine, offer: &Offer) -> Line {
    Line {
        product_id: offer.product.id.clone(),
        kind: offer.product.kind,
        name: offer.product.name.clone(),
        sku: offer.product.sku.clone(),
        quantity: line.quantity.max(1),
        unit_amount: offer.price.unit_amount,
    }
}

/// How a line is called in which nothing is known: by its price, else by what the buyer read.
fn named(line: &SoldLine) -> String {
    line.price.clone().or_else(|| line.name.clone()).unwrap_or_else(|| "a line without a price".into())
}
