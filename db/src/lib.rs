//! Two engines behind one transaction closure.
//!
//! `db.write("name", |tx| …)` runs one synchronous closure as one transaction: on SQLite on the one writer
//! thread, on PostgreSQL on a thread of a bounded pool, in a simulation right here. The closure sees a [`Tx`] and
//! plain SQL with `$1` parameters; it never waits for anything but the database. It may run more than once
//! (a conflict on PostgreSQL is tried again), so it must not consume what it captured.
//!
//! An answer to COMMIT can be lost. That is [`TxError::Unknown`], and there is no `From` for it: every caller
//! says with [`TxResult`] what it does about it.

mod batch;
mod dialect;
mod error;
mod examine;
mod grant;
mod health;
mod inline;
mod migrate;
mod newest;
mod postgres;
mod queue;
mod row;
mod sessions;
mod sqlite;
mod triggers;
mod tx;
mod url;
mod value;
mod wake;

use std::path::PathBuf;
use std::sync::Arc;

pub use batch::Batcher;
pub use dialect::Dialect;
pub use error::{DbFailure, Part, TxError, TxResult, violates};
pub use examine::Examined;
pub use health::Health;
pub use inline::{Fate, Faults, NoFaults, yield_now};
pub use migrate::{Applied, Migration, MigrationState};
pub use newest::NewestFirst;
pub use row::Row;
pub use sessions::{Session, Sessions};
pub use triggers::{LostTrigger, lost_triggers};
pub use tx::Tx;
pub use url::{Target, TargetError};
pub use value::{FromValue, Value};
pub use wake::Wake;

use kernel::{Duration, Result};

/// How many connections, and how long anyone waits for one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections to PostgreSQL at most (`DB_POOL_MAX`).
    pub pool_max: usize,
    /// How long work may wait for a connection before it is refused as busy.
    pub wait_max: Duration,
    /// How much work may wait.
    pub queue_max: usize,
    /// How long one transaction may take on PostgreSQL before the client gives up on it.
    pub transaction_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pool_max: 20,
            wait_max: Duration::from_secs(5),
            queue_max: 10_000,
            transaction_max: Duration::from_secs(30),
        }
    }
}

/// How full the pool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that may exist.
    pub size: usize,
    /// Connections at work now.
    pub busy: usize,
    /// Pieces of work that wait for a connection.
    pub waiting: usize,
    /// Pieces of work that were refused since the start, because no connection was free in time.
    pub refused: u64,
}

/// A database: cheap to clone, shared by all.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Engine>,
    wake: Wake,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    Inline(inline::Inline),
}

impl Db {
    /// Opens what `target` names. SQLite files are created; PostgreSQL must be there and answer.
    pub async fn open(target: &Target, limits: Limits) -> Result<Db> {
        match target {
            Target::Sqlite(path) => Db::open_sqlite(path.clone(), limits),
            Target::Postgres(url) => {
                let wake = Wake::default();
                let engine = postgres::Postgres::connect(url, limits, wake.clone()).await?;
                Ok(Db { engine: Arc::new(Engine::Postgres(engine)), wake })
            }
        }
    }

    fn open_sqlite(path: PathBuf, limits: Limits) -> Result<Db> {
        let wake = Wake::default();
        let engine = sqlite::Sqlite::open(&path, &limits, wake.clone())?;
        Ok(Db { engine: Arc::new(Engine::Sqlite(engine)), wake })
    }

    /// A database in memory whose transactions run on the calling thread; `faults` decides the fate of each.
    /// For simulations: the same closures, no threads, no clock.
    pub fn inline(faults: Arc<dyn Faults>) -> Result<Db> {
        let wake = Wake::default();
        let engine = inline::Inline::open(faults, wake.clone())?;
        Ok(Db { engine: Arc::new(Engine::Inline(engine)), wake })
    }

    /// Another node's view of the same inline database, with faults of its own.
    pub fn inline_again(&self, faults: Arc<dyn Faults>) -> Option<Db> {
        match &*self.engine {
            Engine::Inline(inline) => {
                Some(Db { engine: Arc::new(Engine::Inline(inline.again(faults))), wake: self.wake.clone() })
            }
            _ => None,
        }
    }

    /// Which engine speaks.
    pub fn dialect(&self) -> Dialect {
        match &*self.engine {
            Engine::Postgres(_) => Dialect::Postgres,
            Engine::Sqlite(_) | Engine::Inline(_) => Dialect::Sqlite,
        }
    }

    /// Runs `work` as one transaction and commits it. `name` says which decision this is: it is the fault point
    /// of simulations and the label in logs.
    pub async fn write<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(name, work).await,
            Engine::Postgres(postgres) => postgres.run(name, tx::Access::Write, work).await,
            Engine::Inline(inline) => inline.write(name, work).await,
        }
    }

    /// Puts work that brings its own answers to the writers.
    pub(crate) fn push(&self, work: Box<dyn queue::Work>) -> Result<(), TxError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.push(work),
            Engine::Postgres(postgres) => postgres.push(work),
            Engine::Inline(_) => Err(TxError::Busy("a simulation has no queue".into())),
        }
    }

    /// As [`Db::write`], with the patience that a change of the schema needs.
    async fn write_schema<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        match &*self.engine {
            Engine::Postgres(postgres) => postgres.run(name, tx::Access::Migrate, work).await,
            Engine::Sqlite(_) | Engine::Inline(_) => self.write(name, work).await,
        }
    }

    /// Runs `work` on a consistent view; it may not change anything.
    pub async fn read<R, F>(&self, name: &'static str, work: F) -> Result<R>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(name, work).await,
            Engine::Postgres(postgres) => postgres.run(name, tx::Access::Read, work).await,
            Engine::Inline(inline) => inline.read(name, work).await,
        };
        result.safe_to_repeat()
    }

    /// Who is told when a transaction called [`Tx::wake`].
    pub fn wakes(&self) -> &Wake {
        &self.wake
    }

    /// How full the pool is.
    pub fn pool(&self) -> PoolState {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.pool(),
            Engine::Postgres(postgres) => postgres.pool(),
            Engine::Inline(_) => PoolState::default(),
        }
    }

    /// How the disk under it is. A server of its own looks after its disk and hangs up when that fails.
    pub fn health(&self) -> Health {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.pulse().health(),
            Engine::Postgres(_) | Engine::Inline(_) => Health::Well,
        }
    }

    /// Ends when the disk has failed under a commit; a process has nothing left to do then but to end and be started anew.
    pub async fn failed(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.pulse().failed().await,
            Engine::Postgres(_) | Engine::Inline(_) => std::future::pending().await,
        }
    }
}
