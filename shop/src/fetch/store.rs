//! All SQL on `stripe_questions`.

use db::Tx;
use kernel::Result;

/// The next number.
pub(super) fn draw(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one("UPDATE stripe_questions SET last = last + 1 RETURNING last", &[])?.first()
}
