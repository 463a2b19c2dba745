//! What operators may do with entitlements, and read of them. Giving them is the orders' to allow: `orders/grant.rs`.

use db::Tx;
use kernel::{Cx, Result};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Holder, store};
use crate::ids::{ProfileId, profile_schema};

/// Take a user's access to a course back by hand
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Revoke {
    /// Whose access: the profile's id
    #[schemars(schema_with = "profile_schema")]
    pub user: ProfileId,
    /// To what: the product's id
    pub course: String,
}

impl Operation for Revoke {
    const NAME: &'static str = "entitlements.revoke";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "entitlement_revoked";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let found = store::find(tx, Holder::Profile(self.user), &self.course)?;
        // What may come back by itself is not revoked yet.
        let waits = match &found {
            Some(found) => store::grants_of(tx, found.id)?
                .into_iter()
                .map(|grant| grant.status)
                .find(|status| status == "suspended" || status == "returned"),
            None => None,
        };
        let seen = match (&found, &waits) {
            (Some(found), Some(waits)) if !found.active => waits.as_str(),
            (Some(found), _) => shown(found.active),
            (None, _) => "none",
        };
        Ok(Plan::default()
            .guard("entitlement_exists", found.is_some(), format!("{} to {}: {seen}", self.user, self.course))
            .change(format!("access of {} to {}", self.user, self.course), seen, "revoked"))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        super::revoke(tx, cx, Holder::Profile(self.user), &self.course)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let active = store::is_active(tx, self.user, &self.course)?;
        Ok(vec![Proof::new("the entitlement is not active", !active, shown(active))])
    }

    fn subject(&self) -> (&'static str, String) {
        ("product", self.course.clone())
    }
}

fn shown(active: bool) -> &'static str {
    if active { "active" } else { "revoked" }
}

/// List entitlements, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only those of this profile
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub user: Option<ProfileId>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "entitlements.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "profile_id", "product_id", "active", "updated_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let before = crate::view::after(&self.page, |id| Ok(store::find_by_id(tx, id)?.is_some()))?;
        let rows = store::list(tx, self.user, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/entitlements", &self.page, crate::view::objects("entitlement", rows)?))
    }
}

/// Say whether a user may use a course, and which orders or operators say so
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Who: the profile's id
    #[schemars(schema_with = "profile_schema")]
    #[serde(alias = "user_id")]
    pub user: ProfileId,
    /// What: the product's id
    #[serde(alias = "course_id")]
    pub course: String,
}

impl View for Check {
    const NAME: &'static str = "entitlements.check";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::App;

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let found = store::find(tx, Holder::Profile(self.user), &self.course)?;
        let grants = match &found {
            Some(entitlement) => store::grants_of(tx, entitlement.id)?,
            None => Vec::new(),
        };
        Ok(serde_json::json!({
            "object": "entitlement_check", "user_id": self.user, "course_id": self.course,
            "active": found.is_some_and(|entitlement| entitlement.active), "grants": grants,
        }))
    }
}
