//! Who is asking. Tokens are looked up by their hash and remembered for a few seconds; who guesses is slowed down.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use db::TxResult;
use kernel::{Duration, Timestamp};
use ops::{Actor, By, Role};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::app::App;

/// Somebody with a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// As what.
    pub role: Role,
}

impl Caller {
    /// This caller, with a reason and the request that carried it.
    pub fn by(&self, reason: Option<String>, request_id: &str) -> By {
        By { actor: self.actor.clone(), role: self.role, reason, request_id: Some(request_id.to_owned()) }
    }

    /// Refuses when the role does not reach.
    pub fn must_be(&self, least: Role, what: &str) -> Result<(), Problem> {
        self.by(None, "").must_be(least, what).map_err(Problem::from)
    }
}

/// A token that was looked up counts so long without being looked up again; a revoked one at most so long too long, and
/// on the node that revoked it not at all.
const REMEMBERED: Duration = Duration::from_secs(10);
const MOST_REMEMBERED: usize = 1_000;
/// Failed attempts of one address: ten at once, then one every six seconds.
const PACE: Duration = Duration::from_secs(6);
const BURST: Duration = Duration::from_secs(60);
const MOST_ADDRESSES: usize = 10_000;

/// As whom the bearer of `ADMIN_TOKEN` acts.
const FIRST_ADMIN: &str = "ADMIN_TOKEN";

type Hash = [u8; 32];

/// What is remembered at the door.
#[derive(Debug, Default)]
pub struct Guard {
    known: Mutex<BTreeMap<Hash, (Caller, Timestamp)>>,
    /// For each address the time until which its failures count (GCRA's theoretical arrival time).
    failures: Mutex<BTreeMap<IpAddr, Timestamp>>,
}

impl Guard {
    /// Forgets every token, after one was revoked.
    pub fn forget(&self) {
        lock(&self.known).clear();
    }

    fn known(&self, hash: &Hash, now: Timestamp) -> Option<Caller> {
        let known = lock(&self.known);
        known.get(hash).filter(|(_, at)| now.since(*at) < REMEMBERED).map(|(caller, _)| caller.clone())
    }

    /// Whether this token was good before: then it is no guess, whoever else guesses from the same address.
    fn was_good(&self, hash: &Hash) -> bool {
        lock(&self.known).contains_key(hash)
    }

    fn is_good_no_more(&self, hash: &Hash) {
        lock(&self.known).remove(hash);
    }

    fn remember(&self, hash: Hash, caller: &Caller, now: Timestamp) {
        let mut known = lock(&self.known);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(hash, (caller.clone(), now));
    }

    /// How long this address has to wait, if it has.
    fn must_wait(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let until = *lock(&self.failures).get(&neighbourhood(address))?;
        let over = until.since(now);
        (over > BURST).then(|| over - BURST)
    }

    fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut failures = lock(&self.failures);
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, until| *until > now);
        }
        let until = failures.entry(neighbourhood(address)).or_insert(now);
        *until = (*until).max(now) + PACE;
    }
}

/// Who has one address of version 6 has 2^64 of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether the request brings a token at all.
pub fn has_token(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// Who is asking.
///
/// # Errors
/// `unauthenticated`, or `too_many_attempts` from an address that has failed too often.
pub async fn authenticate(app: &App, headers: &HeaderMap, address: IpAddr) -> Result<Caller, Problem> {
    let now = app.clock.now();
    let Some(token) = bearer(headers) else {
        return Err(Problem::new("unauthenticated", "expected Authorization: Bearer TOKEN"));
    };
    let hash: Hash = Sha256::digest(token.as_bytes()).into();
    // The first admin's token counts no longer at the moment at which another one lies in its place.
    let still = |caller: &Caller| caller.actor.name != FIRST_ADMIN || first_admin(app, &hash).is_some();
    if let Some(caller) = app.guard.known(&hash, now).filter(still) {
        return Ok(caller);
    }
    let wait = app.guard.must_wait(address, now).filter(|_| !app.guard.was_good(&hash));
    if let Some(wait) = wait {
        let detail = format!("too many requests from {address} had no valid token");
        return Err(Problem {
            retry_after: Some(wait.as_secs() + 1),
            ..Problem::new("too_many_attempts", detail)
        });
    }
    match look_up(app, token, &hash, now).await? {
        Some(caller) => {
            app.guard.remember(hash, &caller, now);
            Ok(caller)
        }
        None => {
            app.guard.is_good_no_more(&hash);
            app.guard.failed(address, now);
            Err(Problem::new("unauthenticated", "the token is unknown, revoked or expired"))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The first admin, where this is the token that counts now.
fn first_admin(app: &App, hash: &Hash) -> Option<Caller> {
    // Hashes of equal length: neither the token nor its length shows in the time taken.
    let expected: Hash = Sha256::digest(app.secrets.admin_token()?.reveal().as_bytes()).into();
    let is_theirs = bool::from(expected.ct_eq(hash));
    is_theirs.then(|| Caller { actor: Actor::operator(FIRST_ADMIN), role: Role::Admin })
}

async fn look_up(app: &App, token: &str, hash: &Hash, now: Timestamp) -> Result<Option<Caller>, Problem> {
    if let Some(first) = first_admin(app, hash) {
        return Ok(Some(first));
    }
    let asked = token.to_owned();
    let found = app.shop.db.read("tokens.authenticate", move |tx| ops::authenticate(tx, now, &asked)).await?;
    if found.is_some() {
        let used = token.to_owned();
        let noted = app
            .shop
            .db
            .write("tokens.used", move |tx| ops::note_token_use(tx, now, &used))
            .await
            .safe_to_repeat();
        if let Err(error) = noted {
            // Who may read may go on reading while nothing can be written.
            tracing::warn!(%error, "the use of a token could not be written down");
        }
    }
    Ok(found.map(|(actor, role)| Caller { actor, role }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn ten_failures_at_once_are_borne_and_then_one_every_six_seconds() {
        let (guard, address) = (Guard::default(), IpAddr::from([192, 0, 2, 1]));
        for attempt in 0..11 {
            assert_eq!(guard.must_wait(address, NOW), None, "attempt {attempt}");
            guard.failed(address, NOW);
        }
        assert_eq!(guard.must_wait(address, NOW), Some(PACE));
        assert_eq!(guard.must_wait(IpAddr::from([192, 0, 2, 2]), NOW), None);
        assert_eq!(guard.must_wait(address, NOW + PACE), None);
        guard.failed(address, NOW + PACE);
        assert!(guard.must_wait(address, NOW + PACE).is_some());
    }

    #[test]
    fn neighbours_of_version_6_are_one() {
        let guard = Guard::default();
        for host in 0..12_u16 {
            guard.failed(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]), NOW);
        }
        assert!(guard.must_wait(IpAddr::from([0x2001, 0xdb8, 0, 0, 9, 9, 9, 9]), NOW).is_some());
        assert!(guard.must_wait(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]), NOW).is_none());
    }

    #[test]
    fn a_token_is_remembered_for_ten_seconds() {
        let (guard, caller) = (Guard::default(), Caller { actor: Actor::operator("x"), role: Role::Viewer });
        guard.remember([7; 32], &caller, NOW);
        assert_eq!(guard.known(&[7; 32], NOW + Duration::from_secs(9)), Some(caller));
        assert_eq!(guard.known(&[7; 32], NOW + Duration::from_secs(10)), None);
        assert_eq!(guard.known(&[8; 32], NOW), None);
    }
}
