//! How often a denial is written down. The audit log is for ever and everybody may be denied, so a stranger could fill it: of
//! many alike the first of a minute is written, and the next one says how many there were between. This file decides by
//! plain values only.

use std::collections::BTreeMap;

use kernel::{Duration, Timestamp};

/// Alike are denials of one kind to one asker for one thing; of those whom nobody knows, to one address.
const ALIKE: Duration = Duration::from_secs(60);
/// Who is unknown comes from as many addresses as they like: so many entries a minute for all of them together.
const MOST_UNKNOWN: u64 = 30;
/// So many are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// What was denied lately.
#[derive(Debug, Default)]
pub struct Quiet {
    seen: BTreeMap<String, Seen>,
    unknown_since: Option<Timestamp>,
    unknown: u64,
    /// Denials of unknown askers that were not written down, since the last one that was.
    untold: u64,
}

#[derive(Debug)]
struct Seen {
    since: Timestamp,
    untold: u64,
}

/// Whether nobody knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Somebody,
    Nobody,
}

impl Quiet {
    /// Whether this denial is written down, and then how many alike were not since the last one that was.
    pub(super) fn tell(&mut self, key: String, asks: Asks, now: Timestamp) -> Option<u64> {
        if self.seen.len() >= MOST_REMEMBERED {
            self.seen.retain(|_, seen| now.since(seen.since) < ALIKE);
        }
        if self.seen.len() >= MOST_REMEMBERED {
            self.seen.clear();
        }
        let mut before = 0;
        if let Some(seen) = self.seen.get_mut(&key) {
            if now.since(seen.since) < ALIKE {
                seen.untold += 1;
                return None;
            }
            before = seen.untold;
        }
        if asks == Asks::Nobody {
            if self.unknown_since.is_none_or(|since| now.since(since) >= ALIKE) {
                (self.unknown_since, self.unknown) = (Some(now), 0);
            }
            if self.unknown >= MOST_UNKNOWN {
                self.untold += 1;
                return None;
            }
            self.unknown += 1;
            before += std::mem::take(&mut self.untold);
        }
        self.seen.insert(key, Seen { since: now, untold: 0 });
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn later(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn of_many_alike_the_first_is_written_and_the_next_minute_says_how_many_there_were() {
        let mut quiet = Quiet::default();
        let mut tell = |key: &str, at| quiet.tell(key.to_owned(), Asks::Somebody, at);
        assert_eq!(tell("ada a", NOW), Some(0));
        for second in 1..10 {
            assert_eq!(tell("ada a", later(second)), None);
        }
        assert_eq!(tell("ada b", later(9)), Some(0));
        assert_eq!(tell("ada a", later(60)), Some(9));
        assert_eq!(tell("ada a", later(200)), Some(0));
    }

    #[test]
    fn strangers_from_a_million_addresses_write_thirty_entries_a_minute() {
        let mut quiet = Quiet::default();
        let mut written = 0;
        for address in 0..1_000_000 {
            written +=
                u64::from(quiet.tell(address.to_string(), Asks::Nobody, later(address / 100_000)).is_some());
        }
        assert_eq!(written, MOST_UNKNOWN);
        assert_eq!(quiet.tell("another".into(), Asks::Nobody, later(61)), Some(1_000_000 - MOST_UNKNOWN));
        // Whom we know is still heard.
        assert_eq!(quiet.tell("ada".into(), Asks::Somebody, later(5)), Some(0));
        assert!(quiet.seen.len() <= MOST_REMEMBERED);
    }
}
