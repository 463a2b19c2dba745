//! Where files and films lie, and links to them that expire. It knows nothing of the shop: who may have a link is decided
//! in the rooms, before anybody asks here.

mod base64;
pub mod cloudinary;
mod disposition;
mod folder;
mod http;
mod key;
mod local;
mod media;
mod s3;
mod signed;
pub mod stream;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use kernel::{Duration, Timestamp};

pub use cloudinary::Cloudinary;
pub use disposition::attachment;
pub use folder::{Folder, Opened};
pub use key::{BadKey, Key};
pub use local::LocalDisk;
pub use media::{LocalMedia, MediaError, MediaStore, NoMedia, Placing, S3Media};
pub use s3::{S3Config, S3Disk};
pub use signed::{Claim, LinkError, SECRET_FILE, Secret, Signer};
pub use stream::CloudflareStream;

/// The answer to come.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Why there is no answer to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Nothing is configured; the text names the keys that would.
    #[error("not configured: {0}")]
    NotConfigured(&'static str),
    /// The other side says no: wrong credentials, no such bucket. Asking again changes nothing.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer, or one that asks to come later.
    #[error("cannot be used now: {0}")]
    Unavailable(String),
}

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its size.
    pub bytes: u64,
    /// What it is, as far as the disk knows.
    pub content_type: Option<String>,
}

/// How a link is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// For how long it works.
    pub ttl: Duration,
    /// Under which name a browser saves the file.
    pub file_name: String,
    /// As what it is served, where the disk shall not guess.
    pub content_type: Option<String>,
}

/// A place for files.
pub trait Disk: Send + Sync {
    /// `local` or `s3`.
    fn name(&self) -> &'static str;
    /// What lies there, if anything does.
    fn head<'a>(&'a self, key: &'a Key) -> Asking<'a, Option<Object>>;
    /// Puts a file there, whole or not at all; one that was there is replaced.
    fn put<'a>(&'a self, key: &'a Key, content_type: &'a str, bytes: Bytes) -> Asking<'a, ()>;
    /// Takes it away; one that is not there is no error.
    fn delete<'a>(&'a self, key: &'a Key) -> Asking<'a, ()>;
    /// Asks whether it would take a file and give it back, as far as that can be seen without leaving anything there.
    fn check(&self) -> Asking<'_, ()> {
        Box::pin(async move {
            let nothing = Key::new(PROBE).map_err(|error| StorageError::Refused(error.to_string()))?;
            self.head(&nothing).await.map(drop)
        })
    }
    /// A link that works for a while. It is made without asking: it does not prove that the file is there.
    ///
    /// # Errors
    /// When the disk is not configured, or cannot sign.
    fn link(&self, key: &Key, link: &Link, now: Timestamp) -> Result<String, StorageError>;
}

/// Nothing is ever put there.
const PROBE: &str = "makegood-check";

/// Where a film is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// The address for an iframe.
    pub url: String,
    /// When it stops working; never where links are not signed.
    pub expires_at: Option<Timestamp>,
}

/// A place for films.
pub trait Streams: Send + Sync {
    /// Whether there is such a film.
    fn exists<'a>(&'a self, video: &'a str) -> Asking<'a, bool>;
    /// Where it is played, from `now` on.
    fn player<'a>(&'a self, video: &'a str, now: Timestamp) -> Asking<'a, Player>;
}

/// Where nothing is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

/// What is configured, and cannot be used for this reason.
#[derive(Debug, Clone)]
pub struct Unusable(pub StorageError);

const NO_DISK: StorageError = StorageError::NotConfigured("COURSE_RESOURCES_DISK");
const NO_STREAMS: StorageError = StorageError::NotConfigured("CF_STREAM_IFRAME_BASE_URL");

fn no<'a, T: Send + 'a>(why: StorageError) -> Asking<'a, T> {
    Box::pin(std::future::ready(Err(why)))
}

impl Disk for Unusable {
    fn name(&self) -> &'static str {
        "none"
    }
    fn head<'a>(&'a self, _: &'a Key) -> Asking<'a, Option<Object>> {
        no(self.0.clone())
    }
    fn put<'a>(&'a self, _: &'a Key, _: &'a str, _: Bytes) -> Asking<'a, ()> {
        no(self.0.clone())
    }
    fn delete<'a>(&'a self, _: &'a Key) -> Asking<'a, ()> {
        no(self.0.clone())
    }
    fn link(&self, _: &Key, _: &Link, _: Timestamp) -> Result<String, StorageError> {
        Err(self.0.clone())
    }
}

impl Streams for Unusable {
    fn exists<'a>(&'a self, _: &'a str) -> Asking<'a, bool> {
        no(self.0.clone())
    }
    fn player<'a>(&'a self, _: &'a str, _: Timestamp) -> Asking<'a, Player> {
        no(self.0.clone())
    }
}

impl Disk for Nowhere {
    fn name(&self) -> &'static str {
        "none"
    }
    fn head<'a>(&'a self, _: &'a Key) -> Asking<'a, Option<Object>> {
        no(NO_DISK)
    }
    fn put<'a>(&'a self, _: &'a Key, _: &'a str, _: Bytes) -> Asking<'a, ()> {
        no(NO_DISK)
    }
    fn delete<'a>(&'a self, _: &'a Key) -> Asking<'a, ()> {
        no(NO_DISK)
    }
    fn link(&self, _: &Key, _: &Link, _: Timestamp) -> Result<String, StorageError> {
        Err(NO_DISK)
    }
}

impl Streams for Nowhere {
    fn exists<'a>(&'a self, _: &'a str) -> Asking<'a, bool> {
        no(NO_STREAMS)
    }
    fn player<'a>(&'a self, _: &'a str, _: Timestamp) -> Asking<'a, Player> {
        no(NO_STREAMS)
    }
}
