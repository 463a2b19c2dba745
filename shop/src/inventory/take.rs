//! Takes stock out for orders that are paid: from their reservations, or, where those ended, from what is left.

use std::collections::BTreeMap;

use db::Tx;
use kernel::planted::{Defect, planted};
use kernel::{Cx, Error, Result};

use super::release::not_live;
use super::{Reservation, ReservationStatus, Want, store};
use crate::ids::{OrderId, ReservationId};

/// Whether an order got its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All pieces are out of stock and in the ledger; perhaps they were before.
    Yes,
    /// The reservation had ended and this stock does not suffice any more.
    OutOfStock {
        /// Which stock.
        sku: String,
    },
}

/// Takes the pieces of each order out. An order whose pieces were taken before keeps them and loses nothing twice.
pub fn take(tx: &mut Tx<'_>, cx: &Cx, wants: &[Want]) -> Result<BTreeMap<OrderId, Taken>> {
    let wants: Vec<&Want> = wants.iter().filter(|want| !want.pieces.is_empty()).collect();
    if wants.is_empty() {
        return Ok(BTreeMap::new());
    }
    let orders: Vec<OrderId> = wants.iter().map(|want| want.order).collect();
    let mut held: BTreeMap<OrderId, Vec<Reservation>> = BTreeMap::new();
    for reservation in store::lock_reservations(tx, &orders)? {
        held.entry(reservation.order_id).or_default().push(reservation);
    }
    let mut sold = Vec::new();
    let mut answers = BTreeMap::new();
    for want in wants {
        let own = held.remove(&want.order).unwrap_or_default();
        answers.insert(want.order, take_one(tx, cx, want, &own, &mut sold)?);
    }
    confirm(tx, cx, &sold)?;
    Ok(answers)
}

/// Live reservations are confirmed together at the end; what has ended is taken anew, one order at a time.
fn take_one(
    tx: &mut Tx<'_>,
    cx: &Cx,
    want: &Want,
    own: &[Reservation],
    sold: &mut Vec<Reservation>,
) -> Result<Taken> {
    let live = own.iter().filter(|r| r.status == ReservationStatus::Reserved);
    let missing = missing(want, own);
    if let Some(sku) = take_anew(tx, cx, want.order, &missing)? {
        return Ok(Taken::OutOfStock { sku });
    }
    sold.extend(live.cloned());
    Ok(Taken::Yes)
}

/// The pieces that are neither set aside for the order nor sold to it.
fn missing(want: &Want, own: &[Reservation]) -> Vec<(String, i64)> {
    let mut covered: BTreeMap<&str, i64> = BTreeMap::new();
    for reservation in own {
        let counts = match reservation.status {
            ReservationStatus::Reserved => true,
            ReservationStatus::Confirmed => !planted(Defect::ReplaySellsTwice),
            ReservationStatus::Released | ReservationStatus::Expired => false,
        };
        if counts {
            *covered.entry(&reservation.sku).or_default() += reservation.quantity;
        }
    }
    want.pieces
        .iter()
        .map(|(sku, quantity)| (sku.clone(), quantity - covered.get(sku.as_str()).copied().unwrap_or(0)))
        .filter(|(_, quantity)| *quantity > 0)
        .collect()
}

/// What [`take`] would say of one order now; nothing is taken.
pub fn foresee(tx: &mut Tx<'_>, want: &Want) -> Result<Taken> {
    let own = store::reservations_of(tx, want.order)?;
    for (sku, quantity) in missing(want, &own) {
        if store::level(tx, &sku)?.is_none_or(|level| level.available < quantity) {
            return Ok(Taken::OutOfStock { sku });
        }
    }
    Ok(Taken::Yes)
}

/// Takes pieces from what is left, all or nothing; names the stock that does not suffice.
fn take_anew(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, pieces: &[(String, i64)]) -> Result<Option<String>> {
    if pieces.is_empty() {
        return Ok(None);
    }
    let skus: Vec<String> = pieces.iter().map(|(sku, _)| sku.clone()).collect();
    let levels = store::lock_levels(tx, &skus)?;
    for (sku, quantity) in pieces {
        if levels.get(sku).is_none_or(|level| level.available < *quantity) {
            return Ok(Some(sku.clone()));
        }
    }
    let new: Vec<Reservation> = pieces
        .iter()
        .map(|(sku, quantity)| Reservation {
            id: cx.id(),
            sku: sku.clone(),
            quantity: *quantity,
            order_id: order,
            status: ReservationStatus::Confirmed,
            expires_at: None,
            created_at: cx.now,
        })
        .collect();
    store::insert_reservations(tx, &new)?;
    let mut steps: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    new.iter().for_each(|r| steps.entry(r.sku.clone()).or_default().0 -= r.quantity);
    must_all(store::step(tx, cx.now, &steps)?)?;
    store::write_ledger(tx, cx, &sales(&new))?;
    Ok(None)
}

fn confirm(tx: &mut Tx<'_>, cx: &Cx, live: &[Reservation]) -> Result<()> {
    let ids: Vec<ReservationId> = live.iter().map(|r| r.id).collect();
    let moved = store::move_reservations(
        tx,
        cx.now,
        &ids,
        ReservationStatus::Reserved,
        ReservationStatus::Confirmed,
    )?;
    must_all(moved)?;
    let mut steps: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for reservation in live {
        let step = steps.entry(reservation.sku.clone()).or_default();
        step.0 -= reservation.quantity;
        step.1 -= reservation.quantity;
    }
    must_all(store::step(tx, cx.now, &steps)?)?;
    store::write_ledger(tx, cx, &sales(live))
}

fn sales(reservations: &[Reservation]) -> Vec<(String, i64, &'static str, String)> {
    let uuid = |r: &Reservation| r.id.uuid().to_string();
    reservations.iter().map(|r| (r.sku.clone(), -r.quantity, "sale", uuid(r))).collect()
}

/// The rows were locked when they were read; one that does not move now breaks I-4, and nothing may be committed.
fn must_all(moved: Vec<bool>) -> Result<()> {
    match moved.contains(&false) {
        true => Err(Error::bug("a locked reservation or stock level changed")),
        false => Ok(()),
    }
}

/// Confirms one live reservation by hand.
pub fn confirm_one(tx: &mut Tx<'_>, cx: &Cx, id: ReservationId) -> Result<()> {
    let found = store::find_reservation(tx, id)?.ok_or_else(|| Error::not_found("reservation", id))?;
    let live = store::lock_reservations(tx, &[found.order_id])?.into_iter().find(|r| r.id == id);
    match live {
        Some(r) if r.status == ReservationStatus::Reserved => confirm(tx, cx, &[r]),
        Some(r) if r.status == ReservationStatus::Confirmed => Ok(()),
        _ => Err(not_live(&found).into()),
    }
}
