//! Calls that only read, and pages of lists.

use std::collections::BTreeSet;

use kernel::Timestamp;
use serde_json::Value;

use crate::MissingField;
use crate::client::{Call, segment};
use crate::facts::{SOLD, Target};
use crate::fields::Fields;

/// Reads a payment intent, with its charge and what of it went back: who hears that money came must hear that it went.
pub fn retrieve_payment_intent(id: &str) -> Call {
    Target::Intent(id.to_owned()).call()
}

/// Lists the disputes of a charge. A charge says only that there are some.
pub fn list_disputes(charge: &str) -> Call {
    Call::get("/v1/disputes").with("charge", charge).with("limit", 100)
}

/// The disputed charges in an object that was fetched, itself among them.
pub fn disputed_charges(object: &Value) -> BTreeSet<String> {
    match object {
        Value::Object(fields) => {
            let is_charge = object["object"] == "charge" && object["disputed"] == true;
            let own = object["id"].as_str().filter(|_| is_charge).map(str::to_owned);
            fields.values().flat_map(disputed_charges).chain(own).collect()
        }
        Value::Array(items) => items.iter().flat_map(disputed_charges).collect(),
        _ => BTreeSet::new(),
    }
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

/// A kind of object that is listed whole, of any age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Checkout sessions, each with its payment, that one's charge and its refunds, and the first of its lines.
    Sessions,
    /// Payment intents, each with its charge, that charge's refunds, and its review: closed reviews are found nowhere else.
    Intents,
    /// Refunds, each with its charge and payment.
    Refunds,
    /// Disputes, each with its charge and payment.
    Disputes,
    /// Early fraud warnings, each with its charge and payment.
    Warnings,
    /// Reviews, each with its charge and payment. Stripe lists only those that are open.
    Reviews,
}

impl Listed {
    fn path(self) -> &'static str {
        match self {
            Listed::Sessions => "/v1/checkout/sessions",
            Listed::Intents => "/v1/payment_intents",
            Listed::Refunds => "/v1/refunds",
            Listed::Disputes => "/v1/disputes",
            Listed::Warnings => "/v1/radar/early_fraud_warnings",
            Listed::Reviews => "/v1/reviews",
        }
    }

    /// What is to stand in each object instead of its id: what names the order, and what else it proves.
    fn expanded(self) -> &'static [&'static str] {
        match self {
            Listed::Sessions => &SOLD,
            Listed::Intents => &["latest_charge", "latest_charge.refunds", "review"],
            Listed::Refunds | Listed::Disputes | Listed::Warnings | Listed::Reviews => {
                &["charge", "payment_intent"]
            }
        }
    }
}

/// Lists objects of one kind, a hundred a page, the newest first, none made before `since`; from the newest on, or from the
/// one just older than `older_than`.
pub fn list_objects(kind: Listed, since: Option<Timestamp>, older_than: Option<&str>) -> Call {
    let call = Call::get(kind.path())
        .with("limit", 100)
        .with_some("created[gte]", since.map(Timestamp::seconds))
        .with_some("starting_after", older_than);
    kind.expanded().iter().fold(call, |call, name| call.with("expand[]", format!("data.{name}")))
}

/// Reads the object with this id, with what stands inside of it; nothing for an id of a kind that proves nothing about a
/// payment.
pub fn retrieve_object(id: &str) -> Option<Call> {
    let kind = match id.split_once('_')?.0 {
        "cs" => Listed::Sessions,
        "re" | "pyr" => Listed::Refunds,
        _ => return Target::parse(id).map(|target| target.call()),
    };
    let call = Call::get(format!("{}/{}", kind.path(), segment(id)));
    Some(kind.expanded().iter().fold(call, |call, name| call.with("expand[]", name)))
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

    fn said(call: &Call) -> String {
        let params: Vec<_> = call.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}?{}", call.path, params.join("&"))
    }

    #[test]
    fn objects_of_any_age_are_listed_with_what_stands_inside_of_them() {
        assert_eq!(
            said(&list_objects(Listed::Intents, None, None)),
            "/v1/payment_intents?limit=100&expand[]=data.latest_charge&expand[]=data.latest_charge.refunds&\
             expand[]=data.review"
        );
        let since = Timestamp::from_seconds(1_790_000_000);
        assert_eq!(
            said(&list_objects(Listed::Disputes, Some(since), Some("dp_9"))),
            "/v1/disputes?limit=100&created[gte]=1790000000&starting_after=dp_9&expand[]=data.charge&\
             expand[]=data.payment_intent"
        );
    }

    #[test]
    fn an_object_is_asked_for_by_its_id_alone() {
        let asked = |id| retrieve_object(id).map(|call| said(&call));
        let session = "/v1/checkout/sessions/cs_test_1?expand[]=payment_intent&\
                       expand[]=payment_intent.latest_charge&expand[]=payment_intent.latest_charge.refunds&\
                       expand[]=line_items";
        assert_eq!(asked("cs_test_1").as_deref(), Some(session));
        let refund = "/v1/refunds/re_1?expand[]=charge&expand[]=payment_intent";
        assert_eq!(asked("re_1").as_deref(), Some(refund));
        assert!(asked("dp_1").unwrap().starts_with("/v1/disputes/dp_1?"));
        assert!(asked("pi_1/../x").unwrap().starts_with("/v1/payment_intents/pi_1%2F..%2Fx?"));
        for no_object in ["", "pi", "cus_1", "evt_1", "ord_1"] {
            assert_eq!(asked(no_object), None, "{no_object}");
        }
    }

    #[test]
    fn a_disputed_charge_is_seen_wherever_it_stands() {
        let charge = |id: &str, disputed: bool| json!({"object": "charge", "id": id, "disputed": disputed});
        let session = json!({"object": "checkout.session", "payment_intent":
            {"object": "payment_intent", "latest_charge": charge("ch_1", true)}});
        assert_eq!(disputed_charges(&session), BTreeSet::from(["ch_1".to_owned()]));
        assert_eq!(disputed_charges(&json!([charge("ch_2", false), charge("ch_3", true)])).len(), 1);
        assert!(disputed_charges(&charge("ch_4", false)).is_empty());
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
