//! What an event, or an object fetched from Stripe, proves; read from raw JSON of any API version.
//!
//! Facts only grow. Two facts of one object **join** to what both prove together, and joining is commutative,
//! associative and idempotent: events may come in any order and any number of times and the facts end the same.
//! What can change both ways (refunds, disputes) is kept in a [`Seen`], which grows as well; the worker fetches such
//! objects before it joins them ([`Proof::target`] says which).
//!
//! Joins are made of two kinds only: the greater of two states in an order in which states never go back; and a
//! record that travels whole with the state in which it was seen (a session's amounts with its status), so that
//! a total that was lowered before payment does not survive the payment.

mod charge;
mod dispute;
mod intent;
mod radar;
mod refund;
mod sale;
mod seen;
mod session;
mod target;

use kernel::planted::{Defect, planted};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use charge::ChargeFact;
pub use dispute::{DisputeFact, DisputeOutcome, DisputeState, DisputeStatus};
pub use intent::{Failure, IntentFact};
pub use radar::{ReviewFact, WarningFact};
pub use refund::{RefundFact, RefundStatus};
pub use sale::{Sale, SoldLine};
pub use seen::{Asked, Seen, Source};
pub use session::{SessionFact, SessionPayment, SessionStatus};
pub(crate) use target::SOLD;
pub use target::Target;

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
    /// What is proven: of the object itself first, then of those that stand in it.
    pub facts: Vec<Fact>,
    /// What has to be fetched before this may be joined, where the payload alone is only a hint.
    pub target: Option<Target>,
    /// What was sold, where the session itself has to say it.
    #[serde(default)]
    pub sale: Option<Sale>,
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
    /// The Payment Link on which a session was opened.
    pub payment_link: Option<String>,
    /// The metadata may have been typed by a person on a refund or a dispute: the payment it points to counts first.
    pub typed: bool,
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
    /// Of a refund.
    #[serde(rename = "refund")]
    Refund(RefundFact),
    /// Of a dispute.
    #[serde(rename = "dispute")]
    Dispute(DisputeFact),
    /// Of an early fraud warning.
    #[serde(rename = "radar.early_fraud_warning")]
    Warning(WarningFact),
    /// Of a review by Radar.
    #[serde(rename = "review")]
    Review(ReviewFact),
}

impl Fact {
    /// The id of the object that the fact is about.
    pub fn object_id(&self) -> &str {
        match self {
            Fact::Session(session) => &session.id,
            Fact::Intent(intent) => &intent.id,
            Fact::Charge(charge) => &charge.id,
            Fact::Refund(refund) => &refund.id,
            Fact::Dispute(dispute) => &dispute.id,
            Fact::Warning(warning) => &warning.id,
            Fact::Review(review) => &review.id,
        }
    }

    /// Stripe's word for the kind of object.
    pub fn object_kind(&self) -> &'static str {
        match self {
            Fact::Session(_) => SESSION,
            Fact::Intent(_) => INTENT,
            Fact::Charge(_) => CHARGE,
            Fact::Refund(_) => REFUND,
            Fact::Dispute(_) => DISPUTE,
            Fact::Warning(_) => WARNING,
            Fact::Review(_) => REVIEW,
        }
    }

    /// The state of what can change both ways, in Stripe's words; nothing for what only grows.
    pub fn state(&self) -> Option<&'static str> {
        match self {
            Fact::Refund(refund) => refund.status.now().map(|status| status.as_str()),
            Fact::Dispute(dispute) => dispute.state.now().map(|state| state.status.as_str()),
            Fact::Review(review) => Some(if review.closed.is_some() { "closed" } else { "open" }),
            Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_) | Fact::Warning(_) => None,
        }
    }

    /// What is to be fetched, when only an event has told what is known here.
    pub fn provisional(&self) -> Option<Target> {
        match self {
            Fact::Charge(charge) if charge.refunded.is_provisional() && charge.refunded_now() > 0 => {
                Some(Target::Charge(charge.id.clone()))
            }
            Fact::Refund(refund) if refund.status.is_provisional() => {
                Target::of_refund(refund.charge.as_deref(), refund.payment_intent.as_deref())
            }
            Fact::Dispute(dispute) if dispute.state.is_provisional() => {
                Some(Target::Dispute(dispute.id.clone()))
            }
            _ => None,
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
            (Fact::Refund(a), Fact::Refund(b)) => Some(Fact::Refund(a.join(b))),
            (Fact::Dispute(a), Fact::Dispute(b)) => Some(Fact::Dispute(a.join(b))),
            (Fact::Warning(a), Fact::Warning(b)) => Some(Fact::Warning(a.join(b))),
            (Fact::Review(a), Fact::Review(b)) => Some(Fact::Review(a.join(b))),
            _ => None,
        }
    }
}

