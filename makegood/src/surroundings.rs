//! The process around the shop, as the rooms may ask it.

use std::sync::Arc;

use db::Db;
use kernel::Clock;
use ops::Progress;
use serde_json::Value;
use shop::Outside;
use shop::around::{Around, Part, Rows};

use crate::config::Config;
use crate::doctor::{self, Finding, Patient, Vitals};
use crate::secrets::{Secrets, told};

/// What this process knows besides the shop.
pub struct Surroundings {
    config: Arc<Config>,
    secrets: Arc<Secrets>,
    patient: Patient,
}

impl Surroundings {
    /// Of this process.
    pub fn new(
        config: Arc<Config>,
        db: Db,
        outside: Outside,
        secrets: Arc<Secrets>,
        clock: Arc<dyn Clock>,
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
        Surroundings { config, secrets, patient }
    }

    /// Of a process that serves nothing, around what is named there.
    pub fn around(patient: Patient, config: Arc<Config>, secrets: Arc<Secrets>) -> Self {
        Surroundings { config, secrets, patient }
    }

    /// The same with nothing around it.
    pub(crate) fn out_of_the_world(mut self) -> Self {
        self.patient.in_the_world = false;
        self
    }
}

impl Around for Surroundings {
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
