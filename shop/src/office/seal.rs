//! Chains audit entries a moment after their transactions; see [`ops::chain`].

use db::TxResult;
use kernel::Result;
use ops::chain;

use crate::seam::Seam;

/// Entries that are chained in one transaction.
const BATCH: i64 = 500;

/// Chains every entry that waits for it; says how many those were. Any number of processes may do it at once.
pub async fn seal(seam: &Seam) -> Result<u64> {
    let mut all = 0;
    loop {
        if !seam.db.read("audit.waiting", chain::is_waiting).await? {
            return Ok(all);
        }
        let sealed = seam.db.write("audit.seal", |tx| chain::seal(tx, BATCH)).await.safe_to_repeat()?;
        all += sealed;
        if sealed < BATCH as u64 {
            return Ok(all);
        }
    }
}
