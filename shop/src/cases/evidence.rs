//! Gathers what a case is judged by, from this database alone.

use std::collections::{BTreeMap, BTreeSet};

use db::Tx;
use kernel::Result;
use stripe::{DisputeFact, Fact};

use super::find;
use super::key::Key;
use super::verdict::{Account, AtStripe, Evidence, Held, Purchase, WaitingEvent};
use crate::checkout::{self, CheckoutState};
use crate::claims;
use crate::customers;
use crate::entitlements;
use crate::ids::{OrderId, ProfileId};
use crate::inbox::{self, EventStatus, StoredEvent};
use crate::mails;
use crate::orders::{self, KnownFact, Order, PaymentFacts};

/// How many purchases of one person are looked at.
const PURCHASES: i64 = 50;

/// Whom or what a case is about.
#[derive(Default)]
struct Subject {
    accounts: Vec<Account>,
    emails: BTreeSet<String>,
    /// Only about these orders and what they sell, where a purchase was named.
    orders: Vec<OrderId>,
    /// Only about this product, where an entitlement was named.
    product: Option<String>,
}

/// Everything that may matter; nothing where the key leads nowhere.
pub(super) fn gather(tx: &mut Tx<'_>, key: &Key, course: Option<&str>) -> Result<Option<Evidence>> {
    let Some(subject) = subject(tx, key)? else { return Ok(None) };
    let mut found: BTreeMap<OrderId, Order> = orders::find_many(tx, &subject.orders)?;
    let mut only: BTreeSet<String> = found.values().flat_map(products).chain(subject.product).collect();
    if let Some(course) = course {
        only = BTreeSet::from([course.to_owned()]);
    }
    let more = of_people(tx, &subject.accounts, &subject.emails)?;
    let matters = |order: &Order| only.is_empty() || products(order).any(|product| only.contains(&product));
    found.extend(more.into_iter().filter(matters).map(|order| (order.id, order)));
    let mut purchases = Vec::with_capacity(found.len());
    for order in found.into_values().rev().take(PURCHASES as usize) {
        purchases.push(purchase(tx, order)?);
    }
    let held = held(tx, &subject.accounts)?;
    Ok(Some(Evidence { asked: key.shown(), accounts: subject.accounts, purchases, held, only, note: None }))
}

fn products(order: &Order) -> impl Iterator<Item = String> {
    order.lines.iter().map(|line| line.product_id.clone())
}

fn subject(tx: &mut Tx<'_>, key: &Key) -> Result<Option<Subject>> {
    match key {
        Key::Email(email) => {
            let accounts = accounts_of(tx, email)?;
            let there = !accounts.is_empty() || !orders::of_email(tx, email, 1)?.is_empty();
            let emails = BTreeSet::from([email.clone()]);
            Ok(there.then(|| Subject { accounts, emails, ..Subject::default() }))
        }
        Key::Profile(id) => person(tx, *id, None),
        Key::Entitlement(id) => match entitlements::find_by_id(tx, *id)? {
            Some(entitlement) if entitlement.profile_id.is_some() => {
                let product = Some(entitlement.product_id);
                entitlement.profile_id.map_or(Ok(None), |profile| person(tx, profile, product))
            }
            _ => purchase_named(tx, key),
        },
        Key::Bare(uuid) => match person(tx, ProfileId::from_uuid(*uuid), None)? {
            Some(subject) => Ok(Some(subject)),
            None => purchase_named(tx, key),
        },
        _ => purchase_named(tx, key),
    }
}

fn person(tx: &mut Tx<'_>, id: ProfileId, product: Option<String>) -> Result<Option<Subject>> {
    Ok(customers::find(tx, id)?.map(|profile| Subject {
        emails: BTreeSet::from([profile.email.clone()]),
        accounts: vec![Account { id, email: profile.email }],
        product,
        ..Subject::default()
    }))
}

/// The orders that the key leads to, and those who should have what was bought.
fn purchase_named(tx: &mut Tx<'_>, key: &Key) -> Result<Option<Subject>> {
    let named: BTreeSet<OrderId> = find::look_up(tx, key)?.into_iter().filter_map(|hit| hit.order).collect();
    let named: Vec<OrderId> = named.into_iter().collect();
    let found = orders::find_many(tx, &named)?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut subject = Subject { orders: named, ..Subject::default() };
    for order in found.values() {
        subject.emails.extend(order.email.clone());
        match (order.profile, &order.email) {
            (Some(profile), _) => {
                let known = customers::find(tx, profile)?;
                subject.accounts.extend(known.map(|p| Account { id: p.id, email: p.email }));
            }
            // Whoever bought as a guest may have an account with that email.
            (None, Some(email)) => subject.accounts.extend(accounts_of(tx, email)?),
            (None, None) => {}
        }
    }
    subject.accounts.dedup();
    Ok(Some(subject))
}

