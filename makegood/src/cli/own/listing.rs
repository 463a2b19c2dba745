//! A list of the registry as commands of their own read it: page by page, here or through a server.

use ops::ViewDef;
use serde_json::{Map, Value, json};

use crate::cli::backend::Backend;
use crate::cli::failure::Failure;

/// The longest page.
const PAGE: usize = 100;

/// A list and what is wanted of it.
pub struct Listing {
    view: &'static ViewDef,
    filter: Map<String, Value>,
}

impl Listing {
    /// The list of this name, only with what was given.
    ///
    /// # Errors
    /// When there is no list of this name.
    pub fn of<const N: usize>(name: &str, given: [(&str, Option<String>); N]) -> Result<Self, Failure> {
        let found = shop::VIEWS.iter().find(|view| view.name == name);
        let view = found.ok_or_else(|| Failure::new("internal_error", format!("there is no list {name}")))?;
        let filter =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
        Ok(Listing { view, filter })
    }

    /// The page after this row, or the first one; and whether there are more.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn page(
        &self,
        backend: &Backend,
        after: Option<String>,
    ) -> Result<(Vec<Value>, bool), Failure> {
        let mut question = self.filter.clone();
        question.insert("limit".into(), PAGE.into());
        question.extend(after.map(|id| ("starting_after".to_owned(), id.into())));
        let mut answer = backend.ask(self.view, question.into()).await?;
        let rows = answer["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
        Ok((rows, answer["has_more"] == json!(true)))
    }
}

/// The id of the last row, after which the next page begins.
pub fn last(rows: &[Value]) -> Option<String> {
    rows.last()?["id"].as_str().map(str::to_owned)
}
