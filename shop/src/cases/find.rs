//! Finds whatever a person has in hand: an id of Stripe's or of ours, an email, a name. Only the database is asked.

use std::collections::BTreeSet;

use db::Tx;
use kernel::{Cx, Error, Id, Result};
use ops::View;
use ops::audit::AuditId;
use ops::runs::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hit::{self, Hit, ORDER};
use super::key::{Key, Object};
use crate::ids::{EntitlementId, MailId, OrderId, ProfileId, ReconciliationId, RefundId, ReservationId};
use crate::office::audit;
use crate::orders::Order;
use crate::{catalog, customers, entitlements, inbox, inventory, mails, orders, reconcile, refunds};

/// Find anything by its id, Stripe's or ours, by an email or a name, and the orders it leads to
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Find {
    /// An email, or an id: of an event or any other object of Stripe's, of an order, reservation, refund, profile,
    /// entitlement, mail, job, run, reconciliation, audit entry, token or request; or the name of a user, a product or a SKU
    #[arg(value_name = "ANY_ID|EMAIL|NAME")]
    pub q: String,
}

impl View for Find {
    const NAME: &'static str = "search";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = COLUMNS;

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Value> {
        let key = Key::parse("q", &self.q)?;
        let found = look_up(tx, &key)?;
        if found.is_empty() {
            return Err(nothing(&key));
        }
        Ok(list(&found))
    }
}

/// What a terminal shows of what was found.
pub const COLUMNS: &[&str] = &["kind", "id", "order", "status", "what", "command"];

/// What was found, as a list.
pub(super) fn list(found: &[Hit]) -> Value {
    json!({ "object": "list", "data": found, "has_more": false, "url": "/api/v1/admin/search" })
}

/// Nothing was found, and where it was looked for. What may be at Stripe only, `case` asks for there.
pub(super) fn nothing(key: &Key) -> Error {
    let elsewhere = match key {
        Key::Event(id) | Key::Object(_, id) => format!("; makegood case {id} asks Stripe as well"),
        _ => String::new(),
    };
    Error::not_found("trace of", format!("{}; {}{elsewhere}", key.shown(), key.looked()))
}

/// The orders to which something leads, the newest first; none where it leads to none.
pub fn orders_behind(tx: &mut Tx<'_>, key: &Key) -> Result<Vec<OrderId>> {
    let all: BTreeSet<OrderId> = look_up(tx, key)?.into_iter().filter_map(|hit| hit.order).collect();
    Ok(all.into_iter().rev().collect())
}

/// How many orders of one buyer are shown.
const ORDERS: i64 = 50;

/// The thing itself, then what it leads to; the orders last.
pub(super) fn look_up(tx: &mut Tx<'_>, key: &Key) -> Result<Vec<Hit>> {
    let mut found = Found::default();
    match key {
        Key::Event(id) => found.add(inbox::find(tx, id)?.as_ref().map(hit::of_event)),
        Key::Object(kind, id) => by_object(tx, *kind, id, &mut found)?,
        Key::Order(id) => found.orders(orders::find(tx, *id)?),
        Key::Reservation(id) => found.add(by_reservation(tx, *id)?),
        Key::Refund(id) => found.add(refunds::find(tx, *id)?.as_ref().map(hit::of_refund)),
        Key::Profile(id) => by_profile(tx, *id, &mut found)?,
        Key::Entitlement(id) => by_entitlement(tx, *id, &mut found)?,
        Key::Job(id) => by_job(tx, *id, &mut found)?,
        Key::Mail(id) => found.add(mails::find(tx, *id)?.as_ref().map(hit::of_mail)),
        Key::Audit(id) => found.add(audit::find(tx, *id)?.as_ref().map(hit::of_entry)),
        Key::Run(id) => found.add(ops::runs::find(tx, *id)?.as_ref().map(hit::of_run)),
        Key::Reconciliation(id) => {
            found.add(reconcile::find(tx, *id)?.as_ref().map(hit::of_reconciliation));
        }
        Key::Token(id) => found.add(ops::find_token(tx, *id)?.as_ref().map(hit::of_token)),
        Key::Request(id) => found.add(audit::of_request(tx, id)?.iter().map(hit::of_entry)),
        Key::Bare(uuid) => {
            for key in [
                Key::Order(OrderId::from_uuid(*uuid)),
                Key::Reservation(ReservationId::from_uuid(*uuid)),
                Key::Refund(RefundId::from_uuid(*uuid)),
                Key::Profile(ProfileId::from_uuid(*uuid)),
                Key::Entitlement(EntitlementId::from_uuid(*uuid)),
                Key::Job(jobs::JobId::from_uuid(*uuid)),
                Key::Mail(MailId::from_uuid(*uuid)),
                Key::Audit(AuditId::from_uuid(*uuid)),
                Key::Run(RunId::from_uuid(*uuid)),
                Key::Reconciliation(ReconciliationId::from_uuid(*uuid)),
                Key::Token(Id::from_uuid(*uuid)),
            ] {
                found.hits.extend(look_up(tx, &key)?);
            }
        }
        Key::Email(email) => by_email(tx, email, &mut found)?,
        Key::Word(word) => by_word(tx, word, &mut found)?,
    }
    found.with_their_orders(tx)
}

/// What is found while it is looked for.
#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
}

impl Found {
    fn add(&mut self, more: impl IntoIterator<Item = Hit>) {
        self.hits.extend(more);
    }

    fn orders(&mut self, orders: impl IntoIterator<Item = Order>) {
        self.hits.extend(orders.into_iter().map(|order| hit::of_order(&order)));
    }

