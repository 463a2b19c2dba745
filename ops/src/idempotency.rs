//! `Idempotency-Key`: the same request gets the same answer, however often it is sent.

use db::Tx;
use kernel::{Cx, Refusal, Result};
use sha2::{Digest, Sha256};

use crate::access::hex;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// Never seen: do the work, then say [`end`].
    New,
    /// Seen, and this was the answer.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        response: String,
    },
    /// Seen, and still under way.
    InFlight,
}

/// The status of an answer that is not there yet, though the work has begun and can be gone on with.
pub const UNDER_WAY: u16 = 102;

/// A key, and whose: what [`begin`] has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Who asks for what, so that the keys of different callers and routes are different keys.
    pub scope: String,
    /// The key itself.
    pub key: String,
}

/// How long a request without an answer counts as under way; after that its node is taken for dead.
const IN_FLIGHT_SECONDS: u64 = 60;

/// Claims a key for a request. The same key with another request is refused.
pub fn begin(tx: &mut Tx<'_>, cx: &Cx, scope: &str, key: &str, request: &[u8]) -> Result<Idempotent> {
    let hash = hex(&Sha256::digest(request));
    let new = tx.execute(
        "INSERT INTO idempotency_keys (scope, idempotency_key, request_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (scope, idempotency_key) DO NOTHING",
        &[scope.into(), key.into(), hash.clone().into(), cx.now.into()],
    )?;
    if new == 1 {
        return Ok(Idempotent::New);
    }
    let sql = format!(
        "SELECT request_hash, status, response, created_at FROM idempotency_keys
         WHERE scope = $1 AND idempotency_key = $2{}",
        tx.dialect().for_update()
    );
    let row = tx.query_one(&sql, &[scope.into(), key.into()])?;
    if row.get::<String>("request_hash")? != hash {
        return Err(Refusal::new(
            "idempotency_key_reused",
            format!("the Idempotency-Key `{key}` was used for another request"),
        )
        .fix("send a new Idempotency-Key with each new request")
        .into());
    }
    match (row.get::<Option<i64>>("status")?, row.get::<Option<String>>("response")?) {
        (Some(status), Some(response)) => Ok(Idempotent::Answered { status: status as u16, response }),
        _ if cx.now.since(row.get("created_at")?).as_secs() < IN_FLIGHT_SECONDS => Ok(Idempotent::InFlight),
        _ => {
            tx.execute(
                "UPDATE idempotency_keys SET created_at = $1 WHERE scope = $2 AND idempotency_key = $3",
                &[cx.now.into(), scope.into(), key.into()],
            )?;
            Ok(Idempotent::New)
        }
    }
}

/// Keeps the answer for the next time.
pub fn end(tx: &mut Tx<'_>, scope: &str, key: &str, status: u16, response: &str) -> Result<()> {
    tx.execute(
        "UPDATE idempotency_keys SET status = $1, response = $2 WHERE scope = $3 AND idempotency_key = $4",
        &[i64::from(status).into(), response.into(), scope.into(), key.into()],
    )?;
    Ok(())
}

/// Nothing was done: the key may be used again (a validation failure, a busy database).
pub fn forget(tx: &mut Tx<'_>, scope: &str, key: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM idempotency_keys WHERE scope = $1 AND idempotency_key = $2 AND status IS NULL",
        &[scope.into(), key.into()],
    )?;
    Ok(())
}
