//! What may be read of pictures.

use db::Tx;
use kernel::{Cx, Result};
use ops::{Page, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store;

/// List the pictures that were uploaded, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Only those that stand so: pending, stored, refused, dropped or removed
    #[arg(long)]
    #[serde(default)]
    pub status: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "media.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "status", "content_type", "bytes", "width", "height", "disk", "url", "created_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let before = crate::view::after(&self.page, |id| Ok(store::find(tx, id)?.is_some()))?;
        let rows = store::list(tx, self.status.as_deref(), before, self.page.fetch())?;
        Ok(page("/api/v1/admin/media", &self.page, crate::view::objects("media", rows)?))
    }
}
