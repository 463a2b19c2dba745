//! Group commit: what many callers ask for at once becomes one transaction.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kernel::{Error, Result};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::{Db, Dialect, Engine, Tx, TxError};

type Act<I, O> = dyn Fn(&mut Tx<'_>, &[I]) -> Result<Vec<O>> + Send + Sync;
type Asked<I, O> = (I, oneshot::Sender<Result<O, TxError>>);

/// The way to a task that gathers; begun by the first who asks.
type Lane<I, O> = Mutex<Option<mpsc::Sender<Asked<I, O>>>>;

/// Collects items that are asked for at the same time, acts on all of them in one transaction, and gives each
/// caller its own answer. While one transaction is being committed the next batch gathers: the busier, the larger.
pub struct Batcher<I, O> {
    db: Db,
    name: &'static str,
    most: usize,
    act: Arc<Act<I, O>>,
    lanes: Vec<Lane<I, O>>,
    next: AtomicUsize,
}

impl<I, O> Batcher<I, O>
where
    I: Clone + Send + Sync + 'static,
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
        let lanes = (0..lanes).map(|_| Mutex::new(None)).collect();
        Batcher { db, name, most: most.max(1), act: Arc::new(act), lanes, next: AtomicUsize::new(0) }
    }

    /// Acts on `item` together with whatever else is asked for now.
    pub async fn submit(&self, item: I) -> Result<O, TxError> {
        if matches!(&*self.db.engine, Engine::Inline(_)) {
            return act_on(&self.db, self.name, &self.act, vec![item]).await.map(|mut all| all.remove(0));
        }
        let (answer, receiver) = oneshot::channel();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        if self.send(&self.lanes[at], (item, answer)).is_err() {
            return Err(TxError::Busy(format!("too much waits for `{}`", self.name)));
        }
        receiver.await.unwrap_or_else(|_| Err(TxError::Unknown(format!("`{}` was stopped", self.name))))
    }

    /// Puts `asked` into a lane; its task is begun anew when the runtime that it ran on is gone.
    fn send(&self, lane: &Lane<I, O>, asked: Asked<I, O>) -> Result<(), TrySendError<Asked<I, O>>> {
        let mut lane = lane.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match lane.get_or_insert_with(|| self.start()).try_send(asked) {
            Err(TrySendError::Closed(asked)) => lane.insert(self.start()).try_send(asked),
            sent => sent,
        }
    }

    fn start(&self) -> mpsc::Sender<Asked<I, O>> {
        let (sender, receiver) = mpsc::channel(self.most * 64);
        tokio::spawn(gather(self.db.clone(), self.name, self.most, self.act.clone(), receiver));
        sender
    }
}

async fn gather<I, O>(
    db: Db,
    name: &'static str,
    most: usize,
    act: Arc<Act<I, O>>,
    mut asked: mpsc::Receiver<Asked<I, O>>,
) where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let mut batch = Vec::with_capacity(most);
    while asked.recv_many(&mut batch, most).await > 0 {
        // Those who went away while they waited are not served: as if they had never asked.
        batch.retain(|(_, answer)| !answer.is_closed());
        let (items, answers): (Vec<I>, Vec<_>) = batch.drain(..).unzip();
        if items.is_empty() {
            continue;
        }
        match act_on(&db, name, &act, items.clone()).await {
            Ok(results) => {
                answers.into_iter().zip(results).for_each(|(answer, result)| tell(answer, Ok(result)))
            }
            // One bad item must not fail its neighbours.
            Err(TxError::Refused(_)) if items.len() > 1 => {
                for (item, answer) in items.into_iter().zip(answers) {
                    let one = act_on(&db, name, &act, vec![item]).await;
                    tell(answer, one.map(|mut all| all.remove(0)));
                }
            }
            Err(error) => tell_all(answers, error),
        }
        // Those who were just answered may ask again at once: let them, before the next batch is closed, or a few
        // early ones would get a commit of their own each time.
        tokio::task::yield_now().await;
    }
}

/// The one who asked may have gone away; the work is done all the same.
fn tell<O>(answer: oneshot::Sender<Result<O, TxError>>, end: Result<O, TxError>) {
    let _ = answer.send(end);
}

/// The error itself can be told only once; the others hear a copy.
fn tell_all<O>(mut answers: Vec<oneshot::Sender<Result<O, TxError>>>, error: TxError) {
    let last = answers.pop();
    answers.into_iter().for_each(|answer| tell(answer, Err(again(&error))));
    if let Some(last) = last {
        tell(last, Err(error));
    }
}

async fn act_on<I, O>(
    db: &Db,
    name: &'static str,
    act: &Arc<Act<I, O>>,
    items: Vec<I>,
) -> Result<Vec<O>, TxError>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let act = act.clone();
    db.write(name, move |tx| {
        let results = act(tx, &items)?;
        match results.len() == items.len() {
            true => Ok(results),
            false => Err(Error::bug(format!("`{name}` answered {} of {}", results.len(), items.len()))),
        }
    })
    .await
}

/// The same ending for each of a batch; the error itself can be told only once.
fn again(error: &TxError) -> TxError {
    match error {
        TxError::Busy(what) => TxError::Busy(what.clone()),
        TxError::Unknown(what) => TxError::Unknown(what.clone()),
        TxError::Refused(error) => TxError::Refused(Error::bug(error.to_string())),
    }
}
