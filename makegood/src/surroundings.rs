//! The process around the shop, as the rooms may ask it.

use std::sync::{Arc, OnceLock};

use db::Db;
use kernel::{Clock, Duration, Timestamp};
use ops::Progress;
use serde_json::Value;
use shop::Outside;
use shop::around::{Around, Part, Process, Rows, Telling};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Config;
use crate::doctor::{self, Finding, Patient, Vitals};
use crate::secrets::{Secrets, told};

/// A server on this machine answers within this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Since when this process serves; nothing while it does not.
pub type Serving = Arc<OnceLock<Timestamp>>;

/// What this process knows besides the shop.
pub struct Surroundings {
    config: Arc<Config>,
    secrets: Arc<Secrets>,
    patient: Patient,
    serving: Serving,
}

impl Surroundings {
    /// Of this process.
    pub fn new(
        config: Arc<Config>,
        db: Db,
        outside: Outside,
        secrets: Arc<Secrets>,
        clock: Arc<dyn Clock>,
        serving: Serving,
    ) -> Self {
        let vitals = Vitals { outside, secrets: secrets.clone() };
        let patient = Patient {
            config: Ok(config.clone()),
            db: Ok(db),
            vitals: Ok(vitals),
            clock,
            serves: true,
            in_the_world: true,
        };
        Surroundings { config, secrets, patient, serving }
    }

    /// Whether a server runs, in words: this process, or whoever listens where this configuration would.
    async fn server(&self) -> String {
        let listen = self.config.listen;
        if self.serving.get().is_some() {
            return "this one".to_owned();
        }
        match timeout(PATIENCE, TcpStream::connect(listen)).await {
            Ok(Ok(_)) => format!("something listens at {listen}; ask it with --server"),
            Ok(Err(_)) | Err(_) => format!("none runs at {listen}"),
        }
    }

    /// The same, with another one to be examined: what is named where this process serves nothing.
    pub(crate) fn of(self, patient: Patient) -> Self {
        Surroundings { patient, ..self }
    }

    /// The same with nothing around it.
    pub(crate) fn out_of_the_world(mut self) -> Self {
        self.patient.in_the_world = false;
        self
    }
}

impl Around for Surroundings {
    fn process(&self) -> Telling<'_> {
        Box::pin(async {
            Process {
                mode: self.config.money().word(),
                version: env!("CARGO_PKG_VERSION"),
                server: self.server().await,
                started_at: self.serving.get().copied(),
            }
        })
    }

    fn secrets(&self) -> Vec<Value> {
        self.secrets.rows(&self.config)
    }

    fn refetch(&self) -> Rows<'_> {
        Box::pin(async { Ok(told(&self.secrets.refetch().await)) })
    }

    fn examine<'a>(&'a self, parts: &'a [Part], progress: &'a dyn Progress) -> Rows<'a> {
        Box::pin(async move {
            let found = doctor::examine(&self.patient, parts, progress).await;
            Ok(found.iter().map(Finding::row).collect())
        })
    }
}
