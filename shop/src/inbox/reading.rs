//! How Stripe's list of events is read: back to when, and whether a reading that was cut off goes on. This file decides.

use kernel::{Duration, Timestamp};
use uuid::Uuid;

/// An event may appear in the list so much later than the time that it bears.
pub(super) const LAG: Duration = Duration::from_secs(2 * 60);
/// Now and then a reading looks back so far: for what appeared later still, and for clocks that differ.
pub(super) const OVERLAP: Duration = Duration::from_secs(60 * 60);
/// So often.
const LOOK_BACK_EVERY: Duration = Duration::from_secs(3 * 60);
/// How long Stripe shows an event.
pub(super) const SHOWN: Duration = Duration::from_secs(30 * 24 * 3600);
/// From here on it is time to say that events are about to leave the list.
const NEARLY: Duration = Duration::from_secs(27 * 24 * 3600);

/// Who reads. Each has a place of its own in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Goes on where the last reading began.
    Schedule,
    /// Reads what a person asks for.
    Hand,
}

impl Reader {
    /// As stored.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reader::Schedule => "schedule",
            Reader::Hand => "hand",
        }
    }
}

/// What is known of the readings of one reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// The newest event of those that came to their end: nothing older is missing, but for what appears late.
    pub(super) newest_created: Option<Timestamp>,
    /// When the last of them began.
    pub(super) finished_at: Option<Timestamp>,
    /// When the last of them began that looked back.
    pub(super) looked_back_at: Option<Timestamp>,
    /// The one that was cut off.
    pub(super) cut_off: Option<Part>,
}

/// A reading and how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Back to when it reads.
    pub(super) since: Timestamp,
    /// When it began: what is newer it has not seen.
    pub(super) began_at: Timestamp,
    /// The newest event that it has seen.
    pub(super) newest_seen: Option<Timestamp>,
    /// The last event of its last page; what comes next is older.
    pub(super) older_than: Option<String>,
}

/// A reading that is to be done, or done further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// Who reads.
    pub(super) reader: Reader,
    /// Under which name it holds its place.
    pub(super) holder: Uuid,
    /// How far it is.
    pub(super) part: Part,
    /// It goes on with one that was cut off: what came since then is not in it.
    pub(super) goes_on: bool,
    /// It looks back for what appeared late.
    pub(super) looks_back: bool,
    /// When the last one that came to its end began.
    pub(super) finished_at: Option<Timestamp>,
}

impl Readings {
    /// What to read now. `wanted` is what a person asks for; `first` is back to when the very first reading goes.
    pub(super) fn next(
        &self,
        reader: Reader,
        holder: Uuid,
        now: Timestamp,
        wanted: Option<Timestamp>,
        first: Timestamp,
    ) -> Reading {
        let looks_back = self.looked_back_at.is_none_or(|at| now.since(at) >= LOOK_BACK_EVERY);
        let overlap = if looks_back { OVERLAP } else { LAG };
        let known = self.newest_created.map(|newest| newest - overlap);
        let since = wanted.or(known).unwrap_or(first);
        // One that had begun and reaches as far goes on, and only as far as it is needed.
        let goes_on = |part: &&Part| part.older_than.is_some() && part.since <= since;
        let cut_off = self.cut_off.as_ref().filter(goes_on);
        let (goes_on, part) = match cut_off {
            Some(part) => (true, Part { since, ..part.clone() }),
            None => (false, Part { since, began_at: now, newest_seen: None, older_than: None }),
        };
        Reading { reader, holder, part, goes_on, looks_back, finished_at: self.finished_at }
    }
}

impl Reading {
    /// The newest event when it has come to its end. A clock of Stripe's that is ahead of ours must not hide what comes.
    pub(super) fn newest_created(&self) -> Option<Timestamp> {
        self.part.newest_seen.map(|newest| newest.min(self.part.began_at))
    }

