//! What an event, or an object fetched from Stripe, proves; read from raw JSON of any API version.
//!
//! Facts only grow. Two facts of one object **join** to what both prove together, and joining is commutative,
//! associative and idempotent: events may come in any order and any number of times and the facts end the same.
//! What can change both ways (refunds, disputes, subscriptions) is not read here.
//!
//! Joins are made of two kinds only: the greater of two states in an order in which states never go back; and a
//! record that travels whole with the state in which it was seen (a session's amounts with its status), so that
//! a total that was lowered before payment does not survive the payment.

mod charge;
mod intent;
mod session;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use charge::ChargeFact;
pub use intent::{Failure, IntentFact};
pub use session::{SessionFact, SessionPayment, SessionStatus};

use crate::MissingField;
use crate::event::{Event, Shape};
use crate::fields::Fields;

/// What reading came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each event and taken apart at once")]
pub enum Reading {
    /// It proves something.
    Proof(Proof),
    /// A type that we do not act on.
    NotHandled,
}

/// A fact and everything by which its order may be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Where to look for the order.
    pub references: References,
    /// What is proven.
    pub fact: Fact,
}

/// Everything on an object by which its order may be found, verbatim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct References {
    /// `metadata.orderId`.
    pub order: Option<String>,
    /// `metadata.profileId`.
    pub profile: Option<String>,
    /// `client_reference_id` of a session.
    pub client_reference: Option<String>,
    /// The checkout session itself.
    pub session: Option<String>,
    /// The payment intent, itself or pointed to.
    pub payment_intent: Option<String>,
    /// The charge, itself or pointed to.
    pub charge: Option<String>,
}

/// What is proven of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object")]
pub enum Fact {
    /// Of a checkout session.
    #[serde(rename = "checkout.session")]
    Session(SessionFact),
    /// Of a payment intent.
    #[serde(rename = "payment_intent")]
    Intent(IntentFact),
    /// Of a charge.
    #[serde(rename = "charge")]
    Charge(ChargeFact),
}

impl Fact {
    /// The id of the object that the fact is about.
    pub fn object_id(&self) -> &str {
        match self {
            Fact::Session(session) => &session.id,
            Fact::Intent(intent) => &intent.id,
            Fact::Charge(charge) => &charge.id,
        }
    }

    /// Stripe's word for the kind of object.
    pub fn object_kind(&self) -> &'static str {
        match self {
            Fact::Session(_) => SESSION,
            Fact::Intent(_) => INTENT,
            Fact::Charge(_) => CHARGE,
        }
    }

    /// What both prove together; nothing when they are about different objects.
    pub fn join(self, other: Fact) -> Option<Fact> {
        if self.object_id() != other.object_id() {
            return None;
        }
        match (self, other) {
            (Fact::Session(a), Fact::Session(b)) => Some(Fact::Session(a.join(b))),
            (Fact::Intent(a), Fact::Intent(b)) => Some(Fact::Intent(a.join(b))),
            (Fact::Charge(a), Fact::Charge(b)) => Some(Fact::Charge(a.join(b))),
            (Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_), _) => None,
        }
    }
}

const SESSION: &str = "checkout.session";
const INTENT: &str = "payment_intent";
const CHARGE: &str = "charge";

/// The event types that are read. The type is Stripe's word as much as the payload is, and some of what it says
/// stands nowhere else: after a failed attempt the intent's status is again what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    SessionCompleted,
    SessionAsyncSucceeded,
    SessionAsyncFailed,
    SessionExpired,
    IntentSucceeded,
    IntentFailed,
    IntentProcessing,
    IntentCanceled,
    ChargeSucceeded,
    /// Not from an event: the object as Stripe shows it now.
    Fetched,
}

/// The event types that [`read`] turns into a proof.
pub const HANDLED: [&str; 9] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.canceled",
    "charge.succeeded",
];

fn news(kind: &str) -> Option<(News, &'static str)> {
    Some(match kind {
        "checkout.session.completed" => (News::SessionCompleted, SESSION),
        "checkout.session.async_payment_succeeded" => (News::SessionAsyncSucceeded, SESSION),
        "checkout.session.async_payment_failed" => (News::SessionAsyncFailed, SESSION),
        "checkout.session.expired" => (News::SessionExpired, SESSION),
        "payment_intent.succeeded" => (News::IntentSucceeded, INTENT),
        "payment_intent.payment_failed" => (News::IntentFailed, INTENT),
        "payment_intent.processing" => (News::IntentProcessing, INTENT),
        "payment_intent.canceled" => (News::IntentCanceled, INTENT),
        "charge.succeeded" => (News::ChargeSucceeded, CHARGE),
        _ => return None,
    })
}

/// What `event` proves.
pub fn read(event: &Event) -> Result<Reading, MissingField> {
    match news(&event.kind) {
        Some((news, object)) if event.shape == Shape::Snapshot => {
            let fields = Fields::of(&event.object, "data.object", &event.kind)?;
            expect_object(&fields, object)?;
            proof(&fields, object, news)
        }
        _ => Ok(Reading::NotHandled),
    }
}

/// What an object that was fetched from Stripe proves.
pub fn read_object(object: &Value) -> Result<Reading, MissingField> {
    let kind = object.get("object").and_then(Value::as_str).unwrap_or("object");
    proof(&Fields::of(object, "", kind)?, kind, News::Fetched)
}

/// A type and an object that contradict each other are not interpreted.
fn expect_object(fields: &Fields<'_>, object: &'static str) -> Result<(), MissingField> {
    match fields.text("object") {
        Some(seen) if seen != object => Err(fields.missing("object", object)),
        _ => Ok(()),
    }
}

fn proof(fields: &Fields<'_>, object: &str, news: News) -> Result<Reading, MissingField> {
    let fact = match object {
        SESSION => Fact::Session(session::read(fields, news)?),
        INTENT => Fact::Intent(intent::read(fields, news)?),
        CHARGE => Fact::Charge(charge::read(fields)?),
        _ => return Ok(Reading::NotHandled),
    };
    Ok(Reading::Proof(Proof { references: references(fields, &fact), fact }))
}

fn references(fields: &Fields<'_>, fact: &Fact) -> References {
    let metadata = fields.inside("metadata");
    let from_metadata = |key| metadata.as_ref().and_then(|metadata| metadata.owned(key));
    let (session, payment_intent, charge) = match fact {
        Fact::Session(session) => (Some(session.id.clone()), session.payment_intent.clone(), None),
        Fact::Intent(intent) => (None, Some(intent.id.clone()), intent.latest_charge.clone()),
        Fact::Charge(charge) => (None, charge.payment_intent.clone(), Some(charge.id.clone())),
    };
    References {
        order: from_metadata("orderId"),
        profile: from_metadata("profileId"),
        client_reference: fields.owned("client_reference_id"),
        session,
        payment_intent,
        charge,
    }
}
