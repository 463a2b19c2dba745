//! Gives access by an operator's hand: on behalf of an order, which it then follows, or as a gift that stays until somebody
//! takes it back. Whether the order may give it is for the orders to say.

use std::collections::BTreeMap;

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{Actor, Plan};

use super::store::{self, NewGrant};
use super::{Grant, Holder, Source};
use crate::catalog::ProductKind;
use crate::ids::{OrderId, ProfileId};

/// Access that an operator gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand<'a> {
    /// To whom.
    pub user: ProfileId,
    /// To what: the product's id.
    pub product: &'a str,
    /// The order that paid for it; none for a gift.
    pub order: Option<OrderId>,
}

impl ByHand<'_> {
    /// What it would change. A second reason for the same access is a change: when the first one goes, it stays.
    ///
    /// # Errors
    /// Whatever the database says.
    pub fn plan(&self, tx: &mut Tx<'_>) -> Result<Plan> {
        let product = crate::catalog::find(tx, self.product)?;
        let profile = crate::customers::find(tx, self.user)?;
        let found = store::find(tx, Holder::Profile(self.user), self.product)?;
        let grants = match &found {
            Some(found) => store::grants_of(tx, found.id)?,
            None => Vec::new(),
        };
        let given = match self.order {
            Some(order) => format!("active by {order}"),
            None => "active as a gift".to_owned(),
        };
        let before = match found {
            None => "none".to_owned(),
            // Even where the gift itself still stands: a hand in the database has taken the access past it.
            Some(found) if !found.active => "revoked".to_owned(),
            Some(_) if grants.iter().any(|grant| self.is_this(grant)) => given.clone(),
            Some(_) => format!("active by {}", in_words(&grants)),
        };
        // What is sent by parcel is no access that somebody could hold.
        let is_sent = product.as_ref().is_some_and(|product| product.kind == ProductKind::Physical);
        let kind = product.as_ref().map_or("no product", |product| product.kind.as_str());
        Ok(Plan::default()
            .guard("product_gives_access", !is_sent, format!("`{}` is {kind}", self.product))
            .guard("product_exists", product.is_some(), format!("product `{}`", self.product))
            .guard("profile_exists", profile.is_some(), format!("{}", self.user))
            .change(format!("access of {} to {}", self.user, self.product), before, given))
    }

    /// Whether this grant says the same already.
    fn is_this(&self, grant: &Grant) -> bool {
        let by_hand = grant.source == Source::Operator.as_str();
        grant.status == "active" && grant.order_id == self.order && (self.order.is_some() || by_hand)
    }

    /// Gives it. The runner writes the audit entry.
    ///
    /// # Errors
    /// Whatever the database says.
    pub fn give(&self, tx: &mut Tx<'_>, cx: &Cx, actor: &Actor, reason: &str) -> Result<()> {
        let holder = Holder::Profile(self.user);
        let wanted = BTreeMap::from([((holder.key(), self.product.to_owned()), Some(self.user))]);
        let ids = store::activate(tx, cx, &wanted)?;
        let entitlement =
            ids.into_values().next().ok_or_else(|| Error::bug("an entitlement was not written"))?;
        if store::grants_of(tx, entitlement)?.iter().any(|grant| self.is_this(grant)) {
            return Ok(());
        }
        let grant =
            NewGrant { entitlement, order: self.order, source: Source::Operator, actor: &actor.name, reason };
        store::insert_grants(tx, cx, &[grant]).map(drop)
    }
}

/// What an entitlement counts by.
fn in_words(grants: &[Grant]) -> String {
    let active = grants.iter().filter(|grant| grant.status == "active");
    let each = active.map(|grant| grant.order_id.map_or("a gift".to_owned(), |order| order.to_string()));
    each.collect::<Vec<_>>().join(" and ")
}
