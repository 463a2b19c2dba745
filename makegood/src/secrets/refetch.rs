//! Reads the secrets again from where they lie. A failure keeps the last good value and says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kernel::{Clock, Timestamp};
use stripe::{ApiKey, Call, CallError, KeyFault, Stripe};

use super::manager::{Manager, ManagerError, Stage};
use super::value::{self, Refused};
use super::{Change, Kept, Secrets, lock, put, read};
use crate::config::{Config, Hidden, Key, Place, Problem, SecretKey, read_again, secret_text};

/// No secret is larger, and a file that is no secret is not read into memory.
const MOST_BYTES: u64 = 64 * 1024;

/// What reading one secret again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refetched {
    /// It cannot change while this process runs.
    Fixed,
    /// The same value.
    Same,
    /// Another value counts from now on.
    Changed,
    /// What was read is not taken; the last good value counts. Why, without the value.
    Refused(String),
    /// Nothing could be read; the last good value counts. Why.
    Failed(String),
}

impl Refetched {
    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            Refetched::Fixed => "fixed",
            Refetched::Same => "same",
            Refetched::Changed => "changed",
            Refetched::Refused(_) => "refused",
            Refetched::Failed(_) => "failed",
        }
    }
    /// Why it brought nothing.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Refetched::Refused(why) | Refetched::Failed(why) => Some(why),
            Refetched::Fixed | Refetched::Same | Refetched::Changed => None,
        }
    }
}

/// By which it is seen that a file is as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    written: Option<SystemTime>,
    inode: u64,
    /// It was read so soon after it was written that a further write would look the same.
    is_fresh: bool,
}

impl Stamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the file system's clock, and with nothing of the shop"
    )]
    fn of(path: &Path) -> Option<Stamp> {
        // Of what a link points at: Kubernetes and Docker change the link.
        let seen = std::fs::metadata(path).ok()?;
        let written = seen.modified().ok();
        let age = written.and_then(|at| SystemTime::now().duration_since(at).ok());
        let is_fresh = age.is_none_or(|age| age < std::time::Duration::from_secs(2));
        Some(Stamp { length: seen.len(), written, inode: inode(&seen), is_fresh })
    }

    /// Whether a file that was read with `self` need not be read again.
    fn still_holds(&self, path: &Path) -> bool {
        let Some(now) = Stamp::of(path) else { return false };
        !self.is_fresh && (self.length, self.written, self.inode) == (now.length, now.written, now.inode)
    }
}

