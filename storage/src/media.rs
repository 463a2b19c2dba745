//! Where pictures of the shop lie: files that everybody may see, at addresses that stay.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use kernel::Timestamp;

use crate::cloudinary::Diagnosis;
use crate::http::percent_encoded;
use crate::{Disk, Folder, Key, PROBE, S3Disk, StorageError};

/// The answer to come.
pub type Placing<'a, T> = Pin<Box<dyn Future<Output = Result<T, MediaError>> + Send + 'a>>;

/// Why a picture is not where it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The place itself.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Cloudinary refuses, and its own words say why.
    #[error("{0}")]
    Cloudinary(Diagnosis),
}

/// A place for pictures.
pub trait MediaStore: Send + Sync {
    /// `local`, `s3` or `cloudinary`.
    fn name(&self) -> &'static str;
    /// Puts it there, whole or not at all, and says where everybody finds it. The same again changes nothing.
    fn put<'a>(
        &'a self,
        key: &'a Key,
        content_type: &'a str,
        bytes: Bytes,
        now: Timestamp,
    ) -> Placing<'a, String>;
    /// Takes it away; one that is not there is no error.
    fn delete<'a>(&'a self, key: &'a Key, content_type: &'a str, now: Timestamp) -> Placing<'a, ()>;
    /// Asks whether it would take one, and leaves nothing behind. Says what was seen.
    fn check(&self, now: Timestamp) -> Placing<'_, String>;
}

/// Pictures in a folder, which makegood serves at `{APP_URL}/media/…`.
#[derive(Debug)]
pub struct LocalMedia {
    folder: Folder,
    app_url: String,
}

impl LocalMedia {
    /// In this folder, of the shop at `app_url`.
    pub fn new(folder: Folder, app_url: &str) -> LocalMedia {
        LocalMedia { folder, app_url: app_url.trim_end_matches('/').to_owned() }
    }
}

impl MediaStore for LocalMedia {
    fn name(&self) -> &'static str {
        "local"
    }

    fn put<'a>(&'a self, key: &'a Key, _: &'a str, bytes: Bytes, _: Timestamp) -> Placing<'a, String> {
        Box::pin(async move {
            self.folder.blocking(key, move |folder, key| folder.write(key, &bytes)).await?;
            Ok(format!("{}/media/{}", self.app_url, percent_encoded(key.as_str(), b"/")))
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, _: &'a str, _: Timestamp) -> Placing<'a, ()> {
        Box::pin(async move { Ok(self.folder.blocking(key, Folder::remove).await?) })
    }

    fn check(&self, _: Timestamp) -> Placing<'_, String> {
        Box::pin(async move {
            self.folder.check().await?;
            Ok(format!("the folder {} can be written to", self.folder.root().display()))
        })
    }
}

/// Pictures in a bucket that everybody may read.
#[derive(Debug)]
pub struct S3Media {
    disk: S3Disk,
    public_url: String,
}

/// Before every key, so that a bucket may hold other things too.
const FOLDER: &str = "media";

impl S3Media {
    /// In this bucket, which everybody reads at `public_url`.
    pub fn new(disk: S3Disk, public_url: &str) -> S3Media {
        S3Media { disk, public_url: public_url.trim_end_matches('/').to_owned() }
    }
}

fn below(key: &Key) -> Result<Key, StorageError> {
    Key::new(&format!("{FOLDER}/{key}")).map_err(|error| StorageError::Refused(error.to_string()))
}

impl MediaStore for S3Media {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        content_type: &'a str,
        bytes: Bytes,
        _: Timestamp,
    ) -> Placing<'a, String> {
        Box::pin(async move {
            let key = below(key)?;
            self.disk.put(&key, content_type, bytes).await?;
            Ok(format!("{}/{}", self.public_url, percent_encoded(key.as_str(), b"/")))
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, _: &'a str, _: Timestamp) -> Placing<'a, ()> {
        Box::pin(async move { Ok(self.disk.delete(&below(key)?).await?) })
    }

    fn check(&self, _: Timestamp) -> Placing<'_, String> {
        Box::pin(async move {
            let probe = Key::new(PROBE).map_err(|error| StorageError::Refused(error.to_string()))?;
            self.disk.head(&below(&probe)?).await?;
            Ok("the bucket answers to our signature; whether it may be written to shows at the first upload"
                .to_owned())
        })
    }
}

/// Where no place for pictures is configured.
#[derive(Debug, Clone)]
pub struct NoMedia(pub StorageError);

impl NoMedia {
    /// For this reason.
    pub fn because(keys: &'static str) -> NoMedia {
        NoMedia(StorageError::NotConfigured(keys))
    }

    fn no<'a, T: Send + 'a>(&self) -> Placing<'a, T> {
        Box::pin(std::future::ready(Err(self.0.clone().into())))
    }
}

impl MediaStore for NoMedia {
    fn name(&self) -> &'static str {
        "none"
    }
    fn put<'a>(&'a self, _: &'a Key, _: &'a str, _: Bytes, _: Timestamp) -> Placing<'a, String> {
        self.no()
    }
    fn delete<'a>(&'a self, _: &'a Key, _: &'a str, _: Timestamp) -> Placing<'a, ()> {
        self.no()
    }
    fn check(&self, _: Timestamp) -> Placing<'_, String> {
        self.no()
    }
}
