//! Gives and takes back as orders say, and takes back by an operator's hand.

use std::collections::BTreeMap;

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::Actor;
use ops::audit::{self, Entry};

use super::store::{self, NewGrant};
use super::{Holder, Source};
use crate::ids::{OrderId, ProfileId};

/// What a confirmed order brings to its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Which order.
    pub order: OrderId,
    /// For whom.
    pub holder: Holder,
    /// To what.
    pub product: String,
    /// What made the order confirmed: an event, an operator.
    pub cause: Actor,
}

/// Hands over what confirmed orders bring. Writes one audit entry for each.
pub fn hand_over(tx: &mut Tx<'_>, cx: &Cx, handovers: &[Handover]) -> Result<()> {
    if handovers.is_empty() {
        return Ok(());
    }
    let key = |handover: &Handover| (handover.holder.key(), handover.product.clone());
    let wanted: BTreeMap<_, _> = handovers.iter().map(|h| (key(h), h.holder.profile())).collect();
    let ids = store::activate(tx, cx, &wanted)?;
    let mut grants = Vec::with_capacity(handovers.len());
    for handover in handovers {
        let id = ids.get(&key(handover)).ok_or_else(|| Error::bug("an entitlement was not written"))?;
        grants.push(NewGrant {
            entitlement: *id,
            order: Some(handover.order),
            source: Source::Order,
            actor: &handover.cause.name,
            reason: "order confirmed",
        });
    }
    store::insert_grants(tx, cx, &grants)?;
    let entries = handovers.iter().map(|h| {
        Entry::new("entitlement_granted", h.cause.clone(), "product", &h.product)
            .order(h.order)
            .because(Some("order confirmed"))
            .with(serde_json::json!({ "holder": h.holder.key() }))
    });
    audit::record(tx, cx, entries.collect())?;
    Ok(())
}

/// Hands over what an order brings that had gone back before: grants that were returned count again, missing ones are made.
/// What an operator has revoked meanwhile stays revoked.
pub fn hand_over_again(tx: &mut Tx<'_>, cx: &Cx, handovers: &[Handover]) -> Result<()> {
    for handover in handovers {
        let known = store::find(tx, handover.holder, &handover.product)?;
        let granted = match &known {
            Some(entitlement) => store::is_granted_by(tx, entitlement.id, handover.order)?,
            None => false,
        };
        if !granted {
            hand_over(tx, cx, std::slice::from_ref(handover))?;
        }
    }
    let orders: Vec<(OrderId, Actor)> = handovers.iter().map(|h| (h.order, h.cause.clone())).collect();
    turn(
        tx,
        cx,
        &orders,
        Turn {
            from: &["returned"],
            to: "active",
            audit: "entitlement_granted",
            why: "the money is ours again",
        },
    )
}

/// The orders' payments are disputed: what they granted does not count until the bank has decided.
pub fn suspend(tx: &mut Tx<'_>, cx: &Cx, orders: &[(OrderId, Actor)]) -> Result<()> {
    turn(
        tx,
        cx,
        orders,
        Turn {
            from: &["active"],
            to: "suspended",
            audit: "entitlement_suspended",
            why: "the payment is disputed",
        },
    )
}

/// The disputes ended well: exactly what was suspended counts again.
pub fn restore(tx: &mut Tx<'_>, cx: &Cx, orders: &[(OrderId, Actor)]) -> Result<()> {
    turn(
        tx,
        cx,
        orders,
        Turn {
            from: &["suspended"],
            to: "active",
            audit: "entitlement_restored",
            why: "no dispute is open any more",
        },
    )
}

/// The money went back: what these orders granted goes back too. What other orders or operators granted stays.
pub fn take_back(tx: &mut Tx<'_>, cx: &Cx, orders: &[(OrderId, Actor)]) -> Result<()> {
    turn(
        tx,
        cx,
        orders,
        Turn {
            from: &["active", "suspended"],
            to: "returned",
            audit: "entitlement_revoked",
            why: "the money went back",
        },
    )
}

/// What was changed past its grants follows them again: access that is granted comes back, access that is not ends.
pub fn follow_grants(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, cause: &Actor) -> Result<()> {
    let mut entries = Vec::new();
    for found in store::contradicted_of_order(tx, order)? {
        store::follow_grants(tx, cx, found.id)?;
        let kind = if found.active { "entitlement_revoked" } else { "entitlement_restored" };
        let entry = Entry::new(kind, cause.clone(), "product", &found.product_id);
        entries.push(entry.order(order).because(Some("its grants say so")));
    }
    audit::record(tx, cx, entries).map(drop)
}

/// What a guest's order has granted to nobody yet goes to this profile, each grant as it stands.
pub fn claim(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, profile: ProfileId) -> Result<()> {
    for guests in store::of_guest(tx, order)? {
        let holder = Holder::Profile(profile);
        let wanted = BTreeMap::from([((holder.key(), guests.product_id.clone()), Some(profile))]);
        let ids = store::activate(tx, cx, &wanted)?;
        let own = ids.into_values().next().ok_or_else(|| Error::bug("an entitlement was not written"))?;
        store::move_grants(tx, guests.id, own)?;
        store::follow_grants(tx, cx, own)?;
    }
    Ok(())
}

/// A step of the grants of some orders.
struct Turn {
    from: &'static [&'static str],
    to: &'static str,
    audit: &'static str,
    why: &'static str,
}

fn turn(tx: &mut Tx<'_>, cx: &Cx, orders: &[(OrderId, Actor)], turn: Turn) -> Result<()> {
    let mut entries = Vec::new();
    for (order, cause) in orders {
        for product in store::turn(tx, cx, *order, turn.from, turn.to)? {
            let entry = Entry::new(turn.audit, cause.clone(), "product", &product);
            entries.push(entry.order(*order).because(Some(turn.why)));
        }
    }
    audit::record(tx, cx, entries).map(drop)
}

/// Takes an entitlement back, whatever granted it. The runner writes the audit entry.
pub fn revoke(tx: &mut Tx<'_>, cx: &Cx, holder: Holder, product: &str) -> Result<()> {
    let found = store::find(tx, holder, product)?
        .ok_or_else(|| Error::not_found("entitlement", format!("{} to {product}", holder.key())))?;
    store::revoke(tx, cx, found.id)
}
