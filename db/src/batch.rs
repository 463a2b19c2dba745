//! Group commit: what many callers ask for at once becomes one transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use kernel::{Duration, Error, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::queue::{End, Work, caught};
use crate::{Db, Dialect, Engine, Tx, TxError};

type Act<I, O> = dyn Fn(&mut Tx<'_>, &[I]) -> Result<Vec<O>> + Send + Sync;
type Answer<O> = oneshot::Sender<Result<O, TxError>>;

/// Collects items that are asked for at the same time, acts on all of them in one transaction, and gives each
/// caller its own answer. While one transaction is being committed the next batch gathers: the busier, the larger.
///
/// The thread that has the connection takes the batch itself, at the last moment: between two commits nothing has
/// to be passed on by a task that may have to wait for its turn.
pub struct Batcher<I, O> {
    desk: Arc<Desk<I, O>>,
}

impl<I, O> Batcher<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    /// `act` gets up to `most` items and must answer with as many results, in the same order. What concerns
    /// one item alone belongs into its `O`; an error of `act` fails the whole batch, which is then tried item
    /// by item. On PostgreSQL `lanes` batches may be under way at once.
    pub fn new(
        db: Db,
        name: &'static str,
        most: usize,
        lanes: usize,
        act: impl Fn(&mut Tx<'_>, &[I]) -> Result<Vec<O>> + Send + Sync + 'static,
    ) -> Self {
        let lanes = if db.dialect() == Dialect::Sqlite { 1 } else { lanes.max(1) };
        let asked = Mutex::new(Asked { waiting: VecDeque::new(), under_way: 0, runtime: None });
        let (most, act, next) = (most.max(1), Box::new(act), Next::AtOnce);
        Batcher { desk: Arc::new(Desk { db, name, most, lanes, next, act, asked }) }
    }

    /// The same, for work that costs more by the batch than by the item, like a lock on one hot row: a batch that would
    /// be small begins only when those who were just answered have had their chance to ask again.
    pub fn patient(self) -> Self {
        let mut desk = self.desk;
        if let Some(desk) = Arc::get_mut(&mut desk) {
            desk.next = Next::Patient;
        }
        Batcher { desk }
    }

    /// Acts on `item` together with whatever else is asked for now.
    pub async fn submit(&self, item: I) -> Result<O, TxError> {
        if matches!(&*self.desk.db.engine, Engine::Inline(_)) {
            let (desk, items) = (self.desk.clone(), vec![item]);
            let all = desk.db.clone().write(desk.name, move |tx| desk.act_on(tx, &items)).await;
            return all.map(|mut all| all.remove(0));
        }
        let (answer, receiver) = oneshot::channel();
        self.desk.put(item, answer)?;
        let stopped = || Err(TxError::Unknown(format!("`{}` was stopped", self.desk.name)));
        receiver.await.unwrap_or_else(|_| stopped())
    }
}

/// Where those who ask wait, and what is done for them.
struct Desk<I, O> {
    db: Db,
    name: &'static str,
    most: usize,
    lanes: usize,
    next: Next,
    act: Box<Act<I, O>>,
    asked: Mutex<Asked<I, O>>,
}

/// When the next batch begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    AtOnce,
    Patient,
}

struct Asked<I, O> {
    waiting: VecDeque<(I, Answer<O>)>,
    /// Batches that wait for a connection or have one.
    under_way: usize,
    /// On which those who ask run.
    runtime: Option<Handle>,
}

impl<I, O> Desk<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    fn lock(&self) -> MutexGuard<'_, Asked<I, O>> {
        self.asked.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn put(self: &Arc<Self>, item: I, answer: Answer<O>) -> Result<(), TxError> {
        let mut asked = self.lock();
        if asked.waiting.len() >= self.most * 64 {
            return Err(TxError::Busy(format!("too much waits for `{}`", self.name)));
        }
        asked.waiting.push_back((item, answer));
        if asked.under_way < self.lanes {
            asked.under_way += 1;
            asked.runtime = asked.runtime.take().or_else(|| Handle::try_current().ok());
            drop(asked);
            send(Batch::new(self));
        }
        Ok(())
    }

    /// Those who went away while they waited are not served: as if they had never asked.
    fn take(&self, most: usize) -> (Vec<I>, Vec<Answer<O>>) {
        let mut asked = self.lock();
        let count = asked.waiting.len().min(most);
        asked.waiting.drain(..count).filter(|(_, answer)| !answer.is_closed()).unzip()
    }

    fn act_on(&self, tx: &mut Tx<'_>, items: &[I]) -> Result<Vec<O>> {
        let results = (self.act)(tx, items)?;
        match results.len() == items.len() {
            true => Ok(results),
            false => {
                Err(Error::bug(format!("`{}` answered {} of {}", self.name, results.len(), items.len())))
            }
        }
    }

    /// A batch of `served` has ended; the next begins, if anybody waits.
    fn go_on(self: &Arc<Self>, served: usize) {
        let mut asked = self.lock();
        if asked.waiting.is_empty() {
            asked.under_way -= 1;
            return;
        }
        let soon = Soon(Some(Batch::new(self)));
        // Most of those who were just answered may ask again at once. When few others wait, a patient batch stands behind
        // them in the queue of their runtime, or those few would get a commit of their own each time.
        let few = self.next == Next::Patient && asked.waiting.len() * 2 < served;
        let runtime = asked.runtime.clone().filter(|_| few);
        drop(asked);
        if let Some(runtime) = runtime {
            runtime.spawn(async move {
                tokio::task::yield_now().await;
                drop(soon);
            });
        }
    }

    /// Nobody will come for those who wait.
    fn turn_away(&self) {
        self.lock().under_way -= 1;
        let (_, answers) = self.take(usize::MAX);
        tell_all(answers, TxError::Busy(format!("too much waits for `{}`", self.name)));
    }
}

