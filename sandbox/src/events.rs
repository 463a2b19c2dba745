//! Events: written once, at the moment of the change, and never altered.

use kernel::Cx;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::{API_VERSION, Sandbox};
use crate::call::Call;
use crate::error::ApiError;
use crate::faults::{Trouble, kind_matches};
use crate::ids;
use crate::lists::Paging;
use crate::params::Params;
use crate::shelf::Kept;

/// How long Stripe shows an event: 30 days.
const SHOWN_SECONDS: i64 = 30 * 24 * 3600;
/// How many outdated events gather before they are let go of together.
const FORGET_AT_ONCE: usize = 4096;

/// One event, as text: most are only ever sent or counted, so nothing is gained by keeping a tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Its type, like `charge.succeeded`.
    pub kind: String,
    /// The id of the object that it is about.
    pub object: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Endpoints to which it will still be sent.
    pub pending_webhooks: u32,
    /// Endpoints that have not taken it (yet, or ever).
    pub undelivered: u32,
    /// Pretty-printed, without the number of pending webhooks, which alone changes.
    text: String,
    /// Where that number belongs.
    pending_at: usize,
}

/// An event in Stripe's shape, as it is written down.
#[derive(Serialize)]
struct Envelope<'a, T> {
    id: &'a str,
    object: &'static str,
    api_version: &'static str,
    created: i64,
    data: Data<'a, T>,
    livemode: bool,
    pending_webhooks: u32,
    request: RequestRef<'a>,
    r#type: &'a str,
}

#[derive(Serialize)]
struct Data<'a, T> {
    object: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attributes: Option<&'a Value>,
}

#[derive(Serialize)]
struct RequestRef<'a> {
    id: Option<&'a str>,
    idempotency_key: Option<&'a str>,
}

impl Kept for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Event {
    /// The body that a webhook carries: JSON with two spaces of indentation.
    pub fn body(&self) -> String {
        let (head, tail) = self.text.split_at(self.pending_at);
        format!("{head}{}{tail}", self.pending_webhooks)
    }

    /// The event as the API shows it.
    pub fn to_json(&self) -> Value {
        // Written by `Event::new` from a tree, so it can be read again.
        serde_json::from_str(&self.body()).unwrap_or(Value::Null)
    }

    /// An event about `object`, whose id is `of`.
    pub(crate) fn new(
        kind: &str,
        of: &str,
        object: &impl Serialize,
        previous: Option<&Value>,
        call: &Call,
    ) -> Self {
        let id = ids::long("evt_1", &call.cx);
        let origin = call.origin.as_ref();
        let envelope = Envelope {
            id: &id,
            object: "event",
            api_version: API_VERSION,
            created: call.seconds(),
            data: Data { object, previous_attributes: previous },
            livemode: false,
            pending_webhooks: 0,
            request: RequestRef {
                id: origin.map(|origin| origin.request.as_str()),
                idempotency_key: origin.and_then(|origin| origin.key.as_deref()),
            },
            r#type: kind,
        };
        // Texts, numbers and trees of them can always be written.
        let mut text = serde_json::to_string_pretty(&envelope).unwrap_or_default();
        let pending_at = cut_out_pending(&mut text);
        Event {
            id,
            kind: kind.to_owned(),
            object: of.to_owned(),
            created: call.seconds(),
            pending_webhooks: 0,
            undelivered: 0,
            text,
            pending_at,
        }
    }
}

impl Event {
    /// The same news under another id.
    fn twin(&self, call: &Call) -> Self {
        let id = ids::long("evt_1", &call.cx);
        // Both ids have the same length, so that the place of the number stays.
        Event { text: self.text.replacen(&self.id, &id, 1), id, ..self.clone() }
    }
}

/// Removes the number of pending webhooks and says where it was. Only the outermost object has exactly two spaces
/// before this name, and no text inside can contain a line break.
fn cut_out_pending(text: &mut String) -> usize {
    const NAME: &str = "\n  \"pending_webhooks\": ";
    let at = text.rfind(NAME).map_or(text.len(), |at| at + NAME.len());
    if text[at..].starts_with('0') {
        text.remove(at);
    }
    at
}

/// What differs between two renderings of an object, with the old values: `previous_attributes`.
pub(crate) fn changes(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return None };
    let differs = |(name, old): &(&String, &Value)| after.get(*name) != Some(*old);
    let changed: Map<String, Value> =
        before.iter().filter(differs).map(|(name, old)| (name.clone(), old.clone())).collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}

