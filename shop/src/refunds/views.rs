//! What may be read of refunds that we asked for.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store;
use crate::ids::{OrderId, RefundId, refund_schema};

/// List the refunds that were asked for here, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only those of this order
    #[arg(long)]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub order: Option<OrderId>,
    /// Only those that stand so: requested, unknown, pending, succeeded or failed
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "refunds.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "order", "status", "amount", "stripe_refund", "actor", "created_at"];

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
        Ok(page("/api/v1/admin/refunds", &self.page, crate::view::objects("refund", rows)?))
    }
}

/// Show one refund: whether Stripe has it, and what went wrong
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which refund
    #[schemars(schema_with = "refund_schema")]
    pub refund: RefundId,
}

impl View for Show {
    const NAME: &'static str = "refunds.show";
    const SUBJECT: Option<&'static str> = Some("refund");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let refund = store::find(tx, self.refund)?.ok_or_else(|| Error::not_found("refund", self.refund))?;
        crate::view::object("refund", &refund)
    }
}
