//! Makes the counters of a stock right again after somebody has counted the shelf. The counters and what explains them can
//! have come apart only past this room: by a hand in the database, or a backup.

use db::Tx;
use kernel::{Cx, Error, Result};

use super::adjust::announce;
use super::store;

/// What the books say of one stock, each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// What the counter says is there.
    pub stock_count: i64,
    /// What the ledger sums to.
    pub ledger: i64,
    /// What the counter says is set aside.
    pub reserved_count: i64,
    /// What live reservations sum to.
    pub reserved: i64,
}

impl Books {
    /// Whether both counters are what stands behind them.
    pub fn agree(&self) -> bool {
        self.stock_count == self.ledger && self.reserved_count == self.reserved
    }
}

/// The books of a stock; none when there is no such stock.
pub fn books(tx: &mut Tx<'_>, sku: &str) -> Result<Option<Books>> {
    let Some(level) = store::level(tx, sku)? else { return Ok(None) };
    let (ledger, reserved) = store::sums(tx, sku)?;
    let (stock_count, reserved_count) = (level.stock_count, level.reserved_count);
    Ok(Some(Books { stock_count, ledger, reserved_count, reserved }))
}

/// So many pieces were counted on the shelf: the ledger gets an entry for what it does not explain, the counters become
/// what ledger and reservations say.
///
/// # Errors
/// Refused when fewer pieces were counted than live reservations hold.
pub fn recount(tx: &mut Tx<'_>, cx: &Cx, sku: &str, pieces: i64, by: &str) -> Result<()> {
    store::lock_levels(tx, &[sku.to_owned()])?;
    let books = books(tx, sku)?.ok_or_else(|| Error::not_found("stock", sku))?;
    if pieces < books.reserved {
        return Err(super::adjust::too_few(sku, pieces, books.reserved).into());
    }
    let change = pieces - books.ledger;
    if change != 0 {
        store::write_ledger(tx, cx, &[(sku.to_owned(), change, "manual_correction", by.to_owned())])?;
    }
    store::set_level(tx, cx.now, sku, pieces, books.reserved)?;
    announce(tx, cx, [sku])
}
