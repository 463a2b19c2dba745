//! The ids that several rooms name.

use kernel::{Id, Kind, Timestamp};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $kind:ident $id:ident $prefix:literal $name:literal;)*) => {$(
        /// Marks ids of this kind.
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = $name;
        }
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*};
}

ids! {
    /// A buyer.
    ProfileKind ProfileId "prf" "profile";
    /// One purchase.
    OrderKind OrderId "ord" "order";
    /// A piece of stock set aside for an order.
    ReservationKind ReservationId "res" "reservation";
    /// Something that a buyer is told.
    MailKind MailId "mal" "mail";
    /// A picture of the shop.
    AssetKind AssetId "med" "picture";
    /// A refund that was asked for.
    RefundKind RefundId "rfd" "refund";
    /// A comparison with Stripe.
    ReconciliationKind ReconciliationId "rec" "reconciliation";
    /// Something that a comparison found.
    FindingKind FindingId "fnd" "finding";
    /// The right of a profile to a product.
    EntitlementKind EntitlementId "ent" "entitlement";
    /// A part of a course.
    ModuleKind ModuleId "mdl" "module";
    /// What is watched or read at one sitting.
    LessonKind LessonId "lsn" "lesson";
    /// A file that belongs to a lesson, a course or a download.
    ResourceKind ResourceId "rsc" "resource";
}

/// An id as a command-line argument and as a field of a JSON schema: text in its shown form.
macro_rules! id_schema {
    ($field:ident, $id:ty, $pattern:literal) => {
        /// The schema of this id.
        pub fn $field(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({ "type": "string", "pattern": $pattern })
        }
    };
}

id_schema!(order_schema, OrderId, "^(ord_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");
id_schema!(profile_schema, ProfileId, "^(prf_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");
id_schema!(mail_schema, MailId, "^(mal_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");
id_schema!(refund_schema, RefundId, "^(rfd_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");
id_schema!(reservation_schema, ReservationId, "^(res_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");
id_schema!(reconciliation_schema, ReconciliationId, "^(rec_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");

id_schema!(resource_schema, ResourceId, "^(rsc_[0-9a-f]{32}|[0-9a-fA-F-]{36})$");

/// The smallest UUID of version 7 made at `at`: ids ascend with time, so what is younger is found by its primary key.
pub(crate) fn first_made_at(at: Timestamp) -> Uuid {
    Uuid::from_u128((at.millis().max(0) as u128) << 80 | 0x7000 << 64)
}
