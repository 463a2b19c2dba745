//! What can change both ways: refunds that fail, disputes that are lost and then won.
//!
//! Two records that each only grow stand side by side: the object **as it was fetched** last, and the strongest thing
//! that **events have told**. Both join by taking the greater, so the order in which they come does not matter; what is
//! true now is read out of both.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of a state that can go both ways. `S` sorts from weak to strong, for want of anything better, while
/// Stripe cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub struct Seen<S> {
    /// The state as Stripe showed it, and which question that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<(Asked, S)>,
    /// The strongest state that an event has told, and when Stripe made that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<(S, Timestamp)>,
}

impl<S> Default for Seen<S> {
    fn default() -> Self {
        Seen { fetched: None, told: None }
    }
}

impl<S> Seen<S> {
    /// Whether nothing is known at all.
    pub fn is_unknown(&self) -> bool {
        self.fetched.is_none() && self.told.is_none()
    }
}

/// One question to Stripe, put down before it was asked.
///
/// An object that was asked for under a greater number is not older than what the smaller one was answered with, as long
/// as each number is drawn after the news that makes somebody ask. Numbers come from one place, so that clocks which
/// differ between machines cannot make an old answer look new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// Its number; all questions have different ones, and later ones greater.
    pub ticket: i64,
    /// When, for people, and beside the time of events.
    pub at: Timestamp,
}

/// From where a state is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The object itself, fetched from Stripe in answer to this question.
    Fetched(Asked),
    /// The payload of an event that Stripe made then.
    Told(Timestamp),
}

impl<S: Ord + Clone> Seen<S> {
    /// The first that is known.
    pub fn new(state: S, source: Source) -> Self {
        match source {
            Source::Fetched(asked) => Seen { fetched: Some((asked, state)), told: None },
            Source::Told(at) => Seen { fetched: None, told: Some((state, at)) },
        }
    }

    /// What both prove together.
    pub fn join(self, other: Self) -> Self {
        Seen { fetched: self.fetched.max(other.fetched), told: self.told.max(other.told) }
    }

    /// What is true now, as far as is known: what was fetched, unless an event that is younger tells something stronger.
    pub fn now(&self) -> Option<&S> {
        match (&self.fetched, &self.told) {
            (Some(_), Some((told, _))) if self.is_provisional() => Some(told),
            (Some((_, fetched)), _) => Some(fetched),
            (None, told) => told.as_ref().map(|(told, _)| told),
        }
    }

    /// Whether only an event says so: the object is still to be fetched.
    pub fn is_provisional(&self) -> bool {
        match (&self.fetched, &self.told) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some((asked, fetched)), Some((told, made))) => *made > asked.at && told > fetched,
        }
    }

    /// Which question was answered with the object as it is kept here.
    pub fn asked(&self) -> Option<Asked> {
        self.fetched.as_ref().map(|(asked, _)| *asked)
    }

    /// Whether this says something that an object fetched so may not know of: it was fetched with it or later, or an event
    /// has told of it since.
    pub fn is_news_to(&self, other: Option<Asked>) -> bool {
        let told = self.told.as_ref().map(|(_, made)| *made);
        other.is_none_or(|other| self.asked() >= Some(other) || told > Some(other.at))
    }
}