impl Sandbox {
    /// All events of the last 30 days (a little more), the oldest first.
    pub fn events(&self) -> &[Event] {
        self.events.list()
    }

    /// Makes an event of any type about any object, as the dashboard's "send test webhook" does.
    pub fn emit_event(&mut self, kind: &str, object: &Value, cx: &Cx) -> String {
        let call = self.outside(cx);
        self.emit(kind, object, &call)
    }

    pub(crate) fn emit(&mut self, kind: &str, object: &Value, call: &Call) -> String {
        self.emit_change(kind, object, None, call)
    }

    pub(crate) fn emit_change(
        &mut self,
        kind: &str,
        object: &Value,
        previous: Option<&Value>,
        call: &Call,
    ) -> String {
        let of = object["id"].as_str().unwrap_or_default();
        self.publish(Event::new(kind, of, object, previous, call), call)
    }

    /// Puts an event on its shelf and on its way to every endpoint that wants it.
    pub(crate) fn publish(&mut self, event: Event, call: &Call) -> String {
        let troubles = self.faults.on_event(&event.kind, &call.cx);
        if troubles.contains(&Trouble::NotGenerated) {
            return event.id;
        }
        if troubles.contains(&Trouble::Twin) {
            self.send(event.twin(call), &troubles, call);
        }
        let id = event.id.clone();
        self.send(event, &troubles, call);
        self.forget_old_events(call.seconds());
        id
    }

    fn send(&mut self, mut event: Event, troubles: &[Trouble], call: &Call) {
        self.send_to_endpoints(&mut event, troubles, call);
        self.events.put(event);
    }

    /// Emits `kind` with what changed between `before` and `after`, or nothing when nothing did.
    pub(crate) fn emit_if_changed(&mut self, kind: &str, before: &Value, after: &Value, call: &Call) {
        if let Some(previous) = changes(before, after) {
            self.emit_change(kind, after, Some(&previous), call);
        }
    }

    fn forget_old_events(&mut self, now: i64) {
        let list = self.events.list();
        let outdated = |event: &Event| event.created < now - SHOWN_SECONDS;
        if list.get(FORGET_AT_ONCE).is_some_and(outdated) {
            self.events.forget_oldest(list.partition_point(outdated));
        }
    }

    pub(crate) fn list_events(&self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "type",
            "types",
            "delivery_success",
        ])?;
        let types = wanted_types(params)?;
        for cursor in ["starting_after", "ending_before"] {
            if let Some(id) = params.text(cursor)? {
                // What is no longer shown is no place to start from either.
                self.event(&id, call).map_err(|_| ApiError::no_such("event", &id, cursor))?;
            }
        }
        let delivered = params.flag("delivery_success")?;
        let shown_from = call.seconds() - SHOWN_SECONDS;
        let keep = |event: &Event| {
            event.created >= shown_from
                && (types.is_empty() || types.iter().any(|wanted| kind_matches(wanted, &event.kind)))
                && delivered.is_none_or(|delivered| delivered == (event.undelivered == 0))
        };
        Paging::read(params)?.page(&self.events, "/v1/events", keep, Event::to_json)
    }

    pub(crate) fn event(&self, id: &str, call: &Call) -> Result<&Event, ApiError> {
        let shown = |event: &&Event| event.created >= call.seconds() - SHOWN_SECONDS;
        self.events.get(id).filter(shown).ok_or_else(|| ApiError::no_such("event", id, "id"))
    }

    pub(crate) fn retry_event(&mut self, id: &str, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["webhook_endpoint"])?;
        let endpoint = params.required_text("webhook_endpoint")?;
        let shown = self.event(id, call)?.to_json();
        if self.live_endpoint(&endpoint).is_none() {
            return Err(ApiError::no_such("webhook endpoint", &endpoint, "webhook_endpoint"));
        }
        self.resend(id, &endpoint, call);
        Ok(shown)
    }
}

fn wanted_types(params: &Params) -> Result<Vec<String>, ApiError> {
    let (one, many) = (params.text("type")?, params.texts("types")?);
    if one.is_some() && !many.is_empty() {
        return Err(params.invalid("types", "You may only specify one of these parameters: type, types."));
    }
    if many.len() > 20 {
        return Err(params.invalid("types", "You may only specify up to 20 event types."));
    }
    Ok(one.into_iter().chain(many).collect())
}
