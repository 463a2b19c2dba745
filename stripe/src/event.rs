//! The envelope of an event. The inbox needs six fields of it and must not be slow; the worker needs it all.
//!
//! Both go through [`Envelope::parse`]: one place says what an event is. Only two oddities that the inbox
//! skips over can still stop the worker, as a [`NotAnEvent`]: half a surrogate pair and a number that no float
//! holds.

use std::borrow::Cow;
use std::fmt;

use kernel::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Deeper than any payload of Stripe's by far. The bound keeps a stranger's brackets from using up the stack.
pub const DEEPEST: usize = 64;
/// Longer than any id or type of Stripe's, and short enough for every index.
const LONGEST: usize = 255;
/// The first second of the year 10000, in which a printed time would grow a digit and lose its order as text.
const END_OF_TIME: i64 = 253_402_300_800;

/// How an event carries its news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The object as it was at that moment stands in the event (`object: "event"`).
    Snapshot,
    /// The event only says which object changed (`object: "v2.core.event"`).
    Thin,
}

/// What the inbox keeps of an event beside its raw bytes. Borrows from the body where it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Like `evt_1…`; never empty, at most 255 characters, none of them a control character.
    pub id: Cow<'a, str>,
    /// The `type`, like `checkout.session.completed`; as sane as the id.
    pub kind: Cow<'a, str>,
    /// Whether the object stands in the event.
    pub shape: Shape,
    /// In which version the payload is written; old and thin events may not say.
    pub api_version: Option<Cow<'a, str>>,
    /// When the change happened, to the second. Says nothing about order.
    pub created: Timestamp,
    /// Whether real money moved.
    pub livemode: bool,
    /// The connected account, where there is one.
    pub account: Option<Cow<'a, str>>,
    /// The id of the object that changed. `invoice.upcoming` has none; what is no sane text counts as none.
    pub object_id: Option<Cow<'a, str>>,
}

/// A whole event, for processing.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Like `evt_1…`.
    pub id: String,
    /// The `type`, like `checkout.session.completed`.
    pub kind: String,
    /// Whether the object stands in the event.
    pub shape: Shape,
    /// In which version the payload is written; old and thin events may not say.
    pub api_version: Option<String>,
    /// When the change happened, to the second. Says nothing about order.
    pub created: Timestamp,
    /// Whether real money moved.
    pub livemode: bool,
    /// The connected account, where there is one.
    pub account: Option<String>,
    /// The id of the object that changed.
    pub object_id: Option<String>,
    /// A snapshot's `data.object`, a thin event's `related_object`; null where there is none.
    pub object: Value,
    /// A snapshot's `data.previous_attributes`; null where there are none.
    pub previous_attributes: Value,
}

/// A body that is not an event of Stripe's: what was seen and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Stripe event: {0}")]
pub struct NotAnEvent(String);

impl<'a> Envelope<'a> {
    /// Reads the six fields without building the JSON tree.
    pub fn parse(body: &'a [u8]) -> Result<Self, NotAnEvent> {
        let text = std::str::from_utf8(body)
            .map_err(|e| NotAnEvent(format!("byte {} is not UTF-8; expected JSON", e.valid_up_to())))?;
        if is_too_deep(body) {
            return Err(NotAnEvent(format!("nested deeper than {DEEPEST} levels")));
        }
        // The derived reader would take a list as well, field by field in order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(NotAnEvent("the body does not begin with `{`; expected a JSON object".to_owned()));
        }
        let outer: Outer = serde_json::from_str(text).map_err(|e| NotAnEvent(e.to_string()))?;
        Envelope::from_outer(outer)
    }

    fn from_outer(outer: Outer<'a>) -> Result<Self, NotAnEvent> {
        let shape = shape(&outer.object)?;
        let object_id = match shape {
            Shape::Snapshot => outer.data.into_child(Child::Object).into_child(Child::Id),
            Shape::Thin => outer.related_object.into_child(Child::Id),
        };
        Ok(Envelope {
            id: outer.id.into_name("id")?,
            kind: outer.kind.into_name("type")?,
            shape,
            api_version: outer.api_version.into_sane_text(),
            created: outer.created.into_time("created")?,
            livemode: outer.livemode.into_bool("livemode")?,
            account: outer.account.into_sane_text(),
            object_id: object_id.into_sane_text(),
        })
    }
}

