//! Events in which nothing was ours are looked at again when an order has learned that their payment is its own, and when
//! what their session sold is known to stand for something here.

use db::TxResult;
use jobs::{Claimed, Fate};
use kernel::{Error, Result};

use super::{receive, store};
use crate::seam::Seam;

/// Does that job: what was ignored about these payments is due again. Whatever is still not ours is ignored once more.
pub async fn run(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let intents: Vec<String> =
        serde_json::from_value(job.payload["intents"].clone()).map_err(|e| Error::Bug(Box::new(e)))?;
    let now = seam.now();
    seam.db
        .write("inbox.wake_ignored", move |tx| {
            tx.wake(receive::TOPIC);
            store::wake_ignored(tx, now, &intents)
        })
        .await
        .safe_to_repeat()?;
    Ok(Fate::Done)
}

/// Does the job that tells of a price at Stripe which stands for one of ours now: what was sold by it is due again.
pub async fn mapped(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let price = job.payload["price"].as_str().unwrap_or_default().to_owned();
    let now = seam.now();
    seam.db
        .write("inbox.wake_unsold", move |tx| {
            tx.wake(receive::TOPIC);
            store::wake_unsold(tx, now, &price)
        })
        .await
        .safe_to_repeat()?;
    Ok(Fate::Done)
}
