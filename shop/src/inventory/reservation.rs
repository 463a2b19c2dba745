//! Reservations and levels: plain values. This file decides what may follow on what.

use kernel::{Error, Result, Timestamp};
use serde::Serialize;

use crate::ids::{OrderId, ReservationId};

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReservationStatus {
    /// Set aside; counts against what is available.
    Reserved,
    /// Sold: out of stock, in the ledger.
    Confirmed,
    /// Given back because the order ended.
    Released,
    /// Given back because nobody paid in time.
    Expired,
}

impl ReservationStatus {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            ReservationStatus::Reserved => "reserved",
            ReservationStatus::Confirmed => "confirmed",
            ReservationStatus::Released => "released",
            ReservationStatus::Expired => "expired",
        }
    }
    /// Reads a stored status; an unknown text is a bug, not a default.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "reserved" => Ok(ReservationStatus::Reserved),
            "confirmed" => Ok(ReservationStatus::Confirmed),
            "released" => Ok(ReservationStatus::Released),
            "expired" => Ok(ReservationStatus::Expired),
            other => Err(Error::bug(format!("a reservation is `{other}`"))),
        }
    }
}

/// A piece of stock set aside for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Of which stock.
    pub sku: String,
    /// How many pieces.
    pub quantity: i64,
    /// For which order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: ReservationStatus,
    /// Until when; `None` while a payment is being decided.
    pub expires_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

/// What an order wants of the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Which order.
    pub order: OrderId,
    /// How many pieces of which stock; each sku once.
    pub pieces: Vec<(String, i64)>,
}

/// What is there of one stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Level {
    /// Which stock.
    pub sku: String,
    /// Pieces that exist: the sum of the ledger.
    pub stock_count: i64,
    /// Pieces set aside: the sum of live reservations.
    pub reserved_count: i64,
    /// Pieces that can be sold now.
    pub available: i64,
}

/// One stock beside what its books say of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Books {
    /// Which stock.
    pub(super) sku: String,
    /// Pieces that exist, as counted here.
    pub(super) stock_count: i64,
    /// The same by the ledger.
    pub(super) ledger_sum: i64,
    /// Pieces set aside, as counted here.
    pub(super) reserved_count: i64,
    /// The same by the live reservations.
    pub(super) reservations_sum: i64,
    /// Whether both are equal.
    pub(super) agrees: bool,
}
