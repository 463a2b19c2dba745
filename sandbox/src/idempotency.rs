//! Idempotency keys as Stripe keeps them: for a day, with the answer, even when that answer was a 500.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use crate::form;

/// How long a key protects.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// An answer that was given under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) fingerprint: u64,
    pub(crate) status: u16,
    /// As text, because most are never asked for again.
    pub(crate) body: String,
    /// The id of the request that was executed.
    pub(crate) request: String,
    /// Until then the answer is still on its way, and another request under the key is refused.
    #[serde(default)]
    pub(crate) under_way_until: Option<Timestamp>,
}

/// What a key means for a request that bears it.
pub(crate) enum Seen<'a> {
    /// Never seen, or longer ago than a day.
    Never,
    /// The first request still runs.
    UnderWay,
    /// Answered already.
    Before(&'a Kept),
    /// Seen with other parameters.
    WithOtherParameters,
}

/// All keys of the last day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    answers: BTreeMap<String, Kept>,
    by_age: VecDeque<(Timestamp, String)>,
}

impl Keys {
    pub(crate) fn seen(&mut self, key: &str, fingerprint: u64, now: Timestamp) -> Seen<'_> {
        self.forget_old(now);
        match self.answers.get(key) {
            None => Seen::Never,
            Some(kept) if kept.under_way_until.is_some_and(|until| now < until) => Seen::UnderWay,
            Some(kept) if kept.fingerprint == fingerprint => Seen::Before(kept),
            Some(_) => Seen::WithOtherParameters,
        }
    }

    pub(crate) fn keep(&mut self, key: &str, answer: Kept, now: Timestamp) {
        self.answers.insert(key.to_owned(), answer);
        self.by_age.push_back((now, key.to_owned()));
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.by_age.pop_front_if(|(at, _)| *at + KEPT <= now) {
            self.answers.remove(&key);
        }
    }
}

/// A number that differs for different requests (FNV-1a, 64 bits). Neither the order of parameters counts nor how they
/// are escaped.
pub(crate) fn fingerprint(method: &str, path: &str, body: &[u8]) -> u64 {
    let mut pairs: Vec<(String, String)> = form::pairs(body).collect();
    pairs.sort_unstable();
    let parts = [method, path].into_iter().chain(pairs.iter().flat_map(|(name, value)| [&**name, &**value]));
    // No text holds this byte, so that it ends each of them.
    let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
