//! All SQL on `media_assets`.

use db::{Row, Tx, Value};
use kernel::{Error, Result, Timestamp};

use super::asset::{Asset, AssetStatus};
use crate::ids::AssetId;

/// Writes a new one, unless the same is there or on its way; says whether it did.
pub(super) fn insert(tx: &mut Tx<'_>, asset: &Asset) -> Result<bool> {
    let made = tx.execute(
        "INSERT INTO media_assets (id, status, disk, key, content_type, bytes, width, height, sha256, file_name, attempt,
           actor, created_at, updated_at)
         VALUES ($1, 'pending', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (sha256, disk) WHERE status IN ('pending', 'stored') DO NOTHING",
        &[
            asset.id.into(),
            asset.disk.clone().into(),
            asset.key.clone().into(),
            asset.content_type.clone().into(),
            asset.bytes.into(),
            asset.width.into(),
            asset.height.into(),
            asset.sha256.clone().into(),
            asset.file_name.clone().into(),
            asset.attempt.into(),
            asset.actor.clone().into(),
            asset.created_at.into(),
            asset.updated_at.into(),
        ],
    )?;
    Ok(made == 1)
}

/// The one with these bytes on this disk that is there, or on its way.
pub(super) fn same(tx: &mut Tx<'_>, sha256: &str, disk: &str) -> Result<Option<Asset>> {
    let sql =
        "SELECT * FROM media_assets WHERE sha256 = $1 AND disk = $2 AND status IN ('pending', 'stored')";
    tx.query_opt(sql, &[sha256.into(), disk.into()])?.as_ref().map(read).transpose()
}

/// Another attempt at one that is on its way.
pub(super) fn again(tx: &mut Tx<'_>, now: Timestamp, id: AssetId) -> Result<()> {
    let sql =
        "UPDATE media_assets SET attempt = attempt + 1, updated_at = $1 WHERE id = $2 AND status = 'pending'";
    tx.execute(sql, &[now.into(), id.into()])?;
    Ok(())
}

/// It is there, says the store.
pub(super) fn stored(tx: &mut Tx<'_>, now: Timestamp, id: AssetId, url: &str) -> Result<bool> {
    let sql = "UPDATE media_assets SET status = 'stored', url = $1, last_error = NULL, cause = NULL, updated_at = $2
               WHERE id = $3 AND status = 'pending'";
    Ok(tx.execute(sql, &[url.into(), now.into(), id.into()])? == 1)
}

/// It is not, says the store; unless another attempt has begun meanwhile.
pub(super) fn refused(tx: &mut Tx<'_>, now: Timestamp, seen: &Asset, why: &str, cause: &str) -> Result<()> {
    let sql = "UPDATE media_assets SET status = 'refused', last_error = $1, cause = $2, updated_at = $3
               WHERE id = $4 AND status = 'pending' AND attempt = $5";
    tx.execute(sql, &[why.into(), cause.into(), now.into(), seen.id.into(), seen.attempt.into()])?;
    Ok(())
}

/// Nobody knows, and this is why.
pub(super) fn unanswered(tx: &mut Tx<'_>, id: AssetId, why: &str) -> Result<()> {
    let sql = "UPDATE media_assets SET last_error = $1 WHERE id = $2 AND status = 'pending'";
    tx.execute(sql, &[why.into(), id.into()])?;
    Ok(())
}

/// Gives one up that was not heard of since `seen`.
pub(super) fn dropped(tx: &mut Tx<'_>, now: Timestamp, seen: &Asset) -> Result<bool> {
    let sql = "UPDATE media_assets SET status = 'dropped', updated_at = $1
               WHERE id = $2 AND status = 'pending' AND attempt = $3";
    Ok(tx.execute(sql, &[now.into(), seen.id.into(), seen.attempt.into()])? == 1)
}

/// It was there, and was taken away again.
pub(super) fn removed(tx: &mut Tx<'_>, now: Timestamp, id: AssetId) -> Result<()> {
    let sql = "UPDATE media_assets SET status = 'removed', url = NULL, updated_at = $1 WHERE id = $2 AND status = 'stored'";
    tx.execute(sql, &[now.into(), id.into()])?;
    Ok(())
}

/// One of them.
pub fn find(tx: &mut Tx<'_>, id: AssetId) -> Result<Option<Asset>> {
    tx.query_opt("SELECT * FROM media_assets WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    status: Option<&str>,
    before: Option<AssetId>,
    limit: i64,
) -> Result<Vec<Asset>> {
    let mut params: Vec<Value> = vec![limit.into()];
    let mut conditions = String::from("1 = 1");
    if let Some(status) = status {
        params.push(status.into());
        conditions.push_str(&format!(" AND status = ${}", params.len()));
    }
    if let Some(before) = before {
        params.push(before.into());
        conditions.push_str(&format!(" AND id < ${}", params.len()));
    }
    let sql = format!("SELECT * FROM media_assets WHERE {conditions} ORDER BY id DESC LIMIT $1");
    tx.query(&sql, &params)?.iter().map(read).collect()
}

/// On their way since before this moment.
pub(super) fn pending_since(tx: &mut Tx<'_>, before: Timestamp, most: i64) -> Result<Vec<Asset>> {
    let sql = "SELECT * FROM media_assets WHERE status = 'pending' AND created_at < $1 ORDER BY created_at LIMIT $2";
    tx.query(sql, &[before.into(), most.into()])?.iter().map(read).collect()
}

/// Refused after this moment, the newest first.
pub(super) fn refused_since(tx: &mut Tx<'_>, after: Timestamp, most: i64) -> Result<Vec<Asset>> {
    let sql = "SELECT * FROM media_assets WHERE status = 'refused' AND updated_at > $1 ORDER BY updated_at DESC LIMIT $2";
    tx.query(sql, &[after.into(), most.into()])?.iter().map(read).collect()
}

/// Whether anything was stored on this disk after this moment.
pub(super) fn works_since(tx: &mut Tx<'_>, disk: &str, after: Timestamp) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM media_assets WHERE status IN ('stored', 'removed') AND disk = $1 AND updated_at > $2";
    Ok(tx.count(sql, &[disk.into(), after.into()])? > 0)
}

fn read(row: &Row) -> Result<Asset> {
    Ok(Asset {
        id: row.get("id")?,
        status: AssetStatus::parse(&row.get::<String>("status")?)?,
        url: row.get("url")?,
        bytes: row.get("bytes")?,
        width: row.get("width")?,
        height: row.get("height")?,
        content_type: row.get("content_type")?,
        disk: row.get("disk")?,
        sha256: row.get("sha256")?,
        file_name: row.get("file_name")?,
        last_error: row.get("last_error")?,
        cause: row.get("cause")?,
        actor: row.get("actor")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        key: row.get("key")?,
        attempt: row.get("attempt")?,
    })
}

/// The picture with this id, and whether its disk has taken another one since.
pub fn newest(tx: &mut Tx<'_>, id: &str) -> Result<Option<(Asset, bool)>> {
    let Ok(id) = id.parse::<AssetId>() else { return Ok(None) };
    let Some(asset) = find(tx, id)? else { return Ok(None) };
    let works = works_since(tx, &asset.disk, asset.updated_at)?;
    Ok(Some((asset, works)))
}

/// That a picture is not there can only be a mistake: its id came from us.
pub(super) fn must(found: Option<Asset>, id: AssetId) -> Result<Asset> {
    found.ok_or_else(|| Error::not_found("picture", id))
}
