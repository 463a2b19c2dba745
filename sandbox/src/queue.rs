//! Things that fall due at a time; what falls due at once comes in the order of its ticket.

use std::collections::BTreeMap;

use kernel::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A queue ordered by due time.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    waiting: BTreeMap<(Timestamp, u64), T>,
    next_ticket: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { waiting: BTreeMap::new(), next_ticket: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, due: Timestamp, thing: T) {
        self.next_ticket += 1;
        self.waiting.insert((due, self.next_ticket), thing);
    }

    /// The first thing that is due by `now`, with the moment at which it fell due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        let first = self.waiting.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((due, _), thing) = first.remove_entry();
        Some((due, thing))
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<T: Serialize> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.waiting.iter().map(|((due, _), thing)| (due, thing)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut queue = Queue::default();
        for (due, thing) in Vec::<(Timestamp, T)>::deserialize(d)? {
            queue.push(due, thing);
        }
        Ok(queue)
    }
}
