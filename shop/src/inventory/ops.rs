//! What operators may do with stock, and read of it.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adjust::MOST_PIECES;
use super::{ReservationStatus, store};
use crate::ids::{ReservationId, reservation_schema};

/// Correct a stock by a ledger entry
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Adjust {
    /// Which stock
    pub sku: String,
    /// How many pieces more, or less when negative
    #[arg(allow_negative_numbers = true)]
    pub change: i64,
}

impl Operation for Adjust {
    const NAME: &'static str = "inventory.adjust";
    const SUBJECT: Option<&'static str> = Some("sku");
    const AUDIT: &'static str = "stock_adjusted";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let level = super::level(tx, &self.sku)?.ok_or_else(|| Error::not_found("stock", &self.sku))?;
        let after = level.stock_count.saturating_add(self.change);
        Ok(Plan::default()
            .guard(
                "enough_is_left",
                after >= level.reserved_count,
                format!("{} would be left, {} are set aside for orders", after, level.reserved_count),
            )
            .guard("can_be_counted", after <= MOST_PIECES, format!("{after} of at most {MOST_PIECES}"))
            .change(format!("stock of {}", self.sku), level.stock_count, after))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::adjust(tx, cx, &self.sku, self.change, "manual_correction", &by.actor.name)
    }

    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        let drift: Vec<_> = super::checks::CHECKS[0].run(tx, cx.now)?;
        let drifts = drift.iter().find(|finding| finding.subject == self.sku);
        let seen = drifts.map_or("equal".into(), |finding| finding.text.clone());
        Ok(vec![Proof::new("stock_count is the sum of the ledger", drifts.is_none(), seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("stock", self.sku.clone())
    }
}

/// Make a stock what was counted on the shelf: a ledger entry for what the books do not explain
///
/// For a stock whose counter and ledger disagree; a correction by so many pieces more or less would leave them apart.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Recount {
    /// Which stock
    pub sku: String,
    /// How many pieces lie there, those that are set aside included
    pub pieces: i64,
}

impl Operation for Recount {
    const NAME: &'static str = "inventory.recount";
    const SUBJECT: Option<&'static str> = Some("sku");
    const AUDIT: &'static str = "stock_recounted";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let books = super::books(tx, &self.sku)?.ok_or_else(|| Error::not_found("stock", &self.sku))?;
        let (sku, pieces) = (&self.sku, self.pieces);
        Ok(Plan::default()
            .guard(
                "enough_was_counted",
                pieces >= books.reserved,
                format!("{pieces} were counted, {} are set aside for orders", books.reserved),
            )
            .guard("can_be_counted", pieces <= MOST_PIECES, format!("{pieces} of at most {MOST_PIECES}"))
            .change(format!("stock of {sku}"), books.stock_count, pieces)
            .change(format!("ledger of {sku}"), books.ledger, pieces)
            .change(format!("pieces of {sku} that are set aside"), books.reserved_count, books.reserved))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::recount(tx, cx, &self.sku, self.pieces, &by.actor.name)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let books = super::books(tx, &self.sku)?.ok_or_else(|| Error::not_found("stock", &self.sku))?;
        let (stock, ledger) = (books.stock_count, books.ledger);
        Ok(vec![
            Proof::new(
                "stock_count is the sum of the ledger",
                stock == ledger,
                format!("{stock} and {ledger}"),
            ),
            Proof::new("stock_count is what was counted", stock == self.pieces, stock),
            Proof::new(
                "reserved_count is the sum of live reservations",
                books.reserved_count == books.reserved,
                books.reserved_count,
            ),
        ])
    }

    fn subject(&self) -> (&'static str, String) {
        ("stock", self.sku.clone())
    }
}

/// Confirm a live reservation: its pieces are sold
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Confirm {
    /// Which reservation, by its id or UUID
    #[schemars(schema_with = "reservation_schema")]
    pub reservation: ReservationId,
}

impl Operation for Confirm {
    const NAME: &'static str = "reservations.confirm";
    const SUBJECT: Option<&'static str> = Some("reservation");
    const AUDIT: &'static str = "reservation_confirmed";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        plan_move(tx, self.reservation, ReservationStatus::Confirmed)
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        super::confirm_one(tx, cx, self.reservation)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        prove(tx, self.reservation, ReservationStatus::Confirmed)
    }
    fn subject(&self) -> (&'static str, String) {
        ("reservation", self.reservation.to_string())
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        order_of(tx, self.reservation)
    }
}

