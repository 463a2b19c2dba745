//! What a text that was read means: decides whether a value may take the place of the one that counts. Plain values only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kernel::{Duration, Timestamp};
use stripe::{ApiKey, Secret};

use crate::config::check_signing_secret;

/// More than a careful roll ever has at once; a signature is compared with each.
const MOST: usize = 8;

/// Why a value that was read does not come to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be one.
    Wrong(String),
    /// It would change what this shop is.
    AnotherShop(String),
}

impl Refused {
    pub(super) fn told(&self) -> &str {
        match self {
            Refused::Wrong(why) | Refused::AnotherShop(why) => why,
        }
    }
}

/// An API key that may take the place of another: of the same mode. Whether it is of the same account, only Stripe knows.
pub(super) fn successor(text: &str, livemode: bool) -> Result<ApiKey, Refused> {
    let key = ApiKey::new(text).map_err(|error| Refused::Wrong(error.to_string()))?;
    match (livemode, key.is_live()) {
        (true, true) | (false, false) => Ok(key),
        (was_live, _) => {
            let (from, to) = if was_live { ("live", "test") } else { ("test", "live") };
            Err(Refused::AnotherShop(format!(
                "the new key is of {to} mode and the one in use of {from} mode; a change of mode needs a restart"
            )))
        }
    }
}

/// Whether two accounts, as far as they are known, are one.
pub(super) fn same_account(known: Option<&str>, new: Option<&str>) -> Result<(), Refused> {
    match (known, new) {
        (Some(known), Some(new)) if known != new => Err(Refused::AnotherShop(format!(
            "the new key is of the account {new} and the one in use of {known}; another account needs a restart, and a \
             database of its own"
        ))),
        _ => Ok(()),
    }
}

/// As what a signing secret counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It is what its place holds.
    Current,
    /// It is what Secrets Manager calls the one before.
    Previous,
    /// It was replaced, and counts until then.
    Until(Timestamp),
}

/// One signing secret that counts.
#[derive(Debug)]
pub(super) struct Signing {
    pub(super) secret: Secret,
    pub(super) fingerprint: String,
    pub(super) stands: Stands,
    /// Since when it counts here.
    pub(super) since: Timestamp,
    /// When it matched last, in microseconds; zero for never.
    matched: Arc<AtomicI64>,
}

impl Signing {
    pub(super) fn matched_at(&self) -> Option<Timestamp> {
        match self.matched.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        }
    }
}

/// The signing secrets that count at one time.
#[derive(Debug, Default)]
pub(super) struct Roll {
    pub(super) all: Vec<Signing>,
    /// The same, as the signature is compared with them.
    pub(super) secrets: Vec<Secret>,
}

impl Roll {
    fn of(all: Vec<Signing>) -> Roll {
        let secrets = all.iter().map(|signing| signing.secret.clone()).collect();
        Roll { all, secrets }
    }

    /// The one at `index` has just matched.
    pub(super) fn matched(&self, index: usize, now: Timestamp) {
        if let Some(signing) = self.all.get(index) {
            signing.matched.fetch_max(now.micros(), Ordering::Relaxed);
        }
    }

    /// What counts after `current` and `previous` were read. What counted until now goes on for `overlap`: Stripe signs with
    /// the old secret for up to a day, and what it signed a moment ago is still on its way.
    pub(super) fn next(
        &self,
        current: Vec<Secret>,
        previous: Vec<Secret>,
        now: Timestamp,
        overlap: Duration,
    ) -> Roll {
        let mut all: Vec<Signing> = Vec::new();
        let read = current.into_iter().map(|secret| (secret, Stands::Current));
        let read = read.chain(previous.into_iter().map(|secret| (secret, Stands::Previous)));
        let replaced = self.all.iter().filter_map(|signing| {
            let until = match signing.stands {
                Stands::Until(until) => until,
                Stands::Current | Stands::Previous => now + overlap,
            };
            (now < until).then(|| (signing.secret.clone(), Stands::Until(until)))
        });
        for (secret, stands) in read.chain(replaced) {
            if all.len() < MOST && all.iter().all(|known| known.secret != secret) {
                all.push(self.carried(secret, stands, now));
            }
        }
        Roll::of(all)
    }

    /// Without those whose time is over; `None` when there are none.
    pub(super) fn without_the_old(&self, now: Timestamp) -> Option<Roll> {
        let is_over = |signing: &Signing| matches!(signing.stands, Stands::Until(until) if until <= now);
        if !self.all.iter().any(is_over) {
            return None;
        }
        let left = self.all.iter().filter(|signing| !is_over(signing));
        Some(Roll::of(left.map(|one| self.carried(one.secret.clone(), one.stands, now)).collect()))
    }

    /// What is known of a secret stays known when it comes to stand elsewhere.
    fn carried(&self, secret: Secret, stands: Stands, now: Timestamp) -> Signing {
        let known = self.all.iter().find(|known| known.secret == secret);
        Signing {
            fingerprint: secret.fingerprint(),
            secret,
            stands,
            since: known.map_or(now, |known| known.since),
            matched: known.map(|known| known.matched.clone()).unwrap_or_default(),
        }
    }

    /// Whether another set of secrets counts, or another one is the newest.
    pub(super) fn differs_from(&self, other: &Roll) -> bool {
        let stand = |roll: &Roll| -> Vec<(String, bool)> {
            let each = roll.all.iter();
            each.map(|one| (one.fingerprint.clone(), one.stands == Stands::Current)).collect()
        };
        stand(self) != stand(other)
    }
}

