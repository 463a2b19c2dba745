//! An event in the inbox. This file decides when an event is given up.

use kernel::{Error, Result, Timestamp};
use serde::Serialize;

use crate::ids::OrderId;

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// Stored, not processed yet.
    Received,
    /// Everything it proves is settled.
    Processed,
    /// Not ours, or of a type that we do not act on; kept.
    Ignored,
    /// Will be tried again.
    Retry,
    /// Needs a person.
    Error,
    /// It names an order that we do not know; matched when the order appears.
    Unmatched,
}

impl EventStatus {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            EventStatus::Received => "received",
            EventStatus::Processed => "processed",
            EventStatus::Ignored => "ignored",
            EventStatus::Retry => "retry",
            EventStatus::Error => "error",
            EventStatus::Unmatched => "unmatched",
        }
    }
    /// Reads a stored status; an unknown text is a bug, not a default.
    pub fn parse(text: &str) -> Result<Self> {
        use EventStatus::{Error as Failed, Ignored, Processed, Received, Retry, Unmatched};
        [Received, Processed, Ignored, Retry, Failed, Unmatched]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::bug(format!("an event is `{text}`")))
    }
    /// The status that somebody has typed.
    pub(super) fn named(text: &str) -> Result<Self> {
        EventStatus::parse(text)
            .map_err(|_| Error::invalid("status", format!("`{text}` is no status of an event")))
    }
}

/// How an event came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    /// Stripe sent it, signed.
    Webhook,
    /// It was fetched from Stripe's list of events. It carries no signature; the connection was Stripe's.
    Backfill,
}

/// One Stripe event as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// In which version it is written.
    pub api_version: Option<String>,
    /// When Stripe made it; never used for ordering.
    pub created: Timestamp,
    /// Whether it is about real money.
    pub livemode: bool,
    /// Which object it is about.
    pub object_id: Option<String>,
    /// How it came here first.
    pub source: EventSource,
    /// Where it stands.
    pub status: EventStatus,
    /// How often it was tried.
    pub attempts: i64,
    /// When it will be tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// What kind of error the last attempt met.
    pub last_error_kind: Option<String>,
    /// The error itself.
    pub last_error: Option<String>,
    /// Which order it touched.
    pub order_id: Option<OrderId>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it ended.
    pub processed_at: Option<Timestamp>,
}

impl StoredEvent {
    /// Whether it waits for a person because it lacks a field that is needed.
    pub fn is_unreadable(&self) -> bool {
        self.status == EventStatus::Error && self.last_error_kind.as_deref() == Some(MISSING_FIELD)
    }
}

/// What kind of error a missing field is, as it is stored.
pub(super) const MISSING_FIELD: &str = "missing_field";

/// After so many attempts an event waits for a person.
pub const MAX_ATTEMPTS: i64 = 12;
