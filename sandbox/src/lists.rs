//! Stripe's lists: newest first, paged by ids.

use std::borrow::Borrow;

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::params::Params;
use crate::shelf::{Kept, Shelf};

/// The parameters that every list takes.
pub(crate) const PAGING: [&str; 4] = ["limit", "starting_after", "ending_before", "created"];

/// Where a page begins and how much it holds.
pub(crate) struct Paging {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
    created: Created,
}

/// Bounds on `created`, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Created {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Created {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        // `created=123` is as good as a range; `integer` refuses the hash, so the hash is tried first.
        if let Ok(Some(range)) = params.child("created") {
            range.only(&["gt", "gte", "lt", "lte"])?;
            let after = range.integer("gt")?.map_or(from, |gt| gt.saturating_add(1));
            let before = range.integer("lt")?.map_or(to, |lt| lt.saturating_sub(1));
            from = range.integer("gte")?.unwrap_or(from).max(after);
            to = range.integer("lte")?.unwrap_or(to).min(before);
        } else if let Some(at) = params.integer("created")? {
            (from, to) = (at, at);
        }
        Ok(Created { from, to })
    }

    fn holds(&self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

impl Paging {
    pub(crate) fn read(params: &Params) -> Result<Self, ApiError> {
        let limit = params.integer("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
        Ok(Paging {
            limit: limit.ok_or_else(|| params.invalid("limit", "Limit must be between 1 and 100."))?,
            after: params.text("starting_after")?,
            before: params.text("ending_before")?,
            created: Created::read(params)?,
        })
    }

    /// One page of `shelf`, as a list object. Objects stand by their time, so the range of `created` is
    /// found without looking at each.
    pub(crate) fn page<T: Kept>(
        &self,
        shelf: &Shelf<T>,
        url: &str,
        keep: impl Fn(&T) -> bool,
        render: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        self.page_of(shelf.list(), |id| shelf.place(id), url, keep, render)
    }

    /// One page of a few objects that were found by an index, so that the whole shelf need not be searched.
    pub(crate) fn page_of_few<T: Kept>(
        &self,
        few: &[&T],
        url: &str,
        keep: impl Fn(&T) -> bool,
        render: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let place = |id: &str| few.iter().position(|object| object.id() == id);
        self.page_of(few, place, url, keep, render)
    }

    fn page_of<T: Kept, R: Borrow<T>>(
        &self,
        list: &[R],
        place_of: impl Fn(&str) -> Option<usize>,
        url: &str,
        keep: impl Fn(&T) -> bool,
        render: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let place = |id: &Option<String>, name: &str| match id {
            None => Ok(None),
            Some(id) => place_of(id).map(Some).ok_or_else(|| ApiError::no_such("object", id, name)),
        };
        let (after, before) = (place(&self.after, "starting_after")?, place(&self.before, "ending_before")?);
        let oldest = list.partition_point(|object| object.borrow().created() < self.created.from);
        let start = before.map_or(oldest, |place| (place + 1).max(oldest));
        let end = after.unwrap_or(list.len()).max(start);
        let wanted = |object: &&T| self.created.holds(object.created()) && keep(object);
        let window = list[start..end].iter().map(Borrow::borrow);
        let mut found: Vec<&T> = match before {
            Some(_) => window.filter(wanted).take(self.limit + 1).collect(),
            None => window.rev().filter(wanted).take(self.limit + 1).collect(),
        };
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if before.is_some() {
            // Counted forward from the id that was named, but shown newest first like every list.
            found.reverse();
        }
        Ok(list_object(found.into_iter().map(render).collect(), has_more, url))
    }
}

/// A list object around `data`.
pub(crate) fn list_object(data: Vec<Value>, has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}
