//! The disk of a drill: names, and nothing behind them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use kernel::Timestamp;
use storage::{Asking, Disk, Key, Link, Object, StorageError};

/// What lies there.
#[derive(Debug, Default)]
pub(super) struct Laid(Mutex<BTreeSet<String>>);

impl Laid {
    /// A file lies there from now on.
    pub(super) fn lay(&self, key: &str) {
        self.keys().insert(key.to_owned());
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Disk for Laid {
    fn name(&self) -> &'static str {
        "drill"
    }
    fn head<'a>(&'a self, key: &'a Key) -> Asking<'a, Option<Object>> {
        let seen = self.keys().contains(key.as_str()).then_some(Object { bytes: 1, content_type: None });
        Box::pin(async move { Ok(seen) })
    }
    fn put<'a>(&'a self, key: &'a Key, _: &'a str, _: Bytes) -> Asking<'a, ()> {
        self.lay(key.as_str());
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, key: &'a Key) -> Asking<'a, ()> {
        self.keys().remove(key.as_str());
        Box::pin(async { Ok(()) })
    }
    fn link(&self, key: &Key, _: &Link, _: Timestamp) -> Result<String, StorageError> {
        Ok(format!("drill:{}", key.as_str()))
    }
}
