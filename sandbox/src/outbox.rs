//! Webhook deliveries: what is due, how it is signed, and what happens after each try.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use kernel::{Cx, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::account::Sandbox;
use crate::call::Call;
use crate::endpoints::Endpoint;
use crate::events::Event;
use crate::faults::Trouble;
use crate::ids;
use crate::queue::Queue;

/// Stripe gives up three days after the first try.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);
/// The key of the fake `v0` signature that test events carry; nobody should accept it.
const FAKE_SIGNATURE_KEY: &str = "not a secret";

/// One webhook request that is to be sent now.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names this try in `delivery_result`.
    pub id: u64,
    /// `we_…`
    pub endpoint: String,
    /// Where to send it.
    pub url: String,
    /// `Stripe-Signature` and the other headers, signed at this moment.
    pub headers: Vec<(String, String)>,
    /// The event, pretty-printed.
    pub body: Vec<u8>,
    /// `evt_…`
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// 1 for the first try.
    pub attempt: u32,
}

/// Why something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reason {
    /// It happened, and the endpoint wants to know; tried again until it succeeds.
    News,
    /// Somebody asked for it again, or a fault sends it twice. It neither counts nor is tried again.
    Copy,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parcel {
    event: String,
    endpoint: String,
    reason: Reason,
    tries: u32,
    first_tried: Option<Timestamp>,
}

/// Everything that is on its way to an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    waiting: Queue<Parcel>,
    /// Handed out by `due_deliveries`, result not yet known.
    in_flight: BTreeMap<u64, Parcel>,
    next_delivery: u64,
}

impl Outbox {
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.next_due()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// After a restart nobody will report on what was in flight, so it is sent again.
    pub(crate) fn recover(&mut self, now: Timestamp) {
        for parcel in std::mem::take(&mut self.in_flight).into_values() {
            self.waiting.push(now, parcel);
        }
    }
}

impl Sandbox {
    pub(crate) fn send_to_endpoints(&mut self, event: &mut Event, troubles: &[Trouble], call: &Call) {
        for endpoint in self.endpoints.list().iter().filter(|endpoint| endpoint.wants(&event.kind)) {
            event.undelivered += 1;
            if troubles.contains(&Trouble::Drop) {
                continue;
            }
            event.pending_webhooks += 1;
            for (due, reason) in departures(troubles, call) {
                let parcel = Parcel::new(&event.id, &endpoint.id, reason);
                self.outbox.waiting.push(due, parcel);
            }
        }
    }

    /// Sends an event once more to one endpoint, now. Automatic tries go on beside it.
    pub(crate) fn resend(&mut self, event: &str, endpoint: &str, call: &Call) {
        self.outbox.waiting.push(call.now(), Parcel::new(event, endpoint, Reason::Copy));
    }

    /// The webhooks that are to be sent now; report on each with [`Sandbox::delivery_result`].
    pub fn due_deliveries(&mut self, cx: &Cx) -> Vec<Delivery> {
        self.tick(cx);
        let cx = self.local(cx);
        let mut due = Vec::new();
        while let Some((at, mut parcel)) = self.outbox.waiting.pop(cx.now) {
            if self.is_for_one_down(&parcel) {
                self.miss(parcel, at);
                continue;
            }
            parcel.tries += 1;
            parcel.first_tried.get_or_insert(cx.now);
            match self.address(&parcel, &cx) {
                Some(delivery) => {
                    self.outbox.in_flight.insert(delivery.id, parcel);
                    due.push(delivery);
                }
                None => self.give_up(&parcel),
            }
        }
        due
    }

    fn is_for_one_down(&self, parcel: &Parcel) -> bool {
        self.endpoints.get(&parcel.endpoint).is_some_and(Endpoint::is_down)
    }

    /// Lets every delivery fail that fell due by now at an endpoint that is down, each at its own time.
    pub(crate) fn miss_what_was_due(&mut self, now: Timestamp) {
        let mut others = Vec::new();
        while let Some((at, parcel)) = self.outbox.waiting.pop(now) {
            if self.is_for_one_down(&parcel) {
                self.miss(parcel, at);
            } else {
                others.push((at, parcel));
            }
        }
        for (at, parcel) in others {
            self.outbox.waiting.push(at, parcel);
        }
    }

    /// A try at this moment that reached nobody.
    fn miss(&mut self, mut parcel: Parcel, at: Timestamp) {
        parcel.tries += 1;
        parcel.first_tried.get_or_insert(at);
        self.failed(parcel, at);
    }