    /// Every order that is named, once, behind what names it.
    fn with_their_orders(self, tx: &mut Tx<'_>) -> Result<Vec<Hit>> {
        let (mut orders, mut others): (Vec<Hit>, Vec<Hit>) =
            self.hits.into_iter().partition(|hit| hit.kind == ORDER);
        let shown: BTreeSet<OrderId> = orders.iter().filter_map(|hit| hit.order).collect();
        let named: BTreeSet<OrderId> = others.iter().filter_map(|hit| hit.order).collect();
        let missing: Vec<OrderId> = named.difference(&shown).copied().collect();
        orders.extend(orders::find_many(tx, &missing)?.values().map(hit::of_order));
        let mut seen = BTreeSet::new();
        others.extend(orders);
        others.retain(|hit| seen.insert((hit.kind, hit.id.clone())));
        Ok(others)
    }
}

fn by_object(tx: &mut Tx<'_>, kind: Object, id: &str, found: &mut Found) -> Result<()> {
    let fact = orders::fact(tx, id)?;
    let asked_for = if kind == Object::Refund { refunds::by_stripe_id(tx, id)? } else { None };
    let order = match kind {
        Object::Session => orders::find_by_session(tx, id)?,
        Object::Intent => orders::find_by_intent(tx, id)?,
        Object::Charge | Object::Refund | Object::Dispute | Object::Warning | Object::Review => None,
    };
    match (&fact, &order) {
        (Some(known), _) => found.add([hit::of_fact(kind, known)]),
        (None, Some(order)) => found.add([Hit {
            kind: kind.as_str(),
            id: id.to_owned(),
            order: Some(order.id),
            status: None,
            what: "named by its order; Stripe has said nothing of it".into(),
            command: format!("makegood orders explain {}", order.id),
        }]),
        (None, None) => {}
    }
    found.add(asked_for.as_ref().map(hit::of_refund));
    found.add(inbox::waiting_about(tx, &[id])?.iter().map(hit::of_event));
    found.orders(order);
    if found.hits.is_empty() {
        // No order has learnt it, like a charge that failed: what is known of it, its events say.
        found.add(inbox::about(tx, id)?.iter().map(hit::of_event));
    }
    Ok(())
}

fn by_reservation(tx: &mut Tx<'_>, id: ReservationId) -> Result<Option<Hit>> {
    let found = inventory::find_reservation(tx, id)?;
    Ok(found.map(|reservation| Hit {
        kind: "reservation",
        id: reservation.id.to_string(),
        order: Some(reservation.order_id),
        status: Some(reservation.status.as_str().to_owned()),
        what: format!("{} × {}", reservation.quantity, reservation.sku),
        command: format!("makegood orders explain {}", reservation.order_id),
    }))
}

fn by_profile(tx: &mut Tx<'_>, id: ProfileId, found: &mut Found) -> Result<()> {
    found.add(customers::find(tx, id)?.map(|profile| hit::of_profile(&profile)));
    for entitlement in entitlements::of_profile(tx, id, ORDERS)? {
        found.add([hit::of_entitlement(tx, &entitlement)?]);
    }
    found.orders(orders::of_profile(tx, id, ORDERS)?);
    Ok(())
}

fn by_entitlement(tx: &mut Tx<'_>, id: EntitlementId, found: &mut Found) -> Result<()> {
    let Some(entitlement) = entitlements::find_by_id(tx, id)? else { return Ok(()) };
    found.add([hit::of_entitlement(tx, &entitlement)?]);
    let grants = entitlements::grants_of(tx, id)?;
    let granting: Vec<OrderId> = grants.iter().filter_map(|grant| grant.order_id).collect();
    found.orders(orders::find_many(tx, &granting)?.into_values());
    Ok(())
}

fn by_job(tx: &mut Tx<'_>, id: jobs::JobId, found: &mut Found) -> Result<()> {
    let Some(row) = jobs::find(tx, id)? else { return Ok(()) };
    let (kind, status): (String, String) = (row.get("kind")?, row.get("status")?);
    let (payload, error): (Value, Option<String>) = (row.get("payload")?, row.get("last_error")?);
    let does = if status == "failed" { "retry" } else { "show" };
    found.add([Hit {
        kind: "job",
        id: id.to_string(),
        order: payload["order"].as_str().and_then(|order| order.parse().ok()),
        what: error.map_or(kind.clone(), |why| format!("{kind}: {why}")),
        status: Some(status),
        command: format!("makegood jobs {does} {id}"),
    }]);
    Ok(())
}

fn by_email(tx: &mut Tx<'_>, email: &str, found: &mut Found) -> Result<()> {
    for profile in customers::of_email(tx, email, ORDERS)? {
        by_profile(tx, profile.id, found)?;
    }
    found.add(inbox::unsold_to(tx, email)?.iter().map(hit::of_event));
    found.add(ops::users::find(tx, email)?.as_ref().map(hit::of_user));
    found.orders(orders::of_email(tx, email, ORDERS)?);
    Ok(())
}

/// One word may name several things; all of them are found.
fn by_word(tx: &mut Tx<'_>, word: &str, found: &mut Found) -> Result<()> {
    found.add(ops::users::find(tx, word)?.as_ref().map(hit::of_user));
    found.add(catalog::find(tx, word)?.as_ref().map(hit::of_product));
    found.add(inventory::level(tx, word)?.as_ref().map(hit::of_stock));
    found.add(inbox::about(tx, word)?.iter().map(hit::of_event));
    Ok(())
}
