//! The clock and chance as arguments. A room never asks the machine; it asks its `Cx`.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::{Duration, Id, Kind, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Gives chance.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with bytes that nobody can guess (in production) or that a seed decides (in a simulation).
    fn fill(&self, bytes: &mut [u8]);
}

/// What a transaction may know of the world outside: the time, read once, and new ids.
#[derive(Clone)]
pub struct Cx {
    /// When this piece of work began.
    pub now: Timestamp,
    entropy: Arc<dyn Entropy>,
    sequence: Arc<AtomicU64>,
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cx({})", self.now)
    }
}

impl Cx {
    /// A context at `now`, with this source of chance.
    pub fn new(now: Timestamp, entropy: Arc<dyn Entropy>) -> Self {
        Cx { now, entropy, sequence: Arc::new(AtomicU64::new(0)) }
    }

    /// The same source of chance at another time.
    pub fn at(&self, now: Timestamp) -> Self {
        Cx { now, ..self.clone() }
    }

    /// A new id: a UUID of version 7 whose first 48 bits are milliseconds (RFC 9562, section 5.7) and whose
    /// next 12 count upwards, so that ids made one after the other ascend.
    pub fn id<K: Kind>(&self) -> Id<K> {
        Id::from_uuid(self.uuid())
    }

    /// A new UUID of version 7.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0u8; 16];
        self.entropy.fill(&mut bytes[8..]);
        let millis = self.now.millis().max(0) as u64;
        let count = self.sequence.fetch_add(1, Ordering::Relaxed);
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6] = 0x70 | ((count >> 8) & 0x0f) as u8;
        bytes[7] = count as u8;
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes)
    }

    /// Random bytes, for tokens and jitter.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A number from 0 up to, not including, `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        u64::from_le_bytes(self.random()) % limit.max(1)
    }
}

/// A clock that stands still until a test turns it.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `at`.
    pub fn new(at: Timestamp) -> Arc<Self> {
        Arc::new(FixedClock(AtomicI64::new(at.micros())))
    }
    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Chance that a seed decides (SplitMix64, Steele et al. 2014): the same seed gives the same run.
#[derive(Debug)]
pub struct Seeded(Mutex<u64>);

impl Seeded {
    /// From `seed`.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Seeded(Mutex::new(seed)))
    }
    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number from 0 up to, not including, `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_one_after_the_other_ascend() {
        let cx = Cx::new(Timestamp::from_seconds(1_790_000_000), Seeded::new(1));
        let ids: Vec<_> = (0..1000).map(|_| cx.uuid()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids[0].get_version_num(), 7);
    }
}
