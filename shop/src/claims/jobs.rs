//! The background steps: telling a buyer that their order is confirmed, sending a guest a new link, and links to sign in.

use ::jobs::{Claimed as Job, Fate, NewJob};
use db::TxResult;
use kernel::{Error, Result, Timestamp};

use super::{sign_in, tell};
use crate::ids::OrderId;
use crate::orders;
use crate::seam::Seam;

/// The job that sends a guest a new link to their purchase.
pub const LINK: &str = "claims.link";

/// That job, for the link of this number.
pub(super) fn link(at: Timestamp, order: OrderId, number: i64) -> NewJob {
    let payload = serde_json::json!({ "order": order, "number": number });
    NewJob { kind: LINK, key: Some(link_key(order, number)), payload, run_at: at }
}

/// Each link has a job of its own, so that each that was asked for is made.
pub(super) fn link_key(order: OrderId, number: i64) -> String {
    format!("{order}:{number}")
}

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
    let link = job.payload["number"].as_i64();
    let tell = seam.db.write("claims.tell", move |tx| match link {
        None => tell::confirmed(tx, &cx, order, &app_url, is_mailed),
        Some(number) => tell::new_link(tx, &cx, order, number, &app_url),
    });
    // Each thing is told once, by the key of its mail.
    tell.await.safe_to_repeat()?;
    Ok(Fate::Done)
}