const SESSION: &str = "checkout.session";
const INTENT: &str = "payment_intent";
const CHARGE: &str = "charge";
const REFUND: &str = "refund";
const DISPUTE: &str = "dispute";
const WARNING: &str = "radar.early_fraud_warning";
const REVIEW: &str = "review";

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
    ChargeRefunded,
    Refund,
    RefundFailed,
    Dispute,
    Warning,
    ReviewOpened,
    ReviewClosed,
    /// Not from an event: the object as Stripe shows it now.
    Fetched,
}

const NEWS: [(&str, News, &str); 23] = [
    ("checkout.session.completed", News::SessionCompleted, SESSION),
    ("checkout.session.async_payment_succeeded", News::SessionAsyncSucceeded, SESSION),
    ("checkout.session.async_payment_failed", News::SessionAsyncFailed, SESSION),
    ("checkout.session.expired", News::SessionExpired, SESSION),
    ("payment_intent.succeeded", News::IntentSucceeded, INTENT),
    ("payment_intent.payment_failed", News::IntentFailed, INTENT),
    ("payment_intent.processing", News::IntentProcessing, INTENT),
    ("payment_intent.canceled", News::IntentCanceled, INTENT),
    ("charge.succeeded", News::ChargeSucceeded, CHARGE),
    ("charge.refunded", News::ChargeRefunded, CHARGE),
    // The old twin of `refund.updated`; its object is the refund.
    ("charge.refund.updated", News::Refund, REFUND),
    ("refund.created", News::Refund, REFUND),
    ("refund.updated", News::Refund, REFUND),
    ("refund.failed", News::RefundFailed, REFUND),
    ("charge.dispute.created", News::Dispute, DISPUTE),
    ("charge.dispute.updated", News::Dispute, DISPUTE),
    ("charge.dispute.funds_withdrawn", News::Dispute, DISPUTE),
    ("charge.dispute.funds_reinstated", News::Dispute, DISPUTE),
    ("charge.dispute.closed", News::Dispute, DISPUTE),
    ("radar.early_fraud_warning.created", News::Warning, WARNING),
    ("radar.early_fraud_warning.updated", News::Warning, WARNING),
    ("review.opened", News::ReviewOpened, REVIEW),
    ("review.closed", News::ReviewClosed, REVIEW),
];

/// The event types that [`read`] turns into a proof.
pub fn handled() -> impl Iterator<Item = &'static str> {
    NEWS.iter().map(|(kind, ..)| *kind)
}

fn news(kind: &str) -> Option<(News, &'static str)> {
    NEWS.iter().find(|(known, ..)| *known == kind).map(|(_, news, object)| (*news, *object))
}

/// What `event` proves.
pub fn read(event: &Event) -> Result<Reading, MissingField> {
    match news(&event.kind) {
        Some((news, object)) if event.shape == Shape::Snapshot => {
            let fields = Fields::of(&event.object, "data.object", &event.kind)?;
            expect_object(&fields, object)?;
            proof(&fields, object, news, Source::Told(event.created))
        }
        _ => Ok(Reading::NotHandled),
    }
}

/// What an object that was fetched from Stripe proves, with the objects that were expanded in it, in answer to this question.
pub fn read_object(object: &Value, asked: Asked) -> Result<Reading, MissingField> {
    let kind = object.get("object").and_then(Value::as_str).unwrap_or("object");
    proof(&Fields::of(object, "", kind)?, kind, News::Fetched, Source::Fetched(asked))
}

/// A type and an object that contradict each other are not interpreted.
fn expect_object(fields: &Fields<'_>, object: &'static str) -> Result<(), MissingField> {
    match fields.text("object") {
        Some(seen) if seen != object => Err(fields.missing("object", object)),
        _ => Ok(()),
    }
}

fn proof(fields: &Fields<'_>, object: &str, news: News, source: Source) -> Result<Reading, MissingField> {
    let Some(fact) = fact(fields, object, news, source)? else { return Ok(Reading::NotHandled) };
    let references = references(fields, &fact);
    let (target, sale) = match (&fact, news) {
        (Fact::Session(session), News::Fetched) => (None, sale::read(fields, session, &references)?),
        (_, News::Fetched) => (None, None),
        (Fact::Session(session), _) if sale::is_sold(session, &references) => {
            (Some(Target::Session(session.id.clone())), None)
        }
        _ => (Target::of(&fact, news), None),
    };
    let mut proof = Proof { references, facts: vec![fact], target, sale };
    if let Source::Fetched(asked) = source {
        within(fields, asked, &mut proof);
    }
    Ok(Reading::Proof(proof))
}

