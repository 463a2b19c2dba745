//! Tasks at work in this process: begun by a door, heard of while they run, closed when they end or are cut off.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex as Lock};

use db::TxResult;
use futures_util::FutureExt;
use kernel::{Duration, Error, Refusal, Result};
use ops::runs::{self, Begun, INTERRUPTED, RunId, Seen, Told};
use ops::{Asked, By, Done, Key, Progress};
use shop::Shop;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::app::App;

/// How often a run that is written down says how far it is.
const BEAT: Duration = Duration::from_secs(2);
/// How often it says that it lives, when it is no farther.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The tasks of this process. What is begun here can be stopped here.
pub struct Tasks {
    stop: watch::Sender<bool>,
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks { stop: watch::channel(false).0 }
    }
}

impl Tasks {
    /// Cuts off every task, between two of its transactions, and writes down that it was cut off. Whoever begins it again
    /// goes on with what is left.
    pub async fn stop(&self, patience: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(patience, self.stop.closed()).await.is_err() {
            tracing::warn!("tasks did not end in time; they are closed when they are not heard of");
        }
    }
}

/// A task that was begun.
pub struct Started {
    /// Its run.
    pub id: RunId,
    run: Arc<Run>,
    work: JoinHandle<Result<Done>>,
}

/// Begins a task. One that changes things is written down before it does anything, together with the `Idempotency-Key`
/// under which it was asked for, and goes on when nobody waits for it any more.
///
/// # Errors
/// Refused when the role does not reach or nobody says why.
pub async fn begin(app: &Arc<App>, asked: Asked<Shop>, by: By, key: Option<Key>) -> Result<Started> {
    asked.permit(&by)?;
    let cx = app.shop.cx();
    let begun = Begun {
        id: cx.id(),
        task: asked.name,
        input: asked.input(),
        by,
        audit: asked.changing.map(|changing| changing.audit),
        started_at: cx.now,
    };
    let changes = begun.audit.is_some();
    if changes {
        write_down(app, &begun, key.clone()).await?;
    }
    let state = Mutex::new(State { written: changes, ended: false });
    let run = Arc::new(Run { begun, key, seen: Lock::default(), state });
    let work = tokio::spawn(work(app.clone(), run.clone(), asked));
    Ok(Started { id: run.begun.id, run, work })
}

async fn write_down(app: &App, begun: &Begun, key: Option<Key>) -> Result<()> {
    let (cx, begun) = (app.shop.cx(), begun.clone());
    let written = app.shop.db.write("task.begin", move |tx| {
        // Where no server sweeps, whoever begins the next closes those that died.
        runs::tidy(tx, &cx)?;
        runs::begin(tx, &begun, key.as_ref())
    });
    written.await.safe_to_repeat()
}

impl Started {
    /// How far it is.
    pub fn seen(&self) -> Seen {
        self.run.seen()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Whatever the task says.
    pub async fn ended(&mut self) -> Result<Done> {
        (&mut self.work).await.unwrap_or_else(|error| Err(Error::Bug(Box::new(error))))
    }

    /// Lets it go on without us: from now on its run can be asked for. False when it has ended meanwhile.
    ///
    /// # Errors
    /// When it could not be written down; it is cut off then, if it only looks.
    pub async fn let_go(&mut self, app: &App) -> Result<bool> {
        let mut state = self.run.state.lock().await;
        if state.ended {
            return Ok(false);
        }
        if !state.written {
            write_down(app, &self.run.begun, self.run.key.clone()).await?;
            state.written = true;
        }
        Ok(true)
    }
}

/// An answer that nobody waits for is not looked for. What changes things is not cut off by a client that goes away.
impl Drop for Started {
    fn drop(&mut self) {
        let written = self.run.state.try_lock().map_or(true, |state| state.written);
        if !written {
            self.work.abort();
        }
    }
}

/// One run, as those see it who work on it and who wait for it.
struct Run {
    begun: Begun,
    key: Option<Key>,
    seen: Lock<Seen>,
    state: Mutex<State>,
}

struct State {
    written: bool,
    ended: bool,
}

impl Progress for Run {
    fn at(&self, done: u64, of: Option<u64>, what: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (seen.done, seen.of) = (done, of);
        if seen.what != what {
            what.clone_into(&mut seen.what);
        }
    }
}

impl Run {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

async fn work(app: Arc<App>, run: Arc<Run>, asked: Asked<Shop>) -> Result<Done> {
    let mut stop = app.tasks.stop.subscribe();
    let running = AssertUnwindSafe(asked.run(&app.shop, &run.begun.by, &*run)).catch_unwind();
    let ended = tokio::select! {
        ended = running => ended.unwrap_or_else(|_| Err(Error::bug(format!("{} panicked", asked.name)))),
        () = be_heard(&app, &run) => Err(Error::bug("a heart does not stop by itself")),
        _ = stop.wait_for(|stop| *stop) => Err(cut_off()),
    };
    close(&app, &run, &ended).await;
    ended
}

fn cut_off() -> Error {
    Refusal::new(INTERRUPTED, "it was cut off; what it had done by then stays done")
        .fix("run it again: it goes on with what is left")
        .into()
}

/// Writes down how far a run is, again and again.
async fn be_heard(app: &App, run: &Run) {
    let (mut said, mut said_at) = (Seen::default(), tokio::time::Instant::now());
    loop {
        tokio::time::sleep(BEAT).await;
        let seen = run.seen();
        if (seen == said && said_at.elapsed() < SIGN_OF_LIFE) || !run.state.lock().await.written {
            continue;
        }
        (said, said_at) = (seen.clone(), tokio::time::Instant::now());
        let (id, now) = (run.begun.id, app.clock.now());
        let heard = app.shop.db.write("task.heard", move |tx| runs::hear(tx, id, now, &seen)).await;
        if let Err(error) = heard.safe_to_repeat() {
            tracing::warn!(run = %id, %error, "how far a task is could not be written down");
        }
    }
}

async fn close(app: &App, run: &Run, ended: &Result<Done>) {
    let id = run.begun.id;
    if let Err(error @ Error::Bug(_)) = ended {
        tracing::error!(task = run.begun.task, run = %id, %error, "a bug");
    }
    let mut state = run.state.lock().await;
    state.ended = true;
    if !state.written {
        return;
    }
    let ended = match ended {
        Ok(done) => Ok(done.clone()),
        Err(error) => Err(Told::from(error)),
    };
    let (cx, seen) = (app.shop.cx(), run.seen());
    let closed = app.shop.db.write("task.end", move |tx| runs::end(tx, &cx, id, &seen, &ended)).await;
    if let Err(error) = closed.safe_to_repeat() {
        tracing::error!(run = %id, %error, "the end of a task could not be written down");
    }
}
