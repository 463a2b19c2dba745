//! Calls that only read, and pages of lists.

use kernel::Timestamp;
use serde_json::Value;

use crate::MissingField;
use crate::client::{Call, segment};
use crate::fields::Fields;

/// Reads a payment intent.
pub fn retrieve_payment_intent(id: &str) -> Call {
    Call::get(format!("/v1/payment_intents/{}", segment(id)))
}

/// Reads an event. Its payload is in the version in which it was made, whatever we ask for.
pub fn retrieve_event(id: &str) -> Call {
    Call::get(format!("/v1/events/{}", segment(id)))
}

/// Which events to list. Stripe keeps them for thirty days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// At most twenty types; empty for all.
    pub types: Vec<String>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Which of them.
    pub delivery: Delivery,
    /// Where to go on.
    pub from: Start,
}

/// Which events, by their fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// All.
    Any,
    /// Those that some endpoint has not taken: pending, or failed at any of the account's endpoints.
    Unsuccessful,
}

/// Where a page begins. Lists are sorted by time, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the newest.
    Newest,
    /// Just older than this id: the next page backwards in time.
    OlderThan(String),
    /// Just newer than this id: the way to read on from the last one known, page by page forwards.
    NewerThan(String),
}

/// Lists events, a hundred a page.
pub fn list_events(query: EventQuery) -> Call {
    let mut call = Call::get("/v1/events")
        .with("limit", 100)
        .with_some("created[gte]", query.since.map(Timestamp::seconds));
    for kind in query.types {
        call = call.with("types[]", kind);
    }
    if query.delivery == Delivery::Unsuccessful {
        call = call.with("delivery_success", false);
    }
    match query.from {
        Start::Newest => call,
        Start::OlderThan(id) => call.with("starting_after", id),
        Start::NewerThan(id) => call.with("ending_before", id),
    }
}

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page<'a> {
    /// The objects, in Stripe's order.
    pub items: &'a [Value],
    /// Whether the list goes on in the direction of reading.
    pub more: bool,
}

impl<'a> Page<'a> {
    /// Reads a list object.
    pub fn read(list: &'a Value) -> Result<Self, MissingField> {
        let fields = Fields::of(list, "", "list")?;
        Ok(Page { items: fields.list("data")?, more: fields.flag("has_more")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_asked_for_with_types_time_and_place() {
        let call = list_events(EventQuery {
            types: vec!["charge.succeeded".into(), "charge.refunded".into()],
            since: Some(Timestamp::from_seconds(1_790_000_000)),
            delivery: Delivery::Unsuccessful,
            from: Start::NewerThan("evt_9".into()),
        });
        let said: Vec<_> = call.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            said.join("&"),
            "limit=100&created[gte]=1790000000&types[]=charge.succeeded&types[]=charge.refunded&\
             delivery_success=false&ending_before=evt_9"
        );
    }

    #[test]
    fn a_page_is_read_and_what_is_no_page_named() {
        let list = json!({"object": "list", "data": [{"id": "evt_1"}], "has_more": true});
        let page = Page::read(&list).unwrap();
        assert_eq!((page.items.len(), page.more), (1, true));
        assert_eq!(Page::read(&json!({"data": []})).unwrap_err().field, "has_more");
        assert_eq!(Page::read(&json!({"data": {}})).unwrap_err().field, "data");
    }
}
