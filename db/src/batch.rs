//! Group commit: what many callers ask for at once becomes one transaction.

use std::sync::{Arc, OnceLock};

use kernel::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use crate::{Db, Dialect, Engine, Tx, TxError};

type Act<I, O> = dyn Fn(&mut Tx<'_>, &[I]) -> Result<Vec<O>> + Send + Sync;
type Asked<I, O> = (I, oneshot::Sender<Result<O, TxError>>);

/// Collects items that are asked for at the same time, acts on all of them in one transaction, and gives each
/// caller its own answer. While one transaction is being committed the next batch gathers: the busier, the larger.
pub struct Batcher<I, O> {
    db: Db,
    name: &'static str,
    most: usize,
    lanes: usize,
    act: Arc<Act<I, O>>,
    queue: OnceLock<Vec<mpsc::Sender<Asked<I, O>>>>,
    next: std::sync::atomic::AtomicUsize,
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
        let next = std::sync::atomic::AtomicUsize::new(0);
        Batcher { db, name, most, lanes, act: Arc::new(act), queue: OnceLock::new(), next }
    }

    /// Acts on `item` together with whatever else is asked for now.
    pub async fn submit(&self, item: I) -> Result<O, TxError> {
        if matches!(&*self.db.engine, Engine::Inline(_)) {
            return act_on(&self.db, self.name, &self.act, vec![item]).await.map(|mut all| all.remove(0));
        }
        let (answer, receiver) = oneshot::channel();
        let lanes = self.queue.get_or_init(|| (0..self.lanes).map(|_| self.start()).collect());
        let at = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % lanes.len();
        if lanes[at].try_send((item, answer)).is_err() {
            return Err(TxError::Busy(format!("too much waits for `{}`", self.name)));
        }
        receiver.await.unwrap_or_else(|_| Err(TxError::Unknown(format!("`{}` was stopped", self.name))))
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
    {
        let mut batch = Vec::with_capacity(most);
        while asked.recv_many(&mut batch, most).await > 0 {
            let (items, answers): (Vec<I>, Vec<_>) = batch.drain(..).unzip();
            match act_on(&db, name, &act, items.clone()).await {
                Ok(results) => {
                    for (answer, result) in answers.into_iter().zip(results) {
                        let _ = answer.send(Ok(result));
                    }
                }
                // One bad item must not fail its neighbours.
                Err(TxError::Refused(_)) if items.len() > 1 => {
                    for (item, answer) in items.into_iter().zip(answers) {
                        let one = act_on(&db, name, &act, vec![item]).await;
                        let _ = answer.send(one.map(|mut all| all.remove(0)));
                    }
                }
                Err(error) => {
                    let (last, others) =
                        answers.into_iter().fold((None, Vec::new()), |(last, mut others), next| {
                            others.extend(last);
                            (Some(next), others)
                        });
                    others.into_iter().for_each(|answer| drop(answer.send(Err(again(&error)))));
                    last.map(|answer| answer.send(Err(error)));
                }
            }
        }
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
