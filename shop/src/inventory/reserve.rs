//! Sets stock aside for orders, many at once: whoever asks first gets it.

use std::collections::BTreeMap;

use db::Tx;
use kernel::planted::{Defect, planted};
use kernel::{Cx, Result, Timestamp};

use super::{Reservation, ReservationStatus, Want, store};

/// Whether an order got what it wants. All or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// All of it is set aside.
    Yes,
    /// This stock has only so many left.
    OutOfStock {
        /// Which stock.
        sku: String,
        /// How many pieces are available.
        available: i64,
    },
}

/// Sets aside what each order wants, in the order of asking, until `expires_at`. The levels are locked once for the
/// whole batch, so a thousand buyers of one article queue up instead of fighting over its row.
pub fn reserve(tx: &mut Tx<'_>, cx: &Cx, wants: &[Want], expires_at: Timestamp) -> Result<Vec<Reserved>> {
    let skus: Vec<String> =
        wants.iter().flat_map(|want| want.pieces.iter().map(|(sku, _)| sku.clone())).collect();
    if skus.is_empty() {
        return Ok(vec![Reserved::Yes; wants.len()]);
    }
    let mut available: BTreeMap<String, i64> =
        store::lock_levels(tx, &skus)?.into_iter().map(|(sku, level)| (sku, level.available)).collect();
    let mut steps: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut reservations = Vec::new();
    let mut answers = Vec::with_capacity(wants.len());
    for want in wants {
        let answer = fits(&available, want);
        if answer == Reserved::Yes {
            for (sku, quantity) in &want.pieces {
                if !planted(Defect::ReservedNotCounted) {
                    *available.entry(sku.clone()).or_default() -= quantity;
                    steps.entry(sku.clone()).or_default().1 += quantity;
                }
                reservations.push(set_aside(cx, want, sku, *quantity, expires_at));
            }
        }
        answers.push(answer);
    }
    let done = store::step(tx, cx.now, &steps)?;
    if done.contains(&false) {
        return Err(kernel::Error::bug("a locked stock level changed"));
    }
    store::insert_reservations(tx, &reservations)?;
    Ok(answers)
}

fn fits(available: &BTreeMap<String, i64>, want: &Want) -> Reserved {
    for (sku, quantity) in &want.pieces {
        let left = available.get(sku).copied().unwrap_or(0);
        if left < *quantity {
            return Reserved::OutOfStock { sku: sku.clone(), available: left };
        }
    }
    Reserved::Yes
}

fn set_aside(cx: &Cx, want: &Want, sku: &str, quantity: i64, expires_at: Timestamp) -> Reservation {
    Reservation {
        id: cx.id(),
        sku: sku.to_owned(),
        quantity,
        order_id: want.order,
        status: ReservationStatus::Reserved,
        expires_at: Some(expires_at),
        created_at: cx.now,
    }
}
