//! Stores what came in, before it is acknowledged. What comes at once shares a commit.

use db::{Batcher, Db, TxError, Value};
use kernel::Timestamp;
use kernel::planted::{Defect, planted};
use stripe::{Envelope, NotAnEvent};

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

impl Incoming {
    /// The event with this body, however it came.
    ///
    /// # Errors
    /// When the body is not an event of Stripe's.
    pub fn read(
        payload: String,
        signature: impl Into<String>,
        received_at: Timestamp,
    ) -> Result<Incoming, NotAnEvent> {
        let envelope = Envelope::parse(payload.as_bytes())?;
        let mut event = Incoming {
            id: envelope.id.into_owned(),
            kind: envelope.kind.into_owned(),
            api_version: envelope.api_version.map(|version| version.into_owned()),
            created: envelope.created,
            livemode: envelope.livemode,
            object_id: envelope.object_id.map(|id| id.into_owned()),
            payload: String::new(),
            signature: signature.into(),
            received_at,
        };
        // Only now: the envelope borrowed from it.
        event.payload = payload;
        Ok(event)
    }
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
    /// Takes rows, made by those who ask: what the one thread that writes need not do, others can do at once.
    batch: Batcher<Vec<Value>, Receipt>,
    livemode: bool,
}

impl Receiver {
    /// On this database. Events of the other mode are stored and ignored: test money buys nothing that is real.
    pub fn new(db: Db, livemode: bool) -> Self {
        let batch = Batcher::new(db, "inbox.receive", 256, 2, |tx, rows| {
            let new = store::insert(tx.alone(), rows)?;
            if new.contains(&true) {
                tx.wake(TOPIC);
            }
            Ok(new.into_iter().map(|new| if new { Receipt::Stored } else { Receipt::Duplicate }).collect())
        });
        Receiver { batch, livemode }
    }

    /// Stores an event; only then may it be acknowledged. The same id again is no second event.
    ///
    /// # Errors
    /// Any error means: not acknowledged, Stripe will send it again.
    pub async fn receive(&self, event: Incoming) -> Result<Receipt, TxError> {
        match self.batch.submit(store::row(event, self.livemode)).await {
            Err(_) if planted(Defect::AcknowledgeBeforeStoring) => Ok(Receipt::Stored),
            answer => answer,
        }
    }
}