/// A batch that is sent when this is dropped: also when the runtime that was to send it is gone.
struct Soon<I: Send + Sync + 'static, O: Send + 'static>(Option<Batch<I, O>>);

impl<I: Send + Sync + 'static, O: Send + 'static> Drop for Soon<I, O> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(send);
    }
}

/// A database that takes no more work drops the batch, and with that turns away those who wait for it.
fn send<I: Send + Sync + 'static, O: Send + 'static>(batch: Batch<I, O>) {
    let db = batch.desk.db.clone();
    let _ = db.push(Box::new(batch));
}

/// One transaction for many; who is in it is decided when it begins.
struct Batch<I: Send + Sync + 'static, O: Send + 'static> {
    desk: Arc<Desk<I, O>>,
    items: Vec<I>,
    answers: Vec<Answer<O>>,
    results: Vec<O>,
    since: Instant,
    lane: Lane,
}

/// Whether the next batch waits for this one to end.
#[derive(PartialEq, Eq)]
enum Lane {
    Held,
    None,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Batch<I, O> {
    fn new(desk: &Arc<Desk<I, O>>) -> Self {
        let (desk, since) = (desk.clone(), Instant::now());
        Batch { desk, items: Vec::new(), answers: Vec::new(), results: Vec::new(), since, lane: Lane::Held }
    }

    fn of_one(desk: &Arc<Desk<I, O>>, item: I, answer: Answer<O>) -> Self {
        let mut batch = Batch::new(desk);
        (batch.items, batch.answers, batch.lane) = (vec![item], vec![answer], Lane::None);
        batch
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Work for Batch<I, O> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        // Another attempt is made for the same ones.
        if self.items.is_empty() {
            (self.items, self.answers) = self.desk.take(self.desk.most);
        }
        self.results = match self.items.as_slice() {
            [] => Vec::new(),
            items => caught(self.desk.name, || self.desk.act_on(tx, items))?,
        };
        tx.check_whole()
    }

    fn finish(mut self: Box<Self>, end: End) {
        let (items, mut answers) = (std::mem::take(&mut self.items), std::mem::take(&mut self.answers));
        let served = answers.len();
        match end {
            End::Committed => {
                let results = std::mem::take(&mut self.results);
                answers.into_iter().zip(results).for_each(|(answer, result)| tell(answer, Ok(result)));
            }
            // One bad item must not fail its neighbours.
            End::RolledBack(_) if served > 1 => {
                let each = items.into_iter().zip(answers);
                each.for_each(|(item, answer)| send(Batch::of_one(&self.desk, item, answer)));
            }
            End::RolledBack(error) => tell_all(answers, TxError::Refused(error)),
            End::Unknown(what) => tell_all(answers, TxError::Unknown(what)),
            End::Busy(what) => {
                // It may not even have begun: then those for whom it was meant hear it all the same.
                answers.extend(self.desk.take(self.desk.most).1);
                tell_all(answers, TxError::Busy(what));
            }
        }
        if std::mem::replace(&mut self.lane, Lane::None) == Lane::Held {
            self.desk.go_on(served);
        }
    }

    fn abandoned(&self) -> bool {
        false
    }

    fn age(&self) -> Duration {
        self.since.elapsed()
    }

    fn name(&self) -> &'static str {
        self.desk.name
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Drop for Batch<I, O> {
    fn drop(&mut self) {
        if self.lane == Lane::Held {
            self.desk.turn_away();
        }
        // Those who were taken in may have been served: nobody came back to say so.
        let text = format!("`{}` was stopped", self.desk.name);
        tell_all(std::mem::take(&mut self.answers), TxError::Unknown(text));
    }
}

/// The one who asked may have gone away; the work is done all the same.
fn tell<O>(answer: Answer<O>, end: Result<O, TxError>) {
    let _ = answer.send(end);
}

/// The error itself can be told only once; the others hear a copy.
fn tell_all<O>(mut answers: Vec<Answer<O>>, error: TxError) {
    let last = answers.pop();
    answers.into_iter().for_each(|answer| tell(answer, Err(again(&error))));
    if let Some(last) = last {
        tell(last, Err(error));
    }
}

fn again(error: &TxError) -> TxError {
    match error {
        TxError::Busy(what) => TxError::Busy(what.clone()),
        TxError::Unknown(what) => TxError::Unknown(what.clone()),
        TxError::Refused(error) => TxError::Refused(Error::bug(error.to_string())),
    }
}