    /// `None` when the event or the endpoint is gone.
    fn address(&mut self, parcel: &Parcel, cx: &Cx) -> Option<Delivery> {
        let event = self.events.get(&parcel.event)?;
        let endpoint = self.endpoints.get(&parcel.endpoint).filter(|endpoint| endpoint.is_enabled())?;
        let body = event.body().into_bytes();
        self.outbox.next_delivery += 1;
        Some(Delivery {
            id: self.outbox.next_delivery,
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            headers: headers(endpoint, &body, cx.now),
            body,
            event: event.id.clone(),
            kind: event.kind.clone(),
            attempt: parcel.tries,
        })
    }

    /// What became of a delivery: the HTTP status, or `None` when there was no answer. Only 2xx counts as taken;
    /// everything else is tried again with growing pauses, for three days.
    pub fn delivery_result(&mut self, delivery: u64, status: Option<u16>, cx: &Cx) {
        let Some(parcel) = self.outbox.in_flight.remove(&delivery) else { return };
        if status.is_some_and(|status| (200..300).contains(&status)) {
            return self.taken(&parcel);
        }
        self.failed(parcel, self.now(cx));
    }

    /// After a try that failed comes another one, unless it was a copy or three days are over.
    fn failed(&mut self, parcel: Parcel, at: Timestamp) {
        if parcel.reason == Reason::Copy {
            return;
        }
        match self.next_try(&parcel, at) {
            Some(next) => self.outbox.waiting.push(next, parcel),
            None => self.give_up(&parcel),
        }
    }

    fn next_try(&self, parcel: &Parcel, now: Timestamp) -> Option<Timestamp> {
        let pauses = &self.settings.retry_after_seconds;
        let pause = pauses.get(parcel.tries as usize - 1).or(pauses.last())?;
        let at = now + Duration::from_secs((*pause).max(1));
        (at <= parcel.first_tried? + GIVE_UP_AFTER).then_some(at)
    }

    fn taken(&mut self, parcel: &Parcel) {
        if parcel.reason == Reason::Copy {
            return;
        }
        if let Some(event) = self.events.get_mut(&parcel.event) {
            event.pending_webhooks = event.pending_webhooks.saturating_sub(1);
            event.undelivered = event.undelivered.saturating_sub(1);
        }
    }

    /// It stays undelivered, so that `delivery_success=false` finds it.
    fn give_up(&mut self, parcel: &Parcel) {
        if let (Reason::News, Some(event)) = (parcel.reason, self.events.get_mut(&parcel.event)) {
            event.pending_webhooks = event.pending_webhooks.saturating_sub(1);
        }
    }
}

impl Parcel {
    fn new(event: &str, endpoint: &str, reason: Reason) -> Self {
        Parcel { event: event.to_owned(), endpoint: endpoint.to_owned(), reason, tries: 0, first_tried: None }
    }
}

/// When it leaves, and each copy of it.
fn departures(troubles: &[Trouble], call: &Call) -> Vec<(Timestamp, Reason)> {
    let mut due = call.now();
    let mut copies = 0;
    for trouble in troubles {
        match trouble {
            Trouble::Delay { seconds } => due = due + Duration::from_secs(*seconds),
            Trouble::Reorder { within_seconds } => {
                due = due + Duration::from_micros(call.cx.below(within_seconds.saturating_mul(1_000_000)));
            }
            Trouble::Duplicate { copies: more } => copies += more,
            _ => {}
        }
    }
    let copies = (0..copies).map(|_| (due, Reason::Copy));
    std::iter::once((due, Reason::News)).chain(copies).collect()
}

fn headers(endpoint: &Endpoint, body: &[u8], now: Timestamp) -> Vec<(String, String)> {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        text("Content-Type", "application/json; charset=utf-8"),
        text("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        text("Stripe-Signature", &signature(endpoint.live_secrets(now), body, now)),
    ]
}

/// `t=…,v1=…` with one `v1` for each secret that lives, and the fake `v0` that test events carry.
pub(crate) fn signature<'a>(secrets: impl Iterator<Item = &'a str>, body: &[u8], now: Timestamp) -> String {
    let time = now.seconds();
    let mut header = format!("t={time}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&signed(secret, time, body));
    }
    header.push_str(",v0=");
    header.push_str(&signed(FAKE_SIGNATURE_KEY, time, body));
    header
}

fn signed(secret: &str, time: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this is never the empty text.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new signing secret.
pub(crate) fn new_secret(cx: &Cx) -> String {
    ids::secret("whsec_", cx)
}
