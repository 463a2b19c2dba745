//! Gives stock back when an order ends without being paid, and keeps it while a payment is being decided.

use std::collections::BTreeMap;

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
pub fn release(tx: &mut Tx<'_>, cx: &Cx, orders: &[OrderId], why: Release) -> Result<()> {
    if orders.is_empty() || planted(Defect::StockNotReleased) {
        return Ok(());
    }
    let to = match why {
        Release::Ended => ReservationStatus::Released,
        Release::TimedOut => ReservationStatus::Expired,
    };
    let held = store::lock_reservations(tx, orders)?;
    let (live, rest): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|r| r.status == ReservationStatus::Reserved);
    let taken: Vec<Reservation> =
        rest.into_iter().filter(|r| r.status == ReservationStatus::Confirmed).collect();
    give_back(tx, cx, &live, &taken, to)
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
            give_back(tx, cx, &[r], &[], ReservationStatus::Released)
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

/// `live` was only set aside; `taken` was sold and comes back by a ledger entry. Whoever waits for the stock is told.
fn give_back(
    tx: &mut Tx<'_>,
    cx: &Cx,
    live: &[Reservation],
    taken: &[Reservation],
    to: ReservationStatus,
) -> Result<()> {
    let mut steps: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    live.iter().for_each(|r| steps.entry(r.sku.clone()).or_default().1 -= r.quantity);
    taken.iter().for_each(|r| steps.entry(r.sku.clone()).or_default().0 += r.quantity);
    let ids = |all: &[Reservation]| all.iter().map(|r| r.id).collect::<Vec<ReservationId>>();
    store::move_reservations(tx, cx.now, &ids(live), ReservationStatus::Reserved, to)?;
    store::move_reservations(
        tx,
        cx.now,
        &ids(taken),
        ReservationStatus::Confirmed,
        ReservationStatus::Released,
    )?;
    store::step(tx, cx.now, &steps)?;
    let returns: Vec<(String, i64, &str, String)> =
        taken.iter().map(|r| (r.sku.clone(), r.quantity, "return", r.id.uuid().to_string())).collect();
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
