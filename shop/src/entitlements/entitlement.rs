//! Entitlements and grants: plain values. This file decides who the holder is.

use kernel::Timestamp;
use serde::Serialize;

use crate::ids::{EntitlementId, OrderId, ProfileId};

/// Who holds an entitlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A profile.
    Profile(ProfileId),
    /// Nobody yet: a guest's order, until it is claimed.
    Guest(OrderId),
}

impl Holder {
    /// Who holds what this order brings.
    pub fn of(profile: Option<ProfileId>, order: OrderId) -> Self {
        profile.map_or(Holder::Guest(order), Holder::Profile)
    }
    /// As stored.
    pub fn key(self) -> String {
        match self {
            Holder::Profile(id) => id.uuid().to_string(),
            Holder::Guest(id) => format!("order:{}", id.uuid()),
        }
    }
    /// The profile, if there is one.
    pub fn profile(self) -> Option<ProfileId> {
        match self {
            Holder::Profile(id) => Some(id),
            Holder::Guest(_) => None,
        }
    }
}

/// What a grant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A confirmed order.
    Order,
    /// An operator, by hand.
    Operator,
}

impl Source {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Order => "order",
            Source::Operator => "operator",
        }
    }
}

/// The right of a holder to a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// Whose, when it is not a guest's.
    pub profile_id: Option<ProfileId>,
    /// To what.
    pub product_id: String,
    /// Whether it counts now.
    pub active: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One reason why an entitlement counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// What it comes from.
    pub source: String,
    /// Which order.
    pub order_id: Option<OrderId>,
    /// Whether it counts now.
    pub status: String,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
}

/// What was granted on behalf of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderGrant {
    /// Which entitlement it counts for.
    pub entitlement: EntitlementId,
    /// Whose, when it is not a guest's.
    pub profile: Option<ProfileId>,
    /// To what.
    pub product: String,
    /// The grant itself.
    #[serde(flatten)]
    pub grant: Grant,
    /// When it last changed.
    pub changed_at: Timestamp,
}
