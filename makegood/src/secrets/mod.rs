//! The secrets that may change while the server runs: the API key, the signing secrets of the webhook, the first admin's
//! token. They are read again from where they lie, and a value that cannot be taken leaves the last good one in place.
//!
//! No text that leaves this module holds a value. Whoever needs one asks for it as what it is: a key, a signature that
//! matches, a token that is the same.

mod client;
mod list;
mod manager;
mod refetch;
mod sigv4;
mod value;
mod verify;
pub mod watch;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use kernel::{Clock, Duration, Entropy, Timestamp};
use stripe::{ApiKey, HttpStripe, Stripe};
use tokio::sync::Semaphore;

use crate::config::{Config, Hidden, Place, Problem, SecretKey};
use crate::metrics::Labelled;
use manager::Manager;
use value::Roll;

pub(crate) use list::told;
pub use refetch::Refetched;

/// A secret that was read is read again after at most this long: within a quarter of an hour, whatever happens to a timer.
pub const READ_AGAIN: Duration = Duration::from_secs(13 * 60);
/// A place that could not be read is tried again after this long.
pub const TRY_AGAIN: Duration = Duration::from_secs(60);
/// A request waits at most so long for a value that might make its signature right.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many requests wait for that at once; others are turned away as they are, and Stripe sends them again.
const MOST_WAITING: usize = 64;
/// How often a stranger's signatures may make us ask Secrets Manager: three times at once, then every half minute.
const PACE: Duration = Duration::from_secs(30);
const BURST: Duration = Duration::from_secs(90);
/// What reading a secret again may come to.
const OUTCOMES: [&str; 4] = ["same", "changed", "failed", "refused"];

/// The secrets that count now.
pub struct Secrets {
    livemode: bool,
    overlap: Duration,
    clock: Arc<dyn Clock>,
    manager: Option<Manager>,
    /// The client at Stripe that is told of a new key.
    http: Option<Arc<HttpStripe>>,
    api_key: RwLock<Option<ApiKey>>,
    admin_token: RwLock<Option<Hidden>>,
    roll: RwLock<Arc<Roll>>,
    kept: Mutex<Vec<Kept>>,
    account: Mutex<Option<String>>,
    /// One at a time reads; whoever waits for it sees what it has brought.
    turn: tokio::sync::Mutex<()>,
    waiting: Semaphore,
    /// Until when what was asked because of wrong signatures counts (GCRA's theoretical arrival time).
    asked_until: Mutex<Timestamp>,
    /// When a signature last matched none of the secrets, in microseconds; zero for never.
    mismatched: AtomicI64,
    mismatches: AtomicI64,
    /// What became of reading again.
    pub counted: Labelled,
    changed: Mutex<Vec<Change>>,
}

/// What is known of one secret.
#[derive(Debug, Clone)]
struct Kept {
    key: SecretKey,
    place: Place,
    /// When its value was last read and was good.
    read_at: Timestamp,
    /// When it was last tried.
    tried_at: Timestamp,
    /// Since when the present value counts.
    since: Timestamp,
    /// Why the last try brought nothing; `None` when it did.
    trouble: Option<String>,
    /// By which it is seen that a file was not touched.
    stamp: Option<refetch::Stamp>,
}

/// A value that came to count while the server ran: for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub name: &'static str,
    /// Where it was read.
    pub place: String,
    /// Of the new value, where it may be shown.
    pub fingerprint: Option<String>,
}

impl Secrets {
    /// Those of the configuration, as they were read at start. `http` is told when the API key changes.
    ///
    /// # Errors
    /// When Secrets Manager cannot be asked with what is configured.
    pub fn new(
        config: &Config,
        http: Option<Arc<HttpStripe>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Secrets, Problem> {
        let asked = config.secret_places.iter().any(|place| matches!(place.place, Place::Manager(_)));
        let manager = config.secrets_manager.clone().filter(|_| asked).map(Manager::new).transpose();
        let manager = manager.map_err(|error| Problem::of("SECRETS_AWS_ENDPOINT", error.to_string()))?;
        Ok(Secrets { http, manager, ..Secrets::at_start(config, clock) })
    }

    /// Those of the configuration, for a process that asks neither Stripe nor Secrets Manager by itself.
    pub fn at_start(config: &Config, clock: Arc<dyn Clock>) -> Secrets {
        let now = clock.now();
        let kept = config.secret_places.iter().map(|place| Kept {
            key: place.key,
            place: place.place.clone(),
            read_at: now,
            tried_at: now,
            since: now,
            trouble: None,
            stamp: None,
        });
        let roll =
            Roll::default().next(config.webhook_secrets.clone(), Vec::new(), now, config.webhook_overlap);
        Secrets {
            livemode: config.is_live(),
            overlap: config.webhook_overlap,
            clock,
            manager: None,
            http: None,
            api_key: RwLock::new(config.stripe_secret.clone()),
            admin_token: RwLock::new(config.admin_token.clone()),
            roll: RwLock::new(Arc::new(roll)),
            kept: Mutex::new(kept.collect()),
            account: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
            asked_until: Mutex::new(now),
            mismatched: AtomicI64::new(0),
            mismatches: AtomicI64::new(0),
            counted: Labelled::new(&OUTCOMES),
            changed: Mutex::default(),
        }
    }

    /// Those of the configuration; what lies in Secrets Manager is fetched and stands in the configuration afterwards.
    ///
    /// # Errors
    /// What could not be fetched: a server that does not know its mode must not start.
    pub async fn open(
        config: &mut Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Secrets>, Vec<Problem>> {
        refetch::fetch_managed(config, &*clock).await?;
        let http = match &config.stripe_secret {
            None => None,
            Some(key) => {
                let http = HttpStripe::new(&config.stripe_api_base, key, entropy);
                let wrong = |error: stripe::client::ClientError| {
                    vec![Problem::of("STRIPE_SECRET or STRIPE_API_BASE", error.to_string())]
                };
                Some(Arc::new(http.map_err(wrong)?))
            }
        };
        Secrets::new(config, http, clock).map(Arc::new).map_err(|problem| vec![problem])
    }

    /// Stripe, asked with the newest key; nothing where there is none.
    pub fn stripe(self: &Arc<Self>) -> Option<Arc<dyn Stripe>> {
        let http = self.http.clone()?;
        Some(Arc::new(client::Newest::new(http, self.clone())))
    }

    /// The API key that counts now.
    pub fn api_key(&self) -> Option<ApiKey> {
        read(&self.api_key).clone()
    }

    /// The first admin's token that counts now.
    pub fn admin_token(&self) -> Option<Hidden> {
        read(&self.admin_token).clone()
    }

    /// The account at Stripe, as far as Stripe was asked.
    pub fn account(&self) -> Option<String> {
        lock(&self.account).clone()
    }

    /// Values that came to count since this was last asked.
    fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *lock(&self.changed))
    }

    fn roll(&self) -> Arc<Roll> {
        read(&self.roll).clone()
    }

    fn kept(&self, key: SecretKey) -> Option<Kept> {
        lock(&self.kept).iter().find(|kept| kept.key == key).cloned()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…redacted)")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn put<T>(lock: &RwLock<T>, value: T) {
    *lock.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = value;
}
