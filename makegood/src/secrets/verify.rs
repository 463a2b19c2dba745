//! A webhook's signature against the secrets that count. One that matches none may be signed with a secret that was
//! rolled a moment ago: then the secrets are read again, once, and the same request is verified again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kernel::Timestamp;
use stripe::{SignatureError, signature};

use super::value::Roll;
use super::{PATIENCE, Secrets, lock, put};
use crate::config::{Place, SecretKey};

impl Secrets {
    /// Verifies `header` over `body`. What a stranger sends costs at most a look at a file, and a question to Secrets Manager
    /// as often as [`Secrets::may_ask`] allows.
    ///
    /// # Errors
    /// As [`signature::verify`].
    pub async fn verify(
        self: &Arc<Self>,
        header: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let seen = self.roll();
        match against(&seen, header, body, now) {
            Err(SignatureError::NoMatch) if self.look_again(&seen).await => {}
            outcome => return self.count(outcome, now),
        }
        let outcome = against(&self.roll(), header, body, now);
        self.count(outcome, now)
    }

    fn count(&self, outcome: Result<(), SignatureError>, now: Timestamp) -> Result<(), SignatureError> {
        if outcome == Err(SignatureError::NoMatch) {
            self.mismatched.store(now.micros(), Ordering::Relaxed);
            self.mismatches.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Whether other secrets count than those that were seen, after looking where they lie.
    async fn look_again(self: &Arc<Self>, seen: &Arc<Roll>) -> bool {
        let is_other = || !Arc::ptr_eq(seen, &self.roll());
        let place = self.kept(SecretKey::WebhookSecret).map(|kept| kept.place);
        if place.is_none_or(|place| place == Place::Process) {
            return false;
        }
        let Ok(_seat) = self.waiting.try_acquire() else { return is_other() };
        // It goes on when the request has waited long enough: the next one finds what it brought.
        let (secrets, seen_by_it) = (self.clone(), seen.clone());
        let looking = tokio::spawn(async move { secrets.look_where_it_lies(&seen_by_it).await });
        let _ = tokio::time::timeout(PATIENCE, looking).await;
        is_other()
    }

    async fn look_where_it_lies(&self, seen: &Arc<Roll>) {
        let _turn = self.turn.lock().await;
        // Whoever held the turn before may have brought it.
        if !Arc::ptr_eq(seen, &self.roll()) {
            return;
        }
        let Some(kept) = self.kept(SecretKey::WebhookSecret) else { return };
        let worth_it = match kept.place {
            Place::Manager(_) => self.may_ask(self.clock.now()),
            _ => super::refetch::was_touched(&kept).await,
        };
        if worth_it {
            self.refetch_one(SecretKey::WebhookSecret).await;
        }
    }

    /// Secrets whose time is over count no longer.
    pub(super) fn drop_the_old(&self) {
        if let Some(left) = self.roll().without_the_old(self.clock.now()) {
            put(&self.roll, Arc::new(left));
        }
    }

    /// How many signatures matched none of the secrets since the start, and when the last of them came.
    pub fn mismatches(&self) -> (u64, Option<Timestamp>) {
        let last = match self.mismatched.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        };
        (self.mismatches.load(Ordering::Relaxed).unsigned_abs(), last)
    }

    /// When a signature last matched one of the secrets.
    pub fn matched_at(&self) -> Option<Timestamp> {
        self.roll().all.iter().filter_map(|one| one.matched_at()).max()
    }

    /// Whether this header was made over this body with a secret that counts, however long ago.
    pub fn made(&self, header: &str, body: &[u8]) -> bool {
        let forever = kernel::Duration::from_secs(u64::MAX / 2);
        let roll = self.roll();
        signature::verify(Some(header), body, &roll.secrets, self.clock.now(), forever).is_ok()
    }

    /// How many signing secrets count.
    pub fn signing_secrets(&self) -> usize {
        lock(&self.kept).len().min(self.roll().secrets.len())
    }
}

fn against(roll: &Roll, header: &str, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
    let matched = signature::verify(Some(header), body, &roll.secrets, now, signature::TOLERANCE)?;
    roll.matched(matched, now);
    Ok(())
}
