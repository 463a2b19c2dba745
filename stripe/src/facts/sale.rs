//! What a session sold that the shop did not open itself: its lines, by Stripe's prices.

use kernel::Currency;
use serde::{Deserialize, Serialize};

use super::{References, SessionFact, SessionStatus};
use crate::MissingField;
use crate::fields::Fields;

/// The key in a session's metadata by which a seller says that it is meant for this shop, whatever its value. What is
/// written on a Payment Link stands on each of its sessions.
const MEANT: &str = "makegood";

/// What a session sold in which the buyer came through, and which names no order of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Like `cs_…`.
    pub session: String,
    /// The Payment Link on which it was opened, like `plink_…`.
    pub payment_link: Option<String>,
    /// Whether the seller has marked it as this shop's.
    pub is_meant: bool,
    /// What was sold, whole.
    pub lines: Vec<SoldLine>,
}

/// So many of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoldLine {
    /// Its price at Stripe, like `price_…`.
    pub price: Option<String>,
    /// As the buyer read it.
    pub name: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Of the sum.
    pub currency: Currency,
    /// All of them, before discounts and taxes that are added, in minor units.
    pub subtotal: i64,
}

/// The sale in a session that was fetched with its lines; nothing in one that was fetched without, or with only some.
pub(super) fn read(
    fields: &Fields<'_>,
    session: &SessionFact,
    references: &References,
) -> Result<Option<Sale>, MissingField> {
    let list = fields.inside("line_items").filter(|_| is_sold(session, references));
    let Some(list) = list.filter(|list| list.flag("has_more") == Ok(false)) else { return Ok(None) };
    let lines = list.items("data").iter().map(line).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Sale {
        session: session.id.clone(),
        payment_link: references.payment_link.clone(),
        is_meant: fields.inside("metadata").is_some_and(|metadata| metadata.text(MEANT).is_some()),
        lines,
    }))
}

/// Whether the buyer came through, and no order is named that would know what was sold.
pub(super) fn is_sold(session: &SessionFact, references: &References) -> bool {
    session.status == SessionStatus::Complete && references.own_order().is_none()
}

fn line(fields: &Fields<'_>) -> Result<SoldLine, MissingField> {
    Ok(SoldLine {
        price: fields.id_in("price"),
        name: fields.owned("description"),
        quantity: fields.optional_amount("quantity")?.unwrap_or(1),
        currency: fields.currency("currency")?,
        subtotal: fields.amount("amount_subtotal")?,
    })
}
