//! What operators may do with orders.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::foresee::standing;
use super::store::NewEntry;
use super::{CancelReason, Dispute, Order, PaymentStatus, ReviewKind, State, store};
use crate::ids::{OrderId, order_schema};

fn found(tx: &mut Tx<'_>, id: OrderId) -> Result<Order> {
    store::find(tx, id)?.ok_or_else(|| Error::not_found("order", id))
}

/// Settle an order by everything that is known about its payment
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Confirm {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Operation for Confirm {
    const NAME: &'static str = "orders.confirm";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "order_settled_by_hand";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let review = order.open_review().map_or("none".to_owned(), |review| review.detail.clone());
        let guarded = Plan::default().guard("not_under_review", order.open_review().is_none(), review);
        let foreseen = super::foresee(tx, cx, &[(self.order, &[])])?;
        Ok(Plan { changes: foreseen.iter().flat_map(super::Foreseen::changes).collect(), ..guarded })
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::settle(tx, cx, &[self.order], &by.actor).map(drop)
    }

    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        let order = found(tx, self.order)?;
        let rest = super::foresee(tx, cx, &[(self.order, &[])])?;
        // An order that waits with its money is not settled, whatever it waits for.
        let waits = matches!(order.state, State::Paid { .. });
        let holds = !waits && !rest.iter().any(super::Foreseen::is_unsettled);
        Ok(vec![Proof::new("nothing is left to be settled", holds, standing(&order))])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Cancel a pending order: its stock goes back, its checkout session is ended
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Cancel {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Operation for Cancel {
    const NAME: &'static str = "orders.cancel";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "order_cancelled_by_hand";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let cancellable = matches!(order.state, State::Pending | State::Cancelled { .. });
        Ok(Plan::default()
            .guard("order_is_pending", cancellable, format!("it is {}", order.state.status()))
            .change(format!("order {}", self.order), order.state.status(), "cancelled"))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::cancel::cancel(tx, cx, self.order, CancelReason::Operator, &by.actor)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let status = found(tx, self.order)?.state.status();
        let live = crate::inventory::reservations_of(tx, self.order)?
            .iter()
            .filter(|r| r.status == crate::inventory::ReservationStatus::Reserved)
            .count();
        Ok(vec![
            Proof::new("the order is cancelled", status == "cancelled", status),
            Proof::new("nothing is set aside for it", live == 0, live),
        ])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Mark a confirmed order as shipped
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Ship {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
    /// How to follow the parcel
    #[arg(long)]
    #[serde(default)]
    pub tracking: Option<String>,
}

impl Operation for Ship {
    const NAME: &'static str = "orders.ship";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "order_shipped";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        if self.tracking.as_deref().is_some_and(|tracking| tracking.trim().is_empty()) {
            return Err(Error::invalid("tracking", "is blank; expected a number, or none at all"));
        }
        let review = order.open_review().map_or("none".to_owned(), |review| review.detail.clone());
        let shippable = matches!(order.state, State::Confirmed { .. }) || order.shipped.is_some();
        let plan = Plan::default()
            .guard("not_under_review", order.open_review().is_none(), review)
            .guard("order_is_confirmed", shippable, format!("it is {}", order.state.status()))
            .guard("money_is_ours", !money_may_go(&order), order.payment_status.as_str())
            .change(format!("order {}", self.order), order.state.status(), "completed");
        // Who names no number takes none back.
        let known = order.shipped.as_ref().map(|(_, tracking)| tracking.as_deref().unwrap_or("–"));
        Ok(match (known, &self.tracking) {
            (Some(known), Some(tracking)) => plan.change("tracking", known, tracking),
            _ => plan,
        })
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::ship::ship(tx, cx, self.order, self.tracking.as_deref(), &by.actor)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let order = found(tx, self.order)?;
        let status = order.state.status();
        let followed = order.shipped.as_ref().and_then(|(_, tracking)| tracking.as_deref());
        let mut proofs = vec![
            Proof::new("the order is completed", status == "completed", status),
            Proof::new("it is marked as shipped", order.shipped.is_some(), status),
        ];
        proofs.extend(self.tracking.as_deref().map(|asked| {
            let seen = followed.unwrap_or("by nothing");
            Proof::new("the parcel is followed by its number", followed == Some(asked), seen)
        }));
        Ok(proofs)
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Write a note on an order's timeline, for whoever looks at it next
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
    /// What is worth knowing: 1 to 1,000 characters
    pub text: String,
}

/// A note is read beside everything else, so it is short.
const LONGEST_NOTE: usize = 1_000;

impl Operation for Note {
    const NAME: &'static str = "orders.note";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "order_noted";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let length = self.text.chars().count();
        if self.text.trim().is_empty() || length > LONGEST_NOTE {
            return Err(Error::invalid(
                "text",
                format!("{length} characters; expected 1 to {LONGEST_NOTE}, not all blank"),
            ));
        }
        let number = notes(tx, order.id)?.len() + 1;
        // In quotes: a note may read like what stands for none.
        Ok(Plan::default().change(
            format!("note {number} on {}", order.id),
            "none",
            format!("“{}”", self.text),
        ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let meta = serde_json::json!({ "text": self.text });
        store::write_timeline(tx, cx, vec![NewEntry::new(self.order, NOTE, &by.actor, meta)])
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        // Others may have written since.
        let all = notes(tx, self.order)?;
        let stands = all.contains(&self.text);
        let seen = if stands { self.text.as_str() } else { "it does not" };
        Ok(vec![Proof::new("the note stands on the timeline", stands, seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// What a note is called on the timeline.
const NOTE: &str = "note";

fn notes(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<String>> {
    let all = super::timeline(tx, order)?.into_iter().filter(|entry| entry.kind == NOTE);
    Ok(all.filter_map(|note| note.meta["text"].as_str().map(str::to_owned)).collect())
}

/// Flag an order for review: nothing is handed over until a person clears it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct FlagReview {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Operation for FlagReview {
    const NAME: &'static str = "orders.review.flag";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "review_flagged";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let what = format!("an operator's review of {}", self.order);
        Ok(Plan::default().change(what, shown_by_operator(&order), "open"))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        let why = by.reason.as_deref().unwrap_or_default();
        super::flag_for_review(tx, cx, self.order, &by.actor, why)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let order = found(tx, self.order)?;
        let now = shown_by_operator(&order);
        Ok(vec![Proof::new("an operator's review is open", now == "open", now)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Clear an order's review after looking at it: the order goes on where it stood
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ClearReview {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
    /// Only the flag of this kind; all open ones otherwise
    #[arg(long)]
    #[serde(default)]
    pub kind: Option<ReviewKind>,
}

impl Operation for ClearReview {
    const NAME: &'static str = "orders.review.clear";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "review_cleared";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Finance;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = found(tx, self.order)?;
        let reviewed = !order.reviews.is_empty();
        Ok(Plan::default().guard("was_flagged", reviewed, shown(&order)).change(
            format!("review of {}", self.order),
            open_flags(&order, self.kind).unwrap_or_else(|| shown(&order).to_owned()),
            "cleared",
        ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        super::clear_review(tx, cx, self.order, self.kind, &by.actor)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let order = found(tx, self.order)?;
        let open = open_flags(&order, self.kind);
        Ok(vec![Proof::new("no such review is open", open.is_none(), open.unwrap_or("none".into()))])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// Nothing is shipped while the money may go back.
fn money_may_go(order: &Order) -> bool {
    order.dispute == Some(Dispute::Open) || order.payment_status == PaymentStatus::RefundPending
}

fn shown(order: &Order) -> &'static str {
    match (order.open_review(), order.reviews.is_empty()) {
        (Some(_), _) => "open",
        (None, false) => "cleared",
        (None, true) => "none",
    }
}

/// What an operator has flagged. Another kind's flag says nothing about it: who opened that one may close it again.
fn shown_by_operator(order: &Order) -> &'static str {
    match order.reviews.iter().find(|review| review.kind == ReviewKind::Operator) {
        Some(review) if review.is_open() => "open",
        Some(_) => "cleared",
        None => "none",
    }
}

/// What is to be cleared, each flag by itself: a flag that comes after the look makes another plan.
fn open_flags(order: &Order, kind: Option<ReviewKind>) -> Option<String> {
    let open = order.reviews.iter().filter(|r| r.is_open() && kind.is_none_or(|kind| kind == r.kind));
    let flags: Vec<String> =
        open.map(|review| format!("{}: {}", review.kind.as_str(), review.detail)).collect();
    (!flags.is_empty()).then(|| flags.join("; "))
}