impl Event {
    /// Reads the whole event.
    pub fn parse(body: &[u8]) -> Result<Event, NotAnEvent> {
        let envelope = Envelope::parse(body)?;
        let mut tree: Value = serde_json::from_slice(body).map_err(|e| NotAnEvent(e.to_string()))?;
        let object = match envelope.shape {
            Shape::Snapshot => tree.pointer_mut("/data/object"),
            Shape::Thin => tree.pointer_mut("/related_object"),
        };
        let object = object.map(Value::take).unwrap_or_default();
        let previous_attributes =
            tree.pointer_mut("/data/previous_attributes").map(Value::take).unwrap_or_default();
        Ok(Event {
            id: envelope.id.into_owned(),
            kind: envelope.kind.into_owned(),
            shape: envelope.shape,
            api_version: envelope.api_version.map(Cow::into_owned),
            created: envelope.created,
            livemode: envelope.livemode,
            account: envelope.account.map(Cow::into_owned),
            object_id: envelope.object_id.map(Cow::into_owned),
            object,
            previous_attributes,
        })
    }
}

fn shape(object: &Outline<'_>) -> Result<Shape, NotAnEvent> {
    match object {
        Outline::Text(text) if text == "event" => Ok(Shape::Snapshot),
        Outline::Text(text) if text == "v2.core.event" => Ok(Shape::Thin),
        other => Err(other.not("object", "`event` or `v2.core.event`")),
    }
}

/// Counting is quick and enough for nearly every event: what has no 64 brackets is not 64 deep.
fn is_too_deep(body: &[u8]) -> bool {
    body.iter().filter(|b| matches!(b, b'{' | b'[')).count() > DEEPEST && depth(body) > DEEPEST
}

/// The deepest level of brackets outside of texts.
fn depth(body: &[u8]) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => now += 1,
            b'}' | b']' => now = now.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// The outermost object. A field given twice is refused: two readers might each believe another one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outer<'a> {
    #[serde(borrow)]
    id: Outline<'a>,
    #[serde(borrow)]
    object: Outline<'a>,
    #[serde(borrow, rename = "type")]
    kind: Outline<'a>,
    #[serde(borrow)]
    created: Outline<'a>,
    #[serde(borrow)]
    livemode: Outline<'a>,
    #[serde(borrow)]
    api_version: Outline<'a>,
    #[serde(borrow)]
    account: Outline<'a>,
    #[serde(borrow)]
    data: Outline<'a>,
    #[serde(borrow)]
    related_object: Outline<'a>,
}

/// Any JSON value, of which only a scalar, or an object's `id` and `object`, is kept. Taking any value at all is
/// what lets an error say what was seen where.
#[derive(Debug, Default)]
enum Outline<'a> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    OtherNumber,
    Text(Cow<'a, str>),
    List,
    Object(Box<Children<'a>>),
}

#[derive(Debug, Default)]
struct Children<'a> {
    id: Outline<'a>,
    object: Outline<'a>,
}

enum Child {
    Id,
    Object,
}

impl<'a> Outline<'a> {
    fn into_child(self, child: Child) -> Outline<'a> {
        match (self, child) {
            (Outline::Object(children), Child::Id) => children.id,
            (Outline::Object(children), Child::Object) => children.object,
            _ => Outline::Absent,
        }
    }

    fn into_name(self, field: &str) -> Result<Cow<'a, str>, NotAnEvent> {
        match self {
            Outline::Text(text) if is_sane(&text) => Ok(text),
            other => Err(other.not(field, "a text of 1 to 255 characters without control characters")),
        }
    }

    /// For what an event can do without: Stripe may send types that we do not know, and to refuse one of them over
    /// a field that nobody needs would lose it.
    fn into_sane_text(self) -> Option<Cow<'a, str>> {
        self.into_name("").ok()
    }

    /// Snapshots count seconds, thin events write RFC 3339; either is understood in both.
    fn into_time(self, field: &str) -> Result<Timestamp, NotAnEvent> {
        let time = match &self {
            Outline::Integer(seconds) => Some(Timestamp::from_seconds(*seconds)),
            Outline::Text(text) => text.parse().ok(),
            _ => None,
        };
        time.filter(|time| (0..END_OF_TIME).contains(&time.seconds()))
            .ok_or_else(|| self.not(field, "seconds since 1970 or an RFC 3339 time"))
    }

    fn into_bool(self, field: &str) -> Result<bool, NotAnEvent> {
        match self {
            Outline::Bool(value) => Ok(value),
            other => Err(other.not(field, "true or false")),
        }
    }

    fn not(&self, field: &str, expected: &str) -> NotAnEvent {
        NotAnEvent(format!("`{field}` is {self}; expected {expected}"))
    }
}

