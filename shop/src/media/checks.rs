//! What must be true of pictures.

use kernel::Duration;
use ops::{Check, Found, Severity};

use super::store;

/// The pictures' checks.
pub const CHECKS: [Check; 2] = [PENDING_OLD, REFUSED];

/// How long an upload may be on its way.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Nobody mends what was refused before.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

const PENDING_OLD: Check = Check {
    name: "media_pending_old",
    severity: Severity::Ticket,
    must: "no upload of a picture is on its way for an hour",
    means: "The answer to an upload was lost, and the job that takes such a file away has not done so: no worker runs, or \
            the store does not answer. makegood media upload check asks it.",
    find: |tx, now, most| {
        let old = store::pending_since(tx, now - PATIENCE, most)?;
        Ok(old
            .into_iter()
            .map(|asset| Found {
                subject: asset.id.to_string(),
                text: format!(
                    "{} on {}{}",
                    asset.key,
                    asset.disk,
                    asset.last_error.map_or(String::new(), |why| format!(": {why}"))
                ),
                since: Some(asset.created_at),
                mend: None,
            })
            .collect())
    },
};

const REFUSED: Check = Check {
    name: "media_upload_refused",
    severity: Severity::Ticket,
    must: "the newest upload of a picture was not refused by the store",
    means: "Pictures cannot be uploaded: the store refuses them, and its words say why. makegood media upload check asks it \
            without uploading anything; the finding ends with the next upload that works.",
    find: |tx, now, most| {
        // The newest of each disk stands for all.
        let mut found: Vec<Found> = Vec::new();
        let mut disks: Vec<String> = Vec::new();
        for asset in store::refused_since(tx, now - A_DAY, most)? {
            if disks.contains(&asset.disk) {
                continue;
            }
            disks.push(asset.disk.clone());
            if !store::works_since(tx, &asset.disk, asset.updated_at)? {
                found.push(Found {
                    subject: asset.id.to_string(),
                    text: asset.last_error.unwrap_or_else(|| "refused".to_owned()),
                    since: Some(asset.updated_at),
                    mend: None,
                });
            }
        }
        Ok(found)
    },
};
