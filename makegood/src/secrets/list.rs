//! The secrets as people see them: where each lies, how old it is, which matched last. Never a value.

use kernel::Timestamp;
use serde_json::{Value, json};

use super::value::{Signing, Stands};
use super::{Kept, OUTCOMES, READ_AGAIN, Refetched, Secrets, lock};
use crate::config::{Config, Place, Secrecy, SecretKey, Source};
use crate::metrics::{head, line};

/// A place that was not read for so long is told as old.
const OLD: kernel::Duration = kernel::Duration::from_secs(15 * 60);

impl Secrets {
    /// One row for each value that counts.
    pub fn rows(&self, config: &Config) -> Vec<Value> {
        let now = self.clock.now();
        let live = lock(&self.kept).clone();
        let mut rows: Vec<Value> = live.iter().flat_map(|kept| self.rows_of_one(kept, now)).collect();
        rows.extend(read_at_start(config));
        rows
    }

    /// What is wrong with it stands in the first of its rows.
    fn rows_of_one(&self, kept: &Kept, now: Timestamp) -> Vec<Value> {
        let mut rows = self.rows_of(kept);
        if let Some(first) = rows.first_mut() {
            first["trouble"] = json!(trouble(kept, now));
            if kept.key == SecretKey::WebhookSecret {
                first["unmatched"] = json!(self.unmatched(kept));
            }
        }
        rows
    }

    /// That signatures matched nothing since the newest value counts, and none matched afterwards.
    fn unmatched(&self, kept: &Kept) -> Option<String> {
        let (count, last) = self.mismatches();
        let last = last.filter(|last| *last > kept.since && self.matched_at().is_none_or(|at| at < *last))?;
        Some(format!("{count} signatures matched none of the secrets since the start, the last at {last}"))
    }

    fn rows_of(&self, kept: &Kept) -> Vec<Value> {
        let row = |fingerprint: Option<String>, counts_as: String, since: Timestamp| {
            json!({
                "object": "secret",
                "name": kept.key.name(),
                "fingerprint": fingerprint,
                "counts_as": counts_as,
                "source": kept.place.to_string(),
                "since": since,
                "refetched_at": kept.read_at,
                "matched_at": null,
                "changes": can_change(&kept.place),
                "trouble": null,
                "unmatched": null,
            })
        };
        match kept.key {
            SecretKey::StripeSecret => {
                let fingerprint = self.api_key().map(|key| key.fingerprint());
                vec![row(fingerprint, "current".into(), kept.since)]
            }
            SecretKey::AdminToken => vec![row(None, "current".into(), kept.since)],
            SecretKey::WebhookSecret => {
                let each = self.roll();
                each.all
                    .iter()
                    .map(|one| {
                        let mut row = row(Some(one.fingerprint.clone()), stands(one), one.since);
                        row["matched_at"] = json!(one.matched_at());
                        row
                    })
                    .collect()
            }
        }
    }

    /// What is wrong with any of them, for doctor and the gauges: its name and why.
    pub fn troubles(&self) -> Vec<(&'static str, String)> {
        let now = self.clock.now();
        let all = lock(&self.kept);
        all.iter().filter_map(|kept| trouble(kept, now).map(|why| (kept.key.name(), why))).collect()
    }

    /// What became of reading again, and how old what was read is, in the text format that Prometheus reads.
    pub fn write_metrics(&self, out: &mut String) {
        let name = "secret_refetch_total";
        head(out, name, "counter", "Secrets that were read again from where they lie, by what came of it.");
        for outcome in OUTCOMES {
            line(out, name, &format!("outcome=\"{outcome}\""), self.counted.get(outcome));
        }
        let name = "secrets_troubled";
        head(out, name, "gauge", "Secrets that could not be read again; the last good value counts.");
        line(out, name, "", self.troubles().len());
        let name = "secret_age_seconds";
        head(
            out,
            name,
            "gauge",
            "Since when the secret that was not read for longest was not read, in seconds.",
        );
        line(out, name, "", self.oldest_reading().map_or(0, |age| age.as_secs()));
    }

    /// How long ago the one that was not read for longest was read, of those that can change.
    pub fn oldest_reading(&self) -> Option<kernel::Duration> {
        let now = self.clock.now();
        let all = lock(&self.kept);
        let live = all.iter().filter(|kept| kept.place != Place::Process);
        live.map(|kept| now.since(kept.read_at)).max()
    }
}

fn can_change(place: &Place) -> bool {
    *place != Place::Process
}

fn trouble(kept: &Kept, now: Timestamp) -> Option<String> {
    let silent = can_change(&kept.place) && now.since(kept.read_at) >= OLD;
    kept.trouble.clone().or_else(|| {
        silent.then(|| {
            format!("it was not read again for longer than {} minutes", READ_AGAIN.as_secs() / 60 + 2)
        })
    })
}

fn stands(one: &Signing) -> String {
    match one.stands {
        Stands::Current => "current".into(),
        Stands::Previous => "previous".into(),
        Stands::Until(until) => format!("until {until}"),
    }
}

/// Secrets that are read once: by name and source only. Their fingerprint would let a guess be tried.
fn read_at_start(config: &Config) -> Vec<Value> {
    let live = |name: &str| SecretKey::ALL.iter().any(|key| key.name() == name);
    let set = config.settings().iter().filter(|setting| {
        setting.key.secrecy == Secrecy::Secret && setting.source != Source::Default && !live(setting.key.name)
    });
    set.map(|setting| {
        json!({
            "object": "secret", "name": setting.key.name, "fingerprint": null, "counts_as": "current",
            "source": setting.source.to_string(), "since": null, "refetched_at": null, "matched_at": null,
            "changes": false, "trouble": null, "unmatched": null,
        })
    })
    .collect()
}

/// What reading again came to, as rows.
pub(crate) fn told(outcomes: &[(&'static str, Refetched)]) -> Vec<Value> {
    let row = |(name, outcome): &(&'static str, Refetched)| json!({ "object": "secret_refetch", "name": name, "outcome": outcome.word(), "trouble": outcome.trouble() });
    outcomes.iter().map(row).collect()
}