fn fact(fields: &Fields<'_>, object: &str, news: News, source: Source) -> Result<Option<Fact>, MissingField> {
    Ok(Some(match object {
        SESSION => Fact::Session(session::read(fields, news)?),
        INTENT => Fact::Intent(intent::read(fields, news)?),
        CHARGE => Fact::Charge(charge::read(fields, source)?),
        REFUND => Fact::Refund(refund::read(fields, news, source)?),
        DISPUTE => Fact::Dispute(dispute::read(fields, source)?),
        WARNING => Fact::Warning(radar::read_warning(fields)?),
        REVIEW => Fact::Review(radar::read_review(fields, news)?),
        _ => return Ok(None),
    }))
}

/// Adds what the objects prove that were expanded in a fetched one, and by what they name their order. One that is not
/// whole is passed over: it was not expanded for us.
fn within(fields: &Fields<'_>, asked: Asked, proof: &mut Proof) {
    let names = ["payment_intent", "latest_charge", "charge", "review"];
    let expanded = names.into_iter().filter_map(|name| fields.inside(name));
    let refunds = fields.inside("refunds").map(|refunds| refunds.items("data")).unwrap_or_default();
    for inner in expanded.chain(refunds) {
        let kind = inner.text("object").unwrap_or_default();
        if let Ok(Reading::Proof(more)) = self::proof(&inner, kind, News::Fetched, Source::Fetched(asked)) {
            proof.references.complete(more.references);
            proof.facts.extend(more.facts);
        }
    }
}

impl References {
    /// Our own id, as the shop wrote it on the object. What stands in the address of a Payment Link is typed by whoever opens
    /// it, so `client_reference_id` says nothing there.
    pub fn own_order(&self) -> Option<&str> {
        let is_written = self.payment_link.is_none() || planted(Defect::TypedReferenceTrusted);
        let ours = |text: &&str| is_written && text.starts_with("ord_");
        self.order.as_deref().or(self.client_reference.as_deref().filter(ours))
    }

    /// Takes over what is not known yet from an object that stands inside; what a payment says of its order is never typed.
    fn complete(&mut self, inner: References) {
        if self.typed && !inner.typed && inner.order.is_some() {
            (self.order, self.profile, self.typed) = (None, None, false);
        }
        if self.typed == inner.typed {
            self.order = self.order.take().or(inner.order);
            self.profile = self.profile.take().or(inner.profile);
        }
        self.client_reference = self.client_reference.take().or(inner.client_reference);
        self.session = self.session.take().or(inner.session);
        self.payment_intent = self.payment_intent.take().or(inner.payment_intent);
        self.charge = self.charge.take().or(inner.charge);
        self.payment_link = self.payment_link.take().or(inner.payment_link);
    }
}

fn references(fields: &Fields<'_>, fact: &Fact) -> References {
    let metadata = fields.inside("metadata");
    let from_metadata = |key| metadata.as_ref().and_then(|metadata| metadata.owned(key));
    let (session, payment_intent, charge) = match fact {
        Fact::Session(session) => (Some(session.id.clone()), session.payment_intent.clone(), None),
        Fact::Intent(intent) => (None, Some(intent.id.clone()), intent.latest_charge.clone()),
        Fact::Charge(charge) => (None, charge.payment_intent.clone(), Some(charge.id.clone())),
        Fact::Refund(refund) => (None, refund.payment_intent.clone(), refund.charge.clone()),
        Fact::Dispute(dispute) => (None, dispute.payment_intent.clone(), dispute.charge.clone()),
        Fact::Warning(warning) => (None, warning.payment_intent.clone(), warning.charge.clone()),
        Fact::Review(review) => (None, review.payment_intent.clone(), review.charge.clone()),
    };
    let typed = !matches!(fact, Fact::Session(_) | Fact::Intent(_) | Fact::Charge(_));
    References {
        order: from_metadata("orderId"),
        profile: from_metadata("profileId"),
        client_reference: fields.owned("client_reference_id"),
        session,
        payment_intent,
        charge,
        payment_link: fields.id_in("payment_link"),
        typed,
    }
}
