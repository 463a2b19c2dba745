//! Looks after the secrets while the server runs: reads them again in time, when a file was touched, on SIGHUP, and when
//! `makegood secrets refresh` was asked for on any node.

use std::sync::Arc;

use db::TxResult;
use kernel::{Duration, Timestamp};
use ops::Actor;
use ops::audit::{self, Entry};
use ops::runs::{self, RunId};
use serde_json::json;
use shop::office::secrets::REFRESH;
use tokio::task::JoinHandle;

use super::Change;
use crate::app::App;

/// A file that was touched, or a refresh that was asked for on another node, is noticed so soon.
const TICK: Duration = Duration::from_secs(3);
/// Clocks of two nodes differ by less.
const SKEW: Duration = Duration::from_secs(120);

/// The watch of one process; it ends when this is dropped.
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to watch. From now on SIGHUP reads the secrets again, and no longer ends the process.
pub fn start(app: &Arc<App>) -> Watch {
    Watch(tokio::spawn(watch(app.clone(), hangups())))
}

async fn watch(app: Arc<App>, mut hangups: Hangups) {
    let since = app.clock.now();
    let mut last = refreshed(&app, since).await;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {
                let asked = refreshed(&app, since).await;
                // What the database does not tell just now it tells later.
                if asked.is_some() && asked != last {
                    last = asked;
                    app.secrets.refetch().await;
                } else {
                    app.secrets.refetch_what_is_due().await;
                }
            }
            () = hangups.next() => {
                tracing::info!("SIGHUP: the secrets are read again");
                app.secrets.refetch().await;
            }
        }
        app.secrets.drop_the_old();
        app.secrets.learn_account().await;
        write_down(&app, app.secrets.take_changes()).await;
    }
}

/// The newest refresh that anybody has asked for.
async fn refreshed(app: &App, since: Timestamp) -> Option<RunId> {
    let since = since - SKEW;
    let read = app.shop.db.read("secrets.refreshed", move |tx| runs::ended_since(tx, REFRESH, since)).await;
    read.unwrap_or_else(|error| {
        tracing::debug!(%error, "whether a refresh of the secrets was asked for is not known just now");
        None
    })
}

/// That a value changed stands in the audit log; which value does not.
async fn write_down(app: &App, changes: Vec<Change>) {
    if changes.is_empty() {
        return;
    }
    let cx = app.shop.cx();
    let entries: Vec<Entry> = changes
        .iter()
        .map(|change| {
            let data = json!({ "source": change.place, "fingerprint": change.fingerprint });
            Entry::new("secret_changed", Actor::system("secrets"), "secret", change.name).with(data)
        })
        .collect();
    let written = app.shop.db.write("secrets.changed", move |tx| audit::record(tx, &cx, entries.clone()));
    if let Err(error) = written.await.must_be_looked_up() {
        tracing::error!(%error, ?changes, "that secrets changed could not be written down");
    }
}

#[cfg(unix)]
struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
fn hangups() -> Hangups {
    use tokio::signal::unix::{SignalKind, signal};
    Hangups(signal(SignalKind::hangup()).ok())
}

#[cfg(unix)]
impl Hangups {
    async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
fn hangups() -> Hangups {
    Hangups
}

#[cfg(not(unix))]
impl Hangups {
    async fn next(&mut self) {
        std::future::pending().await
    }
}
