//! Trouble on demand: what goes wrong on the way, for whom, how often.

use kernel::Cx;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One kind of trouble, for the requests or events that it matches, until its count is used up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// Only requests with this method, like `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path begins so, like `/v1/refunds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only events of this type; `charge.*` means all that begin with `charge.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// How many times more; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How likely it strikes when it matches, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trouble {
    /// The event is never delivered; only the list of events shows it.
    Drop,
    /// The event comes later.
    Delay {
        /// By how much.
        seconds: u64,
    },
    /// The event comes several times.
    Duplicate {
        /// How many times more than once.
        #[serde(default = "one")]
        copies: u32,
    },
    /// The event may be overtaken by later ones.
    Reorder {
        /// The longest that it is held back.
        #[serde(default = "five")]
        within_seconds: u64,
    },
    /// Two Event objects with different ids tell of the one change, as Stripe sometimes does.
    Twin,
    /// The event is never made: neither a webhook nor the list of events shows it, only the object itself. Stripe
    /// fails so very rarely.
    NotGenerated,
    /// The request is lost on its way in: nothing happens, no answer comes.
    TimeoutBeforeExecuting,
    /// The request is executed, but its answer is lost.
    TimeoutAfterExecuting,
    /// The request is executed, but its answer comes late.
    Slow {
        /// How late.
        seconds: u64,
    },
    /// 429; nothing happens.
    RateLimit,
    /// 500, kept under the idempotency key for ever after.
    #[serde(rename = "stored_500")]
    Stored500 {
        /// Whether the work was done all the same.
        #[serde(default)]
        execute: bool,
    },
    /// Nobody listens.
    ConnectionRefused,
    /// 503; nothing happens and nothing is kept.
    Unavailable,
    /// Another request with the same idempotency key is still running: 409.
    InFlight,
}

fn always() -> f64 {
    1.0
}
fn one() -> u32 {
    1
}
fn five() -> u64 {
    5
}

impl Trouble {
    fn is_about_events(&self) -> bool {
        matches!(
            self,
            Trouble::Drop
                | Trouble::Delay { .. }
                | Trouble::Duplicate { .. }
                | Trouble::Reorder { .. }
                | Trouble::Twin
                | Trouble::NotGenerated
        )
    }
}

/// What is wrong with a fault that somebody wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFault(String);

impl std::fmt::Display for BadFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadFault {}

