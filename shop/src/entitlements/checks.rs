//! What must be true of entitlements by themselves. What orders say about them is checked by the orders.

use ops::{Check, Found, Mend, Severity};

use crate::ids::{EntitlementId, OrderId, ProfileId};

/// The entitlements' checks.
pub const CHECKS: [Check; 1] = [ACTIVE_WITHOUT_GRANT];

const ACTIVE_WITHOUT_GRANT: Check = Check {
    name: "entitlement_without_grant",
    severity: Severity::Page,
    must: "every active entitlement has an active grant, and every active grant an active entitlement",
    means: "Access was changed past its grants. Where an active grant stands behind it, mending its order, or giving the gift \
            again, brings the access back; where none does, it is revoked.",
    find: |tx, _, most| {
        let rows = tx.query(
            "SELECT e.id, e.profile_id, e.product_id, e.status, e.updated_at,
               (SELECT g.order_id FROM entitlement_grants g WHERE g.entitlement_id = e.id AND g.status = 'active'
                  AND g.order_id IS NOT NULL ORDER BY g.id LIMIT 1) AS granting
             FROM entitlements e
             WHERE (e.status = 'active') <> EXISTS (SELECT 1 FROM entitlement_grants g
               WHERE g.entitlement_id = e.id AND g.status = 'active')
             ORDER BY e.id LIMIT $1",
            &[most.into()],
        )?;
        rows.iter()
            .map(|row| {
                let id: EntitlementId = row.get("id")?;
                let (product, status): (String, String) = (row.get("product_id")?, row.get("status")?);
                let mend = mend(row.get("profile_id")?, &product, &status, row.get("granting")?);
                Ok(Found {
                    subject: id.to_string(),
                    text: format!("{product} is {status}, its grants say otherwise"),
                    since: row.get("updated_at")?,
                    mend,
                })
            })
            .collect()
    },
};

/// What is granted comes back the way it was given; what nothing grants is taken away.
fn mend(profile: Option<ProfileId>, product: &str, status: &str, granting: Option<OrderId>) -> Option<Mend> {
    if let Some(order) = granting {
        let input = serde_json::json!({ "order": order });
        return Some(Mend {
            operation: "orders.mend",
            input,
            command: format!("makegood orders mend {order}"),
        });
    }
    let profile = profile?;
    let (operation, word) = match status {
        "active" => ("entitlements.revoke", "revoke"),
        _ => ("entitlements.grant", "grant"),
    };
    let input = serde_json::json!({ "user": profile, "course": product });
    Some(Mend { operation, input, command: format!("makegood entitlements {word} {profile} {product}") })
}