fn is_sane(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control)
}

impl fmt::Display for Outline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outline::Absent => f.write_str("absent"),
            Outline::Null => f.write_str("null"),
            Outline::Bool(value) => write!(f, "{value}"),
            Outline::Integer(number) => write!(f, "{number}"),
            Outline::OtherNumber => f.write_str("a fraction or a number that is too large"),
            Outline::Text(text) if text.is_empty() => f.write_str("an empty text"),
            Outline::Text(text) => write!(f, "the text `{}`", Excerpt(text)),
            Outline::List => f.write_str("a list"),
            Outline::Object(_) => f.write_str("an object"),
        }
    }
}

/// The beginning of a text that a stranger wrote, fit for one log line.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(40).try_for_each(|c| write!(f, "{}", c.escape_debug()))?;
        if self.0.chars().count() > 40 { f.write_str("…") } else { Ok(()) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Outline<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Outline::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Outline::Bool(value))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Outline::Integer(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Outline::OtherNumber, Outline::Integer))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Outline::OtherNumber)
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Outline::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Outline::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Outline::List)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut children = Box::<Children>::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Id => children.id = map.next_value()?,
                Key::Object => children.object = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Outline::Object(children))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Id,
    Object,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"evt_1","object":"event","api_version":null,"created":1790000000,"livemode":false,
        "type":"charge.updated","request":"req_1","context":"ctx_1","data":{"object":{"metadata":{"id":"x"},"id":"ch_1",
        "object":"charge"},"previous_attributes":{"amount_refunded":5}}}"#;
    const THIN: &str = r#"{"id":"evt_test_65","object":"v2.core.event","type":"v1.charge.refunded","livemode":true,
        "created":"2026-10-28T12:00:00.000Z","context":null,"data":{"object":"odd"},
        "related_object":{"id":"ch_9","type":"charge","url":"/v1/charges/ch_9"},"snapshot_event":"evt_3"}"#;

    fn why(body: impl AsRef<[u8]>) -> String {
        let why = Envelope::parse(body.as_ref()).unwrap_err();
        assert_eq!(Event::parse(body.as_ref()).unwrap_err(), why);
        why.to_string()
    }

    #[test]
    fn a_snapshot_is_read() {
        let event = Event::parse(EVENT.as_bytes()).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "charge.updated"));
        assert_eq!((event.shape, event.api_version, event.livemode), (Shape::Snapshot, None, false));
        assert_eq!(event.created, Timestamp::from_seconds(1_790_000_000));
        assert_eq!(event.object_id.as_deref(), Some("ch_1"));
        assert_eq!(event.object["object"], "charge");
        assert_eq!(event.previous_attributes["amount_refunded"], 5);
    }

    #[test]
    fn a_thin_event_is_read() {
        let event = Event::parse(THIN.as_bytes()).unwrap();
        assert_eq!((event.shape, event.livemode), (Shape::Thin, true));
        assert_eq!(event.created, "2026-10-28T12:00:00Z".parse().unwrap());
        assert_eq!(event.object_id.as_deref(), Some("ch_9"));
        assert_eq!(event.object["url"], "/v1/charges/ch_9");
    }

    #[test]
    fn the_envelope_borrows_from_the_body() {
        let envelope = Envelope::parse(EVENT.as_bytes()).unwrap();
        assert!(matches!(envelope.id, Cow::Borrowed("evt_1")));
        assert!(matches!(envelope.object_id, Some(Cow::Borrowed("ch_1"))));
    }

    #[test]
    fn request_may_be_anything_and_unknown_fields_too() {
        for request in ["null", "\"req_1\"", "{\"id\":null}", "[]", "5"] {
            let body = EVENT.replace("\"req_1\"", request);
            assert!(Event::parse(body.as_bytes()).is_ok(), "{request}");
        }
        let body = EVENT.replace("\"api_version\":null,", "\"account\":\"acct_1\",");
        assert_eq!(Event::parse(body.as_bytes()).unwrap().account.as_deref(), Some("acct_1"));
    }

    #[test]
    fn an_object_without_an_id_is_fine() {
        for odd in ["7", "[1]", "null", "\"\"", "\"a\\u0000\""] {
            let body = EVENT.replace("\"ch_1\"", odd);
            assert_eq!(Event::parse(body.as_bytes()).unwrap().object_id, None, "{odd}");
        }
        let body = EVENT.replace("\"id\":\"ch_1\",", "");
        assert_eq!(Event::parse(body.as_bytes()).unwrap().object_id, None);
        let body = EVENT.replace("\"data\":", "\"data\":null,\"other\":");
        assert_eq!(Event::parse(body.as_bytes()).unwrap().object, Value::Null);
    }

    #[test]
    fn what_is_not_an_event_says_what_was_seen_and_expected() {
        assert!(why("").contains("expected a JSON object"));
        assert!(
            why(r#"["evt_1","event","charge.updated",1790000000,false]"#).contains("expected a JSON object")
        );
        assert!(why("{}").contains("`object` is absent; expected `event`"));
        assert!(why(EVENT.replace("\"event\"", "\"charge\"")).contains("`object` is the text `charge`"));
        assert!(why(EVENT.replace("\"evt_1\"", "17")).contains("`id` is 17; expected a text"));
        assert!(why(EVENT.replace("\"evt_1\"", "\"\"")).contains("`id` is an empty text"));
        assert!(why(EVENT.replace("\"evt_1\"", "\"a\\u0000b\"")).contains("`id` is the text `a\\0b`"));
        assert!(why(EVENT.replace("evt_1", &"x".repeat(256))).contains("1 to 255"));
        assert!(why(EVENT.replace("\"charge.updated\"", "null")).contains("`type` is null"));
        assert!(why(EVENT.replace("1790000000", "1790000000.5")).contains("`created` is a fraction"));
        assert!(why(EVENT.replace("1790000000", "253402300800")).contains("`created` is 253402300800"));
        assert!(why(EVENT.replace("1790000000", "-1")).contains("`created` is -1"));
        assert!(why(EVENT.replace("\"livemode\":false", "\"livemode\":0")).contains("`livemode` is 0"));
        assert!(why(format!("{EVENT}x")).contains("trailing characters"));
        assert!(why(&EVENT[..EVENT.len() - 2]).contains("EOF"));
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        assert!(
            why(EVENT.replace("{\"id\":\"evt_1\"", "{\"id\":\"evt_1\",\"id\":\"evt_2\""))
                .contains("duplicate")
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused_wherever_they_stand() {
        let mut body = EVENT.replace("ctx_1", "ctx?1").into_bytes();
        let at = body.iter().position(|b| *b == b'?').unwrap();
        body[at] = 0xff;
        assert!(why(body).contains(&format!("byte {at} is not UTF-8")));
    }

    #[test]
    fn nesting_is_bounded_where_it_is_read_and_where_it_is_skipped() {
        let nested = |levels: usize| {
            let odd = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            EVENT.replace("\"ctx_1\"", &odd)
        };
        assert!(Event::parse(nested(DEEPEST - 1).as_bytes()).is_ok());
        assert!(why(nested(DEEPEST)).contains("nested deeper than 64"));
        assert!(why(nested(300_000)).contains("nested deeper than 64"));
        assert!(why("{\"id\":".repeat(100_000)).contains("nested deeper than 64"));
        assert!(why("[".repeat(1_000_000)).contains("nested deeper than 64"));
    }

    #[test]
    fn many_brackets_side_by_side_or_inside_of_texts_are_not_depth() {
        let flat = EVENT.replace("\"ctx_1\"", &format!("[{}[]]", "{},".repeat(500)));
        assert!(Event::parse(flat.as_bytes()).is_ok());
        let text = EVENT.replace("ctx_1", &format!("\\\"{}", "[{".repeat(500)));
        assert!(Event::parse(text.as_bytes()).is_ok());
    }
}
