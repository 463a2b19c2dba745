//! Whether something is delivered. This file decides by plain values only; its whole table is printed in
//! `shop/tests/deliveries.txt`.

use kernel::{Error, Refusal};

use crate::ids::OrderId;
use crate::switches::Switch;

/// What is known at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Neither the switch nor the configuration stops delivery.
    pub is_on: bool,
    /// Whether it is known who asks.
    pub is_somebody: bool,
    /// Whether who asks has the right to it.
    pub is_entitled: bool,
    /// An order that gives that right and is under review.
    pub under_review: Option<OrderId>,
    /// What became of the thing that is asked for.
    pub thing: Thing,
}

/// What became of the thing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// It is there, as far as anybody knows.
    There,
    /// There is none by this id, or buyers do not see it.
    Unknown,
    /// The shop knows it, and it does not lie where it should.
    Gone,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is given.
    Deliver,
    /// Delivery is switched off.
    Disabled,
    /// Nobody knows who asks.
    Nobody,
    /// Who asks has no right to it.
    NotEntitled,
    /// An order that gives the right is under review.
    UnderReview(OrderId),
    /// There is none.
    Unknown,
    /// It does not lie where it should.
    Gone,
}

/// The order of these questions is a promise: whoever has no right learns nothing of what is there, and a switch that is off
/// answers before anything else is told.
pub fn decide(known: &Known) -> Verdict {
    if !known.is_on {
        return Verdict::Disabled;
    }
    if !known.is_somebody {
        return Verdict::Nobody;
    }
    if !known.is_entitled {
        return Verdict::NotEntitled;
    }
    match (known.under_review, known.thing) {
        (Some(order), _) => Verdict::UnderReview(order),
        (None, Thing::Unknown) => Verdict::Unknown,
        (None, Thing::Gone) => Verdict::Gone,
        (None, Thing::There) => Verdict::Deliver,
    }
}

impl Verdict {
    /// Why it is not given, in one word for the audit log; nothing when it is.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Verdict::Deliver => None,
            Verdict::Disabled => Some("downloads_disabled"),
            Verdict::Nobody => Some("unauthenticated"),
            Verdict::NotEntitled => Some("no_entitlement"),
            Verdict::UnderReview(_) => Some("order_under_review"),
            Verdict::Unknown => Some("not_found"),
            Verdict::Gone => Some("object_missing"),
        }
    }

    /// What whoever asked hears. `what` is what was asked for, like `resource rsc_…`.
    pub fn refusal(self, what: (&'static str, &str)) -> Option<Error> {
        let (kind, id) = what;
        let refused = |code, why: String| Some(Error::Refused(Refusal::new(code, why)));
        match self {
            Verdict::Deliver => None,
            Verdict::Disabled => Some(Switch::Downloads.refusal().into()),
            Verdict::Nobody => refused("unauthenticated", "sign in to have what you bought".into()),
            Verdict::NotEntitled => {
                refused("no_entitlement", format!("no purchase of yours holds the {kind} {id}"))
            }
            Verdict::UnderReview(order) => refused(
                "order_under_review",
                format!(
                    "order {order} is being looked at by a person; what it holds can be had again when that is done"
                ),
            ),
            Verdict::Unknown => Some(Error::not_found(kind, id)),
            Verdict::Gone => refused("object_missing", format!("the {kind} {id} is not where it should be")),
        }
    }
}
