//! The least that has to be read for a page: one prepared statement on one connection of the driver's own.

use std::time::Instant;

use db::Value;
use kernel::{Error, Result};
use tokio_postgres::types::ToSql;

use super::super::place::{Bare, Place, bug};
use super::years::Sample;

/// A statement, and which of the sample's values it asks for.
pub type Read = (&'static str, fn(&Sample) -> Vec<Value>);

/// The newest orders.
pub const NEWEST: Read = ("SELECT * FROM orders ORDER BY id DESC LIMIT 20", |_| vec![]);
/// Orders that wait for a person.
pub const PAID: Read =
    ("SELECT * FROM orders WHERE status = 'paid' ORDER BY created_at DESC, id DESC LIMIT 20", |_| vec![]);
/// What most orders are.
pub const COMPLETED: Read = (
    "SELECT * FROM orders WHERE status = 'completed' ORDER BY created_at DESC, id DESC LIMIT 20",
    |_| vec![],
);
/// The same, further back.
pub const AFTER: Read = (
    "SELECT * FROM orders WHERE status = 'completed' AND (created_at, id) <
       ((SELECT created_at FROM orders WHERE id = $1), $1) ORDER BY created_at DESC, id DESC LIMIT 20",
    |sample| vec![sample.order.into()],
);
/// A buyer's orders.
pub const BY_EMAIL: Read =
    ("SELECT * FROM orders WHERE email IS NOT NULL AND lower(email) = lower($1) LIMIT 50", |sample| {
        vec![sample.email.clone().into()]
    });
/// The order of a payment.
pub const BY_INTENT: Read = ("SELECT * FROM orders WHERE stripe_payment_intent_id = $1", |sample| {
    vec![sample.payment_intent.clone().into()]
});
/// An event.
pub const BY_EVENT: Read =
    ("SELECT * FROM stripe_events WHERE stripe_event_id = $1", |sample| vec![sample.event.clone().into()]);
/// The newest events.
pub const EVENTS: Read =
    ("SELECT * FROM stripe_events ORDER BY received_at DESC, stripe_event_id DESC LIMIT 20", |_| vec![]);
/// Events of a type that is seldom sent.
pub const RARE_EVENTS: Read = (
    "SELECT * FROM stripe_events WHERE type = 'checkout.session.async_payment_succeeded'
     ORDER BY received_at DESC, stripe_event_id DESC LIMIT 20",
    |_| vec![],
);
/// Events for a person; there are none, so one row says that.
pub const FAILED_EVENTS: Read = (
    "SELECT COUNT(*) FROM stripe_events WHERE status IN ('received', 'retry', 'error', 'unmatched')",
    |_| vec![],
);
/// The newest audit entries.
pub const AUDIT: Read = ("SELECT * FROM audit_logs ORDER BY id DESC LIMIT 20", |_| vec![]);
/// Audit entries of a type that is seldom written.
pub const RARE_AUDIT: Read = (
    "SELECT * FROM audit_logs WHERE event_type = 'purchase_claim_completed' ORDER BY at DESC, id DESC LIMIT 20",
    |_| vec![],
);
/// What a buyer may use.
pub const ACCESS: Read = ("SELECT * FROM entitlements WHERE holder = CAST($1 AS text)", |sample| {
    vec![sample.profile.uuid().to_string().into()]
});
/// One order.
pub const ONE: Read = ("SELECT * FROM orders WHERE id = $1", |sample| vec![sample.order.into()]);
/// What is open for a person.
pub const OPEN: Read =
    ("SELECT * FROM orders WHERE requires_review ORDER BY updated_at LIMIT 200", |_| vec![]);

/// A bare connection.
pub struct Session(Bare);

impl Session {
    /// A new one on this database.
    ///
    /// # Errors
    /// Whatever the driver says.
    pub async fn open(place: &Place) -> Result<Session> {
        place.connect().await.map(Session)
    }

    /// Reads; gives how long that took, in milliseconds.
    ///
    /// # Errors
    /// Whatever the driver says, or that there was nothing to read.
    pub async fn read(&self, (sql, values): Read, sample: &Sample) -> Result<f64> {
        let values = values(sample);
        let (rows, took) = match &self.0 {
            Bare::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(bug)?;
                let columns = statement.column_count();
                let began = Instant::now();
                let mut rows = statement.query(rusqlite::params_from_iter(&values)).map_err(bug)?;
                let mut count = 0;
                while let Some(row) = rows.next().map_err(bug)? {
                    for column in 0..columns {
                        let _: rusqlite::types::Value = row.get(column).map_err(bug)?;
                    }
                    count += 1;
                }
                (count, began.elapsed())
            }
            Bare::Postgres(client) => {
                let statement = client.prepare(sql).await.map_err(bug)?;
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
                let began = Instant::now();
                let rows = client.query(&statement, &values).await.map_err(bug)?;
                (rows.len(), began.elapsed())
            }
        };
        match rows {
            0 => Err(Error::bug(format!("nothing to read: {sql}"))),
            _ => Ok(took.as_secs_f64() * 1000.0),
        }
    }
}
