//! A place for pictures that says no as Cloudinary does, when a secret is wrong.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kernel::Timestamp;
use storage::cloudinary::diagnose;
use storage::{Key, MediaError, MediaStore, Placing};

/// The place, and whether its secret is the right one.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    wrong: AtomicBool,
}

impl Pictures {
    /// Somebody rotates the secret there, or puts the new one in here.
    pub(super) fn secret_is_wrong(&self, wrong: bool) {
        self.wrong.store(wrong, Ordering::SeqCst);
    }

    fn signed(&self, now: Timestamp) -> Result<(), MediaError> {
        if !self.wrong.load(Ordering::SeqCst) {
            return Ok(());
        }
        let ours = format!("folder=products&timestamp={}", now.seconds());
        let said = format!("Invalid Signature 0123abcd. String to sign - '{ours}'.");
        Err(MediaError::Cloudinary(diagnose(&said, &ours, "the-secret-before-the-rotation")))
    }
}

impl MediaStore for Pictures {
    fn name(&self) -> &'static str {
        "cloudinary"
    }
    fn put<'a>(&'a self, key: &'a Key, _: &'a str, _: Bytes, now: Timestamp) -> Placing<'a, String> {
        let url = self.signed(now).map(|()| format!("https://pictures.invalid/{key}"));
        Box::pin(std::future::ready(url))
    }
    fn delete<'a>(&'a self, _: &'a Key, _: &'a str, now: Timestamp) -> Placing<'a, ()> {
        Box::pin(std::future::ready(self.signed(now)))
    }
    fn check(&self, now: Timestamp) -> Placing<'_, String> {
        Box::pin(std::future::ready(self.signed(now).map(|()| "the signature is taken".to_owned())))
    }
}
