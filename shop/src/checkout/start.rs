//! The first transaction of a checkout: price, order, stock and intent, for all baskets that come at once.

use std::collections::BTreeMap;

use db::{Batcher, Db, Tx, TxResult};
use jobs::NewJob;
use kernel::{Currency, Cx, Duration, Error, Refusal, Result, Timestamp};
use ops::Actor;
use ops::audit::{self, Entry};

use super::store::{self, NewCheckout};
use super::{Basket, Placed, open};
use crate::catalog::{self, Offer};
use crate::ids::OrderId;
use crate::inventory::{self, Reserved, Want};
use crate::orders::{self, Draft};
use crate::seam::Seam;
use crate::switches::{self, Switch};

/// Stripe lets a session live between 30 minutes and 24 hours (`expires_at`).
const STRIPE_SHORTEST: Duration = Duration::from_secs(30 * 60);
/// Asked for a little later than the shortest, so that our clock and Stripe's may differ.
const STRIPE_MARGIN: Duration = Duration::from_secs(60);
/// How long the request itself may take to open the session before a job does it.
const OPEN_PATIENCE: Duration = Duration::from_secs(120);

/// A checkout that was begun.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Started {
    /// Its order.
    pub order: OrderId,
    /// Its session at Stripe.
    pub session: String,
    /// Where the buyer pays.
    pub url: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What one basket asks of the batch.
#[derive(Clone)]
struct Ask {
    cx: Cx,
    order: OrderId,
    basket: Basket,
    currency: Currency,
    expires_at: Timestamp,
    session_ends: Timestamp,
}

type Answer = Result<(), Error>;

/// Begins checkouts. What comes at once shares a transaction, so that a thousand buyers of one article queue up instead
/// of fighting over its row.
pub struct Starter {
    batch: Batcher<Ask, Answer>,
}

impl Starter {
    /// On this database.
    pub fn new(db: Db) -> Self {
        Starter { batch: Batcher::new(db, "checkout.start", 64, 1, start_all).patient() }
    }

    /// Begins a checkout: afterwards the order is pending, its stock set aside, and Stripe asked for a page.
    ///
    /// # Errors
    /// Invalid baskets, products not on offer, stock that ran out, Stripe refusing or not reached; and `Unknown` when Stripe's answer
    /// was lost: the order stays and a job asks again with the same key.
    pub async fn start(&self, seam: &Seam, basket: Basket) -> Result<Started> {
        let placed = self.place(seam, basket).await?;
        open(seam, placed).await
    }

    /// The first half of [`Starter::start`]: everything but Stripe.
    pub async fn place(&self, seam: &Seam, basket: Basket) -> Result<Placed> {
        basket.check()?;
        let cx = seam.cx();
        let order: OrderId = cx.id();
        let expires_at = cx.now + seam.settings.reservation;
        let session_ends = expires_at.max(cx.now + STRIPE_SHORTEST + STRIPE_MARGIN);
        let currency = basket.currency.unwrap_or(seam.settings.currency);
        let ask = Ask { cx, order, basket, currency, expires_at, session_ends };
        // Repeating would make a second order; the first, if it was written, ends with its reservation.
        self.batch.submit(ask).await.must_be_looked_up()??;
        Ok(Placed::now(order))
    }
}

fn start_all(tx: &mut Tx<'_>, asks: &[Ask]) -> Result<Vec<Answer>> {
    if !switches::is_on(tx, Switch::Checkout)? {
        return Ok(asks.iter().map(|_| Err(Switch::Checkout.refusal().into())).collect());
    }
    let offers = all_offers(tx, asks)?;
    let mut answers: Vec<Answer> = Vec::with_capacity(asks.len());
    let mut drafts = Vec::new();
    for ask in asks {
        let offers = offers.get(&ask.currency).cloned().unwrap_or_default();
        let draft = known_profile(tx, ask).and_then(|()| draft(ask, &offers));
        answers.push(draft.map(|draft| drafts.push((ask, draft))));
    }
    let mut refused = BTreeMap::new();
    let mut kept = Vec::new();
    for (ask, reserved) in reserve_all(tx, &drafts)? {
        match reserved {
            Reserved::Yes => kept.push(ask),
            Reserved::OutOfStock { sku, available } => {
                refused.insert(ask, out_of_stock(&sku, available));
            }
        }
    }
    let (good, bad): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|(ask, _)| kept.contains(&ask.order));
    for (ask, _) in bad {
        let at = asks.iter().position(|other| other.order == ask.order).unwrap_or_default();
        if let Some(refusal) = refused.remove(&ask.order) {
            answers[at] = Err(refusal.into());
        }
    }
    write(tx, good)?;
    Ok(answers)
}

