//! Webhook endpoints: who wants to hear of what, and the secrets that sign it.

use std::time::Duration;

use kernel::{Cx, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{API_VERSION, Sandbox};
use crate::call::Call;
use crate::error::ApiError;
use crate::ids;
use crate::lists::{PAGING, Paging};
use crate::outbox::new_secret;
use crate::outside::NotPossible;
use crate::params::{Metadata, Params, merge};
use crate::shelf::Kept;
use crate::versions::Version;

/// An old secret may live on for at most a day after a roll.
const LONGEST_OVERLAP: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Secret {
    text: String,
    /// `None` for the newest.
    valid_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Enabled,
    Disabled,
    Deleted,
}

/// Whether an endpoint can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It can.
    #[default]
    Up,
    /// Every delivery fails by itself, without being handed out.
    Down,
}

/// A webhook endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) url: String,
    created: i64,
    description: Option<String>,
    enabled_events: Vec<String>,
    api_version: Option<String>,
    metadata: Metadata,
    status: Status,
    secrets: Vec<Secret>,
    #[serde(default)]
    reach: Reach,
}

impl Kept for Endpoint {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Endpoint {
    pub(crate) fn is_enabled(&self) -> bool {
        self.status == Status::Enabled
    }

    pub(crate) fn is_down(&self) -> bool {
        self.is_enabled() && self.reach == Reach::Down
    }

    /// Whether it is told of events of this type. `charge.*` is not a wildcard here, only `*` is.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.is_enabled() && self.enabled_events.iter().any(|wanted| wanted == "*" || wanted == kind)
    }

    pub(crate) fn live_secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let lives = move |secret: &&Secret| secret.valid_until.is_none_or(|until| now < until);
        self.secrets.iter().filter(lives).map(|secret| secret.text.as_str())
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": false,
            "metadata": self.metadata,
            "status": if self.is_enabled() { "enabled" } else { "disabled" },
            "url": self.url,
        })
    }
}

impl Sandbox {
    /// Registers an endpoint for these event types (`*` for all) and returns its id and signing secret.
    pub fn add_endpoint(&mut self, url: &str, enabled_events: &[&str], cx: &Cx) -> (String, String) {
        let cx = self.local(cx);
        let enabled_events = enabled_events.iter().map(|kind| (*kind).to_owned()).collect();
        let endpoint = Endpoint::new(url, enabled_events, new_secret(&cx), &cx);
        let face = (endpoint.id.clone(), endpoint.secrets[0].text.clone());
        self.endpoints.put(endpoint);
        face
    }

    /// The same with a secret chosen beforehand, for a shop whose configuration already holds it.
    pub fn add_endpoint_with_secret(
        &mut self,
        url: &str,
        enabled_events: &[&str],
        secret: &str,
        cx: &Cx,
    ) -> String {
        let cx = self.local(cx);
        let enabled_events = enabled_events.iter().map(|kind| (*kind).to_owned()).collect();
        let endpoint = Endpoint::new(url, enabled_events, secret.to_owned(), &cx);
        let id = endpoint.id.clone();
        self.endpoints.put(endpoint);
        id
    }

    /// Gives an endpoint a new signing secret and returns it. The old one goes on signing for `overlap` (at most
    /// a day), so that deliveries carry two signatures. `None` when there is no such endpoint.
    pub fn roll_secret(&mut self, endpoint: &str, overlap: Duration, cx: &Cx) -> Option<String> {
        let now = self.now(cx);
        let endpoint = self.endpoints.get_mut(endpoint).filter(|e| e.status != Status::Deleted)?;
        endpoint.secrets.retain(|secret| secret.valid_until.is_none_or(|until| now < until));
        for secret in &mut endpoint.secrets {
            secret.valid_until.get_or_insert(now + overlap.min(LONGEST_OVERLAP));
        }
        let text = new_secret(cx);
        endpoint.secrets.push(Secret { text: text.clone(), valid_until: None });
        Some(text)
    }

    /// Lets an endpoint, or all when none is named, go down or come up again; says how many there are. What was to be
    /// delivered while it was down has failed at its time, and is tried again as Stripe does, for three days.
    pub fn set_reach(&mut self, endpoint: Option<&str>, reach: Reach, cx: &Cx) -> Result<usize, NotPossible> {
        let call = self.outside(cx);
        self.miss_what_was_due(call.now());
        let ids: Vec<String> = self.endpoints().map(|(id, _)| id.to_owned()).collect();
        let wanted: Vec<&String> = ids.iter().filter(|id| endpoint.is_none_or(|one| one == *id)).collect();
        if let (Some(id), true) = (endpoint, wanted.is_empty()) {
            return Err(NotPossible::no_such("endpoint", id));
        }
        for id in &wanted {
            if let Some(endpoint) = self.endpoints.get_mut(id) {
                endpoint.reach = reach;
            }
        }
        Ok(wanted.len())
    }