#[cfg(unix)]
fn inode(seen: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(seen)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

/// What a place held.
struct Held {
    text: String,
    /// What Secrets Manager calls the one before.
    previous: Option<String>,
    stamp: Option<Stamp>,
}

impl Secrets {
    /// Reads every secret again, one process-wide turn at a time.
    pub async fn refetch(&self) -> Vec<(&'static str, Refetched)> {
        let _turn = self.turn.lock().await;
        let keys: Vec<SecretKey> = lock(&self.kept).iter().map(|kept| kept.key).collect();
        let mut all = Vec::new();
        for key in keys {
            all.push((key.name(), self.refetch_one(key).await));
        }
        all
    }

    /// Reads those again that are due: that were not read for long, that failed, or whose file was touched.
    pub(super) async fn refetch_what_is_due(&self) {
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        let all = lock(&self.kept).clone();
        for kept in all {
            if is_due(kept.clone(), now).await {
                self.refetch_one(kept.key).await;
            }
        }
    }

    /// Whoever calls this holds the turn.
    pub(super) async fn refetch_one(&self, key: SecretKey) -> Refetched {
        let Some(kept) = self.kept(key) else { return Refetched::Fixed };
        if kept.place == Place::Process {
            return Refetched::Fixed;
        }
        let held = self.held(&kept).await;
        let (outcome, stamp) = match held {
            Err(why) => (Refetched::Failed(why), None),
            Ok(held) => {
                let stamp = held.stamp.clone();
                (self.take(key, &kept.place, held).await, stamp)
            }
        };
        self.note(key, &outcome, stamp);
        outcome
    }

    async fn held(&self, kept: &Kept) -> Result<Held, String> {
        match (&kept.place, &self.manager) {
            (Place::Manager(id), Some(manager)) => {
                managed(manager, kept.key, id, self.clock.now(), self.overlap.is_zero()).await
            }
            (Place::Manager(_), None) => Err("there are no credentials for Secrets Manager".into()),
            (place, _) => from_file(kept.key, place.clone()).await,
        }
    }

    async fn take(&self, key: SecretKey, place: &Place, held: Held) -> Refetched {
        let Some(form) = Key::find(key.name()).map(|key| key.form) else { return Refetched::Fixed };
        // What the form says never repeats a secret.
        if let Err(why) = form.check(&held.text) {
            return Refetched::Refused(why);
        }
        let taken = match key {
            SecretKey::StripeSecret => self.take_api_key(&held.text).await,
            SecretKey::WebhookSecret => self.take_signing_secrets(&held),
            SecretKey::AdminToken => self.take_admin_token(held.text),
        };
        match taken {
            Ok(None) => Refetched::Same,
            Ok(Some(fingerprint)) => {
                tracing::info!(secret = key.name(), %place, "a secret was read again, and another value counts");
                let change = Change { name: key.name(), place: place.to_string(), fingerprint };
                lock(&self.changed).push(change);
                Refetched::Changed
            }
            Err(refused) => Refetched::Refused(refused.told().to_owned()),
        }
    }

    /// A key counts only when it is of this shop: of its mode and of its account. Stripe is asked with the new key before
    /// anything else is.
    async fn take_api_key(&self, text: &str) -> Result<Option<Option<String>>, Refused> {
        let key = value::successor(text, self.livemode)?;
        if read(&self.api_key).as_ref() == Some(&key) {
            return Ok(None);
        }
        let Some(http) = &self.http else { return Ok(None) };
        let wrong = |error: stripe::client::ClientError| Refused::Wrong(error.to_string());
        let account = account_of(&http.asking_with(&key).map_err(wrong)?).await?;
        value::same_account(self.account().as_deref(), account.as_deref())?;
        http.use_key(&key).map_err(wrong)?;
        if account.is_none() {
            tracing::warn!("Stripe does not tell the account of the new API key; it was not compared");
        }
        if let Some(account) = account {
            *lock(&self.account) = Some(account);
        }
        let fingerprint = key.fingerprint();
        put(&self.api_key, Some(key));
        Ok(Some(Some(fingerprint)))
    }

    fn take_signing_secrets(&self, held: &Held) -> Result<Option<Option<String>>, Refused> {
        let current = value::signing_secrets(&held.text)?;
        let previous = value::previous_secrets(held.previous.as_deref());
        let before = self.roll();
        let next = before.next(current, previous, self.clock.now(), self.overlap);
        let differs = next.differs_from(&before);
        let fingerprint = next.all.first().map(|newest| newest.fingerprint.clone());
        if differs {
            put(&self.roll, Arc::new(next));
        }
        Ok(differs.then_some(fingerprint))
    }

    fn take_admin_token(&self, text: String) -> Result<Option<Option<String>>, Refused> {
        let token = Some(Hidden::new(text));
        if *read(&self.admin_token) == token {
            return Ok(None);
        }
        put(&self.admin_token, token);
        // A token that a person has chosen can be guessed from its fingerprint.
        Ok(Some(None))
    }

    fn note(&self, key: SecretKey, outcome: &Refetched, stamp: Option<Stamp>) {
        let now = self.clock.now();
        self.counted.add(outcome.word(), 1);
        let mut all = lock(&self.kept);
        let Some(kept) = all.iter_mut().find(|kept| kept.key == key) else { return };
        kept.tried_at = now;
        kept.stamp = stamp;
        let trouble = outcome.trouble().map(str::to_owned);
        match &trouble {
            None => kept.read_at = now,
            Some(why) if kept.trouble != trouble => {
                tracing::error!(secret = key.name(), place = %kept.place, why, "a secret could not be read again; the \
                    last good value counts");
            }
            Some(_) => {}
        }
        if *outcome == Refetched::Changed {
            kept.since = now;
        }
        kept.trouble = trouble;
    }

    /// Learns which account the key in use belongs to, so that a later one can be compared with it.
    pub(super) async fn learn_account(&self) {
        let Some(http) = self.http.as_ref().filter(|_| self.account().is_none()) else { return };
        match account_of(&**http).await {
            Ok(account) => *lock(&self.account) = account,
            Err(refused) => tracing::debug!(why = refused.told(), "the account at Stripe is not known yet"),
        }
    }

    /// Whether wrong signatures may make us ask Secrets Manager once more.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        let mut until = lock(&self.asked_until);
        let next = (*until).max(now) + super::PACE;
        if next.since(now) > super::BURST {
            return false;
        }
        *until = next;
        true
    }
}

async fn is_due(kept: Kept, now: Timestamp) -> bool {
    let failing = kept.trouble.is_some();
    let age = now.since(if failing { kept.tried_at } else { kept.read_at });
    let limit = if failing { super::TRY_AGAIN } else { super::READ_AGAIN };
    if kept.place == Place::Process || age >= limit {
        return kept.place != Place::Process;
    }
    was_touched(&kept).await
}

