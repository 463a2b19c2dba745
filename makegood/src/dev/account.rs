//! The sandbox beside the shop: an account at a Stripe of our own, on a listener of its own and under `/sandbox`, kept
//! in a file, with a webhook endpoint that leads to us.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::map_response_with_state;
use axum::response::Response;
use kernel::{Clock, Cx, Duration, Entropy, Error, Refusal, Result};
use sandbox::http::{Shared, deliver_forever, router};
use sandbox::{ApiRequest, Sandbox, Settings};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::folder::Folder;

/// The port of the sandbox, unless another program has it: the one that Stripe's own mock uses.
const PORT: u16 = 12_111;
/// The key that the shop calls it with; every other `sk_test_…` does as well.
pub(super) const SECRET_KEY: &str = "sk_test_makegood_dev";
/// After a change so much more may follow at once; then the account is saved.
const SAVE_PAUSE: Duration = Duration::from_millis(250);

/// The account, not yet served.
pub(super) struct Account {
    shared: Arc<Shared>,
    file: PathBuf,
    listener: TcpListener,
    url: String,
    changed: Arc<Notify>,
}

impl Account {
    /// Opens the account that is kept in `folder`. Buyers pay under `app_url`, so that one address is enough for a
    /// browser.
    pub(super) async fn open(
        folder: &Folder,
        app_url: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Account> {
        let (listener, file) = (listener().await?, folder.sandbox_file());
        let address = listener.local_addr().map_err(|e| Error::Bug(e.into()))?;
        let settings = Settings {
            public_url: format!("{app_url}/sandbox"),
            seller: "First Shop".into(),
            ..Settings::default()
        };
        let shared = Shared::load(&file, settings, clock, entropy).map_err(|error| {
            Refusal::new("sandbox_unreadable", format!("{}: {error}", file.display()))
                .fix("begin anew: makegood dev --reset")
        })?;
        let url = format!("http://{address}");
        Ok(Account { shared, file, listener, url, changed: Arc::default() })
    }

    /// Where its API is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The port that it wanted, when it could not have it.
    pub(super) fn missed_port(&self) -> Option<u16> {
        let own = self.url.ends_with(&format!(":{PORT}"));
        (!own).then_some(PORT)
    }

    /// Everything that it serves, to be nested.
    pub(super) fn router(&self) -> Router {
        router(self.shared.clone()).layer(map_response_with_state(self.changed.clone(), note_change))
    }

    /// Makes events lead to `url`, signed with `secret`. An endpoint of an earlier run is moved, so that what is still
    /// to be delivered arrives.
    pub(super) fn send_events_to(&self, url: &str, secret: &str) -> Result<()> {
        self.shared.with(|sandbox, cx| {
            let known = sandbox.endpoints().map(|(id, at)| (id.to_owned(), at == url)).next();
            match known {
                None => drop(sandbox.add_endpoint_with_secret(url, &["*"], secret, cx)),
                Some((_, true)) => {}
                Some((id, false)) => return move_endpoint(sandbox, &id, url, cx),
            }
            Ok(())
        })
    }

    /// Serves, delivers and saves until `stop`.
    pub(super) fn start(self, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) -> Result<()> {
        let http = super::local_client().build();
        let http = http.map_err(|e| Error::Bug(Box::new(e)))?;
        let (routes, shared) = (self.router(), self.shared.clone());
        let (served, delivered) = (stopped(stop.clone()), stopped(stop.clone()));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(self.listener, routes).with_graceful_shutdown(served).await {
                tracing::error!(%error, "the sandbox stopped");
            }
        });
        tasks.spawn(deliver_forever(shared.clone(), http, delivered));
        tasks.spawn(save_changes(shared, self.file, self.changed, stop.clone()));
        Ok(())
    }
}

/// On the usual port, else on any.
async fn listener() -> Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", PORT)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| {
            Refusal::new("port_taken", format!("the sandbox finds no port on 127.0.0.1: {error}")).into()
        }),
    }
}

async fn note_change(State(changed): State<Arc<Notify>>, response: Response) -> Response {
    changed.notify_one();
    response
}

/// As any shop would: through the API.
fn move_endpoint(sandbox: &mut Sandbox, id: &str, url: &str, cx: &Cx) -> Result<()> {
    let request = ApiRequest {
        method: "POST".into(),
        path: format!("/v1/webhook_endpoints/{id}"),
        query: String::new(),
        body: format!("url={}", url.replace(':', "%3A").replace('/', "%2F")).into_bytes(),
        headers: vec![("authorization".into(), format!("Bearer {SECRET_KEY}"))],
    };
    let response = sandbox.handle(&request, cx);
    match response.status {
        200 => Ok(()),
        status => Err(Error::bug(format!("the sandbox answered {status}: {}", response.body))),
    }
}

/// Resolves when everything is to stop.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: then it is over too.
    let _ = stop.wait_for(|over| *over).await;
}

async fn save_changes(shared: Arc<Shared>, file: PathBuf, changed: Arc<Notify>, stop: watch::Receiver<bool>) {
    let mut over = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut over => break,
            () = changed.notified() => {}
        }
        tokio::select! {
            () = &mut over => break,
            () = tokio::time::sleep(SAVE_PAUSE) => save(&shared, &file).await,
        }
    }
    save(&shared, &file).await;
}

async fn save(shared: &Arc<Shared>, file: &std::path::Path) {
    let (shared, file) = (shared.clone(), file.to_owned());
    let saved = tokio::task::spawn_blocking(move || shared.save(&file)).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!(%error, "the sandbox could not be saved; it is tried again after the next change");
    }
}
