//! Corrects stock by a ledger entry; never in any other way.

use std::collections::BTreeMap;

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Error, Refusal, Result};

use super::store;

/// No stock holds more pieces: a number beyond it is a mistake, and must not meet the end of what a column holds.
pub(super) const MOST_PIECES: i64 = 1_000_000_000_000;

/// Adds `change` pieces to a stock, or takes them off, with a reason and who is responsible.
///
/// # Errors
/// Refused when pieces would be taken off that are set aside or not there.
pub fn adjust(tx: &mut Tx<'_>, cx: &Cx, sku: &str, change: i64, reason: &str, reference: &str) -> Result<()> {
    let level = store::level(tx, sku)?.ok_or_else(|| Error::not_found("stock", sku))?;
    let done = store::step(tx, cx.now, &BTreeMap::from([(sku.to_owned(), (change, 0))]))?;
    if done != [true] {
        return Err(below_zero(&level, change).into());
    }
    store::write_ledger(tx, cx, &[(sku.to_owned(), change, reason, reference.to_owned())])?;
    if change > 0 { announce(tx, cx, [sku]) } else { Ok(()) }
}

/// Orders may wait for these stocks; they are told by a job, because the inventory knows no orders.
pub(super) fn announce<'a>(tx: &mut Tx<'_>, cx: &Cx, skus: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let job = |sku: &str| NewJob {
        kind: super::STOCK_CAME,
        key: Some(sku.to_owned()),
        payload: serde_json::json!({ "sku": sku }),
        run_at: cx.now,
    };
    jobs::enqueue(tx, cx, skus.into_iter().map(job).collect())
}

/// Takes a stock into the books for the first time; says whether it is new. What is there already is not touched:
/// an import must not undo sales.
pub fn receive_first(tx: &mut Tx<'_>, cx: &Cx, sku: &str, pieces: i64) -> Result<bool> {
    let new = store::insert_sku(tx, cx, sku)?;
    if new && pieces > 0 {
        adjust(tx, cx, sku, pieces, "import", "catalog import")?;
    }
    Ok(new)
}

/// What was counted does not suffice for what is set aside.
pub(super) fn too_few(sku: &str, pieces: i64, reserved: i64) -> Refusal {
    Refusal::new(
        "stock_below_zero",
        format!("{pieces} pieces of {sku} were counted, and {reserved} are set aside for orders"),
    )
    .fix("makegood reservations list --status reserved   (release what nobody will get, then count again)")
}

fn below_zero(level: &super::Level, change: i64) -> Refusal {
    Refusal::new(
        "stock_below_zero",
        format!(
            "{} has {} pieces, {} of them set aside for orders; {change} would leave too few",
            level.sku, level.stock_count, level.reserved_count
        ),
    )
    .fix(format!(
        "makegood reservations list --status reserved   (then adjust by at most -{})",
        level.available
    ))
}
