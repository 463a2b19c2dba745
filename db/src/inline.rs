//! SQLite in memory on the calling thread, for simulations: each transaction has a fate that a seed decides, and
//! a point before and after it where a node can die.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use kernel::{Error, Result};
use rusqlite::Connection;

use crate::queue::caught;
use crate::sqlite::{SqliteTx, cached, failed, prepare};
use crate::tx::Side;
use crate::{Tx, TxError, Wake};

/// What becomes of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It commits and the caller hears of it.
    Commit,
    /// No connection was to be had: nothing happens and the caller hears of it.
    Refuse,
    /// It commits, and the answer is lost.
    LoseAnswer,
    /// It does not commit, and the answer is lost.
    LoseBoth,
}

/// Decides the fate of transactions by their names.
pub trait Faults: Send + Sync {
    /// What becomes of the transaction `name`.
    fn fate(&self, name: &'static str) -> Fate;
}

/// Everything commits.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn fate(&self, _: &'static str) -> Fate {
        Fate::Commit
    }
}

/// Lets others run once. A simulation may drop a node at such a point: that is its crash.
pub async fn yield_now() {
    struct Once(bool);
    impl Future for Once {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Once(false).await;
}

pub(crate) struct Inline {
    connection: Arc<Mutex<Connection>>,
    faults: Arc<dyn Faults>,
    wake: Wake,
}

impl Inline {
    pub(crate) fn open(faults: Arc<dyn Faults>, wake: Wake) -> Result<Self> {
        let connection = Connection::open_in_memory().map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        Ok(Inline { connection: Arc::new(Mutex::new(connection)), faults, wake })
    }

    pub(crate) fn again(&self, faults: Arc<dyn Faults>) -> Self {
        Inline { connection: self.connection.clone(), faults, wake: self.wake.clone() }
    }

    pub(crate) async fn write<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send,
    {
        yield_now().await;
        let fate = self.faults.fate(name);
        let result = match fate {
            Fate::Refuse => Err(TxError::Busy(format!("`{name}` found no connection"))),
            Fate::Commit | Fate::LoseAnswer => self.run(name, work, "COMMIT").map_err(TxError::Refused),
            Fate::LoseBoth => self.run(name, work, "ROLLBACK").map_err(TxError::Refused),
        };
        yield_now().await;
        match fate {
            Fate::LoseAnswer | Fate::LoseBoth if result.is_ok() => {
                Err(TxError::Unknown(format!("the answer to `{name}` was lost")))
            }
            _ => result,
        }
    }

    pub(crate) async fn read<R, F>(&self, name: &'static str, work: F) -> Result<R, TxError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R> + Send,
    {
        yield_now().await;
        if self.faults.fate(name) == Fate::Refuse {
            return Err(TxError::Busy(format!("`{name}` found no connection")));
        }
        let before = self.changes()?;
        let result = self.run(name, work, "ROLLBACK");
        // A closure that reads must fail here too when it writes, as it does on the other engines. There it is
        // `PRAGMA query_only`; but to set a pragma forgets every prepared statement, which a simulation would pay for.
        match self.changes()? == before {
            true => result.map_err(TxError::Refused),
            false => Err(TxError::Refused(Error::bug(format!("`{name}` reads, and it has written")))),
        }
    }

    /// How many rows were ever changed on this connection, those of transactions that were rolled back included.
    fn changes(&self) -> Result<u64, TxError> {
        let connection = self.connection.lock();
        let connection = connection.map_err(|_| TxError::Refused(Error::bug("a transaction panicked")))?;
        Ok(connection.total_changes())
    }

    fn run<R>(&self, name: &str, mut work: impl FnMut(&mut Tx<'_>) -> Result<R>, end: &str) -> Result<R> {
        let connection = self.connection.lock().map_err(|_| Error::bug("a transaction panicked"))?;
        cached(&connection, "BEGIN")?;
        let mut tx = Tx::new(Side::Sqlite(SqliteTx { connection: &connection }));
        let result = caught(name, || work(&mut tx)).and_then(|value| tx.check_whole().map(|()| value));
        let end = if result.is_ok() { end } else { "ROLLBACK" };
        let topics = tx.take_wakes();
        if let Err(error) = cached(&connection, end) {
            // A rule that is checked only at COMMIT said no, and the transaction is still open.
            let _ = cached(&connection, "ROLLBACK");
            return result.and(Err(error));
        }
        if end == "COMMIT" {
            topics.into_iter().for_each(|topic| self.wake.ring(topic));
        }
        result
    }
}
