//! Which object has to be fetched before an event about it may be believed.

use serde::{Deserialize, Serialize};

use super::{Fact, News};
use crate::client::{Call, segment};

/// An object to be fetched as it is now. Several events about one payment have one target: one fetch serves them all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// A charge with its refunds.
    Charge(String),
    /// A payment with its charge and that charge's refunds.
    Intent(String),
    /// A dispute with its charge and payment.
    Dispute(String),
    /// An early fraud warning with its charge and payment.
    Warning(String),
    /// A review with its charge and payment.
    Review(String),
    /// A session that names no order, with what it sold and its payment.
    Session(String),
}

/// What is to stand in a session: its payment with all that went back of it, and what it sold.
pub(crate) const SOLD: [&str; 4] =
    ["payment_intent", "payment_intent.latest_charge", "payment_intent.latest_charge.refunds", "line_items"];

impl Target {
    pub(super) fn of(fact: &Fact, news: News) -> Option<Target> {
        match fact {
            Fact::Charge(charge) if news == News::ChargeRefunded => Some(Target::Charge(charge.id.clone())),
            Fact::Refund(refund) => {
                Target::of_refund(refund.charge.as_deref(), refund.payment_intent.as_deref())
            }
            Fact::Dispute(dispute) => Some(Target::Dispute(dispute.id.clone())),
            Fact::Warning(warning) => Some(Target::Warning(warning.id.clone())),
            Fact::Review(review) => Some(Target::Review(review.id.clone())),
            Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_) => None,
        }
    }

    /// Refunds are seen through their charge, which knows how much has gone back in all.
    pub(super) fn of_refund(charge: Option<&str>, intent: Option<&str>) -> Option<Target> {
        let charge = charge.map(|id| Target::Charge(id.to_owned()));
        charge.or_else(|| intent.map(|id| Target::Intent(id.to_owned())))
    }

    /// The object's id.
    pub fn id(&self) -> &str {
        match self {
            Target::Charge(id)
            | Target::Intent(id)
            | Target::Dispute(id)
            | Target::Warning(id)
            | Target::Review(id)
            | Target::Session(id) => id,
        }
    }

    /// Reads the target of an id, by its prefix. `ch_` and `py_` are charges.
    pub fn parse(id: &str) -> Option<Target> {
        let (prefix, _) = id.split_once('_')?;
        let id = id.to_owned();
        Some(match prefix {
            "ch" | "py" => Target::Charge(id),
            "pi" => Target::Intent(id),
            "dp" | "du" | "pdp" => Target::Dispute(id),
            "issfr" => Target::Warning(id),
            "prv" => Target::Review(id),
            _ => return None,
        })
    }

    /// The call that fetches it.
    pub fn call(&self) -> Call {
        let (path, id, expand): (_, _, &[&str]) = match self {
            Target::Charge(id) => ("charges", id, &["refunds", "payment_intent"]),
            Target::Intent(id) => ("payment_intents", id, &["latest_charge", "latest_charge.refunds"]),
            Target::Dispute(id) => ("disputes", id, &["charge", "payment_intent"]),
            Target::Warning(id) => ("radar/early_fraud_warnings", id, &["charge", "payment_intent"]),
            Target::Review(id) => ("reviews", id, &["charge", "payment_intent"]),
            Target::Session(id) => ("checkout/sessions", id, &SOLD),
        };
        expand
            .iter()
            .fold(Call::get(format!("/v1/{path}/{}", segment(id))), |call, name| call.with("expand[]", name))
    }
}
