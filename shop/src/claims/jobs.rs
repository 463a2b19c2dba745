//! The background steps: telling a buyer that their order is confirmed, sending a guest a new link, and links to sign in.

use ::jobs::{Claimed as Job, Fate};
use db::TxResult;
use kernel::{Error, Result};

use super::{sign_in, tell};
use crate::ids::OrderId;
use crate::orders;
use crate::seam::Seam;

/// The job that sends a guest a new link to their purchase.
pub const LINK: &str = "claims.link";

/// Does the job, if it is one of this room's.
pub(crate) async fn run(seam: &Seam, job: &Job) -> Option<Result<Fate>> {
    match job.kind.as_str() {
        orders::CONFIRMED | LINK => Some(told(seam, job).await),
        sign_in::SIGN_IN => Some(sign_in::sent(seam, job).await),
        _ => None,
    }
}

async fn told(seam: &Seam, job: &Job) -> Result<Fate> {
    let order: OrderId = job.payload["order"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|e: kernel::IdParseError| Error::Bug(Box::new(e)))?;
    let (cx, app_url, is_mailed) = (seam.cx(), seam.settings.app_url.clone(), seam.mailer.is_there());
    let confirmed = job.kind == orders::CONFIRMED;
    let tell = seam.db.write("claims.tell", move |tx| match confirmed {
        true => tell::confirmed(tx, &cx, order, &app_url, is_mailed),
        false => tell::new_link(tx, &cx, order, &app_url),
    });
    // Each thing is told once, by the key of its mail.
    tell.await.safe_to_repeat()?;
    Ok(Fate::Done)
}
