//! What a session sold amounts to, by the prices that are mapped. This file decides; plain values only.

use std::collections::{BTreeMap, BTreeSet};

use kernel::planted::{Defect, planted};
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
        Some((_, first)) if known.len() == sale.lines.len() || planted(Defect::StrangeLinesDropped) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Price, Product, ProductKind};
    use stripe::{Asked, Fact, Proof, Reading};

    fn offer(product: &str, currency: &str, unit_amount: i64, stripe: &str) -> Offer {
        let currency = currency.parse().expect("a currency");
        Offer {
            product: Product {
                id: product.into(),
                kind: ProductKind::Course,
                name: product.into(),
                description: String::new(),
                sku: None,
                active: false,
            },
            price: Price {
                id: format!("{product}-{currency}"),
                product_id: product.into(),
                currency,
                unit_amount,
                stripe_price_id: Some(stripe.into()),
            },
        }
    }

    /// A session in usd that sold one of each of these prices.
    fn proof(mode: &str, prices: &[&str]) -> Proof {
        let line = |price: &&str| serde_json::json!({ "id": "li_1", "quantity": 1, "amount_subtotal": 100, "currency": "usd", "price": price });
        let session = serde_json::json!({
            "id": "cs_1", "object": "checkout.session", "mode": mode, "status": "complete", "payment_status": "paid",
            "currency": "usd", "amount_total": 130, "amount_subtotal": 100,
            "total_details": { "amount_discount": 0, "amount_shipping": 20, "amount_tax": 10 },
            "line_items": { "has_more": false, "data": prices.iter().map(line).collect::<Vec<_>>() },
        });
        let asked = Asked { ticket: 1, at: kernel::Timestamp::from_seconds(0) };
        match stripe::read_object(&session, asked) {
            Ok(Reading::Proof(proof)) => proof,
            other => panic!("{other:?}"),
        }
    }

    fn judged(mode: &str, prices: &[&str], offers: &[Offer]) -> SaleVerdict {
        let proof = proof(mode, prices);
        let Fact::Session(session) = &proof.facts[0] else { panic!("no session") };
        judge_sale(proof.sale.as_ref().expect("a sale"), session, offers)
    }

    fn not_mapped(prices: &[&str]) -> Unsold {
        Unsold::NotMapped(prices.iter().map(|price| (*price).to_owned()).collect())
    }

    #[test]
    fn what_is_mapped_is_ordered_by_our_prices_and_in_their_currency() {
        let SaleVerdict::Order(amounts, lines) =
            judged("payment", &["price_a", "price_a"], &[offer("a", "usd", 4900, "price_a")])
        else {
            panic!("no order")
        };
        assert_eq!((amounts.subtotal, amounts.tax, amounts.shipping, lines.len()), (9800, 10, 20, 2));
        let both = [offer("a", "eur", 4500, "price_a"), offer("a", "usd", 4900, "price_a")];
        let SaleVerdict::Order(amounts, _) = judged("payment", &["price_a"], &both) else {
            panic!("no order")
        };
        assert_eq!((amounts.subtotal, amounts.currency.as_str()), (4900, "usd"), "the session's currency");
        let SaleVerdict::Order(amounts, _) = judged("payment", &["price_a"], &both[..1]) else {
            panic!("no order")
        };
        assert_eq!(
            amounts.currency.as_str(),
            "eur",
            "held for review: another currency came than is expected"
        );
    }

    #[test]
    fn nothing_is_ordered_of_which_a_part_is_not_known() {
        let a = [offer("a", "usd", 4900, "price_a")];
        let waits = SaleVerdict::Waits(not_mapped(&["price_b"]));
        assert_eq!(judged("payment", &["price_a", "price_b"], &a), waits);
        assert_eq!(judged("payment", &["price_b"], &[]), SaleVerdict::Foreign(not_mapped(&["price_b"])));
        assert_eq!(judged("payment", &[], &[]), SaleVerdict::Foreign(not_mapped(&[])));
        let other = [offer("a", "usd", 4900, "price_a"), offer("b", "eur", 4900, "price_b")];
        assert_eq!(judged("payment", &["price_a", "price_b"], &other), waits, "no sum of two currencies");
    }

    #[test]
    fn a_subscription_becomes_no_order_and_is_not_overlooked() {
        let a = [offer("a", "usd", 4900, "price_a")];
        let mode = || Unsold::Mode("subscription".into());
        assert_eq!(judged("subscription", &["price_a"], &a), SaleVerdict::Waits(mode()));
        assert_eq!(judged("subscription", &["price_b"], &a), SaleVerdict::Foreign(mode()));
    }
}