/// The signing secrets of a text, with commas between.
pub(super) fn signing_secrets(text: &str) -> Result<Vec<Secret>, Refused> {
    let one = |text: &str| {
        check_signing_secret(text).map_err(Refused::Wrong)?;
        Secret::new(text).map_err(|error| Refused::Wrong(error.to_string()))
    };
    text.split(',').map(one).collect()
}

/// Those of the version before the newest. One that is no signing secret is not worth to refuse the new one.
pub(super) fn previous_secrets(text: Option<&str>) -> Vec<Secret> {
    text.and_then(|text| signing_secrets(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn secrets(text: &str) -> Vec<Secret> {
        signing_secrets(text).unwrap()
    }

    fn counts(roll: &Roll) -> Vec<(usize, Stands)> {
        roll.all.iter().enumerate().map(|(at, one)| (at, one.stands)).collect()
    }

    #[test]
    fn a_key_of_the_other_mode_never_takes_the_place_of_one_in_use() {
        assert!(successor("sk_test_2", false).is_ok());
        assert!(successor("rk_live_2", true).is_ok());
        for (text, livemode) in [("sk_live_2", false), ("rk_test_2", true)] {
            let refused = successor(text, livemode).unwrap_err();
            assert!(matches!(&refused, Refused::AnotherShop(why) if why.contains("mode")), "{refused:?}");
        }
        assert!(matches!(successor("sk test", false), Err(Refused::Wrong(_))));
    }

    #[test]
    fn another_account_is_refused_and_an_unknown_one_is_not() {
        assert!(same_account(Some("acct_1"), Some("acct_2")).is_err());
        assert!(same_account(Some("acct_1"), Some("acct_1")).is_ok());
        assert!(same_account(Some("acct_1"), None).is_ok() && same_account(None, Some("acct_2")).is_ok());
    }

    #[test]
    fn what_was_replaced_counts_for_as_long_as_was_said_and_keeps_what_is_known_of_it() {
        let first = Roll::default().next(secrets("whsec_a"), Vec::new(), NOW, DAY);
        first.matched(0, NOW);
        let later = NOW + Duration::from_secs(60);
        let second = first.next(secrets("whsec_b"), Vec::new(), later, DAY);
        assert_eq!(counts(&second), [(0, Stands::Current), (1, Stands::Until(later + DAY))]);
        assert_eq!((second.all[1].matched_at(), second.all[1].since), (Some(NOW), NOW));
        assert_eq!(second.all[0].matched_at(), None);
        // Reading the same again does not make the old one's day longer.
        let again = second.next(secrets("whsec_b"), Vec::new(), later + DAY / 2, DAY);
        assert_eq!(counts(&again), counts(&second));
        assert!(!again.differs_from(&second) && second.differs_from(&first));
        assert!(again.without_the_old(later + DAY / 2).is_none());
        assert_eq!(counts(&again.without_the_old(later + DAY).unwrap()), [(0, Stands::Current)]);
    }

    #[test]
    fn a_mangled_text_is_no_signing_secret_and_is_never_repeated() {
        for text in [
            "\"whsec_a1B2\"",
            "'whsec_a1B2'",
            "[\"whsec_a1B2\"]",
            "\u{feff}whsec_a1B2",
            "STRIPE_WEBHOOK_SECRET=whsec_a1B2",
            "whsec_a1B2\nwhsec_c3D4",
            "whsec_a1B2;whsec_c3D4",
            "whsec_a1B2whsec_c3D4",
            "whsec_a1B2,\"whsec_c3D4\"",
            "whsec_a1B2,",
            "whsec_a1 B2",
            "whsec_…",
            "whsec_",
            "a1B2",
            "rk_test_a1B2",
        ] {
            let told = signing_secrets(text).unwrap_err().told().to_owned();
            assert!(!told.contains("a1") && !told.contains("c3"), "{text}: {told}");
            assert!(previous_secrets(Some(text)).is_empty(), "{text}");
        }
        for text in ["whsec_a1B2", "whsec_a1B2,whsec_c3D4", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/=="] {
            assert!(signing_secrets(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn without_an_overlap_only_what_was_read_counts() {
        let first = Roll::default().next(secrets("whsec_a"), Vec::new(), NOW, Duration::ZERO);
        let second = first.next(secrets("whsec_b"), Vec::new(), NOW, Duration::ZERO);
        assert_eq!(counts(&second), [(0, Stands::Current)]);
    }

    #[test]
    fn two_of_a_comma_and_the_managers_previous_one_count_beside_each_other_and_never_more_than_eight() {
        let roll = Roll::default().next(secrets("whsec_a,whsec_b"), secrets("whsec_c"), NOW, DAY);
        assert_eq!(counts(&roll), [(0, Stands::Current), (1, Stands::Current), (2, Stands::Previous)]);
        let mut many = roll;
        for each in 0..20 {
            many = many.next(secrets(&format!("whsec_{each}")), Vec::new(), NOW, DAY);
        }
        assert_eq!(many.all.len(), 8);
        assert_eq!(many.secrets[0], secrets("whsec_19")[0]);
        assert_eq!(many.secrets[1], secrets("whsec_18")[0]);
    }
}