    pub(crate) fn reach_of(&self, endpoint: &str) -> Reach {
        self.endpoints.get(endpoint).map_or(Reach::Up, |endpoint| endpoint.reach)
    }

    pub(crate) fn live_endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.get(id).filter(|endpoint| endpoint.status != Status::Deleted)
    }

    /// Every endpoint's id and address.
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, &str)> {
        let live = self.endpoints.list().iter().filter(|endpoint| endpoint.status != Status::Deleted);
        live.map(|endpoint| (endpoint.id.as_str(), endpoint.url.as_str()))
    }

    pub(crate) fn create_endpoint(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["url", "enabled_events", "api_version", "connect", "description", "metadata"])?;
        let url = params.web_address("url")?.ok_or_else(|| ApiError::missing_parameter("url"))?;
        let events = params.texts("enabled_events")?;
        if events.is_empty() {
            return Err(ApiError::missing_parameter("enabled_events"));
        }
        check_events(params, &events)?;
        let mut endpoint = Endpoint::new(&url, events, new_secret(&call.cx), &call.cx);
        endpoint.description = params.text("description")?;
        endpoint.api_version = read_version(params)?;
        endpoint.metadata = params.metadata("metadata")?;
        let mut shown = endpoint.to_json();
        // Stripe shows the secret this once.
        shown["secret"] = json!(endpoint.secrets[0].text);
        self.endpoints.put(endpoint);
        Ok(shown)
    }

    pub(crate) fn retrieve_endpoint(&self, id: &str) -> Result<Value, ApiError> {
        self.live_endpoint(id).map(Endpoint::to_json).ok_or_else(|| no_such_endpoint(id))
    }

    pub(crate) fn update_endpoint(&mut self, id: &str, params: &Params) -> Result<Value, ApiError> {
        params.only(&["url", "enabled_events", "disabled", "description", "metadata"])?;
        let (url, events) = (params.web_address("url")?, params.texts("enabled_events")?);
        check_events(params, &events)?;
        let (description, disabled) = (params.unsettable("description")?, params.flag("disabled")?);
        let metadata = params.metadata_change("metadata")?;
        let found = self.endpoints.get_mut(id).filter(|endpoint| endpoint.status != Status::Deleted);
        let endpoint = found.ok_or_else(|| no_such_endpoint(id))?;
        merge(&mut endpoint.metadata, metadata)?;
        endpoint.url = url.unwrap_or_else(|| endpoint.url.clone());
        endpoint.description = description.unwrap_or_else(|| endpoint.description.clone());
        if !events.is_empty() {
            endpoint.enabled_events = events;
        }
        if let Some(disabled) = disabled {
            endpoint.status = if disabled { Status::Disabled } else { Status::Enabled };
        }
        Ok(endpoint.to_json())
    }

    pub(crate) fn delete_endpoint(&mut self, id: &str) -> Result<Value, ApiError> {
        let found = self.endpoints.get_mut(id).filter(|endpoint| endpoint.status != Status::Deleted);
        found.ok_or_else(|| no_such_endpoint(id))?.status = Status::Deleted;
        Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
    }

    pub(crate) fn list_endpoints(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&PAGING)?;
        let keep = |endpoint: &Endpoint| endpoint.status != Status::Deleted;
        let paging = Paging::read(params)?;
        paging.page(&self.endpoints, "/v1/webhook_endpoints", keep, Endpoint::to_json)
    }
}

impl Endpoint {
    fn new(url: &str, enabled_events: Vec<String>, secret: String, cx: &Cx) -> Self {
        Endpoint {
            id: ids::long("we_1", cx),
            url: url.to_owned(),
            created: cx.now.seconds(),
            description: None,
            enabled_events,
            api_version: None,
            metadata: Metadata::new(),
            status: Status::Enabled,
            secrets: vec![Secret { text: secret, valid_until: None }],
            reach: Reach::Up,
        }
    }
}

fn no_such_endpoint(id: &str) -> ApiError {
    ApiError::no_such("webhook endpoint", id, "id")
}

/// Deliveries have one version, so an endpoint that wishes another would be told a lie.
fn read_version(params: &Params) -> Result<Option<String>, ApiError> {
    let version = params.text("api_version")?;
    match version.as_deref() {
        Some(other) if other != API_VERSION => {
            Version::read(other).map_err(|error| error.about("api_version"))?;
            let message = format!(
                "This sandbox delivers events in the shapes of {API_VERSION} only; leave `api_version` out."
            );
            Err(params.invalid("api_version", &message))
        }
        _ => Ok(version),
    }
}

fn check_events(params: &Params, events: &[String]) -> Result<(), ApiError> {
    // Stripe knows no families here: `charge.*` is refused, only `*` stands for everything.
    match events.iter().find(|kind| kind.as_str() != "*" && (kind.contains('*') || !kind.contains('.'))) {
        Some(kind) => Err(params.invalid("enabled_events", &format!("Invalid enabled_events: {kind}"))),
        None => Ok(()),
    }
}
