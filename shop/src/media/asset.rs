//! A picture as it is known here.

use kernel::{Error, Result, Timestamp};
use serde::Serialize;

use crate::ids::AssetId;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetStatus {
    /// It is being put there, or nobody knows whether it is.
    Pending,
    /// It is there.
    Stored,
    /// It surely is not: the store said no.
    Refused,
    /// Nobody knew for too long, so it was taken away.
    Dropped,
    /// It was there, and was taken away again.
    Removed,
}

impl AssetStatus {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            AssetStatus::Pending => "pending",
            AssetStatus::Stored => "stored",
            AssetStatus::Refused => "refused",
            AssetStatus::Dropped => "dropped",
            AssetStatus::Removed => "removed",
        }
    }

    pub(super) fn parse(text: &str) -> Result<AssetStatus> {
        let all = [
            AssetStatus::Pending,
            AssetStatus::Stored,
            AssetStatus::Refused,
            AssetStatus::Dropped,
            AssetStatus::Removed,
        ];
        let known = all.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| Error::bug(format!("`{text}` is no status of a picture")))
    }
}

/// A picture of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// Where it stands.
    pub status: AssetStatus,
    /// Where everybody finds it, once it is there.
    pub url: Option<String>,
    /// Its size.
    pub bytes: i64,
    /// In pixels, where it is a picture.
    pub width: Option<i64>,
    /// In pixels, where it is a picture.
    pub height: Option<i64>,
    /// What it is.
    pub content_type: String,
    /// Where it lies: `local`, `s3` or `cloudinary`.
    pub disk: String,
    /// Its SHA-256, by which the same picture is known again.
    pub sha256: String,
    /// What its sender called it.
    pub file_name: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Which kind of refusal, like `wrong_secret`.
    pub cause: Option<String>,
    /// Who sent it.
    pub actor: String,
    /// When it first came.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its name on the disk.
    #[serde(skip)]
    pub key: String,
    /// How often it was put there.
    #[serde(skip)]
    pub attempt: i64,
}
