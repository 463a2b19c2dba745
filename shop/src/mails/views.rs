//! What may be read of mails. One-time links are no part of it.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mail, store};
use crate::ids::{MailId, OrderId, mail_schema};

/// List mails, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only those about this order
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
    /// Only those that stand so: queued, sending, sent, failed or unknown
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "mails.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "kind", "to", "subject", "status", "last_error", "created_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mut equal = Vec::new();
        if let Some(order) = self.order {
            equal.push(("order_id", order.into()));
        }
        if let Some(status) = &self.status {
            equal.push(("status", status.clone().into()));
        }
        let before = crate::view::after(&self.page, |id| Ok(store::find(tx, id)?.is_some()))?;
        let rows = store::list(tx, &equal, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/mails", &self.page, crate::view::objects("mail", rows)?))
    }
}

/// A mail without what it says: to whom, and whether it was sent.
pub fn json(mail: &Mail) -> serde_json::Value {
    serde_json::json!({
        "object": "mail",
        "id": mail.id,
        "kind": mail.kind,
        "to": mail.to,
        "status": mail.status,
        "attempts": mail.attempts,
        "last_error": mail.last_error,
        "created_at": mail.created_at,
        "sent_at": mail.sent_at,
    })
}

/// Show one mail: what it says, and whether it was sent
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which mail
    #[schemars(schema_with = "mail_schema")]
    pub mail: MailId,
}

impl View for Show {
    const NAME: &'static str = "mails.show";
    const SUBJECT: Option<&'static str> = Some("mail");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let mail = store::find(tx, self.mail)?.ok_or_else(|| Error::not_found("mail", self.mail))?;
        crate::view::object("mail", &mail)
    }
}
