//! What operators and the shop's own server may do with profiles.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity;
use crate::ids::{ProfileId, profile_schema};

/// Make a profile for a buyer
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Create {
    /// The profile's id, a UUID that the shop's own user table may share
    #[schemars(schema_with = "profile_schema")]
    pub id: ProfileId,
    /// The buyer's email
    pub email: String,
    /// The buyer's name
    #[arg(long)]
    #[serde(default)]
    pub name: Option<String>,
    /// The shop has proved that the email is the buyer's: whoever proves the same email here is this buyer
    #[arg(long)]
    #[serde(default)]
    pub email_proved: bool,
}

impl Operation for Create {
    const NAME: &'static str = "customers.create";
    const SUBJECT: Option<&'static str> = None;
    const AUDIT: &'static str = "profile_created";
    const RISK: Risk = Risk::Safe;
    const ROLE: Role = Role::App;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        if !super::is_email(&self.email) {
            return Err(Error::invalid("/email", format!("{:?} is not an email address", self.email)));
        }
        let before = super::find(tx, self.id)?.map_or("none".to_owned(), |profile| profile.email);
        let same = before != "none" && before != self.email;
        let plan = Plan::default().guard("id_is_free", !same, format!("{} belongs to {before}", self.id));
        let plan = plan.change(format!("profile {}", self.id), before, &self.email);
        if !self.email_proved {
            return Ok(plan);
        }
        let known = super::find(tx, self.id)?;
        let proved = known.is_some_and(|profile| profile.email_proved_at.is_some());
        let is_free = proved || !identity::is_proved(tx, &self.email)?;
        let seen = if proved { "proved" } else { "not proved" };
        Ok(plan.guard("email_is_free", is_free, format!("{} by another profile", self.email)).change(
            format!("email of {}", self.id),
            seen,
            "proved",
        ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        super::create(tx, cx, self.id, &self.email, self.name.as_deref())?;
        if self.email_proved
            && let Some(profile) = super::find(tx, self.id)?
        {
            identity::prove(tx, cx, &profile)?;
        }
        Ok(())
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let found = super::find(tx, self.id)?;
        let mut proofs = vec![Proof::new("the profile exists", found.is_some(), self.id)];
        if self.email_proved {
            let proved = found.and_then(|profile| profile.email_proved_at);
            let at = proved.map_or("never".to_owned(), |at| at.in_words());
            proofs.push(Proof::new("its email is proved", proved.is_some(), at));
        }
        Ok(proofs)
    }

    fn subject(&self) -> (&'static str, String) {
        ("profile", self.id.to_string())
    }
}

/// List profiles
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "customers.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "email", "name", "created_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let after = crate::view::after(&self.page, |id| Ok(super::store::find(tx, id)?.is_some()))?;
        let rows = super::store::list(tx, after, self.page.fetch())?;
        Ok(page("/api/v1/admin/customers", &self.page, crate::view::objects("profile", rows)?))
    }
}
