//! The store refuses pictures. This file decides by what it said of the newest upload; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::media::AssetStatus;
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "media-upload-signature",
    title: "Pictures cannot be uploaded: Cloudinary calls the signature invalid, or the store says no",
    symptom: "An upload of a picture is answered with 503 and CLOUDINARY_ERROR; on another machine it works.",
    seed: &[
        Quote {
            from: "seed 004, Admin media upload: Cloudinary \"Invalid Signature\"",
            text: "API returns `CLOUDINARY_ERROR` with message like \"Invalid Signature ... String to sign - 'folder=...&timestamp=...'\".",
        },
        Quote {
            from: "seed 004, Admin media upload: Cloudinary \"Invalid Signature\"",
            text: "Ensure no leading/trailing spaces or line breaks.",
        },
    ],
    rows: &["E12", "E13"],
    checks: &["media_upload_refused", "media_pending_old"],
    alerts: &[],
    looks: &[],
    subject: "the picture, or the word `all`",
    about: About::Other(|facts| facts.picture.is_some() || facts.asked == "all"),
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["media.upload.test"],
    pick,
};

const REPLY: &str = "Pictures cannot be uploaded at the moment. Orders and downloads are not touched by it.";
const TEST: &[&str] = &["media.upload.test"];

const CAUSES: &[Cause] = &[
    broken(
        "wrong_secret",
        "Cloudinary signed the same text as we did, so CLOUDINARY_API_SECRET is not the secret of this API key; after a rotation it is the old one. Copy it from Settings → API Keys, restart, and try an upload.",
        TEST,
        REPLY,
    ),
    broken(
        "stray_whitespace",
        "CLOUDINARY_API_SECRET holds white space, a line break or quotes that no secret has. Set it again without them, restart, and try an upload.",
        TEST,
        REPLY,
    ),
    broken(
        "other_parameters",
        "Cloudinary signed other parameters than we sent: something on the way changes requests, or CLOUDINARY_API_BASE leads elsewhere.",
        TEST,
        REPLY,
    ),
    broken(
        "wrong_account",
        "Cloudinary does not know this API key in this cloud. Compare CLOUDINARY_CLOUD_NAME and CLOUDINARY_API_KEY with its dashboard.",
        TEST,
        REPLY,
    ),
    broken("clock", "This machine's clock is more than an hour off. Set it, and try an upload.", TEST, REPLY),
    broken(
        "store_refused",
        "The store says no for another reason; its words stand in the finding. MEDIA_DISK and its keys are where to look.",
        TEST,
        REPLY,
    ),
    broken(
        "unanswered",
        "The answer to an upload was lost, and the file was not taken away for an hour: no worker runs, or the store does not answer. A worker takes it away as soon as both do.",
        &[],
        REPLY,
    ),
    fine(
        "works_again",
        "The newest upload was taken.",
        "Pictures can be uploaded. If yours was refused before, please send it again.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some((asset, works)) = &facts.picture else {
        return Picked::new("works_again", "no upload was refused");
    };
    let said = asset.last_error.as_deref().unwrap_or("nothing was said");
    if *works {
        return Picked::new(
            "works_again",
            format!("an upload to {} was taken after {}", asset.disk, asset.id),
        );
    }
    let cause = match (asset.status, asset.cause.as_deref()) {
        (AssetStatus::Stored | AssetStatus::Removed | AssetStatus::Dropped, _) => {
            return Picked::new("works_again", format!("{} is {}", asset.id, asset.status.as_str()));
        }
        (AssetStatus::Pending, _) => return Picked::new("unanswered", format!("{}: {said}", asset.id)),
        (AssetStatus::Refused, Some("wrong_secret")) => "wrong_secret",
        (AssetStatus::Refused, Some("stray_whitespace")) => "stray_whitespace",
        (AssetStatus::Refused, Some("other_parameters")) => "other_parameters",
        (AssetStatus::Refused, Some("wrong_account")) => "wrong_account",
        (AssetStatus::Refused, Some("clock")) => "clock",
        (AssetStatus::Refused, _) => "store_refused",
    };
    Picked::new(cause, said.to_owned()).mend(Mend {
        operation: "media.upload.test",
        input: json!({}),
        command: "makegood media upload test".to_owned(),
    })
}
