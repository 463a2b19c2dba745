//! People who sign in to the console, as admins see them. Inviting somebody is the door's business, because the link is
//! shown once.

use db::Tx;
use kernel::{Cx, Error, Refusal, Result};
use ops::users::{self, User};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema of a role that a person may have.
fn role_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["viewer", "support", "finance", "operator", "admin"] })
}

fn known(tx: &mut Tx<'_>, name: &str) -> Result<User> {
    users::find(tx, name)?.ok_or_else(|| Error::not_found("user", name))
}

/// Whether they are an admin who can sign in.
fn is_admin(user: &User) -> bool {
    user.role == Role::Admin && user.status == "active"
}

/// Whether an admin can reach the shop without this one: somebody who can sign in, or the bearer of a token that counts.
/// `ADMIN_TOKEN` is not counted: it is for the first hour, and whoever is the last admin makes another one with it.
fn is_another_admin_left(tx: &mut Tx<'_>, cx: &Cx, user: &User) -> Result<bool> {
    if users::list(tx)?.iter().any(|other| other.id != user.id && is_admin(other)) {
        return Ok(true);
    }
    let counts = |token: &ops::ApiToken| {
        let is_over = token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= cx.now);
        token.role == Role::Admin.as_str() && !is_over
    };
    Ok(ops::list_tokens(tx)?.iter().any(counts))
}

const LEFT: &str = "another_admin_is_left";

/// An admin is let go only where another one is left.
fn guarded(tx: &mut Tx<'_>, cx: &Cx, user: &User, plan: Plan) -> Result<Plan> {
    if !is_admin(user) {
        return Ok(plan);
    }
    let is_left = is_another_admin_left(tx, cx, user)?;
    let seen = if is_left { "somebody, or a token" } else { "nobody who can sign in, and no token" };
    Ok(plan.guard(LEFT, is_left, seen))
}

/// Two admins who let each other go at the same moment: the second sees what the first has done.
fn keep_an_admin(tx: &mut Tx<'_>, cx: &Cx, user: &User) -> Result<()> {
    users::lock_admins(tx)?;
    match !is_admin(user) || is_another_admin_left(tx, cx, user)? {
        true => Ok(()),
        false => Err(Refusal::new("refused_by_guard", format!("{LEFT} does not hold any more")).into()),
    }
}

fn state(user: &User) -> &'static str {
    if user.disabled_at.is_some() { "disabled" } else { "enabled" }
}

/// Say what a user may do from now on
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct SetRole {
    /// Which user, by name
    pub name: String,
    /// What they may do
    #[arg(long, value_enum)]
    #[schemars(schema_with = "role_schema")]
    pub role: Role,
}

impl Operation for SetRole {
    const NAME: &'static str = "users.role";
    const SUBJECT: Option<&'static str> = Some("name");
    const AUDIT: &'static str = "user_role_changed";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Admin;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let user = known(tx, &self.name)?;
        let is_for_people = self.role > Role::App;
        let plan = Plan::default().guard("role_is_for_people", is_for_people, self.role.as_str()).change(
            format!("role of {}", user.name),
            user.role.as_str(),
            self.role.as_str(),
        );
        if self.role == Role::Admin { Ok(plan) } else { guarded(tx, cx, &user, plan) }
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let user = known(tx, &self.name)?;
        if self.role != Role::Admin {
            keep_an_admin(tx, cx, &user)?;
        }
        users::set_role(tx, user.id, self.role)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = known(tx, &self.name)?.role;
        Ok(vec![Proof::new("the user has the role", now == self.role, now.as_str())])
    }
    fn subject(&self) -> (&'static str, String) {
        ("user", self.name.clone())
    }
}

/// Keep a user out: signed out everywhere at once, and no way in
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Disable {
    /// Which user, by name
    pub name: String,
}

impl Operation for Disable {
    const NAME: &'static str = "users.disable";
    const SUBJECT: Option<&'static str> = Some("name");
    const AUDIT: &'static str = "user_disabled";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Admin;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let user = known(tx, &self.name)?;
        let plan = Plan::default().change(format!("user {}", user.name), state(&user), "disabled");
        guarded(tx, cx, &user, plan)
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let user = known(tx, &self.name)?;
        keep_an_admin(tx, cx, &user)?;
        users::disable(tx, cx, user.id)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = known(tx, &self.name)?;
        Ok(vec![Proof::new("the user is disabled", now.disabled_at.is_some(), state(&now))])
    }
    fn subject(&self) -> (&'static str, String) {
        ("user", self.name.clone())
    }
}

/// Let a user in again who was disabled
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Enable {
    /// Which user, by name
    pub name: String,
}

impl Operation for Enable {
    const NAME: &'static str = "users.enable";
    const SUBJECT: Option<&'static str> = Some("name");
    const AUDIT: &'static str = "user_enabled";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Admin;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let user = known(tx, &self.name)?;
        Ok(Plan::default().change(format!("user {}", user.name), state(&user), "enabled"))
    }
    fn apply(&self, tx: &mut Tx<'_>, _: &Cx, _: &By) -> Result<()> {
        let user = known(tx, &self.name)?;
        users::enable(tx, user.id)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = known(tx, &self.name)?;
        Ok(vec![Proof::new("the user is enabled", now.disabled_at.is_none(), state(&now))])
    }
    fn subject(&self) -> (&'static str, String) {
        ("user", self.name.clone())
    }
}

/// List the people who may sign in to the console
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "users.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["name", "role", "status", "created_at", "created_by"];
    const ROLE: Role = Role::Admin;

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mut all = users::list(tx)?;
        let place = |all: &[User], id| all.iter().position(|user| user.id == id);
        if let Some(after) = crate::view::after(&self.page, |id| Ok(place(&all, id).is_some()))? {
            all.drain(..=place(&all, after).unwrap_or_default());
        }
        Ok(page("/api/v1/admin/users", &self.page, crate::view::objects("user", all)?))
    }
}
