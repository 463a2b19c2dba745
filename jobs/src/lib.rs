//! A durable queue in the same transaction as the change that asks for the work.
//!
//! [`enqueue`] belongs into the transaction that decides; a worker [`claim`]s what is due, does it outside of any
//! transaction, and then [`finish`]es or [`put_back`]s it with the fence it was given: a worker whose lease ran out
//! finds that its fence is old and changes nothing.

mod store;

use db::{Migration, Tx};
use kernel::{Cx, Duration, Id, Kind, Result, Timestamp};

pub use store::{
    Counts, claim, counts, discard, enqueue, failed_by_kind, find, finish, hurry, is_due, is_queued, list,
    oldest_due, put_back, retry_failed, withdraw,
};

/// The tables of this crate.
pub const MIGRATION: Migration = Migration { version: 1, name: "jobs", sql: include_str!("schema.sql") };

/// The bell that rings when a job was enqueued.
pub const TOPIC: &str = "jobs";

/// Marks ids of jobs.
pub enum JobKind {}
impl Kind for JobKind {
    const PREFIX: &'static str = "job";
    const NAME: &'static str = "job";
}
/// The id of a job.
pub type JobId = Id<JobKind>;

/// Work to be done later.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which handler does it, like `checkout.close`.
    pub kind: &'static str,
    /// Two queued jobs of one kind and key are one job.
    pub key: Option<String>,
    /// What the handler needs to know.
    pub payload: serde_json::Value,
    /// Not before.
    pub run_at: Timestamp,
}

/// A job that this worker holds until its lease ends.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: JobId,
    /// Which handler does it.
    pub kind: String,
    /// What the handler needs to know.
    pub payload: serde_json::Value,
    /// How often it was claimed, this time included.
    pub attempts: i64,
    /// Only the holder of the newest fence may finish it.
    pub fence: i64,
}

/// What a handler says at the end.
#[derive(Debug)]
pub enum Fate {
    /// Nothing is left to do.
    Done,
    /// Not yet: try again at this time, without counting it as a failure.
    Later(Timestamp),
    /// It failed: try again after a pause, until the attempts run out.
    Failed(String),
}

/// After this many attempts a job waits for a person.
pub const MAX_ATTEMPTS: i64 = 12;

/// Exponential back-off with jitter: 2 s, 4 s, 8 s … 1 h, each between half and the whole of it, so that what failed
/// together does not come back together.
pub fn backoff(cx: &Cx, attempts: i64) -> Duration {
    let whole = 2_000_u64.saturating_mul(1 << attempts.clamp(1, 12).saturating_sub(1)).min(3_600_000);
    Duration::from_millis(whole / 2 + cx.below(whole / 2 + 1))
}

/// Ends a claimed job as its handler said.
pub fn end(tx: &mut Tx<'_>, cx: &Cx, job: &Claimed, fate: &Fate) -> Result<()> {
    match fate {
        Fate::Done => finish(tx, job),
        Fate::Later(at) => put_back(tx, cx, job, *at, None, false),
        Fate::Failed(why) => {
            let again = cx.now + backoff(cx, job.attempts);
            put_back(tx, cx, job, again, Some(why), job.attempts >= MAX_ATTEMPTS)
        }
    }
}
