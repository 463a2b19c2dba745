//! A stateful Stripe for development, tests and the demo; knows no shop.
//!
//! [`Sandbox`] is a synchronous, deterministic account: time and chance come in with every call, so a seeded
//! simulation can drive it in-process. [`http`] serves it to the official Stripe packages and to browsers. It renders the shapes of [`API_VERSION`].

// Stripe's objects have more than sixty members, each a step of `json!`.
#![recursion_limit = "512"]

mod account;
mod api;
mod balance;
mod call;
mod cards;
mod catalog;
mod charges;
mod checkout;
mod currencies;
mod customers;
mod discounts;
mod disputes;
mod endpoints;
mod error;
mod events;
mod expand;
mod faults;
mod form;
pub mod http;
mod idempotency;
mod ids;
mod intents;
mod links;
mod lists;
mod methods;
mod outbox;
mod outside;
mod params;
mod queue;
mod refunds;
mod reviews;
mod routes;
mod shape;
mod shelf;
mod unbuilt;
mod versions;
mod warnings;

pub use account::{API_VERSION, Sandbox, Settings};
pub use api::{Answer, ApiRequest, ApiResponse};
pub use charges::{Charge, ChargeState};
pub use checkout::{Authentication, Method, PayError, PayOutcome, Payment, SessionFacts};
pub use disputes::{CaseType, Dispute, DisputeStatus, DisputeStep, NewDispute};
pub use endpoints::Reach;
pub use events::Event;
pub use faults::{BadFault, Fault, Trouble};
pub use intents::Later;
pub use links::{LinkClosed, Visit};
pub use outbox::Delivery;
pub use outside::NotPossible;
pub use refunds::{FailureReason, NewRefund, Refund, RefundStatus};
pub use reviews::{Review, ReviewClosed, ReviewOpened};
pub use warnings::Warning;