impl Fault {
    /// A fault as it is written in JSON. A name that it does not have is refused: were it passed over, a fault meant for
    /// one request or event would strike all.
    pub fn from_json(written: Value) -> Result<Self, BadFault> {
        let Value::Object(mut members) = written else {
            return Err(BadFault(format!(
                "{written} is no fault; it is an object like {{\"kind\": \"drop\"}}"
            )));
        };
        members.retain(|_, value| !value.is_null());
        let names: Vec<String> = members.keys().cloned().collect();
        let fault = serde_json::from_value(Value::Object(members));
        let fault: Fault = fault.map_err(|error| BadFault(error.to_string()))?;
        let known = fault.names();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            let known = known.join(", ");
            return Err(BadFault(format!("this kind of fault has no `{unknown}`; it has {known}")));
        }
        if fault.count == Some(0) {
            return Err(BadFault(
                "`count` is 0, which never strikes; leave it out for ever, or send 1".into(),
            ));
        }
        if !(0.0..=1.0).contains(&fault.probability) {
            let seen = fault.probability;
            return Err(BadFault(format!("`probability` is {seen}; it goes from 0 to 1")));
        }
        Ok(fault)
    }

    /// The names that may stand in this fault.
    fn names(&self) -> Vec<String> {
        let trouble = serde_json::to_value(&self.trouble).unwrap_or_default();
        let own: Vec<String> =
            trouble.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect();
        let narrowed: &[&str] = if self.trouble.is_about_events() { &["event"] } else { &["method", "path"] };
        let all = narrowed.iter().chain(&["count", "probability"]).map(|name| (*name).to_owned());
        own.into_iter().chain(all).collect()
    }

    /// This trouble for everything, for ever; narrow it with the functions below.
    pub fn new(trouble: Trouble) -> Self {
        Fault { trouble, method: None, path: None, event: None, count: None, probability: 1.0 }
    }
    /// Only `count` times.
    pub fn times(self, count: u32) -> Self {
        Fault { count: Some(count), ..self }
    }
    /// Only events of this type (`charge.*` for a family).
    pub fn on_event(self, kind: &str) -> Self {
        Fault { event: Some(kind.to_owned()), ..self }
    }
    /// Only requests with this method whose path begins so.
    pub fn on_request(self, method: &str, path: &str) -> Self {
        Fault { method: Some(method.to_owned()), path: Some(path.to_owned()), ..self }
    }
    /// Only with this probability, from 0 to 1.
    pub fn with_probability(self, probability: f64) -> Self {
        Fault { probability, ..self }
    }

    fn matches_event(&self, kind: &str) -> bool {
        self.trouble.is_about_events()
            && self.event.as_deref().is_none_or(|wanted| kind_matches(wanted, kind))
    }

    fn matches_request(&self, method: &str, path: &str) -> bool {
        !self.trouble.is_about_events()
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }

    /// Whether it strikes now; if so, once less remains.
    fn strikes(&mut self, cx: &Cx) -> bool {
        const MILLION: u64 = 1_000_000;
        if self.count == Some(0) {
            return false;
        }
        // A sure fault uses no chance, so that adding one does not shift every later id of a seeded run.
        let struck =
            self.probability >= 1.0 || (cx.below(MILLION) as f64) < self.probability * MILLION as f64;
        if struck && let Some(count) = &mut self.count {
            *count -= 1;
        }
        struck
    }
}

/// `charge.*` matches every type that begins with `charge.`; anything else must be equal.
pub(crate) fn kind_matches(wanted: &str, kind: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => wanted == kind,
    }
}

/// All faults that were injected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }

    /// Every trouble that befalls this event.
    pub(crate) fn on_event(&mut self, kind: &str, cx: &Cx) -> Vec<Trouble> {
        let matching = self.0.iter_mut().filter(|fault| fault.matches_event(kind));
        let struck = matching.filter_map(|fault| fault.strikes(cx).then(|| fault.trouble.clone())).collect();
        self.drop_used_up();
        struck
    }

    /// The first trouble that befalls this request.
    pub(crate) fn on_request(&mut self, method: &str, path: &str, cx: &Cx) -> Option<Trouble> {
        let mut matching = self.0.iter_mut().filter(|fault| fault.matches_request(method, path));
        let struck = matching.find_map(|fault| fault.strikes(cx).then(|| fault.trouble.clone()));
        self.drop_used_up();
        struck
    }

    fn drop_used_up(&mut self) {
        self.0.retain(|fault| fault.count != Some(0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every kind, as the refusal of an unknown one lists them.
    fn kinds() -> Vec<String> {
        let refusal = Fault::from_json(json!({ "kind": "none" })).map(|_| ()).unwrap_err().to_string();
        let listed = refusal.split_once("expected one of").map_or("", |(_, list)| list);
        listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_document_lists_every_fault_with_its_fields() {
        let document = include_str!("../../docs/sandbox.md");
        let kinds = kinds();
        assert!(kinds.len() > 10, "{kinds:?}");
        for kind in kinds {
            let row = document.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/sandbox.md has no row for {kind}"));
            let fault = Fault::from_json(json!({ "kind": kind, "seconds": 1 }));
            let fault = fault.or_else(|_| Fault::from_json(json!({ "kind": kind }))).unwrap();
            for field in fault.names() {
                let place = match field.as_str() {
                    "kind" => continue,
                    "event" | "method" | "path" | "count" | "probability" => document,
                    _ => row,
                };
                assert!(place.contains(&format!("`{field}`")), "{kind}: {field}");
            }
        }
    }
}