    /// Since when nobody may have heard of events: since what a person says, or since the list was last read.
    pub(super) fn deaf_since(&self) -> Option<Timestamp> {
        match self.reader {
            Reader::Hand => Some(self.part.since),
            Reader::Schedule => self.finished_at,
        }
    }
}

/// What has to be said when events from then on are wanted: Stripe does not keep them for ever.
pub(super) fn warning(now: Timestamp, since: Timestamp) -> Option<String> {
    let day = |at: Timestamp| at.to_string()[..10].to_owned();
    if now.since(since) > SHOWN {
        return Some(format!(
            "Stripe shows events for 30 days, and none from before {}; run `makegood reconcile`, which compares with \
             Stripe's objects, whatever their age",
            day(now - SHOWN)
        ));
    }
    (now.since(since) > NEARLY).then(|| {
        format!(
            "Stripe shows events for 30 days: those of {} leave its list on {}; do not wait with this",
            day(since),
            day(since + SHOWN)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_176_000);
    const FIRST: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn minutes_ago(minutes: u64) -> Timestamp {
        NOW - Duration::from_secs(minutes * 60)
    }

    fn next(readings: &Readings, wanted: Option<Timestamp>) -> Reading {
        readings.next(Reader::Schedule, Uuid::nil(), NOW, wanted, FIRST)
    }

    fn cut_off(since: Timestamp) -> Part {
        let older_than = Some("evt_9".to_owned());
        Part { since, began_at: minutes_ago(30), newest_seen: Some(minutes_ago(31)), older_than }
    }

    #[test]
    fn the_first_reading_goes_back_to_the_beginning() {
        let reading = next(&Readings::default(), None);
        assert_eq!((reading.part.since, reading.part.began_at), (FIRST, NOW));
        assert!(reading.looks_back && !reading.goes_on);
    }

    #[test]
    fn a_reading_overlaps_with_the_one_before_and_now_and_then_with_more() {
        let known = Readings { newest_created: Some(minutes_ago(10)), ..Readings::default() };
        let looked = |minutes| Readings { looked_back_at: Some(minutes_ago(minutes)), ..known.clone() };
        assert_eq!(next(&known, None).part.since, minutes_ago(70));
        assert_eq!(next(&looked(3), None).part.since, minutes_ago(70));
        assert_eq!(next(&looked(2), None).part.since, minutes_ago(12));
    }

    #[test]
    fn what_was_cut_off_goes_on_when_it_reaches_as_far_and_no_farther_than_it_is_wanted() {
        let readings = Readings { cut_off: Some(cut_off(minutes_ago(600))), ..Readings::default() };
        let nearer = next(&readings, Some(minutes_ago(500)));
        assert!(nearer.goes_on);
        assert_eq!(nearer.part, Part { since: minutes_ago(500), ..cut_off(minutes_ago(600)) });
        let farther = next(&readings, Some(minutes_ago(700)));
        assert!(!farther.goes_on);
        assert_eq!((farther.part.older_than, farther.part.began_at), (None, NOW));
    }

    #[test]
    fn a_clock_that_is_ahead_hides_nothing() {
        let mut reading = next(&Readings::default(), None);
        reading.part.newest_seen = Some(NOW + Duration::from_secs(3600));
        assert_eq!(reading.newest_created(), Some(NOW));
    }

    #[test]
    fn what_leaves_stripes_list_is_said_beforehand_and_what_has_left_it_afterwards() {
        let days = |days: u64| NOW - Duration::from_secs(days * 24 * 3600);
        assert_eq!(warning(NOW, days(27)), None);
        let near = warning(NOW, days(28)).unwrap();
        assert!(near.contains("those of 2026-10-23 leave its list on 2026-11-22"), "{near}");
        assert!(warning(NOW, days(30)).unwrap().contains("leave its list on 2026-11-20"));
        let gone = warning(NOW, days(31)).unwrap();
        assert!(
            gone.contains("none from before 2026-10-21") && gone.contains("`makegood reconcile`"),
            "{gone}"
        );
    }
}
