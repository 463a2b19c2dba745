//! The checkout's background steps.

use jobs::{Claimed, Fate};
use kernel::{Error, Result};
use stripe::key_trouble;

use super::close::Closing;
use crate::ids::OrderId;
use crate::orders::{CLOSE_SESSION, SYNC_SESSION};
use crate::seam::Seam;

/// The job that opens a checkout whose request did not live to do it.
pub const OPEN: &str = "checkout.open";

/// Does a job of the checkout; `None` when it is not one.
pub async fn run(seam: &Seam, job: &Claimed) -> Option<Result<Fate>> {
    match job.kind.as_str() {
        OPEN => Some(open(seam, job).await),
        CLOSE_SESSION => Some(close(seam, job).await),
        SYNC_SESSION => Some(sync(seam, job).await),
        _ => None,
    }
}

async fn open(seam: &Seam, job: &Claimed) -> Result<Fate> {
    match super::open(seam, order(job)?).await {
        // Once the key is mended it is asked again, until the time of the checkout is over.
        Err(error) if key_trouble(&error).is_some() => Err(error),
        // A refusal has released everything; a checkout that is over needs no page.
        Ok(_) | Err(Error::Refused(_) | Error::NotFound { .. }) => Ok(Fate::Done),
        Err(error) => Err(error),
    }
}

async fn close(seam: &Seam, job: &Claimed) -> Result<Fate> {
    super::close(seam, order(job)?).await.map(fate)
}

async fn sync(seam: &Seam, job: &Claimed) -> Result<Fate> {
    super::sync(seam, order(job)?).await.map(fate)
}

fn fate(closing: Closing) -> Fate {
    match closing {
        Closing::Done => Fate::Done,
        Closing::At(at) => Fate::Later(at),
    }
}

fn order(job: &Claimed) -> Result<OrderId> {
    let text = job.payload["order"].as_str().unwrap_or_default();
    text.parse().map_err(|e: kernel::IdParseError| Error::Bug(Box::new(e)))
}
