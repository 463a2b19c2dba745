//! A disk and a player's service in memory, which tests fill, empty and silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use kernel::{Duration, Timestamp};
use storage::{Asking, Disk, Key, Link, Object, Player, StorageError, Streams};

/// A disk in memory. Its links say everything that they were made of.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    objects: Mutex<BTreeMap<Key, Object>>,
    silent: Mutex<bool>,
}

impl MemoryDisk {
    /// Puts something of this size there.
    pub fn lay(&self, key: &str, bytes: u64) {
        let object = Object { bytes, content_type: None };
        lock(&self.objects).insert(Key::new(key).expect("a key"), object);
    }
    /// Takes it away.
    pub fn lose(&self, key: &str) {
        lock(&self.objects).remove(&Key::new(key).expect("a key"));
    }
    /// From now on it does not answer, or answers again.
    pub fn silence(&self, silent: bool) {
        *lock(&self.silent) = silent;
    }
    fn asked<T>(&self, answer: impl FnOnce(&mut BTreeMap<Key, Object>) -> T) -> Result<T, StorageError> {
        match *lock(&self.silent) {
            true => Err(StorageError::Unavailable("the disk is silent".into())),
            false => Ok(answer(&mut lock(&self.objects))),
        }
    }
}

impl Disk for MemoryDisk {
    fn name(&self) -> &'static str {
        "memory"
    }
    fn head<'a>(&'a self, key: &'a Key) -> Asking<'a, Option<Object>> {
        Box::pin(async move { self.asked(|objects| objects.get(key).cloned()) })
    }
    fn put<'a>(&'a self, key: &'a Key, content_type: &'a str, bytes: Bytes) -> Asking<'a, ()> {
        let object = Object { bytes: bytes.len() as u64, content_type: Some(content_type.to_owned()) };
        Box::pin(async move { self.asked(|objects| drop(objects.insert(key.clone(), object))) })
    }
    fn delete<'a>(&'a self, key: &'a Key) -> Asking<'a, ()> {
        Box::pin(async move { self.asked(|objects| drop(objects.remove(key))) })
    }
    fn link(&self, key: &Key, link: &Link, now: Timestamp) -> Result<String, StorageError> {
        let until = (now + link.ttl).millis() / 1000;
        Ok(format!("memory:{}?name={}&expires={until}", key.as_str(), link.file_name))
    }
}

/// A player's service in memory.
#[derive(Debug, Default)]
pub struct MemoryStreams {
    films: Mutex<BTreeSet<String>>,
}

impl MemoryStreams {
    /// There is such a film from now on.
    pub fn lay(&self, film: &str) {
        lock(&self.films).insert(film.to_owned());
    }
}

impl Streams for MemoryStreams {
    fn exists<'a>(&'a self, video: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { Ok(lock(&self.films).contains(video)) })
    }
    fn player<'a>(&'a self, video: &'a str, now: Timestamp) -> Asking<'a, Player> {
        let expires_at = Some(now + Duration::from_secs(3600));
        Box::pin(
            async move { Ok(Player { url: format!("https://player.invalid/{video}/iframe"), expires_at }) },
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
