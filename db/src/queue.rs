//! Work that waits for a thread with a connection: bounded in number and in time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use kernel::{Duration, Error, Result};
use tokio::sync::oneshot;

use crate::{Tx, TxError};

/// How a transaction ended, said to the one who waits for it.
#[derive(Debug)]
pub(crate) enum End {
    Committed,
    RolledBack(Error),
    Busy(String),
    Unknown(String),
}

/// A closure with its result and the one who waits for it, without its types.
pub(crate) trait Work: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    fn finish(self: Box<Self>, end: End);
    /// Nobody waits any more, or it waited too long.
    fn given_up(&self, wait_max: Duration) -> bool;
    fn name(&self) -> &'static str;
}

struct Pending<F, R> {
    name: &'static str,
    work: F,
    result: Option<R>,
    answer: oneshot::Sender<Result<R, TxError>>,
    since: Instant,
}

/// Wraps `work` for a queue; the receiver gets the end of it.
pub(crate) fn pending<F, R>(
    name: &'static str,
    work: F,
) -> (Box<dyn Work>, oneshot::Receiver<Result<R, TxError>>)
where
    F: FnMut(&mut Tx<'_>) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (Box::new(Pending { name, work, result: None, answer, since: Instant::now() }), receiver)
}

impl<F, R> Work for Pending<F, R>
where
    F: FnMut(&mut Tx<'_>) -> Result<R> + Send,
    R: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.result = None;
        // A panic in one closure must not take the writer thread, and with it every webhook, along.
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
            .unwrap_or_else(|_| Err(Error::bug(format!("the transaction `{}` panicked", self.name))));
        self.result = Some(result?);
        tx.check_whole()
    }

    fn finish(self: Box<Self>, end: End) {
        let answer = match (end, self.result) {
            (End::Committed, Some(result)) => Ok(result),
            (End::Committed, None) => Err(TxError::Refused(Error::bug("committed without a result"))),
            (End::RolledBack(error), _) => Err(TxError::Refused(error)),
            (End::Busy(what), _) => Err(TxError::Busy(what)),
            (End::Unknown(what), _) => Err(TxError::Unknown(what)),
        };
        // The one who asked may have gone away; the work is done all the same.
        let _ = self.answer.send(answer);
    }

    fn given_up(&self, wait_max: Duration) -> bool {
        self.answer.is_closed() || self.since.elapsed() > wait_max
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

/// A first-in, first-out queue for threads.
pub(crate) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Work>>,
    busy: usize,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(max: usize) -> Self {
        Queue { state: Mutex::default(), more: Condvar::new(), max }
    }

    /// Puts work in, or says that the queue is full.
    pub(crate) fn push(&self, work: Box<dyn Work>) -> Result<(), TxError> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.max {
            let waiting = state.waiting.len();
            drop(state);
            tracing::warn!(waiting, "connection pool exhausted");
            return Err(TxError::Busy(format!("connection pool exhausted: {waiting} wait already")));
        }
        state.waiting.push_back(work);
        drop(state);
        self.more.notify_one();
        Ok(())
    }

    /// Waits for work; takes up to `most` pieces at once. `None` when the database was closed and all is done.
    pub(crate) fn pop(&self, most: usize) -> Option<Vec<Box<dyn Work>>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        let take = state.waiting.len().min(most);
        state.busy += 1;
        Some(state.waiting.drain(..take).collect())
    }

    /// The thread that popped is free again.
    pub(crate) fn done(&self) {
        self.lock().busy -= 1;
    }

    /// No more work is taken; threads end when the queue is empty.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    pub(crate) fn busy_and_waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.busy, state.waiting.len())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
