//! Stripe's list of events, page by page, the newest first.

use kernel::{Error, Result, Timestamp};
use serde_json::Value;
use stripe::CallError;
use stripe::lookup::{Delivery, EventQuery, Page, Start, list_events};

use super::Incoming;
use crate::seam::Seam;

/// Where one is in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Back to when.
    pub(super) since: Timestamp,
    /// The last event that was read.
    pub(super) older_than: Option<String>,
}

/// One page.
#[derive(Debug, Clone)]
pub(super) struct Events {
    /// What it holds, the newest first.
    pub(super) items: Vec<Item>,
    /// Its last event.
    pub(super) last: Option<String>,
    /// Whether there are older ones that are wanted.
    pub(super) more: bool,
}

/// One event of the list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// When Stripe made it.
    pub(super) created: Option<Timestamp>,
    /// What it is to us.
    pub(super) what: What,
}

/// What an event of the list is to us.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// Of a type that we act on.
    Ours(Box<Incoming>),
    /// Of another type.
    Other,
    /// It should be ours, and nobody can read it.
    Unreadable(String),
}

/// Reads the page after `place`. An event that has left the list meanwhile is no place to go on from: then the list is read
/// from its beginning.
pub(super) async fn page(seam: &Seam, place: &Place) -> Result<Events> {
    let list = match ask(seam, place).await {
        Err(CallError::Refused(error))
            if place.older_than.is_some() && error.code.as_deref() == Some("resource_missing") =>
        {
            ask(seam, &Place { older_than: None, ..place.clone() }).await
        }
        answer => answer,
    };
    read(seam, &list?)
}

async fn ask(seam: &Seam, place: &Place) -> Result<Value, CallError> {
    let from = place.older_than.clone().map_or(Start::Newest, Start::OlderThan);
    let since = Some(place.since);
    seam.stripe
        .call(list_events(EventQuery { types: Vec::new(), since, delivery: Delivery::Any, from }))
        .await
}

fn read(seam: &Seam, list: &Value) -> Result<Events> {
    let page = Page::read(list).map_err(|e| Error::Bug(Box::new(e)))?;
    let now = seam.now();
    let last = page.items.iter().rev().find_map(|item| item["id"].as_str()).map(str::to_owned);
    let items: Vec<Item> = page.items.iter().map(|item| self::item(item, now)).collect();
    // Without an id to go on from, asking again would give the same page.
    Ok(Events { items, more: page.more && last.is_some(), last })
}

fn item(event: &Value, now: Timestamp) -> Item {
    let created = event["created"].as_i64().map(Timestamp::from_seconds);
    let kind = event["type"].as_str().unwrap_or_default();
    if !stripe::facts::handled().any(|handled| handled == kind) {
        return Item { created, what: What::Other };
    }
    // Whoever fetches over an authenticated connection needs no signature, and there is none.
    let what = match Incoming::read(event.to_string(), "", now) {
        Ok(event) => What::Ours(Box::new(event)),
        Err(error) => What::Unreadable(error.to_string()),
    };
    Item { created, what }
}