/// Give back what is set aside for the order of a reservation
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct LetGo {
    /// Which reservation, by its id or UUID
    #[schemars(schema_with = "reservation_schema")]
    pub reservation: ReservationId,
}

impl Operation for LetGo {
    const NAME: &'static str = "reservations.release";
    const SUBJECT: Option<&'static str> = Some("reservation");
    const AUDIT: &'static str = "reservation_released";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        plan_move(tx, self.reservation, ReservationStatus::Released)
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        super::release_one(tx, cx, self.reservation)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        prove(tx, self.reservation, ReservationStatus::Released)
    }
    fn subject(&self) -> (&'static str, String) {
        ("reservation", self.reservation.to_string())
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        order_of(tx, self.reservation)
    }
}

fn found(tx: &mut Tx<'_>, id: ReservationId) -> Result<super::Reservation> {
    super::find_reservation(tx, id)?.ok_or_else(|| Error::not_found("reservation", id))
}

/// What is done with a reservation belongs to the story of its order.
fn order_of(tx: &mut Tx<'_>, id: ReservationId) -> Result<Option<uuid::Uuid>> {
    Ok(super::find_reservation(tx, id)?.map(|reservation| reservation.order_id.uuid()))
}

fn plan_move(tx: &mut Tx<'_>, id: ReservationId, to: ReservationStatus) -> Result<Plan> {
    let reservation = found(tx, id)?;
    let movable = reservation.status == ReservationStatus::Reserved || reservation.status == to;
    Ok(Plan::default()
        .guard("reservation_is_live", movable, format!("it is {}", reservation.status.as_str()))
        .change(
            format!("reservation {id} of {} × {}", reservation.quantity, reservation.sku),
            reservation.status.as_str(),
            to.as_str(),
        ))
}

fn prove(tx: &mut Tx<'_>, id: ReservationId, is: ReservationStatus) -> Result<Vec<Proof>> {
    let reservation = found(tx, id)?;
    let holds = reservation.status == is;
    Ok(vec![Proof::new(format!("the reservation is {}", is.as_str()), holds, reservation.status.as_str())])
}

/// List stock: what is there, what is set aside, what can be sold
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ListStock {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for ListStock {
    const NAME: &'static str = "inventory.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["sku", "stock_count", "reserved_count", "available"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let is_there = |sku: &str| Ok(store::level(tx, sku)?.is_some());
        let after = crate::view::after_text(&self.page, "stock", is_there)?.unwrap_or_default();
        let rows = store::levels(tx, after, self.page.fetch())?;
        Ok(page("/api/v1/admin/inventory", &self.page, crate::view::objects("stock", rows)?))
    }
}

/// Compare every stock with its books: the count with its ledger, what is set aside with its reservations
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct AuditStock {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for AuditStock {
    const NAME: &'static str = "inventory.audit";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["sku", "stock_count", "ledger_sum", "reserved_count", "reservations_sum", "agrees"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let is_there = |sku: &str| Ok(store::level(tx, sku)?.is_some());
        let after = crate::view::after_text(&self.page, "stock", is_there)?.unwrap_or_default();
        let rows = store::books(tx, after, self.page.fetch())?;
        Ok(page("/api/v1/admin/inventory/audit", &self.page, crate::view::objects("stock_audit", rows)?))
    }
}

/// List reservations, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ListReservations {
    /// Only those that are reserved, confirmed, released or expired
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for ListReservations {
    const NAME: &'static str = "reservations.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "sku", "quantity", "status", "order_id", "expires_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let status = self
            .status
            .as_deref()
            .map(ReservationStatus::parse)
            .transpose()
            .map_err(|_| Error::invalid("status", "expected reserved, confirmed, released or expired"))?;
        let before = crate::view::after(&self.page, |id| Ok(store::find_reservation(tx, id)?.is_some()))?;
        let rows = store::list_reservations(tx, status, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/reservations", &self.page, crate::view::objects("reservation", rows)?))
    }
}
