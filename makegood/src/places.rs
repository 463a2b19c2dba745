//! Where files, films and pictures lie, made of what is configured. What cannot be made does not stop the start: whoever
//! needs it is told why.

use std::sync::Arc;

use kernel::Entropy;
use storage::{
    CloudflareStream, Cloudinary, Disk, Folder, LocalDisk, LocalMedia, MediaStore, NoMedia, Nowhere, S3Disk,
    S3Media, Secret, Signer, StorageError, Streams, Unusable,
};

use crate::config::Config;
use crate::config::stores::{DiskChoice, MediaChoice, StreamChoice};

/// Below `DATA_DIR`: resources of courses, which are reached by signed links only.
const RESOURCES: &str = "files";
/// Below `DATA_DIR`: pictures of the shop, which everybody may see.
const PICTURES: &str = "media";

/// What makegood serves of its own disk.
#[derive(Debug)]
pub struct Shelves {
    /// Behind signed links.
    pub disk: LocalDisk,
    /// For everybody.
    pub pictures: Folder,
}

impl Shelves {
    /// Those of this configuration, also while other places are configured: links that were given keep working.
    pub fn of(config: &Config, entropy: &Arc<dyn Entropy>) -> Shelves {
        Shelves { disk: local(config, entropy), pictures: pictures(config) }
    }
}

fn local(config: &Config, entropy: &Arc<dyn Entropy>) -> LocalDisk {
    let stores = &config.stores;
    let secret = match &stores.app_key {
        Some(key) => Secret::Given(key.reveal().to_owned()),
        None => Secret::Kept { folder: stores.data_dir.clone(), entropy: entropy.clone() },
    };
    LocalDisk::new(Folder::new(stores.data_dir.join(RESOURCES)), &config.app_url, Signer::new(secret))
}

fn pictures(config: &Config) -> Folder {
    Folder::new(config.stores.data_dir.join(PICTURES))
}

/// Where resources of courses lie.
pub fn disk(config: &Config, entropy: &Arc<dyn Entropy>) -> Arc<dyn Disk> {
    match &config.stores.disk {
        DiskChoice::Local => Arc::new(local(config, entropy)),
        DiskChoice::S3(bucket) => match S3Disk::new(bucket) {
            Ok(disk) => Arc::new(disk),
            Err(error) => Arc::new(unusable(error)),
        },
        DiskChoice::Missing(keys) => Arc::new(Unusable(StorageError::NotConfigured(keys))),
    }
}

/// Where films lie.
pub fn streams(config: &Config) -> Arc<dyn Streams> {
    match &config.stores.streams {
        StreamChoice::None => Arc::new(Nowhere),
        StreamChoice::Cloudflare(stream) => match CloudflareStream::new(stream.clone()) {
            Ok(stream) => Arc::new(stream),
            Err(error) => Arc::new(unusable(error)),
        },
        StreamChoice::Missing(keys) => Arc::new(Unusable(StorageError::NotConfigured(keys))),
    }
}

/// Where pictures of the shop lie.
pub fn media(config: &Config) -> Arc<dyn MediaStore> {
    let broken = |error: StorageError| Arc::new(NoMedia(unusable(error).0)) as Arc<dyn MediaStore>;
    match &config.stores.media {
        MediaChoice::Local => Arc::new(LocalMedia::new(pictures(config), &config.app_url)),
        MediaChoice::S3(bucket, url) => {
            S3Disk::new(bucket).map_or_else(broken, |disk| Arc::new(S3Media::new(disk, url)))
        }
        MediaChoice::Cloudinary(account) => {
            Cloudinary::new(account.clone()).map_or_else(broken, |store| Arc::new(store))
        }
        MediaChoice::Missing(keys) => Arc::new(NoMedia::because(keys)),
    }
}

fn unusable(error: StorageError) -> Unusable {
    tracing::warn!(%error, "a place for files cannot be used");
    Unusable(error)
}
