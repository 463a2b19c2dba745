//! Tokens as admins see them. Making one is the door's business, because the token itself is shown once.

use db::Tx;
use kernel::{Cx, Error, Id, Result};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema of a token's id.
fn token_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": "^(tok_[0-9a-f]{32}|[0-9a-fA-F-]{36})$" })
}

/// Take a token back; it stops counting at once
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Revoke {
    /// Which token, by its id
    #[schemars(schema_with = "token_schema")]
    pub token: Id<ops::TokenKind>,
}

fn state(tx: &mut Tx<'_>, id: Id<ops::TokenKind>) -> Result<&'static str> {
    let token = ops::find_token(tx, id)?.ok_or_else(|| Error::not_found("token", id))?;
    Ok(if token.revoked_at.is_some() { "revoked" } else { "live" })
}

impl Operation for Revoke {
    const NAME: &'static str = "tokens.revoke";
    const SUBJECT: Option<&'static str> = Some("token");
    const AUDIT: &'static str = "token_revoked";
    const RISK: Risk = Risk::Final;
    const ROLE: Role = Role::Admin;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        Ok(Plan::default().change(format!("token {}", self.token), state(tx, self.token)?, "revoked"))
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        ops::revoke_token(tx, cx, self.token)
    }
    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let now = state(tx, self.token)?;
        Ok(vec![Proof::new("the token is revoked", now == "revoked", now)])
    }
    fn subject(&self) -> (&'static str, String) {
        ("token", self.token.to_string())
    }
}

/// List tokens: whose they are and what they may do, never the tokens themselves
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "tokens.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "name", "prefix", "role", "created_at", "revoked_at"];
    const ROLE: Role = Role::Admin;

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mut tokens = ops::list_tokens(tx)?;
        let place = |tokens: &[ops::ApiToken], id| tokens.iter().position(|token| token.id == id);
        if let Some(after) = crate::view::after(&self.page, |id| Ok(place(&tokens, id).is_some()))? {
            tokens.drain(..=place(&tokens, after).unwrap_or_default());
        }
        let rows = crate::view::objects("token", tokens)?;
        Ok(page("/api/v1/admin/tokens", &self.page, rows))
    }
}
