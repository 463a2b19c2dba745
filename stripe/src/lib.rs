//! What Stripe says: signatures, facts from payloads of any version, a thin client.
//!
//! - [`signature`]: is this webhook from Stripe, and fresh?
//! - [`event`]: the envelope of an event, read lightly for the inbox and wholly for the worker.
//! - [`facts`]: what an event or an object proves, in any API version; facts join in any order.
//! - [`client`]: one call to Stripe and the honest ways it can fail, of which [`key`] tells those that are about our key;
//!   [`checkout`], [`intents`], [`refunds`] and [`lookup`] build calls.
//!
//! Nothing here knows of a shop or of a database: what a fact means for an order is decided elsewhere.

pub mod checkout;
pub mod client;
pub mod event;
pub mod facts;
mod fields;
pub mod intents;
pub mod key;
pub mod lookup;
pub mod refunds;
pub mod signature;

pub use client::{API_VERSION, Answer, ApiError, ApiKey, Call, CallError, HttpStripe, Method, Stripe};
pub use event::{Envelope, Event, NotAnEvent, Shape};
pub use facts::{
    Asked, ChargeFact, DisputeFact, DisputeOutcome, DisputeState, DisputeStatus, Fact, Failure, IntentFact,
    Proof, Reading, References, RefundFact, RefundStatus, ReviewFact, Sale, Seen, SessionFact,
    SessionPayment, SessionStatus, SoldLine, Source, Target, WarningFact, read, read_object,
};
pub use fields::MissingField;
pub use key::{KeyFault, KeyTrouble, key_trouble};
pub use signature::{Secret, SecretError, SignatureError, sign, verify};
