//! Reads what a delivery is decided by, at one instant and by primary keys.

use db::Tx;
use kernel::Result;

use super::deliver::Wanted;
use super::{Known, Thing};
use crate::content::{self, Stored, Streamed};
use crate::entitlements::{self, Counting};
use crate::ids::{OrderId, ProfileId};
use crate::orders;
use crate::switches::{self, Switch};

/// What was asked for, as the shop keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    File(Stored),
    Film(Streamed),
}

/// What is known, and what was found.
pub(super) struct Gathered {
    pub(super) known: Known,
    pub(super) found: Option<Found>,
    /// The orders that give the right, for the audit log: the first of them.
    pub(super) order: Option<OrderId>,
    pub(super) product: Option<String>,
}

/// What is known of whether this may be delivered to this profile. `configured` is whether the configuration lets anything out.
///
/// # Errors
/// Whatever the database says; then nothing is delivered.
pub fn gather(tx: &mut Tx<'_>, who: Option<ProfileId>, wanted: &Wanted, configured: bool) -> Result<Known> {
    read(tx, who, wanted, configured).map(|gathered| gathered.known)
}

pub(super) fn read(
    tx: &mut Tx<'_>,
    who: Option<ProfileId>,
    wanted: &Wanted,
    configured: bool,
) -> Result<Gathered> {
    let is_on = configured && switches::is_on(tx, Switch::Downloads)?;
    let known = Known {
        is_on,
        is_somebody: who.is_some(),
        is_entitled: false,
        under_review: None,
        thing: Thing::Unknown,
    };
    let mut all = Gathered { known, found: None, order: None, product: None };
    let Some(who) = who.filter(|_| is_on) else { return Ok(all) };
    let found = find(tx, wanted)?;
    let counting = counting(tx, who, wanted, found.as_ref())?;
    let Some(counting) = counting else { return Ok(all) };
    all.known.is_entitled = true;
    all.known.under_review = orders::under_review(tx, &counting.orders)?;
    let of_course = match (&found, wanted) {
        (Some(Found::File(file)), Wanted::OfCourse { course, .. }) => file.product == *course,
        _ => true,
    };
    all.order = match wanted {
        Wanted::OfOrder { order, .. } => Some(*order),
        Wanted::OfCourse { .. } | Wanted::Film { .. } => counting.orders.first().copied(),
    };
    all.product = Some(counting.product);
    all.found = found.filter(|found| of_course && found.is_published());
    all.known.thing = if all.found.is_some() { Thing::There } else { Thing::Unknown };
    Ok(all)
}

impl Found {
    fn is_published(&self) -> bool {
        match self {
            Found::File(file) => file.published,
            Found::Film(lesson) => lesson.published && lesson.video.is_some(),
        }
    }
    fn product(&self) -> &str {
        match self {
            Found::File(file) => &file.product,
            Found::Film(lesson) => &lesson.product,
        }
    }
}

fn find(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<Option<Found>> {
    Ok(match wanted {
        Wanted::OfOrder { resource, .. } | Wanted::OfCourse { resource, .. } => {
            content::resource(tx, *resource)?.map(Found::File)
        }
        Wanted::Film { lesson } => content::lesson(tx, *lesson)?.map(Found::Film),
    })
}

/// By what who asks has the right. Who has none learns nothing of what is there.
fn counting(
    tx: &mut Tx<'_>,
    who: ProfileId,
    wanted: &Wanted,
    found: Option<&Found>,
) -> Result<Option<Counting>> {
    match (wanted, found) {
        (Wanted::OfCourse { course, .. }, _) => entitlements::counting(tx, who, course),
        (Wanted::OfOrder { order, .. }, Some(found)) => {
            let counting = entitlements::counting(tx, who, found.product())?;
            Ok(counting.filter(|counting| counting.orders.contains(order)))
        }
        // There is no such file; whether it is said depends on whether the order gives anything to who asks.
        (Wanted::OfOrder { order, .. }, None) => {
            let given = entitlements::grants_of_order(tx, *order)?;
            let ours = given.into_iter().find(|one| one.profile == Some(who) && one.grant.status == "active");
            Ok(ours.map(|one| Counting { product: one.product, orders: vec![*order] }))
        }
        (Wanted::Film { .. }, Some(found)) => entitlements::counting(tx, who, found.product()),
        // Of which course it would be nobody can say.
        (Wanted::Film { .. }, None) => Ok(None),
    }
}
