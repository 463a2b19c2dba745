//! What stands around the shop of a drill: its own process, without a world; or what the program would find with another
//! configuration.

use std::sync::{Arc, Mutex, MutexGuard};

use ops::Progress;
use serde_json::Value;
use shop::around::{Around, Part, Rows, Telling};

use crate::doctor::{self, Finding, Patient};
use crate::surroundings::Surroundings;

/// As what the program was to start, when it was stopped.
#[derive(Clone, Default)]
pub(super) struct Starting(Arc<Mutex<Option<Arc<Patient>>>>);

impl Starting {
    /// It is to start as this one; or it serves as before.
    pub(super) fn set(&self, patient: Option<Patient>) {
        *self.lock() = patient.map(Arc::new);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Patient>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

pub(super) struct AroundIt {
    /// As it serves.
    serving: Surroundings,
    starting: Starting,
}

impl AroundIt {
    pub(super) fn new(serving: Surroundings, starting: Starting) -> AroundIt {
        AroundIt { serving: serving.out_of_the_world(), starting }
    }
}

impl Around for AroundIt {
    fn process(&self) -> Telling<'_> {
        self.serving.process()
    }
    fn secrets(&self) -> Vec<Value> {
        self.serving.secrets()
    }
    fn refetch(&self) -> Rows<'_> {
        self.serving.refetch()
    }
    fn examine<'a>(&'a self, parts: &'a [Part], progress: &'a dyn Progress) -> Rows<'a> {
        let starting = self.starting.lock().clone();
        Box::pin(async move {
            match starting {
                None => self.serving.examine(parts, progress).await,
                Some(patient) => {
                    let found = doctor::examine(&patient, parts, progress).await;
                    Ok(found.iter().map(Finding::row).collect())
                }
            }
        })
    }
}
