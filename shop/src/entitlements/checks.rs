//! What must be true of entitlements by themselves. What orders say about them is checked by the orders.

use ops::{Check, Found, Mend, Severity};

use crate::ids::{EntitlementId, ProfileId};

/// The entitlements' checks.
pub const CHECKS: [Check; 1] = [ACTIVE_WITHOUT_GRANT];

const ACTIVE_WITHOUT_GRANT: Check = Check {
    name: "entitlement_without_grant",
    severity: Severity::Page,
    must: "every active entitlement has an active grant, and every active grant an active entitlement",
    means: "Access was changed past its grants. Grant or revoke by hand, with a reason.",
    find: |tx, _| {
        let rows = tx.query(
            "SELECT e.id, e.profile_id, e.product_id, e.status, e.updated_at FROM entitlements e
             WHERE (e.status = 'active') <> EXISTS (SELECT 1 FROM entitlement_grants g
               WHERE g.entitlement_id = e.id AND g.status = 'active')
             ORDER BY e.id LIMIT 200",
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let (id, profile): (EntitlementId, Option<ProfileId>) =
                    (row.get("id")?, row.get("profile_id")?);
                let (product, status): (String, String) = (row.get("product_id")?, row.get("status")?);
                let mend = profile.map(|profile| Mend {
                    operation: "entitlements.revoke",
                    input: serde_json::json!({ "user": profile, "course": product }),
                    command: format!("makegood entitlements revoke {profile} {product}"),
                });
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