type Offers = BTreeMap<String, Offer>;

fn all_offers(tx: &mut Tx<'_>, asks: &[Ask]) -> Result<BTreeMap<Currency, Offers>> {
    let mut wanted: BTreeMap<Currency, Vec<String>> = BTreeMap::new();
    for ask in asks {
        let products = ask.basket.items.iter().map(|item| item.product.clone());
        wanted.entry(ask.currency).or_default().extend(products);
    }
    wanted
        .into_iter()
        .map(|(currency, mut products)| {
            products.sort_unstable();
            products.dedup();
            Ok((currency, catalog::offers(tx, &products, currency)?))
        })
        .collect()
}

fn known_profile(tx: &mut Tx<'_>, ask: &Ask) -> Result<()> {
    match ask.basket.profile_id {
        Some(id) if crate::customers::find(tx, id)?.is_none() => Err(Error::not_found("profile", id)),
        _ => Ok(()),
    }
}

fn draft(ask: &Ask, offers: &Offers) -> Result<Draft> {
    let (lines, amounts) = ask.basket.price(offers, ask.currency)?;
    let (profile, email) = (ask.basket.profile_id, ask.basket.email.clone());
    Ok(Draft { id: ask.order, profile, email, amounts, lines })
}

/// All of a batch end together, with the last of them: they come within milliseconds of each other.
fn reserve_all(tx: &mut Tx<'_>, drafts: &[(&Ask, Draft)]) -> Result<Vec<(OrderId, Reserved)>> {
    let Some(last) = drafts.iter().map(|(ask, _)| *ask).max_by_key(|ask| ask.expires_at) else {
        return Ok(Vec::new());
    };
    let wants: Vec<Want> = drafts.iter().map(|(_, draft)| want(draft)).collect();
    let reserved = inventory::reserve(tx, &last.cx, &wants, last.expires_at)?;
    Ok(wants.iter().map(|want| want.order).zip(reserved).collect())
}

fn want(draft: &Draft) -> Want {
    let mut pieces = BTreeMap::<String, i64>::new();
    for line in &draft.lines {
        if let Some(sku) = &line.sku {
            *pieces.entry(sku.clone()).or_default() += line.quantity;
        }
    }
    Want { order: draft.id, pieces: pieces.into_iter().collect() }
}

fn write(tx: &mut Tx<'_>, good: Vec<(&Ask, Draft)>) -> Result<()> {
    let Some(cx) = good.first().map(|(ask, _)| ask.cx.clone()) else { return Ok(()) };
    let entries: Vec<Entry> = good.iter().map(|(ask, draft)| audited(ask, draft)).collect();
    let checkouts: Vec<NewCheckout> = good.iter().map(|(ask, draft)| intent(ask, draft)).collect();
    let work: Vec<NewJob> = good.iter().flat_map(|(ask, _)| later(ask)).collect();
    orders::place(tx, &cx, good.into_iter().map(|(_, draft)| draft).collect())?;
    store::insert(tx, &cx, &checkouts)?;
    jobs::enqueue(tx, &cx, work)?;
    audit::record(tx, &cx, entries).map(drop)
}

fn audited(ask: &Ask, draft: &Draft) -> Entry {
    let who = ask.basket.email.as_deref().unwrap_or("guest");
    Entry::new("checkout_started", Actor::buyer(who), "order", ask.order)
        .order(ask.order)
        .with(serde_json::json!({ "total": draft.amounts.total(), "items": ask.basket.items }))
}

fn intent(ask: &Ask, draft: &Draft) -> NewCheckout {
    NewCheckout {
        order: ask.order,
        idempotency_key: format!("makegood-checkout-{}", ask.order),
        request: serde_json::json!({ "basket": ask.basket, "lines": draft.lines, "currency": ask.currency }),
        expires_at: ask.session_ends,
    }
}

/// The jobs that finish what this process may not live to finish: open the page, and end it.
fn later(ask: &Ask) -> Vec<NewJob> {
    let job = |kind, run_at| NewJob {
        kind,
        key: Some(ask.order.to_string()),
        payload: serde_json::json!({ "order": ask.order }),
        run_at,
    };
    vec![
        job(super::jobs::OPEN, ask.cx.now + OPEN_PATIENCE),
        job(orders::CLOSE_SESSION, ask.expires_at.max(ask.cx.now)),
    ]
}

fn out_of_stock(sku: &str, available: i64) -> Refusal {
    Refusal::new("out_of_stock", format!("{available} of {sku} are left"))
        .fix("order fewer, or come back later")
}
