//! Puts a picture where everybody sees it. The row is written first, then the file is put there, then the row says so: a
//! crash in between leaves nothing that has no name here, and the job takes away what nobody knows about.

use bytes::Bytes;
use db::{Tx, TxResult};
use jobs::{Claimed, Fate, NewJob};
use kernel::{Cx, Duration, Error, Refusal, Result};
use ops::Actor;
use ops::audit::{self, Entry};
use serde_json::json;
use sha2::{Digest, Sha256};
use storage::{Key, MediaError, MediaStore, StorageError};

use super::asset::{Asset, AssetStatus};
use super::{judge, store};
use crate::ids::AssetId;
use crate::seam::Seam;

/// The job that looks after a picture whose upload may not have ended.
pub const SETTLE: &str = "media.settle";
/// No upload takes so long.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What somebody wants to upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The file.
    pub bytes: Bytes,
    /// What it is said to be, where anything is said.
    pub content_type: Option<String>,
    /// What its sender calls it.
    pub file_name: Option<String>,
    /// Who sends it.
    pub actor: Actor,
    /// The request that carried it.
    pub request_id: Option<String>,
}

/// Stores a picture; the same one again is the same, and is put in its place again.
///
/// # Errors
/// `media_type_refused` and `media_too_large` for what is not taken, before anything is written; `CLOUDINARY_ERROR` and
/// `media_store_error` when it cannot be stored.
pub async fn upload(seam: &Seam, upload: Upload) -> Result<Asset> {
    let picture = judge(&upload.bytes, upload.content_type.as_deref())?;
    let (cx, disk) = (seam.cx(), seam.media.name());
    if disk == "none" {
        // Its own words name the keys; no row is made for what can go nowhere.
        let why = seam.media.check(cx.now).await.err();
        let why = why.unwrap_or(StorageError::NotConfigured("MEDIA_DISK").into());
        return Err(told(disk, &why));
    }
    let id: AssetId = cx.id();
    let (width, height) =
        (picture.pixels.map(|(w, _)| i64::from(w)), picture.pixels.map(|(_, h)| i64::from(h)));
    let wanted = Asset {
        id,
        status: AssetStatus::Pending,
        url: None,
        bytes: upload.bytes.len() as i64,
        width,
        height,
        content_type: picture.kind.content_type().to_owned(),
        disk: disk.to_owned(),
        sha256: Sha256::digest(&upload.bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        file_name: upload.file_name.as_deref().map(short),
        last_error: None,
        cause: None,
        actor: upload.actor.name.clone(),
        created_at: cx.now,
        updated_at: cx.now,
        key: format!("{}.{}", id.uuid().simple(), picture.kind.ending()),
        attempt: 1,
    };
    let begun = seam.db.write("media.begin", move |tx| begin(tx, &cx, &wanted)).await.safe_to_repeat()?;
    // One that was stored before is put there again: its file may be lost, and who sends it again wants it to be there.
    let key = Key::new(&begun.key).map_err(|error| Error::Bug(Box::new(error)))?;
    match seam.media.put(&key, &begun.content_type, upload.bytes, seam.now()).await {
        Ok(url) => stored(seam, begun, url, upload.actor, upload.request_id).await,
        Err(error) => not_stored(seam, begun, &error).await,
    }
}

/// A name is kept for people; a path is not.
fn short(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn begin(tx: &mut Tx<'_>, cx: &Cx, wanted: &Asset) -> Result<Asset> {
    if store::insert(tx, wanted)? {
        let job = NewJob {
            kind: SETTLE,
            key: Some(wanted.id.to_string()),
            payload: json!({ "picture": wanted.id }),
            run_at: cx.now + PATIENCE,
        };
        jobs::enqueue(tx, cx, vec![job])?;
        return Ok(wanted.clone());
    }
    let there = store::same(tx, &wanted.sha256, &wanted.disk)?;
    let there = there.ok_or_else(|| Error::Busy("the same picture was given up at this moment".into()))?;
    if there.status == AssetStatus::Pending {
        store::again(tx, cx.now, there.id)?;
        return store::must(store::find(tx, there.id)?, there.id);
    }
    Ok(there)
}

async fn stored(
    seam: &Seam,
    asset: Asset,
    url: String,
    actor: Actor,
    request_id: Option<String>,
) -> Result<Asset> {
    let cx = seam.cx();
    let stored = seam.db.write("media.stored", move |tx| {
        if store::stored(tx, cx.now, asset.id, &url)? {
            let data = json!({ "disk": asset.disk, "content_type": asset.content_type, "bytes": asset.bytes,
                "sha256": asset.sha256, "file_name": asset.file_name });
            let mut entry = Entry::new("media_uploaded", actor.clone(), "media", asset.id).with(data);
            entry.request_id = request_id.clone();
            audit::record(tx, &cx, vec![entry])?;
        }
        store::must(store::find(tx, asset.id)?, asset.id)
    });
    let asset = stored.await.safe_to_repeat()?;
    match asset.status {
        AssetStatus::Stored => Ok(asset),
        // The upload took longer than anybody waits, and was given up meanwhile.
        AssetStatus::Pending | AssetStatus::Refused | AssetStatus::Dropped | AssetStatus::Removed => {
            Err(Error::Busy("the upload took too long and was given up; send it again".into()))
        }
    }
}

async fn not_stored(seam: &Seam, asset: Asset, error: &MediaError) -> Result<Asset> {
    let (why, cause, now) = (error.to_string(), cause(error), seam.now());
    let (told, seen) = (told(&asset.disk, error), asset);
    seam.db
        .write("media.not_stored", move |tx| match cause {
            Some(cause) => store::refused(tx, now, &seen, &why, cause),
            // The answer was lost: it may be there. It is put there again, or taken away later.
            None => store::unanswered(tx, seen.id, &why),
        })
        .await
        .safe_to_repeat()?;
    Err(told)
}

/// Which kind of refusal; none where nobody knows what became of the file.
fn cause(error: &MediaError) -> Option<&'static str> {
    match error {
        MediaError::Cloudinary(diagnosis) => Some(diagnosis.cause.as_str()),
        MediaError::Storage(StorageError::NotConfigured(_)) => Some("not_configured"),
        MediaError::Storage(StorageError::Refused(_)) => Some("refused"),
        MediaError::Storage(StorageError::Unavailable(_)) => None,
    }
}

/// In the words of the door: Cloudinary's have a code of their own.
pub(super) fn told(disk: &str, error: &MediaError) -> Error {
    let code = if disk == "cloudinary" { "CLOUDINARY_ERROR" } else { "media_store_error" };
    let fix = match error {
        MediaError::Cloudinary(diagnosis) => diagnosis.fix,
        MediaError::Storage(StorageError::Unavailable(_)) => "try again in a while; nothing is stored twice",
        MediaError::Storage(_) => "makegood media upload check",
    };
    Refusal::new(code, error.to_string()).fix(fix).into()
}

/// Does the job: gives up what was not heard of for long, and takes away what may have been put there.
pub(super) async fn settle(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let id = job.payload["picture"].as_str().unwrap_or_default();
    let id: AssetId = id.parse().map_err(|e: kernel::IdParseError| Error::Bug(Box::new(e)))?;
    let asset = seam.db.read("media.find", move |tx| store::find(tx, id)).await?;
    let Some(asset) = asset else { return Ok(Fate::Done) };
    match asset.status {
        AssetStatus::Stored | AssetStatus::Refused | AssetStatus::Removed => return Ok(Fate::Done),
        AssetStatus::Pending => {
            let (due, seen, now) = (asset.updated_at + PATIENCE, asset.clone(), seam.now());
            if now < due {
                return Ok(Fate::Later(due));
            }
            let dropped = seam.db.write("media.drop", move |tx| store::dropped(tx, now, &seen));
            if !dropped.await.safe_to_repeat()? {
                return Ok(Fate::Later(now + PATIENCE));
            }
        }
        // Given up before, and perhaps not taken away.
        AssetStatus::Dropped => {}
    }
    if asset.disk != seam.media.name() {
        let why = format!("{} lies on the disk {}, and MEDIA_DISK is another now", asset.key, asset.disk);
        return Ok(Fate::Failed(why));
    }
    let key = Key::new(&asset.key).map_err(|error| Error::Bug(Box::new(error)))?;
    match seam.media.delete(&key, &asset.content_type, seam.now()).await {
        Ok(()) => Ok(Fate::Done),
        Err(error) => Ok(Fate::Failed(error.to_string())),
    }
}

/// Whether the store would take a picture.
pub(super) async fn check(
    store: &dyn MediaStore,
    now: kernel::Timestamp,
) -> Result<String, (Option<&'static str>, Error)> {
    store.check(now).await.map_err(|error| (cause(&error), told(store.name(), &error)))
}

/// Uploads a picture of one pixel by the way of every other, and takes it away again.
pub(super) async fn test(seam: &Seam, actor: Actor) -> Result<Asset> {
    let content_type = Some("image/gif".to_owned());
    // A comment with the time and chance makes it one that was never there before.
    let mut bytes = b"GIF89a\x01\0\x01\0\0\0\0!\xfe\x20".to_vec();
    bytes.extend(seam.cx().uuid().simple().to_string().bytes());
    bytes.extend(b"\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;");
    let file_name = Some("makegood media upload test".to_owned());
    let wanted = Upload { bytes: bytes.into(), content_type, file_name, actor, request_id: None };
    let asset = upload(seam, wanted).await?;
    let key = Key::new(&asset.key).map_err(|error| Error::Bug(Box::new(error)))?;
    let deleted = seam.media.delete(&key, &asset.content_type, seam.now()).await;
    deleted.map_err(|error| told(&asset.disk, &error))?;
    let (now, id) = (seam.now(), asset.id);
    seam.db.write("media.removed", move |tx| store::removed(tx, now, id)).await.safe_to_repeat()?;
    Ok(asset)
}