fn accounts_of(tx: &mut Tx<'_>, email: &str) -> Result<Vec<Account>> {
    let mut profiles = customers::of_email(tx, email, PURCHASES)?;
    // Where one of them has proved that the email is theirs, the others may be anybody's.
    if profiles.iter().any(|profile| profile.email_proved_at.is_some()) {
        profiles.retain(|profile| profile.email_proved_at.is_some());
    }
    Ok(profiles.into_iter().map(|profile| Account { id: profile.id, email: profile.email }).collect())
}

/// What these accounts bought, what was bought with these emails, and what other accounts with these emails bought.
fn of_people(tx: &mut Tx<'_>, accounts: &[Account], emails: &BTreeSet<String>) -> Result<Vec<Order>> {
    let mut profiles: BTreeSet<ProfileId> = accounts.iter().map(|account| account.id).collect();
    let mut all = Vec::new();
    for email in emails {
        all.extend(orders::of_email(tx, email, PURCHASES)?);
        profiles.extend(accounts_of(tx, email)?.into_iter().map(|account| account.id));
    }
    for profile in profiles {
        all.extend(orders::of_profile(tx, profile, PURCHASES)?);
    }
    Ok(all)
}

fn held(tx: &mut Tx<'_>, accounts: &[Account]) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for account in accounts {
        for entitlement in entitlements::of_profile(tx, account.id, PURCHASES)? {
            all.push(Held {
                account: account.id,
                grants: entitlements::grants_of(tx, entitlement.id)?,
                product: entitlement.product_id,
                active: entitlement.active,
            });
        }
    }
    Ok(all)
}

fn purchase(tx: &mut Tx<'_>, order: Order) -> Result<Purchase> {
    let known = orders::facts_of(tx, order.id)?;
    let facts = PaymentFacts::new(known.iter().map(|known| known.fact.clone()));
    let payment = facts.payment(&order);
    let account = order.profile.map(|profile| customers::find(tx, profile)).transpose()?.flatten();
    let page = checkout::find(tx, order.id)?.filter(|checkout| checkout.state == CheckoutState::Open);
    Ok(Purchase {
        waiting: waiting(tx, &order, &known)?,
        grants: entitlements::grants_of_order(tx, order.id)?,
        disputes: disputes(known),
        claim: claims::of_order(tx, order.id)?,
        mails: mails::of_order(tx, order.id)?,
        page: page.and_then(|checkout| Some((checkout.url?, checkout.expires_at))),
        account_email: account.map(|profile| profile.email),
        payment,
        order,
        at_stripe: AtStripe::NotAsked,
    })
}

fn disputes(known: Vec<KnownFact>) -> Vec<DisputeFact> {
    let disputes = known.into_iter().filter_map(|known| match known.fact {
        Fact::Dispute(dispute) => Some(dispute),
        _ => None,
    });
    disputes.collect()
}

/// Events about the order, its session or any object that is known of it, that were not acted on.
fn waiting(tx: &mut Tx<'_>, order: &Order, known: &[KnownFact]) -> Result<Vec<WaitingEvent>> {
    let objects = known.iter().map(|known| known.fact.object_id());
    let own = [order.session.as_deref(), order.payment_intent.as_deref()].into_iter().flatten();
    let objects: BTreeSet<&str> = objects.chain(own).collect();
    let objects: Vec<&str> = objects.into_iter().collect();
    let mut events: BTreeMap<String, StoredEvent> =
        inbox::waiting_about(tx, &objects)?.into_iter().map(|event| (event.id.clone(), event)).collect();
    let touched = inbox::of_order(tx, order.id)?
        .into_iter()
        .filter(|event| !matches!(event.status, EventStatus::Processed | EventStatus::Ignored));
    events.extend(touched.map(|event| (event.id.clone(), event)));
    let mut events: Vec<StoredEvent> = events.into_values().collect();
    events.sort_by_key(|event| event.received_at);
    let waiting = events.into_iter().map(|event| WaitingEvent {
        id: event.id,
        kind: event.kind,
        status: event.status,
        attempts: event.attempts,
        error: event.last_error,
        received_at: event.received_at,
    });
    Ok(waiting.collect())
}