/// Whether the file of a secret is another one than was read.
pub(super) async fn was_touched(kept: &Kept) -> bool {
    let (Some(path), stamp, failing) =
        (kept.place.file().map(PathBuf::from), kept.stamp.clone(), kept.trouble.is_some())
    else {
        return false;
    };
    let look = move || match stamp {
        Some(stamp) => !stamp.still_holds(&path),
        // What could not be read is tried again at its own pace.
        None => !failing,
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

async fn from_file(key: SecretKey, place: Place) -> Result<Held, String> {
    let reading = move || {
        let Some(path) = place.file() else { return Err("it does not lie in a file".to_owned()) };
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let stamp = Stamp::of(path);
        if std::fs::metadata(path).map_err(told)?.len() > MOST_BYTES {
            return Err(format!("{} is larger than any secret", path.display()));
        }
        let text = std::fs::read_to_string(path).map_err(told)?;
        Ok(Held { text: read_again(key, &place, &text)?, previous: None, stamp })
    };
    tokio::task::spawn_blocking(reading).await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn managed(
    manager: &Manager,
    key: SecretKey,
    id: &str,
    now: Timestamp,
    only_current: bool,
) -> Result<Held, String> {
    let plain = |text: String| {
        Key::find(key.name()).map_or(Err("is no key".to_owned()), |known| secret_text(known, &text))
    };
    let text = manager.get(id, Stage::Current, now).await.map_err(|error| error.to_string())?;
    let text = plain(text)?;
    if key != SecretKey::WebhookSecret || only_current {
        return Ok(Held { text, previous: None, stamp: None });
    }
    // A secret that was never changed has no previous version.
    let previous = match manager.get(id, Stage::Previous, now).await {
        Ok(text) => plain(text).ok(),
        Err(ManagerError::NotFound | ManagerError::Refused { .. }) => None,
        Err(error) => return Err(error.to_string()),
    };
    Ok(Held { text, previous, stamp: None })
}

/// Fetches what lies in Secrets Manager, before anything else begins.
pub(super) async fn fetch_managed(config: &mut Config, clock: &dyn Clock) -> Result<(), Vec<Problem>> {
    let managed_places: Vec<_> = config
        .secret_places
        .iter()
        .filter_map(|place| match &place.place {
            Place::Manager(id) => Some((place.key, id.clone())),
            _ => None,
        })
        .collect();
    let Some(settings) = config.secrets_manager.clone().filter(|_| !managed_places.is_empty()) else {
        return Ok(());
    };
    let wrong = |name: &'static str, why: String| vec![Problem::of(name, why)];
    let manager = Manager::new(settings).map_err(|e| wrong("SECRETS_AWS_ENDPOINT", e.to_string()))?;
    for (key, id) in managed_places {
        let name = key.name();
        let held = managed(&manager, key, &id, clock.now(), config.webhook_overlap.is_zero()).await;
        let held = held.map_err(|why| wrong(name, format!("{id}: {why}")))?;
        if let Some(known) = Key::find(name) {
            known.form.check(&held.text).map_err(|why| wrong(name, why))?;
        }
        match key {
            SecretKey::StripeSecret => {
                let read = ApiKey::new(held.text).map_err(|error| wrong(name, error.to_string()))?;
                config.stripe_secret = Some(read);
            }
            SecretKey::WebhookSecret => {
                let current = value::signing_secrets(&held.text);
                let current = current.map_err(|refused| wrong(name, refused.told().to_owned()))?;
                let previous = value::previous_secrets(held.previous.as_deref());
                config.webhook_secrets = [current, previous].concat();
            }
            SecretKey::AdminToken => config.admin_token = Some(Hidden::new(held.text)),
        }
    }
    Ok(())
}

/// The account of a key, as far as Stripe tells it. A restricted key may lack the permission to ask; Stripe's refusal names
/// the account then.
async fn account_of(stripe: &impl Stripe) -> Result<Option<String>, Refused> {
    match stripe.call(Call::get("/v1/account")).await {
        Ok(account) => Ok(account["id"].as_str().map(str::to_owned)),
        Err(CallError::Key(KeyFault::Lacks { error, .. })) => Ok(named_account(&error.message)),
        Err(CallError::Key(fault @ KeyFault::NotTaken(_))) => {
            Err(Refused::Wrong(format!("the new key is not taken: {fault}")))
        }
        // Stripe is there and took the key.
        Err(CallError::Refused(_)) => Ok(None),
        Err(error) => Err(Refused::Wrong(format!("the new key could not be tried: {error}"))),
    }
}

fn named_account(message: &str) -> Option<String> {
    let mut words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.find(|word| word.starts_with("acct_") && word.len() > 5).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_names_the_account_is_read() {
        let words = "The provided key 'rk_test_***' does not have the required permissions for this endpoint on account \
                     'acct_1ABC'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue.";
        assert_eq!(named_account(words).as_deref(), Some("acct_1ABC"));
        assert_eq!(named_account("no"), None);
    }
}
