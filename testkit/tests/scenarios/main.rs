//! Scenarios: whole stories through the shop's own verbs, with the sandbox Stripe and a hand-turned clock, on both
//! engines. Each ends with every check finding nothing.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod attempts;
mod broken;
mod cases;
mod checkout;
mod claims;
mod cleanup;
mod content;
mod delivery;
mod disputes;
mod doubles;
mod events;
mod findings;
mod fixpoint;
mod gone_again;
mod keys;
mod leases;
mod links;
mod mails;
mod operators;
mod outage;
mod paid_twice;
mod payments;
mod reconcile;
mod refunds;
mod retries;
mod snoozes;
mod spent;
mod status;
mod switches;
mod witnessed;
