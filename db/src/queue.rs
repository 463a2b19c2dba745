//! Work that waits for a thread with a connection: bounded in number and in time.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use kernel::{Duration, Error, Result};
use tokio::sync::oneshot;

use crate::error::failure;
use crate::{DbFailure, Tx, TxError};

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
    /// Nobody waits for it any more.
    fn abandoned(&self) -> bool;
    /// How long it has existed.
    fn age(&self) -> Duration;
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
        self.result = Some(caught(self.name, || (self.work)(tx))?);
        tx.check_whole()
    }

    fn finish(self: Box<Self>, end: End) {
        let answer = match (end, self.result) {
            (End::Committed, Some(result)) => Ok(result),
            (End::Committed, None) => Err(TxError::Refused(Error::bug("committed without a result"))),
            (End::RolledBack(error), _) => Err(match failure(&error) {
                Some(DbFailure::NoSpace(_)) => TxError::Busy(error.to_string()),
                _ => TxError::Refused(error),
            }),
            (End::Busy(what), _) => Err(TxError::Busy(what)),
            (End::Unknown(what), _) => Err(TxError::Unknown(what)),
        };
        // The one who asked may have gone away; the work is done all the same.
        let _ = self.answer.send(answer);
    }

    fn abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn age(&self) -> Duration {
        self.since.elapsed()
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

/// Runs `work`. A panic in one closure must not take the writer thread, and with it every webhook, along.
pub(crate) fn caught<R>(name: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::bug(format!("the transaction `{name}` panicked: {}", said_by(&*panic))))
    })
}

fn said_by(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

/// A first-in, first-out queue for threads. Of those that are idle the one that worked last is woken: its connection, and
/// on PostgreSQL the process behind it, still has everything at hand.
pub(crate) struct Queue {
    state: Mutex<State>,
    max: usize,
    wait_max: Duration,
    /// What is told to those for whom there is no room or no time.
    full: &'static str,
    refused: AtomicU64,
}

thread_local! {
    /// Wakes this thread and no other.
    static BELL: Arc<Condvar> = Arc::default();
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Work>>,
    /// The bells of idle threads; the last one fell asleep last.
    idle: Vec<Arc<Condvar>>,
    busy: usize,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(max: usize, wait_max: Duration, full: &'static str) -> Self {
        Queue { state: Mutex::default(), max, wait_max, full, refused: AtomicU64::new(0) }
    }

    /// Puts work in, or says that the queue is full.
    pub(crate) fn push(&self, work: Box<dyn Work>) -> Result<(), TxError> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.max {
            let waiting = state.waiting.len();
            let closed = state.closed;
            drop(state);
            if !closed {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            tracing::warn!(waiting, "{}", self.full);
            return Err(TxError::Busy(format!("{}: {waiting} wait already", self.full)));
        }
        state.waiting.push_back(work);
        let bell = state.idle.pop();
        drop(state);
        if let Some(bell) = bell {
            bell.notify_one();
        }
        Ok(())
    }

    /// Waits for work; takes up to `most` pieces at once. `None` when the database was closed and all is done.
    pub(crate) fn pop(&self, most: usize) -> Option<Vec<Box<dyn Work>>> {
        loop {
            let taken = self.take(most)?;
            let wanted: Vec<_> = taken.into_iter().filter_map(|work| self.dismiss(work)).collect();
            if !wanted.is_empty() {
                return Some(wanted);
            }
            self.done();
        }
    }

    fn take(&self, most: usize) -> Option<Vec<Box<dyn Work>>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            let bell = BELL.with(Arc::clone);
            state.idle.push(bell.clone());
            state = bell.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
            // It may have woken by itself.
            state.idle.retain(|other| !Arc::ptr_eq(other, &bell));
        }
        let take = state.waiting.len().min(most);
        state.busy += 1;
        Some(state.waiting.drain(..take).collect())
    }

    /// Gives the work back, unless it waited too long or nobody waits for it: then it never begins.
    fn dismiss(&self, work: Box<dyn Work>) -> Option<Box<dyn Work>> {
        if work.abandoned() {
            return None;
        }
        if work.age() <= self.wait_max {
            return Some(work);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(name = work.name(), "{}", self.full);
        let text = format!("{}: `{}` waited {:?}", self.full, work.name(), self.wait_max);
        work.finish(End::Busy(text));
        None
    }

    /// Tells those in front who waited too long, although no thread is free to take their work.
    fn dismiss_late(&self) {
        loop {
            let mut state = self.lock();
            let late = |work: &mut Box<dyn Work>| work.abandoned() || work.age() > self.wait_max;
            let Some(work) = state.waiting.pop_front_if(late) else { return };
            drop(state);
            self.dismiss(work);
        }
    }

    /// The thread that popped is free again.
    pub(crate) fn done(&self) {
        self.lock().busy -= 1;
    }

    /// No more work is taken; threads end when the queue is empty.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.idle.drain(..).for_each(|bell| bell.notify_one());
    }

    pub(crate) fn busy_and_waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.busy, state.waiting.len())
    }

    /// For how many there was no room or no time.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Looks at the queues until `stop`, so that nobody waits longer than promised behind work that hangs.
pub(crate) fn watch(queues: &[Arc<Queue>], stop: &AtomicBool) {
    let shortest = queues.iter().map(|queue| queue.wait_max).min().unwrap_or_default();
    let pause = (shortest / 4).clamp(Duration::from_millis(5), Duration::from_millis(250));
    while !stop.load(Ordering::SeqCst) {
        std::thread::park_timeout(pause);
        queues.iter().for_each(|queue| queue.dismiss_late());
    }
}

/// Waits for threads to end, save for the one that asks: the last handle to a database may die in a closure.
pub(crate) fn join(threads: Vec<std::thread::JoinHandle<()>>) {
    let others = threads.into_iter().filter(|thread| thread.thread().id() != std::thread::current().id());
    for thread in others {
        thread.thread().unpark();
        // A thread that panicked has nothing left to say.
        let _ = thread.join();
    }
}
