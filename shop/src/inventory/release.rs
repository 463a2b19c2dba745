//! Gives stock back when an order ends without being paid, and keeps it while a payment is being decided.

use std::collections::{BTreeMap, BTreeSet};

use db::Tx;
use kernel::planted::{Defect, planted};
use kernel::{Cx, Error, Refusal, Result};

use super::adjust::announce;
use super::{Reservation, ReservationStatus, store};
use crate::ids::{OrderId, ReservationId};

/// Why stock is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The order ended.
    Ended,
    /// Nobody paid in time.
    TimedOut,
}

/// Gives back everything that is set aside for these orders, and returns what was taken out for them by a ledger
/// entry. What was given back before stays given back.
pub fn release(tx: &mut Tx<'_>, cx: &Cx, orders: &[(OrderId, Release)]) -> Result<()> {
    if orders.is_empty() || planted(Defect::StockNotReleased) {
        return Ok(());
    }
    let late: BTreeSet<OrderId> =
        orders.iter().filter(|(_, why)| *why == Release::TimedOut).map(|(order, _)| *order).collect();
    let ids: Vec<OrderId> = orders.iter().map(|(order, _)| *order).collect();
    let mut back = GivenBack::default();
    for held in store::lock_reservations(tx, &ids)? {
        match held.status {
            ReservationStatus::Reserved if late.contains(&held.order_id) => back.expired.push(held),
            ReservationStatus::Reserved => back.let_go.push(held),
            ReservationStatus::Confirmed => back.returned.push(held),
            ReservationStatus::Released | ReservationStatus::Expired => {}
        }
    }
    give_back(tx, cx, &back)
}

/// Gives back what one live reservation holds, and nothing else of its order.
///
/// # Errors
/// Refused when it was sold or has ended; what was let go before stays let go.
pub fn release_one(tx: &mut Tx<'_>, cx: &Cx, id: ReservationId) -> Result<()> {
    let found = store::find_reservation(tx, id)?.ok_or_else(|| Error::not_found("reservation", id))?;
    let now = store::lock_reservations(tx, &[found.order_id])?.into_iter().find(|r| r.id == id);
    match now {
        Some(r) if r.status == ReservationStatus::Reserved => {
            give_back(tx, cx, &GivenBack { let_go: vec![r], ..GivenBack::default() })
        }
        Some(r) if r.status == ReservationStatus::Released => Ok(()),
        _ => Err(not_live(&found).into()),
    }
}

/// Only a live reservation can be confirmed or let go.
pub(super) fn not_live(found: &Reservation) -> Refusal {
    Refusal::new("reservation_not_live", format!("reservation {} is {}", found.id, found.status.as_str()))
        .fix(format!("makegood orders confirm {}", found.order_id))
}

/// Reservations that end, by how.
#[derive(Default)]
struct GivenBack {
    /// Only set aside, for an order that ended.
    let_go: Vec<Reservation>,
    /// Only set aside, and not paid in time.
    expired: Vec<Reservation>,
    /// Sold; comes back by a ledger entry.
    returned: Vec<Reservation>,
}

/// Whoever waits for the stock is told.
fn give_back(tx: &mut Tx<'_>, cx: &Cx, back: &GivenBack) -> Result<()> {
    use ReservationStatus::{Confirmed, Expired, Released, Reserved};
    let mut steps: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (held, from, to) in [
        (&back.let_go, Reserved, Released),
        (&back.expired, Reserved, Expired),
        (&back.returned, Confirmed, Released),
    ] {
        for r in held {
            let (counted, reserved) = steps.entry(r.sku.clone()).or_default();
            match from {
                Confirmed => *counted += r.quantity,
                _ => *reserved -= r.quantity,
            }
        }
        let ids: Vec<ReservationId> = held.iter().map(|r| r.id).collect();
        store::move_reservations(tx, cx.now, &ids, from, to)?;
    }
    store::step(tx, cx.now, &steps)?;
    let returns: Vec<(String, i64, &str, String)> = back
        .returned
        .iter()
        .map(|r| (r.sku.clone(), r.quantity, "return", r.id.uuid().to_string()))
        .collect();
    store::write_ledger(tx, cx, &returns)?;
    announce(tx, cx, steps.keys().map(String::as_str))
}

/// Keeps what is set aside for these orders until their payment is decided: a bank debit takes days.
pub fn hold(tx: &mut Tx<'_>, cx: &Cx, orders: &[OrderId]) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    store::keep_until_decided(tx, cx.now, orders)
}
