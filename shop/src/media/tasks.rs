//! What operators may ask the store of pictures.

use std::ops::Deref;

use kernel::{Error, Result};
use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::upload::{check, test};
use crate::seam::Seam;

/// Ask the store of pictures whether it takes our signature, without uploading anything
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct CheckUpload {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for CheckUpload {
    const NAME: &'static str = "media.upload.check";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            progress.at(0, None, "the store is asked");
            look(seam).await
        })
    }
}

/// Asks; what it answers is no failure of the question.
async fn look(seam: &Seam) -> Result<Done> {
    let disk = seam.media.name();
    match check(&*seam.media, seam.now()).await {
        Ok(seen) => Ok(Done::new(json!({ "object": "media_check", "disk": disk, "ok": true, "seen": seen }))),
        Err((cause, Error::Refused(refusal))) => {
            let answer = json!({
                "object": "media_check", "disk": disk, "ok": false, "code": refusal.code,
                "cause": cause.unwrap_or("unreachable"), "seen": refusal.why, "fix": refusal.fix,
            });
            Ok(Done::new(answer).findings(1))
        }
        Err((_, error)) => Err(error),
    }
}

/// Upload a picture of one pixel as any other is uploaded, and take it away again
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct TestUpload {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for TestUpload {
    const NAME: &'static str = "media.upload.test";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect =
        Effect::Changes(Changing { audit: "media_upload_tested", risk: Risk::Safe, role: Role::Operator });

    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            progress.at(0, None, "a picture is uploaded and taken away");
            let asset = test(seam, by.actor.clone()).await?;
            Ok(Done::new(json!({
                "object": "media_test", "disk": asset.disk, "ok": true,
                "seen": format!("{} has taken a picture and given it up again", asset.disk),
            })))
        })
    }
}
