//! A guest's purchase gets its buyer: a fact like any other, and then the same decision runs. What was handed over to nobody
//! goes to the buyer as it stands: what is suspended stays suspended, what went back stays where it is.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::Actor;

use super::store::{self, NewEntry};
use super::{Order, State, settle};
use crate::entitlements;
use crate::ids::{OrderId, ProfileId};

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The purchase is theirs now.
    Theirs,
    /// It was theirs before.
    Already,
    /// It is somebody else's.
    Taken,
    /// Its money went back.
    GoneBack,
    /// It is not confirmed, so there is nothing to be had yet.
    NotYet,
}

/// What a claim of this order by this profile comes to.
pub fn claimable(order: &Order, profile: Option<ProfileId>) -> Claim {
    match (order.profile, &order.state) {
        (Some(owner), _) if Some(owner) == profile => Claim::Already,
        (Some(_), _) => Claim::Taken,
        (None, State::Refunded { .. }) => Claim::GoneBack,
        (None, State::Confirmed { .. } | State::Completed { .. }) => Claim::Theirs,
        (None, State::Pending | State::Paid { .. } | State::Cancelled { .. }) => Claim::NotYet,
    }
}

/// Gives a guest's purchase to this profile, whose email is proved to be the buyer's. The caller writes the audit entry.
///
/// # Errors
/// Not found when there is no such order.
pub fn claim(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, profile: ProfileId, cause: &Actor) -> Result<Claim> {
    // Of two who claim at once the second waits here, and then sees whose it is.
    let order = store::lock(tx, id)?.ok_or_else(|| Error::not_found("order", id))?;
    let claim = claimable(&order, Some(profile));
    if claim != Claim::Theirs {
        return Ok(claim);
    }
    store::set_profile(tx, cx, id, profile)?;
    entitlements::claim(tx, cx, id, profile)?;
    let entry = NewEntry::new(id, "claimed", cause, serde_json::json!({ "profile": profile }));
    store::write_timeline(tx, cx, vec![entry])?;
    settle(tx, cx, &[id], cause)?;
    Ok(claim)
}
