//! Fetches objects from Stripe as they are now: what an event told of them is only a hint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use jobs::NewJob;
use kernel::{Error, Result, Timestamp};
use stripe::{CallError, Proof, Reading, Target, read_object};

use crate::seam::Seam;

/// Objects that are asked for at once. Stripe allows 25 requests a second in test mode, each takes longer than a tenth.
const AT_ONCE: usize = 3;

/// Why an object is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSeen(pub String);

/// Fetches each of these once. After one call that Stripe limits or does not answer no further is begun: what is missing is
/// asked for later.
pub async fn all(
    seam: &Seam,
    targets: BTreeSet<Target>,
) -> BTreeMap<Target, std::result::Result<Proof, NotSeen>> {
    let stopped = AtomicBool::new(false);
    let one = |target: Target| {
        let stopped = &stopped;
        async move {
            if stopped.load(Ordering::Relaxed) {
                return (target, Err(NotSeen("not asked: the call before was not answered".into())));
            }
            let seen = one(seam, &target).await;
            stopped.fetch_or(matches!(seen, Err(Error::Busy(_) | Error::Unknown(_))), Ordering::Relaxed);
            (target, seen.map_err(|error| NotSeen(error.to_string())))
        }
    };
    stream::iter(targets).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// Fetches one object, with those that stand inside of it.
///
/// # Errors
/// `NotFound` when Stripe has no such object; `Busy` or `Unknown` when it did not answer.
pub async fn one(seam: &Seam, target: &Target) -> Result<Proof> {
    let asked_at = seam.now();
    let object = match seam.stripe.call(target.call()).await {
        Ok(object) => object,
        Err(CallError::Refused(error)) if error.status == 404 => {
            return Err(Error::not_found("object at Stripe", target.id()));
        }
        Err(error) => return Err(error.into()),
    };
    match read_object(&object, asked_at).map_err(|e| Error::Bug(Box::new(e)))? {
        Reading::Proof(proof) => Ok(proof),
        Reading::NotHandled => {
            Err(Error::bug(format!("Stripe answered something else than {}", target.id())))
        }
    }
}

/// The job that fetches an object from Stripe of which only an event has told; handled by the inbox.
pub const FETCH: &str = "stripe.fetch";

/// That job, for this object.
pub fn job(at: Timestamp, target: &Target) -> NewJob {
    let payload = serde_json::json!({ "target": target });
    NewJob { kind: FETCH, key: Some(target.id().to_owned()), payload, run_at: at }
}
