//! Files below a folder of this machine. makegood serves them itself, behind links that it signs.

use bytes::Bytes;
use kernel::Timestamp;

use crate::http::percent_encoded;
use crate::{Asking, Disk, Folder, Key, Link, Object, Signer, StorageError};

/// Files below one folder, reached at `{APP_URL}/files/…`.
#[derive(Debug)]
pub struct LocalDisk {
    folder: Folder,
    app_url: String,
    signer: Signer,
}

impl LocalDisk {
    /// Files in `folder`, of the shop at `app_url`.
    pub fn new(folder: Folder, app_url: &str, signer: Signer) -> LocalDisk {
        LocalDisk { folder, app_url: app_url.trim_end_matches('/').to_owned(), signer }
    }

    /// Who signs its links, and knows them again.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Where the files lie.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Disk for LocalDisk {
    fn name(&self) -> &'static str {
        "local"
    }

    fn head<'a>(&'a self, key: &'a Key) -> Asking<'a, Option<Object>> {
        self.folder.blocking(key, |folder, key| {
            Ok(folder.look(key)?.map(|opened| Object { bytes: opened.bytes, content_type: None }))
        })
    }

    fn put<'a>(&'a self, key: &'a Key, _: &'a str, bytes: Bytes) -> Asking<'a, ()> {
        self.folder.blocking(key, move |folder, key| folder.write(key, &bytes))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Asking<'a, ()> {
        self.folder.blocking(key, |folder, key| folder.remove(key))
    }

    fn check(&self) -> Asking<'_, ()> {
        self.folder.check()
    }

    fn link(&self, key: &Key, link: &Link, now: Timestamp) -> Result<String, StorageError> {
        let query = self.signer.query(key, link, now)?;
        Ok(format!("{}/files/{}?{query}", self.app_url, percent_encoded(key.as_str(), b"/")))
    }
}
