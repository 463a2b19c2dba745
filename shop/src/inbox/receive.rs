//! Stores what came in, before it is acknowledged. What comes at once shares a commit.

use std::collections::BTreeSet;

use db::{Batcher, Db, TxError};
use kernel::Timestamp;
use kernel::planted::{Defect, planted};

use super::store;

/// An event whose signature was verified.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// In which version it is written.
    pub api_version: Option<String>,
    /// When Stripe made it.
    pub created: Timestamp,
    /// Whether it is about real money.
    pub livemode: bool,
    /// Which object it is about.
    pub object_id: Option<String>,
    /// The body as received.
    pub payload: String,
    /// The signature header, so that it can be verified again.
    pub signature: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// What became of an event that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It is stored.
    Stored,
    /// It was stored before.
    Duplicate,
}

/// The bell that rings when an event was stored.
pub const TOPIC: &str = "events";

/// Stores events, many in one commit.
pub struct Receiver {
    batch: Batcher<Incoming, Receipt>,
}

impl Receiver {
    /// On this database. Events of the other mode are stored and ignored: test money buys nothing that is real.
    pub fn new(db: Db, livemode: bool) -> Self {
        let batch = Batcher::new(db, "inbox.receive", 256, 2, move |tx, events| {
            let mut new = store::insert(tx, events, livemode)?;
            if !new.is_empty() {
                tx.wake(TOPIC);
            }
            // Of two copies in one batch the second is the duplicate.
            Ok(events
                .iter()
                .map(|event| if new.remove(&event.id) { Receipt::Stored } else { Receipt::Duplicate })
                .collect())
        });
        Receiver { batch }
    }

    /// Stores an event; only then may it be acknowledged. The same id again is no second event.
    ///
    /// # Errors
    /// Any error means: not acknowledged, Stripe will send it again.
    pub async fn receive(&self, event: Incoming) -> Result<Receipt, TxError> {
        match self.batch.submit(event).await {
            Err(_) if planted(Defect::AcknowledgeBeforeStoring) => Ok(Receipt::Stored),
            answer => answer,
        }
    }
}

/// The ids among `events`, each once.
pub(super) fn distinct(events: &[Incoming]) -> Vec<&Incoming> {
    let mut seen = BTreeSet::new();
    events.iter().filter(|event| seen.insert(event.id.as_str())).collect()
}
